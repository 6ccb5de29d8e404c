"""Laws that every metric keeps: any split, any order, any association, masks as indexing; against NumPy in float64."""

import functools
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metric_cases import CASES, Case, make_batches

ROWS, COUNTED = 24, 18
LABELS = st.lists(st.integers(0, 2), min_size=ROWS, max_size=ROWS)
# Always as many rows count, so that every example runs the programs of the first.
COUNTS = st.permutations(range(ROWS)).map(lambda order: np.isin(np.arange(ROWS), order[:COUNTED]))


def one_batch() -> dict[str, np.ndarray]:
    """Rows of every case's data, none masked."""
    batches = {name: values.reshape(-1, *values.shape[2:]) for name, values in make_batches(seed=5).items()}
    good = batches["reference_mask"] & batches["generated_mask"]
    return {name: values[good][:ROWS] for name, values in batches.items()}


BATCH = one_batch()
FIRST = np.arange(ROWS) < COUNTED


@functools.partial(jax.jit, static_argnums=0)
def update(name: str, state: Any, batch: dict[str, Any]) -> Any:
    return CASES[name].metric.update(state, **CASES[name].pick(batch))


@functools.partial(jax.jit, static_argnums=0)
def merge(name: str, a: Any, b: Any) -> Any:
    return CASES[name].metric.merge(a, b)


def masked(batch: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, np.ndarray]:
    return {**batch, "reference_mask": mask, "generated_mask": mask}


def value(case: Case, state: Any) -> Any:
    found = case.metric.compute(state)
    return dict(found.values) if case.metric.name == "manifold" else found.value


def parts_of(labels: list[int], counts: np.ndarray) -> list[dict[str, np.ndarray]]:
    """The rows that count in three parts, some of which may be empty."""
    assume(all((counts & (BATCH["index"] % 4 == split)).any() for split in range(4)))  # for the Inception score
    return [masked(BATCH, counts & (np.array(labels) == part)) for part in range(3)]


@pytest.mark.parametrize("name", CASES)
@given(labels=LABELS, counts=COUNTS)
@settings(max_examples=12, deadline=None)
def test_any_split_merges_to_the_value_of_all_rows(name: str, labels: list[int], counts: np.ndarray):
    case = CASES[name]
    a, b, c = (update(name, case.metric.init(), part) for part in parts_of(labels, counts))
    expected = case.close_to(masked(BATCH, counts))
    assert value(case, merge(name, merge(name, a, b), c)) == expected
    assert value(case, merge(name, a, merge(name, b, c))) == expected
    assert value(case, merge(name, merge(name, c, b), a)) == expected


@pytest.mark.parametrize("name", CASES)
@given(labels=LABELS, counts=COUNTS)
@settings(max_examples=6, deadline=None)
def test_batches_add_up_like_merged_states(name: str, labels: list[int], counts: np.ndarray):
    case = CASES[name]
    state = case.metric.init()
    for part in parts_of(labels, counts):
        state = update(name, state, part)
    assert value(case, state) == case.close_to(masked(BATCH, counts))


@pytest.mark.parametrize("name", CASES)
@given(order=st.permutations(range(ROWS)))
@settings(max_examples=6, deadline=None)
def test_the_order_of_rows_changes_nothing(name: str, order: list[int]):
    case = CASES[name]
    everyone = masked(BATCH, FIRST)
    shuffled = {key: values[np.array(order)] for key, values in everyone.items()}
    state = update(name, case.metric.init(), shuffled)
    assert value(case, state) == case.close_to(everyone)


@pytest.mark.parametrize("name", CASES)
def test_a_mask_is_indexing(name: str):
    case = CASES[name]
    mask = np.arange(ROWS) % 4 != 1
    poisoned = {key: np.where(_beside(mask, values), values, np.nan) for key, values in _floats().items()}
    by_mask = update(name, case.metric.init(), {**masked(BATCH, mask), **poisoned})
    indexed = {key: values[mask] for key, values in masked(BATCH, mask).items()}
    by_index = update(name, case.metric.init(), indexed)
    expected = case.close_to(masked(BATCH, mask))
    assert value(case, by_mask) == expected
    assert value(case, by_index) == expected


@pytest.mark.parametrize("name", CASES)
def test_the_empty_state_is_neutral(name: str):
    case = CASES[name]
    state = update(name, case.metric.init(), masked(BATCH, FIRST))
    for merged in (merge(name, state, case.metric.init()), merge(name, case.metric.init(), state)):
        assert value(case, merged) == pytest.approx(value(case, state), rel=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_a_state_that_was_on_the_host_loses_nothing_and_goes_on(name: str):
    """As after a checkpoint: leaves are NumPy arrays, float32 with their second parts."""
    case = CASES[name]
    first, second = (masked(BATCH, FIRST & (np.arange(ROWS) % 2 == part)) for part in range(2))
    fetched = jax.device_get(update(name, case.metric.init(), first))
    state = case.metric.update(fetched, **case.pick(second))
    assert value(case, state) == case.close_to(masked(BATCH, FIRST))
    whole = update(name, case.metric.init(), masked(BATCH, FIRST))
    assert value(case, jax.device_get(whole)) == value(case, whole)
    merged = case.metric.merge(fetched, jax.device_get(update(name, case.metric.init(), second)))
    assert value(case, merged) == case.close_to(masked(BATCH, FIRST))


def _floats() -> dict[str, np.ndarray]:
    return {key: values for key, values in BATCH.items() if values.dtype == np.float32}


def _beside(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    return mask.reshape(-1, *[1] * (values.ndim - 1))
