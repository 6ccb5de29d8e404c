"""How wide the intervals of numbers are, against the same by brute force; without images, files or networks."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax

from jaxeval.evaluation.measures import NUMBERS
from jaxeval.evaluation.measures.classes import by_class
from jaxeval.evaluation.measures.intervals import half_widths, spread
from jaxeval.evaluation.measures.measure import Features, Pair, normal_interval
from jaxeval.evaluation.measures.single import inception_score
from jaxeval.evaluation.protocols import PROTOCOLS
from jaxeval.ops import group_numbers


def pair(reference, generated, labels=(None, None)):
    sides = [
        Features(name, rows=rows, labels=of)
        for name, rows, of in zip(("real", "made"), (reference, generated), labels, strict=True)
    ]
    return Pair(*sides, held_out=None, protocol=PROTOCOLS["torch-fidelity"], seed=3)


def test_thirds_of_the_images_by_brute_force():
    rng = np.random.default_rng(0)
    sides = {"reference": rng.standard_normal((70, 2)), "generated": rng.standard_normal((60, 2))}
    rows = {**sides, "generated_labels": np.arange(60) % 2}

    def compute(kept):
        ones = kept["generated_labels"] == 1
        return {"a": np.median(kept["reference"]) - kept["generated"].max(), "b": kept["generated"][ones].mean()}

    variances = []
    for repeat in range(5):
        of = {
            name: group_numbers(len(rows[name]), 3, seed=7 + 1000 * repeat, name=name)
            for name in ("reference", "generated")
        }
        thirds = []
        for third in range(3):
            kept = {name: rows[name][of[name.removesuffix("_labels")] == third] for name in rows}
            thirds.append(list(compute(kept).values()))
        variances.append(np.var(thirds, axis=0, ddof=1))
    errors = np.sqrt(np.mean(variances, axis=0) / 3)
    found = spread(compute, rows, 7)
    assert found is not None
    np.testing.assert_allclose(list(found[0].values()), errors, rtol=1e-12)
    assert found[1] == 10
    reach = half_widths(compute, rows, 7)
    assert reach is not None
    np.testing.assert_allclose(list(reach.values()), errors * stats.t.ppf(0.975, 10), rtol=1e-12)


@pytest.mark.parametrize(("count", "enough"), [(60, True), (59, False)])
def test_a_third_has_at_least_twenty_images(count, enough):
    rows = {"generated": np.random.default_rng(1).standard_normal((count, 2))}
    more = {"reference": np.zeros((90, 2)), **rows}
    for sets in (rows, more):
        found = half_widths(lambda kept: {"mean": kept["generated"].mean()}, sets, 0)
        assert (found is not None) == enough


def test_thirds_without_a_value_give_no_interval():
    rows = {"generated": np.random.default_rng(1).standard_normal((60, 2))}
    assert half_widths(lambda kept: {"nothing": float("nan")}, rows, 0) is None


def test_normal_intervals_are_of_95_per_cent():
    interval, _ = normal_interval(NUMBERS["kd"], 2.0, 0.5, "")
    assert interval == pytest.approx(stats.norm.interval(0.95, 2.0, 0.5), abs=1e-7)
    assert normal_interval(NUMBERS["kd"], 2.0, float("nan"), "")[0] is None


def test_the_interval_of_the_inception_score_is_that_of_images_left_out():
    logits = 2 * np.random.default_rng(2).standard_normal((240, 6))
    p = softmax(logits, axis=1)

    def log_score(kept):
        return stats.entropy(kept, kept.mean(0)[None], axis=1).mean()

    left = [log_score(np.delete(p, i, axis=0)) for i in range(len(p))]
    error = np.sqrt(239 * np.var(left))
    (found,) = inception_score(pair(logits, logits))
    assert found.interval is not None
    low, high = found.interval
    # A jackknife of the logarithm, over all images at once: it differs by the mean's own part, of the order of 6 / 240.
    assert (high - low) / 2 == pytest.approx(1.959964 * found.value * error, rel=0.05)


def test_the_interval_over_classes_is_that_of_their_mean():
    """Classes are independent: the variance of the mean of C distances is the sum of theirs over C^2."""
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((90, 3)), rng.standard_normal((75, 3)) + 1.0
    labels = [np.arange(len(rows)) % 3 for rows in (x, y)]
    whole = by_class(pair(x, y, labels))[0]
    assert whole.interval is not None
    variances = []
    for label in range(3):
        kept = [rows[of == label] for rows, of in zip((x, y), labels, strict=True)]
        left = [
            [frechet(np.delete(kept[0], i, axis=0), kept[1]) for i in range(len(kept[0]))],
            [frechet(kept[0], np.delete(kept[1], i, axis=0)) for i in range(len(kept[1]))],
        ]
        variances.append(sum((len(part) - 1) * np.var(part) for part in left))
    low, high = whole.interval
    # Jackknives of 25 to 30 images, of a distance that curves.
    assert (high - low) / 2 == pytest.approx(1.959964 * np.sqrt(sum(variances)) / 3, rel=0.2)


def frechet(x, y):
    """By NumPy's singular values of the centred rows."""
    a, b = ((rows - rows.mean(0)) / np.sqrt(len(rows) - 1) for rows in (x, y))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return np.square(x.mean(0) - y.mean(0)).sum() + np.square(a).sum() + np.square(b).sum() - 2 * root
