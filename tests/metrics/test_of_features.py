"""Any op as a streaming metric: the value of the op on the rows that counted."""

import functools

import jax
import numpy as np
import pytest

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.metrics import Collection, OfFeatures

ROWS = np.random.default_rng(0).standard_normal((3, 2, 24, 4)).astype(np.float32)
REFERENCE, GENERATED = ROWS[:, 0], ROWS[:, 1] + 0.3


def filled(metric: OfFeatures, masks: np.ndarray | None = None):
    state = metric.init()
    update = jax.jit(functools.partial(metric.update))
    for step in range(3):
        mask = {} if masks is None else {"mask": masks[step]}
        state = update(state, reference=REFERENCE[step], generated=GENERATED[step], **mask)
    return state


OPS = {
    "sliced": (
        OfFeatures(4, 100, function=ops.mind, options=(("projections", 50),)),
        lambda x, y: ops.mind(reference=x, generated=y, projections=50).value,
    ),
    "vendi": (OfFeatures(4, 100, function=ops.vendi_score, alone=True), lambda x, y: ops.vendi_score(y)),
    "clipped": (
        OfFeatures(4, 100, function=ops.clipped_density_coverage),
        lambda x, y: ops.clipped_density_coverage(reference=x, generated=y).density,
    ),
    "memorisation": (
        OfFeatures(4, 100, function=ops.memorisation_distance),
        lambda x, y: ops.memorisation_distance(reference=x, generated=y),
    ),
}


@pytest.mark.parametrize("name", OPS)
def test_value_is_that_of_the_function(name):
    metric, expected = OPS[name]
    masks = np.random.default_rng(1).random((3, 24)) < 0.7
    found = metric.compute(filled(metric, masks))
    assert found.value == pytest.approx(expected(REFERENCE[masks], GENERATED[masks]), rel=1e-9)
    assert found.n_generated == masks.sum()
    assert found.n_reference == (None if metric.alone else masks.sum())


def test_several_numbers_keep_their_names():
    metric = OfFeatures(4, 100, function=ops.clipped_density_coverage)
    assert set(metric.compute(filled(metric)).values) == {"density", "coverage"}
    kernel = OfFeatures(4, 100, function=ops.kid_full)
    found = kernel.compute(filled(kernel))
    assert (
        found.standard_error
        == ops.kid_full(reference=REFERENCE.reshape(-1, 4), generated=GENERATED.reshape(-1, 4)).standard_error
    )


def test_merging_and_collecting():
    metric, expected = OPS["memorisation"]
    state = metric.merge(filled(metric), metric.init())
    assert metric.compute(state).value == pytest.approx(
        expected(REFERENCE.reshape(-1, 4), GENERATED.reshape(-1, 4)), rel=1e-9
    )
    collection = Collection({"copies": metric, "vendi": OPS["vendi"][0]})
    together = collection.update(collection.init(), reference=REFERENCE[0], generated=GENERATED[0])
    assert set(collection.compute(together)) == {"copies", "vendi"}


def test_what_cannot_be_is_said():
    metric, _ = OPS["vendi"]
    with pytest.raises(InputError, match="at least 2 rows of generated; it has 0"):
        metric.compute(metric.init())
    with pytest.raises(InputError, match="has no value on the device"):
        metric.compute_on_device(metric.init())
    with pytest.raises(InputError, match="no function"):
        OfFeatures(4, 10)
    small = OfFeatures(4, 30, function=ops.vendi_score, alone=True)
    state = filled(small)
    with pytest.raises(InputError, match="overflowed"):
        small.compute(state)
