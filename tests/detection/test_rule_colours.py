"""Which colour a box has: names of pixels by a published table, and CLIP as GenEval asks it."""

import dataclasses

import numpy as np
import numpy_networks
import pytest
import safetensors.numpy
from PIL import Image
from small_vocabulary import learned_merges, vocabulary_text

from jaxeval.detection import FoundBoxes
from jaxeval.detection.geneval import GenevalGroup, GenevalPrompt, score_geneval
from jaxeval.detection.rules import (
    COLOUR_NAMES,
    ClipColours,
    Crop,
    FoundColour,
    NamedColours,
    load_colours,
    score_rules,
)
from jaxeval.detection.rules.colours import _SURVEY, _lab, geneval_crop
from jaxeval.errors import InputError, WeightsMissingError
from jaxeval.extractors import WeightsStore, clip, load_clip
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.extractors.clip_towers import ClipPlan

MERGES = learned_merges(120)
SMALL = ClipPlan(32, 8, 24, 3, 16, 2, 10, head=8, context=77, vocabulary=512 + len(MERGES) + 2)
NAME = "clip-vit-l-14"


WORDS = ("cat", "house", "sea", "dog", "old station", "sailing boat", "mat", "snow", "window", "roof")


def patch(colour, side=8):
    return np.full((side, side, 3), colour, np.uint8)


def name_of(pixels, box=None, mask=None):
    height, width = pixels.shape[:2]
    crop = Crop(pixels, box or (0.0, 0.0, float(width), float(height)), "x", mask)
    return NamedColours()([crop])[0]


def survey():
    """The colours of the xkcd survey, which matplotlib carries too, by name."""
    from matplotlib.colors import XKCD_COLORS

    return {
        name.removeprefix("xkcd:").replace("grey", "gray"): tuple(bytes.fromhex(str(code)[1:]))
        for name, code in XKCD_COLORS.items()
    }


def test_the_table_is_the_surveys():
    words = ("", "light ", "dark ", "bright ", "deep ", "medium ", "dull ", "pastel ", "vivid ")
    published = survey()
    for name, codes in _SURVEY.items():
        kept = {"black": ("",), "white": ("",), "gray": ("", "medium ")}.get(name, words)
        expected = {published[word + name] for word in kept if word + name in published}
        assert {tuple(code.to_bytes(3, "big")) for code in codes} == expected, name


def test_lab_is_scikit_images():
    from skimage.color import rgb2lab

    levels = np.random.default_rng(1).integers(0, 256, (500, 3))
    # Both round the matrix of sRGB to other digits: 4 against 6.
    np.testing.assert_allclose(_lab(levels.astype(float)), rgb2lab(levels[None].astype(np.uint8))[0], atol=0.03)
    np.testing.assert_allclose(_lab(np.array([[0.0, 0, 0], [255, 255, 255]])), [[0, 0, 0], [100, 0, 0]], atol=1e-12)


def test_other_colours_of_the_survey_have_the_name_that_they_end_with():
    """Names as `grass green`, none of which is in the table: of them the plain ones all agree, most of all do."""
    used = {code for codes in _SURVEY.values() for code in codes}
    right, wrong = [], []
    for name, levels in survey().items():
        *_, last = name.split(" ")
        if last in _SURVEY and " " in name and int.from_bytes(bytes(levels), "big") not in used:
            (right if name_of(patch(levels)).name == last else wrong).append(name)
    assert len(right) + len(wrong) > 300
    assert len(right) > 0.8 * (len(right) + len(wrong))
    clear = {"grass green", "sky blue", "brick red", "lemon yellow", "hot pink", "chocolate brown", "royal blue"}
    assert clear <= set(right)


@pytest.mark.parametrize(
    ("levels", "name"),
    [
        ((255, 0, 0), "red"), ((255, 165, 0), "orange"), ((255, 255, 0), "yellow"), ((0, 128, 0), "green"),
        ((0, 0, 255), "blue"), ((128, 0, 128), "purple"), ((255, 192, 203), "pink"), ((139, 69, 19), "brown"),
        ((0, 0, 0), "black"), ((40, 40, 42), "black"), ((255, 255, 255), "white"), ((215, 213, 210), "white"),
        ((128, 128, 128), "gray"), ((90, 92, 90), "gray"), ((160, 160, 165), "gray"),
    ],
)  # fmt: skip
def test_plain_colours(levels, name):
    assert name_of(patch(levels)) == FoundColour(name, 1.0, "named")


def test_a_box_has_the_colour_of_most_of_its_middle():
    image = patch((0, 128, 0), 40)
    image[10:30, 10:30] = (255, 0, 0)  # the middle half of both sides
    assert name_of(image) == FoundColour("red", 1.0, "named")
    image[10:30, 10:15] = (0, 0, 255)
    assert name_of(image) == FoundColour("red", 0.75, "named")
    # The box alone decides, and not its image.
    assert name_of(image, (0.0, 0.0, 8.0, 8.0)).name == "green"
    assert name_of(image, (10.0, 10.0, 5.0, 20.0)).name == "blue"


def test_with_a_mask_its_pixels_alone_are_asked():
    image = patch((255, 255, 255), 20)
    image[0, :] = (0, 0, 0)
    mask = np.zeros((20, 20), bool)
    mask[0, :15] = True
    assert name_of(image, mask=mask) == FoundColour("black", 1.0, "named")
    mask[:] = False
    assert name_of(image, mask=mask).name is None


@pytest.mark.parametrize(
    "box", [(30.0, 30.0, 5.0, 5.0), (-9.0, 2.0, 5.0, 5.0), (2.0, 2.0, 0.0, 5.0), (2.0, 2.0, 5.0, 0.0)]
)
def test_a_box_without_a_pixel_has_no_colour(box):
    found = name_of(patch((255, 0, 0), 20), box)
    assert found.name is None
    assert str(found) == "of no colour (its box covers no pixel)"
    assert geneval_crop(Crop(patch((255, 0, 0), 20), (2.0, 2.0, 0.3, 5.0), "x")).size == 0


def test_a_box_of_part_of_a_pixel_has_its_colour():
    image = patch((255, 0, 0), 20)
    image[5, 5] = (0, 0, 255)
    assert name_of(image, (5.2, 5.2, 0.5, 0.5)).name == "blue"


def test_boxes_far_beyond_their_image_are_refused_and_not_cut_out():
    for box in ((0.0, 0.0, 1e9, 1e9), (-1e300, 0.0, 1e300, 5.0), (0.0, 90.0, 5.0, 5.0)):
        with pytest.raises(
            InputError, match=r"a box of x at .* is far beyond its image of 20 x 20; give boxes in pixels"
        ):
            geneval_crop(Crop(patch((255, 0, 0), 20), box, "x"))
        assert name_of(patch((255, 0, 0), 20), box).name in ("red", None)


def random_boxes(count):
    rng = np.random.default_rng(5)
    corners = np.sort(rng.uniform(-6, 30, (count, 2, 2)).round(1), axis=1)
    corners[: count // 4] = np.floor(corners[: count // 4]) + 0.5  # half a pixel is rounded to the even one
    return corners.reshape(count, 4).astype(np.float32).astype(float)


@pytest.mark.parametrize("masked", [False, True])
def test_crops_are_pillows_of_the_painted_image(masked):
    """Against Pillow's `composite` and `crop` as GenEval calls them."""
    rng = np.random.default_rng(2)
    image, mask = rng.integers(0, 256, (24, 20, 3), dtype=np.uint8), rng.random((24, 20)) < 0.6
    beside, whole = 0, Image.fromarray(image)
    if masked:
        whole = Image.composite(whole, Image.new("RGB", whole.size, "#999"), Image.fromarray(mask))
    for left, top, right, bottom in random_boxes(200):
        box = (left, top, right - left, bottom - top)
        ours = geneval_crop(Crop(image, box, "x", mask if masked else None))
        theirs = whole.crop((left, top, right, bottom))
        assert ours.shape[:2] == theirs.size[::-1]
        if ours.size:
            np.testing.assert_array_equal(ours, np.asarray(theirs))
            beside += (ours == 0x99).all(-1).any()
    assert bool(beside > 50) is masked


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A small CLIP with random weights under GenEval's name, and its tensors."""
    folder = tmp_path_factory.mktemp("clip")
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(CATALOGUE, NAME, dataclasses.replace(CATALOGUE[NAME], shapes=SMALL.shapes, layouts=()))
        patched.setitem(clip.CLIPS, NAME, (SMALL, "small"))
        state = numpy_networks.random_state_dict(SMALL.shapes(), 5) | {"logit_scale": np.array(4.6, np.float32)}
        store = WeightsStore(folder / "weights")
        safetensors.numpy.save_file(state, folder / "clip.safetensors")
        store.import_file(NAME, folder / "clip.safetensors", unverified=True)
        (folder / "merges.txt").write_text(vocabulary_text(MERGES), encoding="utf-8")
        store.import_file("clip-vocabulary", folder / "merges.txt", unverified=True)
        yield load_clip(NAME, weights_dir=store.folder), state, store.folder


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def originals(state, network, crops):
    """Probabilities by the arithmetic of clip_benchmark's zero-shot classifier, in float64, written out anew."""
    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    found, classes = [], {}
    for label in {crop.label for crop in crops}:
        classes[label] = []
        for colour in ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"):
            texts = [f"a photo of a {colour}{rest}" for rest in (f" {label}", f"-colored {label}", " object")]
            tokenizer = network.tokenizer
            numbers = [[tokenizer.start, *tokenizer.encode(text), tokenizer.end] for text in texts]
            average = unit(numpy_networks.clip_text(state, numbers, 2)).mean(0)
            classes[label].append(average / np.linalg.norm(average))
    for crop in crops:
        left, top, width, height = crop.box
        image = Image.fromarray(crop.image)
        if crop.mask is not None:
            image = Image.composite(image, Image.new("RGB", image.size, "#999"), Image.fromarray(crop.mask))
        image = image.crop((left, top, left + width, top + height))
        short = min(image.size)
        image = image.resize((32 * image.width // short, 32 * image.height // short), Image.Resampling.BICUBIC)
        x, y = (round((side - 32) / 2) for side in image.size)
        pixels = (np.asarray(image.crop((x, y, x + 32, y + 32))) / 255 - mean) / deviation
        logits = 100 * unit(numpy_networks.clip_image(state, pixels[None], 3)) @ np.array(classes[crop.label]).T
        found.append(np.exp(logits[0] - logits.max()) / np.exp(logits[0] - logits.max()).sum())
    return np.array(found)


def test_clip_is_the_originals_arithmetic(network):
    clip_network, state, _ = network
    rng = np.random.default_rng(8)
    image = np.kron(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), np.ones((10, 10, 1), np.uint8))
    mask = rng.random((60, 80)) < 0.8
    boxes = [(0.0, 0.0, 80.0, 60.0), (3.0, 2.0, 40.0, 20.0), (10.0, 5.0, 9.0, 50.0), (70.0, 40.0, 20.0, 30.0)]
    boxes += [(float(x), float(y), 2.0 * y + 8, 1.5 * x + 8) for x, y in rng.integers(0, 30, (20, 2))]
    crops = [
        Crop(image, box, WORDS[place % len(WORDS)], mask if place % 2 else None) for place, box in enumerate(boxes)
    ]
    colours = ClipColours(clip_network)
    found = colours(crops)
    expected = originals(state, clip_network, crops)
    names = COLOUR_NAMES["clip"]
    assert [one.name for one in found] == [names[place] for place in expected.argmax(1)]
    # Embeddings agree to 1e-5 of the largest value (docs/precision.md), cosines to twice that and logits, 100 times as
    # much, to 2e-3; a probability moves by no more than its logits do.
    np.testing.assert_allclose([one.share for one in found], expected.max(1), atol=2e-3)
    assert len({one.name for one in found}) >= 3
    assert colours.identity["network"] == NAME
    assert str(found[0]).startswith(f"{found[0].name} (by CLIP, probability ")


def test_labels_have_descriptions_of_their_own(network):
    clip_network, state, _ = network
    image = np.random.default_rng(9).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    crops = [Crop(image, (0.0, 0.0, 40.0, 40.0), label) for label in ("cat", "house", "cat", "sea")]
    shares = [one.share for one in ClipColours(clip_network)(crops)]
    expected = [originals(state, clip_network, [crop]).max() for crop in crops]
    np.testing.assert_allclose(shares, expected, atol=2e-3)
    assert shares[0] == shares[2] != shares[1]


def test_a_box_without_a_pixel_is_no_crop_for_clip(network):
    crops = [Crop(patch((255, 0, 0), 20), box, "cat") for box in ((2.0, 2.0, 0.2, 5.0), (2.0, 2.0, 9.0, 9.0))]
    found = ClipColours(network[0])(crops)
    assert found[0].name is None
    assert found[1].name is not None


def test_ways_by_name(network):
    assert isinstance(load_colours("named"), NamedColours)
    assert isinstance(load_colours("clip", weights_dir=network[2]), ClipColours)
    own = NamedColours()
    assert load_colours(own) is own
    with pytest.raises(InputError, match="colours is 'CLIP'; give 'named' or 'clip'"):
        load_colours("CLIP")


def test_clip_without_weights_says_how_to_get_them_and_never_takes_another_way(tmp_path):
    with pytest.raises(WeightsMissingError, match="jaxeval weights download clip-vit-l-14"):
        load_colours("clip", weights_dir=tmp_path)


def test_clip_without_a_vocabulary_says_so_at_once(network, tmp_path):
    store = WeightsStore(tmp_path / "weights")
    path = tmp_path / "clip.safetensors"
    safetensors.numpy.save_file(network[1], path)
    store.import_file(NAME, path, unverified=True)
    with pytest.raises(WeightsMissingError, match="clip-vocabulary"):
        load_colours("clip", weights_dir=store.folder)


def test_geneval_asks_clip_and_rules_may(network, tmp_path):
    """From files of images to verdicts: the colour is CLIP's, of the most confident box."""
    clip_network, _, folder = network
    rng = np.random.default_rng(12)
    pixels = np.kron(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), np.ones((10, 10, 1), np.uint8))
    Image.fromarray(pixels).save(tmp_path / "00000.png")
    boxes = np.array([[0.0, 0.0, 20.0, 20.0], [30.0, 10.0, 30.0, 44.0]])
    found = FoundBoxes(
        "ours", ("00000.png",), ("cat",), np.zeros(2, int), np.zeros(2, int), boxes, np.array([0.5, 0.8])
    )
    (told,) = ClipColours(clip_network)([Crop(pixels, (30.0, 10.0, 30.0, 44.0), "cat")])
    other = next(name for name in COLOUR_NAMES["clip"] if name != told.name)
    for colour, right in ((told.name, 1.0), (other, 0.0)):
        prompt = GenevalPrompt("00000", "colors", "a cat", (GenevalGroup("cat", 1, colour),))
        result = score_geneval([prompt], tmp_path, found=found, weights_dir=folder)
        rule = {"object": {"label": "cat", "colour": colour, "confidence": 0.6}}
        document = {"format": "jaxeval rules 1", "prompts": [{"name": "00000", "rule": rule}]}
        by_rules = score_rules(document, tmp_path, found=found, colours="clip", weights_dir=folder)
        for one in (result, by_rules):
            assert one.scores[0].value == right
            assert one.manifest["parameters"]["colours"] == {
                "way": "clip", "network": NAME, "weights": clip_network.weights_hash
            }  # fmt: skip
            if not right:
                assert f"is {told}" in one.outcomes[0].reasons[0]
