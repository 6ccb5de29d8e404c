"""The parameters in a result are those that ran: the op gives the number again from them."""

import dataclasses
import inspect
from typing import Any
from unittest import mock

import numpy as np
import pytest

from jaxeval import ops
from jaxeval.evaluation import PROTOCOLS
from jaxeval.evaluation.measures import MEASURES
from jaxeval.evaluation.measures.measure import Features, Pair
from jaxeval.ops.split_rules import SHUFFLED

RNG = np.random.default_rng(0)
ROWS = {name: RNG.standard_normal((count, 6)).astype(np.float32) for name, count in (("real", 240), ("made", 230))}
LABELS = {name: np.arange(len(rows)) % 3 for name, rows in ROWS.items()}
UNSEEN = RNG.standard_normal((220, 6)).astype(np.float32)
# Measure -> the op whose options its parameters are, and numbers among them that the op found itself.
OPS: dict[str, tuple[str, frozenset[str]]] = {
    # One that has the name of an op says what this was given, unless it is below.
    **{
        name: (op, frozenset())
        for name, measure in MEASURES.items()
        if (op := name.replace("-", "_")) in ops.__all__ and not measure.wanted.statistics
    },
    "kd": ("kid", frozenset({"deviation_of_subsets"})),
    "is": ("inception_score", frozenset({"deviation_of_splits"})),
    "clip-score": ("clip_score", frozenset()),
    "vendi": ("vendi_score", frozenset()),
    "rke": ("rke", frozenset()),
    "prdc": ("prdc", frozenset()),
    "clipped": ("clipped_density_coverage", frozenset()),
    "p-precision-recall": ("probabilistic_precision_recall", frozenset()),
    "prd": ("precision_recall_distribution", frozenset()),
    "alpha-beta": ("alpha_precision", frozenset()),
    "realism": ("realism", frozenset()),
    "rarity": ("rarity", frozenset()),
    "sliced": ("sliced_costs", frozenset()),
    "fd-infinity": ("fd_infinity", frozenset({"slope"})),
    "mifd": ("mifid", frozenset()),
    "fld": ("fld", frozenset()),
    "c-t": ("c_t_score", frozenset()),
    "by-class": ("classification_accuracy_score", frozenset({"classes"})),
}


def pair_under(protocol: str) -> Pair:
    real, made = (Features(name, None, rows, LABELS[name], rows, ("a", "b", "c")) for name, rows in ROWS.items())
    followed = PROTOCOLS[protocol]
    if followed.subsets is not None:  # of fewer images than there are here
        followed = dataclasses.replace(followed, subsets=dataclasses.replace(followed.subsets, subsets=3, size=50))
    return Pair(real, made, Features("unseen", None, UNSEEN), followed, 3, with_intervals=False)


def test_every_measure_with_options_is_asked():
    pair = pair_under("torch-fidelity")
    without_statistics = [measure for measure in MEASURES.values() if not measure.wanted.statistics]
    with_options = {
        measure.name for measure in without_statistics for number in measure.compute(pair) if number.parameters
    }
    assert with_options <= set(OPS)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("measure", OPS)
def test_recorded_options_are_those_that_the_op_was_given(measure, protocol, monkeypatch):
    name, found = OPS[measure]
    op: Any = getattr(ops, name)
    known = inspect.signature(op).parameters
    spy = mock.create_autospec(op, side_effect=op)
    monkeypatch.setattr(ops, name, spy)
    pair = pair_under(protocol)
    numbers = MEASURES[measure].compute(pair)
    if measure == "kd" and pair.protocol.subsets is None:  # all pairs: no subsets, no options
        assert not spy.called
        assert not numbers[0].parameters
        return
    given = spy.call_args.kwargs
    for number in numbers:
        for key, value in number.parameters.items():
            if key in found or (key == "splits" and number.parameters.get("rule") == "adm"):
                continue
            assert key in known, (number.stem, key)
            assert given[key] == value, (number.stem, key)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_splits_of_an_inception_score_are_as_many_as_ran(protocol):
    (number,) = MEASURES["is"].compute(pair_under(protocol))
    assert ("seed" in number.parameters) == (number.parameters["rule"] in SHUFFLED)
    if number.parameters["rule"] == "adm":  # one of 5,000 images at most
        assert number.parameters["splits"] == 1
    options = {key: number.parameters[key] for key in ("rule", "splits", "seed") if key in number.parameters}
    again = ops.inception_score(logits=ROWS["made"], **options)
    assert (again.mean, again.std) == (number.value, number.parameters["deviation_of_splits"])
