"""`jaxeval human serve` as a process: its start, its end, and what a kill in the middle costs, which is nothing."""

import csv
import itertools
import os
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from human_studies import Served, an_answer, make_study, read_votes

from jaxeval.cli import main
from jaxeval.errors import InputError
from jaxeval.human.export import export_votes
from jaxeval.human.serving import _site, is_loopback, serve


def test_from_the_start_to_the_end_by_a_signal(tmp_path):
    study = make_study(tmp_path, title="Which of these two is the better image of what the prompt says, all in all?")
    served = Served(study.folder, "--raters", "3")
    try:
        assert all(len(line) <= 80 for line in served.said)
        assert any("Only this machine can reach it" in line for line in served.said)
        links = list(csv.DictReader((study.folder / "links.csv").read_text("utf-8").splitlines()))
        assert [row["rater"] for row in links] == ["r0001", "r0002", "r0003"]
        assert [row["link"].rpartition("/")[2] for row in links] == served.tokens
        assert stat.S_IMODE((study.folder / "links.csv").stat().st_mode) == 0o600
        with httpx.Client(base_url=served.base, headers={"Origin": served.base}) as browser:
            assert browser.get(f"/r/{served.tokens[2]}").status_code == 200
            state = browser.get(f"/api/{served.tokens[2]}/state").json()
            assert browser.post(f"/api/{served.tokens[2]}/answer", json=an_answer(state)).json()["done"] == 1
            assert "server" not in browser.get("/").headers
        code, said = served.end()
        assert (code, said) == (0, "")
        # The same command again makes no more links, and sessions go on.
        served.start()
        assert served.tokens == [row["link"].rpartition("/")[2] for row in links]
        assert httpx.get(f"{served.base}/api/{served.tokens[2]}/state").json()["done"] == 1
        served.kill()
        served.start()
        assert served.end() == (0, "")  # also in the moment after it said that it is there
    finally:
        served.kill()


def test_a_body_of_ten_megabytes_is_refused_before_it_is_read(tmp_path):
    served = Served(make_study(tmp_path).folder, "--raters", "1")
    try:
        head = (
            f"POST /api/{served.tokens[0]}/answer HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            f"Origin: {served.base}\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(head.encode())
            # Not a byte of the body was sent.
            answer = connection.recv(65536).decode()
        assert answer.startswith("HTTP/1.1 413")
        # Dots in a path are not resolved, by whoever is asked.
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(
                f"GET /static/../../study.json HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode()
            )
            assert connection.recv(65536).decode().startswith("HTTP/1.1 404")
    finally:
        served.kill()


def test_joining_openly_by_a_code(tmp_path):
    served = Served(make_study(tmp_path, access_code="sesame").folder, "--open", "--raters", "2")
    try:
        with httpx.Client(base_url=served.base, headers={"Origin": served.base}) as browser:
            assert browser.get("/api/join").json()["code"] is True
            link = browser.post("/join", json={"code": "sesame"}).json()["next"]
            assert browser.get(link).status_code == 200
    finally:
        code, _ = served.end()
    assert code == 0


def test_what_cannot_be_served_is_refused_in_a_sentence(tmp_path, capsys):
    study = make_study(tmp_path)
    with pytest.raises(InputError, match=r"nobody can rate yet; make links \(--raters N\)"):
        serve(study.folder, port=0)
    said = r"cannot listen at 127\.0\.0\.1 port .*; choose another --port"
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match=said):
        serve(study.folder, port=taken.getsockname()[1], raters=1)
    with pytest.raises(InputError, match="must be a scheme and a name"):
        serve(study.folder, port=0, raters=1, url="rate.example.org")
    with pytest.raises(InputError, match="raters is 0"):
        serve(study.folder, port=0, raters=0)
    file = study.path(study.items[0].images["A"])
    file.write_bytes(b"")
    assert main(["human", "serve", str(study.folder), "--raters", "1", "--quiet"]) == 2
    assert f"{file.name}' was changed since the study was made" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("10.1.2.3", False)]
)
def test_which_addresses_other_machines_reach(host, own):
    assert is_loopback(host) == own


def test_an_address_that_others_reach_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxeval.human.serving._run", lambda *_: None)
    study, said = make_study(tmp_path), []
    serve(study.folder, host="0.0.0.0", port=0, raters=1, say=said.append)
    assert "  Other machines can reach this, and without TLS others can read along." in said
    said.clear()
    serve(study.folder, port=0, raters=1, url="https://rate.example.org/", say=said.append)
    assert any(line.startswith("  https://rate.example.org/r/") for line in said)
    assert not any("Only this machine" in line or "Other machines" in line for line in said)


@pytest.mark.parametrize(
    ("host", "url", "asked", "own", "base"),
    [
        ("127.0.0.1", None, "localhost:8000", True, "http://127.0.0.1:8000"),
        ("127.0.0.1", None, "127.0.0.1:8001", False, "http://127.0.0.1:8000"),
        ("::1", None, "[::1]:8000", True, "http://[::1]:8000"),
        ("10.9.8.7", None, "10.9.8.7:8000", True, "http://10.9.8.7:8000"),
        ("10.9.8.7", None, "rebound.example:8000", False, "http://10.9.8.7:8000"),
        ("127.0.0.1", "https://Rate.example.org/", "rate.example.org", True, "https://rate.example.org"),
        ("127.0.0.1", "https://rate.example.org", "127.0.0.1:8000", True, "https://rate.example.org"),
        ("127.0.0.1", "https://rate.example.org", "evil.example.org", False, "https://rate.example.org"),
    ],
)
def test_under_which_names_a_server_may_be_asked(host, url, asked, own, base):
    site, begin = _site(host, 8000, url)
    assert site.is_own(asked) == own
    assert begin == base
    assert site.is_own_origin(f"http://{asked}", asked) == (url is None)
    assert site.is_own_origin("https://rate.example.org", asked) == (url is not None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_links_to_all_addresses_name_one_that_others_can_use(host):
    site, base = _site(host, 8000, None)
    name = base.removeprefix("http://")
    assert not name.startswith(("0.0.0.0", "[::]"))
    assert site.is_own(name)
    assert not site.is_own("rebound.example:8000")


def test_links_that_are_lost_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxeval.human.serving._run", lambda *_: None)
    monkeypatch.setattr("jaxeval.human.serving._WRITING_S", 0.2)
    study, said = make_study(tmp_path), []
    serve(study.folder, port=0, raters=3)
    links = (study.folder / "links.csv").read_text("utf-8").splitlines()
    (study.folder / "links.csv").write_text("\n".join(links[:2]), "utf-8")
    serve(study.folder, port=0, raters=3, say=said.append)
    assert "  3 raters have links:" in said
    assert any(line.startswith("  2 raters have no link there") for line in said)
    serve(study.folder, port=0, raters=4)
    names = [row["rater"] for row in csv.DictReader((study.folder / "links.csv").read_text("utf-8").splitlines())]
    assert names == ["r0001", "r0004"]


class Rater(threading.Thread):
    """Answers until the session ends; what is not acknowledged is sent again with the same id, as a page does it."""

    def __init__(self, servers: list[Served], token: str):
        super().__init__(daemon=True)
        self._servers, self._token, self._browser = servers, token, httpx.Client()
        self.acknowledged: list[dict[str, Any]] = []
        self.failed: str | None = None

    def run(self) -> None:
        turn = itertools.count()
        state = self._ask(next(turn), "GET", "state")
        while state is not None and state["trial"] is not None:
            answer = an_answer(state, ("left", "right", "tie")[next(turn) % 3])
            state = self._ask(next(turn), "POST", "answer", answer)
            if state is not None:
                self.acknowledged.append(answer)
            time.sleep(0.01)

    def _ask(self, turn: int, method: str, what: str, body: Any = None) -> Any:
        for attempt in range(600):
            server = self._servers[(turn + attempt) % len(self._servers)]
            try:
                response = self._browser.request(
                    method, f"{server.base}/api/{self._token}/{what}", json=body, headers={"Origin": server.base}
                )
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if response.status_code == 200:
                return response.json()
            if response.status_code not in (429, 503):
                self.failed = f"{response.status_code} {response.text}"
                return None
            time.sleep(0.1)
        self.failed = "no answer"
        return None


def check_that_nothing_was_lost(study, raters: list[Rater], total: int, database: str | None, votes: Path) -> None:
    assert [rater.failed for rater in raters] == [None] * len(raters)
    export_votes(study.folder, votes, database=database)
    rows = read_votes(votes)
    assert len({row["vote"] for row in rows}) == len(rows) == total * len(raters)
    kept = {row["vote"]: (int(row["trial"]), row["choice"]) for row in rows}
    for rater in raters:
        assert len(rater.acknowledged) == total
        for answer in rater.acknowledged:
            assert kept[answer["id"]] == (answer["trial"], answer["answer"])


@pytest.mark.slow
@pytest.mark.parametrize("adaptive", [0.0, 0.5])
def test_a_kill_in_the_middle_loses_and_doubles_nothing(tmp_path, adaptive):
    study = make_study(tmp_path, count=12, trials=30, break_every=None, adaptive=adaptive)
    served = Served(study.folder, "--raters", "6")
    try:
        total = httpx.get(f"{served.base}/api/{served.tokens[0]}/state").json()["total"]
        raters = [Rater([served], token) for token in served.tokens]
        for rater in raters:
            rater.start()
        for kills in range(1, 4):
            while sum(len(rater.acknowledged) for rater in raters) < kills * 40:
                assert any(rater.is_alive() for rater in raters)
                time.sleep(0.005)
            port = served.port
            served.kill()
            served.start(port)
        for rater in raters:
            rater.join(120)
        check_that_nothing_was_lost(study, raters, total, None, tmp_path / "votes.csv")
        assert served.end()[0] == 0
    finally:
        served.process.kill()


@pytest.mark.slow
def test_two_processes_over_postgresql_of_which_one_is_killed(tmp_path, postgres):
    study, url = make_study(tmp_path, count=12, trials=30, break_every=None, adaptive=0.3), postgres.database()
    with ThreadPoolExecutor(2) as pool:  # both make the tables and the links at the same time
        servers = list(pool.map(lambda _: Served(study.folder, "--raters", "6", database=url), range(2)))
    try:
        tokens = [
            row["link"].rpartition("/")[2]
            for row in csv.DictReader((study.folder / "links.csv").read_text("utf-8").splitlines())
        ]
        assert len(tokens) == 6
        total = httpx.get(f"{servers[1].base}/api/{tokens[0]}/state").json()["total"]
        raters = [Rater(servers, token) for token in tokens]  # who go from one to the other
        for rater in raters:
            rater.start()
        for kills in range(1, 4):
            while sum(len(rater.acknowledged) for rater in raters) < kills * 40:
                assert any(rater.is_alive() for rater in raters)
                time.sleep(0.005)
            served = servers[kills % 2]
            port = served.port
            served.kill()
            served.start(port)
        for rater in raters:
            rater.join(120)
        check_that_nothing_was_lost(study, raters, total, url, tmp_path / "votes.csv")
        assert not (study.folder / "votes.db").exists()
        assert [served.end()[0] for served in servers] == [0, 0]
    finally:
        for served in servers:
            served.process.kill()


@pytest.mark.slow
def test_two_processes_over_one_sqlite_file(tmp_path):
    study = make_study(tmp_path, count=12, trials=30, break_every=None, adaptive=0.3)
    first = Served(study.folder, "--raters", "4")
    servers = [first, Served(study.folder)]
    try:
        total = httpx.get(f"{first.base}/api/{first.tokens[0]}/state").json()["total"]
        raters = [Rater(servers, token) for token in first.tokens]
        for rater in raters:
            rater.start()
        for rater in raters:
            rater.join(120)
        check_that_nothing_was_lost(study, raters, total, None, tmp_path / "votes.csv")
    finally:
        for served in servers:
            served.process.kill()


def test_the_process_does_not_run_as_many_threads_as_there_are_raters(tmp_path):
    served = Served(make_study(tmp_path).folder, "--raters", "40")
    try:
        limits = httpx.Limits(max_connections=40)
        with ThreadPoolExecutor(40) as pool, httpx.Client(base_url=served.base, limits=limits) as browser:
            states = pool.map(lambda token: browser.get(f"/api/{token}/state").status_code, served.tokens)
            assert set(states) == {200}
        threads = Path(f"/proc/{served.process.pid}/task")
        if threads.exists():
            assert len(os.listdir(threads)) < 60
    finally:
        served.kill()
