"""What several measures need of the same features is found once in a run, and serves all of them."""

import dataclasses

import numpy as np
import pytest

import jaxeval
from jaxeval import ops
from jaxeval.evaluation import MEASURES, PROTOCOLS
from jaxeval.ops import _own_neighbours, kth_neighbours, neighbours

RNG = np.random.default_rng(0)
REAL = RNG.integers(0, 256, (150, 5, 5, 3)).astype(np.uint8)
FAKE = {name: RNG.integers(0, 256, (120, 5, 5, 3)).astype(np.uint8) for name in ("first", "second")}
OF_NEIGHBOURS = [name for name, measure in MEASURES.items() if any(measure.balls(PROTOCOLS["torch-fidelity"]))]


@pytest.fixture
def searched(monkeypatch):
    """How often the neighbours of a set of so many rows in itself are searched."""
    counts: dict[int, int] = {}

    def count(rows):
        counts[len(rows.original)] = counts.get(len(rows.original), 0) + 1

    def kth(rows, ks, search=kth_neighbours.several_kth_squared_distances):
        count(rows)
        return search(rows, ks)

    def nearest(rows, columns, k, *, weights=None, search=neighbours.nearest):
        if rows is columns:
            count(rows)
        return search(rows, columns, k, weights=weights)

    monkeypatch.setattr(kth_neighbours, "several_kth_squared_distances", kth)
    monkeypatch.setattr(_own_neighbours, "several_kth_squared_distances", kth)
    monkeypatch.setattr(_own_neighbours, "nearest", nearest)
    return counts


def test_neighbours_of_a_set_are_searched_once(searched):
    assert len(OF_NEIGHBOURS) == 7
    evaluation = jaxeval.evaluate(REAL, FAKE, metrics=",".join(OF_NEIGHBOURS), extractor="pixels")
    assert len(evaluation.results) == 2 * sum(len(MEASURES[name].numbers) for name in OF_NEIGHBOURS)
    # Of the reference for all measures and both sets; of each generated set for the two measures that want it.
    assert searched[150] == 1
    assert searched[120] == 2


def test_every_k_of_several_protocols_is_found_in_one_search(searched):
    nearer = dataclasses.replace(PROTOCOLS["torch-fidelity"], name="nearer", neighbours=2)
    jaxeval.evaluate(
        REAL, FAKE["first"], metrics="prdc,realism", extractor="pixels", protocol=["torch-fidelity", nearer]
    )
    assert searched[150] == searched[120] == 1


@pytest.mark.parametrize("name", OF_NEIGHBOURS)
def test_a_measure_gives_the_same_alone_and_in_company(name):
    alone = jaxeval.evaluate(REAL, FAKE["first"], extractor="pixels", metrics=name).results
    together = jaxeval.evaluate(REAL, FAKE["first"], extractor="pixels", metrics=",".join(OF_NEIGHBOURS)).results
    found = {one.metric: (one.value, one.interval) for one in together}
    assert {one.metric: (one.value, one.interval) for one in alone}.items() <= found.items()


@pytest.mark.parametrize(
    ("metrics", "op", "times"),
    [("kd,kd-full", "kid_full", 2), ("fd,fd-infinity", "frechet_uncertainty", 2)],
)
def test_values_of_a_pair_are_found_once(monkeypatch, metrics, op, times):
    calls, original = [], getattr(ops, op)

    def counting(**arguments):
        calls.append(op)
        return original(**arguments)

    monkeypatch.setattr(ops, op, counting)
    jaxeval.evaluate(REAL, FAKE, metrics=metrics, extractor="pixels", kid_subset_size=50 if "kd" in metrics else None)
    assert len(calls) == times  # once for each generated set


def test_a_comparison_takes_the_costs_of_its_numbers(monkeypatch):
    sizes, original = [], ops.sliced_costs

    def counting(*, reference, **more):
        sizes.append(len(reference))
        return original(reference=reference, **more)

    monkeypatch.setattr(ops, "sliced_costs", counting)
    jaxeval.compare(FAKE["first"], FAKE["second"], reference=REAL, metrics="mind", extractor="pixels")
    assert sizes.count(150) == 2
