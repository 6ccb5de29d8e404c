"""Studies for the tests: sets of small images, a client of the application, and servers that run as processes."""

import asyncio
import csv
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from image_samples import encode, noise, write_folder

from jaxeval.human import Study, create_study
from jaxeval.human._guard import Site
from jaxeval.human.server import make_app
from jaxeval.human.store import Store

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1:8000"
ORIGIN = f"http://{HOST}"
ANSWERS: dict[str, Any] = {"2afc": "left", "best-of-n": {"best": 1, "worst": 3}, "mos": 4, "real-or-fake": "fake"}


def write_sets(place: Path, systems: Sequence[str] = ("A", "B", "C"), count: int = 6) -> dict[str, Path]:
    """Folders of images of one size, by system."""
    return {
        system: write_folder(
            place / system,
            {f"{i:02d}.png": encode(noise(20, 24, 3, seed=100 * number + i), "PNG") for i in range(count)},
        )
        for number, system in enumerate(systems)
    }


def make_study(place: Path, design: str = "2afc", count: int = 6, **options) -> Study:
    sets = write_sets(place / "sets", count=count)
    if design == "real-or-fake":
        options.setdefault("reference", sets.pop("C"))
    return create_study(sets, place / "study", design=design, **options)


class Client:
    """Asks an application in this process, as a browser does, over one event loop."""

    def __init__(self, study: Study, store: Store, site: Site | None = None, most_raters: int | None = None):
        self.study, self.store = study, store
        site = site or Site(frozenset({HOST, "localhost:8000"}), 8000)
        self._runner = asyncio.Runner()
        app = make_app(study, store, site, most_raters=most_raters)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url=ORIGIN)

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()
        self.store.close()

    def ask(self, method: str, path: str, **options) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **options))

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        own = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.ask("POST", path, headers={name: value for name, value in own.items() if value}, **content)

    def together(self, *posts: tuple[str, Any]) -> list[httpx.Response]:
        async def all_at_once() -> list[httpx.Response]:
            headers = {"Origin": ORIGIN}
            return await asyncio.gather(*(self._client.post(path, json=body, headers=headers) for path, body in posts))

        return self._runner.run(all_at_once())

    def state(self, token: str) -> dict[str, Any]:
        response = self.get(f"/api/{token}/state")
        assert response.status_code == 200, response.text
        return response.json()

    def answer(self, token: str, state: Mapping[str, Any], answer: Any = None, **more) -> dict[str, Any]:
        response = self.post(f"/api/{token}/answer", an_answer(state, answer, **more))
        assert response.status_code == 200, response.text
        return response.json()


def an_answer(state: Mapping[str, Any], answer: Any = None, **more) -> dict[str, Any]:
    answer = ANSWERS[state["study"]["design"]] if answer is None else answer
    return {"trial": state["trial"]["number"], "id": str(uuid.uuid4()), "answer": answer, "milliseconds": 7} | more


class Served:
    """`jaxeval human serve` in a process of its own."""

    def __init__(self, study: Path, *options: str, database: str | None = None):
        self.study, self._options, self._database = study, options, database
        self.start()

    def start(self, port: int = 0) -> None:
        command = [sys.executable, "-m", "jaxeval", "human", "serve", str(self.study), "--port", str(port), "--quiet"]
        command += [*self._options, *(("--database", self._database) if self._database is not None else ())]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.said = self._until("Ctrl-C")
        links = [line.strip() for line in self.said if line.strip().startswith("http://")]
        joining = [line.split()[-1] for line in self.said if "join at" in line]
        self.base = (links or joining)[0].split("/r/")[0].rstrip("/")
        self.tokens = [link.rpartition("/")[2] for link in links if "/r/" in link]

    def _until(self, beginning: str, seconds: float = 60) -> list[str]:
        assert self.process.stdout is not None
        text, last = "", time.monotonic() + seconds
        while not any(line.startswith(beginning) for line in text.split("\n")[:-1]):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, last - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 65536).decode() if ready else ""
            if not more:
                self.process.kill()
                raise AssertionError(f"the server did not start: {text} {self.process.communicate()[1]}")
            text += more
        return text.splitlines()

    @property
    def port(self) -> int:
        return int(self.base.rpartition(":")[2])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def end(self) -> tuple[int, str]:
        """Ends it as a machine that is shut down does; its exit code and what it said on stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


def read_votes(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def pixels_of(study: Study, file: str) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(study.path(file)))
