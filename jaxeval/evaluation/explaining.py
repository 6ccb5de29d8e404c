"""Why two protocols give two numbers for the same sets: one difference after the other, each with its share.

Starting from one protocol, its rules are replaced by those of the other in the order in which an image meets them.
After each the Fréchet distance is computed again; what it changes by is the step's share. A share depends on what was
replaced before it, as all such divisions do: the order is part of the answer.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxeval import ops
from jaxeval._arguments import shown
from jaxeval.errors import InputError
from jaxeval.evaluation.jobs import Job
from jaxeval.evaluation.measures.frechet import FD, gaussian_of
from jaxeval.evaluation.preparing import prepare
from jaxeval.evaluation.protocols import Protocol, get_protocols
from jaxeval.evaluation.reading.data_set import DataSet
from jaxeval.evaluation.reading.features import FeatureSpec
from jaxeval.evaluation.request import Explaining, asked_as
from jaxeval.evaluation.results import SCHEMA_VERSION
from jaxeval.extractors import Precision
from jaxeval.ops.reference_roots import frechet_distance_by_reference
from jaxeval.records import Document
from jaxeval.statistics import too_few_images

# Values are rounded to so many bits below the largest, so that sums and differences of them are exact in float64.
_BITS = 44


@dataclasses.dataclass(frozen=True)
class Step:
    """One rule that is replaced.

    Attributes:
      name: `levels`, `resize`, `network input`, `precision`, `dropped images`, `covariance` or `root`.
      first: the rule of the first protocol, in words.
      second: that of the second.
      value: the Fréchet distance once it is replaced.
      share: by how much that changed it; the shares of all steps sum to the whole difference, without rounding.

    Example:
      >>> from jaxeval.evaluation import Step
      >>> step = Step(name="resize", first="bilinear", second="bicubic", value=12.5, share=0.5)
      >>> step.name, step.share
      ('resize', 0.5)
    """

    name: str
    first: str
    second: str
    value: float
    share: float


@dataclasses.dataclass(frozen=True)
class Explanation(Document):
    """Where the difference of two protocols' numbers comes from; saved as `explanation.json`.

    Attributes:
      metric: `fid`, or `fd-<extractor>`.
      label: the metric's name as it is printed.
      protocols: of the first and the second number.
      reference: as the user gave it.
      generated: the same.
      first: the number under the first protocol, with the root that its reference takes.
      second: the same under the second.
      exact: both numbers as `evaluate` gives them, with the exact root.
      difference: the second less the first.
      steps: in the order in which rules are replaced.
      warnings: what a reader should know.
      manifest: how the numbers were found.

    Example:
      >>> import numpy as np
      >>> import jaxeval
      >>> real, fake = np.random.default_rng(0).uniform(0, 1, (2, 64, 16, 16, 3)).astype(np.float32)
      >>> options = {"extractor": "random-conv", "value_range": (0, 1)}
      >>> explanation = jaxeval.explain(real, fake, protocols="adm,edm2", **options)
      >>> explanation.protocols, explanation.steps[0].name, len(explanation.steps)
      (('adm', 'edm2'), 'levels', 7)
    """

    file_name = "explanation.json"

    metric: str
    label: str
    protocols: tuple[str, str]
    reference: str
    generated: str
    first: float
    second: float
    exact: tuple[float, float]
    difference: float
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]
    manifest: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Gives the JSON document as plain values."""
        return {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}

    def __str__(self) -> str:
        shares = ", ".join(f"{step.name} {step.share:+.6g}" for step in self.steps if step.share)
        names = " and ".join(self.protocols)
        return f"{self.label} {self.first:.6g} and {self.second:.6g} ({names}): {shares or 'no difference'}"


@asked_as(Explaining)
def explain(request: Explaining) -> Explanation:
    """Tells why the Fréchet distance of two sets is another under another protocol, step by step.

    The steps: how values become levels, the resize, the network's input, the precision of its contractions, images that
    a reference drops, mean and covariance, and the root that the reference takes of the covariances' product.

    Returns:
      An `Explanation`, whose shares sum to the whole difference.

    Raises:
      InputError: data or an argument is not what was expected, or there is nothing to explain.
      WeightsMissingError: the extractor's weights have not been imported.

    Example:
      >>> import numpy as np, jaxeval
      >>> real, fake = np.random.default_rng(0).uniform(0, 1, (2, 64, 16, 16, 3)).astype(np.float32)
      >>> options = {"extractor": "random-conv", "value_range": (0, 1)}
      >>> found = jaxeval.explain(real, fake, protocols="adm,edm2", **options)
      >>> sum(step.share for step in found.steps) == found.difference
      True
    """
    started = time.time()
    first, second = _two_protocols(request.protocols, request.exact_protocol)
    precisions = request.precisions
    if first == second and precisions[0] == precisions[1]:
        raise InputError(f"protocol {first.name!r} was given twice; give two, or two precisions ('default,highest')")
    prepared = prepare(request, _states(first, second, *precisions))
    run, real, (fake,) = prepared.run, prepared.reference(), prepared.generated()
    pairs = [_gaussians(job, real, fake) for job in run.jobs]
    exact = [ops.frechet_distance_between(*pair) for pair in pairs]
    last = dataclasses.replace(run.jobs[-1], protocol=second)
    warnings = run.remarks(real, fake, [run.jobs[0], last])
    ends = []
    for protocol, pair, value in ((first, pairs[0], exact[0]), (second, pairs[-1], exact[-1])):
        found = frechet_distance_by_reference(*pair, protocol.root)
        if not math.isfinite(found):
            warnings.append(f"the root of {protocol.name}'s reference is not finite; its number has the exact one")
        ends.append(found if math.isfinite(found) else value)
    # What the first reference's root adds stays until the last step, which replaces it.
    values = [one + (ends[0] - exact[0]) for one in exact] + [ends[1]]
    values = _on_a_grid(values)
    specs = [job.spec for job in run.jobs]
    steps = tuple(
        Step(name, said, its_own, value, value - before)
        for (name, (said, its_own)), before, value in zip(
            _rules((first, specs[0]), (second, specs[-1])), values, values[1:], strict=False
        )
    )
    manifest = run.manifest([real, fake], None, [], started) | {
        "protocols": {one.name: dataclasses.asdict(one) for one in (first, second)},
        "features": [spec.identity() for spec in dict.fromkeys(specs)],
        "precision": list(precisions),
    }
    return Explanation(
        FD.key(specs[0].extractor),
        FD.label_over(specs[0].extractor),
        (first.name, second.name),
        real.name,
        fake.name,
        values[0],
        values[-1],
        (exact[0], exact[-1]),
        values[-1] - values[0],
        steps,
        tuple(warnings),
        manifest,
    )


def _two_protocols(protocols: Any, exact: bool) -> tuple[Protocol, Protocol]:
    given = protocols if isinstance(protocols, list | tuple) else [protocols]
    found: list[Protocol] = []
    for one in given:
        parts = [part for part in one.split(",") if part.strip()] if isinstance(one, str) else [one]
        for part in parts:
            found += get_protocols(part, exact=exact)
    if len(found) != 2:
        raise InputError(f"protocols are {shown(protocols)}; give two, as in 'torch-fidelity,imf'")
    return found[0], found[1]


def _states(
    first: Protocol, second: Protocol, precision: Precision, other: Precision
) -> list[tuple[Protocol, Precision]]:
    """From the first protocol to the second, one rule of `_rules` after the other but for the root."""
    pillow = {"by_pillow": second.by_pillow, "exact": second.exact}
    changes: list[dict[str, Any]] = [
        {"quantise": second.quantise, **pillow},
        {"resize": second.resize, "size": second.size, "networks": second.networks},
        {"normalisation": second.normalisation},
        {},
        {"whole_batches": second.whole_batches},
        {"ddof": second.ddof, "mean": second.mean},
    ]
    states: list[tuple[Protocol, Precision]] = [(first, precision)]
    for number, change in enumerate(changes):
        protocol, current = states[-1]
        following: Precision = other if number == _PRECISION else current
        states.append((dataclasses.replace(protocol, **change), following))
    return states


_PRECISION = 3  # its place among the steps

_LEVELS = {"round": "rounded: 127.5 x + 128, cut", "truncate": "truncated: 127.5 (x + 1), cut"}
_ROOTS = {
    "sqrtm": "SciPy's, real part",
    "sqrtm-offset": "SciPy's, offset if not finite",
    "eigenvalues": "of eigenvalues",
    "eigenvalues-float32": "of eigenvalues, rounded to float32",
}


def _rules(
    first: tuple[Protocol, FeatureSpec], second: tuple[Protocol, FeatureSpec]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """The steps by name, each with both protocols' rules in words."""
    words: dict[str, Callable[[Protocol, FeatureSpec], str]] = {
        "levels": lambda _, spec: (
            _LEVELS[spec.preparation.quantise]
            + ("" if spec.preparation.reduction == "scale" else "; 16 bits as Pillow has them")
        ),
        "resize": lambda _, spec: _resize(spec),
        "network input": lambda _, spec: _input(spec),
        "precision": lambda _, spec: spec.precision,
        "dropped images": lambda protocol, _: (
            "none" if protocol.whole_batches is None else f"an incomplete batch of {protocol.whole_batches}"
        ),
        "covariance": lambda protocol, _: (
            f"over N{f' - {protocol.ddof}' if protocol.ddof else ''}, mean in {protocol.mean}"
        ),
        "root": lambda protocol, _: _ROOTS[protocol.root],
    }
    for name, say in words.items():
        yield name, (say(*first), say(*second))


def _resize(spec: FeatureSpec) -> str:
    if spec.preparation.size is None:
        return "none"
    height, width = spec.preparation.size
    return f"{spec.preparation.resize} to {height} x {width}"


def _input(spec: FeatureSpec) -> str:
    offset, scale = spec.normalisation.offset, spec.normalisation.scale
    if isinstance(offset, tuple) or isinstance(scale, tuple):
        return "by channel"
    return "x" if (offset, scale) == (0.0, 1.0) else f"(x - {offset:g}) / {1 / scale:g}"


def _gaussians(job: Job, *sides: DataSet) -> tuple[ops.Gaussian, ops.Gaussian]:
    """The Gaussians of both sets, as a protocol fits them."""
    found = []
    for side in sides:
        reason = side.missing.get((job.measure.name, job.spec))
        if reason is not None:
            raise InputError(reason)
        statistics = job.features(side).statistics
        if statistics is None:
            raise too_few_images(side.name, 1 if side.report is None else side.report.count)
        found.append(gaussian_of(statistics, job.protocol))
    sizes = [len(np.asarray(one.mean)) for one in found]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"{sides[1].name!r} gives {sizes[1]:,} features an image and {sides[0].name!r} {sizes[0]:,}; with "
            f"extractor {job.spec.extractor.name!r} both need images of the same size"
        )
    return found[0], found[1]


def _on_a_grid(values: Sequence[float]) -> list[float]:
    """The values rounded so that all their differences, and sums of those, are exact."""
    _, exponent = math.frexp(max(map(abs, values)))
    unit = math.ldexp(1.0, max(exponent - _BITS, -1000))
    return [round(value / unit) * unit for value in values]
