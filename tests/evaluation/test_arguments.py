"""Arguments of a wrong type or out of range: one sentence that names the argument and the right form."""

import inspect
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxeval
from jaxeval.errors import InputError
from jaxeval.pairs import score_pairs

pytestmark = pytest.mark.xdist_group("arguments")  # one worker, which makes the fixture once
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 5, 5, 3)).astype(np.uint8)


class Deaf:
    """Cannot be told of progress."""


EVALUATE = [
    ("metrics", 5, "metrics is 5; give names"),
    ("metrics", ["fd", 3], "metrics is 3; give names"),
    ("metrics", {"fd": 1}, "give names"),
    ("metrics", b"fd", "metrics is b'fd'"),
    ("metrics", dict, "metrics is the class dict; give names"),
    ("extractor", None, "extractor is None; give an Extractor, or the name of one"),
    ("extractor", lambda images: images, "extractor is the function <lambda>; wrap it, .*from_function"),
    ("extractor", ["pixels", 5], "extractor is 5"),
    ("extractor", {"pixels": 1}, "give an Extractor"),
    ("protocol", None, "protocol is None; give a Protocol, or the name of one: torch-fidelity"),
    ("protocol", ["clean-fid", 5], "protocol is 5"),
    ("batch_size", "32", "batch_size is '32'; give a whole number of 1 or more"),
    ("batch_size", 3.5, "batch_size is 3.5; give a whole number"),
    ("batch_size", True, "batch_size is True; give a whole number"),
    ("batch_size", None, "batch_size is None; give a whole number"),
    ("batch_size", math.nan, "batch_size is nan"),
    ("limit", 2.5, "limit is 2.5; give a whole number of 2 or more"),
    ("limit", "5", "limit is '5'"),
    ("seed", -1, "seed is -1; give a whole number from 0 to 4,294,967,295"),
    ("seed", "a", "seed is 'a'"),
    ("seed", 2**32, "seed is 4294967296"),
    ("seed", None, "seed is None"),
    ("num_samples", "5", "num_samples is '5'"),
    ("threads", "x", "threads is 'x'; give a whole number of 1 or more"),
    ("threads", True, "threads is True"),
    ("cache", True, "cache is True; give a path, as text or as a pathlib.Path"),
    ("cache", "", "cache is ''; give a path"),
    ("checkpoint", 5, "checkpoint is 5; give a path"),
    ("checkpoint_every", "1", "checkpoint_every is '1'"),
    ("weights_dir", 5, "weights_dir is 5"),
    ("value_range", 1, r"value_range is 1; give the values of black and white, the lower first, as in \(-1, 1\)"),
    ("value_range", "01", "value_range is '01'"),
    ("value_range", (0, "1"), "value_range is"),
    ("on_error", None, "on_error None is not known; choose 'fail' or 'skip'"),
    ("captions", ["a"], "captions is .*; give a mapping from each image's name to its caption, or a file of them"),
    ("captions", {"a": 1}, "captions is"),
    ("distributed", "yes", "distributed is 'yes'; give True or False"),
    ("stop", True, "stop is True; give a function without arguments"),
    (
        "progress",
        True,
        r"progress is True; give an object with the methods begin, advance and end, .*\(docs/evaluation.md#progress",
    ),
    ("progress", Deaf(), "progress is an object of type Deaf"),
    ("progress", Deaf, "progress is the class Deaf"),
    ("kid_subset_size", 1, "kid_subset_size is 1; give a whole number of 2 or more"),
    ("kid_subsets", 0, "kid_subsets is 0; give a whole number of 1 or more"),
    ("k", 2.5, "k is 2.5; give a whole number of 1 or more"),
    ("is_splits", -1, "is_splits is -1; give a whole number of 1 or more"),
]


@pytest.mark.parametrize(
    ("name", "value", "sentence"), EVALUATE, ids=[f"{name}-{number}" for number, (name, *_) in enumerate(EVALUATE)]
)
def test_an_argument_of_another_type_is_named(name, value, sentence):
    arguments: dict[str, Any] = {"extractor": "pixels", name: value}
    with pytest.raises(InputError, match=sentence):
        jaxeval.evaluate(IMAGES, IMAGES[:4], **arguments)
    with pytest.raises(InputError, match=sentence):
        jaxeval.compare(IMAGES, IMAGES[:4], reference=IMAGES, **arguments)
    for function, more in ((jaxeval.features, ()), (jaxeval.reference_statistics, ("statistics.npz",))):
        if name in inspect.signature(function).parameters and not isinstance(value, list):
            with pytest.raises(InputError, match=sentence):
                function(IMAGES, *more, **arguments)


def test_numbers_of_numpy_are_numbers():
    numbers: dict[str, Any] = {
        "batch_size": np.int64(3),
        "limit": np.int32(4),
        "seed": np.uint8(1),
        "value_range": np.array([0, 255]),
    }
    result = jaxeval.evaluate(IMAGES, IMAGES[:4], extractor="pixels", **numbers)
    assert (result.results[0].n_reference, result.manifest["limit"], result.results[0].seed) == (4, 4, 1)
    assert '"limit": 4' in result.to_json()


def test_signatures_and_documentation_are_the_functions_own():
    assert list(inspect.signature(jaxeval.evaluate).parameters)[:3] == ["reference", "generated", "metrics"]
    assert (jaxeval.evaluate.__doc__ or "").startswith("Measures how far")
    assert (score_pairs.__doc__ or "").startswith("Scores distorted images")


IN_OTHER_FUNCTIONS = [
    ("jaxeval.features(IMAGES, extractor=['pixels'])", r"extractor is \['pixels'\]; give an Extractor"),
    ("jaxeval.features(IMAGES, extractor='pixels', tap=5)", "tap is 5; give the name of a layer"),
    ("jaxeval.features(IMAGES, extractor='pixels', protocol=['adm'])", r"protocol is \['adm'\]"),
    ("jaxeval.reference_statistics(IMAGES, None, extractor='pixels')", "path is None; give a path"),
    ("extractors.load_extractor(None)", "name is None; give the name of an extractor: inception"),
    ("extractors.load_trunk(5)", "name is 5; give the name of a trunk: alexnet"),
    ("extractors.from_function(5, name='mine')", "function is 5; give a function of images"),
    ("extractors.from_function(np.mean, name=5)", "name is 5"),
    ("extractors.from_function(np.mean, name='a', image_size=5)", "image_size is 5; give .height, width."),
    ("extractors.from_function(np.mean, name='a', feature_size='5')", "feature_size is '5'"),
    ("open_source(IMAGES, value_range=1)", "value_range 1 of .* must be two numbers"),
    ("open_source(lambda n, seed: IMAGES[:n], num_samples='5')", "num_samples is '5'"),
    ("open_source(lambda n, seed: IMAGES[:n], num_samples=5, seed='a')", "seed is 'a'"),
    ("load_captions(5)", "path is 5; give a path"),
    ("get_protocols(5)", "protocol is 5; give a Protocol"),
    ("metrics.Collection([metrics.FrechetDistance(4)])", r"metrics is .*such as \{'fid': FrechetDistance\(2048\)\}"),
    ("metrics.Collection(metrics.FrechetDistance(4))", "object of type FrechetDistance; give a mapping"),
    ("metrics.Collection({'a': 5})", "metric 'a' is 5; give a metric of jaxeval.metrics"),
    ("metrics.Collection({'a': metrics.FrechetDistance})", r"the class FrechetDistance; .*FrechetDistance\(...\)"),
    ("metrics.Collection({1: metrics.FrechetDistance(4)})", "give a mapping from the names"),
    ("metrics.Collection({'a': metrics.FrechetDistance(4)}, extractor='inception')", "load_extractor"),
    ("metrics.Collection({'a': metrics.FrechetDistance(4)}, extractor=np.mean)", "from_function"),
    ("metrics.Collection({'a': metrics.FrechetDistance(4)}, taps=['a'])", "taps is"),
    ("metrics.Collection({'a': metrics.FrechetDistance(4)}, names={'a': 'b'})", "the names of 'a' are 'b'"),
    ("metrics.FrechetDistance('4')", "feature_size is '4'; give a whole number of 1 or more"),
    ("metrics.KernelDistance(4, 2.5)", "capacity is 2.5"),
    ("metrics.InceptionScore('10')", "num_classes is '10'"),
    ("metrics.Manifold(4, 9, k='3')", "k is '3'"),
    ("metrics.OfFeatures(4, 9, function='vendi')", "function is 'vendi'; give a function"),
]

_SCRIPT = """
import json, sys
import numpy as np
import jaxeval
from jaxeval import extractors, metrics
from jaxeval.evaluation import get_protocols, load_captions
from jaxeval.images import open_source
IMAGES = np.zeros((8, 5, 5, 3), np.uint8)
said = []
for call in json.load(sys.stdin):
    try:
        eval(call)
        said.append("nothing")
    except Exception as error:
        said.append(f"{type(error).__name__}: {error}")
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said_elsewhere():
    """What the calls say where nobody checks the types of arguments, as the tests do in their own process."""
    calls = [call for call, _ in IN_OTHER_FUNCTIONS]
    run = subprocess.run([sys.executable, "-c", _SCRIPT], input=json.dumps(calls), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return dict(zip(calls, json.loads(run.stdout), strict=True))


@pytest.mark.parametrize(("call", "sentence"), IN_OTHER_FUNCTIONS)
def test_other_functions_name_the_right_form_too(said_elsewhere, call, sentence):
    assert re.search(f"^InputError: .*{sentence}", said_elsewhere[call]), said_elsewhere[call]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("metrics", 5, "metrics is 5; give names, such as 'psnr,ssim'"),
        ("convention", 5, "convention is 5"),
        ("colour", None, "colour is None; give 'own', or a colour by name, such as 'y' or 'rgb2gray'"),
        ("pattern", 4, "pattern is 4; give a name with one \\*, such as"),
        ("modcrop", 2.5, "modcrop is 2.5; give a whole number"),
        ("crop_border", "1", "crop_border is '1'; give a whole number of 0 or more"),
        ("data_range", "x", "data_range is 'x'; give a number"),
        ("batch_size", "4", "batch_size is '4'"),
        ("batch_size", "auto", "batch_size is 'auto'; give a whole number of 1 or more"),
        ("threads", 1.5, "threads is 1.5"),
        ("progress", True, "progress is True"),
        ("distorted", 5, "distorted is 5; give a path"),
        ("distorted", {"a": 5}, "distorted is 5"),
        ("distorted", [IMAGES], "distorted is an object of type ndarray; give a path"),
        ("reference", 5, "reference is 5; give a path"),
    ],
)
def test_pairs_name_their_arguments(name, value, sentence):
    with pytest.raises(InputError, match=sentence):
        score_pairs(**{"reference": Path("a"), "distorted": "b", name: value})
