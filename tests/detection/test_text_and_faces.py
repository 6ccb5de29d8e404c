"""Text and faces on real pictures: words drawn on photographs are read, faces in photographs are counted."""

import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from skimage import data

from jaxeval.detection import find_boxes, load_detector
from jaxeval.errors import InputError, MissingPackageError

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
needs_rapidocr = pytest.mark.skipif(sys.version_info >= (3, 13), reason="RapidOCR has no package for this Python")


def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(data, name)())


def with_words(image: Image.Image, words: str, *, font: str, size: int) -> tuple[Image.Image, list[int]]:
    """The words in white on a dark sign in the picture, and the box around their letters."""
    image, letters = image.copy(), ImageFont.truetype(str(FONTS / f"{font}.ttf"), size)
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = map(int, draw.textbbox((30, 120), words, font=letters))
    draw.rectangle([left - 8, top - 8, right + 8, bottom + 8], fill=(20, 40, 60))
    draw.text((30, 120), words, font=letters, fill=(250, 250, 245))
    return image, [left, top, right, bottom]


def overlap(one: list[float], two: list[float]) -> float:
    """Intersection over union of boxes by corners."""
    sides = [min(one[i + 2], two[i + 2]) - max(one[i], two[i]) for i in (0, 1)]
    shared = max(0.0, sides[0]) * max(0.0, sides[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return shared / (sum(areas) - shared)


def blurred(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius))


def as_one(text: str) -> str:
    return "".join(text.split())  # RapidOCR leaves some spaces out


# Text.


@needs_rapidocr
def test_words_in_a_photograph_are_read_where_they_are():
    picture, place = with_words(photograph("astronaut"), "Bakery", font="DejaVuSerif", size=40)
    found = find_boxes([picture], "ocr")
    assert found.texts == ("Bakery",)
    assert found.labels == ("text",)
    left, top, width, height = found.boxes[0].tolist()
    assert overlap([left, top, left + width, top + height], [float(end) for end in place]) > 0.6
    assert 0.5 <= found.scores[0] <= 1


@needs_rapidocr
@pytest.mark.slow
def test_words_of_many_fonts_and_sizes_are_read_and_blurred_ones_are_not():
    detector, read, read_blurred, drawn = load_detector("ocr"), 0, 0, 0
    for name in ("astronaut", "chelsea"):
        for font in ("DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral", "cmss10"):
            for words, size in (("Grand Hotel", 26), ("EXIT 42", 34), ("Open daily", 44)):
                picture, _ = with_words(photograph(name), words, font=font, size=size)
                drawn += 1
                for image, radius in ((picture, 0), (blurred(picture, size / 4), size / 4)):
                    (found,) = detector([np.asarray(image)])
                    text = as_one("".join(found.texts or ()))
                    if radius:
                        read_blurred += text == as_one(words)
                    else:
                        read += text == as_one(words)
    assert drawn == 30
    assert read >= 28
    assert read_blurred <= 5


@needs_rapidocr
def test_nothing_is_read_where_nothing_is_written():
    found = find_boxes([photograph("chelsea")], "ocr")
    assert (len(found), found.texts) == (0, ())


@needs_rapidocr
def test_options_and_models_are_what_it_is_known_by():
    usual, other = load_detector("ocr"), load_detector("ocr?text_score=0.999&use_cls=no")
    assert usual.identity["options"]["text_score"] == 0.5
    assert other.identity["options"] == {**usual.identity["options"], "text_score": 0.999, "use_cls": False}
    digests = usual.identity["files"]
    assert len(digests) == 4
    assert all(len(digest) == 64 for digest in digests.values())
    picture, _ = with_words(photograph("astronaut"), "OPEN DAILY", font="DejaVuSans", size=24)
    assert len(find_boxes([picture], other)) < len(find_boxes([picture], usual)) == 1
    assert load_detector("ocr?threads=1").identity == usual.identity


@needs_rapidocr
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ocr?text_score=2", "the detector ocr has text_score=2; give a number from 0 to 1"),
        ("ocr?text_score=nan", "has text_score=nan"),
        ("ocr?language=ch", "the detector ocr has no option 'language'; it has box_thresh, max_side_len"),
        ("ocr?threads=1000", "has threads=1000"),
    ],
)
def test_options_of_reading_are_checked(spec, message):
    with pytest.raises(InputError, match=message):
        load_detector(spec)


@needs_rapidocr
@pytest.mark.parametrize("shape", [(1, 1), (3, 12), (12, 3), (31, 33)])
def test_images_of_any_shape_are_looked_at(shape):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for spec in ("ocr", "faces"):
        (found,) = load_detector(spec)([noise])
        assert found.boxes.shape == (len(found), 4)


@needs_rapidocr
def test_an_image_that_it_fails_on_is_known_by_name(tmp_path):
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((1, 3000, 3), np.uint8)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"^b\.png: the detector ocr takes images .* has 1 x 3000 pixels"):
        find_boxes(tmp_path, "ocr")


# Faces.

FACE = (slice(0, 250), slice(100, 350))  # of the astronaut's picture


def montage(count: int) -> Image.Image:
    """Some copies of one face in a row, with a photograph of a cat between them."""
    face, cat = photograph("astronaut"), photograph("chelsea").resize((250, 250))
    tiles = [np.asarray(face)[FACE] for _ in range(count)]
    return Image.fromarray(np.concatenate([np.asarray(cat), *tiles, np.asarray(cat)], 1))


def test_the_face_in_a_photograph_is_found_where_it_is():
    found = find_boxes([photograph("astronaut")], "faces")
    assert found.labels == ("face",)
    left, top, width, height = found.boxes[0].tolist()
    assert len(found) == 1
    assert overlap([left, top, left + width, top + height], [175.0, 70.0, 275.0, 170.0]) > 0.7


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_faces_are_counted(count):
    found = find_boxes([montage(count)], "faces?min_neighbors=6")
    assert len(found) == count
    assert sorted(round(left / 250) for left in found.boxes[:, 0] - 70) == list(range(1, count + 1))


def test_blurred_faces_are_none():
    counts = [len(find_boxes([blurred(montage(3), radius)], "faces?min_neighbors=6")) for radius in (0, 16)]
    assert counts == [3, 0]


def test_other_cascades_and_their_parameters_have_names():
    eyes = find_boxes([photograph("astronaut")], "faces?cascade=eye")
    assert eyes.labels == ("eye",)
    assert len(eyes) >= 2
    assert len(find_boxes([photograph("astronaut")], "faces?min_size=150")) == 0
    assert len(find_boxes([photograph("astronaut")], "faces?max_size=50")) == 0
    one, two = load_detector("faces?equalise=yes"), load_detector("faces")
    assert one.identity["options"] == {**two.identity["options"], "equalise": True}
    assert len(two.identity["sha256"]) == 64


def test_scores_are_weights_that_have_no_bounds_and_fall():
    found = find_boxes([montage(3)], "faces?min_neighbors=0")
    assert len(found) > 20  # every window by itself
    assert found.scores.max() > 1
    assert (np.diff(found.scores) <= 0).all()


def test_the_same_is_found_as_without_weights():
    import cv2

    file = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
    classifier = cv2.CascadeClassifier(str(file))
    for image in (photograph("astronaut"), montage(3), photograph("coffee"), photograph("chelsea")):
        gray = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY)
        theirs = np.array(classifier.detectMultiScale(gray)).reshape(-1, 4)
        (ours,) = load_detector("faces")([np.asarray(image)])
        assert sorted(ours.boxes.tolist()) == sorted(theirs.tolist())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("faces?cascade=../../etc/passwd", "has no cascade '../../etc/passwd'; choose from eye, eye_tree"),
        ("faces?scale_factor=1", "has scale_factor=1; give a number from 1.01 to 4"),
        ("faces?min_neighbors=-1", "has min_neighbors=-1"),
        ("faces?equalise=1.5", "has equalise=1.5; give yes or no"),
        ("faces?minNeighbors=3", "has no option 'minNeighbors'; it has cascade"),
    ],
)
def test_options_of_faces_are_checked(spec, message):
    with pytest.raises(InputError, match=message):
        load_detector(spec)


@pytest.mark.parametrize(
    ("module", "spec", "extra"),
    [
        ("cv2", "faces", "faces"),
        ("cv2", "ocr", "ocr"),
        ("rapidocr_onnxruntime", "ocr", "ocr"),
        ("onnxruntime", "onnx:m.onnx", "onnx"),
    ],
)
def test_packages_that_are_missing_are_named(monkeypatch, tmp_path, module, spec, extra):
    (tmp_path / "m.onnx").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError, match=rf"^the detector .* needs the package 'jaxeval\[{extra}\]'"):
        load_detector(spec)


def test_an_opencv_that_cannot_be_loaded_says_what_to_do(monkeypatch, tmp_path):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    with pytest.raises(InputError, match=r"cannot be loaded \(libGL.so.1: .*opencv-python-headless<5"):
        load_detector("faces")


def test_an_opencv_without_cascades_says_what_to_do(monkeypatch, tmp_path):
    (tmp_path / "cv2.py").write_text("__version__ = '5.0.0'")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    with pytest.raises(
        InputError, match=r"needs the cascades of OpenCV 4, and this is 5\.0\.0; install it: pip install"
    ):
        load_detector("faces")
