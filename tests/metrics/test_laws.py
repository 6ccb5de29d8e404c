"""Laws that every metric keeps: any split, any order, any association, masks as indexing; against NumPy in float64."""

import functools
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metric_cases import CASES, Case, make_batches

ROWS = 24
LABELS = st.lists(st.integers(0, 3), min_size=ROWS, max_size=ROWS)


def one_batch() -> dict[str, np.ndarray]:
    """Rows of every case's data, none masked."""
    batches = {name: values.reshape(-1, *values.shape[2:]) for name, values in make_batches(seed=5).items()}
    good = batches["reference_mask"] & batches["generated_mask"]
    return {name: values[good][:ROWS] for name, values in batches.items()}


BATCH = one_batch()


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


def parts_of(name: str, labels: list[int]) -> tuple[list[Any], np.ndarray]:
    """A state of each of three parts, and the rows that are in one of them; label 3 leaves a row out."""
    label = np.array(labels)
    counts = label < 3
    # Enough rows for every metric: for covariances of full rank, neighbours, and a sample in each split.
    assume(all((counts & (BATCH["index"] % 4 == split)).sum() >= 2 for split in range(4)) and counts.sum() >= 10)
    init = CASES[name].metric.init()
    return [update(name, init, masked(BATCH, label == part)) for part in range(3)], counts


@pytest.mark.parametrize("name", CASES)
@given(labels=LABELS)
@settings(max_examples=12, deadline=None)
def test_any_split_merges_to_the_value_of_all_rows(name: str, labels: list[int]):
    (a, b, c), counts = parts_of(name, labels)
    case = CASES[name]
    expected = case.close_to(masked(BATCH, counts))
    assert value(case, merge(name, merge(name, a, b), c)) == expected
    assert value(case, merge(name, a, merge(name, b, c))) == expected
    assert value(case, merge(name, merge(name, c, b), a)) == expected


@pytest.mark.parametrize("name", CASES)
@given(labels=LABELS)
@settings(max_examples=6, deadline=None)
def test_batches_add_up_like_merged_states(name: str, labels: list[int]):
    _, counts = parts_of(name, labels)
    case, label = CASES[name], np.array(labels)
    state = case.metric.init()
    for part in range(3):
        state = update(name, state, masked(BATCH, label == part))
    assert value(case, state) == case.close_to(masked(BATCH, counts))


@pytest.mark.parametrize("name", CASES)
@given(order=st.permutations(range(ROWS)))
@settings(max_examples=6, deadline=None)
def test_the_order_of_rows_changes_nothing(name: str, order: list[int]):
    case = CASES[name]
    everyone = masked(BATCH, np.ones(ROWS, bool))
    shuffled = {key: values[np.array(order)] for key, values in everyone.items()}
    state = update(name, case.metric.init(), shuffled)
    assert value(case, state) == case.close_to(everyone)


@pytest.mark.parametrize("name", CASES)
def test_a_mask_is_indexing(name: str):
    case = CASES[name]
    mask = np.arange(ROWS) % 5 != 1
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
    state = update(name, case.metric.init(), masked(BATCH, np.ones(ROWS, bool)))
    for merged in (merge(name, state, case.metric.init()), merge(name, case.metric.init(), state)):
        assert value(case, merged) == pytest.approx(value(case, state), rel=1e-12)


def _floats() -> dict[str, np.ndarray]:
    return {key: values for key, values in BATCH.items() if values.dtype == np.float32}


def _beside(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    return mask.reshape(-1, *[1] * (values.ndim - 1))
