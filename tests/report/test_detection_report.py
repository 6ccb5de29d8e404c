"""What judging by detection prints and draws: tables in 80 columns, the order of images, boxes and words."""

import dataclasses
import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console

from jaxeval.detection import (
    DetectionDifference,
    DetectionEvaluation,
    DetectionScore,
    FoundBoxes,
    ImageOutcome,
    ShownBox,
)
from jaxeval.errors import InputError
from jaxeval.report import draw_detection, lettering, print_detection, print_found
from jaxeval.report.box_drawing import STYLES, draw_boxes, tag_text
from jaxeval.report.detection_exhibits import worst_outcomes
from jaxeval.report.lettering import Fonts, drawable, lacking, shortened, text_width, wrapped, write

GOOD, BAD, ASKED, MISSED = (
    STYLES[key].colour for key in (("found", True), ("found", False), ("asked", True), ("asked", False))
)
GROUND = (240, 240, 240)


def score(metric: str, value: float | None, name: str = "ours", category: str = "", **fields: Any) -> DetectionScore:
    interval = None if value is None else (value - 0.05, value + 0.05)
    given: dict[str, Any] = {"interval": interval, "n": 100, "n_prompts": 25, "label": metric.upper()} | fields
    return DetectionScore(metric=metric, set=name, category=category, value=value, **given)


def evaluation(scores: list[DetectionScore], **fields: Any) -> DetectionEvaluation:
    manifest = {"sets": {}, "counts": {}, "warnings": [], "not_computed": []} | fields.pop("manifest", {})
    given: dict[str, Any] = {"task": "rules", "differences": (), "outcomes": (), "order": scores[0].metric} | fields
    return DetectionEvaluation(scores=tuple(scores), manifest=manifest, **given)


def printed(found: Any, width: int = 80, show: Any = print_detection) -> str:
    console = Console(width=width, record=True, highlight=False, file=io.StringIO())
    show(found, console)
    return console.export_text()


def lines_of_tables(text: str) -> list[str]:
    """Lines but for warnings and what is not computed, which terminals wrap."""
    return [line for line in text.splitlines() if not line.startswith(("warning: ", "not computed: "))]


@pytest.mark.parametrize("sets", [1, 2, 3, 7])
@pytest.mark.parametrize("metrics", [1, 12])
@pytest.mark.parametrize("categories", [0, 3, 80])
def test_tables_fit_80_columns(sets, metrics, categories):
    names = [f"results/of/a/run/with/a/long/name/{number}" for number in range(sets)]
    measured = [f"a number with a long name {number}" for number in range(metrics)]
    of_categories = ["", *(f"category {number}" for number in range(categories))]
    scores = [score(m, 0.1 + 0.01 * n, s, c) for s in names for m in measured for n, c in enumerate(of_categories)]
    differences = [
        DetectionDifference(m, m.upper(), names[0], other, c, 0.02, (0.01, 0.03), 1e-7, 25)
        for other in names[1:]
        for m in measured
        for c in of_categories
    ]
    text = printed(evaluation(scores, differences=tuple(differences)))
    assert max(map(len, lines_of_tables(text))) <= 80
    for name in names:
        # The end of a path tells it from others.
        assert name[-4:] in text.replace("\n", "")
    assert "0.10000 [0.05, 0.15]" in text
    if categories == 80:
        assert "by category, the worst 15 [95%]" in text
        assert "and 65 more categories" in text
        assert "category 14" in text
        assert "category 15" not in text
    if sets > 1:
        assert "<0.0001" in text


def test_what_has_no_value_is_said_and_no_average_over_nothing():
    text = printed(evaluation([score("ap", 0.5), score("ap-large", None), score("ap", None, category="cat", n=0)]))
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert rows["AP-LARGE"].split()[-1] == "none"
    assert rows["cat"].split()[1:] == ["0", "none"]
    assert "nan" not in text


def test_a_number_of_fewer_images_says_so():
    text = printed(evaluation([score("exact", 0.5), score("cer", 0.25, n=97, better="lower")]))
    assert "EXACT \u2191" in text
    assert "CER \u2193" in text
    assert "0.25000 [0.20, 0.30] of 97" in text


def test_differences_name_the_better_set():
    def difference(value: float, p: float | None, better: str) -> DetectionDifference:
        return DetectionDifference("m", "M", "old", "new", "", value, None, p, 25, better)

    for value, p, better, expected in (
        (0.1, 0.01, "higher", "new"),
        (-0.1, 0.01, "higher", "old"),
        (0.1, 0.01, "lower", "old"),
        (0.1, 0.2, "higher", ""),
        (0.1, None, "higher", ""),
    ):
        scores = [score("m", 0.1, name) for name in ("old", "new")]
        text = printed(evaluation(scores, differences=(difference(value, p, better),)))
        row = next(line for line in text.split("prompt by prompt")[1].splitlines() if line.startswith(" M "))
        assert row.split()[-1] == (expected or (f"{p:.2g}" if p else f"{value:+.5f}"))
    text = printed(evaluation([score("m", 0.1)], differences=(difference(float("nan"), None, "higher"),)))
    assert "none" in text.split("prompt by prompt")[1]


def test_counts_are_said():
    counts = {
        "prompts": 553,
        "sets": {
            "ours": {"prompts": 553, "least_images_of_a_prompt": 4, "most_images_of_a_prompt": 4},
            "theirs": {"prompts": 12, "least_images_of_a_prompt": 1, "most_images_of_a_prompt": 4},
        },
    }
    manifest = {"counts": counts, "detector": {"ours": {"detector": "ocr"}}}
    text = printed(evaluation([score("m", 0.1, name) for name in ("ours", "theirs")], manifest=manifest))
    assert "ours: 553 of 553 prompts x 4 images, boxes by ocr" in text
    assert "theirs: 12 of 553 prompts x 1 to 4 images" in text
    assert "ours: 100 images of 25 prompts" in printed(evaluation([score("m", 0.1)]))


def test_names_of_users_move_no_cursor_and_change_no_colours():
    evil = "a\x1b[2J\r\n[red]b[/red]\u202ec"
    scores = [score("m", 0.1, evil), score("m", 0.1, evil, evil)]
    manifest = {"warnings": [f"{evil}: look"], "not_computed": [{"sentence": evil, "missing": False}]}
    differences = (DetectionDifference("m", "M", evil, f"{evil}2", "", 0.1, None, 0.01, 25),)
    place = np.zeros(1, np.int64)
    boxes = FoundBoxes(evil, (evil,), (evil,), place, place, np.ones((1, 4)), np.ones(1))
    for text in (
        printed(evaluation(scores, manifest=manifest, differences=differences), 200),
        printed({evil: boxes}, 200, print_found),
    ):
        assert "\x1b" not in text
        assert "\r" not in text
        assert "\u202e" not in text
        assert "\\x1b[2J\\r\\n[red]b[/red]\\u202ec" in text


def test_what_was_found_is_counted_by_label():
    rng = np.random.default_rng(0)
    labels = tuple(f"label {number}" for number in range(20))
    image, label = np.array([0, 0, *([1] * 19)]), np.array([0, 0, *range(1, 20)])
    boxes = np.abs(rng.normal(size=(21, 4)))
    identity = {"notes": {"gray repeated": 2}, "warnings": ["1 image could not be read"]}
    found = FoundBoxes("ours", ("a", "b", "c"), labels, image, label, boxes, np.full(21, 0.5), identity=identity)
    empty = FoundBoxes("none", ("a",), (), image[:0], label[:0], boxes[:0], np.zeros(0))
    text = printed({"ours": found, "none": empty}, show=print_found)
    rows = [line.split() for line in text.splitlines()]
    assert ["ours", "3", "1", "21", "0.50000"] in rows
    assert ["none", "1", "1", "0", "none"] in rows
    assert ["label", "0", "ours", "2"] in rows
    assert "and 5 more labels" in text
    assert "ours: gray repeated (2)" in text
    assert "warning: ours: 1 image could not be read" in text
    assert max(map(len, lines_of_tables(text))) <= 80


def outcome(image: str, value: float | None, **fields: Any) -> ImageOutcome:
    given: dict[str, Any] = {"set": "ours", "prompt": image, "category": ""} | fields
    return ImageOutcome(image, values={"m": value}, **given)


@pytest.mark.parametrize(("better", "order"), [("higher", "cbdae"), ("lower", "abdce")])
def test_the_worst_come_first_ties_by_name_and_those_without_a_number_last(better, order):
    outcomes = tuple(outcome(name, value) for name, value in zip("edcba", (None, 0.5, 0.1, 0.5, 0.9), strict=True))
    found = evaluation([score("m", 0.5, better=better)], outcomes=outcomes)
    assert "".join(one.image for one in worst_outcomes(found, "ours")) == order
    assert worst_outcomes(found, "others") == []


def has(picture: Any, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a picture has a colour, as rows of y and x."""
    return np.argwhere((np.asarray(picture.convert("RGB")) == colour).all(2))


def test_boxes_lie_where_they_are_in_the_image():
    pixels = np.full((100, 200, 3), GROUND, np.uint8)
    asked = [ShownBox("cat", (20.0, 30.0, 50.0, 40.0), good=False)]
    found = [ShownBox("cat", (120.0, 30.0, 60.0, 40.0), 0.9, good=True)]
    drawn = draw_boxes(pixels, asked, found, width=400, height=400)
    assert drawn.picture.width == 400
    assert drawn.remarks == ()
    below = drawn.picture.height - 200  # the image grows by 2, under room for labels
    outline = has(drawn.picture, GOOD)
    (top, left), (bottom, right) = outline.min(0), outline.max(0)
    assert (left, right) == (240, 360)
    assert abs(bottom - (below + 140)) <= 1
    assert top <= below + 60
    dashes = has(drawn.picture, MISSED)
    assert (dashes[:, 1].min(), dashes[:, 1].max()) == (40, 140)


def test_boxes_at_one_place_are_both_seen():
    pixels = np.full((100, 100, 3), GROUND, np.uint8)
    box = (20.0, 20.0, 60.0, 60.0)
    drawn = draw_boxes(pixels, [ShownBox("cat", box, good=True)], [ShownBox("cat", box, 0.9, good=True)], width=100,
                       height=100)  # fmt: skip
    for colour in (GOOD, ASKED):
        beside = has(drawn.picture, colour)
        assert (beside[:, 1] == 20).sum() > 10


def test_boxes_beyond_the_image_are_cut_off_and_those_outside_are_told():
    pixels = np.full((50, 50, 3), GROUND, np.uint8)
    found = [
        ShownBox("cat", (-1e9, -1e9, 2e9, 2e9), 0.9, good=False),
        ShownBox("dog", (60.0, 10.0, 5.0, 5.0), 0.8),
        ShownBox("bird", (10.0, 10.0, 0.0, 0.0), 0.7, good=True),
    ]
    drawn = draw_boxes(pixels, [], found, width=480, height=420)
    assert drawn.remarks == ("1 box lies outside of the image: dog",)
    assert len(has(drawn.picture, BAD)) > 1000
    assert len(has(drawn.picture, GOOD)) > 10


def test_many_boxes_are_drawn_and_what_has_no_label_is_counted():
    pixels = np.full((60, 60, 3), GROUND, np.uint8)
    rng = np.random.default_rng(0)
    found = [ShownBox("coin", (float(x), float(y), 20.0, 20.0), 0.5) for x, y in rng.uniform(0, 40, (250, 2))]
    first, second = draw_boxes(pixels, [], found, width=480, height=420).remarks
    assert first == "50 more boxes, the least confident, are not drawn"
    assert second.endswith("boxes have no label, for want of room")


def test_labels_tell_kinds_apart_without_colours():
    texts = {tag_text(kind, ShownBox("cat", (0.0, 0.0, 1.0, 1.0), 0.5, None, good)) for kind, good in STYLES}
    assert texts == {"\u2713 cat 0.50", "\u2717 cat 0.50", "cat 0.50"}
    read = ShownBox("text", (0.0, 0.0, 1.0, 1.0), 0.987, "SALE", True)
    assert tag_text("found", read) == "\u2713 \u201cSALE\u201d 0.99"
    # What was asked for looks alike whether it was found or nobody looked.
    assert len({(style.colour, style.dashed) for style in STYLES.values()}) == len(STYLES) - 1


def test_what_was_read_stands_below_so_that_no_label_hides_it():
    pixels = np.full((50, 200, 3), GROUND, np.uint8)
    found = [
        ShownBox("text", (10.0, 20.0, 80.0, 20.0), 0.5, "SALE", True),
        ShownBox("text", (100.0, 20.0, 80.0, 20.0), 0.9, "x", False),
    ]
    drawn = draw_boxes(pixels, [], found, width=400, height=400)
    assert drawn.read == ("1: \u2713 \u201cSALE\u201d 0.50", "2: \u2717 \u201cx\u201d 0.90")
    assert (
        draw_boxes(pixels, [], [dataclasses.replace(one, text=None) for one in found], width=400, height=400).read == ()
    )


def test_text_is_wrapped_and_nothing_of_it_is_wider():
    long = "word " * 100 + "w" * 500
    for most in (1, 3, 1000):
        lines = wrapped(long, 12, 200, most)
        assert len(lines) <= most
        assert max(text_width(line, 12) for line in lines) <= 200
        assert lines[-1].endswith("\u2026") == (most < 1000)
    assert "".join(wrapped(long, 12, 200, 1000)).replace(" ", "") == long.replace(" ", "")
    assert wrapped("", 12, 200, 3) == []
    assert wrapped("short", 12, 200, 3) == ["short"]
    assert shortened("short", 12, 200) == "short"
    assert len(wrapped("\u00e9" * 10, 12, 1, 3)) == 3


def test_letters_that_no_font_has_are_numbers(monkeypatch):
    monkeypatch.setattr(lettering, "_fonts", lambda: Fonts(list))
    assert drawable("caf\u00e9 \u0416 \u03a9") == "caf\u00e9 \u0416 \u03a9"
    assert not lacking("cafe\u0301 \u0416 \u03a9")
    assert drawable("\u732b\n!") == "U+732B  !"
    assert drawable("\x1b[2J") == "U+001B [2J"
    assert lacking("\u732b")


def test_letters_come_from_another_font_where_one_has_them(monkeypatch, tmp_path):
    broken = tmp_path / "a.ttf"
    broken.write_bytes(b"no font")
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    own, other = (FT2Font(str(folder / name)).get_charmap() for name in ("DejaVuSans.ttf", "STIXGeneral.ttf"))
    letter = next(chr(code) for code in sorted(set(other) - set(own)) if chr(code).isprintable() and code > 0x2000)
    fonts = Fonts(lambda: [str(folder / "STIXGeneral.ttf"), str(broken)])
    monkeypatch.setattr(lettering, "_fonts", lambda: fonts)
    assert drawable(f"abc {letter} def \u732b") == f"abc {letter} def U+732B "
    assert [part for _, part in fonts.runs(f"abc {letter} def")] == ["abc ", f"{letter} ", "def"]
    assert text_width(f"ab{letter}", 12) > text_width("ab", 12)
    assert text_width("abc def", 12) == ImageFont.truetype(str(folder / "DejaVuSans.ttf"), 12).getlength("abc def")
    picture = Image.new("RGB", (60, 30), "white")
    write(ImageDraw.Draw(picture), (5, 5), letter, 14)
    dark = np.argwhere(np.asarray(picture.convert("L")) < 128)
    assert len(dark) > 5
    assert dark.min() >= 5


def drawn_images(folder: Path) -> dict[str, Any]:
    """Images of many shapes, a photograph's orientation among them, and an outcome of each."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    shapes = {"tiny.png": (1, 1), "thin.png": (300, 2), "wide.png": (2, 300), "large.png": (1500, 2500)}
    for name, shape in shapes.items():
        Image.fromarray(rng.integers(0, 255, (*shape, 3), np.uint8)).save(folder / name)
    Image.fromarray(rng.integers(0, 255, (20, 30), np.uint8)).save(folder / "gray.png")
    box = (ShownBox("\u732b" * 100, (0.5, 0.0, 1.0, 1.0), 0.5, "\U0001f408 \u0627\u0644", False),)
    reasons = tuple(f"reason {number} " + "goes on " * 50 for number in range(9))
    fields = {"prompt": "\u732b " * 90, "reasons": reasons, "found": box, "asked": box}
    outcomes = [outcome(name, 0.0, **fields) for name in (*shapes, "gray.png")]
    return {"outcomes": tuple(outcomes), "manifest": {"sets": {"ours": str(folder)}}}


def test_images_of_any_shape_and_text_of_any_script_are_drawn(tmp_path):
    found = evaluation([score("m", 0.0)], **drawn_images(tmp_path / "ours"))
    (sheet,) = draw_detection(found, tmp_path / "out")
    with Image.open(sheet) as image:
        assert image.width == 2 * 480 + 3 * 16
        assert image.height < 5000
    assert sheet == tmp_path / "out" / "ours.png"


def test_more_images_than_a_sheet_holds_are_of_several(tmp_path):
    pixels = np.zeros((30, 8, 8, 3), np.uint8)
    outcomes = tuple(outcome(f"{number}", number / 30) for number in range(30))
    found = evaluation([score("m", 0.0)], outcomes=outcomes)
    names = [path.name for path in draw_detection(found, tmp_path, images={"ours": pixels}, count=100)]
    assert names == ["ours.png", "ours_2.png"]
    assert [path.name for path in draw_detection(found, tmp_path, images={"ours": pixels}, count=24)] == ["ours.png"]


def test_what_cannot_be_drawn_is_said(tmp_path):
    found = evaluation([score("m", 0.0)], outcomes=(outcome("a.png", 0.0),), manifest={"sets": {"ours": ""}})
    with pytest.raises(InputError, match="there are no images of the set 'ours' to draw boxes on"):
        draw_detection(found, tmp_path)
    with pytest.raises(InputError, match=r"ours has no image 'a\.png' any more"):
        draw_detection(found, tmp_path, images={"ours": np.zeros((1, 8, 8, 3), np.uint8)})
    with pytest.raises(InputError, match="number of exhibits is 0"):
        draw_detection(found, tmp_path, count=0)
    assert draw_detection(dataclasses.replace(found, outcomes=()), tmp_path) == []


def test_orientation_is_as_the_detector_saw_it(tmp_path):
    pixels = np.full((20, 60, 3), GROUND, np.uint8)
    pixels[:, :20] = (10, 20, 200)
    sideways = Image.fromarray(pixels)
    exif = sideways.getexif()
    exif[0x0112] = 6
    (tmp_path / "ours").mkdir()
    sideways.save(tmp_path / "ours" / "a.png", exif=exif.tobytes())
    for said, upright in (({"exif": "apply"}, True), ({}, True), ({"exif": "ignore"}, False)):
        manifest = {"sets": {"ours": str(tmp_path / "ours")}, "detector": {"ours": said}}
        found = evaluation([score("m", 0.0)], outcomes=(outcome("a.png", 0.0),), manifest=manifest)
        (sheet,) = draw_detection(found, tmp_path / "out")
        with Image.open(sheet) as image:
            blue = has(image, (10, 20, 200))
        height, width = np.ptp(blue, axis=0) + 1
        assert height == width  # a square of a third
        with Image.open(sheet) as image:
            ground = has(image, GROUND)
        height, width = np.ptp(ground, axis=0) + 1
        assert (height > width) == upright
