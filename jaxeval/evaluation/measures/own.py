"""Measures of the user's own: a function of features, with interval, difference and name like any other."""

import functools
import inspect
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxeval._arguments import shown
from jaxeval.errors import InputError
from jaxeval.evaluation.measures.measure import Measure, Number, Pair, Sets, subsampled, with_held_out
from jaxeval.evaluation.measures.number_name import Better, NumberName

_GIVEN = ("reference", "generated", "held_out", "seed")


def own_measure(
    function: Any,
    *,
    name: str | None = None,
    better: Better | str | None = None,
    range: tuple[float, float] = (-math.inf, math.inf),
) -> Measure:
    """A measure of your own, to be given to `evaluate` and `compare` in the place of a name.

    Its 95% interval and that of differences come from the spread between disjoint thirds of the images.

    Args:
      function: takes features as keywords, NumPy arrays `[N, D]` float32: `reference` (the real images'), `generated`,
        `held_out` (which makes the measure need `held_out=`), and `seed`, an integer; those of them that it names. A
        function of one argument takes the generated images' features. It returns a number, or an object that has it as
        `value`, as the functions of `jaxeval.ops` do. Its other arguments have defaults.
      name: of lower-case letters, digits and dashes; by default the function's own, with dashes for underscores.
      better: `lower`, `higher`, or None where neither is.
      range: the least and the largest that the number can be; intervals end there.

    Raises:
      InputError: the function cannot be called so, the name is not of that form, or the range is empty.

    Example:
      >>> import numpy as np
      >>> import jaxeval
      >>> from jaxeval.evaluation import own_measure
      >>> def spread_ratio(reference, generated):
      ...     return generated.std(0).mean() / reference.std(0).mean()
      >>> real, fake = np.random.default_rng(0).integers(0, 256, size=(2, 90, 6, 6, 3), dtype=np.uint8)
      >>> measure = own_measure(spread_ratio, better="higher", range=(0, np.inf))
      >>> (result,) = jaxeval.evaluate(real, fake // 2, metrics=[measure], extractor="pixels").results
      >>> result.metric, round(result.value, 1), result.interval[0] < result.value < result.interval[1]
      ('spread-ratio-pixels', 0.5, True)
    """
    if not callable(function):
        raise InputError(f"a metric is {shown(function)}; give a function of features, or a name")
    stem = name or getattr(function, "__name__", "").replace("_", "-").lower()
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", stem):
        raise InputError(f"metric name {stem!r}: use lower-case letters, digits and single dashes, as in 'my-metric'")
    if better not in ("lower", "higher", None):
        raise InputError(f"better is {better!r}; choose 'lower', 'higher' or None")
    if not range[0] < range[1]:
        raise InputError(f"range is {range}; give the least and the largest that the number can be")
    asked = _asked(function, stem)
    number = NumberName(stem, stem, better, range=range)
    what = (inspect.getdoc(function) or f"the function {_place(function)}").splitlines()[0].rstrip(".")
    return Measure(
        stem,
        (number,),
        functools.partial(_compute, function, asked, number, what),
        alone=asked is None or "reference" not in asked,
        needs_held_out=asked is not None and "held_out" in asked,
        what=what,
    )


def _asked(function: Callable[..., Any], name: str) -> frozenset[str] | None:
    """Which keywords the function takes of those that there are; None where it takes the generated features alone."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"metric {name!r}: what the function takes cannot be told; wrap it in one of your own"
        ) from error
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    needed = [one.name for one in named if one.default is one.empty]
    asked = frozenset(one.name for one in named if one.kind is not one.POSITIONAL_ONLY) & set(_GIVEN)
    if "generated" not in asked and len(needed) == 1 and needed[0] not in _GIVEN:
        return None
    unknown = [one for one in needed if one not in asked]
    if unknown or "generated" not in asked:
        takes = f"asks for {', '.join(unknown)}" if unknown else "does not ask for generated"
        raise InputError(f"metric {name!r}: its function {takes}; there are {', '.join(_GIVEN)}")
    return asked


def _compute(
    function: Callable[..., Any], asked: frozenset[str] | None, number: NumberName, what: str, pair: Pair
) -> list[Number]:
    def compute(rows: Sets) -> dict[str, float]:
        given = rows if asked is None else {**rows, "seed": pair.seed}
        try:
            found = function(given["generated"]) if asked is None else function(**{name: given[name] for name in asked})
        except InputError:
            raise
        except Exception as error:  # the user's own code may raise anything
            sentence = (str(error).splitlines() or [""])[0]
            raise InputError(f"{_place(function)} failed ({type(error).__name__}: {sentence})") from error
        return {number.stem: _as_number(function, found)}

    held_out = asked is not None and "held_out" in asked
    alone = asked is None or "reference" not in asked
    parameters: dict[str, Any] = {"function": _place(function)}
    if asked is not None and "seed" in asked:
        parameters["seed"] = pair.seed
    if held_out and alone:
        # Without the reference there are no thirds of it either.
        value = compute(with_held_out(pair))[number.stem]
        return [Number(number, value, what, None, "none: it is over held-out images without the reference", parameters)]
    return subsampled(pair, compute, {number: what}, parameters, alone=alone, held_out=held_out)


def _as_number(function: Callable[..., Any], found: Any) -> float:
    value = getattr(found, "value", found)
    array = np.asarray(value)
    if array.shape != () or array.dtype.kind not in "biuf":
        raise InputError(f"{_place(function)} returned {shown(found)}; a metric is one number")
    return float(array)


def _place(function: Callable[..., Any]) -> str:
    inner = function.func if isinstance(function, functools.partial) else function
    module, name = getattr(inner, "__module__", None), getattr(inner, "__qualname__", type(inner).__name__)
    return name if module in (None, "__main__") else f"{module}.{name}"
