"""Serving a study: its socket, the links of its raters, and an end that loses nothing."""

import contextlib
import csv
import io
import ipaddress
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from jaxeval import _arguments
from jaxeval.errors import InputError
from jaxeval.files import check_writable, write_atomically
from jaxeval.human._guard import Site
from jaxeval.human.export import rater_name
from jaxeval.human.server import make_app
from jaxeval.human.store import FullError, Store
from jaxeval.human.study import Study, load_study
from jaxeval.progress import Progress

LINKS_FILE = "links.csv"
MOST_BY_THEMSELVES = 1_000
_MOST_RATERS = 100_000
_SHOWN_LINKS = 20
_WRITING_S = 5
_LINK = re.compile(r".*/r/([A-Za-z0-9_-]{43})")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def serve(
    folder: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    raters: int | None = None,
    open_enrolment: bool = False,
    database: str | None = None,
    url: str | None = None,
    say: Callable[[str], None] = print,
    progress: Progress | None = None,
) -> None:
    """Serves a study until the process is told to end (Ctrl-C, SIGTERM); requests that have begun are answered.

    Args:
      folder: of the study. Every file of it is checked before anything is served.
      host: the address to listen at; "127.0.0.1" is for browsers of this machine only.
      port: 0 for any that is free.
      raters: how many raters have links in the end; those that are missing are made, and all are in `links.csv`. With
        `open_enrolment` how many may join, by default 1,000.
      open_enrolment: whether raters join by themselves, with the access code where the study has one.
      database: `postgresql://...`, where several server processes share a study; None for SQLite in the folder.
      url: under which browsers reach the server, where that is through a proxy (`https://rate.example.org`).
      say: is given each line of what whoever starts it should read.
      progress: who is told how many images were checked.

    Raises:
      InputError: the study or the database was changed or is another's, the port is taken, or an argument is wrong.
    """
    if raters is not None:
        _arguments.whole_number("raters", raters, 1, _MOST_RATERS)
    _arguments.whole_number("port", port, 0, 65535)
    study = load_study(folder, progress=progress)
    listening = _listen(host, port)
    with listening:
        own_port = listening.getsockname()[1]
        site, base = _site(host, own_port, url)
        store = Store(study, database)
        try:
            links = None if open_enrolment else _links(study, store, raters, base)
            most = (raters or MOST_BY_THEMSELVES) if open_enrolment else None
            server = uvicorn.Server(
                uvicorn.Config(
                    make_app(study, store, site, most_raters=most),
                    log_level="warning",
                    access_log=False,  # addresses have the secrets of raters in them
                    server_header=False,
                    proxy_headers=url is not None,
                    ws="none",
                    lifespan="on",
                    timeout_keep_alive=30,
                    timeout_graceful_shutdown=10,
                    limit_concurrency=2_000,
                )
            )
            with _ended_by_signals(server):
                for line in _greeting(study, store, host, base, links, most, database, url):
                    say(line)
                _run(server, listening)
        finally:
            store.close()


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    server.run(sockets=[listening])


@contextlib.contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Ends the server, and not the process, from its greeting on; uvicorn's own way begins later and ends in a kill."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        server.should_exit = True

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _listen(host: str, port: int) -> socket.socket:
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(2048)
        except BaseException:
            listening.close()
            raise
    except OSError as error:
        raise InputError(
            f"cannot listen at {host} port {port} ({error.strerror}); choose another --port or --host"
        ) from error
    return listening


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _seen_from_outside(host: str) -> str:
    """What others write into a URL; where it is all addresses of this machine, the one that leads to other networks."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
            try:
                outward.connect(("192.0.2.1", 9))  # sends nothing: it only asks which way a packet would go
                return outward.getsockname()[0]
            except OSError:
                return socket.gethostname()
    return f"[{host}]" if address.version == 6 else host


def _site(host: str, port: int, url: str | None) -> tuple[Site, str]:
    """Under which names the server may be asked, and what links begin with."""
    shown = _seen_from_outside(host)
    names = [f"{name}:{port}" for name in _LOOPBACK]
    if not is_loopback(host):
        names += [f"{name.lower()}:{port}" for name in (shown, socket.gethostname(), socket.getfqdn())]
    if url is None:
        return Site(frozenset(names), port, addresses=not is_loopback(host)), f"http://{shown}:{port}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        raise InputError(f"--url {url!r} must be a scheme and a name, as in https://rate.example.org")
    base = f"{parts.scheme}://{parts.netloc.lower()}"
    return Site(frozenset([*names, parts.netloc.lower()]), port, addresses=False, origin=base), base


def _links(study: Study, store: Store, wanted: int | None, base: str) -> list[tuple[str, str]]:
    """Makes links until there are as many as are wanted; returns those that are known, by rater."""
    path = study.folder / LINKS_FILE
    there = store.raters()
    if wanted is None and not there:
        raise InputError("nobody can rate yet; make links (--raters N), or let raters join by themselves (--open)")
    made: list[str] = []
    if wanted is not None and wanted > there:
        check_writable(study.folder)
        try:
            made = store.join(wanted - there, wanted)
        except FullError:  # another process has made them meanwhile
            made = []
    known = _known_links(store, (*_tokens(path), *made))
    # Another process that has just made them may not have written them down yet.
    last = time.monotonic() + _WRITING_S
    while wanted is not None and len(known) < min(wanted, store.raters()) and time.monotonic() < last:
        time.sleep(0.1)
        known = _known_links(store, (*_tokens(path), *made))
    links = [(rater_name(number), f"{base}/r/{known[number]}") for number in sorted(known)]
    if made:
        stream = io.StringIO()
        csv.writer(stream).writerows([("rater", "link"), *links])
        write_atomically(path, stream.getvalue().encode(), private=True)
    return links


def _known_links(store: Store, tokens: Iterable[str]) -> dict[int, str]:
    """Those of the secrets that are a rater's, by the rater's number."""
    found = ((store.rater(token), token) for token in tokens)
    return {number: token for number, token in found if number is not None}


def _tokens(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} cannot be read; links that were made before are in it") from error
    matches = [_LINK.fullmatch(row[1]) for row in csv.reader(io.StringIO(text, newline="")) if len(row) == 2]
    return [match[1] for match in matches if match is not None]


def _greeting(
    study: Study,
    store: Store,
    host: str,
    base: str,
    links: Sequence[tuple[str, str]] | None,
    most: int | None,
    database: str | None,
    url: str | None,
) -> list[str]:
    title = study.title if len(study.title) <= 60 else f"{study.title[:57]}..."
    lines = [
        title,
        f"  {study.design}, {len(study.systems)} systems, {len(study.items):,} items; "
        f"{study.options.trials:,} trials a rater",
        "  votes are kept in "
        + ("PostgreSQL" if database is not None else f"{study.folder.name}/votes.db")
        + "; all images are as they were made",
    ]
    if links is None:
        code = "with the access code" if study.access is not None else "without a code"
        lines += [f"  raters join at {base}/", f"  {code}; at most {most:,}, of whom {store.raters():,} have"]
    else:
        lines.append(f"  {store.raters():,} raters have links:")
        lines += [f"  {link}" for _, link in links[:_SHOWN_LINKS]]
        if len(links) > _SHOWN_LINKS:
            lines.append(f"  ... and {len(links) - _SHOWN_LINKS:,} more")
        lines.append(f"  in {study.folder.name}/{LINKS_FILE}; whoever has a link is that rater")
        without = store.raters() - len(links)
        if without > 0:
            lines.append(f"  {without:,} raters have no link there: they joined openly, or it was changed")
    if not is_loopback(host):
        lines.append("  Other machines can reach this, and without TLS others can read along.")
    elif url is None:
        lines.append("  Only this machine can reach it (--host, or a proxy and --url, for others).")
    return [*lines, "Ctrl-C ends it; every answer is kept, and raters go on where they were."]
