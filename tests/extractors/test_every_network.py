"""What every network of `load_extractor` promises, whatever it computes; those with weights have random ones."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilation import quick_compilation
from jaxpr_checks import contractions

from benchmarks.kernels_of_images import import_random_weights
from jaxeval.extractors import Extractor, extractor_names, load_extractor
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.extractors.networks import NETWORKS

_ANY_SIZE = (20, 24)
_MOST_BYTES = 1 << 27  # of weights that a test makes up; of larger networks, their own tests have small ones


def marked(name: str):
    return pytest.param(name, marks=[pytest.mark.slow, pytest.mark.xdist_group(name)]) if name in CATALOGUE else name


def size_of(name: str) -> int:
    return CATALOGUE[name].bytes if name in CATALOGUE else 0


EVERY = pytest.mark.parametrize("name", [marked(name) for name in extractor_names() if size_of(name) < _MOST_BYTES])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory):
    """Loads a network by its name, once."""
    loaded: dict[str, Extractor] = {}

    def load(name: str) -> Extractor:
        if name not in loaded:
            loaded.clear()
            folder: Path | None = None
            if name in CATALOGUE:
                folder = import_random_weights(name, tmp_path_factory.mktemp("weights"))
            loaded[name] = load_extractor(name, weights_dir=folder)
        return loaded[name]

    return load


def images_for(extractor: Extractor, count: int = 3) -> np.ndarray:
    shape = (count, *(extractor.image_size or _ANY_SIZE), 3)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


@EVERY
def test_every_tap_has_its_size_and_does_not_see_the_batch(name, network):
    extractor = network(name)
    assert extractor.name.startswith(name)
    assert extractor.default_tap in extractor.taps
    images = images_for(extractor)
    with quick_compilation():
        found = extractor(images, taps=extractor.taps)
        alone = extractor(images[2:], taps=extractor.taps)
    for tap, size in extractor.taps.items():
        features = np.asarray(found[tap])
        assert features.dtype == np.float32
        assert features.shape == (3, size or features.shape[1])
        assert np.isfinite(features).all()
        assert (features[0] != features[1]).any()
        # Sums over a batch of another size may be added in another order.
        np.testing.assert_allclose(alone[tap][0], features[2], rtol=0, atol=1e-5 * np.abs(features).max())


@EVERY
def test_contractions_are_at_full_precision_and_gradients_finite(name, network):
    extractor = network(name)
    images = images_for(extractor, 2)
    images[1] = 128.0  # an image of one colour

    def total(images):
        return extractor.apply(extractor.params, images)[extractor.default_tap].sum()

    traced = jax.jit(jax.grad(total)).trace(jnp.asarray(images))
    for equation in contractions(traced.jaxpr):
        assert str(equation.params["precision"]).count("HIGHEST") == 2, equation
    with quick_compilation():
        gradient = np.asarray(traced.lower().compile()(images))
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[0]).max() > 0


@EVERY
def test_a_network_is_told_from_others_by_its_fingerprint(name, network):
    extractor = network(name)
    assert extractor.fingerprint is not None
    assert name in extractor.fingerprint
    assert extractor.family
    assert extractor.description
    if name in CATALOGUE:
        assert extractor.weights_hash in extractor.fingerprint
        assert not extractor.weights_published  # these are random


def test_records_have_names_of_their_own():
    for name, record in NETWORKS.items():
        assert record.name == name
        assert record.weights is None or CATALOGUE[name] is record.weights
    assert len(set(extractor_names())) == len(extractor_names())
