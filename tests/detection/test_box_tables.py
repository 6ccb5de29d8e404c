"""Tables of boxes as other tools write them: names of columns, numbers, ids, and what is refused and not dropped."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxeval.detection import (
    Detector,
    FoundBoxes,
    TrueBoxes,
    find_boxes,
    read_found_boxes,
    read_true_boxes,
    sets_of_boxes,
    write_found_boxes,
)
from jaxeval.detection.masks import area_of_mask
from jaxeval.errors import InputError

HEAD = "image,label,x,y,width,height"


def saved(folder: Path, content: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    "head",
    [
        "filename,class,xmin,ymin,xmax,ymax,confidence",
        "File Name,Class,XMin,YMin,XMax,YMax,Confidence",
        "ImageID,LabelName,x_min,y_min,x_max,y_max,conf",
        "image_path,category,left,top,right,bottom,Score",
        "Image,Label,X1,Y1,X2,Y2,SCORE",
    ],
)
def test_columns_may_have_the_names_that_other_tools_write(tmp_path, head):
    found = read_found_boxes(saved(tmp_path, f"{head}\na.png,cat,1,2,4,6,0.5\n"))
    assert (found.images, found.labels) == (("a.png",), ("cat",))
    assert found.boxes.tolist() == [[1, 2, 3, 4]]
    assert found.scores.tolist() == [0.5]


def test_sizes_of_images_beside_corners_are_no_sides_of_boxes(tmp_path):
    head = "filename,width,height,class,xmin,ymin,xmax,ymax"  # as TensorFlow's converters write it
    assert read_true_boxes(saved(tmp_path, f"{head}\na.png,640,480,cat,1,2,4,6\n")).boxes.tolist() == [[1, 2, 3, 4]]


def test_left_and_top_are_of_sides_too(tmp_path):
    found = read_true_boxes(saved(tmp_path, "image,label,left,top,width,height\na.png,cat,1,2,3,4\n"))
    assert found.boxes.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_what_coco_calls_crowd_and_ignored_is_read(tmp_path, name):
    rows = [
        {"image": "a", "label": "cat", "x": 1, "y": 2, "width": 3, "height": 4, "iscrowd": 1, "ignore": 0},
        {"image": "a", "label": "cat", "x": 5, "y": 2, "width": 3, "height": 4, "iscrowd": 0, "ignore": 1},
    ]
    if name == "t.parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / name)
    elif name == "t.jsonl":
        saved(tmp_path, "\n".join(map(json.dumps, rows)), name)
    else:
        saved(tmp_path, "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]), name)
    found = read_true_boxes(tmp_path / name)
    assert found.crowd is not None
    assert found.crowd.tolist() == [True, False]
    assert found.ignored is not None
    assert found.ignored.tolist() == [False, True]


def test_of_several_columns_of_marks_any_may_say_so(tmp_path):
    content = f"{HEAD},difficult,ignore\na,cat,1,2,3,4,0,1\na,cat,1,2,3,4,1,0\na,cat,1,2,3,4,0,0\na,cat,1,2,3,4,,2\n"
    path = saved(tmp_path, content)
    with pytest.raises(InputError, match="line 5 has difficult '2'; give 0 or 1"):
        read_true_boxes(path)
    found = read_true_boxes(saved(tmp_path, content.rpartition("a,cat")[0]))
    assert found.ignored is not None
    assert found.ignored.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("image,class,name,x,y,width,height", "columns 'class' and 'name', each of which may be the label; call the"),
        ("Image,IMAGE,label,x,y,width,height", "columns 'Image' and 'IMAGE', each of which may be the image"),
        (f"{HEAD},crowds", "has a column 'crowds', which is not read; call it 'crowd' if it is that, or leave it out"),
        (f"{HEAD},image_widht", "has a column 'image_widht', which is not read; call it 'image_width'"),
    ],
)
def test_columns_that_may_be_meant_for_others_are_named(tmp_path, head, message):
    cells = ",".join("1" * len(head.split(",")))
    with pytest.raises(InputError, match=message):
        read_true_boxes(saved(tmp_path, f"{head}\n{cells}\n"))


def test_other_columns_are_no_harm(tmp_path):
    head = f"{HEAD},comment,depth,occluded,split,areas_of_interest"
    assert len(read_true_boxes(saved(tmp_path, f"{head}\na,cat,1,2,3,4,x,y,z,w,v\n"))) == 1


# Parts of sides.

ROUNDED = ["0.7,0,0.3000001,1", "0.333333,0,0.666668,0.5", "-0.0004,0,0.5,0.5", "0,0.9996,0.1,0.0009"]


@pytest.mark.parametrize("read", [read_true_boxes, read_found_boxes])
@pytest.mark.parametrize("box", ROUNDED)
def test_a_rounding_hides_no_parts_of_sides_and_is_kept(tmp_path, read, box):
    path = saved(tmp_path, f"{HEAD},score,image_width,image_height\na,cat,{box},0.5,1000,100\n")
    with pytest.raises(InputError, match=r"no box reaches beyond 1; say whether .* \(normalised=True\) or in pixels"):
        read(path)
    left, top, width, height = map(float, box.split(","))
    assert read(path, normalised=True).boxes.tolist() == [[left * 1000, top * 100, width * 1000, height * 100]]
    assert read(path, normalised=False).boxes.tolist() == [[left, top, width, height]]


@pytest.mark.parametrize("read", [read_true_boxes, read_found_boxes])
def test_one_wrong_box_of_a_hundred_hides_no_parts_of_sides(tmp_path, read):
    rows = ["a,cat,0.1,0.2,0.3,0.4,0.5"] * 99
    path = saved(tmp_path, "\n".join([f"{HEAD},score", *rows, "a,cat,0,0,0,0,0.5", "a,cat,10,20,30,40,0.5"]))
    with pytest.raises(InputError, match="only 1 of 101 boxes reach beyond 1; say whether"):
        read(path)
    path = saved(tmp_path, "\n".join([f"{HEAD},score", *rows[:98], *["a,cat,10,20,30,40,0.5"] * 2]))
    assert len(read(path)) == 100


@pytest.mark.parametrize("read", [read_true_boxes, read_found_boxes])
def test_pixels_are_no_parts_of_sides(tmp_path, read):
    path = saved(tmp_path, f"{HEAD},score,image_width,image_height\na,cat,0.1,0,0.902,1,0.5,10,10\n")
    with pytest.raises(InputError, match=r"a box of a is \[0.1, 0.0, 0.902, 1.0\], beyond 0 to 1"):
        read(path, normalised=True)


def test_found_boxes_have_the_sizes_of_the_truth(tmp_path):
    head = f"{HEAD},image_width,image_height"
    truth = read_true_boxes(saved(tmp_path, f"{head}\na,cat,1,2,30,40,200,100\nb,,,,,,,\n", "truth.csv"))
    path = saved(tmp_path, f"{HEAD},score\na,cat,0.1,0.2,0.5,0.25,0.5\n")
    with pytest.raises(InputError, match="no box reaches beyond 1"):
        read_found_boxes(path, truth=truth)
    assert read_found_boxes(path, truth=truth, normalised=True).boxes.tolist() == [[20, 20, 100, 25]]
    with pytest.raises(InputError, match="a has no width and height, which its boxes are parts of; add them"):
        read_found_boxes(path, normalised=True)
    unknown = saved(tmp_path, f"{head},score\nb,cat,0.1,0.2,0.5,0.25,20,10,0.5\n", "unknown.csv")
    found = read_found_boxes(unknown, truth=truth, normalised=True)
    assert found.boxes.tolist() == [[2, 2, 10, 2.5]]
    assert found.sizes is not None
    assert found.sizes.tolist() == [[100, 200], [10, 20]]
    tiny = read_true_boxes(saved(tmp_path, f"{HEAD}\na,cat,0,0,1,1\n", "tiny.csv"), normalised=False)
    assert len(read_found_boxes(path, truth=tiny)) == 1
    (named,) = sets_of_boxes(found=path, truth=truth, normalised=True).values()
    assert named.boxes.tolist() == [[20, 20, 100, 25]]


def test_results_of_coco_in_parts_of_sides(tmp_path):
    truth = TrueBoxes(
        "truth",
        ("a", "b"),
        ("cat",),
        np.array([0]),
        np.array([0]),
        np.array([[1.0, 2.0, 30.0, 40.0]]),
        np.array([1200.0]),
        sizes=np.array([[100, 200], [0, 0]]),
        image_ids=(1, 2),
        label_ids=(1,),
    )
    row = {"image_id": 1, "category_id": 1, "score": 0.5}
    mask = {**row, "segmentation": {"size": [100, 200], "counts": [10, 20, 19970]}}
    path = saved(tmp_path, json.dumps([{**row, "bbox": [0.1, 0.2, 0.5, 0.25]}, mask]), "r.json")
    with pytest.raises(InputError, match="no box reaches beyond 1"):
        read_found_boxes(path, truth=truth)
    found = read_found_boxes(path, truth=truth, normalised=True)
    assert found.boxes.tolist() == [[20, 20, 100, 25], [0, 10, 1, 20]]
    assert "areas" not in found.identity
    path = saved(tmp_path, json.dumps([mask, {**mask, "bbox": []}]), "r.json")
    found = read_found_boxes(path, truth=truth)
    assert found.identity["areas"] == "masks"  # as pycocotools has it, by the first result
    assert found.masks is not None
    assert [mask and area_of_mask(mask) for mask in found.masks] == [20, 20]
    path = saved(tmp_path, json.dumps([{**row, "image_id": 2, "bbox": [0.1, 0.2, 0.5, 0.25]}]), "r.json")
    with pytest.raises(InputError, match="b has no width and height"):
        read_found_boxes(path, truth=truth, normalised=True)


def test_own_files_are_compared_with_the_truth(tmp_path):
    head = f"{HEAD},image_width,image_height"
    truth = read_true_boxes(saved(tmp_path, f"{head}\na,cat,1,2,30,40,200,100\n", "truth.csv"))
    place = np.array([0])
    found = FoundBoxes("ours", ("a",), ("cat",), place, place, np.array([[0.1, 0.2, 0.5, 0.25]]), np.array([0.5]))
    path = write_found_boxes(found, tmp_path / "own.json")
    assert read_found_boxes(path).boxes.tolist() == [[0.1, 0.2, 0.5, 0.25]]
    with pytest.raises(InputError, match="no box reaches beyond 1"):
        read_found_boxes(path, truth=truth)
    assert read_found_boxes(path, truth=truth, normalised=True).boxes.tolist() == [[20, 20, 100, 25]]


def test_detectors_whose_boxes_are_of_the_first_pixel_are_said():
    def detector(batch):
        return [([[0.1, 0.2, 0.5, 0.9]], [0.5], ["cat"]) for _ in batch]

    found = find_boxes(np.zeros((1, 10, 20, 3), np.uint8), detector)
    assert "say so by its box layout (normalised-xyxy and others)" in found.identity["warnings"][0]


# Numbers that no pixel has.


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("box", ["1e308,2,3,4", "1,2,1e308,1e308", "-1e200,2,1e200,4"])
@pytest.mark.parametrize("head", [HEAD, "image,label,x1,y1,x2,y2"])
def test_huge_numbers_are_refused_in_a_sentence(tmp_path, head, box):
    path = saved(tmp_path, f"{head},score\na,cat,{box},0.5\n")
    for read in (read_true_boxes, read_found_boxes):
        with pytest.raises(InputError, match=r"line 2 has the box .*; no image is so large"):
            read(path)
    content = {
        "images": [{"id": 1, "file_name": "a"}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": list(map(float, box.split(",")))}],
    }
    with pytest.raises(InputError, match=r"annotation 1 has the bbox .*; no image is so large"):
        read_true_boxes(saved(tmp_path, json.dumps(content), "t.json"))
    corners = [content["annotations"][0]["bbox"]]
    for layout in ("xyxy", "xywh", "cxcywh", "normalised-cxcywh"):
        detector = Detector("mine", lambda batch: [(corners, [0.5], ["cat"])], box_layout=layout)
        with pytest.raises(InputError, match=r"gives, of 0, the box \[.*\]; no image is so large"):
            find_boxes(np.zeros((1, 10, 20, 3), np.uint8), detector)


def test_own_files_have_no_huge_numbers(tmp_path):
    place = np.array([0])
    with pytest.raises(InputError, match="no coordinate may be beyond"):
        FoundBoxes("ours", ("a",), ("cat",), place, place, np.array([[1e200, 0, 1, 1]]), np.array([0.5]))
    found = FoundBoxes("ours", ("a",), ("cat",), place, place, np.array([[7.5, 0, 1, 1]]), np.array([0.5]))
    path = write_found_boxes(found, tmp_path / "own.json")
    path.write_text(path.read_text().replace("7.5", "1e200"))
    with pytest.raises(InputError, match=r"own\.json is damaged \(ours: boxes of a has 1e\+200; no coordinate"):
        read_found_boxes(path)


# Ids.


def test_ids_may_be_below_zero_and_stand_once(tmp_path):
    found = read_true_boxes(saved(tmp_path, f"{HEAD},id\na,cat,1,2,3,4,-5\na,cat,1,2,3,4,0\n"))
    assert found.ids is not None
    assert found.ids.tolist() == [-5, 0]
    assert read_true_boxes(saved(tmp_path, f"{HEAD},id\na,cat,1,2,3,4,x\na,cat,1,2,3,4,0\n")).ids is None
    assert read_true_boxes(saved(tmp_path, f"{HEAD},id\na,cat,1,2,3,4,\na,cat,1,2,3,4,\n")).ids is None


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (("x", "x"), "line 3 has the id x, which another one has"),
        (("-1", "-1"), "line 3 has the id -1, which another one has"),
        (("7", "07"), "line 3 has the id 7, which another one has"),
        (("7", ""), "line 3 has no id, and others have"),
    ],
)
def test_ids_that_are_none_are_named(tmp_path, ids, message):
    rows = [f"a,cat,1,2,3,4,{own}" for own in ids]
    with pytest.raises(InputError, match=message):
        read_true_boxes(saved(tmp_path, "\n".join([f"{HEAD},id", *rows])))


# Numbers and texts of cells.


@pytest.mark.parametrize("cell", ["1_000", "١٢", "1,5", "0x10", "1.2.3", ".", "1e", "inf", "NaN", "\u00a01"])
def test_numbers_are_those_of_everybody(tmp_path, cell):
    with pytest.raises(InputError, match=r"line 2 has x '.*'; give a finite number"):
        read_true_boxes(saved(tmp_path, f'{HEAD}\na,cat,"{cell}",2,3,4\n'))


def test_numbers_may_have_signs_exponents_and_spaces(tmp_path):
    found = read_true_boxes(saved(tmp_path, f"{HEAD}\na,cat, -1.5e1 ,+2.,.5,4E+1\n"))
    assert found.boxes.tolist() == [[-15, 2, 0.5, 40]]


def test_spaces_around_names_are_none_of_theirs(tmp_path):
    found = read_true_boxes(saved(tmp_path, "image, label, x, y, width, height\na , cat ,1,2,3,4\na,cat,1,2,3,4"))
    assert (found.images, found.labels) == (("a",), ("cat",))
    with pytest.raises(InputError, match="line 2 names no image"):
        read_true_boxes(saved(tmp_path, f"{HEAD}\n  ,cat,1,2,3,4\n"))


@pytest.mark.parametrize(("column", "cell"), [("score", "0.5"), ("text", "EXIT"), ("area", "3"), ("id", "7")])
def test_what_is_of_a_box_is_not_dropped_with_it(tmp_path, column, cell):
    path = saved(tmp_path, f"{HEAD},{column}\na,,,,,,{cell}\n")
    with pytest.raises(InputError, match=f"line 2 has {column} '{cell}' and no label and box"):
        read_true_boxes(path)
