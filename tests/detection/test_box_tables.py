"""Tables of boxes as other tools write them: names of columns, numbers, ids, and what is refused rather than dropped."""

from pathlib import Path

import pytest

from jaxeval.detection import read_found_boxes, read_true_boxes
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
        import json

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
