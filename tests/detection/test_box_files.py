"""Files of boxes: what is read from COCO's, from tables and jaxeval's own, and what is refused and how."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxeval.detection import (
    FoundBoxes,
    Mask,
    TrueBoxes,
    read_found_boxes,
    read_true_boxes,
    write_coco_results,
    write_found_boxes,
)
from jaxeval.detection.masks import area_of_mask, box_of_mask, mask_of_pixels, mask_of_segmentation, text_of_runs
from jaxeval.errors import InputError


def annotations() -> dict[str, Any]:
    return {
        "info": {"year": 2026},
        "images": [
            {"id": 42, "file_name": "b.jpg", "height": 100, "width": 200, "caption": "two cats"},
            {"id": 7, "file_name": "a.jpg", "height": 50, "width": 60},
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 0, "name": "dog"}],
        "annotations": [
            {"id": 0, "image_id": 42, "category_id": 17, "bbox": [1, 2, 30, 40.5], "area": 700.25, "iscrowd": 0},
            {"id": 5, "image_id": 7, "category_id": 0, "bbox": [0, 0, 10, 10], "area": 99, "iscrowd": 1},
            {"id": 6, "image_id": 42, "category_id": 0, "bbox": [3, 3, 4, 5], "area": 20, "ignore": 1},
        ],
    }


def results() -> list[dict[str, Any]]:
    return [
        {"image_id": 42, "category_id": 17, "bbox": [1.5, 2.25, 30, 40], "score": 0.9},
        {"image_id": 7, "category_id": 0, "bbox": [0, 0, 10, 10], "score": 0.25},
    ]


def saved(folder: Path, content: Any, name: str = "boxes.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
def truth(tmp_path) -> TrueBoxes:
    return read_true_boxes(saved(tmp_path, annotations(), "truth.json"), name="truth")


def test_annotations_are_read_with_all_that_they_say(truth):
    assert truth.images == ("b.jpg", "a.jpg")
    assert truth.labels == ("cat", "dog")
    assert truth.image.tolist() == [0, 1, 0]
    assert truth.label.tolist() == [0, 1, 1]
    assert truth.boxes.tolist() == [[1, 2, 30, 40.5], [0, 0, 10, 10], [3, 3, 4, 5]]
    assert truth.areas.tolist() == [700.25, 99, 20]
    assert truth.crowd is not None
    assert truth.crowd.tolist() == [False, True, False]
    assert truth.ignored is not None
    assert truth.ignored.tolist() == [False, False, True]
    assert truth.ids is not None
    assert truth.ids.tolist() == [0, 5, 6]
    assert truth.sizes is not None
    assert truth.sizes.tolist() == [[100, 200], [50, 60]]
    assert (truth.image_ids, truth.label_ids) == ((42, 7), (17, 0))
    assert truth.prompts == ("two cats", "")


def test_what_annotations_may_lack_has_a_meaning(tmp_path):
    content = annotations()
    for row in content["annotations"]:
        for key in ("id", "area", "iscrowd", "ignore"):
            row.pop(key, None)
    for image in content["images"]:
        del image["height"], image["width"]
    content["images"][0].pop("caption")
    found = read_true_boxes(saved(tmp_path, content))
    assert found.areas.tolist() == [1215, 100, 20]
    assert (found.ids, found.prompts) == (None, None)
    assert found.crowd is not None
    assert not found.crowd.any()
    assert found.sizes is not None
    assert found.sizes.tolist() == [[0, 0], [0, 0]]


def test_an_empty_set_is_a_set(tmp_path):
    content = {**annotations(), "annotations": []}
    truth = read_true_boxes(saved(tmp_path, content))
    assert (len(truth), len(truth.images)) == (0, 2)
    found = read_found_boxes(saved(tmp_path, []), truth=truth)
    assert (len(found), found.images) == (0, ("b.jpg", "a.jpg"))


def test_texts_are_ids_too(tmp_path):
    content = annotations()
    for image in content["images"]:
        image["id"] = f"i{image['id']}"
    for row in content["annotations"]:
        row["image_id"] = f"i{row['image_id']}"
        row["id"] = f"a{row['id']}"
    truth = read_true_boxes(saved(tmp_path, content))
    assert truth.image_ids == ("i42", "i7")
    assert truth.ids is None
    (row, _) = results()
    found = read_found_boxes(saved(tmp_path, [{**row, "image_id": "i7"}]), truth=truth)
    assert found.image.tolist() == [1]


def test_results_are_read_by_the_ids_of_the_truth(tmp_path, truth):
    found = read_found_boxes(saved(tmp_path, results()), truth=truth, name="ours")
    assert (found.name, found.images, found.labels) == ("ours", ("b.jpg", "a.jpg"), ("cat", "dog"))
    assert found.image.tolist() == [0, 1]
    assert found.label.tolist() == [0, 1]
    assert found.boxes.tolist() == [[1.5, 2.25, 30, 40], [0, 0, 10, 10]]
    assert found.scores.tolist() == [0.9, 0.25]
    assert found.sizes is not None
    assert found.sizes.tolist() == [[100, 200], [50, 60]]
    assert found.identity["warnings"] == []
    with pytest.raises(InputError, match=r"boxes.json has COCO's results, .*; give the file of annotations"):
        read_found_boxes(tmp_path / "boxes.json")


def test_scores_beyond_one_are_taken_and_said(tmp_path, truth):
    found = read_found_boxes(saved(tmp_path, [{**results()[0], "score": -3.5}]), truth=truth)
    assert found.scores.tolist() == [-3.5]
    assert found.identity["warnings"] == [
        f"{tmp_path / 'boxes.json'}: 1 of 1 scores are not from 0 to 1; only their order counts"
    ]


def test_results_with_a_mask_alone_are_boxes_around_it(tmp_path, truth):
    pixels = np.zeros((100, 200), bool)
    pixels[10:20, 30:35] = pixels[50, 100] = True
    mask = mask_of_pixels(pixels)
    row = {key: value for key, value in results()[0].items() if key != "bbox"}
    for counts in (text_of_runs(mask.runs), list(mask.runs)):
        rows = [{**row, "segmentation": {"size": [100, 200], "counts": counts}}, results()[1]]
        found = read_found_boxes(saved(tmp_path, rows), truth=truth)
        assert found.boxes.tolist() == [[30, 10, 71, 41], [0, 0, 10, 10]]
        assert found.masks is not None
        assert found.masks[0] is not None
        assert (found.masks[0].pixels() == pixels).all()
        assert found.masks[1] is None
    polygon = {**results()[0], "segmentation": [[1, 1, 2, 2, 3, 1]]}
    found = read_found_boxes(saved(tmp_path, [polygon]), truth=truth)
    assert found.masks == (None,)
    assert "1 segmentations are polygons, which are not read" in found.identity["warnings"][0]


def changed(content: Any, *steps: Any) -> Any:
    """The content with the value at a path of keys replaced; ... as the value removes it."""
    *keys, last, value = steps
    place = content
    for key in keys:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return content


BAD_ANNOTATIONS = {
    "no images": (("images", ...), "has no 'images'; COCO's annotations have images, annotations and categories"),
    "no annotations": (("annotations", ...), "has no 'annotations'"),
    "no categories": (("categories", ...), "has no 'categories'"),
    "images are text": (("images", "a.jpg"), "has 'a.jpg' where a list with an object for each image is expected"),
    "an image is text": (("images", 1, "a.jpg"), "image number 1 is 'a.jpg'; an object is expected"),
    "no id": (("images", 1, "id", ...), "image number 1 has the id None; give a whole number or a text"),
    "half an id": (("images", 1, "id", 1.5), "image number 1 has the id 1.5"),
    "true id": (("images", 1, "id", True), "image number 1 has the id True"),
    "huge id": (("images", 1, "id", 10**400), "image number 1 has the id 1000"),
    "image twice": (("images", 1, "id", 42), "image number 1 has the id 42 again; give each its own"),
    "category twice": (("categories", 1, "id", 17), "category number 1 has the id 17 again"),
    "annotation twice": (("annotations", 1, "id", 0), "annotation number 1 has the id 0 again"),
    "annotation without id": (("annotations", 1, "id", ...), "annotation number 1 has the id None"),
    "no name": (("categories", 1, "name", ...), "category 0 has no name; give it a name"),
    "name twice": (("categories", 1, "name", "cat"), "category 0 has the name 'cat', which another one has"),
    "file twice": (("images", 1, "file_name", "b.jpg"), "image 7 has the file_name 'b.jpg', which another one has"),
    "no file": (("images", 1, "file_name", 3), "image 7 has no file_name"),
    "negative side": (("images", 1, "height", -3), "image 7 has height -3 and width 60; give pixels"),
    "one side": (("images", 1, "height", ...), "image 7 has height None and width 60"),
    "unknown image": (
        ("annotations", 1, "image_id", 8),
        "annotation 5 has image_id 8, and there is no image of that id",
    ),
    "true image": (("annotations", 1, "image_id", True), "annotation 5 has image_id True, and there is no image"),
    "list as image": (("annotations", 1, "image_id", [42]), r"annotation 5 has image_id \[42\], and there is no image"),
    "no image": (("annotations", 1, "image_id", ...), "annotation 5 has no image_id"),
    "unknown category": (
        ("annotations", 1, "category_id", 1),
        "annotation 5 has category_id 1, and there is no category",
    ),
    "no box": (("annotations", 1, "bbox", ...), "annotation 5 has no bbox; .left, top, width, height. is expected"),
    "three numbers": (("annotations", 1, "bbox", [1, 2, 3]), r"annotation 5 has the bbox \[1, 2, 3\]"),
    "a text box": (("annotations", 1, "bbox", "1234"), "annotation 5 has the bbox '1234'"),
    "a text in a box": (("annotations", 1, "bbox", [0, "1", 1, 1]), "annotation 5 has '1' in its bbox; a finite"),
    "null in a box": (("annotations", 1, "bbox", [0, None, 1, 1]), "annotation 5 has None in its bbox"),
    "true in a box": (("annotations", 1, "bbox", [0, True, 1, 1]), "annotation 5 has True in its bbox"),
    "NaN": (("annotations", 1, "bbox", [0, float("nan"), 1, 1]), "annotation 5 has nan in its bbox"),
    "infinite": (("annotations", 1, "bbox", [0, 0, float("inf"), 1]), "annotation 5 has inf in its bbox"),
    "huge": (("annotations", 1, "bbox", [0, 0, 10**400, 1]), "annotation 5 has 10000000000000000000.* in its bbox"),
    "negative": (
        ("annotations", 1, "bbox", [0, 0, -1, 1]),
        "annotation 5 has the bbox .*, whose width or height is neg",
    ),
    "area": (("annotations", 1, "area", -1), "annotation 5 has the area -1, which is negative"),
    "area text": (("annotations", 1, "area", "9"), "annotation 5 has '9' in its area"),
    "crowd": (("annotations", 1, "iscrowd", 2), "annotation 5 has iscrowd 2; give 0 or 1"),
    "ignore": (("annotations", 1, "ignore", "no"), "annotation 5 has ignore 'no'; give 0 or 1"),
    "caption": (("images", 0, "caption", 3), "image 42 has the caption 3; give a text"),
}


@pytest.mark.parametrize("case", BAD_ANNOTATIONS)
def test_annotations_that_are_wrong_say_where(tmp_path, case):
    steps, message = BAD_ANNOTATIONS[case]
    path = saved(tmp_path, changed(annotations(), *steps))
    with pytest.raises(InputError, match=message) as caught:
        read_true_boxes(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


BAD_RESULTS = {
    "unknown image": ((1, "image_id", 8), "result number 1 has image_id 8, and there is no image of that id"),
    "unknown category": ((1, "category_id", 90), "result number 1 has category_id 90, and there is no category"),
    "no score": ((1, "score", ...), "result number 1 has no score; a finite number is expected"),
    "NaN": ((1, "score", float("nan")), "result number 1 has nan in its score"),
    "text": ((1, "score", "0.5"), "result number 1 has '0.5' in its score"),
    "no box": ((1, "bbox", ...), "result number 1 has no bbox"),
    "negative": ((1, "bbox", [0, 0, 1, -2]), "result number 1 has the bbox .*, whose width or height is negative"),
    "text row": ((1, "row"), "result number 1 is 'row'; an object is expected"),
    "mask": ((1, "segmentation", {"size": [50, 60]}), "result number 1 is wrong: a segmentation is no run-length mask"),
    "letters": ((1, "segmentation", {"size": [50, 60], "counts": "\x7f"}), "a letter that stands for no run"),
    "cut": ((1, "segmentation", {"size": [50, 60], "counts": "P"}), "end within a number"),
    "long number": ((1, "segmentation", {"size": [50, 60], "counts": "P" * 100 + "0"}), "more than 60 bits"),
    "runs": (
        (1, "segmentation", {"size": [50, 60], "counts": [1, 2]}),
        "a mask of 50 x 60 pixels has runs that add up",
    ),
    "text run": (
        (1, "segmentation", {"size": [50, 60], "counts": [1, "2"]}),
        "neither a list of whole numbers nor text",
    ),
    "mask size": (
        (1, "segmentation", {"size": [5, 6], "counts": [30]}),
        "a mask of 5 x 6 pixels, and a.jpg has 50 x 60",
    ),
    "huge mask": ((1, "segmentation", {"size": [10**9, 10**9], "counts": [10**18]}), "1000000000 x 1000000000 pixels"),
    "huge run": ((1, "segmentation", {"size": [50, 60], "counts": [10**30]}), "a run of more than 268,435,456 pixels"),
}


@pytest.mark.parametrize("case", BAD_RESULTS)
def test_results_that_are_wrong_say_where(tmp_path, truth, case):
    steps, message = BAD_RESULTS[case]
    path = saved(tmp_path, changed(results(), *steps))
    with pytest.raises(InputError, match=message) as caught:
        read_found_boxes(path, truth=truth)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("read", [read_true_boxes, read_found_boxes])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; a JSON document is expected"),
        (b'[\n  {"image_id": 1,,}]', "is no JSON at line 2, column 18"),
        (b"[" * 200_000, "is nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "is no JSON that can be read"),
        (b'["\xff"]', "is not UTF-8 at byte 2; save it as UTF-8"),
        ("[]".encode("utf-16"), "is UTF-16; save it as UTF-8"),
    ],
    ids=["empty", "comma", "nested", "digits", "latin", "utf-16"],
)
def test_files_that_are_no_json_say_why(tmp_path, read, content, message):
    path = tmp_path / "boxes.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(path)


@pytest.mark.parametrize("read", [read_true_boxes, read_found_boxes])
def test_places_that_are_no_files_say_so(tmp_path, read):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read(tmp_path / "gone.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "folder.json")
    with pytest.raises(InputError, match=r"is no file of boxes that is known by its name; give a \.json, \.csv"):
        read(saved(tmp_path, "", "boxes.txt"))


def test_a_mark_before_the_text_is_no_harm(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(annotations()).encode())
    assert len(read_true_boxes(path)) == 3


def test_files_of_the_other_kind_say_what_they_are(tmp_path, truth):
    with pytest.raises(InputError, match="is a list, as COCO's results are; give a file of annotations"):
        read_true_boxes(saved(tmp_path, results()))
    with pytest.raises(InputError, match="is neither a list of COCO's results nor a file that jaxeval wrote"):
        read_found_boxes(saved(tmp_path, annotations()), truth=truth)
    own = write_found_boxes(read_found_boxes(saved(tmp_path, results()), truth=truth), tmp_path / "own.json")
    with pytest.raises(InputError, match="has what a detector found; give a file of annotations"):
        read_true_boxes(own)


def test_many_boxes_are_read_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "height": 480, "width": 640} for i in range(500)]
    truth = read_true_boxes(saved(tmp_path, {**annotations(), "images": images, "annotations": []}))
    boxes = rng.uniform(0, 100, (18_000, 4)).round(3).tolist()
    rows = [
        {"image_id": n % 500, "category_id": 17 * (n % 2), "bbox": box, "score": 0.5} for n, box in enumerate(boxes)
    ]
    found = read_found_boxes(saved(tmp_path, rows), truth=truth)
    assert found.boxes.tolist() == boxes
    assert found.image.tolist() == [n % 500 for n in range(18_000)]


# Parts of sides.


def test_boxes_in_parts_of_sides_are_told_and_never_guessed(tmp_path):
    content = annotations()
    for row, box in zip(content["annotations"], ([0.1, 0.2, 0.5, 0.25], [0, 0, 1, 1], [0.5, 0.5, 0, 0]), strict=True):
        row["bbox"] = box
    path = saved(tmp_path, content)
    with pytest.raises(InputError, match="no box reaches beyond 1; say whether boxes are in parts"):
        read_true_boxes(path)
    in_pixels = read_true_boxes(path, normalised=False)
    assert in_pixels.boxes.tolist()[1] == [0, 0, 1, 1]
    parts = read_true_boxes(path, normalised=True)
    assert parts.boxes.tolist() == [[20, 20, 100, 25], [0, 0, 60, 50], [100, 50, 0, 0]]
    assert parts.areas.tolist() == [2500, 3000, 0]
    with pytest.raises(InputError, match=r"a box of b\.jpg is .*, beyond 0 to 1"):
        read_true_boxes(
            saved(tmp_path, changed(content, "annotations", 0, "bbox", [0.5, 0.5, 0.6, 0.1])), normalised=True
        )
    content["annotations"][0]["bbox"] = [0.1, 0.2, 0.5, 0.25]
    del content["images"][1]["height"], content["images"][1]["width"]
    with pytest.raises(InputError, match=r"a\.jpg has no width and height, which its boxes are parts of"):
        read_true_boxes(saved(tmp_path, content), normalised=True)


def test_layouts_of_a_table_in_parts_of_sides(tmp_path):
    head = "image,label,x1,y1,x2,y2,image_width,image_height,prompt\n"
    path = saved(
        tmp_path, head + "a,cat,0.25,0.5,0.75,1,512,256,a cat\na,dog,0,0,0.5,0.5,,,\nb,,,,,,,,nothing\n", "l.csv"
    )
    found = read_true_boxes(path, normalised=True)
    assert found.boxes.tolist() == [[128, 128, 256, 128], [0, 0, 256, 128]]
    assert found.images == ("a", "b")
    assert found.prompts == ("a cat", "nothing")
    with pytest.raises(InputError, match="no box reaches beyond 1"):
        read_true_boxes(path)


# Tables.

HEAD = "image,label,x,y,width,height"


def test_tables_are_read_in_all_forms(tmp_path):
    rows = [
        {"image": "a.png", "label": "cat", "x": 1.5, "y": 2, "width": 3, "height": 4, "score": 0.5, "text": "EXIT"},
        {"image": "b.png", "label": "dog", "x": 0, "y": 0, "width": 1, "height": 1, "score": 0.25, "text": ""},
    ]
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    paths = [
        saved(tmp_path, "\n".join(lines), "t.csv"),
        saved(tmp_path, "\n".join(lines).replace(",", "\t"), "t.tsv"),
        saved(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl"),
        tmp_path / "t.parquet",
    ]
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), paths[-1])
    for path in paths:
        found = read_found_boxes(path)
        assert found.images == ("a.png", "b.png")
        assert found.labels == ("cat", "dog")
        assert found.boxes.tolist() == [[1.5, 2, 3, 4], [0, 0, 1, 1]]
        assert found.scores.tolist() == [0.5, 0.25]
        assert found.texts == ("EXIT", "")


def test_tables_say_areas_crowds_and_what_is_difficult(tmp_path):
    head = f"{HEAD},area,crowd,difficult,id,image_width,image_height\n"
    content = head + "a,cat,1,2,3,4,10,0,yes,7,20,30\na,dog,1,2,3,4,12,1,,9,20,30\nb,,,,,,,,,,5,6\n"
    found = read_true_boxes(saved(tmp_path, content, "t.csv"))
    assert found.areas.tolist() == [10, 12]
    assert found.crowd is not None
    assert found.crowd.tolist() == [False, True]
    assert found.ignored is not None
    assert found.ignored.tolist() == [True, False]
    assert found.ids is not None
    assert found.ids.tolist() == [7, 9]
    assert found.sizes is not None
    assert found.sizes.tolist() == [[30, 20], [6, 5]]
    assert found.images == ("a", "b")


def test_tables_of_what_was_found_are_of_the_images_of_the_truth(tmp_path, truth):
    found = read_found_boxes(
        saved(tmp_path, f"{HEAD},score\na.jpg,bird,1,2,3,4,0.5\nb.jpg,cat,1,2,3,4,0.5\n", "t.csv"), truth=truth
    )
    assert found.images == truth.images
    assert found.labels == ("cat", "dog", "bird")
    assert [(found.images[i], found.labels[c]) for i, c in zip(found.image, found.label, strict=True)] == [
        ("a.jpg", "bird"),
        ("b.jpg", "cat"),
    ]
    with pytest.raises(InputError, match=r"t.csv has the image 'c.jpg', which truth has not"):
        read_found_boxes(saved(tmp_path, f"{HEAD},score\nc.jpg,bird,1,2,3,4,0.5\n", "t.csv"), truth=truth)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label,x,y,width,height,score\n", "has no column 'image'; name the columns in its first line"),
        ("image,x,y,width,height,score\n", "has no column 'label'"),
        ("image,label,x,y,score\n", "has neither the columns x, y, width, height and x1, y1, x2, y2"),
        (f"{HEAD},x1,y1,x2,y2,score\n", "has both the columns"),
        (f"{HEAD}\na,cat,1,2,3,4\n", "has no column 'score'"),
        (f"{HEAD},score\na,cat,1,2,3,4,high\n", "line 2 has score 'high'; give a finite number"),
        (f"{HEAD},score\na,cat,1,2,3,nan,0.5\n", "line 2 has height 'nan'; give a finite number"),
        (f"{HEAD},score\na,cat,1,2,3,,0.5\n", "line 2 has no height; fill it in, or leave label and box out together"),
        (f"{HEAD},score\n,cat,1,2,3,4,0.5\n", "line 2 names no image"),
        (f"{HEAD},score\na,cat,1,2,-3,4,0.5\n", "line 2 has a box of width -3 and height 4; neither may be negative"),
        (f"{HEAD},score\na,cat,1,2,3\n", "line 2 has 5 cells for 7 columns"),
        ("image,label,x1,y1,x2,y2,score\na,cat,5,2,3,4,0.5\n", "line 2 has a box of width -2 and height 2"),
        (f"{HEAD},score,image_height,image_width\na,cat,1,2,3,4,1,-5,5\n", "line 2 has image_height '-5'"),
        (
            f"{HEAD},score,image_height,image_width\na,cat,1,2,3,4,1,5,5\na,cat,1,2,3,4,1,5,6\n",
            "line 3 says that a is 5 x 6, and another row 5 x 5",
        ),
    ],
)
def test_tables_that_are_wrong_say_where(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_found_boxes(saved(tmp_path, content, "t.csv"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{HEAD},area\na,cat,1,2,3,4,-1\n", "line 2 has area '-1'; give a finite number of 0 or more"),
        (f"{HEAD},crowd\na,cat,1,2,3,4,perhaps\n", "line 2 has crowd 'perhaps'; give 0 or 1"),
        (f"{HEAD},id\na,cat,1,2,3,4,1\na,cat,1,2,3,4,1\n", "line 3 has the id 1, which another one has"),
        (f"{HEAD},prompt\na,cat,1,2,3,4,x\na,cat,1,2,3,4,y\n", "line 3 has another prompt of a than a row before it"),
    ],
)
def test_tables_of_the_truth_that_are_wrong_say_where(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_true_boxes(saved(tmp_path, content, "t.csv"))


# jaxeval's own file, and COCO's results written.


@st.composite
def parts_of_sets(draw) -> tuple[Any, ...]:
    """What `FoundBoxes` takes; of masks their first run. (It is made outside: its checks draw numbers of their own.)"""
    texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=5)
    images = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    labels = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    count = draw(st.integers(0, 5))
    numbers, sides = st.floats(-1e99, 1e99), st.floats(0, 1e99)

    def several(one):
        return draw(st.lists(one, min_size=count, max_size=count))

    boxes = np.array(several(st.tuples(numbers, numbers, sides, sides))).reshape(-1, 4)
    masks = several(st.one_of(st.none(), st.integers(0, 6)))
    return (
        draw(texts),
        tuple(images),
        tuple(labels),
        np.array(several(st.integers(0, len(images) - 1)), np.int64),
        np.array(several(st.integers(0, len(labels) - 1)), np.int64),
        boxes,
        np.array(several(numbers), np.float64),
        draw(st.one_of(st.none(), st.just(tuple(several(texts))))),
        draw(st.one_of(st.none(), st.just(tuple(masks)))),
        np.arange(2 * len(images)).reshape(-1, 2) if draw(st.booleans()) else None,
        {"detector": draw(texts), "options": [1, 0.5, None]},
    )


@given(parts=parts_of_sets())
def test_own_files_give_back_exactly_what_was_written(parts, tmp_path_factory):
    masks, sizes, identity = parts[8:]
    if masks is not None:
        masks = tuple(None if first is None else Mask(2, 3, (first, 6 - first)) for first in masks)
    found = FoundBoxes(*parts[:8], masks=masks, sizes=sizes, identity=identity)
    again = read_found_boxes(write_found_boxes(found, tmp_path_factory.mktemp("own") / "detections.json"))
    assert (again.name, again.images, again.labels) == (found.name, found.images, found.labels)
    for field in ("image", "label", "boxes", "scores", "sizes"):
        one, two = getattr(found, field), getattr(again, field)
        assert (one is None) == (two is None)
        assert one is None or (one.tobytes() == two.tobytes() and one.shape == two.shape and one.dtype == two.dtype)
    assert again.texts == found.texts
    assert [mask and mask.runs for mask in again.masks or ()] == [mask and mask.runs for mask in found.masks or ()]
    assert again.identity == found.identity


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (("version", 2), "is of version 2 of jaxeval's files of boxes; this jaxeval reads version 1"),
        (("boxes", ...), "is damaged .it has no 'boxes'.; write it again"),
        (("boxes", 0, 0, "1"), "is damaged .there are values that are no numbers"),
        (("boxes", 0, 2, -1), "is damaged .* has width -1"),
        (("boxes", [[1, 2, 3]]), "is damaged"),
        (("image", 0, 5), "is damaged .* a box has image 5"),
        (("image", 0, 0.5), "is damaged .there are places or sizes that are no whole numbers"),
        (("images", 0, 3), "is damaged .3 is no text"),
        (("scores", 0, None), "is damaged"),
        (("identity", 5), "is damaged"),
        (("sizes", [1]), "is damaged"),
        (("masks", [3, 4]), "is damaged .a segmentation is no run-length mask"),
        (("texts", [3, 4]), "is damaged .3 is no text"),
        (("texts", ["a"]), "is damaged .* there are 1 texts for 2 boxes"),
    ],
)
def test_own_files_that_are_damaged_say_so(tmp_path, truth, steps, message):
    found = read_found_boxes(saved(tmp_path, results()), truth=truth)
    content = json.loads(write_found_boxes(found, tmp_path / "own.json").read_text())
    with pytest.raises(InputError, match=message) as caught:
        read_found_boxes(saved(tmp_path, changed(content, *steps), "own.json"))
    assert str(caught.value).startswith(str(tmp_path / "own.json"))


def test_results_that_were_written_are_read_back(tmp_path, truth):
    rows = [{**results()[0], "segmentation": {"size": [100, 200], "counts": [20, 30, 19950]}}, results()[1]]
    found = read_found_boxes(saved(tmp_path, rows), truth=truth)
    path = write_coco_results(found, tmp_path / "deeper" / "results.json", truth=truth)
    again = read_found_boxes(path, truth=truth)
    assert again.boxes.tolist() == found.boxes.tolist()
    assert again.scores.tolist() == found.scores.tolist()
    assert again.masks is not None
    assert again.masks[0] is not None
    assert again.masks[0].runs == (20, 30, 19950)
    other = read_true_boxes(saved(tmp_path, changed(annotations(), "images", 0, "file_name", "c.jpg"), "other.json"))
    with pytest.raises(InputError, match=r"has boxes of the image 'b\.jpg', which .*other\.json has not"):
        write_coco_results(found, tmp_path / "results.json", truth=other)
    with pytest.raises(InputError, match=r"give a name that ends in \.json"):
        write_coco_results(found, tmp_path / "results.txt", truth=truth)


# Masks.


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
    density=st.sampled_from([0.0, 0.1, 0.5, 0.95, 1.0]),
)
def test_masks_come_back_from_runs_and_letters(height, width, seed, density):
    pixels = np.random.default_rng(seed).random((height, width)) < density
    mask = mask_of_pixels(pixels)
    assert (mask.pixels() == pixels).all()
    for counts in (list(mask.runs), text_of_runs(mask.runs), text_of_runs(mask.runs).encode()):
        assert mask_of_segmentation({"size": [height, width], "counts": counts}).runs == mask.runs
    assert area_of_mask(mask) == pixels.sum()
    rows, columns = np.nonzero(pixels)
    if len(rows):
        sides = columns.max() - columns.min() + 1, rows.max() - rows.min() + 1
        assert box_of_mask(mask) == (columns.min(), rows.min(), *sides)
    else:
        assert box_of_mask(mask) == (0, 0, 0, 0)


def test_runs_of_large_masks_are_written_in_letters_too():
    runs = (0, 5_000_000, 3, 1, 90_000_000, 2, 1)
    assert mask_of_segmentation({"size": [sum(runs), 1], "counts": text_of_runs(runs)}).runs == runs


@pytest.mark.parity
@pytest.mark.parametrize("density", [0.0, 0.01, 0.3, 0.9, 1.0])
def test_letters_boxes_and_areas_are_those_of_pycocotools(density):
    from pycocotools import mask as theirs

    for seed in range(50):
        rng = np.random.default_rng(seed)
        pixels = rng.random(rng.integers(1, 70, 2)) < density
        encoded = theirs.encode(np.asfortranarray(pixels.astype(np.uint8)))
        mask = mask_of_pixels(pixels)
        assert text_of_runs(mask.runs).encode() == encoded["counts"]
        assert mask_of_segmentation({**encoded, "size": list(encoded["size"])}).runs == mask.runs
        assert area_of_mask(mask) == theirs.area(encoded)
        assert list(box_of_mask(mask)) == theirs.toBbox(encoded).tolist()


@pytest.mark.parity
def test_results_are_read_as_pycocotools_reads_them(tmp_path, truth):
    from pycocotools.coco import COCO

    pixels = np.zeros((100, 200), bool)
    pixels[10:20, 30:35] = pixels[50, 100] = True
    segmentation = {"size": [100, 200], "counts": text_of_runs(mask_of_pixels(pixels).runs)}
    for rows in (results(), [{"image_id": 42, "category_id": 17, "score": 0.5, "segmentation": segmentation}]):
        theirs = COCO(str(tmp_path / "truth.json")).loadRes(str(saved(tmp_path, rows))).dataset["annotations"]
        ours = read_found_boxes(tmp_path / "boxes.json", truth=truth)
        assert ours.boxes.tolist() == [list(map(float, row["bbox"])) for row in theirs]
