"""What every request passes before it is answered, and what every answer has in its header."""

import dataclasses
import ipaddress
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from jaxeval.human._limits import Buckets, Rate

MOST_BYTES = 32 * 1024
"""Of a request's body: the longest comment, however it is written, and room for the rest."""

# Pages have neither inline scripts nor styles, and reach nothing but this server.
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
# A laboratory behind one address has many raters: each of 100 may load three things a second.
_PER_ADDRESS = Rate(burst=1000, per_second=300)

Receive = Callable[[], Any]
Send = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Site:
    """Under which names a server may be asked.

    Attributes:
      hosts: names with ports, in lower case, as in the header Host.
      port: of the server, for addresses.
      addresses: whether any numerical address is taken with that port; a page of another site that had its name point
        here comes with that name, and never with a number.
      origin: scheme, name and port of the public URL; None where it is http and the name that was asked for.
    """

    hosts: frozenset[str]
    port: int
    addresses: bool = False
    origin: str | None = None

    def is_own(self, host: str) -> bool:
        """Whether the header Host names this server."""
        host = host.strip().lower()
        if host in self.hosts or (self.port == 80 and f"{host}:80" in self.hosts):
            return True
        try:
            split = urlsplit(f"//{host}")
            port = split.port or 80
            ipaddress.ip_address(split.hostname or "")
        except ValueError:
            return False
        return self.addresses and port == self.port

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Whether the header Origin is of this server's own pages, asked for under a name that is its own."""
        own = self.origin or f"http://{host}"
        return origin.strip().lower() == own.strip().lower()


class Guard:
    """An ASGI application before another one: refuses what is not meant for it, and completes its headers.

    Args:
      app: the other one.
      site: under which names it may be asked.
    """

    def __init__(self, app: Any, site: Site):
        self._app, self._site = app, site
        self._addresses = Buckets(_PER_ADDRESS)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def completed(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in HEADERS}
                kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in own]
                message = {**message, "headers": [*kept, *HEADERS]}
            await send(message)

        refused = self._refused(scope)
        if refused is None:
            await self._app(scope, receive, completed)
            return
        status, sentence, extra = refused
        body = json.dumps({"error": sentence}).encode()
        # The rest of a body that is not wanted is never read.
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *extra,
        ]
        await completed({"type": "http.response.start", "status": status, "headers": headers})
        await completed({"type": "http.response.body", "body": body})

    def _refused(self, scope: Any) -> tuple[int, str, list[tuple[bytes, bytes]]] | None:
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        if (wait := self._addresses.wait((scope.get("client") or ("",))[0])) > 0:
            return 429, "too many requests from this address", [(b"retry-after", str(wait).encode())]
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self._site.is_own(hosts[0]):
            return 421, "this server is not asked under that name; use the link as it was given", []
        fetched = headers.get("sec-fetch-site", [])
        if any(one != "same-origin" for one in fetched) and scope["path"].startswith(("/api/", "/image/", "/join")):
            return 403, "only pages of this server may ask for this", []
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "GET and POST are all there is", [(b"allow", b"GET, HEAD, POST")]
        if scope["method"] != "POST":
            return None
        origins = headers.get("origin", [])
        if len(origins) != 1 or not self._site.is_own_origin(origins[0], hosts[0]):
            return 403, "answers are taken from pages of this server only", []
        kind = headers.get("content-type", [""])[0].partition(";")[0].strip().lower()
        if kind != "application/json":
            return 415, "answers are JSON", []
        lengths = headers.get("content-length", [])
        if any(not length.isdecimal() or int(length) > MOST_BYTES for length in lengths):
            return 413, f"the most is {MOST_BYTES:,} bytes", []
        return None
