"""What every function of `jaxeval.ops.agreement` promises: full precision, float32 under any setting, any maker."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxpr_checks import assert_full_precision, contractions

from jaxeval.ops import agreement
from jaxeval.ops.agreement import concordance, correlations, krippendorff, pair_accuracy
from jaxeval.ops.agreement._draws import _sums
from jaxeval.ops.agreement._pair_tiles import _tile
from jaxeval.ops.agreement._ranks import Order

Maker = Callable[[np.ndarray], Any]


def as_it_is(array: np.ndarray) -> np.ndarray:
    return array


def values() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    metric, human = rng.normal(size=(2, 40)).round(1)
    ratings = np.clip(np.round(rng.normal(size=(30, 1)) + rng.normal(size=(30, 4)) + 3), 1, 5)
    counts = np.stack([(ratings == k).sum(1) for k in range(1, 6)], axis=1)
    return {"metric": metric, "human": human, "ratings": ratings, "counts": counts, "groups": np.arange(40) // 5}


def calls(maker: Maker = as_it_is) -> dict[str, Callable[[], Any]]:
    made = {name: maker(array) for name, array in values().items()}
    ratings, pair = made["ratings"], (made["metric"], made["human"])
    first, second = (maker(np.ascontiguousarray(values()["ratings"][:, i])) for i in (0, 1))
    few: dict[str, Any] = {"repeats": 40}
    return {
        "cohen_kappa": lambda: agreement.cohen_kappa(first, second, **few),
        "fleiss_kappa": lambda: agreement.fleiss_kappa(made["counts"], **few),
        "kendall_w": lambda: agreement.kendall_w(ratings, **few),
        **{
            f"krippendorff_alpha {level}": lambda level=level: agreement.krippendorff_alpha(ratings, level=level, **few)
            for level in ("nominal", "ordinal", "interval", "ratio")
        },
        "pearson": lambda: agreement.pearson(*pair, **few),
        "spearman": lambda: agreement.spearman(*pair, clusters=made["groups"], **few),
        "kendall_tau": lambda: agreement.kendall_tau(*pair, **few),
        "pairwise_accuracy": lambda: agreement.pairwise_accuracy(*pair, **few),
        "pairwise_accuracy of groups": lambda: agreement.pairwise_accuracy(*pair, groups=made["groups"], **few),
        "fit_logistic": lambda: agreement.fit_logistic(*pair),
        "prediction_errors": lambda: agreement.prediction_errors(*pair, reach=made["groups"], **few),
    }


EVERY = pytest.mark.parametrize("name", calls())
HOST = {"meng_test", "paired_difference", "williams_test"}  # of numbers alone


def test_every_function_is_here():
    functions = {name for name in agreement.__all__ if name[0].islower()}
    assert {name.split()[0] for name in calls()} | HOST == functions


def leaves(result: Any) -> list[Any]:
    return [leaf for leaf in jax.tree.leaves(result) if leaf is not None and not isinstance(leaf, str)]


def assert_same(one: Any, other: Any) -> None:
    for found, expected in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_array_equal(found, expected)


@EVERY
def test_settings_of_jax_change_nothing(name):
    expected = calls()[name]()
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        assert_same(calls()[name](), expected)


@EVERY
@pytest.mark.parametrize(
    "maker", [lambda array: array.astype(array.dtype.newbyteorder("S")), np.ndarray.tolist], ids=["swapped", "lists"]
)
def test_arrays_of_any_maker_are_the_same(name, maker):
    assert_same(calls(maker)[name](), calls()[name]())


@EVERY
def test_arrays_of_jax_are_their_values(name):
    expected = calls(lambda array: array.astype(np.float32))[name]()
    assert_same(calls(lambda array: jnp.asarray(array, jnp.float32))[name](), expected)


def test_contractions_are_at_full_precision():
    weights, column = jnp.ones((3, 8)), jnp.arange(8.0)
    order = Order(*(jnp.arange(8) for _ in range(4)))
    codes, counts = jnp.zeros((8, 2), jnp.int32), jnp.ones((8, 2))
    rows = tuple(jnp.arange(8) for _ in range(4))
    assert_full_precision(_sums, weights, column[:, None])
    assert_full_precision(lambda w: correlations._pearson(column, column, order, order, w), weights, at_least=5)
    assert_full_precision(lambda w: correlations._spearman(order, order, w), weights, at_least=3)
    assert_full_precision(lambda w: correlations._untied(order, order, w), weights, at_least=2)
    assert_full_precision(lambda w: krippendorff._ordinal(w, codes, counts, 2), weights, at_least=4)
    assert_full_precision(lambda w: krippendorff._drawn_sums(w, column, codes, counts, 2), weights)
    assert_full_precision(krippendorff._form, weights, jnp.ones((8, 5)), jnp.ones((3, 5)))
    stacked = Order(*(jnp.stack([part, part]) for part in order))
    assert_full_precision(lambda w: concordance._concordance(stacked, w), weights, at_least=2)
    for relation in (correlations._concordance, pair_accuracy._agreement):
        assert_full_precision(lambda w, r=relation: _tile(rows, rows, w, w, r, alone=True), weights)
    assert contractions(jax.make_jaxpr(lambda w: w.sum())(weights)) == []
