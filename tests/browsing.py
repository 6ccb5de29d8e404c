"""A rater's browser for tests: Chromium without a window, asked as a person sees it and moved by keys and fingers."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

SECONDS = 30
# Of every text that is seen, and of what it lies on; colours that let others through are laid over them.
CONTRASTS = """
const parts = (colour) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const chain = (element) => (element ? [...chain(element.parentElement), element] : []);
const ground = (element) => {
  const inside = element && element.closest("dialog");
  return chain(element).filter((one) => !inside || inside.contains(one))
    .reduce((below, one) => over(parts(getComputedStyle(one).backgroundColor), below), [255, 255, 255, 1]);
};
const light = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
  const value = colour[i] / 255;
  return sum + weight * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
}, 0);
const contrast = (one, other) => {
  const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const seen = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length
  && !element.closest("[data-off], .unseen");
const dialog = document.querySelector("dialog[open]");
const found = [];
for (const element of (dialog ?? document.body).querySelectorAll("*")) {
  if (!seen(element)) continue;
  const style = getComputedStyle(element);
  const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
  const opacity = chain(element).reduce((product, one) => product * Number(getComputedStyle(one).opacity), 1);
  if (text && opacity > 0) {
    const below = ground(element);
    const colour = parts(style.color);
    colour[3] *= opacity;
    found.push(["text", text, contrast(over(colour, below), below)]);
  }
  if (element.matches("button, input, textarea, progress")) {
    const [around, own, line] = [ground(element.parentElement), ground(element), parts(style.borderTopColor)];
    const edge = contrast(over(line, around), around);
    found.push(["control", element.textContent || element.tagName, Math.max(edge, contrast(own, around))]);
  }
}
return found;
"""
# What of the page is cut off: by the window, or by itself.
CUT_OFF = """
const found = [];
if (document.scrollingElement.scrollWidth > innerWidth) found.push("the page is wider than the window");
if (document.scrollingElement.scrollHeight > innerHeight) found.push("the page is higher than the window");
const whole = "button, header span, h2.asked, #stage img, #stage canvas, figcaption";
const inside = (inner, outer, slack) => inner.left >= outer.left - slack && inner.right <= outer.right + slack
  && inner.top >= outer.top - slack && inner.bottom <= outer.bottom + slack;
for (const element of document.querySelectorAll(whole)) {
  if (!element.checkVisibility({ visibilityProperty: true }) || element.closest("dialog:not([open])")) continue;
  const box = element.getBoundingClientRect();
  const name = `${element.tagName} ${element.textContent}`;
  if (!inside(box, { left: 0, top: 0, right: innerWidth, bottom: innerHeight }, 0.5)) found.push(`${name} outside`);
  if (element.tagName === "BUTTON") {
    if (box.width < 43.5 || box.height < 43.5) found.push(`${name} is ${box.width} x ${box.height}`);
    for (const part of element.children) {
      const inner = part.getBoundingClientRect();
      if (inner.width && !inside(inner, box, 0)) found.push(`${name} does not hold its text`);
    }
  }
}
const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
  && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
const solid = [...document.querySelectorAll("button, #stage, h2.asked, #prompt, #progress")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true })).map((one) => [one, one.getBoundingClientRect()]);
for (const [i, [one, a]] of solid.entries()) for (const [other, b] of solid.slice(i + 1)) {
  if (overlap(a, b)) found.push(`${one.tagName} ${one.textContent} over ${other.tagName} ${other.textContent}`);
}
return found;
"""


def programs() -> tuple[str, str] | None:
    """Where Chromium and its driver are; None where they are not."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    return None if browser is None or driver is None else (browser, driver)


def needed_programs() -> tuple[str, str]:
    found = programs()
    if found is None:
        said = "Chromium and chromedriver are not installed (scripts/test-services installs them)"
        if os.environ.get("JAXEVAL_BROWSER") == "required":
            pytest.fail(said)
        pytest.skip(said)  # a contributor without them can still run the rest; CI always has them
    return found


class Browser:
    """A browser of one rater; `with` ends it."""

    def __init__(self, folder: Path):
        browser, driver = needed_programs()
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for argument in (
            "--headless=new",
            "--no-sandbox",  # root, as which CI runs, has none
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--hide-scrollbars",
            f"--user-data-dir={folder}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(driver))
        self.driver.set_page_load_timeout(SECONDS)
        self.driver.set_script_timeout(SECONDS)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.quit()

    def fresh(self) -> None:
        """A window of usual size, light, with a mouse, and an empty page; what was logged before is forgotten."""
        self.window(1280, 800)
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")

    def window(self, width: int, height: int, *, dark: bool = False, touch: bool = False, ratio: float = 1) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": touch}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": touch})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def open(self, address: str, *, begin: bool = True) -> None:
        self.driver.get(address)
        if begin:
            self.wait_for("notice")
            self.press(Keys.ENTER)
            self.wait_for("ready")

    @property
    def phase(self) -> str:
        return self.run("return document.body.dataset.phase ?? ''")

    def wait_for(self, *phases: str) -> str:
        return self.until(lambda: (phase := self.phase) in phases and phase)

    def until(self, condition: Any) -> Any:
        return WebDriverWait(self.driver, SECONDS, 0.02).until(lambda _: condition())

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def box(self, selector: str) -> dict[str, float]:
        return self.run("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector)

    def press(self, *keys: str) -> None:
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    @property
    def done(self) -> int:
        """How many trials the page says are done."""
        return int(self.text("#count").split()[0])

    def answer(self, *keys: str) -> None:
        """Answers the present trial, and waits for what comes after it."""
        trial = self.text("#spoken")
        self.wait_for("ready")
        self.press(*keys)
        self.until(lambda: self.phase == "notice" or (self.phase == "ready" and self.text("#spoken") != trial))

    def check(self, base: str, *, broken: bool = False) -> None:
        """Nothing went to another server, and the console has neither errors nor violations of the policy.

        broken: whether the server was away meanwhile, of which the console tells.
        """
        asked = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        addresses = [one["params"]["request"]["url"] for one in asked if one["method"] == "Network.requestWillBeSent"]
        own = [address for address in addresses if not address.startswith("about:")]
        assert own
        assert [address for address in own if not address.startswith(f"{base}/")] == []
        said = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        away = ("net::ERR_CONNECTION", "net::ERR_EMPTY_RESPONSE", "net::ERR_SOCKET")
        assert [one for one in said if not (broken and any(error in one for error in away))] == []


@contextlib.contextmanager
def browsers(place: Path, count: int) -> Iterator[Sequence[Browser]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Browser(place / str(number))) for number in range(count)]
