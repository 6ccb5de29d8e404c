"""The application: the interface that pages are written against, and what it refuses."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from human_studies import ANSWERS, HOST, ORIGIN, Client, an_answer, make_study
from image_samples import encode, noise, write_folder

from jaxeval.human import Study, create_study
from jaxeval.human._guard import MOST_BYTES, Site
from jaxeval.human._limits import Buckets, Rate
from jaxeval.human.store import Store

SCRIPT = "<script>alert('x')</script>\"&"


@pytest.fixture
def client(tmp_path) -> Iterator[Client]:
    found = Client(study := make_study(tmp_path, break_every=3), Store(study))
    yield found
    found.close()


def joined(client: Client) -> str:
    return client.store.join(1, 1000)[0]


@pytest.mark.parametrize("design", ANSWERS)
def test_a_session_from_its_first_trial_to_its_last(tmp_path, design):
    options: dict[str, Any] = {"questions": ["How sharp?", "How true?"]} if design == "mos" else {}
    if design == "best-of-n":
        options["reference"] = write_folder(
            tmp_path / "ref", {f"{i:02d}.png": encode(noise(20, 24, 3, seed=900 + i), "PNG") for i in range(6)}
        )
    study = make_study(tmp_path, design, break_every=None, **options)
    client = Client(study, Store(study))
    token = joined(client)
    state, seen = client.state(token), []
    assert state["study"]["design"] == design
    assert (state["done"], state["undo"], state["break"]) == (0, False, False)
    while (trial := state["trial"]) is not None:
        assert trial["number"] == state["done"] + 1
        assert len(trial["images"]) == state["study"]["places"]
        assert (trial["question"] in options["questions"]) if options.get("questions") else trial["question"] is None
        assert (trial["reference"] is not None) == (design == "best-of-n")
        for place, image in enumerate(trial["images"], 1):
            assert image == {"src": f"/image/{token}/{trial['number']}/{place}", "width": 24, "height": 20}
            response = client.get(image["src"])
            assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
            seen.append(response.content)
        if trial["reference"] is not None:
            assert client.get(trial["reference"]["src"]).content not in seen
        following = state["following"]
        state = client.answer(token, state)
        assert state["trial"] == following  # what was preloaded is what is shown
    assert state["done"] == state["total"] > 0
    assert state["following"] is None
    assert state["undo"]
    client.close()


def test_nothing_that_a_browser_gets_tells_the_system(tmp_path):
    place = tmp_path / "SecretModelNames"
    sets = {
        f"secret-{name}": write_folder(
            place / f"secret-{name}", {f"secret-item{i}.png": encode(noise(20, 24, 3, seed=i), "PNG") for i in range(4)}
        )
        for name in ("early", "late")
    }
    study = create_study(sets, tmp_path / "study", design="2afc", title="Which?")
    client = Client(study, Store(study))
    token = joined(client)
    state, said = client.state(token), []
    while state["trial"] is not None:
        for image in state["trial"]["images"]:
            response = client.get(image["src"])
            said.append(f"{sorted(response.headers.items())}")
            assert not {"etag", "last-modified", "content-disposition"} & set(response.headers)
            said.append(response.content.decode("latin-1"))
        said.append(json.dumps(state))
        state = client.answer(token, state)
    assert "secret" not in "".join(said).lower()
    assert not any(file.partition(".")[0] in "".join(said) for file in study.images)
    client.close()


def test_every_answer_has_the_headers_of_safety(client):
    token = joined(client)
    paths = ["/", f"/r/{token}", "/r/x", "/static/rating.js", f"/api/{token}/state", f"/image/{token}/1/1", "/none"]
    for response in (*map(client.get, paths), client.post("/join", {}), client.get("/", Host="evil.example")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-frame-options"] == "DENY"
        policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert not any("unsafe" in part or "*" in part or "http" in part for part in policy.values())


def test_the_page_needs_nothing_inline_and_no_other_server(client):
    page = client.get(f"/r/{joined(client)}")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", page.text)
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert address.startswith("/static/")
        assert client.get(address).status_code == 200


def test_a_page_knows_how_much_room_prompts_need(tmp_path, client):
    token = joined(client)
    assert client.state(token)["study"]["longest_prompt"] == 0
    (tmp_path / "prompts.txt").write_text("00\ta cat\n01\ta small dog\n", encoding="utf-8")
    (tmp_path / "with").mkdir()
    study = make_study(tmp_path / "with", prompts=tmp_path / "prompts.txt")
    other = Client(study, Store(study))
    assert other.state(joined(other))["study"]["longest_prompt"] == len("a small dog")
    other.close()


def test_undo_break_and_comment(client):
    token = joined(client)
    state = client.state(token)
    for _ in range(3):
        state = client.answer(token, state, comment="  so so  ")
    assert state["break"]
    state = client.post(f"/api/{token}/break", {}).json()
    assert not state["break"]
    assert state["done"] == 3
    state = client.post(f"/api/{token}/undo", {"trial": 3}).json()
    assert state["done"] == 2
    again = client.post(f"/api/{token}/undo", {"trial": 3}).json()
    assert again["done"] == 2
    state = client.answer(token, state, "skip")
    assert not state["break"]  # it was taken a moment ago
    for body in ({}, {"trial": "3"}, {"trial": 3, "more": 1}, {"trial": True}):
        assert client.post(f"/api/{token}/undo", body).status_code == 400
    assert client.post(f"/api/{token}/break", {"why": 1}).status_code == 400


def test_an_answer_that_is_replayed_counts_once_and_a_changed_one_is_refused(client):
    token, other = joined(client), joined(client)
    state = client.state(token)
    body = an_answer(state)
    first = client.post(f"/api/{token}/answer", body)
    assert client.post(f"/api/{token}/answer", body).json() == first.json()
    assert client.post(f"/api/{token}/answer", {**body, "answer": "right"}).status_code == 409
    assert client.post(f"/api/{token}/answer", {**body, "id": str(uuid.uuid4())}).status_code == 409  # of trial 1 again
    assert client.post(f"/api/{other}/answer", body).status_code == 409  # another rater's
    assert client.state(token)["done"] == 1
    assert client.state(other)["done"] == 0


def test_many_answers_at_once_are_kept_together(client):
    tokens = client.store.join(40, 1000)
    bodies = [(f"/api/{token}/answer", an_answer(client.state(token))) for token in tokens]
    assert [response.status_code for response in client.together(*bodies, *bodies)] == [200] * 80
    assert {client.state(token)["done"] for token in tokens} == {1}


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "LEFT"},
        {"answer": None},
        {"answer": ["left"]},
        {"answer": {"left": 1}},
        {"answer": True},
        {"trial": 0},
        {"trial": 1.0},
        {"trial": "1"},
        {"trial": 10**30},
        {"milliseconds": -1},
        {"milliseconds": 10**12},
        {"milliseconds": None},
        {"id": "1"},
        {"id": "A" * 36},
        {"id": 5},
        {"comment": "x" * 2001},
        {"comment": 5},
        {"comment": "a\0b"},
        {"comment": "\ud800"},
        {"focus_lost": "no"},
        {"rater": 1},
    ],
)
def test_fields_of_another_form_are_refused(client, change):
    token = joined(client)
    body = json.dumps(an_answer(client.state(token)) | change).encode()
    response = client.post(f"/api/{token}/answer", body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]
    assert client.state(token)["done"] == 0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"trial": 1}', b"\xff\xfe", b"[" * 20_000, b'{"a":' * 5_000]
)
def test_bodies_that_are_no_answers_are_refused(client, body):
    assert client.post(f"/api/{joined(client)}/answer", body).status_code == 400


@pytest.mark.parametrize(
    ("design", "answers"),
    [
        ("best-of-n", [{"best": 1, "worst": 1}, {"best": 0, "worst": 1}, {"best": 4, "worst": 1}, {"best": 1}, "left"]),
        ("mos", [0, 6, 2.5, "3", True]),
        ("real-or-fake", ["tie", 1]),
    ],
)
def test_answers_of_other_designs_are_refused(tmp_path, design, answers):
    study = make_study(tmp_path, design)
    client = Client(study, Store(study))
    token = joined(client)
    for answer in answers:
        assert client.post(f"/api/{token}/answer", an_answer(client.state(token), answer)).status_code == 400
    assert client.answer(token, client.state(token))["done"] == 1
    client.close()


def test_ties_can_be_switched_off(tmp_path):
    study = make_study(tmp_path, ties=False)
    client = Client(study, Store(study))
    token = joined(client)
    state = client.state(token)
    assert state["study"]["ties"] is False
    assert client.post(f"/api/{token}/answer", an_answer(state, "tie")).status_code == 400
    client.close()


@pytest.mark.parametrize("length", [10_000_000, MOST_BYTES + 1])
def test_large_bodies_are_refused_unread(client, length):
    path = f"/api/{joined(client)}/answer"
    read = []

    async def chunks():
        for _ in range(length // 1000 + 1):
            read.append(1000)
            yield b" " * 1000

    headers = {"Origin": ORIGIN, "Content-Type": "application/json"}
    response = client.ask("POST", path, headers={**headers, "Content-Length": str(length)}, content=chunks())
    assert response.status_code == 413
    assert sum(read) <= 1000  # what the client's own library takes before it asks
    read.clear()
    response = client.ask("POST", path, headers=headers, content=chunks())  # in chunks, without a length
    assert response.status_code == 413
    assert sum(read) <= MOST_BYTES + 2000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "https://127.0.0.1:8000"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "none"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": ""}, 415),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:8000"}, 421),
        ({"Host": "127.0.0.1:8000@evil.example"}, 421),
        ({"Host": "192.168.0.1:8000"}, 421),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
    ],
)
def test_what_another_site_could_send_is_refused(client, headers, status):
    token = joined(client)
    body = json.dumps(an_answer(client.state(token))).encode()
    for path in (f"/api/{token}/answer", f"/api/{token}/undo", f"/api/{token}/break", "/join"):
        assert client.post(path, body, **headers).status_code == status
    assert client.state(token)["done"] == 0
    assert client.post(f"/api/{token}/answer", body).status_code == 200


def test_pages_of_other_sites_cannot_even_load_images_and_states(client):
    token = joined(client)
    for path in (f"/api/{token}/state", f"/image/{token}/1/1"):
        assert client.get(path, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert client.get(path, **{"Sec-Fetch-Site": "same-origin"}).status_code == 200
        assert client.get(path, Host="rebound.example:8000").status_code == 421
    assert client.get(f"/r/{token}", **{"Sec-Fetch-Site": "cross-site"}).status_code == 200  # a link in a mail


def test_a_forged_or_guessed_rater_gets_nothing(client):
    token = joined(client)
    wrong = [token[:-1], token + "A", token.swapcase(), "A" * 43, "%00" * 43, "..", "0", "' OR 1=1 --"]
    for other in wrong:
        assert client.get(f"/api/{other}/state").status_code in (404, 429)
        assert client.get(f"/image/{other}/1/1").status_code in (404, 429)
        assert client.get(f"/r/{other}").status_code in (404, 429)
    body = an_answer(client.state(token))
    assert client.post(f"/api/{'B' * 43}/answer", body).status_code == 404
    assert client.post(f"/api/{'B' * 43}/answer", {**body, "rater": 0}).status_code == 404
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert client.ask(method, f"/api/{token}/answer").status_code == 405


def test_guessing_links_is_slowed_down(client):
    found = [client.get(f"/api/{'C' * 42}{i % 10}/state").status_code for i in range(60)]
    assert found[:20] == [404] * 20
    assert found[-1] == 429
    response = client.get(f"/api/{'C' * 43}/state")
    assert int(response.headers["retry-after"]) >= 1
    assert client.state(joined(client))["done"] == 0  # who has a link is not kept out


def test_a_rater_who_hammers_is_slowed_down_alone(client):
    tokens = client.store.join(2, 10)
    found = [client.get(f"/api/{tokens[0]}/state").status_code for _ in range(200)]
    assert found[:100] == [200] * 100
    assert found[-1] == 429
    assert client.state(tokens[1])["done"] == 0


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/..%2f..%2fserver.py",
        "/static/%2e%2e/%2e%2e/study.json",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/index.html",
        "/image/{token}/1/../../../study.json",
        "/image/{token}/1/..%2f..%2fstudy.json",
        "/image/{token}/1/{file}",
        "/image/{token}/1/0",
        "/image/{token}/1/3",
        "/image/{token}/1/01",
        "/image/{token}/1/reference",
        "/image/{token}/0/1",
        "/image/{token}/-1/1",
        "/image/{token}/9999999999999999999999/1",
        "/image/{token}/1.0/1",
        "/images/{file}",
        "/{file}",
        "/votes.db",
        "/links.csv",
        "/study.json",
    ],
)
def test_no_text_of_a_path_becomes_the_name_of_a_file(client, path):
    token = joined(client)
    assert client.get(path.format(token=token, file=next(iter(client.study.images)))).status_code == 404


def test_images_are_served_only_to_their_rater_and_only_when_it_is_time(client):
    token, other = client.store.join(2, 10)
    state = client.state(token)
    assert client.get(f"/image/{token}/2/1").status_code == 200
    assert client.get(f"/image/{token}/3/1").status_code == 404
    own = {client.get(f"/image/{token}/1/{place}").content for place in (1, 2)}
    theirs = {client.get(f"/image/{other}/1/{place}").content for place in (1, 2)}
    assert own != theirs  # a link shows what is in its own session
    client.answer(token, state)
    assert client.get(f"/image/{token}/3/1").status_code == 200
    assert client.get(f"/image/{token}/1/1").status_code == 200
    assert client.get(f"/image/{other}/3/1").status_code == 404


def test_texts_of_the_study_come_as_json_and_never_as_html(tmp_path):
    (tmp_path / "p.txt").write_text(f"00\t{SCRIPT}\n", "utf-8")
    study = make_study(
        tmp_path, title=SCRIPT, instructions=SCRIPT, questions=[SCRIPT], prompts=tmp_path / "p.txt", access_code="x"
    )
    client = Client(study, Store(study), most_raters=5)
    token = joined(client)
    state = client.state(token)
    assert state["study"]["title"] == state["study"]["instructions"] == state["trial"]["question"] == SCRIPT
    for path in ("/", f"/r/{token}", "/static/rating.js", "/static/join.js"):
        response = client.get(path)
        assert SCRIPT not in response.text
        assert "innerHTML" not in response.text
    state = client.answer(token, state, comment=SCRIPT)
    prompts = set()
    while state["trial"] is not None:
        prompts.add(state["trial"]["prompt"])
        state = client.answer(token, state)
    assert SCRIPT in prompts
    for path in (f"/api/{token}/state", "/api/join", f"/api/{SCRIPT}/state"):
        assert client.get(path).headers["content-type"] == "application/json"
    client.close()


def test_an_image_that_is_changed_while_it_is_served_is_not_shown(client, caplog):
    token = joined(client)
    for file in client.study.images:
        path = client.study.path(file)
        path.write_bytes(path.read_bytes()[:-1])
    response = client.get(f"/image/{token}/1/1")
    assert response.status_code == 500
    assert ".png" not in response.text
    assert "was changed since the study was made" in caplog.text


def test_joining_by_oneself_with_a_code(tmp_path):
    study = make_study(tmp_path, access_code="open sesame")
    assert "sesame" not in (study.folder / "study.json").read_text("utf-8")
    client = Client(study, Store(study), most_raters=2)
    assert client.get("/").status_code == 200
    assert client.get("/api/join").json() == {"title": study.title, "instructions": "", "code": True}
    assert client.post("/join", {}).status_code == 403
    assert client.post("/join", {"code": "open"}).status_code == 403
    assert client.post("/join", {"code": 5}).status_code == 400
    first = client.post("/join", {"code": " open sesame "})
    assert first.status_code == 201
    assert client.get(first.json()["next"]).status_code == 200
    assert client.state(first.json()["next"].removeprefix("/r/"))["done"] == 0
    assert client.post("/join", {"code": "open sesame"}).json()["next"] != first.json()["next"]
    assert client.post("/join", {"code": "open sesame"}).status_code == 409  # two were allowed
    tries = [client.post("/join", {"code": f"{i}"}) for i in range(8)]
    assert tries[-1].status_code == 429
    assert int(tries[-1].headers["retry-after"]) > 1
    client.close()


def test_nobody_joins_a_study_by_invitation(client):
    assert client.get("/").status_code == 404
    assert client.get("/api/join").status_code == 404
    assert client.post("/join", {}).status_code == 404
    assert client.store.raters() == 0


@pytest.mark.parametrize(
    ("site", "host", "origin", "status"),
    [
        (Site(frozenset({HOST}), 8000), HOST, f"http://{HOST}", 200),
        (Site(frozenset({HOST}), 8000), "10.0.0.3:8000", "http://10.0.0.3:8000", 421),
        (Site(frozenset(), 8000, addresses=True), "10.0.0.3:8000", "http://10.0.0.3:8000", 200),
        (Site(frozenset(), 8000, addresses=True), "[fe80::1]:8000", "http://[fe80::1]:8000", 200),
        (Site(frozenset(), 8000, addresses=True), "10.0.0.3:8001", "http://10.0.0.3:8001", 421),
        (Site(frozenset(), 8000, addresses=True), "evil.example:8000", "http://evil.example:8000", 421),
        (Site(frozenset({"a.example"}), 8000, origin="https://a.example"), "a.example", "https://a.example", 200),
        (Site(frozenset({"a.example"}), 8000, origin="https://a.example"), "a.example", "http://a.example", 403),
    ],
)
def test_names_that_a_server_answers_to(tmp_path, site, host, origin, status):
    study: Study = make_study(tmp_path)
    client = Client(study, Store(study), site)
    response = client.post(f"/api/{joined(client)}/break", {}, Host=host, Origin=origin)
    assert response.status_code == status
    client.close()


def test_buckets_fill_again_and_are_forgotten():
    now = [0.0]
    buckets = Buckets(Rate(burst=3, per_second=0.5), most=100, clock=lambda: now[0])
    assert [buckets.wait("a") for _ in range(4)] == [0, 0, 0, 2]
    now[0] = 2.0
    assert [buckets.wait("a"), buckets.wait("a")] == [0, 2]
    for other in range(10_000):
        assert buckets.wait(other) == 0
    assert len(buckets) == 100
    now[0] = 1000.0
    assert buckets.wait("b") == 0
    assert len(buckets) == 1
