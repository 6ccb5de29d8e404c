"""The page of raters in a real browser: rated by keys, by touch and while its server is killed, and looked at.

The servers are real ones, on loopback; the studies are small and made up. Where there is no Chromium these tests are
skipped, and fail where JAXEVAL_BROWSER=required says that there has to be one.
"""

import contextlib
import itertools
import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from browsing import CONTRASTS, CUT_OFF, Browser, browsers, needed_programs
from human_studies import Served, read_votes
from image_samples import encode, noise, write_folder
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.interaction import POINTER_TOUCH
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys

from jaxeval.human import create_study
from jaxeval.human.export import export_votes

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

SCRIPT = '<script>window.bad = 1</script><img src=x onerror="window.bad = 1">"\'&amp; {{7*7}} ​'
LONG = f"{SCRIPT} a long prompt {'of many words ' * 12}"
ITEMS = 8
CODE = "open <b>sesame</b>"
# Of every design a study, and one key after the other of an answer.
STUDIES: dict[str, dict[str, Any]] = {
    "2afc": {
        "design": "2afc",
        "title": f"Title {SCRIPT}",
        "instructions": f"Read\n{SCRIPT}",
        "break_every": 5,
        "trials": 5,
    },
    "asked": {
        "design": "2afc",
        "questions": [f"Which? {SCRIPT}"],
        "ties": False,
        "reference": True,
        "checks": 0,
        "access_code": CODE,
    },
    "best-of-n": {"design": "best-of-n", "n": 3, "reference": True},
    "best-of-4": {"design": "best-of-n", "n": 4, "questions": ["Which is sharper?"], "trials": 3},
    "mos": {
        "design": "mos",
        "questions": ["How sharp?", "How true to life are the colours of this image?"],
        "trials": 4,
    },
    "real-or-fake": {"design": "real-or-fake", "exposures": [100, 200, None], "reference": True, "trials": 8},
}
KEYS = {
    "2afc": [(Keys.ARROW_LEFT,), (" ",), (Keys.ARROW_RIGHT,), ("s",), ("1",)],
    "asked": [(Keys.ARROW_UP,), (Keys.ARROW_DOWN,)],
    "best-of-n": [("a", "b"), ("c", "A"), ("3", "2"), ("s",)],
    "best-of-4": [("d", "c"), ("a", "4")],
    "mos": [("1",), ("5",), ("3",), ("s",)],
    "real-or-fake": [(Keys.ARROW_LEFT,), (Keys.ARROW_RIGHT,), ("f",), ("r",), ("s",)],
}
SHORT_BREAK = 0.4  # seconds in which nothing more should happen


def make(place: Path, name: str, **more: Any) -> Path:
    """A study whose images tell what they are: the first column of pixels counts their system."""
    options = {"trials": 4, "repeats": 0.1} | STUDIES[name] | more
    sets = {}
    systems = ["secret-one", "secret-two", "secret-three", *(["secret-four"] if options.get("n") == 4 else [])]
    for number, system in enumerate(systems):
        files = {f"secret{i}.png": encode(noise(20, 24, 3, seed=10 * number + i), "PNG") for i in range(ITEMS)}
        sets[system] = write_folder(place / system, files)
    if options.pop("reference", False):
        files = {f"secret{i}.png": encode(noise(20, 24, 3, seed=900 + i), "PNG") for i in range(ITEMS)}
        options["reference"] = write_folder(place / "secret-reference", files)
    if options["design"] == "2afc":
        prompts = place / "prompts.jsonl"
        lines = [json.dumps({"name": f"secret{i}", "prompt": LONG if i % 2 else f"{SCRIPT} {i}"}) for i in range(ITEMS)]
        prompts.write_text("\n".join(lines), encoding="utf-8")
        options["prompts"] = prompts
    return create_study(sets, place / "study", **options).folder


class Rated:
    """A server, and links of raters, of whom each test takes others."""

    def __init__(self, folder: Path, *, joining: bool = False):
        self.folder, self.joining = folder, joining
        self.server = Served(folder, "--open") if joining else Served(folder, "--raters", "20")
        self.tokens: list[str] = []

    @property
    def base(self) -> str:
        return self.server.base

    def link(self) -> str:
        if self.joining:
            response = httpx.post(f"{self.base}/join", json={"code": CODE}, headers={"Origin": self.base})
            self.tokens.append(response.json()["next"].rpartition("/")[2])
        else:
            self.tokens.append(self.server.tokens[len(self.tokens)])
        return f"{self.base}/r/{self.tokens[-1]}"

    def votes(self, link: str, place: Path) -> list[dict[str, str]]:
        """A rater's votes, in the order of trials."""
        place.mkdir(exist_ok=True)
        export_votes(self.folder, place / "votes.csv")
        rater = f"r{self.tokens.index(link.rpartition('/')[2]) + 1:04d}"
        rows = [row for row in read_votes(place / "votes.csv") if row["rater"] == rater]
        return sorted(rows, key=lambda row: int(row["trial"]))


@pytest.fixture(scope="module", autouse=True)
def chromium() -> None:
    needed_programs()


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> Iterator[tuple[Browser, Browser]]:
    with browsers(tmp_path_factory.mktemp("browsers"), 2) as (one, other):
        yield one, other


@pytest.fixture
def browser(both: tuple[Browser, Browser]) -> Browser:
    both[0].fresh()
    return both[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Callable[[str], Rated]]:
    """The server of a study. All are started when the first is asked for, and nobody waits for another's."""
    places = {name: tmp_path_factory.mktemp(name) for name in STUDIES}
    with ThreadPoolExecutor(1) as pool:
        starting = {
            name: pool.submit(lambda name=name: Rated(make(places[name], name), joining=name == "asked"))
            for name in STUDIES
        }
        yield lambda name: starting[name].result()
        for one in starting.values():
            one.result().server.kill()


@pytest.fixture
def study(served) -> Rated:
    return served("2afc")


def test_two_browsers_go_on_by_themselves_after_the_server_was_killed(both, tmp_path):
    server = Rated(make(tmp_path, "2afc", trials=18, checks=0, repeats=0.1, break_every=None, title="Which?"))
    pressed: list[dict[int, str]] = [{}, {}]
    told: list[bool] = [False, False]
    names = {Keys.ARROW_LEFT: "left", Keys.ARROW_RIGHT: "right", " ": "tie"}

    def rate(which: int, link: str) -> None:
        browser, draw = both[which], random.Random(which)
        browser.open(link)
        while browser.wait_for("ready", "notice") == "ready":
            trial = browser.text("#spoken")
            key = draw.choice(list(names))
            pressed[which][int(trial.split()[1])] = names[key]
            browser.press(key)
            while browser.phase != "notice" and (browser.phase != "ready" or browser.text("#spoken") == trial):
                told[which] = told[which] or "answer is kept" in browser.text("#status")
                time.sleep(0.02)

    try:
        links = [server.link(), server.link()]
        for browser in both:
            browser.fresh()
        with ThreadPoolExecutor(2) as pool:
            raters = [pool.submit(rate, which, link) for which, link in enumerate(links)]
            while min(map(len, pressed)) < 5 and not any(rater.done() for rater in raters):
                time.sleep(0.02)
            port = server.server.port
            server.server.kill()
            time.sleep(0.7)
            server.server.start(port)
            for rater in raters:
                rater.result()
        assert told == [True, True]
        for which, link in enumerate(links):
            own = server.votes(link, tmp_path / "out")
            assert [int(row["trial"]) for row in own] == list(range(1, 21))
            assert {int(row["trial"]): row["choice"] for row in own} == pressed[which]
            assert both[which].text("#heading") == "Finished. Thank you!"
            both[which].check(server.base, broken=True)
        with contextlib.closing(sqlite3.connect(server.folder / "votes.db")) as database:
            assert database.execute("SELECT count(*) FROM jaxeval_answers").fetchone() == (40,)
    finally:
        server.server.kill()


@contextlib.contextmanager
def blocked(browser: Browser, *addresses: str) -> Iterator[None]:
    """Requests of these addresses fail, as where the network is away."""
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": addresses})
    try:
        yield
    finally:
        browser.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})


def test_an_answer_that_the_page_was_closed_over_arrives_when_it_is_opened_again(browser, study, tmp_path):
    link = study.link()
    browser.open(link)
    browser.answer(Keys.ARROW_LEFT)
    with blocked(browser, "*/answer"):
        browser.press(Keys.ARROW_RIGHT)
        browser.until(lambda: "answer is kept" in browser.text("#status"))
        browser.driver.get("about:blank")
    assert [row["choice"] for row in study.votes(link, tmp_path)] == ["left"]
    browser.open(link, begin=False)
    browser.wait_for("ready")
    assert browser.done == 2
    assert [row["choice"] for row in study.votes(link, tmp_path)] == ["left", "right"]


@pytest.mark.parametrize("name", [name for name in STUDIES if name != "real-or-fake"])
def test_every_design_is_finished_by_keyboard(browser, served, name, tmp_path):
    server = served(name)
    link = server.link()
    browser.open(link)
    keys, places, pressed = itertools.cycle(KEYS[name]), set(), 0
    while browser.wait_for("ready", "notice") == "ready" or browser.text("#heading") == "Time for a break":
        if browser.phase == "notice":
            browser.press(Keys.ENTER)
            browser.wait_for("ready")
            continue
        boxes = browser.run(
            "return [...document.querySelectorAll('#stage, #stage figure, #rating button, #bar')]"
            ".map((one) => JSON.stringify(one.getBoundingClientRect()))"
        )
        places.add(tuple(boxes))
        assert "secret" not in browser.driver.page_source
        assert not browser.run("return window.bad")
        browser.answer(*next(keys))
        pressed += 1
    assert browser.text("#heading") == "Finished. Thank you!"
    total = browser.run("return document.querySelector('#bar').max")
    assert browser.text("#count") == f"{total} of {total}"
    assert len(places) == 1  # nothing moves from trial to trial
    rows = server.votes(link, tmp_path / "out")
    assert len(rows) == pressed == total
    assert browser.run("return Object.keys(localStorage).filter((key) => key.endsWith('answer'))") == []
    _check_answers(name, rows)
    browser.check(server.base)


def _check_answers(name: str, rows: list[dict[str, str]]) -> None:
    expected = {
        "2afc": ["left", "tie", "right", "skip", "left"],
        "asked": ["left", "right"],
        "mos": ["1", "5", "3", "skip"],
        "real-or-fake": ["real", "fake", "fake", "real", "skip"],
    }
    if name in expected:
        column = {"2afc": "choice", "asked": "choice", "mos": "score"}.get(name, "answer")
        assert [row[column] for row, _ in zip(rows, expected[name], strict=False)] == expected[name]
        assert all(200 <= int(row["milliseconds"]) < 20_000 for row in rows)
        return
    for row, keys in zip(rows, itertools.cycle(KEYS[name]), strict=False):
        if keys == ("s",):
            assert row["best"] == "skip"
            continue
        best, worst = ("abcd".find(key.lower()) if key.isalpha() else int(key) - 1 for key in keys)
        assert (row["best"], row["worst"]) == (row[f"shown_{best + 1}"], row[f"shown_{worst + 1}"])


def test_the_texts_of_a_study_are_texts(browser, study):
    browser.open(study.link(), begin=False)
    browser.wait_for("notice")
    assert browser.text("#heading") == f"Title {SCRIPT}" == browser.driver.title
    assert browser.text("#text") == f"Read\n{SCRIPT}"
    browser.press(Keys.ENTER)
    prompts = set()
    for _ in range(3):
        browser.wait_for("ready")
        prompts.add(browser.text("#prompt"))
        browser.answer(Keys.ARROW_LEFT)
    assert all(prompt.startswith(SCRIPT) for prompt in prompts)
    browser.press("?")
    assert browser.text("#help-text") == f"Read\n{SCRIPT}"
    assert browser.run("return document.querySelectorAll('main script, dialog script, [src=x], [onerror]').length") == 0
    assert not browser.run("return window.bad")
    browser.check(study.base)


def test_undo_skip_tie_and_comment(browser, study, tmp_path):
    link = study.link()
    browser.open(link)
    browser.press("c")
    browser.press(SCRIPT)
    browser.press(" tsu ?")  # letters that are keys elsewhere
    ActionChains(browser.driver).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    assert browser.text("[data-tool=comment] span") == "Comment ✓"
    browser.answer(" ")
    assert browser.text("[data-tool=comment] span") == "Comment"
    browser.answer("s")
    browser.answer(Keys.ARROW_RIGHT)
    for key, done in (("u", 2), (Keys.BACKSPACE, 1), ("u", 0), ("u", 0)):
        browser.press(key)
        browser.until(lambda done=done: browser.phase == "ready" and browser.done == done)
    assert browser.text("[data-tool=comment] span") == "Comment ✓"  # what was written is not to be written again
    browser.press("c")
    assert browser.run("return document.querySelector('#comment').value") == f"{SCRIPT} tsu ?"
    browser.press(Keys.ESCAPE)
    browser.answer(" ")
    browser.answer("s")
    rows = study.votes(link, tmp_path)
    assert [(row["choice"], row["comment"]) for row in rows] == [("tie", f"{SCRIPT} tsu ?"), ("skip", "")]
    assert not browser.run("return window.bad")
    browser.check(study.base)


def test_a_choice_of_the_best_is_taken_back_before_it_is_sent(browser, served, tmp_path):
    server = served("best-of-n")
    link = server.link()
    browser.open(link)
    assert browser.text("#questions .asked") == "Which image is best?"
    browser.press("c")
    assert browser.text("#questions .asked") == "Which image is worst?"
    assert browser.text("figure[data-chosen=best] figcaption") == "C"
    browser.press("c")  # the best is not the worst too
    browser.press(Keys.BACKSPACE)
    assert browser.run("return document.querySelectorAll('[data-chosen=best]').length") == 0
    browser.answer("b", "a")
    (row,) = server.votes(link, tmp_path)
    assert (row["best"], row["worst"]) == (row["shown_2"], row["shown_1"])
    browser.check(server.base)


def test_a_key_that_is_held_and_a_second_press_are_no_second_answer(browser, study):
    browser.open(study.link())
    key = {"key": "ArrowLeft", "code": "ArrowLeft", "windowsVirtualKeyCode": 37}
    for repeats in range(40):
        event = {"type": "rawKeyDown", **key, "autoRepeat": repeats > 0}
        browser.driver.execute_cdp_cmd("Input.dispatchKeyEvent", event)
    browser.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    time.sleep(SHORT_BREAK)
    assert browser.wait_for("ready")
    assert browser.done == 1
    for _ in range(6):  # presses one after the other, far faster than anyone sees
        browser.run("dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft'}))")
    browser.until(lambda: browser.done == 2)
    time.sleep(SHORT_BREAK)
    assert browser.done == 2
    # Of a button that was tabbed to, which keeps the focus: the key presses it, and once.
    browser.run("document.querySelector('[data-answer=right]').focus()")
    browser.answer(" ")
    assert browser.run("return document.activeElement.dataset.answer") == "right"
    assert browser.done == 3
    browser.find("[data-answer=left]").click()
    browser.until(lambda: browser.done == 4)
    assert browser.run("return document.activeElement === document.body")
    browser.check(study.base)


def test_touch_alone_is_enough(browser, study, tmp_path):
    link = study.link()
    browser.window(390, 844, touch=True, ratio=3)
    browser.open(link, begin=False)
    browser.wait_for("notice")

    def tap(selector: str) -> None:
        box = browser.box(selector)
        finger = PointerInput(POINTER_TOUCH, "finger")
        actions = ActionBuilder(browser.driver, mouse=finger, duration=0)
        x, y = (int(box[start] + box[size] / 2) for start, size in (("x", "width"), ("y", "height")))
        actions.pointer_action.move_to_location(x, y).pointer_down().pointer_up()
        actions.perform()

    tap("#choices button")
    browser.wait_for("ready")
    assert browser.text("[data-answer=left] span") == "Upper"  # where images lie one above the other
    for place in ("left", "tie", "right"):
        done = browser.done
        browser.wait_for("ready")
        tap(f"[data-answer={place}]")
        browser.until(lambda done=done: browser.done == done + 1)
    browser.wait_for("ready")
    tap("[data-tool=undo]")
    browser.until(lambda: browser.done == 2 and browser.phase == "ready")
    tap("[data-tool=zoom]")
    assert _transforms(browser)[0] != ""
    tap("[data-tool=help]")
    assert browser.run("return document.querySelector('#help').open")
    tap("#help button")
    tap("[data-tool=skip]")
    browser.until(lambda: browser.done == 3)
    rows = study.votes(link, tmp_path)
    assert [row["choice"] for row in rows] == ["left", "tie", "skip"]
    browser.check(study.base)


def _transforms(browser: Browser) -> list[str]:
    return browser.run("return [...document.querySelectorAll('#stage img')].map((image) => image.style.transform)")


def test_zoom_is_at_the_same_place_in_all_images(browser, served):
    server = served("asked")
    browser.open(server.link())
    assert _transforms(browser) == ["", "", ""]
    browser.press("z")
    (first,) = set(_transforms(browser))
    assert first.startswith("scale(2)")
    # What lies under the pointer stays there.
    frame = browser.find("[data-place='2'] .frame")
    origin = ScrollOrigin.from_element(frame, int(frame.size["width"] * 0.3), int(-frame.size["height"] * 0.2))
    under = """
      const [x, y] = [0.8, 0.3];
      const frame = document.querySelector("[data-place='1'] .frame").getBoundingClientRect();
      const image = document.querySelector("[data-place='1'] img").getBoundingClientRect();
      const across = (frame.left + x * frame.width - image.left) / image.width;
      return [across, (frame.top + y * frame.height - image.top) / image.height];
    """
    before = browser.run(under)
    ActionChains(browser.driver).scroll_from_origin(origin, 0, -200).perform()
    browser.until(lambda: _transforms(browser)[0] != first)
    (second,) = set(_transforms(browser))
    assert browser.run(under) == pytest.approx(before, abs=0.01)
    # Drag, and Shift with the arrows.
    ActionChains(browser.driver).drag_and_drop_by_offset(frame, -20, 10).perform()
    (third,) = set(_transforms(browser))
    ActionChains(browser.driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    (fourth,) = set(_transforms(browser))
    assert len({first, second, third, fourth}) == 4
    browser.press(Keys.ESCAPE)
    assert _transforms(browser) == ["", "", ""]
    # Two fingers.
    browser.run("""
      const frame = document.querySelector("[data-place='1'] .frame");
      const { left, top, width, height } = frame.getBoundingClientRect();
      const send = (type, pointerId, x, y) => frame.dispatchEvent(new PointerEvent(type, {
        pointerId, bubbles: true, pointerType: "touch", clientX: left + x * width, clientY: top + y * height,
      }));
      send("pointerdown", 11, 0.4, 0.5);
      send("pointerdown", 12, 0.6, 0.5);
      send("pointermove", 11, 0.2, 0.5);
      send("pointermove", 12, 0.8, 0.5);
      send("pointerup", 11, 0.2, 0.5);
      send("pointerup", 12, 0.8, 0.5);
    """)
    (pinched,) = set(_transforms(browser))
    assert pinched.startswith("scale(3")
    assert browser.done == 0  # none of it was an answer
    browser.answer(Keys.ARROW_LEFT)
    assert _transforms(browser) == ["", "", ""]
    browser.check(server.base)


def _state(browser: Browser) -> dict[str, Any]:
    return browser.run("return fetch(location.pathname.replace('/r/', '/api/') + '/state').then((one) => one.json())")


def test_an_image_is_seen_for_as_long_as_it_should_be(browser, served, tmp_path):
    server = served("real-or-fake")
    link = server.link()
    browser.open(link, begin=False)
    browser.wait_for("notice")
    browser.run("""
      window.seen = [];
      const look = (time) => {
        const frame = document.querySelector("#stage .frame");
        const image = frame?.querySelector("img");
        const above = [...(frame?.querySelectorAll(".cover, .mask") ?? [])].some((one) => !one.hidden);
        seen.push([time, Boolean(image) && !above]);
        requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    """)
    browser.press(Keys.ENTER)
    off, total = [], browser.run("return document.querySelector('#bar').max")
    for done, keys in zip(range(total), itertools.cycle(KEYS["real-or-fake"]), strict=False):
        browser.until(lambda done=done: browser.done == done and browser.phase in ("exposing", "ready"))
        milliseconds = _state(browser)["trial"]["exposure_ms"]
        if milliseconds is not None:
            browser.run("""
              for (const key of ["ArrowLeft", "?"]) {  // nothing to answer yet; and help would lie over the image
                if (document.body.dataset.phase === "exposing") dispatchEvent(new KeyboardEvent("keydown", { key }));
              }
            """)
        browser.wait_for("ready")
        images = browser.run("return document.querySelectorAll('#stage img').length")
        masks = browser.run("return document.querySelectorAll('#stage .mask').length")
        samples = browser.run("const all = seen; seen = []; return all")
        if milliseconds is None:
            assert (images, masks) == (1, 0)
            assert samples[-1][1]
        else:
            assert (images, masks) == (0, 1)
            told = float(browser.run("return document.querySelector('#stage').dataset.exposed"))
            first = next(when for when, visible in samples if visible)
            after = next(when for when, visible in samples if when > first and not visible)
            during = [b - a for (a, _), (b, _) in itertools.pairwise(samples) if first - 100 <= a <= after]
            off.append((abs(after - first - milliseconds), abs(told - milliseconds), max(during)))
        browser.press(*keys)
    browser.until(lambda: browser.done == total)
    assert browser.text("#heading") == "Finished. Thank you!"
    _check_answers("real-or-fake", server.votes(link, tmp_path))
    assert len(off) >= 4
    # The better half, as this machine may be too busy to draw every frame in time.
    for seen, said, longest in sorted(off)[: len(off) // 2]:
        assert seen <= 2 * max(longest, 1000 / 60) + 1
        assert said <= max(longest, 1000 / 60) + 1
    browser.check(server.base)


def test_an_image_that_was_exposed_is_not_shown_again_after_undo(browser, served):
    server = served("real-or-fake")
    browser.open(server.link())
    while _state(browser)["trial"]["exposure_ms"] is None:
        browser.answer("f")
    done = browser.done
    browser.answer(Keys.ARROW_LEFT)
    browser.press("u")
    browser.until(lambda: browser.done == done and browser.phase == "ready")
    assert browser.run("return document.querySelectorAll('#stage img').length") == 0
    browser.answer(Keys.ARROW_RIGHT)
    assert browser.done == done + 1
    browser.check(server.base)


def test_a_page_that_is_loaded_again_goes_on(browser, served, study, tmp_path):
    link = study.link()
    browser.open(link)
    browser.answer(Keys.ARROW_LEFT)
    shown = browser.text("#prompt")
    browser.driver.refresh()
    browser.wait_for("ready")  # without the instructions, which were read
    assert (browser.done, browser.text("#prompt")) == (1, shown)
    browser.answer(Keys.ARROW_LEFT)
    browser.answer(Keys.ARROW_LEFT)
    rows = study.votes(link, tmp_path)
    assert [row["choice"] for row in rows] == ["left"] * 3
    with contextlib.closing(sqlite3.connect(study.folder / "votes.db")) as database:
        lost = [
            bool(one)
            for row in rows
            for (one,) in database.execute("SELECT focus_lost FROM jaxeval_answers WHERE id = ?", [row["vote"]])
        ]
    assert lost == [False, True, False]  # the page was left in the middle of the second
    # An image with a time is not shown before the rater is there.
    timed = served("real-or-fake")
    browser.check(study.base)
    browser.open(timed.link())
    while _state(browser)["trial"]["exposure_ms"] is None:
        browser.answer(Keys.ARROW_LEFT)
    browser.driver.refresh()
    assert browser.wait_for("notice", "exposing") == "notice"
    browser.press(Keys.ENTER)
    browser.wait_for("exposing")
    browser.check(timed.base)


def test_a_trial_whose_images_do_not_load_can_be_skipped(browser, study, tmp_path):
    link = study.link()
    with blocked(browser, "*/image/*/1"):
        browser.open(link, begin=False)
        browser.wait_for("notice")
        browser.press(Keys.ENTER)
        browser.wait_for("broken")
        assert browser.text("#status") == "An image does not load. Trying again."
        browser.press(Keys.ARROW_LEFT)
        time.sleep(SHORT_BREAK)
        assert browser.done == 0  # of what was not seen nothing is better
    browser.press("s")
    browser.until(lambda: browser.done == 1 and browser.phase == "ready")
    assert browser.text("#status") == ""
    browser.answer(Keys.ARROW_LEFT)
    rows = study.votes(link, tmp_path)
    assert [row["choice"] for row in rows] == ["skip", "left"]
    assert rows[0]["milliseconds"] == "0"


def test_two_windows_of_one_rater(both, study):
    link = study.link()
    for browser in both:
        browser.fresh()
        browser.open(link)
    both[0].answer(Keys.ARROW_LEFT)
    both[0].answer(Keys.ARROW_LEFT)
    both[1].press(Keys.ARROW_RIGHT)  # to the first trial, which is answered
    both[1].until(lambda: both[1].phase == "ready" and both[1].done == 2)
    assert "This is where you are" in both[1].text("#status")
    both[1].answer(Keys.ARROW_RIGHT)
    assert both[1].done == 3
    assert both[1].text("#status") == ""
    both[0].check(study.base)


def test_joining_with_a_code(browser, served):
    server = served("asked")
    browser.driver.get(f"{server.base}/")
    browser.until(lambda: browser.find("#code").is_displayed())
    assert _low_contrasts(browser) == []
    browser.press("wrong", Keys.ENTER)
    browser.until(lambda: browser.text("#wrong") == "This is not the access code.")
    assert _low_contrasts(browser) == []
    browser.press(CODE, Keys.ENTER)  # over the wrong one, which is selected
    browser.until(lambda: "/r/" in browser.driver.current_url)
    server.tokens.append(browser.driver.current_url.rpartition("/")[2])
    browser.wait_for("notice")
    browser.press(Keys.ENTER)
    browser.wait_for("ready")
    browser.answer(Keys.ARROW_LEFT)
    refused = [entry["message"] for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert len(refused) == 1
    assert "403" in refused[0]  # the wrong code


def test_a_link_that_is_nobodys(browser, study):
    browser.driver.get(f"{study.base}/r/{'A' * 43}")
    assert "this link is nobody's" in browser.driver.page_source


def _low_contrasts(browser: Browser) -> list[tuple[str, str, float]]:
    least = {"text": 4.5, "control": 3.0}
    found = browser.run(CONTRASTS)
    assert {kind for kind, _, _ in found} == {"text", "control"}
    return [(kind, text, value) for kind, text, value in found if value < least[kind]]


@pytest.mark.parametrize("name", STUDIES)
def test_every_window_shows_all_of_it(browser, served, name):
    server = served(name)
    browser.open(server.link(), begin=False)
    browser.wait_for("notice")
    sizes = ((320, 568), (390, 844), (640, 360), (768, 1024), (1440, 900), (2560, 1440))
    for dark in (False, True):
        browser.window(1440, 900, dark=dark)
        assert _low_contrasts(browser) == []
    browser.press(Keys.ENTER)
    browser.wait_for("ready")
    for (width, height), dark in itertools.product(sizes, (False, True)):
        browser.window(width, height, dark=dark)
        browser.until(lambda width=width: browser.run("return innerWidth") == width)
        browser.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert browser.run(CUT_OFF) == [], (width, height)
        assert _low_contrasts(browser) == [], (width, height, dark)
        boxes = browser.run(
            "return [...document.querySelectorAll('#stage img, #stage canvas')]"
            ".map((image) => image.getBoundingClientRect().toJSON())"
        )
        assert len(boxes) == browser.run("return document.querySelectorAll('figure').length")
        (size,) = {(round(box["width"], 3), round(box["height"], 3)) for box in boxes}
        assert size[0] / size[1] == pytest.approx(24 / 20)
        assert (size[0] / 24).is_integer()  # a whole factor
        stage = browser.box("#stage")
        assert all(stage["left"] <= box["left"] and box["right"] <= stage["right"] + 0.01 for box in boxes)
        assert all(stage["top"] <= box["top"] and box["bottom"] <= stage["bottom"] + 0.01 for box in boxes)
    browser.window(1280, 800, dark=True)
    for key, dialog in (("?", "help"), ("n" if name.startswith("best") else "c", "commenting")):
        browser.press(key)
        assert browser.run("return document.getElementById(arguments[0]).open", dialog)
        assert _low_contrasts(browser) == []
        browser.press(Keys.ESCAPE)
    browser.check(server.base)


def test_focus_is_seen(browser, study):
    browser.open(study.link())
    for dark in (False, True):
        browser.window(1280, 800, dark=dark)
        browser.press(Keys.TAB)
        style = browser.run(
            "const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);"
            "return [document.activeElement.tagName, outlineStyle, outlineWidth]"
        )
        assert style[0] in ("BUTTON", "P")  # a prompt that is longer than its place can be scrolled by keys
        assert style[1:] == ["solid", "3px"]
    browser.check(study.base)
