"""Alpha-precision and beta-recall against the published procedure in plain NumPy, and known behaviour."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from scipy.spatial.distance import cdist

from jaxeval.errors import InputError
from jaxeval.ops import alpha_precision


def published(x, y, steps=30):
    """The library's steps, with brute-force neighbours."""
    alphas = np.linspace(0, 1, steps)
    centre, other = x.mean(0), y.mean(0)
    radii = np.quantile(np.sqrt(((x - centre) ** 2).sum(1)), alphas)
    to_centre = np.sqrt(((y - centre) ** 2).sum(1))
    own = (cdist(x, x) + np.diag([np.inf] * len(x))).min(1)
    across = cdist(x, y)
    closest = np.sqrt(((y[across.argmin(1)] - other) ** 2).sum(1))
    reach = np.quantile(closest, alphas)
    precision = np.array([(to_centre <= r).mean() for r in radii])
    recall = np.array([((across.min(1) <= own) & (closest <= r)).mean() for r in reach])
    step = alphas[1] - alphas[0]
    return *(1 - 2 * np.abs(alphas - curve).sum() * step for curve in (precision, recall)), precision, recall


@pytest.mark.parametrize(("n", "m", "d"), [(60, 60, 3), (40, 90, 12)])
def test_equals_the_published_procedure(n, m, d):
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal((n, d)) + 5, 0.9 * rng.standard_normal((m, d)) + 5.1
    found, expected = alpha_precision(reference=x, generated=y), published(x, y)
    assert found[:2] == pytest.approx(expected[:2], rel=1e-12)
    np.testing.assert_array_equal(found.precision_curve, expected[2])
    np.testing.assert_array_equal(found.recall_curve, expected[3])
    assert found.recall_curve[-1] == found.covered.mean()


def test_signed_areas():
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal((90, 3)), 0.9 * rng.standard_normal((80, 3))
    found = alpha_precision(reference=x, generated=y, signed=True)
    assert found.precision == pytest.approx(1 - 2 / 29 * (found.levels - found.precision_curve).sum(), rel=1e-12)
    # Nearer to the centre at every level: the curve is above the diagonal.
    assert found.precision > 1 > alpha_precision(reference=x, generated=y).precision
    wide = [alpha_precision(reference=x, generated=3 * y, signed=signed).precision for signed in (True, False)]
    assert wide[0] == pytest.approx(wide[1], abs=0.01)


def test_copies_are_ideal_in_precision():
    x = np.random.default_rng(0).standard_normal((500, 5))
    found = alpha_precision(reference=x, generated=x.copy())
    assert found.precision == pytest.approx(1, abs=0.01)
    assert found.recall == pytest.approx(1, abs=0.01)


def test_held_out_data_cover_half_of_the_reference():
    x, y = np.random.default_rng(1).standard_normal((2, 1500, 6))
    found = alpha_precision(reference=x, generated=y)
    assert found.precision > 0.95
    # Of two nearest samples, one of either set, each is as likely to be the nearer.
    assert found.covered.mean() == pytest.approx(0.5, abs=0.04)
    assert found.recall == pytest.approx(0.5, abs=0.06)


def test_samples_at_the_mode_are_precise_at_every_level_but_not_typical():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((400, 8)), 1e-3 * rng.standard_normal((300, 8))
    found = alpha_precision(reference=x, generated=y)
    assert (found.precision_curve[1:] == 1).all()
    assert found.precision < 0.1
    assert (found.levels_of_generated == 0).all()
    assert found.covered.mean() < 0.2


@defaults_of(DEFAULTS, "alpha_precision")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 1}, "steps is 1"),
        ({"reference": np.ones((1, 3))}, "reference has 1 rows"),
        ({"generated": np.ones((4, 2))}, "same extractor"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        alpha_precision(**({"reference": np.eye(3), "generated": np.eye(3)} | arguments))
