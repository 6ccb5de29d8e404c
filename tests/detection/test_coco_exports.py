"""COCO's files as exporters write them: nulls, ids as texts, captions beside prompts, and letters that are none."""

import json
from pathlib import Path
from typing import Any

import pytest

from jaxeval.detection import read_true_boxes
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
