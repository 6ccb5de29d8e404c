"""The buffer: every row once, overflow never unnoticed, and a reservoir that is a fair sample however it was filled."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxeval.errors import InputError
from jaxeval.metrics import FeatureBuffer, FeatureBufferState

pytestmark = pytest.mark.usefixtures("quickly_compiled")  # rows are moved, hardly computed with
ROWS = 24


@functools.partial(jax.jit, static_argnums=0)
def insert(buffer: FeatureBuffer, state: FeatureBufferState, rows: Any, mask: Any, index: Any) -> FeatureBufferState:
    return buffer.insert(state, rows, mask=mask, index=index)


@functools.partial(jax.jit, static_argnums=0)
def merge(buffer: FeatureBuffer, a: FeatureBufferState, b: FeatureBufferState) -> FeatureBufferState:
    return buffer.merge(a, b)


def numbered(count: int = ROWS) -> np.ndarray:
    """Rows that say who they are."""
    return np.arange(count, dtype=np.float32)[:, None] * np.ones(2, np.float32)


def held(buffer: FeatureBuffer, state: FeatureBufferState) -> list[int]:
    return sorted(int(row[0]) for row in buffer.rows(state))


def priorities(seed: int, index: np.ndarray) -> np.ndarray:
    """The documented draw: threefry bits of the seed, the stream of indices, and the index."""
    key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), 0)
    return np.asarray(jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(key, i)))(index))


@given(st.lists(st.lists(st.booleans(), min_size=ROWS, max_size=ROWS), min_size=1, max_size=3))
@settings(max_examples=20, deadline=None)
def test_holds_the_unmasked_rows_of_all_batches(masks: list[list[bool]]):
    buffer = FeatureBuffer(2, capacity=3 * ROWS)
    state = buffer.init(shards=4)
    for mask in masks:
        state = insert(buffer, state, numbered(), np.array(mask), None)
    assert held(buffer, state) == sorted(i for mask in masks for i in range(ROWS) if mask[i])


def test_a_full_buffer_names_what_was_lost_and_what_would_do():
    def filled(capacity: int) -> tuple[FeatureBuffer, FeatureBufferState]:
        buffer = FeatureBuffer(2, capacity)
        state = insert(buffer, buffer.init(shards=4), numbered(), np.arange(ROWS) < 12, None)
        return buffer, insert(buffer, state, numbered(), np.arange(ROWS) < 8, None)

    # 16 rows in 4 shards, the least that a capacity of 13 can mean.
    buffer, state = filled(capacity=13)
    message = r"buffer of 16 rows in 4 shards overflowed and lost 4 of 20 rows; give it capacity=20"
    with pytest.raises(InputError, match=message):
        buffer.rows(state)
    buffer, state = filled(capacity=20)
    assert held(buffer, state) == sorted([*range(12), *range(8)])


def test_devices_that_keep_their_own_rows_are_told_of_accumulate():
    """Inside `shard_map` and `pmap`, `update` leaves rows where they are, so one part can fill up before another."""
    buffer = FeatureBuffer(2, 8)
    states = [insert(buffer, buffer.init(shards=1), numbered(), np.arange(ROWS) < n, None) for n in (7, 3)]
    halves = FeatureBuffer(2, 4)
    parts = [insert(halves, halves.init(), numbered(), np.arange(ROWS) < n, None) for n in (6, 2)]
    joined = FeatureBufferState(*(np.concatenate(leaves) for leaves in zip(*parts, strict=True)))
    with pytest.raises(InputError, match=r"lost 2 of 8 rows; let `accumulate` deal them out .* give it capacity=12"):
        buffer.rows(joined)
    assert [len(buffer.rows(state)) for state in states] == [7, 3]


@pytest.mark.parametrize(
    ("rows", "shards", "overflow"),
    [
        (0, 2, "error"),
        (1, 8, "reservoir"),
        (9, 1, "error"),
        (24, 3, "reservoir"),
        (61, 8, "error"),
        (96, 2, "reservoir"),
    ],
)
@given(order=st.permutations(range(4 * ROWS)))
@settings(max_examples=12)
def test_as_many_rows_fit_as_the_capacity_says(rows: int, shards: int, overflow: Any, order: list[int]):
    """Wherever they are in the batches, and however these are divided between two states that are then merged."""
    masks = np.isin(np.arange(4 * ROWS), order[:rows]).reshape(4, ROWS)
    expected = sorted(np.nonzero(masks)[1].tolist())
    buffer = FeatureBuffer(2, max(rows, 1), overflow)
    whole = buffer.init(shards=shards)
    parts = [buffer.init(shards=shards) for _ in range(2)]
    for number, mask in enumerate(masks):
        whole = insert(buffer, whole, numbered(), mask, None)
        parts[number % 2] = insert(buffer, parts[number % 2], numbered(), mask, None)
    assert held(buffer, whole) == expected
    merged = merge(buffer, *parts)
    assert held(buffer, merged) == expected
    assert int(merged.seen.sum()) == rows


@given(
    st.lists(st.integers(0, ROWS), min_size=1, max_size=3),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([1, 2, 3, 8]),
    st.sampled_from(["error", "reservoir"]),
)
@settings(max_examples=12, deadline=None)
def test_resharded_rows_are_the_same_and_more_can_follow(counts: list[int], old: int, new: int, overflow: Any):
    buffer = FeatureBuffer(2, 24 if overflow == "reservoir" else 72, overflow, seed=1)
    index = np.arange(ROWS)
    state = buffer.init(shards=old)
    for turn, count in enumerate(counts):
        state = insert(buffer, state, numbered(), index < count, index + ROWS * turn)
    moved = buffer.resharded(state, new)
    assert moved.rows.shape[:2] == (new, -(-buffer.capacity // new))
    assert held(buffer, moved) == held(buffer, state)
    assert int(moved.seen.sum()) == int(np.asarray(state.seen).sum())
    total = sum(counts)
    room = min(ROWS, 72 - total)
    grown = insert(buffer, moved, numbered(), index < room, index + ROWS * 3)
    if overflow == "error":
        assert len(buffer.rows(grown)) == total + room
    else:  # still the lowest priorities of all rows, as if there had always been so many shards
        numbers = np.concatenate([np.arange(count) + ROWS * turn for turn, count in enumerate([*counts])])
        numbers = np.concatenate([numbers, np.arange(room) + ROWS * 3]).astype(int)
        ranking = numbers[np.argsort(priorities(1, numbers), kind="stable")] % ROWS
        found = held(buffer, grown)
        assert found == sorted(ranking[: len(found)].tolist())


def test_a_resharded_reservoir_draws_anew_by_order_of_arrival():
    """Rows without an index: what a shard has drawn must not be drawn again under another shard's number."""
    buffer = FeatureBuffer(2, 64, "reservoir")
    state = insert(buffer, buffer.init(shards=4), numbered(), np.ones(ROWS, bool), None)
    moved = insert(buffer, buffer.resharded(state, 8), numbered(), np.ones(ROWS, bool), None)
    drawn = np.asarray(moved.priority)[np.asarray(moved.priority) != 0xFFFFFFFF]
    assert len(set(drawn.tolist())) == len(drawn) == 2 * ROWS


def test_rows_that_do_not_fit_are_not_dropped_by_resharding():
    buffer = FeatureBuffer(2, 10)  # four shards round it up to 12
    state = insert(buffer, buffer.init(shards=4), numbered(), np.arange(ROWS) < 12, None)
    assert len(buffer.rows(state)) == 12
    with pytest.raises(InputError, match="holds 12 rows, more than its capacity of 10"):
        buffer.resharded(state, 1)
    lost = insert(buffer, state, numbered(), np.ones(ROWS, bool), None)
    with pytest.raises(InputError, match="lost 24 of 36 rows"):
        buffer.resharded(lost, 2)


@given(st.permutations(range(ROWS)), st.sampled_from([1, 4]))
@settings(max_examples=20, deadline=None)
def test_a_reservoir_holds_the_lowest_priorities_in_any_order(order: list[int], shards: int):
    capacity, seed = 8, 3
    buffer = FeatureBuffer(2, capacity, "reservoir", seed)
    index = np.array(order, np.int32)
    rows = numbered()[index]
    state = buffer.init(shards=shards)
    for part in (slice(0, 12), slice(12, 24)):
        state = insert(buffer, state, rows[part], np.ones(12, bool), index[part])
    ranking = np.argsort(priorities(seed, np.arange(ROWS)))
    found = held(buffer, state)
    # Several shards keep a few fewer, but always the head of one ranking.
    assert found == sorted(ranking[: len(found)].tolist())
    assert len(found) == capacity if shards == 1 else 1 <= len(found) <= capacity


def test_a_merged_reservoir_is_that_of_all_rows():
    buffer = FeatureBuffer(2, 6, "reservoir")
    parts = np.split(np.arange(ROWS), [5, 7, 17])
    states = []
    for part in parts:
        mask = np.isin(np.arange(ROWS), part)
        states.append(insert(buffer, buffer.init(), numbered(), mask, np.arange(ROWS)))
    expected = sorted(np.argsort(priorities(0, np.arange(ROWS)))[:6].tolist())
    a, b, c, d = states
    left = merge(buffer, merge(buffer, merge(buffer, a, b), c), d)
    right = merge(buffer, d, merge(buffer, merge(buffer, c, b), a))
    assert held(buffer, left) == held(buffer, right) == expected
    assert int(left.seen.sum()) == int(right.seen.sum()) == ROWS
    np.testing.assert_array_equal(left.turned_away, right.turned_away)


@pytest.mark.parametrize("by_index", [True, False])
def test_every_row_has_the_same_chance_however_unevenly_shards_are_fed(by_index: bool):
    buffer = FeatureBuffer(1, 16, "reservoir")
    trials, rows = 2000, 40
    # The first of two shards sees four rows in five: without a common threshold its rows would be too rare.
    first = np.arange(rows) < 32

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, None))
    def sampled(trial: Any, mask: Any) -> Any:
        state = buffer.init(shards=2)
        state = state._replace(shard=state.shard + jnp.uint32(2) * trial.astype(jnp.uint32))
        names = jnp.arange(rows, dtype=jnp.int32)
        index = names + rows * trial
        padded = jnp.concatenate([names, jnp.zeros(24, jnp.int32)]), jnp.concatenate([index, jnp.zeros(24, jnp.int32)])
        state = buffer.insert(
            state, padded[0][:, None].astype(jnp.float32), mask=mask, index=padded[1] if by_index else None
        )
        chosen = buffer.sampled(state)
        found = jnp.where(chosen, state.rows[..., 0].astype(jnp.int32), rows)
        return jnp.zeros(rows + 1, bool).at[found.reshape(-1)].set(True)[:rows]

    # 64 rows in two shards of 32: the second half of the batch holds 8 real rows.
    counts = np.asarray(sampled(jnp.arange(trials), np.arange(64) < rows), np.float64)
    assert first.sum() == 32
    share = counts.mean(0)
    assert counts.sum(1).max() <= 16
    assert counts.sum(1).mean() > 8
    # Each share is a mean of dependent Bernoulli draws; five standard errors of independent ones bound them.
    spread = 5 * np.sqrt(share.mean() * (1 - share.mean()) / trials)
    assert np.abs(share - share.mean()).max() < spread


def test_a_batch_may_be_larger_than_the_buffer_and_may_be_empty():
    buffer = FeatureBuffer(2, 5, "reservoir")
    state = insert(buffer, buffer.init(), numbered(), np.ones(ROWS, bool), np.arange(ROWS))
    state = insert(buffer, state, numbered(), np.zeros(ROWS, bool), np.arange(ROWS))
    assert held(buffer, state) == sorted(np.argsort(priorities(0, np.arange(ROWS)))[:5].tolist())
    assert int(state.seen.sum()) == ROWS


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"feature_size": 0, "capacity": 4}, "feature_size is 0"),
        ({"feature_size": 2, "capacity": 0}, "capacity is 0"),
        ({"feature_size": 2, "capacity": 4, "overflow": "drop"}, "overflow is 'drop'"),
    ],
)
def test_a_wrong_configuration_is_named(configuration: dict[str, Any], message: str):
    # The annotations, which tests check at run time, would refuse a wrong word before the metric can.
    with pytest.raises((InputError, TypeError)) as caught:
        FeatureBuffer(**configuration)
    assert message in str(caught.value) or isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("given_rows", "options", "message"),
    [
        (np.zeros((3, 4)), {}, r"features has shape \(3, 4\); the metric was made for \[N, 2\]"),
        (np.zeros((3, 2)), {"mask": np.ones(2, bool)}, r"the mask of features has shape \(2,\)"),
        (np.zeros((3, 2)), {"mask": np.ones(3)}, "dtype float"),
        (np.zeros((3, 2)), {"index": np.arange(2)}, r"the index of features has shape \(2,\)"),
        (np.zeros((3, 2)), {"index": np.zeros(3)}, "integers are expected"),
    ],
)
def test_a_wrong_batch_is_named(given_rows: np.ndarray, options: dict[str, Any], message: str):
    buffer = FeatureBuffer(2, 8)
    with pytest.raises(InputError, match=message):
        buffer.insert(buffer.init(), given_rows, **options)


def test_buffers_of_different_shapes_do_not_merge():
    with pytest.raises(InputError, match="cannot be merged"):
        FeatureBuffer(2, 8).merge(FeatureBuffer(2, 8).init(), FeatureBuffer(2, 8).init(shards=2))
