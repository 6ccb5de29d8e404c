"""PRD curves against their definition and on separated clusters."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS

from jaxeval.errors import InputError
from jaxeval.ops.prd import PRDCurve, prd_curve, prd_f_scores, precision_recall_distribution


def test_curve_follows_its_definition():
    r, g = np.array([4.0, 1, 0, 5]), np.array([0.25, 0.25, 0.5, 0])
    curve = prd_curve(reference=r, generated=g, angles=5)
    for precision, recall, degrees in zip(*curve, [0, 22.5, 45, 67.5, 90], strict=True):
        slope = np.tan(np.clip(np.radians(degrees), 1e-10, np.pi / 2 - 1e-10))
        expected = sum(min(slope * a, b) for a, b in zip(r / 10, g, strict=True))
        assert (precision, recall) == pytest.approx((expected, expected / slope), rel=1e-9, abs=1e-12)
    # All precision is the generated mass on states of the reference, and the other way round.
    assert (curve.precision[-1], curve.recall[0]) == pytest.approx((0.5, 0.5))


def test_identical_and_disjoint_distributions():
    same = prd_curve(reference=np.ones(4), generated=np.ones(4))
    assert np.maximum(same.precision, same.recall) == pytest.approx(np.ones(1001))
    apart = prd_curve(reference=np.array([1, 0]), generated=np.array([0, 3]))
    assert not np.any(apart)
    assert prd_f_scores(apart) == (0, 0)
    assert prd_f_scores(same) == pytest.approx((1, 1))


def test_f_scores_weigh_recall_and_precision():
    curve = PRDCurve(np.array([0.2, 0.5, 0.9]), np.array([0.8, 0.5, 0.1]))
    expected = [max(65 * p * r / (64 * p + r) for p, r in zip(*curve, strict=True))]
    expected.append(max((1 + 1 / 64) * p * r / (p / 64 + r) for p, r in zip(*curve, strict=True)))
    assert prd_f_scores(curve) == pytest.approx(tuple(expected))


def modes(which, per_mode, seed, offset=0.0):
    rng = np.random.default_rng(seed)
    centres = 10 * np.random.default_rng(99).standard_normal((6, 12))
    return np.concatenate([centres[i] + 0.3 * rng.standard_normal((per_mode, 12)) for i in which]) + offset


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_dropped_and_invented_modes(offset):
    # The reference has modes 0-3; the generator knows 0 and 1 and invents 4: P = 2/3, R = 1/2.
    x, y = modes([0, 1, 2, 3], 60, 0, offset), modes([0, 1, 4], 50, 1, offset)
    curve = precision_recall_distribution(reference=x, generated=y, clusters=5, runs=4)
    assert curve.precision.max() == pytest.approx(2 / 3, abs=0.03)
    assert curve.recall.max() == pytest.approx(1 / 2, abs=0.03)


def test_a_seed_repeats_and_swapping_roles_mirrors_the_curve():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 5)), rng.standard_normal((150, 5)) + 0.5
    curve, again = (precision_recall_distribution(reference=x, generated=y, seed=4) for _ in range(2))
    np.testing.assert_array_equal(curve, again)
    histograms = np.array([3.0, 1, 4]), np.array([2.0, 5, 1])
    one = prd_curve(reference=histograms[0], generated=histograms[1])
    other = prd_curve(reference=histograms[1], generated=histograms[0])
    np.testing.assert_allclose(one.precision, other.recall[::-1], atol=1e-9)


@defaults_of(DEFAULTS, "prd_curve", "prd_f_scores", "precision_recall_distribution")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (prd_curve, {"reference": np.array([1, -1])}, "none negative"),
        (prd_curve, {"reference": np.zeros(2)}, "not all zero"),
        (prd_curve, {"reference": np.ones(3)}, "3 states"),
        (prd_curve, {"angles": 2}, "at least 3"),
        (precision_recall_distribution, {"clusters": 1}, "clusters is 1"),
        (precision_recall_distribution, {"clusters": 50}, "50 for|for 4 rows|clusters is 50"),
    ],
)
def test_wrong_arguments_are_named(function, arguments, message):
    rows = np.ones((2, 2)) if function is precision_recall_distribution else np.ones(2)
    with pytest.raises(InputError, match=message):
        function(**({"reference": rows, "generated": rows} | arguments))
