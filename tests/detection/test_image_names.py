"""Which image a file of boxes means by a name, and which names are left open."""

import numpy as np
import pytest
from PIL import Image

from jaxeval.detection import FoundBoxes, read_found_boxes, read_true_boxes, sets_of_boxes, write_found_boxes
from jaxeval.detection.image_names import places_of_names
from jaxeval.errors import InputError

KNOWN = ["a.png", "sub/b.png", "sub/c.png", "other/c.png", "deep/sub/d.png", "e\u0301.png", "f.png", "x/f.png"]


@pytest.mark.parametrize(
    ("name", "place", "noted"),
    [
        ("a.png", 0, False),
        ("sub/b.png", 1, False),
        ("sub\\b.png", 1, True),
        ("b.png", 1, True),
        ("C:\\data\\sub\\b.png", 1, True),
        ("/data/sub/b.png", 1, True),
        ("./a.png", 0, True),
        ("/data/sub/c.png", 2, True),
        ("c.png", -1, False),  # of two
        ("third/c.png", -1, False),
        ("sub/d.png", 4, True),
        ("\u00e9.png", 5, False),  # composed
        ("f.png", 6, False),  # exactly, though another ends so
        ("x/f.png", 7, False),
        ("/y/x/f.png", 7, True),  # the longest end
        ("/y/f.png", 6, True),
        ("g.png", -1, False),
        ("", -1, False),
        ("sub", -1, False),
    ],
)
def test_names_are_those_of_one_image_or_of_none(name, place, noted):
    places, others = places_of_names([name], KNOWN, extension=True)
    assert places.tolist() == [place]
    assert others == ([(name, KNOWN[place])] if noted else [])


@pytest.mark.parametrize(
    ("name", "place"), [("a", 0), ("a.jpg", 0), ("b", 1), ("sub/c", 2), ("c", -1), ("/data/sub/b.jpg", 1), (".", -1)]
)
def test_extensions_may_be_left_out_where_that_is_said(name, place):
    assert places_of_names([name], KNOWN, extension=False)[0].tolist() == [place]
    if "." not in name:
        assert places_of_names([name], KNOWN, extension=True)[0].tolist() == [-1]


def test_boxes_of_paths_of_another_machine_are_of_the_images_that_there_are(tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png"):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / name)
    path = tmp_path / "t.csv"
    path.write_text("image,label,score,x,y,width,height\nD:\\photos\\sub\\b.png,cat,0.5,1,2,3,4\n")
    found = sets_of_boxes({"ours": folder}, found=path)["ours"]
    assert [found.images[place] for place in found.image] == ["sub/b.png"]
    assert found.identity["warnings"] == [
        f"{path}: 1 image was found by the end of their name only, first 'D:\\\\photos\\\\sub\\\\b.png', which is "
        "'sub/b.png'"
    ]
    truth = tmp_path / "truth.csv"
    truth.write_text("image,label,x,y,width,height\nsub/b.png,cat,1,2,3,4\nc.png,cat,1,2,3,4\n")
    own = read_found_boxes(path, truth=read_true_boxes(truth))
    assert [own.images[place] for place in own.image] == ["sub/b.png"]
    assert "by the end of their name only" in own.identity["warnings"][0]
    path.write_text("image,label,score,x,y,width,height\nb.png,cat,0.5,1,2,3,4\nsub/b.png,cat,0.5,1,2,3,4\n")
    with pytest.raises(InputError, match=r"t\.csv calls one image of .*truth\.csv by two names"):
        read_found_boxes(path, truth=read_true_boxes(truth))
    path.write_text("image,label,score,x,y,width,height\nd.png,cat,0.5,1,2,3,4\n")
    with pytest.raises(
        InputError, match=r"has boxes of 'd\.png', and there is no such image in ours, or more than one"
    ):
        sets_of_boxes({"ours": folder}, found=path)


def test_an_image_of_another_folder_without_a_box_takes_no_place(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "photos" / "a.png")
    box, sizes = np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[8, 9], [7, 7]])
    one = np.array([0])
    found = FoundBoxes("x", ("a.png", "old/a.png"), ("cat",), one, one, box, np.array([0.5]), sizes=sizes)
    path = write_found_boxes(found, tmp_path / "own.json")
    (own,) = sets_of_boxes({"ours": tmp_path / "photos"}, found=path).values()
    assert (own.images, len(own)) == (("a.png",), 1)
    assert own.sizes is not None
    assert own.sizes.tolist() == [[8, 9]]
