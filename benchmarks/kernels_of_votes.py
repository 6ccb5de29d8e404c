"""Kernels on votes of people: strengths of systems, and a bootstrap of them."""

import functools
from typing import Any

import numpy as np

from benchmarks.kernel import OURS, Goal, Kernel, Run, Size
from jaxeval.ops import preference

_BYTES = 10  # of a vote: two numbers of systems of 4 bytes, rounded, and an outcome of 1


@functools.cache
def _votes(count: int, systems: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First, second, outcome; decided votes of systems whose strengths have a deviation of 1."""
    rng = np.random.default_rng(0)
    strengths = rng.normal(size=systems)
    first = rng.integers(0, systems, count, dtype=np.int32)
    second = (first + rng.integers(1, systems, count, dtype=np.int32)) % systems
    won = rng.random(count) < 1 / (1 + np.exp(strengths[second] - strengths[first]))
    return first, second, np.where(won, 1, -1).astype(np.int8)


def _span(strengths: Any) -> float:
    found = np.asarray(strengths, np.float64)
    return float(found.max() - found.min())


def _fit(size: Size) -> Run:
    votes = _votes(size["votes"], size["systems"])
    return lambda: _span(preference.fit_pairs(*preference.pair_counts(*votes, systems=size["systems"])).strengths)


def _fit_choix(size: Size) -> Run:
    import choix

    first, second, outcome = _votes(size["votes"], size["systems"])
    systems = size["systems"]

    def run() -> float:
        # Its function of single votes is a loop of Python; that of a matrix is the fastest it has.
        winner, loser = np.where(outcome > 0, first, second), np.where(outcome > 0, second, first)
        wins = np.bincount(winner * systems + loser, minlength=systems**2).reshape(systems, systems)
        return _span(choix.ilsr_pairwise_dense(wins.astype(float), tol=1e-8))

    return run


def _fit_evalica(size: Size) -> Run:
    import evalica
    import pandas

    first, second, outcome = _votes(size["votes"], size["systems"])
    winners = np.where(outcome > 0, int(evalica.Winner.X), int(evalica.Winner.Y)).tolist()
    sides = first.tolist(), second.tolist()
    index = pandas.Index(range(size["systems"]))

    def run() -> float:
        found = evalica.bradley_terry(*sides, winners, index=index, tolerance=1e-8, limit=1000)
        return _span(np.log(found.scores.to_numpy()))

    return run


def _fit_arena(size: Size) -> Run:
    import pandas
    from arena_rank.models.bradley_terry import BradleyTerry
    from arena_rank.utils.data_utils import PairDataset

    first, second, outcome = _votes(size["votes"], size["systems"])
    names = pandas.Categorical.from_codes(first, categories=[str(one) for one in range(size["systems"])])
    others = pandas.Categorical.from_codes(second, categories=names.categories)
    winner = pandas.Categorical.from_codes((outcome < 0).astype(np.int8), categories=["model_a", "model_b"])
    table = pandas.DataFrame({"model_a": names, "model_b": others, "winner": winner})

    def run() -> float:
        data = PairDataset.from_pandas(table)
        model = BradleyTerry(n_competitors=size["systems"], scale=1.0, base=np.e, init_rating=0.0)
        model.fit(data)
        return _span(model.params["ratings"])

    return run


def _bootstrap(size: Size) -> Run:
    systems = size["systems"]
    votes = _votes(size["votes"], systems)
    rater = np.arange(size["votes"]) % size["raters"]
    cell = votes[0] * systems + votes[1]
    cell = np.where(votes[2] > 0, cell, votes[1] * systems + votes[0])

    def run() -> float:
        from jaxeval.human.estimating import kinds_by_group

        table = kinds_by_group(cell, systems * systems, rater, size["raters"])
        generator = np.random.default_rng(0)
        spans = []
        for _ in range(size["repeats"] // 100):
            weights = generator.multinomial(size["raters"], np.full(size["raters"], 1 / size["raters"]), 100)
            wins = np.asarray(weights.astype(np.float64) @ table).reshape(100, systems, systems)
            spans.append(np.ptp(preference.fit_pairs(wins).strengths, axis=1))
        return float(np.std(np.concatenate(spans)))

    return run


def _bootstrap_evalica(size: Size) -> Run:
    import evalica
    import pandas

    first, second, outcome = _votes(size["votes"], size["systems"])
    winners = np.where(outcome > 0, int(evalica.Winner.X), int(evalica.Winner.Y))
    index = pandas.Index(range(size["systems"]))

    def run() -> float:
        generator = np.random.default_rng(0)
        spans = []
        for _ in range(size["repeats"]):
            rows = generator.integers(0, size["votes"], size["votes"])
            sides = first[rows].tolist(), second[rows].tolist(), winners[rows].tolist()
            found = evalica.bradley_terry(*sides, index=index, tolerance=1e-8, limit=1000)
            spans.append(_span(np.log(found.scores.to_numpy())))
        return float(np.std(spans))

    return run


KERNELS = (
    Kernel(
        name="votes",
        title="Bradley-Terry strengths of {systems} systems from {votes} votes",
        sizes={"small": {"votes": 200_000, "systems": 20}, "paper": {"votes": 10_000_000, "systems": 100}},
        contenders={
            OURS: _fit,
            "choix": _fit_choix,
            "evalica": _fit_evalica,
            "arena-rank": _fit_arena,
        },
        work=lambda size: float(size["votes"] * _BYTES),
        rate="copy",
        goal=Goal(ratio=1.0, peer="choix"),
        alike=1e-3,
        remark="from arrays of numbers of systems, or what a peer takes fastest, made before",
    ),
    Kernel(
        name="votes-bootstrap",
        title="{repeats} resamples of the raters of {votes} votes on {systems} systems",
        sizes={
            "small": {"votes": 20_000, "systems": 10, "raters": 100, "repeats": 100},
            "paper": {"votes": 100_000, "systems": 100, "raters": 500, "repeats": 1000},
        },
        contenders={OURS: _bootstrap, "evalica": _bootstrap_evalica},
        work=lambda size: float(size["votes"] * _BYTES * size["repeats"]),
        rate="copy",
        remark="evalica resamples single votes, as it knows no raters",
    ),
)
