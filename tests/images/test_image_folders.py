"""Folders, globs and single files: what is found, in which order, and what is left out."""

import os

import numpy as np
import pytest
from image_samples import encode, noise, read_all, write_folder

from jaxeval.errors import InputError
from jaxeval.images import ReadReport, open_source

ONE = encode(noise(4, 5, 3, seed=1), "PNG")
TWO = encode(noise(4, 5, 3, seed=2), "PNG")


def names(spec, **options):
    return [item.name for item in open_source(spec, **options).items()]


def test_order_is_bytewise_over_relative_paths(tmp_path):
    write_folder(tmp_path, dict.fromkeys(["b/1.png", "a.png", "a/2.png", "B.png", "10.png", "9.png", "a/é.png"], ONE))
    assert names(tmp_path) == ["10.png", "9.png", "B.png", "a.png", "a/2.png", "a/é.png", "b/1.png"]


def test_extensions_in_any_case_and_the_rest_is_counted(tmp_path):
    junk = ["README.txt", "Thumbs.db", "labels.json", ".DS_Store", "._a.png", ".cache/x.png", "noextension"]
    write_folder(tmp_path, dict.fromkeys(["a.PNG", "b.JpEg", *junk], ONE))
    report = ReadReport()
    assert list(read_all(tmp_path, report=report)) == ["a.PNG", "b.JpEg"]
    assert report.count == 2
    assert report.notes == {"file without an image extension ignored": 4, "hidden file or folder ignored": 3}


def test_links_are_followed_and_loops_end(tmp_path):
    write_folder(tmp_path, {"real/a.png": ONE, "z/b.png": TWO})
    write_folder(tmp_path / "elsewhere", {"c.png": ONE})
    root = tmp_path / "set"
    root.mkdir()
    (root / "class").symlink_to(tmp_path / "real")
    (root / "again").symlink_to(tmp_path / "real")
    (root / "file.png").symlink_to(tmp_path / "z/b.png")
    (tmp_path / "real/up").symlink_to(root)
    report = ReadReport()
    assert list(read_all(root, report=report)) == ["again/a.png", "file.png"]
    assert report.notes["link to a folder that is read already ignored"] == 2


def test_pipes_named_like_images_do_not_hang(tmp_path):
    write_folder(tmp_path, {"a.png": ONE})
    os.mkfifo(tmp_path / "pipe.png")
    report = ReadReport()
    assert list(read_all(tmp_path, report=report)) == ["a.png"]
    assert report.notes == {"link, pipe or device ignored": 1}
    with pytest.raises(InputError, match="no images"):
        open_source(tmp_path / "pipe.png")


def test_a_broken_link_is_an_unreadable_image(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match=r"gone\.png cannot be read: No such file"):
        read_all(tmp_path)


def test_a_link_to_itself_is_an_unreadable_image(tmp_path):
    write_folder(tmp_path, {"b.png": ONE})
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    report = ReadReport()
    assert list(read_all(tmp_path, on_error="skip", report=report)) == ["b.png"]
    assert [name for name, _ in report.skipped] == ["a.png"]


def test_names_that_are_not_utf8_are_read_and_printable(tmp_path):
    with open(os.path.join(os.fsencode(tmp_path), b"caf\xe9.png"), "wb") as file:
        file.write(ONE)
    (name,) = read_all(tmp_path)
    assert name == "caf\\xe9.png"


@pytest.mark.parametrize("content", [{}, {"notes.txt": b"x"}])
def test_folders_without_images_say_what_is_read(tmp_path, content):
    write_folder(tmp_path, content)
    with pytest.raises(InputError, match=r"holds no images.*\.avif, \.bmp, .*\.jp2, .*\.pgm, .*\.ppm, .*\.webp$"):
        open_source(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.zip", "nowhere.npy", "nowhere-{00..03}.tar", "nowhere/*.png"])
def test_missing_paths_are_named(tmp_path, name):
    with pytest.raises(InputError, match="nowhere"):
        open_source(tmp_path / name)


def test_globs_and_single_files(tmp_path):
    write_folder(tmp_path, dict.fromkeys(["x/1.png", "x/2.png", "y/3.png", "y/notes.txt", "odd[1].png"], ONE))
    assert names(str(tmp_path / "x/*.png")) == ["1.png", "2.png"]
    assert names(str(tmp_path / "**/*.png")) == ["odd[1].png", "x/1.png", "x/2.png", "y/3.png"]
    assert names(str(tmp_path / "{x,y}/*")) == ["x/1.png", "x/2.png", "y/3.png"]
    assert names(str(tmp_path / "x/{2..2}.png")) == ["2.png"]
    assert names(tmp_path / "odd[1].png") == ["odd[1].png"]
    with pytest.raises(InputError, match="no images"):
        open_source(tmp_path / "y/notes.txt")


def test_the_name_is_what_the_user_wrote(tmp_path, monkeypatch):
    write_folder(tmp_path / "set", {"a.png": ONE})
    monkeypatch.chdir(tmp_path)
    assert open_source("set").name == "set"
    assert open_source("./set/").name == "./set/"
    assert open_source("set", name="mine").name == "mine"


def test_fingerprints_are_of_the_content_alone(tmp_path):
    files = {"a.png": ONE, "b/c.png": TWO}
    first = open_source(write_folder(tmp_path / "one", files)).fingerprint()
    assert first is not None
    assert len(first) == 64
    assert open_source(write_folder(tmp_path / "deep/two", files | {"notes.txt": b"x"})).fingerprint() == first
    changed = {
        "bytes": {"a.png": ONE, "b/c.png": TWO + b"\0"},
        "name": {"a.png": ONE, "b/d.png": TWO},
        "swapped": {"a.png": TWO, "b/c.png": ONE},
        "fewer": {"a.png": ONE},
    }
    prints = {open_source(write_folder(tmp_path / key, files)).fingerprint() for key, files in changed.items()}
    assert len(prints | {first}) == 5


def test_a_source_is_returned_as_it_is():
    source = open_source(np.zeros((2, 8, 8, 3), np.uint8))
    assert open_source(source) is source
