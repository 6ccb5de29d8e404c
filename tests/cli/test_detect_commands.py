"""`jaxeval detect` on the command line: what each command prints and writes, with which exit code."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn_shapes import SHOWN, write_asked, write_detector, write_images
from PIL import Image

from jaxeval.cli import main
from jaxeval.detection import read_found_boxes
from jaxeval.detection.rules import RULES_SCHEMA


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two sets of images, what they were asked for, and a module with a detector."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "detector_of_shapes", raising=False)
    write_detector(tmp_path)
    write_images(tmp_path / "new")
    write_images(tmp_path / "old", without="leaf")
    write_asked(tmp_path)
    for name, own in (("a", "00000"), ("b", "00001")):
        (tmp_path / "geneval").mkdir(exist_ok=True)
        shutil.copy(tmp_path / "new" / f"{name}_0.png", tmp_path / "geneval" / f"{own}_0.png")
    return tmp_path


FIND = ("--detector", "detector_of_shapes:find", "--quiet")
READ = ("--detector", "detector_of_shapes:read", "--quiet")
COMMANDS = {
    "objects": ("objects", "objects.csv", "old", "new", *FIND),
    "layout": ("layout", "layouts.csv", "old", "new", *FIND),
    "rules": ("rules", "rules.json", "old", "new", *FIND),
    "geneval": ("geneval", "geneval.jsonl", "geneval", *FIND),
    "text": ("text", "texts.csv", "old", "new", *READ),
}
EVERY = pytest.mark.parametrize("command", COMMANDS)


def run(*arguments: object) -> int:
    return main(["detect", *map(str, arguments)])


@pytest.mark.usefixtures("place")
@EVERY
def test_out_holds_the_record_and_the_worst_images(command, capfd):
    assert run(*COMMANDS[command], "--out", "said", "--worst", 2) == 0
    out, _ = capfd.readouterr()
    record = json.loads(Path("said/detection.json").read_text())
    sets = ["geneval"] if command == "geneval" else ["old", "new"]
    assert list(dict.fromkeys(score["set"] for score in record["scores"])) == sets
    for score in record["scores"]:
        assert score["category"] or score["label"] in out
    assert sorted(path.name for path in Path("said/exhibits").iterdir()) == sorted(f"{name}.png" for name in sets)
    for name in sets:
        with Image.open(f"said/exhibits/{name}.png") as image:
            assert image.width > 500
    assert "wrote said/detection.json" in out


@pytest.mark.usefixtures("place")
@EVERY
def test_json_alone_is_on_stdout(command, capfd):
    assert run(*COMMANDS[command], "--json") == 0
    out, said = capfd.readouterr()
    assert json.loads(out)["task"] == command
    assert said == ""


@pytest.mark.usefixtures("place")
def test_the_numbers_are_those_of_the_images(capfd):
    assert run(*COMMANDS["objects"], "--json") == 0
    scores = {(s["set"], s["metric"], s["category"]): s["value"] for s in json.loads(capfd.readouterr().out)["scores"]}
    # Of apple 2 of 3, of leaf 2 of 2 or none, of plum 1 of 1.
    assert scores["new", "soa-i", ""] == pytest.approx(5 / 6)
    assert scores["old", "soa-i", ""] == pytest.approx(3 / 6)
    assert scores["old", "soa-i", "leaf"] == 0
    assert run(*COMMANDS["rules"], "--json") == 0
    outcomes = {(o["set"], o["image"]): o for o in json.loads(capfd.readouterr().out)["images"]}
    right = {name for (own, name), outcome in outcomes.items() if own == "new" and outcome["values"]["correct"]}
    assert right == {"a_0.png", "c_0.png", "d_0.png"}
    assert "exactly 2" in outcomes["new", "b_0.png"]["reasons"][0]
    assert run(*COMMANDS["layout"], "--json") == 0
    scores = {(s["set"], s["metric"], s["category"]): s["value"] for s in json.loads(capfd.readouterr().out)["scores"]}
    assert scores["new", "ap", "leaf"] == pytest.approx(1.0)
    assert scores["old", "ap", "leaf"] == 0


def test_boxes_are_found_once_and_judged_from_files(place, capfd):
    assert run("find", "old", "new", *FIND, "--out", "boxes", "--cache", "cache") == 0
    out = capfd.readouterr().out
    assert "wrote boxes/old.json" in out
    assert "apple" in out
    found = read_found_boxes(place / "boxes" / "new.json")
    assert len(found) == sum(map(len, SHOWN.values()))
    assert found.boxes[0].tolist() == list(SHOWN["a"]["apple"])
    assert run("objects", "objects.csv", "old", "new", *FIND, "--json") == 0
    looked = json.loads(capfd.readouterr().out)
    files = ["--found", "boxes/old.json", "--found", "boxes/new.json", "--quiet"]
    assert run("objects", "objects.csv", "old", "new", *files, "--json") == 0
    read = json.loads(capfd.readouterr().out)
    assert [s["value"] for s in read["scores"]] == [s["value"] for s in looked["scores"]]
    assert run("objects", "objects.csv", *files, "--out", "said") == 0
    out, said = capfd.readouterr()
    assert "nothing is drawn" in said
    assert "boxes/new.json" in out
    assert not Path("said/exhibits").exists()


def test_average_precision_of_files(place, capfd):
    assert run("find", "new", *FIND, "--out", "new.json") == 0
    capfd.readouterr()
    options = ["--protocol", "voc2010", "--images", "new", "--out", "said", "--quiet"]
    assert run("boxes", "layouts.csv", "new.json", *options) == 0
    out = capfd.readouterr().out
    record = json.loads((place / "said" / "detection.json").read_text())
    assert record["manifest"]["parameters"]["protocol"] == "voc2010"
    of_category = {score["category"]: score["value"] for score in record["scores"]}
    assert of_category["plum"] == 1
    assert of_category["apple"] == pytest.approx(2 / 3)
    assert "wrote said/exhibits/new.json.png" in out
    assert run("boxes", "layouts.csv", "new.json", "--max-detections", "1,x") == 2
    assert "--max-detections is '1,x'; give whole numbers" in capfd.readouterr().err


def test_coco_results_have_the_ids_of_the_annotations(place, capfd):
    annotations = {
        "images": [{"id": 7 + n, "file_name": f"{name}_0.png"} for n, name in enumerate(SHOWN)],
        "categories": [{"id": 30 + n, "name": label} for n, label in enumerate(("apple", "leaf", "plum"))],
        "annotations": [],
    }
    (place / "coco.json").write_text(json.dumps(annotations))
    assert run("find", "new", *FIND, "--out", "results.json", "--coco", "coco.json") == 0
    capfd.readouterr()
    rows = json.loads((place / "results.json").read_text())
    assert rows[0] == {"image_id": 7, "category_id": 30, "bbox": list(map(float, SHOWN["a"]["apple"])), "score": 0.9}
    assert len(rows) == 5


def test_a_cache_is_used_again(place, capfd):
    assert run("find", "new", *FIND, "--cache", "cache") == 0
    assert run("find", "new", *FIND, "--cache", "cache") == 0
    outs = capfd.readouterr().out
    assert outs[: len(outs) // 2] == outs[len(outs) // 2 :]
    assert any((place / "cache").rglob("*"))


def test_lists_and_the_schema(capfd):
    assert run("find", "--list") == 0
    out = capfd.readouterr().out
    for name in ("ocr", "faces", "onnx:FILE", "MODULE:FUNCTION", "jaxeval[onnx]"):
        assert name in out
    assert run("text", "--list") == 0
    out = capfd.readouterr().out
    for name in ("cer", "line-accuracy", "casefold", "mario-eval"):
        assert name in out
    assert run("rules", "--schema") == 0
    assert json.loads(capfd.readouterr().out) == RULES_SCHEMA


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("objects", "objects.csv"), "there is nothing to judge; give IMAGES, or --found FILE"),
        (("objects", "objects.csv", "new"), "nothing finds boxes in IMAGES; give --detector SPEC"),
        (("rules", "rules.json", "new", *FIND, "--found", "x.json"), "--detector looks at images, and --found has"),
        (("rules", "rules.json", "new", *FIND, "--worst", "-1"), "--worst is -1; it must be 0 or more"),
        (("rules", "none.json", "new", *FIND), "none.json cannot be read"),
        (("find", "new"), "give --detector SPEC; `jaxeval detect find --list` says which there are"),
        (("find", "new", "old", *FIND, "--out", "a.json"), "--out 'a.json' is one file for 2 sets; give a folder"),
        (("find", "new", *FIND, "--coco", "a.json"), "--coco says how boxes are written; give --out"),
        (("find", "new", "--detector", "detector_of_shapes:nothing"), "has no nothing"),
        (("find", "new", "--detector", "what"), "the detector 'what' is not known"),
        (("geneval", "geneval.jsonl", "geneval", *FIND, "--check", "r"), "--check and --check-images go together"),
        (("geneval", "geneval.jsonl", "geneval", *FIND, "--label", "cup"), "--label is 'cup'; give CLASS=LABEL"),
        (("text", "texts.csv", "new", *FIND), "say nothing of what is written in them"),
        (("text", "texts.csv", "new", *READ, "--metrics", "bleu"), "metrics has 'bleu'"),
        (("objects", "objects.csv", "new", *FIND, "--pattern", "x"), "pattern 'x' must have one *"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, said, capfd):
    assert run(*arguments) == 2
    err = capfd.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("place")
def test_missing_weights_end_with_3(tmp_path, capfd):
    line = {"tag": "colors", "include": [{"class": "apple", "count": 1, "color": "red"}], "prompt": "a red apple"}
    Path("colours.jsonl").write_text(json.dumps(line))
    Path("one").mkdir()
    shutil.copy("new/a_0.png", "one/00000_0.png")
    assert run("geneval", "colours.jsonl", "one", *FIND, "--weights-dir", tmp_path / "empty") == 3
    assert "jaxeval weights" in capfd.readouterr().err
    assert run("geneval", "colours.jsonl", "one", *FIND, "--colours", "named", "--json") == 0
    assert json.loads(capfd.readouterr().out)["scores"][0]["value"] == 1


@pytest.mark.usefixtures("place")
def test_thresholds_and_a_check_reach_geneval(capfd):
    options = ["--confidence", 0.95, "--counting-confidence", 0.5, "--most-objects", 3, "--margin", 0.2]
    assert run(*COMMANDS["geneval"], *options, "--json") == 0
    parameters = json.loads(capfd.readouterr().out)["manifest"]["parameters"]
    assert [parameters[key] for key in ("confidence", "counting_confidence", "most_objects", "margin")] == [
        *(0.95, 0.5, 3, 0.2)
    ]
    check = ["--check", "rules.json", "--check-images", "new"]
    assert run(*COMMANDS["geneval"], *check, "--check-share", 0.5, "--json") == 0
    capfd.readouterr()
    assert run(*COMMANDS["geneval"], *check) == 2
    assert "the detector judges 3 of 4 images of the check as it must" in capfd.readouterr().err


@pytest.mark.usefixtures("place")
def test_an_image_that_cannot_be_read_ends_it_or_is_left_out(capfd):
    Path("new/b_0.png").write_bytes(b"no image")
    assert run(*COMMANDS["rules"]) == 2
    assert "b_0.png" in capfd.readouterr().err
    assert run(*COMMANDS["rules"], "--on-error", "skip", "--unmatched", "skip", "--out", "said") == 0
    assert "1 image could not be read and left out" in capfd.readouterr().out
    images = json.loads(Path("said/detection.json").read_text())["images"]
    assert [one["image"] for one in images if one["set"] == "new"] == ["a_0.png", "c_0.png", "d_0.png"]


@pytest.mark.usefixtures("place")
def test_images_are_drawn_as_they_were_looked_at(capfd):
    """A photograph that lies on its side is looked at and drawn as EXIF turns it."""
    with Image.open("new/a_0.png") as image:
        sideways = Image.fromarray(np.rot90(np.asarray(image)))
    exif = sideways.getexif()
    exif[0x0112] = 6  # to be turned right
    Path("one").mkdir()
    sideways.save("one/a_0.png", exif=exif.tobytes())
    options = ["--unmatched", "skip", "--out", "said"]
    assert run("layout", "layouts.csv", "one", *FIND, *options) == 0
    capfd.readouterr()
    record = json.loads(Path("said/detection.json").read_text())
    assert record["images"][0]["values"]["found50"] == 1
    with Image.open("said/exhibits/one.png") as image:
        red = (np.asarray(image.convert("RGB")) == (200, 30, 30)).all(2)
    y, x = np.nonzero(red)
    # The apple is wider than high where the image stands upright: 20 x 16, less what outlines cover.
    assert (x.max() - x.min()) > 1.1 * (y.max() - y.min())
