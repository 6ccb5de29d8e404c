"""Every value that a protocol fixes, as its reference has it: what `--protocol` says is what is computed."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.protocols import (
    PROTOCOLS,
    DirectionRule,
    ManifoldRule,
    Protocol,
    SplitRule,
    SubsetRule,
    get_protocols,
)
from jaxeval.extractors import load_extractor
from jaxeval.extractors.inception import INCEPTION_SIZE
from jaxeval.extractors.normalisation import Normalisation
from jaxeval.images import open_source, read_batches
from jaxeval.ops.reference_roots import frechet_distance_by_reference

HALVES = Normalisation(offset=127.5, scale=1 / 127.5)  # 2 (x / 255) - 1
BYTES = Normalisation(offset=128.0, scale=1 / 128)  # (x - 128) / 128
THREE = ManifoldRule(k=3, tie="inclusive")


def subsets(rule: str) -> SubsetRule:
    return SubsetRule(rule, subsets=100, size=1000)


def splits(rule: str) -> SplitRule:
    return SplitRule(rule, splits=10)


# Resize, levels of float images, input of the network, ddof, kernel distance, Inception score, precision and recall.
RULES = {
    "torch-fidelity": ("tf1-bilinear", "round", BYTES, 1, subsets("torch-fidelity"), splits("torch-fidelity"), THREE),
    "clean-fid": ("pil-bicubic-float", "round", BYTES, 1, subsets("clean-fid"), None, None),
    "pytorch-fid": ("bilinear", "round", HALVES, 1, None, None, None),
    "adm": ("tf1-bilinear", "truncate", BYTES, 1, None, splits("adm"), THREE),
    "stylegan3": ("tf1-bilinear", "round", BYTES, 0, subsets("clean-fid"), splits("stylegan3"), THREE),
    "edm2": ("tf1-bilinear", "round", BYTES, 1, None, None, None),
    "torchmetrics-1.7": ("tf1-bilinear", "truncate", BYTES, 1, subsets("torchmetrics"), splits("torchmetrics"), None),
    "torchmetrics-1.8": (
        "antialiased-bilinear", "truncate", BYTES, 1, subsets("torchmetrics"), splits("torchmetrics"), None,
    ),
    "imf": ("grid-bilinear", "round", BYTES, 1, None, splits("dgm-eval"), None),
    "drifting": ("grid-bilinear", "truncate", BYTES, 1, None, splits("dgm-eval"), THREE),
    "jax-fid": ("pil-bilinear-uint8", "round", HALVES, 1, None, None, None),
}  # fmt: skip


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_rule_exists_and_images_are_prepared_by_it(name):
    made = PROTOCOLS[name]
    assert made.name == name
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 40, 48, 3)).astype(np.float32)
    source = open_source(pixels, value_range=(-1, 1), name="one image")
    sized = dataclasses.replace(load_extractor("pixels"), image_size=INCEPTION_SIZE, family="inception")
    (batch,) = read_batches(source, [made.preparation(sized)], 1)
    levels = batch.images[0]
    expected = {"network": INCEPTION_SIZE, "own": (40, 48)}.get(str(made.size), made.size)
    assert levels.shape == (1, *expected, 3)
    assert 0 <= levels.min() < levels.max() <= 255
    received = np.asarray(made.normalisation_for(sized)(jnp.asarray(levels)))
    assert -1.1 < received.min() < 0 < received.max() < 1.1  # what the FID Inception network was trained on
    rows = np.random.default_rng(1).standard_normal((2, 60, 4))
    x, y = (ops.gaussian_from_features(part, ddof=made.ddof) for part in rows)
    distance = ops.frechet_distance_between(x, y)
    assert frechet_distance_by_reference(x, y, made.root) == pytest.approx(distance, rel=1e-6)
    if made.subsets is not None:
        ops.kid(reference=rows[0], generated=rows[1], rule=made.subsets.rule, subsets=2, subset_size=20)
    if made.splits is not None:
        ops.inception_score(logits=rows[0], rule=made.splits.rule, splits=2)
    if made.manifold is not None:
        ops.prdc(reference=rows[0], generated=rows[1], k=made.manifold.k, tie=made.manifold.tie)
    if made.directions is not None:
        ops.mind(reference=rows[0], generated=rows[1], rule=made.directions.rule, projections=10)
    assert all(made.words[heading] for heading in made.words if heading != "remarks")


@pytest.mark.parametrize("name", RULES)
def test_a_protocol_is_its_references(name):
    made = PROTOCOLS[name]
    found = made.resize, made.quantise, made.normalisation, made.ddof, made.subsets, made.splits, made.manifold
    assert found == RULES[name]


# Size before the network, images of a batch that must be whole, dtype of the mean, root of the covariances' product.
MORE_RULES = {
    "jax-fid": ("own", 50, "float32", "sqrtm-offset"),
    "imf": ("network", None, "float64", "eigenvalues"),
    "drifting": ("network", None, "float64", "sqrtm-offset"),
    "torch-fidelity": ("network", None, "float64", "eigenvalues"),
    "clean-fid": ("network", None, "float64", "sqrtm-offset"),
    "pytorch-fid": ("network", None, "float64", "sqrtm-offset"),
    "adm": ("network", None, "float64", "sqrtm-offset"),
    "stylegan3": ("network", None, "float64", "sqrtm"),
    "edm2": ("network", None, "float64", "sqrtm"),
    "torchmetrics-1.7": ("network", None, "float64", "eigenvalues-float32"),
    "torchmetrics-1.8": ("network", None, "float64", "eigenvalues-float32"),
}


@pytest.mark.parametrize("name", MORE_RULES)
def test_size_batches_mean_and_root(name):
    made = PROTOCOLS[name]
    assert (made.size, made.whole_batches, made.mean, made.root) == MORE_RULES[name]


def test_a_size_after_the_name_has_images_resized():
    (sized,) = get_protocols("jax-fid@120x80")
    assert (sized.name, sized.size) == ("jax-fid@120x80", (120, 80))
    assert [one.name for one in get_protocols("jax-fid,jax-fid@299x299,jax-fid")] == ["jax-fid", "jax-fid@299x299"]
    for text, message in {
        "imf@64x64": "imf resizes to the network's own size; leave '@64x64' out",
        "jax-fid@299": "give the height and the width in pixels, as in jax-fid@299x299",
        "jax-fid@0x5": "give the height and the width",
        "jax-fid@": "give the height and the width",
        "mine@64x64": "protocol 'mine@64x64' is not known; choose from torch-fidelity",
    }.items():
        with pytest.raises(InputError, match=message):
            get_protocols(text)


def test_torch_fidelity_alone_has_directions_of_mind():
    own = {name: made.directions for name, made in PROTOCOLS.items() if made.directions is not None}
    assert own == {"torch-fidelity": DirectionRule("torch-fidelity", projections=1000, seed=2020)}


@pytest.mark.parametrize(
    ("name", "error"), [("torch-fidelity", True), ("torchmetrics-1.8", True), ("clean-fid", False)]
)
def test_who_shrinks_subsets_and_who_refuses(name, error):
    rule = PROTOCOLS[name].subsets
    assert rule is not None
    assert rule.needs_size == error


def test_defaults():
    assert SubsetRule("clean-fid") == SubsetRule("clean-fid", 100, 1000)
    assert SplitRule("adm") == SplitRule("adm", 10)
    fields = {field.name: field.default for field in dataclasses.fields(Protocol)}
    assert (fields["quantise"], fields["ddof"], fields["networks"]) == ("round", 1, ("inception",))
