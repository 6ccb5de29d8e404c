"""COCO's files as exporters write them: nulls, ids as texts, captions beside prompts, and letters that are none."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxeval.detection import FoundBoxes, read_found_boxes, read_true_boxes, sets_of_boxes, write_found_boxes
from jaxeval.errors import InputError


def annotations(**parts: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": 3, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]},
            {"id": 4, "image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4]},
        ],
        **parts,
    }


def saved(folder: Path, content: Any, name: str = "boxes.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_null_says_nothing(tmp_path):
    content = annotations()
    content["annotations"][0].update(area=None, iscrowd=None, ignore=None)
    content["annotations"][1].update(area=5, iscrowd=1)
    content["images"][0].update(prompt=None, caption=None, height=None, width=None)
    found = read_true_boxes(saved(tmp_path, content))
    assert found.areas.tolist() == [1200, 5]
    assert found.crowd is not None
    assert found.crowd.tolist() == [False, True]
    assert found.ignored is not None
    assert not found.ignored.any()
    assert found.prompts is None


def test_captions_stand_in_for_prompts_image_by_image(tmp_path):
    content = annotations()
    content["images"] = [
        {"id": 1, "file_name": "a.png", "prompt": "a cat"},
        {"id": 2, "file_name": "b.png", "caption": "two cats"},
        {"id": 3, "file_name": "c.png", "caption": "a caption", "prompt": "a prompt"},
        {"id": 4, "file_name": "d.png", "prompt": ""},
    ]
    assert read_true_boxes(saved(tmp_path, content)).prompts == ("a cat", "two cats", "a prompt", "")


@pytest.mark.parametrize(("ids", "expected"), [(("0", "-7"), [0, -7]), ((0, "12"), [0, 12]), (("0", "x"), None)])
def test_ids_that_are_texts_of_numbers_are_numbers(tmp_path, ids, expected):
    content = annotations()
    for row, own in zip(content["annotations"], ids, strict=True):
        row["id"] = own
    found = read_true_boxes(saved(tmp_path, content)).ids
    assert (None if found is None else found.tolist()) == expected


def test_ids_that_are_one_number_are_one(tmp_path):
    content = annotations()
    content["annotations"][0]["id"], content["annotations"][1]["id"] = 7, "7"
    with pytest.raises(InputError, match=r"boxes\.json: annotation number 1 has the id '7' again, as a number or text"):
        read_true_boxes(saved(tmp_path, content))


@pytest.mark.parametrize(("given", "own"), [("1", "1, a number"), (1, "'1', a text")])
def test_ids_of_another_type_are_said(tmp_path, given, own):
    content = annotations()
    content["annotations"][0]["image_id"] = given
    if given == 1:
        content["images"][0]["id"] = "1"
    with pytest.raises(InputError, match=f"no image of that id; that of one is {own}: write both alike"):
        read_true_boxes(saved(tmp_path, content))


# Files that are no plain JSON or tables.


@pytest.mark.parametrize("read", [read_true_boxes, read_found_boxes])
@pytest.mark.parametrize("name", ["b.json", "b.csv", "b.jsonl", "b.parquet", "b.json.gz"])
def test_what_is_packed_or_otherwise_encoded_is_said(tmp_path, read, name):
    (tmp_path / name).write_bytes(gzip.compress(b"[]"))
    with pytest.raises(InputError, match=f"{name} is gzip; unpack it"):
        read(tmp_path / name)
    if not name.endswith(".gz"):
        for encoding in ("utf-32", "utf-16"):
            (tmp_path / name).write_bytes("[]".encode(encoding))
            with pytest.raises(InputError, match=f"{name} is {encoding.upper()}; save it as UTF-8"):
                read(tmp_path / name)


@pytest.mark.parametrize("read", [read_true_boxes, read_found_boxes])
def test_an_empty_name_is_no_file(read):
    with pytest.raises(InputError, match="'' is no file of boxes; give the path of one"):
        read("")
    with pytest.raises(InputError, match="found is ''; give a path"):
        sets_of_boxes(found="")


def test_no_file_at_all_asks_for_files():
    with pytest.raises(InputError, match="no file of boxes was given; name at least one file"):
        sets_of_boxes(found=[])


def test_a_name_that_stands_twice_is_not_the_last(tmp_path):
    text = json.dumps(annotations()).replace('"image_id": 2', '"image_id": 2, "image_id": 1')
    with pytest.raises(InputError, match=r"boxes\.json has 'image_id' twice in one object; give each name once"):
        read_true_boxes(saved(tmp_path, text))
    row = '{"image": "a", "label": "cat", "x": 1, "x": 2, "y": 1, "width": 2, "height": 2, "score": 0.5}'
    for read in (read_true_boxes, read_found_boxes):
        with pytest.raises(InputError, match=r"b\.jsonl: line 1 has 'x' twice in one object"):
            read(saved(tmp_path, row, "b.jsonl"))


def test_half_a_character_is_none(tmp_path):
    path = saved(tmp_path, annotations(categories=[{"id": 1, "name": "c\ud83d"}]))
    with pytest.raises(InputError, match=r"boxes\.json has the text 'c\\ud83d', which has half of a character"):
        read_true_boxes(path)
    whole = saved(tmp_path, annotations(categories=[{"id": 1, "name": "\U0001f431"}]))  # written as two halves
    assert "\\ud83d" in whole.read_text()
    assert read_true_boxes(whole).labels == ("\U0001f431",)


def test_own_files_keep_names_of_files_that_are_no_unicode_and_no_other_halves(tmp_path):
    place = np.array([0])
    box = np.array([[1.0, 2.0, 3.0, 4.0]])
    found = FoundBoxes("ours", ("a\udcff.png",), ("cat",), place, place, box, np.array([0.5]))
    path = write_found_boxes(found, tmp_path / "own.json")
    assert read_found_boxes(path).images == ("a\udcff.png",)
    content = json.loads(path.read_text())
    with pytest.raises(InputError, match=r"own\.json is damaged \('c\\ud83d' has half of a character\)"):
        read_found_boxes(saved(tmp_path, {**content, "labels": ["c\ud83d"]}, "own.json"))


@pytest.mark.parametrize("warnings", [5, "all", [3], None])
def test_warnings_of_own_files_are_texts(tmp_path, warnings):
    place = np.array([0])
    found = FoundBoxes("ours", ("a",), ("cat",), place, place, np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([0.5]))
    content = json.loads(write_found_boxes(found, tmp_path / "own.json").read_text())
    content["identity"] = {"warnings": warnings}
    with pytest.raises(InputError, match=r"own\.json is damaged \(its identity has warnings that are no list of texts"):
        read_found_boxes(saved(tmp_path, content, "own.json"))
