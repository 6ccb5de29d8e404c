"""Class-conditional metrics against scikit-learn and against the same distance class by class."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from sklearn.linear_model import LogisticRegression

from jaxeval.errors import InputError
from jaxeval.ops.class_conditional import class_frechet, classification_accuracy_score

NAMES = np.array([4, -1, 9])


def labelled(count, seed, spread=1.0, width=8):
    rng = np.random.default_rng(seed)
    centres = 2 * np.random.default_rng(77).standard_normal((3, width))
    members = np.arange(count) % 3
    return centres[members] + spread * rng.standard_normal((count, width)) + 10, NAMES[members]


def frechet(x, y):
    a, b = np.cov(x.T), np.cov(y.T)
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * np.real(scipy.linalg.sqrtm(a @ b)))


def test_each_class_has_its_own_distance():
    (x, a), (y, b) = labelled(120, 0), labelled(90, 1, 1.2)
    found = class_frechet(reference=x, reference_labels=a, generated=y, generated_labels=b)
    expected = [frechet(x[a == label], y[b == label]) for label in (-1, 4, 9)]
    np.testing.assert_allclose(found.values, expected, rtol=1e-7)
    assert found.mean == pytest.approx(np.mean(expected), rel=1e-7)
    np.testing.assert_array_equal(found.classes, [-1, 4, 9])
    np.testing.assert_array_equal(found.counts, [[40, 30]] * 3)


@defaults_of(DEFAULTS, "classification_accuracy_score")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


def test_wrong_labels_show_only_within_classes():
    (x, a), (y, b) = labelled(600, 0), labelled(600, 1)
    right, wrong = (
        class_frechet(reference=x, reference_labels=a, generated=y, generated_labels=labels)
        for labels in (b, np.roll(b, 1))
    )
    assert wrong.mean > 20 * right.mean
    assert frechet(x, y) < right.mean


@pytest.mark.parametrize("regularisation", [1e-3, 0.1])
def test_the_classifier_is_scikit_learns(regularisation):
    (x, a), (y, b) = labelled(300, 0, 3.0), labelled(240, 1, 3.3)
    y[:, 5] = 2.0  # constant: it tells nothing
    mean, deviation = y.mean(0), y.std(0)
    deviation[5] = 1
    model = LogisticRegression(C=1 / (regularisation * len(y)), tol=1e-10, max_iter=10_000)
    model.fit((y - mean) / deviation, b)
    x[:, 5] = 2.0
    expected = np.equal(model.predict((x - mean) / deviation), a)
    found = classification_accuracy_score(
        reference=x, reference_labels=a, generated=y, generated_labels=b, regularisation=regularisation
    )
    assert 0.5 < found.accuracy < 0.95
    np.testing.assert_array_equal(found.correct, expected)
    assert found.accuracy == expected.mean()
    np.testing.assert_allclose(found.per_class, [expected[a == label].mean() for label in found.classes])


def test_wrong_labels_and_collapse_lower_the_accuracy():
    (x, a), (y, b) = labelled(600, 0, 1.5), labelled(600, 1, 1.5)

    def score(rows, labels):
        return classification_accuracy_score(
            reference=x, reference_labels=a, generated=rows, generated_labels=labels
        ).accuracy

    assert score(y, b) > 0.85
    assert score(y, np.roll(b, 1)) < 0.1
    assert score(y, np.random.default_rng(0).permutation(b)) == pytest.approx(1 / 3, abs=0.15)


def test_wrong_arguments_are_named():
    x, a = labelled(12, 0)
    valid: dict[str, Any] = {"reference": x, "reference_labels": a, "generated": x, "generated_labels": a}
    for arguments, message in (
        ({"generated_labels": a[:5]}, "each of the 12 generated rows"),
        ({"reference_labels": a.astype(float)}, "float64"),
        ({"generated_labels": np.full(12, 4)}, "two classes"),
        ({"reference_labels": np.full(12, 7)}, "no generated sample has class 7"),
        ({"regularisation": 0.0}, "regularisation is 0"),
    ):
        with pytest.raises(InputError, match=message):
            classification_accuracy_score(**{**valid, **arguments})
    with pytest.raises(InputError, match="class 8 has 0 reference samples"):
        class_frechet(**(valid | {"reference_labels": np.full(12, 7)} | {"generated_labels": np.full(12, 8)}))
    with pytest.raises(InputError, match="class -1 has 0 generated samples"):
        class_frechet(**(valid | {"generated_labels": np.repeat([4, 9], 6)}))
    with pytest.raises(InputError, match="class 5 has 1 reference samples"):
        class_frechet(
            **(valid | {"reference_labels": np.array([5] + [4] * 11), "generated_labels": np.array([4] * 6 + [5] * 6)})
        )
