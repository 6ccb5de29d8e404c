"""How long raters wait: `python -m benchmarks.raters` serves a study and rates it, as many browsers would at once.

Every simulated rater loads the images of a trial as a page does (the present ones, and then those that follow), thinks,
and answers. The server is a process of its own, the raters are this one, and all of it stays on this machine. In the
end the votes are exported and counted: each acknowledged answer is there, once.
"""

import argparse
import asyncio
import csv
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from jaxeval.human import create_study
from jaxeval.human.export import export_votes

_SYSTEMS, _SIDE = ("a", "b", "c", "d"), 512
_START_S, _ANSWER_S = 120, 60


class Load(NamedTuple):
    """What a run has shown.

    Attributes:
      milliseconds: of each request, by what it asked for: "answer", "image", "state".
      errors: what went wrong, a line each.
      acknowledged: answers that the server said it has kept.
      kept: of these, those that are among the exported votes, each once.
      seconds: how long raters rated.
    """

    milliseconds: dict[str, list[float]]
    errors: list[str]
    acknowledged: int
    kept: int
    seconds: float


def write_sets(folder: Path, items: int, side: int = _SIDE) -> dict[str, Path]:
    """Images that compress as photographs do, about 300 kB at 512 x 512; a folder a system."""
    draw = np.random.default_rng(0)
    for system in _SYSTEMS:
        (folder / system).mkdir(parents=True)
        for item in range(items):
            coarse = Image.fromarray(draw.integers(0, 256, (12, 12, 3), np.uint8))
            smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)).astype(np.int16)
            pixels = np.clip(smooth + draw.integers(-4, 5, smooth.shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / system / f"{item:03d}.png")
    return {system: folder / system for system in _SYSTEMS}


def run(
    raters: int, seconds: float, think: float, *, items: int = 40, side: int = _SIDE, database: str | None = None
) -> Load:
    """Serves a study and has it rated.

    Args:
      raters: at once.
      seconds: for which they begin new trials.
      think: seconds from the images to the answer, on average; each draws from half to one and a half times that.
      items: of the study.
      side: of its images, in pixels.
      database: `postgresql://...`; None for SQLite.

    Returns:
      A `Load`.
    """
    with tempfile.TemporaryDirectory() as place:
        sets = write_sets(Path(place) / "sets", items, side)
        pairs = len(_SYSTEMS) * (len(_SYSTEMS) - 1) // 2
        study = create_study(sets, Path(place) / "study", design="2afc", trials=items * pairs, break_every=None)
        process, base, tokens = _serve(study.folder, raters, database)
        try:
            load, identities, took = asyncio.run(_rate(base, tokens, seconds, think))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        export_votes(study.folder, Path(place) / "votes.csv", database=database)
        with open(Path(place) / "votes.csv", encoding="utf-8", newline="") as stream:
            votes = [row["vote"] for row in csv.DictReader(stream)]
    kept = len(set(votes) & set(identities)) - (len(votes) - len(set(votes)))
    return Load(load.milliseconds, load.errors, len(identities), kept, took)


def _serve(folder: Path, raters: int, database: str | None) -> tuple[subprocess.Popen[bytes], str, list[str]]:
    command = [sys.executable, "-m", "jaxeval", "human", "serve", str(folder), "--port", "0", "--quiet"]
    command += ["--raters", str(raters), *(("--database", database) if database is not None else ())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    said, last = b"", time.monotonic() + _START_S
    while b"\nCtrl-C" not in said:
        ready, _, _ = select.select([process.stdout], [], [], max(0, last - time.monotonic()))
        more = os.read(process.stdout.fileno(), 65536) if ready else b""
        if not more:
            process.kill()
            raise RuntimeError("the server did not start")
        said += more
    links = [row["link"] for row in csv.DictReader((folder / "links.csv").read_text("utf-8").splitlines())]
    return process, links[0].partition("/r/")[0], [link.rpartition("/")[2] for link in links]


class _Browser:
    """One connection that stays open; just enough of HTTP to cost less than the server that it measures."""

    def __init__(self, base: str, load: Load):
        self._host, self._load = base.removeprefix("http://"), load
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, kind: str, method: str, path: str, body: Any = None) -> bytes:
        """The body of the answer; whatever is not 200 is an error of the run."""
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(_ANSWER_S):
                status, content = await self._exchange(method, path, body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            self._streams = None
            self._load.errors.append(f"{kind}: {type(error).__name__} {error}")
            raise ConnectionError from error
        self._load.milliseconds[kind].append(1000 * (time.perf_counter() - begun))
        if status != 200:
            self._load.errors.append(f"{kind}: {status} {content[:100]!r}")
            raise ConnectionError
        return content

    async def _exchange(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        if self._streams is None:
            host, _, port = self._host.partition(":")
            self._streams = await asyncio.open_connection(host, int(port), limit=2**20)
        reader, writer = self._streams
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}", f"Content-Length: {len(data)}"]
        if body is not None:
            lines += [f"Origin: http://{self._host}", "Content-Type: application/json"]
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        return int(head.split(" ", 2)[1]), await reader.readexactly(length)

    def close(self) -> None:
        """Ends the connection."""
        if self._streams is not None:
            self._streams[1].close()


async def _rate(base: str, tokens: Sequence[str], seconds: float, think: float) -> tuple[Load, list[str], float]:
    load = Load(defaultdict(list), [], 0, 0, 0.0)
    identities: list[str] = []
    begun = time.monotonic()

    async def rater(number: int) -> None:
        draw, browser, token = random.Random(number), _Browser(base, load), tokens[number]
        await asyncio.sleep(draw.uniform(0, think))  # nobody begins at the same moment as all others
        try:
            state = json.loads(await browser.ask("state", "GET", f"/api/{token}/state"))
            for image in state["trial"]["images"]:
                await browser.ask("image", "GET", image["src"])
            while state["trial"] is not None and time.monotonic() < begun + seconds:
                for image in (state["following"] or {"images": []})["images"]:
                    await browser.ask("image", "GET", image["src"])
                await asyncio.sleep(think * draw.uniform(0.5, 1.5))
                answer = {
                    "trial": state["trial"]["number"],
                    "id": str(uuid.uuid4()),
                    "answer": draw.choice(["left", "right", "tie"]),
                    "milliseconds": 900,
                }
                state = json.loads(await browser.ask("answer", "POST", f"/api/{token}/answer", answer))
                identities.append(answer["id"])
        except ConnectionError:
            return  # it is among the errors
        finally:
            browser.close()

    await asyncio.gather(*map(rater, range(len(tokens))))
    return load, identities, time.monotonic() - begun


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints a line a kind of request, and returns 1 if anything went wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.raters", description=(__doc__ or "").split("\n\n", 1)[1]
    )
    parser.add_argument("--raters", type=int, default=50, metavar="N", help="at once; default: 50")
    parser.add_argument("--seconds", type=float, default=60, metavar="S", help="default: 60")
    parser.add_argument("--think", type=float, default=1.0, metavar="S", help="before an answer; default: 1")
    parser.add_argument("--database", metavar="URL", help="postgresql://...; default: SQLite")
    options = parser.parse_args(arguments)
    load = run(options.raters, options.seconds, options.think, database=options.database)
    print(
        f"{options.raters} raters for {load.seconds:.0f} s: {load.acknowledged:,} answers "
        f"({load.acknowledged / load.seconds:.1f} a second), of which {load.kept:,} are kept once; "
        f"{len(load.errors)} errors"
    )
    for kind, found in sorted(load.milliseconds.items()):
        middle, most, last = np.percentile(found, [50, 95, 100])
        print(f"  {kind:<7} {len(found):>7,} requests; median {middle:.1f} ms, p95 {most:.1f} ms, most {last:.1f} ms")
    for error in load.errors[:5]:
        print(f"  {error}")
    return int(bool(load.errors) or load.kept != load.acknowledged)


if __name__ == "__main__":
    sys.exit(main())
