"""Neighbours that are found once for several ops: the same bits as when each op finds its own."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_defaults import DEFAULTS

from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.ops import kth_neighbours
from jaxeval.ops.neighbours import prepare_rows

RNG = np.random.default_rng(5)
REFERENCE, GENERATED = RNG.normal(size=(80, 6)), RNG.normal(size=(60, 6)) * 0.8
REFERENCE[10:14] = REFERENCE[14]
GENERATED[:3] = REFERENCE[:3]

WITH_REFERENCE = {
    "realism": (ops.realism, {"k": 3}),
    "rarity": (ops.rarity, {"k": 3}),
    "clipped": (ops.clipped_density_coverage, {"k": 5}),
    "alpha": (ops.alpha_precision, {}),
    "authenticity": (ops.authenticity, {}),
}
WITH_BOTH = {
    "prdc": (ops.prdc, {"k": 5, "tie": "inclusive"}),
    "probabilistic": (ops.probabilistic_precision_recall, {"k": 4}),
}


def known(rows, lists):
    return ops.own_neighbours(rows, [5, 1, 4, 3], lists=lists)


@defaults_of(DEFAULTS, "own_neighbours")
def test_defaults(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("name", [*WITH_REFERENCE, *WITH_BOTH])
def test_ops_give_the_same_bits_with_known_neighbours(name, lists):
    op, options = (WITH_REFERENCE | WITH_BOTH)[name]
    more = {"reference_neighbours": known(REFERENCE, lists)}
    if name in WITH_BOTH:
        more["generated_neighbours"] = known(GENERATED, lists)
    plain = op(reference=REFERENCE, generated=GENERATED, **options)
    shared = op(reference=REFERENCE, generated=GENERATED, **options, **more)
    np.testing.assert_equal(shared, plain)


@settings(max_examples=40)
@given(st.integers(7, 40), st.integers(1, 4), st.booleans(), st.integers(0, 2**31))
def test_several_k_are_each_as_alone(count, levels, lists, seed):
    # Few grid points for many rows: most rows have copies, and most distances are shared by many pairs.
    rows = np.random.default_rng(seed).integers(0, levels + 1, (count, 2)) / 3 + 1000.0
    pairs = np.square(rows[:, None] - rows[None]).sum(2)
    np.fill_diagonal(pairs, np.inf)
    found = ops.own_neighbours(rows, [6, 1, 3], lists=lists).squared_distances
    assert list(found) == [1, 3, 6]
    for k, distances in found.items():
        np.testing.assert_array_equal(distances, np.sort(pairs, axis=1)[:, k - 1])


def test_tiles_serve_several_k_in_one_search(monkeypatch):
    monkeypatch.setattr(kth_neighbours, "_TILE_ROWS", 16)
    monkeypatch.setattr(kth_neighbours, "_LEAST_WIDTH", 1)
    rows = np.random.default_rng(2).standard_normal((100, 40))
    (prepared,) = prepare_rows(rows)
    alone = [kth_neighbours.kth_squared_distances(prepared, k) for k in (1, 3, 7)]
    tiles, absorb = [], kth_neighbours._absorb_tiles

    def counting(tile, *arrays, side):
        tiles.append(int(tile))
        return absorb(tile, *arrays, side=side)

    monkeypatch.setattr(kth_neighbours, "_absorb_tiles", counting)
    np.testing.assert_array_equal(kth_neighbours.several_kth_squared_distances(prepared, (1, 3, 7)), alone)
    assert tiles == list(range(7))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.own_neighbours(REFERENCE, []), "no k is given"),
        (lambda: ops.own_neighbours(REFERENCE, [3, 0]), "k is 0"),
        (lambda: ops.own_neighbours(REFERENCE[:3], [1, 3]), "rows has 3 rows, too few for their 3 nearest"),
        (
            lambda: ops.prdc(
                reference=REFERENCE, generated=GENERATED, reference_neighbours=ops.own_neighbours(REFERENCE, [1, 3])
            ),
            "reference_neighbours are of k 1, 3, and k is 5",
        ),
        (
            lambda: ops.prdc(
                reference=REFERENCE, generated=GENERATED, generated_neighbours=ops.own_neighbours(REFERENCE, [5])
            ),
            "generated_neighbours are of 80 rows, and generated has 60",
        ),
        (
            lambda: ops.clipped_density_coverage(
                reference=REFERENCE[:50],
                generated=GENERATED,
                reference_neighbours=ops.own_neighbours(REFERENCE, [5], lists=True),
            ),
            "reference_neighbours are of 80 rows, and reference has 50",
        ),
    ],
)
def test_wrong_neighbours_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
