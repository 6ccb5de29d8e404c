"""A detector looks at images: what it may give back, what is kept of it, and what a damaged or killed run leaves."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxeval.detection import (
    Detector,
    Findings,
    FoundBoxes,
    Mask,
    TrueBoxes,
    find_boxes,
    load_detector,
    sets_of_boxes,
    write_found_boxes,
)
from jaxeval.detection.finding import warnings_of
from jaxeval.detection.kept_findings import KeptFindings
from jaxeval.errors import InputError

RED, GREEN = (255, 0, 0), (0, 255, 0)


def rectangles(image: np.ndarray) -> list[tuple[int, int, int, int, str]]:
    """Corners of all that is purely red or green."""
    found = []
    for colour, label in ((RED, "red"), (GREEN, "green")):
        rows, columns = np.nonzero((image == colour).all(2))
        if len(rows):
            corners = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            found.append((*map(int, corners), label))
    return found


class Rectangles:
    """Finds what `rectangles` finds, and counts how many images it saw."""

    name = "rectangles"

    def __init__(self):
        self.identity = {"version": 1}
        self.seen = 0
        self.batches: list[int] = []

    def __call__(self, batch):
        self.seen += len(batch)
        self.batches.append(len(batch))
        rows = [rectangles(image) for image in batch]
        return [
            {"boxes": [one[:4] for one in row], "scores": [0.5] * len(row), "labels": [one[4] for one in row]}
            for row in rows
        ]


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Seven images of different sizes, the i-th with a red rectangle and every other one with a green one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(7):
        pixels = np.full((20 + number, 30 + number, 3), number, np.uint8)
        pixels[2 : 5 + number, 3 : 9 + number] = RED
        if number % 2:
            pixels[15:18, 20:30] = GREEN
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def plain(found: FoundBoxes) -> tuple:
    names = [(found.images[i], found.labels[c]) for i, c in zip(found.image, found.label, strict=True)]
    return found.images, names, found.boxes.tolist(), found.scores.tolist()


def test_planted_rectangles_are_found_with_their_images_and_sizes(pictures):
    found = find_boxes(pictures, Rectangles(), batch_size=3, name="ours")
    assert found.images == tuple(f"{number}.png" for number in range(7))
    assert found.labels == ("green", "red")
    expected = []
    for number in range(7):
        expected.append((number, "red", [3.0, 2.0, 6.0 + number, 3.0 + number]))
        if number % 2:
            expected.append((number, "green", [20.0, 15.0, 10.0, 3.0]))
    given = zip(found.image.tolist(), [found.labels[c] for c in found.label], found.boxes.tolist(), strict=True)
    assert list(given) == expected
    assert found.sizes is not None
    assert found.sizes.tolist() == [[20 + number, 30 + number] for number in range(7)]
    assert found.name == "ours"
    assert found.boxes.dtype == np.float64


@pytest.mark.parametrize("batch_size", [1, 2, 7, 50])
def test_batches_change_nothing(pictures, batch_size):
    detector = Rectangles()
    assert plain(find_boxes(pictures, detector, batch_size=batch_size)) == plain(find_boxes(pictures, Rectangles()))
    assert sum(detector.batches) == 7
    assert max(detector.batches) == min(batch_size, 7)


def row_of(batch, **parts):
    return [{"boxes": [[1, 2, 4, 6]], "scores": [0.5], "labels": ["cat"], **parts} for _ in batch]


BLACK = np.zeros((2, 10, 20, 3), np.uint8)


@pytest.mark.parametrize(
    ("layout", "box"),
    [
        ("xyxy", [2, 3, 6, 8]),
        ("xywh", [2, 3, 4, 5]),
        ("cxcywh", [4, 5.5, 4, 5]),
        ("normalised-xyxy", [0.1, 0.3, 0.3, 0.8]),
        ("normalised-xywh", [0.1, 0.3, 0.2, 0.5]),
        ("normalised-cxcywh", [0.2, 0.55, 0.2, 0.5]),
    ],
)
def test_every_layout_of_a_box_is_the_same_box(layout, box):
    def detector(batch):
        return row_of(batch, boxes=[box])

    vars(detector).update(box_layout=layout)
    # Parts of sides are halves and tenths in float64: an error of an ulp or two of 8.
    np.testing.assert_allclose(find_boxes(BLACK, detector).boxes, [[2, 3, 4, 5]] * 2, rtol=0, atol=4e-15)


def as_jax(values):
    import jax.numpy as jnp

    return jnp.asarray(values)


class Tensor:
    """Behaves as a tensor of torch on another device: an array only once it is detached and on the host."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def detach(self):
        return self

    def cpu(self):
        return np.asarray(self.values)


@pytest.mark.parametrize("of", [list, np.asarray, as_jax, Tensor])
@pytest.mark.parametrize("form", ["mapping", "tuple", "object"])
def test_arrays_of_any_library_in_any_form_are_taken(of, form):
    class Row:
        boxes, scores, labels = of([[1.0, 2.0, 4.0, 6.0]]), of([0.5]), of([1])

    parts = {"boxes": Row.boxes, "scores": Row.scores, "labels": Row.labels}
    row = {"mapping": parts, "tuple": tuple(parts.values()), "object": Row()}[form]
    detector = Detector("named", lambda batch: [row for _ in batch], labels=("cat", "dog"))
    found = find_boxes(BLACK, detector)
    assert found.boxes.tolist() == [[1, 2, 3, 4]] * 2
    assert found.label.tolist() == [1, 1]
    assert found.scores.tolist() == [0.5, 0.5]


@pytest.mark.parity
def test_torch_is_taken_without_being_imported_here(torch):
    def detector(batch):
        half = torch.tensor([0.5], dtype=torch.bfloat16, requires_grad=True)
        masks = [torch.ones(10, 20, dtype=torch.bool)]
        boxes = torch.tensor([[1, 2, 4, 6.0]], dtype=torch.bfloat16)
        return [{"boxes": boxes, "scores": half, "labels": ["a"], "masks": masks} for _ in batch]

    found = find_boxes(BLACK, detector)
    assert found.scores.tolist() == [0.5, 0.5]
    assert found.boxes.tolist() == [[1, 2, 3, 4]] * 2
    assert found.masks is not None
    assert [mask and mask.runs for mask in found.masks] == [(0, 200)] * 2


class BrainFloats:
    """Behaves as a tensor of torch of bfloat16, which NumPy does not take."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Got unsupported ScalarType BFloat16")

    def detach(self):
        return self

    def cpu(self):
        return self

    def float(self):
        return np.asarray(self.values, np.float32)


@pytest.mark.parametrize("scores", [BrainFloats([0.5]), [BrainFloats(0.5)]])
def test_tensors_that_numpy_does_not_take_are_taken_as_floats(scores):
    found = find_boxes(BLACK, lambda batch: row_of(batch, boxes=BrainFloats([[1, 2, 4, 6]]), scores=scores))
    assert found.scores.tolist() == [0.5, 0.5]
    assert found.boxes.tolist() == [[1, 2, 3, 4]] * 2


def test_masks_are_kept_as_runs_whatever_they_were():
    pixels = np.zeros((1, 10, 20), bool)
    pixels[0, 2:6, 1:4] = True
    forms = [pixels, pixels.astype(np.uint8), pixels[:, None].astype(np.float32) * 0.4 + 0.3]
    for masks in forms:
        found = find_boxes(BLACK, lambda batch, masks=masks: row_of(batch, masks=masks))
        assert found.masks is not None
        assert all(mask is not None and (mask.pixels() == pixels[0]).all() for mask in found.masks)
    already = Mask(10, 20, (200,))
    found = find_boxes(BLACK, lambda batch: row_of(batch, masks=[already]))
    assert found.masks == (already, already)


def test_rows_may_be_made_one_after_the_other(pictures):
    def generating(batch):
        yield from Rectangles()(batch)

    assert plain(find_boxes(pictures, generating)) == plain(find_boxes(pictures, Rectangles()))


def test_texts_come_along():
    assert find_boxes(BLACK, lambda batch: row_of(batch, texts=["EXIT"])).texts == ("EXIT", "EXIT")


class Raising:
    """As lazy results are: what is wrong shows when a part is asked for."""

    scores, labels = (0.5,), ("cat",)

    @property
    def boxes(self):
        raise KeyError("weights")


class RaisingRows:
    def __len__(self):
        return 2

    def __iter__(self):
        raise OSError("gone")


BAD_ROWS = {
    "two rows": (lambda batch: row_of(batch)[:1], "gives 1 rows for 2 images from 0 on; one for each image"),
    "no list": (lambda batch: row_of(batch)[0], "gives a dict for 2 images from 0 on; a list with one row for each"),
    "none": (lambda batch: None, "gives a NoneType for 2 images"),
    "no scores": (lambda batch: [{"boxes": [], "labels": []}] * 2, "of 0, a row without scores"),
    "a number": (lambda batch: [3, 4], "of 0, a int; a mapping"),
    "five numbers": (lambda batch: row_of(batch, boxes=[[1, 2, 3, 4, 5]]), r"of 0, boxes of shape \[1, 5\]; \[n, 4\]"),
    "ragged": (lambda batch: row_of(batch, boxes=[[1, 2, 3, 4], [1]]), "of 0, boxes that are no array"),
    "texts for boxes": (lambda batch: row_of(batch, boxes=[["1", "2", "3", "4"]]), "boxes of type <U1"),
    "nan": (lambda batch: row_of(batch, boxes=[[1, 2, np.nan, 4]]), "of 0, boxes that are not finite"),
    "infinite score": (lambda batch: row_of(batch, scores=[np.inf]), "of 0, scores that are not finite"),
    "score above": (lambda batch: row_of(batch, scores=[1.5]), "of 0, the score 1.5; scores are from 0 to 1, unless"),
    "score below": (lambda batch: row_of(batch, scores=[-0.1]), "of 0, the score -0.1"),
    "two scores": (lambda batch: row_of(batch, scores=[0.1, 0.2]), r"of 0, scores of shape \[2\] for 1 boxes"),
    "no size": (
        lambda batch: row_of(batch, boxes=[[4, 2, 1, 6]]),
        "of 0, a box of width -3 and height 4 by",
    ),
    "number": (lambda batch: row_of(batch, labels=[3]), "label 3, a number, and no names; give the callable an attr"),
    "half": (lambda batch: row_of(batch, labels=[0.5]), "labels of type float64; names or whole numbers"),
    "mixed": (
        lambda batch: row_of(batch, labels=["a", 1]),
        "names and numbers",
    ),
    "blank": (lambda batch: row_of(batch, labels=[" "]), "a label without a letter"),
    "few labels": (lambda batch: row_of(batch, labels=[]), r"labels of shape \[0\] for 1 boxes"),
    "texts": (lambda batch: row_of(batch, texts=[3]), "texts that are not a list of texts"),
    "surrogate": (lambda batch: row_of(batch, texts=["\ud800"]), "half of a character"),
    "mask shape": (
        lambda batch: row_of(batch, masks=np.zeros((1, 4, 4), bool)),
        r"masks of shape \[1, 4, 4\]",
    ),
    "mask values": (lambda batch: row_of(batch, masks=np.full((1, 10, 20), 255, np.uint8)), "masks with the value 255"),
    "text masks": (
        lambda batch: row_of(batch, masks=np.full((1, 10, 20), "x")),
        "of 0, masks of type <U1; give True and False, or probabilities",
    ),
    "objects as masks": (lambda batch: row_of(batch, masks=np.full((1, 10, 20), None)), "of 0, masks of type object"),
    "complex masks": (lambda batch: row_of(batch, masks=np.full((1, 10, 20), 1j)), "of 0, masks of type complex128"),
    "masks below": (lambda batch: row_of(batch, masks=np.full((1, 10, 20), -1, np.int8)), "masks with the value -1"),
    "half a label": (lambda batch: row_of(batch, labels=["\ud800"]), "of 0, a label with half of a character"),
    "a generator that raises": (
        lambda batch: (1 // 0 for _ in batch),
        r"fails on 2 images from 0 on \(ZeroDivisionError: (integer )?division",
    ),
    "a generator without end": (lambda batch: iter(lambda: row_of(batch)[0], None), "gives more than 2 rows for 2 im"),
    "a property that raises": (lambda batch: [Raising()] * 2, r"fails on 0 \(KeyError: 'weights'\)"),
    "rows that raise": (lambda batch: RaisingRows(), r"fails on 2 images from 0 on \(OSError: gone\)"),
    "raises": (lambda batch: 1 // 0, r"fails on 2 images from 0 on \(ZeroDivisionError"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_what_is_no_finding_is_refused_by_detector_and_image(case):
    find, message = BAD_ROWS[case]
    with pytest.raises(InputError, match=message) as caught:
        find_boxes(BLACK, Detector("mine", find))
    assert str(caught.value).startswith("the detector mine ")
    assert "\n" not in str(caught.value)


def test_numbers_of_labels_out_of_range_say_the_range():
    detector = Detector("mine", lambda batch: row_of(batch, labels=[2]), labels=("cat", "dog"))
    with pytest.raises(InputError, match="gives, of 0, label 2; its 2 labels have the numbers from 0 to 1"):
        find_boxes(BLACK, detector)
    one = Detector("mine", lambda batch: row_of(batch, labels=[2]), labels=("cat", "dog"), first_label=1)
    assert find_boxes(BLACK, one).label.tolist() == [1, 1]


def test_unbounded_scores_are_taken_where_they_are_declared():
    def detector(batch):
        return row_of(batch, scores=[17.5])

    with pytest.raises(InputError, match="unbounded_scores"):
        find_boxes(BLACK, detector)
    vars(detector).update(unbounded_scores=True)
    assert find_boxes(BLACK, detector).scores.tolist() == [17.5, 17.5]


def test_what_rounding_of_a_softmax_gives_is_no_error():
    above = float(np.nextafter(np.float32(1), np.float32(2)))
    assert find_boxes(BLACK, lambda batch: row_of(batch, scores=[above])).scores.tolist() == [above, above]


def test_one_label_for_several_numbers_is_one_category():
    detector = Detector("mine", lambda batch: row_of(batch, labels=[3]), labels=("N/A", "cat", "N/A", "dog"))
    found = find_boxes(BLACK, detector)
    assert found.labels == ("N/A", "cat", "dog")
    assert found.label.tolist() == [2, 2]


def test_texts_of_some_images_only_are_refused():
    def detector(batch):
        return [*row_of(batch[:1], texts=["EXIT"]), *row_of(batch[1:])]

    with pytest.raises(InputError, match="gives texts of some images and none of 1"):
        find_boxes(BLACK, detector)


# Reading of images.


def test_orientation_is_applied_unless_it_is_ignored(tmp_path):
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:5, :8] = RED
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise to be seen
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    seen = find_boxes(tmp_path, Rectangles())
    assert seen.sizes is not None
    assert seen.sizes.tolist() == [[20, 10]]
    assert seen.boxes.tolist() == [[5, 0, 5, 8]]
    assert seen.identity["notes"]["exif-orientation applied"] == 1
    stored = find_boxes(tmp_path, Rectangles(), exif="ignore")
    assert stored.boxes.tolist() == [[0, 0, 8, 5]]
    assert stored.identity["notes"]["exif-orientation ignored"] == 1
    with pytest.raises(InputError, match="exif 'turn' is not known; choose 'apply' or 'ignore'"):
        find_boxes(tmp_path, Rectangles(), exif="turn")


def test_gray_and_alpha_become_rgb_and_are_counted(tmp_path):
    Image.fromarray(np.full((8, 9), 77, np.uint8)).save(tmp_path / "gray.png")
    Image.fromarray(np.full((8, 9, 4), 99, np.uint8)).save(tmp_path / "seen_through.png")
    shapes = []

    def detector(batch):
        shapes.extend((image.shape, image.dtype.name, int(image.min()), int(image.max())) for image in batch)
        return row_of(batch)

    found = find_boxes(tmp_path, detector)
    assert shapes == [((8, 9, 3), "uint8", 77, 77), ((8, 9, 3), "uint8", 99, 99)]
    assert (found.identity["notes"]["gray to RGB"], found.identity["notes"]["alpha dropped"]) == (1, 1)


def test_images_that_cannot_be_read_end_it_by_name_or_are_left_out_and_said(pictures):
    (pictures / "3.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"3\.png.*mend or remove it, or have such images left out"):
        find_boxes(pictures, Rectangles())
    found = find_boxes(pictures, Rectangles(), on_error="skip", batch_size=2)
    assert found.images == tuple(f"{number}.png" for number in range(7) if number != 3)
    assert [name for name, _ in found.identity["skipped"]] == ["3.png"]
    assert warnings_of({"ours": found})[0].startswith("ours: 1 image could not be read and left out, first 3.png: ")
    for path in pictures.glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"no image of .* is left to look at: .*0\.png is empty"):
        find_boxes(pictures, Rectangles(), on_error="skip")


def test_whatever_is_a_source_of_images_is_looked_at(pictures, tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted(pictures.iterdir()):
            archive.write(path, path.name)
    expected = plain(find_boxes(pictures, Rectangles()))
    assert plain(find_boxes(tmp_path / "all.zip", Rectangles())) == expected
    assert plain(find_boxes([Image.open(path) for path in sorted(pictures.iterdir())], Rectangles()))[2] == expected[2]


class Told:
    def __init__(self):
        self.begun, self.done, self.ended = [], 0, 0

    def begin(self, name, total, unit="images"):
        self.begun.append((name, total, unit))

    def advance(self, count):
        self.done += count

    def end(self, note=""):
        self.ended += 1


def test_progress_is_told_of_every_image(pictures):
    (pictures / "3.png").write_bytes(b"")
    told = Told()
    find_boxes(pictures, Rectangles(), name="ours", progress=told, on_error="skip")
    assert (told.begun, told.done, told.ended) == ([("ours", 7, "images")], 7, 1)


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


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"labels": ("a", "")}, "the detector mine has label number 1 ''"),
        ({"identity": {"weights": float("inf")}}, "the detector mine has an identity of other than plain values"),
    ],
)
def test_detectors_are_checked_when_they_are_made(parts, message):
    with pytest.raises(InputError, match=message):
        Detector("mine", row_of, **parts)


SLOW_DETECTOR = """
import time
def slow(batch):
    time.sleep(0.05)
    return [([[1, 2, 4, 6]], [0.5], ["cat"]) for _ in batch]
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    (tmp_path / "slow_detector_module.py").write_text(SLOW_DETECTOR)
    images = tmp_path / "images"
    images.mkdir()
    for number in range(200):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(images / f"{number:03d}.png")
    called = "find_boxes('images', 'slow_detector_module:slow', cache='cache', batch_size=1)"
    command = f"from jaxeval.detection import find_boxes; {called}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), str(tmp_path)])}
    process = subprocess.Popen([sys.executable, "-c", command], cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        files = list((tmp_path / "cache" / "detections").glob("*.jsonl"))
        if files and files[0].read_bytes().count(b"\n") > 5:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    path = kept_file(tmp_path / "cache")
    kept = path.read_bytes().count(b"\n") - 1
    assert 5 <= kept < 200
    seen = []

    def counting(batch):
        seen.append(len(batch))
        return [([[1, 2, 4, 6]], [0.5], ["cat"]) for _ in batch]

    sys.path.insert(0, str(tmp_path))
    try:
        loaded = load_detector("slow_detector_module:slow")
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("slow_detector_module", None)
    resumed = Detector(loaded.name, counting, loaded.labels, loaded.identity)
    found = find_boxes(images, resumed, cache=tmp_path / "cache")
    assert sum(seen) == 200 - kept
    assert found.boxes.tolist() == [[1, 2, 3, 4]] * 200


# Detectors by name.


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "own_detectors_here.py").write_text(
        "def one(batch):\n    return [([[1, 2, 4, 6]], [0.5], [1]) for _ in batch]\n"
        "def made(score='0.5', fail=''):\n"
        "    if fail: raise OSError('no weights')\n"
        "    return lambda batch: [([[1, 2, 4, 6]], [float(score)], ['cat']) for _ in batch]\n"
        "class Kind:\n    labels = ['background', 'cat']\n    def __call__(self, batch): return one(batch)\n"
        "three = 3\n"
    )
    (tmp_path / "names.txt").write_text("cat\r\ndog\r\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_detectors_here", None)


def test_callables_are_had_by_name_with_options(own_module):
    first = load_detector("own_detectors_here:one?labels=names.txt&first_label=1")
    assert find_boxes(BLACK, first).labels == ("cat", "dog")
    assert find_boxes(BLACK, first).label.tolist() == [0, 0]
    wide = load_detector("own_detectors_here:one?labels=names.txt&layout=xywh")
    assert find_boxes(BLACK, wide).boxes.tolist() == [[1, 2, 4, 6]] * 2
    made = load_detector("own_detectors_here:made?score=0.25")
    assert find_boxes(BLACK, made).scores.tolist() == [0.25, 0.25]
    kind = load_detector("own_detectors_here:Kind")
    assert [found.labels for found in kind(list(BLACK))] == [("cat",)] * 2
    identities = [json.dumps(one.identity, sort_keys=True) for one in (first, wide, made, kind)]
    assert len(set(identities)) == 4
    assert all(one.identity["is"]["source"] for one in (first, wide, made, kind))


def test_another_source_is_another_identity(own_module):
    before = load_detector("own_detectors_here:one").identity
    sys.modules.pop("own_detectors_here")
    path = own_module / "own_detectors_here.py"
    path.write_text(path.read_text() + "# changed\n")
    assert load_detector("own_detectors_here:one").identity != before


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("own_detectors_here:gone", "module own_detectors_here has no gone"),
        ("no_such_module_here:one", "no_such_module_here cannot be imported"),
        ("own_detectors_here:three", "is a int, which cannot be called with images"),
        ("own_detectors_here:made?fail=1", r"cannot be made with these options \(OSError: no weights\)"),
        ("own_detectors_here:made?size=1", r"cannot be made with these options \(TypeError"),
        ("own_detectors_here:one?layout=yxyx", "has box layout 'yxyx'; choose from xyxy, xywh"),
        ("own_detectors_here:one?labels=gone.txt", "the file of labels 'gone.txt' cannot be read"),
        ("own_detectors_here:one?first_label=x", "has first_label 'x'; give the number"),
        ("own_detectors_here:one?layout", "options that are not key=value"),
        ("own_detectors_here:one?a=1&a=2", "options that are not key=value, each once"),
        ("own_detectors_here:one?unbounded_scores=perhaps", "unbounded_scores 'perhaps'; give yes or no"),
        ("nothing like it", "the detector 'nothing like it' is not known; give "),
        ("", "the detector '' is not known"),
        (3, "detector is 3; give "),
        (dict, "detector is the class dict; give "),
    ],
)
def test_detectors_that_are_none_are_refused_in_a_sentence(own_module, spec, message):
    with pytest.raises(InputError, match=message):
        load_detector(spec)


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("labels", "cat", "has labels 'cat'; give a list of names"),
        ("labels", [], "has 0 labels"),
        ("labels", ["cat", 3], "has label number 1 3; give each category a name"),
        ("labels", ["cat", "\ud800"], "has label number 1 .*; give each category a name"),
        ("labels", {0: "cat", 2: "dog"}, "has labels by numbers that are not 0, 1, 2"),
        ("box_layout", 7, "has box layout 7"),
        ("identity", 7, "has an identity that is no mapping but 7"),
        ("identity", {"weights": object()}, "has an identity of other than plain values"),
        ("identity", {"weights": float("nan")}, "has an identity of other than plain values"),
        ("first_label", -1, "has first_label -1"),
    ],
)
def test_attributes_of_callables_are_checked(attribute, value, message):
    def detector(batch):
        return row_of(batch)

    setattr(detector, attribute, value)
    with pytest.raises(InputError, match=f"the detector detector {message}"):
        load_detector(detector)


def test_labels_may_be_a_mapping_of_numbers():
    def detector(batch):
        return row_of(batch, labels=[1])

    vars(detector).update(labels={1: "dog", 0: "cat"})
    assert find_boxes(BLACK, detector).labels == ("cat", "dog")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"cat\n\ndog\n", "label number 1 ''"), (b"\xff\xfe", "is not UTF-8"), (b"", "label number 0 ''")],
)
def test_files_of_labels_are_checked(own_module, content, message):
    (own_module / "names.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_detector("own_detectors_here:one?labels=names.txt")


# One or several sets.


def test_a_detector_looks_at_each_set(pictures, tmp_path):
    sets = sets_of_boxes({"ours": pictures, "black": BLACK}, detector=Rectangles())
    assert {name: (found.name, len(found), len(found.images)) for name, found in sets.items()} == {
        "ours": ("ours", 10, 7),
        "black": ("black", 0, 2),
    }
    (name,) = sets_of_boxes(str(pictures), detector=Rectangles())
    assert name == str(pictures)


def test_sets_are_named_as_they_were_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", first=BLACK, second=BLACK[:1])
    np.save("b.npy", BLACK[:, :, :, 0])
    names = ["a.npz?key=second", "b.npy?layout=NHW"]
    sets = sets_of_boxes(names, detector=row_of)
    assert {name: len(found.images) for name, found in sets.items()} == {names[0]: 1, names[1]: 2}
    assert [found.name for found in sets.values()] == names
    with pytest.raises(InputError, match=r"the set of images 'b\.npy' is given twice"):
        sets_of_boxes([Path("b.npy"), "b.npy"], detector=row_of)


def test_files_take_the_place_of_a_detector(pictures, tmp_path):
    found = find_boxes(pictures, Rectangles())
    path = write_found_boxes(found, tmp_path / "found.json")
    (name,) = sets_of_boxes(found=path)
    assert name == str(path)
    for images, files in (({"ours": pictures}, {"ours": path}), ({"ours": pictures}, [path])):
        assert plain(sets_of_boxes(images, found=files)["ours"]) == plain(found)


def test_tables_are_of_the_images_that_there_are(pictures, tmp_path):
    (tmp_path / "found.csv").write_text("image,label,score,x,y,width,height\n3,cat,0.5,1,2,3,4\n0.png,dog,0,1,1,1,1\n")
    found = sets_of_boxes({"ours": pictures}, found=tmp_path / "found.csv")["ours"]
    assert found.images == tuple(f"{number}.png" for number in range(7))
    assert [(found.images[i], found.labels[c]) for i, c in zip(found.image, found.label, strict=True)] == [
        ("3.png", "cat"),
        ("0.png", "dog"),
    ]
    (tmp_path / "found.csv").write_text("image,label,score,x,y,width,height\n9.png,cat,0.5,1,2,3,4\n")
    with pytest.raises(InputError, match=r"found.csv has boxes of '9.png', and there is no such image in ours"):
        sets_of_boxes({"ours": pictures}, found=tmp_path / "found.csv")
    (tmp_path / "found.csv").write_text(
        "image,label,score,x,y,width,height\n3,cat,0.5,1,2,3,4\n3.png,cat,0.5,1,2,3,4\n"
    )
    with pytest.raises(InputError, match="calls one image of ours by two names"):
        sets_of_boxes({"ours": pictures}, found=tmp_path / "found.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": "a"}, "give either a detector"),
        ({"images": "a", "detector": Rectangles(), "found": "b.json"}, "give either a detector"),
        ({"detector": Rectangles()}, "nothing that the detector"),
        ({"images": {}, "detector": Rectangles()}, "no set of images was given"),
        ({"images": 3, "detector": Rectangles()}, "images are 3; give paths, or sets by name"),
        ({"images": {"a": "a"}, "found": {"b": "b.json"}}, "the set 'a' has not both"),
        ({"images": ["a", "b"], "found": ["b.json"]}, "1 files of boxes for 2 sets of images"),
        ({"found": []}, "no file of boxes was given"),
        ({"found": 3}, "found is 3; give a path"),
        ({"found": "b.json", "truth": "truth.json"}, "truth is 'truth.json'; give what `read_true_boxes` reads"),
    ],
)
def test_sets_that_are_none_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        sets_of_boxes(**arguments)


def test_results_of_coco_need_the_truth_only_for_their_names(tmp_path):
    truth = TrueBoxes(
        "asked",
        ("a.png",),
        ("cat",),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
        np.zeros((0, 4)),
        np.zeros(0),
        image_ids=(7,),
        label_ids=(1,),
    )
    (tmp_path / "results.json").write_text('[{"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]')
    (found,) = sets_of_boxes(found=tmp_path / "results.json", truth=truth).values()
    assert plain(found) == (("a.png",), [("a.png", "cat")], [[1, 2, 3, 4]], [0.5])
