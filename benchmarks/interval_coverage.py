"""Do 95% intervals cover the truth in 95 of 100 repeats? Every interval that jaxeval states, on normal samples.

`python -m benchmarks.interval_coverage` prints the table of docs/interval_coverage.md. Each row is 200 draws of a
reference and a generated set (and a second generated one for differences). The truth is the closed form for the two
distributions where there is one, or else the mean over 400 further draws of the same sizes: what the number is on
average at these sizes, bias included. `error` is the root mean square of the stated standard errors over the true one.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxeval import ops
from jaxeval.evaluation.measures import copying, frechet, sliced
from jaxeval.evaluation.measures import manifold as manifold_measures
from jaxeval.evaluation.measures.measure import Features, Number, Pair
from jaxeval.evaluation.protocols import PROTOCOLS
from jaxeval.ops import Interval
from jaxeval.statistics import StatisticsAccumulator

REPEATS = 200
TRUTH_DRAWS = 400


class Setting(NamedTuple):
    """Two normal distributions and the sizes of samples of them: N(0, S) and N(shift, scale^2 S), S diagonal."""

    n: int
    m: int
    d: int
    shift: float
    scale: float = 1.0
    decay: float = 0.0  # the variances fall by exp(-decay) from the first feature to the last
    second: float = 0.0  # shift of a second generator
    copied: float = 0.0  # the generated set is rows of the reference, each moved by normal numbers of this size

    def variances(self) -> np.ndarray:
        """Of the reference's features."""
        return np.exp(-self.decay * np.arange(self.d) / self.d)

    def draw(self, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A reference set and the sets of two generators."""
        rng = np.random.default_rng([seed, self.n, self.m, self.d])
        spread = np.sqrt(self.variances())
        x = rng.standard_normal((self.n, self.d)) * spread
        y, z = (self.scale * rng.standard_normal((self.m, self.d)) * spread + s for s in (self.shift, self.second))
        if self.copied:
            y = x[rng.integers(0, self.n, self.m)] + self.copied * y
        return x, y, z

    def frechet(self, shift: float) -> float:
        """Distance of the distributions."""
        return float(self.d * shift**2 + (1 - self.scale) ** 2 * self.variances().sum())

    def cubic(self, shift: float) -> float:
        """Their squared discrepancy under the cubic kernel, for equal spherical covariances."""
        m, d = self.d * shift**2, self.d
        return 3 * m / d + 3 * m**2 / d**2 + (m**3 + 6 * m**2 + 3 * m * (d + 2)) / d**3

    def __str__(self) -> str:
        text = f"N {self.n}, M {self.m}, d {self.d}, shift {self.shift}"
        text += f", scale {self.scale}" if self.scale != 1 else ""
        text += f", decay {self.decay:g}" if self.decay else ""
        text += f", copies moved by {self.copied:g}" if self.copied else ""
        return text + (f"; second {self.second}" if self.second else "")


class Estimate(NamedTuple):
    """One draw's: the value, its standard error, and the ends of its interval of 95%."""

    value: float
    error: float
    low: float
    high: float


Row = tuple[str, str, Setting, Callable[..., list[Estimate]], Sequence[str], Sequence[float | None]]


def estimate(value: float, error: float, degrees: float = float("inf")) -> Estimate:
    """With the interval that goes with the degrees of freedom."""
    return Estimate(float(value), float(error), *ops.interval(float(value), float(error), degrees=degrees))


def printed(value: float, interval: Interval | None) -> Estimate:
    """A number with the interval that `jaxeval evaluate` prints; its error is what the width would be of, if normal."""
    low, high = (float("nan"),) * 2 if interval is None else interval
    return Estimate(float(value), (high - low) / 3.92, low, high)


def pair_of(x: np.ndarray, y: np.ndarray, seed: int = 0, protocol: str = "edm2") -> Pair:
    """Both sets as a measure is given them."""
    return Pair(_features("reference", x), _features("generated", y), None, PROTOCOLS[protocol], seed)


def _features(name: str, rows: np.ndarray) -> Features:
    rows = rows.astype(np.float32)
    accumulator = StatisticsAccumulator(name)
    accumulator.add(rows)
    return Features(name, accumulator.finish(), rows)


def printed_frechet(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> list[Estimate]:
    """The distance and the distance without its bias, each with its own interval."""
    (number,) = frechet.frechet(pair_of(x, y))
    rest = printed(0, None) if number.debiased is None else printed(number.debiased.value, number.debiased.interval)
    return [printed(number.value, number.interval), rest]


SHARES = ("precision", "recall", "coverage", "authenticity")


def printed_shares(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> list[Estimate]:
    """Shares of images."""
    pair = pair_of(x, y)
    found: dict[str, Number] = {
        one.stem: one for one in (*manifold_measures.manifold(pair), *copying.authenticity(pair))
    }
    return [printed(found[stem].value, found[stem].interval) for stem in SHARES]


def printed_mind(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> list[Estimate]:
    """With other directions in every draw; and what the interval would be without their error."""
    pair = pair_of(x, y, seed=int(1e6 * abs(x[0, 0])))
    number = next(one for one in sliced.sliced(pair) if one.stem == "mind")
    assert number.interval is not None
    whole = (number.interval[1] - number.interval[0]) / 2
    reach = np.sqrt(whole**2 - (1.959964 * number.drawing_error) ** 2)
    return [
        printed(number.value, number.interval),
        printed(number.value, Interval(float(number.value - reach), float(number.value + reach))),
    ]


def frechet_influence(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> list[Estimate]:
    """Without its bias, by `frechet_uncertainty`."""
    ours, theirs = ops.gaussian_from_features(x), ops.gaussian_from_features(y)
    found = ops.frechet_uncertainty(
        reference=ours,
        generated=theirs,
        reference_rows=x,
        generated_rows=y,
        n_reference=len(x),
        n_generated=len(y),
    )
    return [estimate(ops.frechet_distance_between(ours, theirs) - found.bias, found.standard_error)]


def frechet_jackknife(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> list[Estimate]:
    """Without its bias, and as it is."""
    found = ops.frechet_jackknife(reference=x, generated=y)
    return [estimate(value, found.standard_error, found.degrees) for value in (found.value - found.bias, found.value)]


def frechet_bootstrap(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> list[Estimate]:
    """The naive one: rows drawn with replacement."""
    rng = np.random.default_rng(0)
    values = [
        ops.frechet_distance_from_features(
            reference=x[rng.integers(0, len(x), len(x))], generated=y[rng.integers(0, len(y), len(y))]
        )
        for _ in range(40)
    ]
    low, high = np.quantile(values, [0.025, 0.975])
    return [Estimate(float(low + high) / 2, float(np.std(values)), float(low), float(high))]


def frechet_difference(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[Estimate]:
    """As it is: the biases are alike."""
    found = ops.frechet_difference(reference=x, first=y, second=z, permutations=1)
    return [estimate(found.value, found.standard_error, found.degrees)]


def kernel(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[Estimate]:
    """KID, and its difference."""
    found = ops.kid_full(reference=x, generated=y)
    other = ops.mmd_difference(reference=x, first=y, second=z, permutations=1)
    return [estimate(*found), estimate(other.value, other.standard_error)]


def manifold(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> list[Estimate]:
    """Neighbours."""

    def values(reference: np.ndarray, generated: np.ndarray) -> list[float]:
        return _manifold(x[reference], y[generated], cut=False)

    found = _subsampled(values, {"reference": len(x), "generated": len(y)})
    return [
        Estimate(value, one.error, one.low - one.value + value, one.high - one.value + value)
        for one, value in zip(found, _manifold(x, y), strict=True)
    ]


def manifold_difference(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[Estimate]:
    """Neighbours of two generators."""
    found = ops.prdc_difference(reference=x, first=y, second=z, permutations=1)
    return [estimate(part.value, part.standard_error, part.degrees) for part in found]


def _manifold(x: np.ndarray, y: np.ndarray, cut: bool = True) -> list[float]:
    both: dict[str, Any] = {"reference": x, "generated": y}
    soft = ops.probabilistic_precision_recall(**both)
    alpha = ops.alpha_precision(**both, signed=not cut)
    return [
        *ops.prdc(**both),
        *ops.clipped_density_coverage(**both, cut=cut),
        *soft,
        ops.authenticity(**both),
        alpha.precision,
        alpha.recall,
    ]


MANIFOLD = [
    "precision", "recall", "density", "coverage", "clipped density", "clipped coverage", "P-precision", "P-recall",
    "AuthPct", "alpha-precision", "beta-recall",
]  # fmt: skip


def others(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> list[Estimate]:
    """Diversity and transport."""

    def values(reference: np.ndarray, generated: np.ndarray) -> list[float]:
        return _others(x[reference], y[generated])

    sizes = {"reference": len(x), "generated": len(y)}
    by_jackknife = ops.jackknife(lambda rows: ops.vendi_score(y[rows]), {"rows": len(y)})
    found = _subsampled(values, sizes)
    return [*found, estimate(float(by_jackknife.value), float(by_jackknife.standard_error), by_jackknife.degrees)]


def _shares(x: np.ndarray, y: np.ndarray) -> list[float]:
    found = ops.prdc(reference=x, generated=y)
    return [found.precision, found.recall, found.coverage]


def _others(x: np.ndarray, y: np.ndarray) -> list[float]:
    mind = ops.mind(reference=x, generated=y, projections=100).value
    return [mind, ops.vendi_score(y)]


def inception(_: np.ndarray, y: np.ndarray, _z: np.ndarray) -> list[Estimate]:
    """The rows as logits."""
    value = ops.inception_score(logits=3 * y, splits=1).mean
    return [estimate(value, value * ops.inception_score_error(logits=3 * y))]


def _subsampled(values: Callable[..., list[float]], sizes: dict[str, int]) -> list[Estimate]:
    spread = ops.subsampling(values, sizes)
    whole = values(*(np.arange(size) for size in sizes.values()))
    return [estimate(value, error, spread.degrees) for value, error in zip(whole, spread.standard_error, strict=True)]


# Images and features: 5, 10, 20 and 40 images a feature, unequal counts, distributions that differ and that do not.
PRINTED = (
    (80, 80, 16, 0.0, 1.0, 0.0),
    (159, 159, 16, 0.1, 1.0, 0.0),
    (160, 160, 16, 0.1, 1.0, 0.0),
    (640, 640, 16, 0.1, 1.1, 0.0),
    (160, 160, 32, 0.1, 1.0, 2.0),
    (320, 320, 32, 0.0, 1.0, 0.0),
    (1280, 1280, 32, 0.05, 1.0, 0.0),
    (320, 320, 64, 0.1, 1.0, 0.0),
    (1280, 320, 64, 0.0, 1.0, 5.0),
    (128, 128, 64, 0.1, 1.0, 0.0),
    (48, 48, 64, 0.1, 1.0, 0.0),
)
# Close to 1 and to 0.
EDGES = (Setting(100, 100, 2, 0.0), Setting(100, 100, 8, 2.5), Setting(150, 100, 8, 0.0, copied=0.3))


def table() -> Iterator[Row]:
    """What is measured: whose interval, by which method, where, and the truth of each of its numbers if known."""
    alike, apart = Setting(1000, 1000, 32, 0.0), Setting(500, 500, 16, 0.1, 1.1)
    uneven = Setting(2000, 500, 64, 0.1, decay=5)
    few, fewer = Setting(400, 400, 64, 0.05), Setting(300, 300, 128, 0.05)
    for setting in (alike, apart, uneven, few, fewer):
        truth = setting.frechet(setting.shift)
        yield "FD less its bias", "influence", setting, frechet_influence, ["FD less its bias"], [truth]
        yield "FD less its bias; FD", "jackknife", setting, frechet_jackknife, ["FD less its bias", "FD"], [truth, None]
    for n, m, d, shift, scale, decay in PRINTED:
        setting = Setting(n, m, d, shift, scale, decay)
        truth = setting.frechet(shift)
        labels = ["FD", "FD less bias"] if min(n, m) > d else ["FD, N < d", "-"]
        yield "printed FD", "printed", setting, printed_frechet, labels, [None, truth]
    yield "FD", "jackknife", Setting(100, 100, 128, 0.05), frechet_jackknife, ["-", "FD, N < d"], [0.0, None]
    yield "FD", "naive bootstrap", apart, frechet_bootstrap, ["FD"], [None]
    two = Setting(500, 500, 16, 0.1, second=0.2)
    yield (
        "FD difference",
        "jackknife",
        two,
        frechet_difference,
        ["FD difference"],
        [two.frechet(0.2) - two.frechet(0.1)],
    )
    same = Setting(400, 400, 32, 0.0)
    yield "FD difference", "jackknife", same, frechet_difference, ["FD difference"], [0.0]
    for setting in (Setting(500, 500, 16, 0.0), two, Setting(800, 400, 64, 0.1, second=0.12)):
        truth = [setting.cubic(setting.shift), setting.cubic(setting.second) - setting.cubic(setting.shift)]
        yield "KID; difference", "closed form", setting, kernel, ["KID (all pairs)", "KID difference"], truth
    none: list[float | None] = [None] * len(MANIFOLD)
    yield "neighbours", "subsampling", Setting(500, 500, 16, 0.2), manifold, MANIFOLD, none
    yield "neighbours", "subsampling", Setting(600, 400, 64, 0.0), manifold, MANIFOLD, none
    yield (
        "neighbours",
        "subsampling",
        two,
        manifold_difference,
        [f"{name} difference" for name in MANIFOLD[:4]],
        [None] * 4,
    )
    for setting in (Setting(500, 500, 16, 0.3), Setting(800, 800, 32, 0.0)):
        names = ["MIND", "Vendi", "Vendi, by jackknife"]
        yield "others", "subsampling", setting, others, names, [None] * 3
    for setting in EDGES:
        yield "printed shares", "printed", setting, printed_shares, list(SHARES), [None] * len(SHARES)
    wide = Setting(300, 300, 256, 0.3, 1.0, 5.0)
    yield "printed MIND", "printed", wide, printed_mind, ["MIND", "MIND, directions as if exact"], [None, None]
    yield "IS", "delta method", Setting(10, 1000, 10, 0.0), inception, ["IS"], [None]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--only", default="", help="part of a method's or a number's name, or of a setting")
    options = parser.parse_args()
    print("| number | interval | setting | truth | mean | error | covered |\n|---|---|---|---|---|---|---|", flush=True)
    for name, method, setting, compute, names, truths in table():
        if options.only not in f"{name} {method} {setting}":
            continue
        found = np.array([compute(*setting.draw(seed)) for seed in range(options.repeats)])
        more = found[:, :, 0]
        if None in truths:
            more = _values(compute, setting, options.repeats)
        for place, (label, truth) in enumerate(zip(names, truths, strict=True)):
            if label == "-":
                continue
            values, errors, lows, highs = found[:, place].T
            known = float(more[:, place].mean()) if truth is None else truth
            spread = values.std() if truth is not None else np.concatenate([values, more[:, place]]).std()
            error = np.sqrt(np.mean(errors**2)) / spread
            covered = ((lows <= known) & (known <= highs)).mean()
            way = "jackknife" if "jackknife" in label else method
            kind = "" if truth is None else " (exact)"
            print(
                f"| {label} | {way} | {setting} | {known:.4g}{kind} | {values.mean():.4g} | {error:.2f} "
                f"| {covered:.1%} |",
                flush=True,
            )


def _values(compute: Callable[..., list[Estimate]], setting: Setting, seed: int) -> np.ndarray:
    """The values alone, of further draws."""
    alone: dict[Any, Callable[[np.ndarray, np.ndarray, np.ndarray], list[float]]] = {
        frechet_jackknife: lambda x, y, _: [0.0, ops.frechet_distance_from_features(reference=x, generated=y)],
        frechet_bootstrap: lambda x, y, _: [ops.frechet_distance_from_features(reference=x, generated=y)],
        manifold: lambda x, y, _: _manifold(x, y),
        manifold_difference: lambda x, y, z: list(
            np.subtract(ops.prdc(reference=x, generated=z), ops.prdc(reference=x, generated=y))
        ),
        others: lambda x, y, _: [*_others(x, y), ops.vendi_score(y)],
        printed_frechet: lambda x, y, _: [ops.frechet_distance_from_features(reference=x, generated=y), 0.0],
        printed_shares: lambda x, y, _: [*_shares(x, y), ops.authenticity(reference=x, generated=y)],
        printed_mind: lambda x, y, _: 2 * [ops.mind(reference=x, generated=y, seed=int(1e6 * abs(x[0, 0]))).value],
        inception: lambda _, y, _z: [ops.inception_score(logits=3 * y, splits=1).mean],
    }
    return np.array([alone[compute](*setting.draw(seed + 10_000 + draw)) for draw in range(TRUTH_DRAWS)])


if __name__ == "__main__":
    main()
