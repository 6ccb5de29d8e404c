"""Findings on disk: known again by pixels and detector, damaged, written by several, and after a kill."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from planted_rectangles import BLACK, Rectangles, plain, row_of

from jaxeval.detection import (
    Detector,
    Findings,
    find_boxes,
    load_detector,
)
from jaxeval.detection.finding import warnings_of
from jaxeval.detection.kept_findings import KeptFindings
from jaxeval.errors import InputError

# What is kept.


def kept_file(folder: Path) -> Path:
    (path,) = (folder / "detections").iterdir()
    return path


def test_what_is_kept_is_not_looked_for_again(pictures, tmp_path):
    first, second = Rectangles(), Rectangles()
    one = find_boxes(pictures, first, cache=tmp_path / "cache")
    two = find_boxes(pictures, second, cache=tmp_path / "cache")
    assert (first.seen, second.seen) == (7, 0)
    assert plain(one) == plain(two)
    assert warnings_of({"ours": two}) == ()
    third = Rectangles()
    third.identity = {"version": 2}  # another detector
    find_boxes(pictures, third, cache=tmp_path / "cache")
    assert third.seen == 7


def test_masks_and_texts_are_kept_too(tmp_path):
    pixels = np.zeros((1, 10, 20), bool)
    pixels[0, 2:6, 1:4] = True
    calls = []

    def detector(batch):
        calls.append(len(batch))
        return row_of(batch, masks=pixels, texts=["Füße 道"], scores=[0.1 + 0.2])

    vars(detector).update(identity={"version": 1})
    images = np.stack([BLACK[0], BLACK[1] + 1])
    one, two = (find_boxes(images, detector, cache=tmp_path) for _ in range(2))
    assert calls == [2]
    assert two.texts == one.texts == ("Füße 道",) * 2
    assert two.scores.tolist() == [0.1 + 0.2] * 2
    assert two.masks is not None
    assert all(mask is not None and (mask.pixels() == pixels[0]).all() for mask in two.masks)


def test_renamed_and_copied_images_are_known_by_their_pixels(pictures, tmp_path):
    find_boxes(pictures, Rectangles(), cache=tmp_path / "cache")
    (pictures / "0.png").rename(pictures / "z.png")
    detector = Rectangles()
    found = find_boxes(pictures, detector, cache=tmp_path / "cache")
    assert detector.seen == 0
    assert found.images[-1] == "z.png"


def test_a_detector_without_identity_is_not_kept_and_that_is_said(pictures, tmp_path):
    def detector(batch):
        return row_of(batch)

    found = find_boxes(pictures, detector, cache=tmp_path / "cache")
    (said,) = warnings_of({"ours": found})
    assert said.startswith(
        "ours: what the detector detector finds is not kept: nothing tells whether it stays the same"
    )
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").rglob("*.jsonl"))


DAMAGES = {
    "cut short": lambda text: text[:-30],
    "another number": lambda text: text.replace("0.5", "0.6", 1),
    "no JSON": lambda text: text.replace('"sum"', '"sum', 1),
    "nested": lambda text: text + "[" * 100_000 + "\n",
    "a list": lambda text: text + "[1, 2]\n",
    "bytes": lambda text: text + "\0\xff\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_entries_are_not_believed_and_looked_for_again(pictures, tmp_path, damage):
    expected = plain(find_boxes(pictures, Rectangles(), cache=tmp_path / "cache"))
    path = kept_file(tmp_path / "cache")
    path.write_text(DAMAGES[damage](path.read_text()), encoding="latin-1")
    detector = Rectangles()
    found = find_boxes(pictures, detector, cache=tmp_path / "cache")
    assert plain(found) == expected
    assert detector.seen == (1 if damage in ("cut short", "another number", "no JSON") else 0)
    (said,) = warnings_of({"ours": found})
    assert said == (
        "ours: 1 kept finding was damaged or cut short, not believed and taken out; images of which there is no other "
        "are looked at again"
    )
    again = Rectangles()
    found = find_boxes(pictures, again, cache=tmp_path / "cache")
    assert again.seen == 0
    assert warnings_of({"ours": found}) == ()  # said once
    assert plain(found) == expected


def test_lines_may_end_as_those_of_windows(pictures, tmp_path):
    expected = plain(find_boxes(pictures, Rectangles(), cache=tmp_path / "cache"))
    path = kept_file(tmp_path / "cache")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    detector = Rectangles()
    found = find_boxes(pictures, detector, cache=tmp_path / "cache")
    assert (plain(found), detector.seen, warnings_of({"ours": found})) == (expected, 0, ())


def test_a_mended_file_loses_nothing_that_others_write_meanwhile(tmp_path):
    def found_of(run: int) -> Findings:
        return Findings(np.full((1, 4), float(run)), np.array([0.5]), (f"{run}",))

    KeptFindings(tmp_path, {"version": 1}).add({b"first": found_of(9)})
    path = kept_file(tmp_path)

    def keep(run: int) -> None:
        kept = KeptFindings(tmp_path, {"version": 1})
        for number in range(20):
            kept.add({f"{run} {number}".encode(): found_of(run)})

    def damage_and_mend(_: int) -> None:
        for _ in range(10):
            with open(path, "ab") as file:
                file.write(b"\nno entry\n")
            KeptFindings(tmp_path, {"version": 1}).mend()

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(keep, run) for run in range(4)] + [pool.submit(damage_and_mend, run) for run in range(2)]
        for job in jobs:
            job.result()
    KeptFindings(tmp_path, {"version": 1}).mend()
    kept = KeptFindings(tmp_path, {"version": 1})
    assert kept.damaged == 0
    assert kept.find(b"first", (8, 8)) is not None
    for run in range(4):
        for number in range(20):
            assert kept.find(f"{run} {number}".encode(), (8, 8)) is not None


def test_an_entry_with_a_right_checksum_is_checked_all_the_same(pictures, tmp_path):
    find_boxes(pictures, Rectangles(), cache=tmp_path / "cache")
    path = kept_file(tmp_path / "cache")
    head, *lines = path.read_text().splitlines()
    record = json.loads(lines[0])
    record["found"]["boxes"][0][2] = -5.0
    text = json.dumps([path.stem, record["image"], record["found"]], sort_keys=True)
    record["sum"] = hashlib.sha256(text.encode()).hexdigest()[:32]
    path.write_text("\n".join([head, json.dumps(record), *lines[1:], ""]))
    detector = Rectangles()
    find_boxes(pictures, detector, cache=tmp_path / "cache")
    assert detector.seen == 1


def test_names_of_detectors_never_leave_the_folder(pictures, tmp_path):
    detector = Detector("../../../escaped", Rectangles(), identity={"name": "../../../escaped"})
    find_boxes(pictures, detector, cache=tmp_path / "cache")
    files = {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*") if path.is_file()}
    assert files - {("pictures", f"{number}.png") for number in range(7)} == {("cache", "detections")}


def test_what_was_found_before_a_bad_row_is_kept(pictures, tmp_path):
    class Failing(Rectangles):
        def __call__(self, batch):
            rows = super().__call__(batch)
            return [
                {"boxes": [[np.nan] * 4], "scores": [0.5], "labels": ["red"]} if len(i) == 24 else row
                for i, row in zip(batch, rows, strict=True)
            ]

    with pytest.raises(InputError, match=r"of 4.png, boxes that are not finite"):
        find_boxes(pictures, Failing(), cache=tmp_path / "cache", batch_size=3)
    detector = Rectangles()
    find_boxes(pictures, detector, cache=tmp_path / "cache")
    assert detector.seen == 3  # 4, 5 and 6; of the batch of 3, 4, 5 the first row was good


def test_several_runs_may_keep_what_they_find_in_one_folder(tmp_path):
    def keep(run: int) -> None:
        kept = KeptFindings(tmp_path, {"version": 1})
        for number in range(20):
            found = Findings(np.full((1, 4), float(run)), np.array([0.5]), (f"{run}",))
            kept.add({f"{run} {number}".encode(): found})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep, range(8)))
    kept = KeptFindings(tmp_path, {"version": 1})
    for run in range(8):
        for number in range(20):
            found = kept.find(f"{run} {number}".encode(), (8, 8))
            assert found is not None
            assert found.labels == (f"{run}",)
    assert kept.damaged == 0


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write in the folder .*detections"):
        find_boxes(BLACK, Detector("mine", row_of, identity={"version": 1}), cache=tmp_path / "file")


STOPPING_DETECTOR = """
import sys
seen = 0
def stopping(batch):
    global seen
    seen += 1
    print("looked", flush=True)
    if seen == 20:
        sys.stdin.read()  # whoever started this process ends it here
    return [([[1, 2, 4, 6]], [0.5], ["cat"]) for _ in batch]
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    (tmp_path / "stopping_detector_module.py").write_text(STOPPING_DETECTOR)
    images = tmp_path / "images"
    images.mkdir()
    for number in range(50):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(images / f"{number:03d}.png")
    called = "find_boxes('images', 'stopping_detector_module:stopping', cache='cache', batch_size=1)"
    command = f"from jaxeval.detection import find_boxes; {called}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), str(tmp_path)])}
    with subprocess.Popen(
        [sys.executable, "-c", command],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(20)] == [b"looked\n"] * 20
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    path = kept_file(tmp_path / "cache")
    kept = path.read_bytes().count(b"\n") - 1
    assert kept == 19
    seen = []

    def counting(batch):
        seen.append(len(batch))
        return [([[1, 2, 4, 6]], [0.5], ["cat"]) for _ in batch]

    sys.path.insert(0, str(tmp_path))
    try:
        loaded = load_detector("stopping_detector_module:stopping")
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("stopping_detector_module", None)
    resumed = Detector(loaded.name, counting, loaded.labels, loaded.identity)
    found = find_boxes(images, resumed, cache=tmp_path / "cache")
    assert sum(seen) == 50 - kept
    assert found.boxes.tolist() == [[1, 2, 3, 4]] * 50
