"""What a detector finds in sets of images: reading them, progress, and sets by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from planted_rectangles import BLACK, RED, Rectangles, plain, row_of

from jaxeval.detection import (
    TrueBoxes,
    find_boxes,
    sets_of_boxes,
    write_found_boxes,
)
from jaxeval.detection.finding import warnings_of
from jaxeval.errors import InputError


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
