"""Logistic curves from a metric to people's scale, fitted by least squares, and errors of the prediction.

The curves are linear in all but two of their parameters, the midpoint and the width. For given ones of these the best
linear ones have a closed form (variable projection), so that the search has two dimensions, whatever the curve: a grid
of starts finds the valleys, and damped Gauss-Newton and Newton steps with analytic slopes their bottoms. All is float64
on the host; the fits of many repeats of a bootstrap are made at once.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from jaxeval._arrays import AnyArray, Numbers, as_float64, check_shape
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.agreement._draws import Draws, Estimate, draws_of
from jaxeval.ops.agreement._pairs_of_values import value_pair
from jaxeval.ops.agreement._ranks import order_of
from jaxeval.ops.agreement.correlations import correlation

Curve = Literal["logistic-4", "logistic-5"]
_SIZES = {"logistic-4": 4, "logistic-5": 5}
_LEAST_WIDTH = 1e-5  # of the metric's range: a step that no points tell from a steeper one
_LARGEST_WIDTH = {
    "logistic-4": 10.0,
    "logistic-5": 2.0,
}  # of the range: a curve that is nearly straight (or nearly cubic)
_REACH_OF_STEP = 4.0  # in widths: beyond, a curve is within 2% of its end
_FARTHEST = 3.0  # of the midpoint beyond the range, in ranges: one end of the curve, nearly an exponential
_STARTS = 16  # valleys of the grid that are gone down
_STEEP_STARTS = 4
_STEPS = 200
_FIRST_STEPS = 12
_DIFFERENCE = 1e-5  # of the logarithm of the width, and of the midpoint in widths
_TOLERANCE, _TOLERANCE_OF_REPEAT = 1e-15, 1e-11
_STEPS_OF_REPEAT = 25
_ENTRIES = 1 << 17  # of an array over repeats and rows: 1 MiB, which caches hold
_FLAT = 1e-13  # of a sum of squares: what rounding leaves of nothing


class LogisticFit(NamedTuple):
    """A curve from a metric's values to people's.

    Attributes:
      curve: `logistic-4` or `logistic-5`.
      parameters: b1 to b4 or b5 of the curve's definition in `fit_logistic`; NaN where it cannot be fitted.
      rmse: root of the mean squared residual, over the rows less the number of parameters.
      rising: whether the curve is higher at the metric's largest value than at its least; None without a fit.
      monotone: whether it rises or falls all the way between these; None without a fit.
      remark: why there is no fit, or what is doubtful in it; empty where nothing is.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import agreement
      >>> metric = np.linspace(-4, 4, 50)
      >>> fit = agreement.fit_logistic(metric, 1 + 4 / (1 + np.exp(-(metric - 1) / 0.5)))
      >>> [round(b, 6) for b in fit.parameters], fit.rising, fit.monotone
      ([5.0, 1.0, 1.0, 0.5], True, True)
    """

    curve: str
    parameters: tuple[float, ...]
    rmse: float
    rising: bool | None
    monotone: bool | None
    remark: str

    def predict(self, metric: AnyArray) -> Float[np.ndarray, " n"]:
        """People's values that the curve predicts, in float64; NaN where it could not be fitted.

        Args:
          metric: values, shape [N].

        Raises:
          InputError: no vector of finite values.
        """
        check_shape("metric", metric, (None,), "a value of each row")
        values = as_float64("metric", metric)
        b1, b2, b3, b4 = self.parameters[:4]
        if self.curve == "logistic-4":
            return b2 + (b1 - b2) * expit((values - b3) / b4)
        return b1 * (expit(b2 * (values - b3)) - 0.5) + b4 * values + self.parameters[4]


@takes_arrays
def fit_logistic(metric: Numbers, human: Numbers, *, curve: Curve | str = "logistic-4") -> LogisticFit:
    """The logistic curve from a metric to people's values that has the least squared residuals.

    - `logistic-4` is VQEG's, monotone: b2 + (b1 - b2) / (1 + exp(-(x - b3) / b4)), b4 > 0. It falls where b1 < b2, as
      for a metric of which less is better.
    - `logistic-5` is that of Sheikh, Sabir and Bovik, with a straight line: b1 (1/2 - 1 / (1 + exp(b2 (x - b3))))
      + b4 x + b5, b2 > 0. It need not be monotone; `monotone` says whether it is.

    The fit depends on nothing random, and is the best of several descents, from a grid of starts and from the best
    steps. The width of the curve is held between a hundred-thousandth of the metric's range and ten ranges (two for
    `logistic-5`), the midpoint within three ranges of the values: a `remark` says where the best curve lies at such a
    bound, a step or nearly a straight line.

    Args:
      metric: of each row, shape [N].
      human: people's value of the same rows.
      curve: which one.

    Returns:
      The fit. Its numbers are NaN, and `remark` says why, where the rows or the metric's different values are no more
      than the parameters, or one side is constant.

    Raises:
      InputError: shapes or values do not fit, or the curve is not known.

    Reference: VQEG, "Final report on the validation of objective models of video quality assessment", 2000; Sheikh,
    Sabir, Bovik, "A statistical evaluation of recent full reference image quality assessment algorithms", IEEE TIP
    15(11), 2006; Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate", SIAM Journal on Numerical Analysis 10(2), 1973.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import agreement
      >>> metric = np.linspace(0, 1, 40)
      >>> fit = agreement.fit_logistic(metric, 5 - 3 / (1 + np.exp(-12 * (metric - 0.4))), curve="logistic-5")
      >>> fit.rising, fit.monotone, round(float(fit.predict(np.array([0.4]))[0]), 6)
      (False, True, 3.5)
    """
    x, y = value_pair(metric, human)
    return _fitted(x, y, _known(curve))[0]


class PredictionErrors(NamedTuple):
    """How well people's values are predicted from a metric, after a curve has brought it to their scale.

    Attributes:
      fit: the curve; None without one.
      pearson: correlation of the predicted values with people's.
      rmse: root mean squared error.
      rmse_star: the same of what errors exceed people's own uncertainty by; None where that is not known.
      outlier_ratio: share of rows whose error exceeds people's own uncertainty; None where that is not known.
      band: ends of the intervals of the curve itself at the places that were asked for; None if none were.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import agreement
      >>> metric = np.linspace(0, 1, 60)
      >>> human = 1 + 4 * metric**2 + np.random.default_rng(0).normal(size=60) / 5
      >>> found = agreement.prediction_errors(metric, human, reach=np.full(60, 0.4))
      >>> round(found.pearson.value, 2), round(found.rmse.value, 2), round(found.outlier_ratio.value, 2)
      (0.99, 0.17, 0.02)
    """

    fit: LogisticFit | None
    pearson: Estimate
    rmse: Estimate
    rmse_star: Estimate | None
    outlier_ratio: Estimate | None
    band: tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]] | None


@takes_arrays
def prediction_errors(
    metric: Numbers,
    human: Numbers,
    *,
    curve: Curve | Literal["none"] | str = "logistic-4",
    reach: Numbers | None = None,
    band_at: Numbers | None = None,
    clusters: Numbers | None = None,
    repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> PredictionErrors:
    """Correlation, RMSE, epsilon-insensitive RMSE* and outlier ratio of a metric after a curve, with intervals.

    With the error e_i of row i, people's value less the predicted one, N rows, and d the number of the curve's
    parameters (1 without a curve):

    - rmse = sqrt(sum e_i^2 / (N - d)), the prediction error of ITU-T P.1401, 7.5.1.
    - rmse* = sqrt(sum max(0, |e_i| - r_i)^2 / (N - d)), the epsilon-insensitive one of P.1401, 7.7; r_i is half the
      width of the 95% confidence interval of people's mean, t_0.975(M - 1) s / sqrt(M) for M opinions of standard
      deviation s.
    - outlier ratio = the share of rows with |e_i| > r_i, P.1401, 7.5.2.2.

    In each repeat of the bootstrap the curve is fitted anew, from where it is for all rows.

    Args:
      metric: of each row, shape [N].
      human: people's value of the same rows.
      curve: `logistic-4` or `logistic-5` of `fit_logistic`; `none` for a metric that is on people's scale.
      reach: r_i of each row, in the unit of `human`; None where it is not known.
      band_at: values of the metric, shape [M], at which the curve's own interval is wanted; not with `none`.
      clusters: as of `pearson`.
      repeats: number of bootstrap repeats.
      confidence: of the intervals.
      seed: as of `pearson`.

    Returns:
      The errors, in the unit of `human`. NaN where the curve cannot be fitted (`fit.remark` says why), in a repeat too
      where what is drawn has too few different rows.

    Raises:
      InputError: shapes or values do not fit, or an option is out of its range.

    Reference: ITU-T Recommendation P.1401, "Methods, metrics and procedures for statistical evaluation, qualification
    and comparison of objective quality prediction models", 2020.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import agreement
      >>> human = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
      >>> found = agreement.prediction_errors(human + 0.5, human, curve="none", reach=np.full(5, 0.25))
      >>> [round(each.value, 3) for each in (found.pearson, found.rmse, found.rmse_star, found.outlier_ratio)]
      [1.0, 0.559, 0.28, 1.0]
    """
    x, y = value_pair(metric, human)
    draws = draws_of(len(x), clusters, repeats, confidence, seed)
    limits = None if reach is None else _reaches(reach, len(x))
    if curve == "none":
        if band_at is not None:
            raise InputError("band_at is given without a curve; choose 'logistic-4' or 'logistic-5'")
        return _errors(
            None, x, y, limits, draws, [_without_curve(x, y, limits, weights) for weights in _chunks(draws)], None
        )
    fit, scaled, shape = _fitted(x, y, _known(curve))
    places = None if band_at is None else _places(band_at)
    if scaled is None:
        lost = [np.full((draws.repeats, 4), np.nan)]
        nowhere = None if places is None else (np.full(len(places), np.nan), np.full(len(places), np.nan))
        return _errors(fit, x, y, limits, draws, lost, nowhere)
    sums, curves = [], []
    codes = order_of(x).codes
    for weights in _chunks(draws):
        point = _descend(
            scaled, weights, np.broadcast_to(shape, (len(weights), 2)), _STEPS_OF_REPEAT, _TOLERANCE_OF_REPEAT
        )
        known = _different(np.asarray(codes), weights) > _SIZES[curve]
        predicted = scaled.y_mean + scaled.y_scale * _curves(point, scaled.x)
        own = _sums_of_errors(y - predicted, limits, weights, _SIZES[curve])
        own[:, 0] = _explained(scaled, point, weights)
        sums.append(np.where(known[:, None], own, np.nan))
        if places is not None:
            at = _curves(point, (places - scaled.x_mean) / scaled.x_range)
            curves.append(np.where(known[:, None], scaled.y_mean + scaled.y_scale * at, np.nan))
    band = None
    if places is not None:
        tail = (1 - draws.confidence) / 2
        low, high = np.nanquantile(np.concatenate(curves), (tail, 1 - tail), axis=0)
        band = low, high
    return _errors(fit, x, y, limits, draws, sums, band)


def _reaches(reach: AnyArray, count: int) -> Float[np.ndarray, " n"]:
    check_shape("reach", reach, (count,), "half the width of the confidence interval of people's value of each row")
    found = as_float64("reach", reach)
    if (found < 0).any():
        raise InputError(f"reach has the value {found.min():g}; half the width of an interval is 0 or more")
    return found


def _places(band_at: AnyArray) -> Float[np.ndarray, " m"]:
    check_shape("band_at", band_at, (None,), "values of the metric")
    return as_float64("band_at", band_at)


def _chunks(draws: Draws) -> Iterator[Float[np.ndarray, "b n"]]:
    return (weights.astype(np.float64) for weights in draws.batches(_ENTRIES))


def _errors(
    fit: LogisticFit | None,
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    limits: Float[np.ndarray, " n"] | None,
    draws: Draws,
    sums: list[np.ndarray],
    band: tuple[np.ndarray, np.ndarray] | None,
) -> PredictionErrors:
    predicted = x if fit is None else fit.predict(x)
    size = 1 if fit is None else _SIZES[fit.curve]
    drawn = np.concatenate(sums)
    if np.isnan(predicted).any():
        values = np.full(4, np.nan)
    else:
        values = _sums_of_errors((y - predicted)[None], limits, np.ones((1, len(x))), size)[0]
        values[0] = correlation(predicted, y)
    found = [draws.estimate(value, column) for value, column in zip(values, drawn.T, strict=True)]
    star, outliers = (None, None) if limits is None else (found[2], found[3])
    return PredictionErrors(fit, found[0], found[1], star, outliers, band)


def _sums_of_errors(
    errors: Float[np.ndarray, "b n"],
    limits: Float[np.ndarray, " n"] | None,
    weights: Float[np.ndarray, "b n"],
    size: int,
) -> Float[np.ndarray, "b 4"]:
    """A place for the correlation, then RMSE, RMSE* and outlier ratio; NaN where too few rows are drawn."""
    total = weights.sum(1)
    beyond = np.abs(errors) - (0.0 if limits is None else limits)
    found = np.full((len(weights), 4), np.nan)
    known = total > size
    free = np.where(known, total - size, np.nan)
    found[:, 1] = np.sqrt((weights * np.square(errors)).sum(1) / free)
    found[:, 2] = np.sqrt((weights * np.square(np.maximum(beyond, 0))).sum(1) / free)
    found[:, 3] = (weights * (beyond > 0)).sum(1) / np.where(known, total, np.nan)
    return found


def _without_curve(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    limits: Float[np.ndarray, " n"] | None,
    weights: Float[np.ndarray, "b n"],
) -> Float[np.ndarray, "b 4"]:
    found = _sums_of_errors(np.broadcast_to(y - x, weights.shape), limits, weights, 1)
    total = np.maximum(weights.sum(1, keepdims=True), 1.0)
    sides = [side[None] - (weights @ side)[:, None] / total for side in (x, y)]
    squares = [(weights * a * b).sum(1) for a, b in (sides, (sides[0], sides[0]), (sides[1], sides[1]))]
    varied = [_different(np.asarray(order_of(side).codes), weights) > 1 for side in (x, y)]
    below = np.sqrt(squares[1] * squares[2])
    known = varied[0] & varied[1] & (below > 0)
    found[:, 0] = np.where(known, squares[0] / np.where(known, below, 1.0), np.nan)
    return found


def _different(codes: np.ndarray, weights: Float[np.ndarray, "b n"]) -> np.ndarray:
    """The number of different values that are drawn."""
    order = np.argsort(codes, kind="stable")
    begin = np.flatnonzero(np.diff(codes[order], prepend=-1))
    return (np.add.reduceat(weights[:, order], begin, axis=1) > 0).sum(1)


def _explained(scaled: "_Scaled", point: "_Point", weights: Float[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
    """The correlation of the fitted values with people's: the root of the share of the variance that is explained."""
    total = weights.sum(1)
    mean = weights @ scaled.y / np.maximum(total, 1.0)
    squares = (weights * np.square(scaled.y[None] - mean[:, None])).sum(1)
    known = squares > _FLAT * total
    return np.where(known, np.sqrt(np.clip(1 - point.squares / np.where(known, squares, 1.0), 0, 1)), np.nan)


def _curves(point: "_Point", places: Float[np.ndarray, " m"]) -> Float[np.ndarray, "b m"]:
    """The curves at scaled values of the metric, on the scaled side of people's."""
    level = expit((places[None] - point.shape[:, :1]) * np.exp(-point.shape[:, 1:]))
    found = point.coefficients[:, :1] + point.coefficients[:, 1:2] * level
    return found + point.coefficients[:, 2:3] * places[None] if point.coefficients.shape[1] > 2 else found


def _known(curve: str) -> str:
    if curve not in _SIZES:
        raise InputError(f"curve {curve!r} is not known; choose {', '.join(map(repr, _SIZES))}")
    return curve


class _Scaled(NamedTuple):
    """Both sides about their means, the metric in units of its range and people's values of their spread.

    Attributes:
      x, y: the values.
      x_mean, x_range, y_mean, y_scale: what they were freed from.
      curve: which one is fitted.
    """

    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, " n"]
    x_mean: float
    x_range: float
    y_mean: float
    y_scale: float
    curve: str

    @property
    def bounds(self) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
        """The least and the largest midpoint and logarithm of the width."""
        low, high = float(self.x.min()) - _FARTHEST, float(self.x.max()) + _FARTHEST
        return (
            np.array([low, math.log(_LEAST_WIDTH)]),
            np.array([high, math.log(_LARGEST_WIDTH[self.curve])]),
        )


def _fitted(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], curve: str
) -> tuple[LogisticFit, _Scaled | None, np.ndarray]:
    """The fit, and where there is one the scaled values and the midpoint and width in their units."""
    size = _SIZES[curve]
    different = len(np.unique(x))
    reason = ""
    if different == 1:
        reason = "the metric is constant"
    elif np.ptp(y) == 0:
        reason = "people's values are constant"
    elif len(x) <= size or different <= size:
        reason = f"{len(x)} rows with {different} different values of the metric cannot tell {size} parameters"
    if reason:
        return LogisticFit(curve, (math.nan,) * size, math.nan, None, None, reason), None, np.full(2, np.nan)
    scaled = _Scaled(
        (x - x.mean()) / float(np.ptp(x)),
        (y - y.mean()) / float(y.std()),
        float(x.mean()),
        float(np.ptp(x)),
        float(y.mean()),
        float(y.std()),
        curve,
    )
    weights = np.ones((1, len(x)))
    starts = _starts(scaled, weights)
    found = _descend(scaled, np.broadcast_to(weights, (len(starts), len(x))), starts, _STEPS, _TOLERANCE)
    best = int(np.argmin(found.squares))
    shape = found.shape[best]
    return _described(x, y, scaled, shape, found.coefficients[best]), scaled, shape


def _described(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    scaled: _Scaled,
    shape: Float[np.ndarray, " 2"],
    coefficients: Float[np.ndarray, " k"],
) -> LogisticFit:
    """The fit in the units that were given."""
    middle, width = scaled.x_mean + scaled.x_range * float(shape[0]), scaled.x_range * math.exp(float(shape[1]))
    offset = scaled.y_mean + scaled.y_scale * float(coefficients[0])
    height = scaled.y_scale * float(coefficients[1])
    if scaled.curve == "logistic-4":
        parameters: tuple[float, ...] = (offset + height, offset, middle, width)
    else:
        slope = scaled.y_scale * float(coefficients[2]) / scaled.x_range
        parameters = (height, 1 / width, middle, slope, offset + height / 2 - slope * scaled.x_mean)
    fit = LogisticFit(scaled.curve, parameters, math.nan, None, None, _doubt(scaled, shape))
    left = y - fit.predict(x)
    ends = scaled.x_mean + scaled.x_range * np.array([scaled.x.min(), scaled.x.max()])
    steps = np.diff(fit.predict(np.linspace(ends[0], ends[1], 1001)))
    rounding = 1e-9 * np.abs(steps).max()
    return fit._replace(
        rmse=math.sqrt(float(left @ left) / (len(x) - len(parameters))),
        rising=bool(steps.sum() > 0),
        monotone=bool((steps >= -rounding).all() or (steps <= rounding).all()),
    )


def _doubt(scaled: _Scaled, shape: Float[np.ndarray, " 2"]) -> str:
    least, most = scaled.bounds
    near = np.abs(scaled.x - shape[0]) < _REACH_OF_STEP * math.exp(float(shape[1]))
    if scaled.x.min() < shape[0] < scaled.x.max() and len(np.unique(scaled.x[near])) < 2:
        return "the best curve is a step, whose width the rows do not tell"
    if shape[1] >= most[1] - 1e-6:
        straight = "a straight line" if scaled.curve == "logistic-4" else "a cubic"
        return f"the best curve is nearly {straight}, whose ends the rows do not tell"
    if shape[0] <= least[0] + 1e-6 or shape[0] >= most[0] - 1e-6:
        return "the best curve is nearly an exponential, whose far end the rows do not tell"
    return ""


def _starts(scaled: _Scaled, weights: Float[np.ndarray, "1 n"]) -> Float[np.ndarray, "s 2"]:
    """The lowest places of a grid that are not beside a lower one."""
    least, most = scaled.bounds
    inner = np.quantile(scaled.x, np.linspace(0.01, 0.99, 33))
    low, high = float(scaled.x.min()), float(scaled.x.max())
    middles = np.unique(np.concatenate([inner, np.linspace(low, high, 9), [low - 1, low - 0.3, high + 0.3, high + 1]]))
    widths = np.linspace(math.log(0.003), min(most[1], math.log(2.0)), 12)
    grid = np.stack(np.meshgrid(middles, widths, indexing="ij"), axis=-1)
    flat = np.clip(grid.reshape(-1, 2), least, most)
    size = max(1, _ENTRIES // len(scaled.x))
    squares = np.concatenate(
        [
            _projected(scaled, np.broadcast_to(weights, (len(part), len(scaled.x))), part).squares
            for part in np.split(flat, range(size, len(flat), size))
        ]
    ).reshape(grid.shape[:2])
    around = np.pad(squares, 1, constant_values=np.inf)
    neighbours = [
        around[1 + a : around.shape[0] - 1 + a, 1 + b : around.shape[1] - 1 + b] for a in (-1, 0, 1) for b in (-1, 0, 1)
    ]
    valleys = np.flatnonzero((squares <= np.min(neighbours, axis=0)).reshape(-1))
    lowest = valleys[np.argsort(squares.reshape(-1)[valleys], kind="stable")]
    return np.concatenate([flat[lowest[:_STARTS]], _steep_starts(scaled)])


def _steep_starts(scaled: _Scaled) -> Float[np.ndarray, "s 2"]:
    """The best places of a step between two neighbouring values, of which a grid would miss narrow ones."""
    order = np.argsort(scaled.x, kind="stable")
    x, y = scaled.x[order], scaled.y[order]
    places = np.flatnonzero(np.diff(x) > 0) + 1
    below, count = places / len(x), len(x)
    # Products of the step, about its mean, with itself, the line and people's values.
    own, line, human = count * below * (1 - below), *(-np.cumsum(side - side.mean())[places - 1] for side in (x, y))
    if scaled.curve == "logistic-4":
        within, across = own[:, None, None], human[:, None, None]
    else:
        flat = np.full(len(places), float(np.square(x - x.mean()).sum()))
        within = np.stack([np.stack([own, line], 1), np.stack([line, flat], 1)], 1)
        across = np.stack([human, np.full(len(places), float((x - x.mean()) @ y))], 1)[:, :, None]
    explained = (_solve(within, across) * across).sum((1, 2))
    best = np.argsort(-explained, kind="stable")[:_STEEP_STARTS]
    middles = (x[places[best]] + x[places[best] - 1]) / 2
    return np.column_stack([middles, np.full(len(best), math.log(_LEAST_WIDTH))])


class _Point(NamedTuple):
    """Curves of given midpoints and widths with their best linear coefficients, of each repeat.

    Attributes:
      shape: midpoint and logarithm of the width.
      squares: the weighted sum of squared residuals.
      slope: half of its derivative by the shape, with the opposite sign.
      curvature: Gauss-Newton's half of the second one.
      coefficients: constant, height, and for five parameters the slope of the line.
    """

    shape: Float[np.ndarray, "b 2"]
    squares: Float[np.ndarray, " b"]
    slope: Float[np.ndarray, "b 2"]
    curvature: Float[np.ndarray, "b 2 2"]
    coefficients: Float[np.ndarray, "b k"]


def _projected(scaled: _Scaled, weights: Float[np.ndarray, "b n"], shape: Float[np.ndarray, "b 2"]) -> _Point:
    """Eliminates the linear coefficients from the products of all columns: Schur complements of small matrices."""
    inverse = np.exp(-shape[:, 1:])
    t = (scaled.x[None] - shape[:, :1]) * inverse
    level = expit(t)
    steep = level * (1 - level)
    line = [np.broadcast_to(scaled.x, t.shape)] if scaled.curve == "logistic-5" else []
    columns = np.stack([level, *line, np.broadcast_to(scaled.y, t.shape), -steep * inverse, -steep * t], axis=1)
    total = weights.sum(1)
    means = np.einsum("bn,bkn->bk", weights, columns, optimize=True) / np.maximum(total, 1.0)[:, None]
    columns -= means[:, :, None]
    products = np.matmul(columns * weights[:, None], columns.transpose(0, 2, 1))
    linear = 1 + len(line)
    within, across, rest = products[:, :linear, :linear], products[:, :linear, linear:], products[:, linear:, linear:]
    solved = _solve(within, across)
    left = rest - np.einsum("bik,bil->bkl", across, solved)
    height = solved[:, 0, 0]
    constant = means[:, linear] - np.einsum("bi,bi->b", solved[:, :, 0], means[:, :linear])
    return _Point(
        shape,
        np.maximum(left[:, 0, 0], 0.0),
        height[:, None] * left[:, 0, 1:],
        np.square(height)[:, None, None] * left[:, 1:, 1:],
        np.concatenate([constant[:, None], solved[:, :, 0]], axis=1),
    )


def _solve(matrices: Float[np.ndarray, "b i i"], sides: Float[np.ndarray, "b i k"]) -> Float[np.ndarray, "b i k"]:
    """Solutions of positive systems of one or two unknowns; 0 along what the columns do not tell."""
    first = matrices[:, 0, 0]
    safe = np.where(first > _FLAT, first, np.inf)
    if matrices.shape[1] == 1:
        return sides / safe[:, None, None]
    factor = matrices[:, 0, 1] / np.where(matrices[:, 1, 1] > 0, matrices[:, 1, 1], np.inf)
    left = first - factor * matrices[:, 0, 1]
    left = np.where(left > _FLAT * np.maximum(first, 1e-3), left, np.inf)
    height = (sides[:, 0] - factor[:, None] * sides[:, 1]) / left[:, None]
    below = np.where(matrices[:, 1, 1] > 0, matrices[:, 1, 1], np.inf)
    line = (sides[:, 1] - matrices[:, 0, 1, None] * height) / below[:, None]
    return np.stack([height, line], axis=1)


def _descend(
    scaled: _Scaled,
    weights: Float[np.ndarray, "b n"],
    start: Float[np.ndarray, "b 2"],
    steps: int,
    tolerance: float,
) -> _Point:
    """Damped steps in midpoint and width, of all repeats at once, within the bounds.

    The first are Gauss-Newton's, which lead towards a valley from afar; where residuals are large they creep along its
    bottom, so that those that follow are Newton's.

    Args:
      scaled: the values.
      weights: of the rows in each repeat.
      start: midpoint and logarithm of the width.
      steps: so many at most.
      tolerance: a descent ends where squares fall by no larger share.
    """
    least, most = scaled.bounds
    point = _projected(scaled, weights, np.clip(start, least, most))
    damping = np.full(len(start), 1e-3)
    active = np.ones(len(start), bool)
    for number in range(steps):
        rows = np.flatnonzero(active)
        if not len(rows):
            break
        if number >= _FIRST_STEPS:
            _take_newtons(scaled, weights, point, rows)
        here = point.shape[rows]
        trial = _projected(scaled, weights[rows], np.clip(here + _step(point, damping, rows, least, most), least, most))
        before = point.squares[rows]
        still = (np.abs(trial.shape - here).max(1) < 1e-11) | (np.abs(before - trial.squares) <= tolerance * before)
        better = trial.squares < before
        for whole, part in zip(point, trial, strict=True):
            whole[rows[better]] = part[better]
        damping[rows] = np.clip(np.where(better, damping[rows] / 5, damping[rows] * 4), 1e-12, 1e12)
        active[rows[still | (damping[rows] >= 1e12)]] = False
    return point


def _take_newtons(scaled: _Scaled, weights: Float[np.ndarray, "b n"], point: _Point, rows: np.ndarray) -> None:
    """Puts the squares' curvature, by differences of slopes, in the place of Gauss-Newton's where it is a bowl's."""
    shape = point.shape[rows]
    reaches = np.stack([_DIFFERENCE * np.exp(shape[:, 1]), np.full(len(rows), _DIFFERENCE)], axis=1)
    sides = []
    for axis in (0, 1):
        reach = np.zeros_like(shape)
        reach[:, axis] = reaches[:, axis]
        beyond = _projected(scaled, weights[rows], shape + reach).slope
        sides.append((point.slope[rows] - beyond) / reaches[:, axis, None])
    curvature = np.stack(sides, axis=1)
    curvature = (curvature + curvature.transpose(0, 2, 1)) / 2
    determinant = curvature[:, 0, 0] * curvature[:, 1, 1] - curvature[:, 0, 1] ** 2
    bowl = (curvature[:, 0, 0] > 0) & (determinant > 0)
    point.curvature[rows[bowl]] = curvature[bowl]


def _step(
    point: _Point,
    damping: Float[np.ndarray, " b"],
    rows: np.ndarray,
    least: Float[np.ndarray, " 2"],
    most: Float[np.ndarray, " 2"],
) -> Float[np.ndarray, "r 2"]:
    """The damped step; along a bound that it would cross it stands still."""
    slope, curvature, shape = point.slope[rows].copy(), point.curvature[rows].copy(), point.shape[rows]
    held = ((shape <= least) & (slope < 0)) | ((shape >= most) & (slope > 0))
    slope[held] = 0.0
    curvature[held[:, 0] | held[:, 1], 0, 1] = curvature[held[:, 0] | held[:, 1], 1, 0] = 0.0
    diagonal = np.einsum("bii->bi", curvature)
    diagonal += damping[rows, None] * np.maximum(diagonal, 1e-12) + 1e-300
    determinant = diagonal[:, 0] * diagonal[:, 1] - curvature[:, 0, 1] ** 2
    determinant = np.where(determinant > 0, determinant, np.inf)
    first = (diagonal[:, 1] * slope[:, 0] - curvature[:, 0, 1] * slope[:, 1]) / determinant
    second = (diagonal[:, 0] * slope[:, 1] - curvature[:, 0, 1] * slope[:, 0]) / determinant
    return np.clip(np.stack([first, second], axis=1), -1.0, 1.0)
