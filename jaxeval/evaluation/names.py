"""What each number is called, whether more of it is better, and what it can be."""

import dataclasses
import math
from typing import Literal

__all__ = ["NUMBERS", "NumberName", "better", "inception_stem", "metric_key", "metric_label"]

Better = Literal["lower", "higher"]

_ANY = (-math.inf, math.inf)
_POSITIVE = (0.0, math.inf)
_UNIT = (0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class NumberName:
    """Names of one number, and what it can be.

    Attributes:
      label: as it is printed, before the extractor's name.
      better: which direction is, if either.
      inception: its own name over the FID Inception network, where the field has one that means only that.
      range: the least and the largest that what the number estimates can be. An unbiased estimate of a squared
        discrepancy is below 0 half of the time where there is none, and is not bounded here.
      mean_over: of which images it is a mean, where it is one that ends at an edge of the range if all images do.
      share: whether each of those images counts all or nothing.
    """

    label: str
    better: Better | None
    inception: str | None = None
    range: tuple[float, float] = _ANY
    mean_over: Literal["generated", "reference"] | None = None
    share: bool = False


NUMBERS: dict[str, NumberName] = {
    "fd": NumberName("FD", "lower", "FID", range=_POSITIVE),
    "fd-infinity": NumberName("FD-infinity", "lower", "FID-infinity", range=_POSITIVE),
    "sfd": NumberName("sFD", "lower", "sFID", range=_POSITIVE),
    "mifd": NumberName("MiFD", "lower", "MiFID", range=_POSITIVE),
    "kd": NumberName("KD", "lower", "KID"),
    "kd-full": NumberName("KD-full", "lower", "KID-full"),
    "mmd-rbf": NumberName("MMD-RBF", "lower"),
    "cmmd": NumberName("CMMD", "lower", range=(0.0, 2000.0)),
    "clip-score": NumberName("CLIPScore", "higher", range=(0.0, 2.5), mean_over="generated"),
    "is": NumberName("IS", "higher", "IS", range=(1.0, math.inf)),
    "precision": NumberName("Precision", "higher", range=_UNIT, mean_over="generated", share=True),
    "recall": NumberName("Recall", "higher", range=_UNIT, mean_over="reference", share=True),
    "density": NumberName("Density", "higher", range=_POSITIVE, mean_over="generated"),
    "coverage": NumberName("Coverage", "higher", range=_UNIT, mean_over="reference", share=True),
    "clipped-density": NumberName("Clipped density", "higher", range=_UNIT, mean_over="generated"),
    "clipped-coverage": NumberName("Clipped coverage", "higher", range=_UNIT, mean_over="reference"),
    "p-precision": NumberName("P-precision", "higher", range=_UNIT, mean_over="generated"),
    "p-recall": NumberName("P-recall", "higher", range=_UNIT, mean_over="reference"),
    "prd-precision": NumberName("PRD F1/8", "higher", range=_UNIT, mean_over="generated"),
    "prd-recall": NumberName("PRD F8", "higher", range=_UNIT, mean_over="reference"),
    "realism": NumberName("Realism", "higher", range=_POSITIVE),
    "rarity": NumberName("Rarity", None, range=_POSITIVE),
    "vendi": NumberName("Vendi", "higher", range=(1.0, math.inf)),
    "rke": NumberName("RKE", "higher", range=(1.0, math.inf)),
    "sw2": NumberName("SW2", "lower", range=_POSITIVE),
    "mind": NumberName("MIND", "lower", range=_POSITIVE),
    "authenticity": NumberName("Authentic %", "higher", range=(0.0, 100.0), mean_over="generated", share=True),
    "memorisation": NumberName("Memorisation distance", "higher", range=_UNIT, mean_over="generated"),
    "alpha-precision": NumberName("alpha-Precision", "higher", range=_UNIT, mean_over="generated"),
    "beta-recall": NumberName("beta-Recall", "higher", range=_UNIT, mean_over="reference"),
    "fld": NumberName("FLD", "lower"),
    "fld-gap": NumberName("FLD gap", "higher"),
    "c-t": NumberName("C_T", None),
    "class-fd": NumberName("Class FD", "lower", "Class FID", range=_POSITIVE),
    "class-accuracy": NumberName("Class accuracy", "higher", range=_UNIT, mean_over="reference", share=True),
    "diversity-within": NumberName("Diversity within classes", "higher", range=(0.0, 2.0)),
    "diversity-between": NumberName("Diversity between classes", None, range=(0.0, 2.0)),
}
"""By stem: what comes before the extractor's name in a result's `metric`."""


def metric_key(stem: str, extractor: str) -> str:
    """A result's `metric`: `fd-lite0`; `fid` where the field's own name stands for the FID Inception network."""
    own = _own_key(NUMBERS[stem])
    return own if extractor == "inception" and own is not None else f"{stem}-{extractor}"


def metric_label(metric: str) -> str:
    """How a metric's key is printed: `fid` as `FID`, `fd-lite0` as `FD-lite0`."""
    for name in NUMBERS.values():
        if metric == _own_key(name):
            return name.inception or metric
    stem = _stem(metric)
    return metric if stem is None else f"{NUMBERS[stem].label}{metric.removeprefix(stem)}"


def better(metric: str) -> Better | None:
    """Which direction of a metric is better, by its key; None where neither is, or the metric is not known."""
    for name in NUMBERS.values():
        if metric == _own_key(name):
            return name.better
    stem = _stem(metric)
    return None if stem is None else NUMBERS[stem].better


def inception_stem(metric: str) -> str | None:
    """The stem of a name that stands for the FID Inception network alone: `fd` for `fid`; None for other names."""
    return next((stem for stem, name in NUMBERS.items() if metric == _own_key(name) != stem), None)


def _own_key(name: NumberName) -> str | None:
    return None if name.inception is None else name.inception.lower().replace(" ", "-")


def _stem(metric: str) -> str | None:
    """The longest known stem that the key starts with."""
    found = [stem for stem in NUMBERS if metric == stem or metric.startswith(f"{stem}-")]
    return max(found, key=len, default=None)
