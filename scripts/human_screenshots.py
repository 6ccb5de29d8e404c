"""`python scripts/human_screenshots.py`: takes the screenshots of docs/human.md, of every design, with Chromium.

Photographs are scikit-image's, the systems are ways to spoil them. `--all FOLDER` takes every design at three widths,
light and dark, for looking at.
"""

import argparse
import contextlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import Image, ImageFilter
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from jaxeval.human import create_study

ROOT = Path(__file__).parents[1]
SIZE = (512, 384)
PROMPTS = {
    "astronaut": "A portrait of a smiling astronaut in an orange space suit, a flag and a space shuttle behind her",
    "chelsea": "A ginger tabby cat looks at the camera",
    "coffee": "A cup of coffee on a wooden table, seen from above, with a spoon on the saucer",
    "rocket": "A rocket on its launch pad at night",
}
WINDOWS = {"narrow": (390, 844), "middle": (1024, 768), "wide": (1920, 1080)}
STUDIES: dict[str, dict[str, Any]] = {
    "2afc": {"design": "2afc", "prompted": True},
    "best-of-n": {"design": "best-of-n", "n": 4, "referenced": True},
    "mos": {"design": "mos", "questions": ["How sharp is this image?", "How natural are its colours?"]},
    "real-or-fake": {"design": "real-or-fake", "exposures": [250]},
}
# What docs/human.md shows: study, step, window, whether it is dark.
SHOWN = (
    ("2afc", "trial", "wide", False),
    ("best-of-n", "chosen", "middle", True),
    ("mos", "trial", "middle", False),
    ("real-or-fake", "mask", "narrow", True),
    ("2afc", "trial", "narrow", False),
    ("2afc", "start", "narrow", True),
)
COLOURS, WIDEST = 96, 960


def photographs() -> dict[str, Image.Image]:
    """By name, photographs of one size."""
    found = {}
    for name in PROMPTS:
        image = Image.fromarray(getattr(skimage.data, name)())
        scale = max(SIZE[0] / image.width, SIZE[1] / image.height)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
        left, top = (image.width - SIZE[0]) // 2, (image.height - SIZE[1]) // 3
        found[name] = image.crop((left, top, left + SIZE[0], top + SIZE[1]))
    return found


def _jpeg(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=6)
    return Image.open(stream)


def _noisy(image: Image.Image) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 25, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


SYSTEMS = {
    "whole": lambda image: image,
    "jpeg": _jpeg,
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "noise": _noisy,
}


def make_studies(place: Path) -> dict[str, Path]:
    """By name, the folders of the studies."""
    for system, spoil in SYSTEMS.items():
        (place / system).mkdir()
        for name, image in photographs().items():
            spoil(image).convert("RGB").save(place / system / f"{name}.png")
    prompts = place / "prompts.csv"
    lines = [f'{name},"{prompt}"' for name, prompt in PROMPTS.items()]
    prompts.write_text("name,prompt\n" + "\n".join(lines) + "\n", encoding="utf-8")
    found = {}
    for name, options in STUDIES.items():
        own = dict(options)
        instructions = {
            "2afc": "Look at both images for as long as you like, then choose the one that you would rather keep.",
            "real-or-fake": "Look at the cross. An image follows for a moment: was it a photograph, or made?",
        }.get(own["design"], "Look at each image for as long as you like. There are no wrong answers.")
        if own.pop("prompted", False):
            own["prompts"] = prompts
        if own.pop("referenced", False) or own["design"] == "real-or-fake":
            own["reference"] = place / "whole"
        sets = {one: place / one for one in SYSTEMS if not ("reference" in own and one == "whole")}
        if own["design"] == "best-of-n":
            sets["sharpened"] = sharpened(place)
        found[name] = create_study(sets, place / f"study-{name}", checks=0, instructions=instructions, **own).folder
    return found


def sharpened(place: Path) -> Path:
    """A fourth set beside a reference."""
    folder = place / "sharpened"
    folder.mkdir()
    for name, image in photographs().items():
        image.filter(ImageFilter.UnsharpMask(6, 400)).save(folder / f"{name}.png")
    return folder


@contextlib.contextmanager
def served(study: Path) -> Iterator[str]:
    """The table of raters and their links."""
    command = [
        sys.executable,
        "-m",
        "jaxeval",
        "human",
        "serve",
        str(study),
        "--port",
        "0",
        "--raters",
        "40",
        "--quiet",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                break
        try:
            yield (study / "links.csv").read_text(encoding="utf-8")
        finally:
            process.terminate()


@contextlib.contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a window."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--force-color-profile=srgb"):
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


def wait_for(driver: webdriver.Chrome, *phases: str) -> None:
    """Waits until the page is in one of these phases."""
    now = "return document.body.dataset.phase"
    WebDriverWait(driver, 30, 0.02).until(lambda one: one.execute_script(now) in phases)


def press(driver: webdriver.Chrome, key: str) -> None:
    """Presses a key anywhere."""
    webdriver.ActionChains(driver).send_keys(key).perform()


def shots(driver: webdriver.Chrome, name: str, link: str, window: str, dark: bool) -> Iterator[tuple[str, bytes]]:
    """Screenshots of one study in one window, by step."""
    width, height = WINDOWS[window]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    driver.get(link)
    wait_for(driver, "notice")
    yield "start", driver.get_screenshot_as_png()
    press(driver, Keys.ENTER)
    wait_for(driver, "ready")
    if name == "real-or-fake":
        press(driver, Keys.ARROW_LEFT)
        wait_for(driver, "exposing")
        time.sleep(0.4)
        yield "cross", driver.get_screenshot_as_png()
        wait_for(driver, "ready")
        yield "mask", driver.get_screenshot_as_png()
    elif name == "best-of-n":
        press(driver, "b")
        yield "chosen", driver.get_screenshot_as_png()
    else:
        yield "trial", driver.get_screenshot_as_png()
    if name == "2afc":
        press(driver, "z")
        yield "zoomed", driver.get_screenshot_as_png()
        press(driver, "c")
        yield "comment", driver.get_screenshot_as_png()
        press(driver, Keys.ESCAPE)
        press(driver, "?")
        yield "help", driver.get_screenshot_as_png()
        press(driver, Keys.ESCAPE)


def reduced(data: bytes) -> bytes:
    """A screenshot as a small PNG with a palette."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def main() -> None:
    """Writes docs/images/human, or everything into another folder."""
    parser = argparse.ArgumentParser(description="Takes the screenshots of docs/human.md.")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="take every design at every width into FOLDER")
    everything = parser.parse_args().all
    out = everything or ROOT / "docs/images/human"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser() as driver:
        for name, study in make_studies(Path(folder)).items():
            with served(study) as table:
                links = [line.split(",")[1] for line in table.splitlines()[1:]]
                for window in WINDOWS:
                    for dark in (False, True):
                        wanted = [one[1] for one in SHOWN if (one[0], *one[2:]) == (name, window, dark)]
                        if not (everything or wanted):
                            continue
                        for step, data in shots(driver, name, links.pop(), window, dark):
                            file = out / f"{name}-{step}-{window}-{'dark' if dark else 'light'}.png"
                            if everything:
                                file.write_bytes(data)
                            elif step in wanted:
                                file.write_bytes(reduced(data))


if __name__ == "__main__":
    main()
