"""What every source that is one file of many images promises, by the ending of its name."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_samples import encode, write_zip
from PIL import Image

from jaxeval.errors import InputError
from jaxeval.images import Item, Source, open_source
from jaxeval.images.opening import FILE_SOURCES

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 1), dtype=np.uint8)
EVERY = pytest.mark.parametrize("ending", FILE_SOURCES)


def zip_of_pixels(path: Path) -> None:
    write_zip(path, {f"{number}.png": encode(pixels[..., 0], "PNG") for number, pixels in enumerate(PIXELS)})


# Writes `PIXELS` into a file of that ending.
WRITERS: dict[str, Callable[[Path], None]] = {".zip": zip_of_pixels}
"""A new kind of file that has a writer here is tested with images too."""
WRITTEN = pytest.mark.parametrize("ending", WRITERS)


def pixels_of(item: Item) -> np.ndarray:
    content = item.read()
    if isinstance(content, bytes):
        content = np.asarray(Image.open(io.BytesIO(content)))
    return np.asarray(content).reshape(PIXELS.shape[1:])


@pytest.fixture
def source(ending: str, tmp_path: Path) -> Source:
    path = tmp_path / f"images{ending}"
    WRITERS[ending](path)
    return open_source(path)


@WRITTEN
def test_images_come_in_order_as_often_as_they_are_asked_for(source):
    assert len(source) == len(PIXELS)
    for _ in range(2):
        np.testing.assert_array_equal([pixels_of(item) for item in source.items()], PIXELS)
    names = [item.name for item in source.items()]
    assert names == list(source.names())
    assert len(set(names)) == len(names)


@WRITTEN
def test_some_images_are_those_of_their_places(source):
    places = np.array([1, 2, 4])
    np.testing.assert_array_equal([pixels_of(item) for item in source.select(places)], PIXELS[places])


@WRITTEN
def test_the_fingerprint_is_that_of_the_images_wherever_they_lie(source, ending, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / f"other{ending.upper()}"
    WRITERS[ending](path)
    assert open_source(path).fingerprint() == source.fingerprint() is not None
    assert source.name.endswith(f"images{ending}")


@EVERY
@pytest.mark.parametrize("content", [b"", b"no such file of images", bytes(4096)])
def test_other_content_is_refused_by_the_files_name(ending, content, tmp_path):
    path = tmp_path / f"broken{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        list(open_source(path).items())
    message = str(error.value)
    assert f"broken{ending}" in message
    assert "\n" not in message
    assert not message.endswith((".", "!"))


@EVERY
def test_a_file_that_is_not_there_is_named(ending, tmp_path):
    with pytest.raises(InputError, match=rf"missing{re.escape(ending)} does not exist"):
        open_source(tmp_path / f"missing{ending}")


@EVERY
def test_several_files_are_not_one_set(ending, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}{ending}").write_bytes(b"")
    with pytest.raises(InputError, match="matches files of several kinds; give one "):
        open_source(str(tmp_path / f"*{ending}"))
