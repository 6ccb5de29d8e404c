"""The multi-scale intrinsic distance against closed forms, matrix exponentials and piq."""

import importlib

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial.distance
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from parity_stub import torchvision_stub

from jaxeval.errors import InputError
from jaxeval.ops import msid

TEMPERATURES = np.logspace(-1, 1, 256)
WEIGHTS = np.exp(-2 * (TEMPERATURES + 1 / TEMPERATURES))


def circle(count):
    angles = 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def heat_of_circle(count):
    """Of a cycle, whose eigenvalues are 1 - cos(2 pi j / n)."""
    values = 1 - np.cos(2 * np.pi * np.arange(count) / count)
    return np.exp(-np.outer(TEMPERATURES, values)).mean(1)


def heat_by_exponentials(rows, k):
    distances = scipy.spatial.distance.cdist(rows, rows)
    np.fill_diagonal(distances, np.inf)
    joined = np.zeros(distances.shape, bool)
    joined[np.arange(len(rows))[:, None], distances.argsort(1)[:, :k]] = True
    joined |= joined.T
    degrees = joined.sum(1)
    laplacian = np.eye(len(rows)) - joined / np.sqrt(np.outer(degrees, degrees))
    return np.array([np.trace(scipy.linalg.expm(-t * laplacian)) for t in TEMPERATURES]) / len(rows)


def test_circles_have_their_closed_form():
    expected = 1e6 * (WEIGHTS * np.abs(heat_of_circle(7) - heat_of_circle(40))).max()
    found = msid(reference=circle(7), generated=5 * circle(40) - 3, k=2, vectors=None)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_traces_are_those_of_matrix_exponentials():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.beta(0.5, 0.5, size=(31, 5))
    expected = 1e6 * (WEIGHTS * np.abs(heat_by_exponentials(x, 5) - heat_by_exponentials(y, 5))).max()
    np.testing.assert_allclose(msid(reference=x, generated=y, vectors=None), expected, rtol=1e-9)


def test_as_many_steps_as_rows_leave_only_the_noise_of_the_vectors():
    """A graph in parts, whose vectors' spaces end early, is estimated too; more vectors bring it nearer."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(12, 2)), 100 + rng.normal(size=(12, 2))])
    y = rng.normal(size=(20, 8))
    exact = msid(reference=x, generated=y, vectors=None)
    few, many = (msid(reference=x, generated=y, vectors=vectors, steps=24) for vectors in (5, 4000))
    assert abs(many - exact) < 0.03 * exact
    assert abs(few - exact) > 2 * abs(many - exact)
    # Ten steps are as good as all: the exponential is smooth over eigenvalues from 0 to 2.
    whole, ten = (msid(reference=x, generated=y, vectors=50, steps=steps) for steps in (24, 10))
    np.testing.assert_allclose(ten, whole, rtol=1e-3)


def test_copies_elsewhere_are_the_same_shape():
    x = np.random.default_rng(2).normal(size=(60, 4))
    assert msid(reference=x, generated=-2 * x + 7) == pytest.approx(0, abs=1e-6)
    assert msid(reference=x, generated=np.concatenate([x, np.zeros((60, 3))], 1)) == pytest.approx(0, abs=1e-6)


@defaults_of(DEFAULTS, "msid")
def test_default_values(example, parameter):
    assert_default(example, parameter)


def test_what_is_wrong_is_named():
    x = np.random.default_rng(3).normal(size=(6, 2))
    for options, message in (
        ({"k": 6}, "reference has 6 rows, too few for their 6 nearest neighbours"),
        ({"vectors": 0}, "vectors=0 and steps=10 must be positive"),
        ({"steps": 0}, "vectors=100 and steps=0 must be positive"),
    ):
        with pytest.raises(InputError, match=message):
            msid(reference=x, generated=x, **options)


# piq draws vectors of its own, each time others; its mean is known to a few per cent from eight draws.
@pytest.mark.parity
@pytest.mark.slow
def test_values_are_piqs_within_its_noise():
    torchvision_stub()
    torch = importlib.import_module("torch")
    piq = importlib.import_module("piq")
    rng = np.random.default_rng(4)
    # piq wants features of one size.
    x, y = np.pad(rng.normal(size=(400, 2)), ((0, 0), (0, 7))), rng.normal(size=(500, 9))
    np.random.seed(0)
    draws = [float(piq.MSID()(torch.from_numpy(x), torch.from_numpy(y))) for _ in range(8)]
    error = np.std(draws, ddof=1) / np.sqrt(8)
    for vectors in (None, 400):
        assert abs(msid(reference=x, generated=y, vectors=vectors) - np.mean(draws)) < 5 * error
    assert error < 0.02 * np.mean(draws)
