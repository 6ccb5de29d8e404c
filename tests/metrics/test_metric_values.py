"""What metrics say on the host: values that print and serialise, warnings, and errors that can be mended."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from metric_cases import frechet_by_scipy, kernel_distance_by_numpy

from jaxeval.errors import InputError
from jaxeval.metrics import (
    Collection,
    FrechetDistance,
    InceptionScore,
    KernelDistance,
    Manifold,
    Mean,
    Metric,
    MetricValue,
)
from jaxeval.ops import kid_full


def rows(count: int, size: int = 4, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return (shift + np.random.default_rng(seed).normal(size=(count, size))).astype(np.float32)


def filled(metric: Metric, **inputs: Any) -> Any:
    return metric.update(metric.init(), **inputs)


def test_a_value_prints_and_serialises():
    single = MetricValue("fid", 12.3456789, standard_error=0.5, n_reference=50_000, n_generated=1_000)
    assert str(single) == "fid 12.3457 ± 0.5 (1,000 vs 50,000)"
    assert float(single) == 12.3456789
    several = MetricValue("manifold", 0.5, {"precision": 0.5, "recall": 0.25}, warnings=("few rows",))
    assert str(several) == "manifold precision 0.5, recall 0.25\n  warning: few rows"
    restored = json.loads(json.dumps(several.to_dict()))
    assert restored["values"] == {"precision": 0.5, "recall": 0.25}
    assert restored["warnings"] == ["few rows"]


def test_counts_are_those_of_the_rows_that_count():
    metric = FrechetDistance(4)
    found = metric.compute(filled(metric, reference=rows(20), generated=rows(30), generated_mask=np.arange(30) < 11))
    assert (found.n_reference, found.n_generated) == (20, 11)


def test_fewer_rows_than_dimensions_are_computed_and_warned_of():
    x, y = rows(10, 40), rows(60, 40, shift=0.2, seed=1)
    metric = FrechetDistance(40)
    found = metric.compute(filled(metric, reference=x, generated=y))
    exact = _frechet_by_factors(x.astype(np.float64), y.astype(np.float64))
    assert found.value == pytest.approx(exact, rel=3e-6)
    assert [warning.split(" has ")[0] for warning in found.warnings] == ["reference"]
    # As many rows as dimensions have a singular covariance, too: the mean takes one.
    for count, singular in ((40, True), (41, False)):
        state = filled(metric, reference=rows(count, 40), generated=y)
        assert bool(metric.compute(state).warnings) == singular


def _frechet_by_factors(x: np.ndarray, y: np.ndarray) -> float:
    """By the nuclear norm of the centred rows' product, which needs no covariance."""
    a, b = ((rows - rows.mean(0)) / np.sqrt(len(rows) - 1) for rows in (x, y))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return np.square(x.mean(0) - y.mean(0)).sum() + np.square(a).sum() + np.square(b).sum() - 2 * root


def test_dependent_and_constant_features_do_not_stop_a_distance():
    x, y = rows(100, 6), rows(90, 6, shift=0.3, seed=1)
    for features in (x, y):
        features[:, 4] = features[:, 0] - features[:, 1]
        features[:, 5] = 7.0
    metric = FrechetDistance(6)
    found = metric.compute(filled(metric, reference=x, generated=y))
    assert found.value == pytest.approx(_frechet_by_factors(x.astype(np.float64), y.astype(np.float64)), rel=3e-6)


def test_ddof_is_the_divisor_that_was_asked_for():
    x, y = rows(20), rows(25, shift=1.0, seed=1)
    metric = FrechetDistance(4, ddof=0)
    found = metric.compute(filled(metric, reference=x, generated=y)).value
    wide = [side.astype(np.float64) for side in (x, y)]
    narrow = [side.mean(0) + (side - side.mean(0)) * np.sqrt((len(side) - 1) / len(side)) for side in wide]
    assert found == pytest.approx(frechet_by_scipy(*narrow), rel=3e-6)


def test_the_kernel_is_the_one_that_was_asked_for():
    x, y = rows(20), rows(25, shift=0.5, seed=1)
    metric = KernelDistance(4, 64, degree=3, gamma=0.25, coef0=1.0)
    state = filled(metric, reference=x, generated=y)
    expected = kernel_distance_by_numpy(x.astype(np.float64), y.astype(np.float64))
    assert metric.compute(state).value == pytest.approx(expected, rel=1e-6)
    assert metric.compute(state).standard_error == kid_full(reference=x, generated=y, gamma=0.25).standard_error
    few = metric.compute(filled(metric, reference=x[:3], generated=y))
    assert few.standard_error is None  # it takes four rows of each
    linear = KernelDistance(4, 64, degree=1, gamma=1.0, coef0=0.0)
    values = x.astype(np.float64) @ y.T
    within = [(side @ side.T).astype(np.float64) for side in (x, y)]
    off = [float((gram.sum() - np.trace(gram)) / (len(gram) * (len(gram) - 1))) for gram in within]
    expected = off[0] + off[1] - 2 * float(values.mean())
    assert linear.compute(state).value == pytest.approx(expected, rel=1e-5)
    assert float(linear.compute_on_device(state)) == pytest.approx(expected, rel=1e-5)


def test_a_generated_copy_of_the_reference_lies_on_its_balls_by_the_rule_that_was_asked_for():
    # On a line of equidistant points every ball of k = 1 ends at a neighbour.
    line = np.arange(10, dtype=np.float32)[:, None] * np.array([1, 0], np.float32)
    found = {}
    for tie in ("exclusive", "inclusive"):
        metric = Manifold(2, 16, k=1, tie=tie)
        state = filled(metric, reference=line, generated=line)
        host, device = metric.compute(state).values, metric.compute_on_device(state)
        if tie == "exclusive":  # on the device float32 rounding decides exact ties, one way or the other
            assert dict(host) == pytest.approx(
                {name: float(value) for name, value in device._asdict().items()}, rel=1e-6
            )
        found[tie] = host["density"]
    # A copy lies in its own ball; with the surface, in those of its neighbours too: two, or one at the ends.
    assert found == pytest.approx({"exclusive": 1.0, "inclusive": 2.8})


def test_a_reservoir_says_that_it_is_a_sample():
    metric = Manifold(4, 8, "reservoir", k=2)
    found = metric.compute(filled(metric, reference=rows(20), generated=rows(5)))
    assert (found.n_reference, found.n_generated) == (8, 5)
    assert found.warnings == ("a sample of 8 of 20 rows of reference",)


def test_a_mean_has_a_standard_error():
    metric = Mean("loss")
    values = rows(50)[:, 0]
    found = metric.compute(filled(metric, loss=jnp.asarray(values)))
    assert found.value == pytest.approx(values.astype(np.float64).mean(), rel=1e-6)
    assert found.standard_error == pytest.approx(values.astype(np.float64).std(ddof=1) / np.sqrt(50), rel=1e-6)
    left = [np.delete(values.astype(np.float64), i).mean() for i in range(50)]
    assert found.standard_error == pytest.approx(np.sqrt(49 * np.var(left)), rel=1e-6)
    two = metric.compute(filled(metric, loss=jnp.asarray([1.0, 4.0])))
    assert two.standard_error == pytest.approx(1.5, rel=1e-6)
    assert metric.compute(filled(metric, loss=jnp.ones(1))).standard_error is None


@pytest.mark.parametrize(
    ("score", "logits"),
    [(6.0, 40.0 * np.eye(6)), (1.0, np.ones((6, 6))), (1.0, 1e3 * np.eye(6)[[2] * 6])],
    ids=["one class each", "undecided", "one class for all"],
)
def test_inception_score_of_closed_forms(score: float, logits: np.ndarray):
    metric = InceptionScore(6)
    state = filled(metric, generated=logits)
    assert metric.compute(state).value == pytest.approx(score, rel=1e-6)
    assert float(metric.compute_on_device(state)) == pytest.approx(score, rel=1e-6)


def test_splits_have_a_mean_and_a_deviation():
    metric = InceptionScore(3, splits=2)
    # Even samples: all classes in turn, score 3; odd samples: one class, score 1.
    logits = np.where(np.arange(12)[:, None] % 2, 50 * np.eye(3)[0], 50 * np.eye(3)[np.arange(12) // 2 % 3])
    values = metric.compute(filled(metric, generated=logits, index=np.arange(12))).values
    assert dict(values) == pytest.approx({"mean": 2.0, "std": 1.0}, rel=1e-6)


@pytest.mark.parametrize(
    ("metric", "inputs", "message"),
    [
        (FrechetDistance(4), {"reference": rows(5)}, "frechet_distance needs at least 2 rows of generated; it has 0"),
        (FrechetDistance(4), {"reference": rows(5), "generated": rows(1)}, "2 rows of generated; it has 1"),
        (FrechetDistance(4), {"reference": rows(5), "generated": rows(5) * np.nan}, "row of generated .* not finite"),
        (KernelDistance(4, 9), {"reference": rows(1), "generated": rows(5)}, "2 rows of reference; it has 1"),
        (KernelDistance(4, 9), {"reference": rows(10), "generated": rows(5)}, "lost 1 of 10 rows; give it capacity=10"),
        (KernelDistance(4, 9), {"reference": rows(9), "generated": rows(5) * np.inf}, "generated has 5 rows .* finite"),
        (Manifold(4, 9, k=3), {"reference": rows(9), "generated": rows(3)}, "4 rows of generated; it has 3"),
        (InceptionScore(4, splits=3), {"generated": rows(2), "index": np.arange(2)}, "3 splits needs a sample in each"),
        (InceptionScore(4), {"generated": rows(2) * np.nan}, "logits held values that are not finite"),
        (Mean("loss"), {"loss": np.ones(3), "mask": np.zeros(3, bool)}, "loss is a mean of no samples"),
        (Mean("loss"), {"loss": np.full(3, np.nan)}, "value of loss was not finite"),
    ],
)
def test_a_value_that_cannot_be_had_says_why(metric: Metric, inputs: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        metric.compute(filled(metric, **inputs))


@pytest.mark.parametrize(
    ("metric", "inputs", "message"),
    [
        (FrechetDistance(4), {"real": rows(5)}, "frechet_distance got nothing to add: pass reference= or generated="),
        (FrechetDistance(4), {"reference": rows(5, 3)}, r"reference has shape \(5, 3\); .* \[N, 4\]"),
        (FrechetDistance(4), {"reference": rows(5), "mask": np.ones(4, bool)}, r"mask of reference has shape \(4,\)"),
        (FrechetDistance(4), {"reference": rows(5), "mask": np.ones(5)}, "dtype float32; .*bool are expected"),
        (KernelDistance(4, 9), {"generated": rows(5, 3)}, r"generated has shape \(5, 3\); .* \[N, 4\]"),
        (InceptionScore(4), {"generated": rows(5, 3)}, r"generated has shape \(5, 3\)"),
        (InceptionScore(4, splits=2), {"generated": rows(5)}, "2 splits needs index="),
        (InceptionScore(4, splits=2), {"generated": rows(5), "index": np.arange(4)}, r"index has shape \(4,\)"),
        (Mean("loss"), {"accuracy": np.ones(3)}, "loss got nothing to add: pass loss="),
        (Mean("loss"), {"loss": np.ones((3, 2))}, r"loss has shape \(3, 2\); \[N\] is expected"),
        (Mean("d", np.subtract, ("x", "y")), {"x": np.ones(3)}, "d needs x and y; y is missing"),
    ],
)
def test_misuse_is_named_while_tracing(metric: Metric, inputs: dict[str, Any], message: str):
    inputs = {name: jnp.asarray(values) for name, values in inputs.items()}
    with pytest.raises(InputError, match=message):
        jax.eval_shape(lambda: metric.update(metric.init(), **inputs))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FrechetDistance(0), "feature_size is 0"),
        (lambda: FrechetDistance(3, ddof=2), "ddof is 2"),
        (lambda: InceptionScore(0), "num_classes is 0"),
        (lambda: InceptionScore(3, splits=0), "splits 0"),
        (lambda: KernelDistance(3, 0), "capacity is 0"),
        (lambda: KernelDistance(3, 5, degree=0), "degree is 0"),
        (lambda: Manifold(3, 5, k=0), "k is 0"),
        (lambda: Mean("loss", None, ("loss",)), "needs a function and the inputs"),
        (lambda: Mean("loss", np.abs), "needs a function and the inputs"),
        (lambda: Collection({}), "at least one metric"),
    ],
)
def test_a_wrong_configuration_is_named(make: Any, message: str):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: FrechetDistance(4),
        lambda: InceptionScore(4, splits=2),
        lambda: KernelDistance(4, 10),
        lambda: Manifold(4, 10),
        lambda: Mean("loss"),
        lambda: Collection({"fd": FrechetDistance(4), "loss": Mean("loss")}),
    ],
)
def test_metrics_are_values_without_arrays(make: Any):
    assert make() == make()
    assert hash(make()) == hash(make())
    assert not jax.tree.leaves(jax.tree.map(lambda leaf: isinstance(leaf, jax.Array) or None, vars(make())))


def test_unknown_keywords_are_ignored():
    metric = FrechetDistance(4)
    jax.eval_shape(lambda: metric.update(metric.init(), reference=jnp.zeros((3, 4)), labels=jnp.zeros(3), loss=0.5))
