"""What each number is called, and whether more of it is better."""

import dataclasses
from typing import Literal

__all__ = ["NUMBERS", "NumberName", "better", "inception_stem", "metric_key", "metric_label"]

Better = Literal["lower", "higher"]


@dataclasses.dataclass(frozen=True)
class NumberName:
    """Names of one number.

    Attributes:
      label: as it is printed, before the extractor's name.
      better: which direction is, if either.
      inception: its own name over the FID Inception network, where the field has one that means only that.
    """

    label: str
    better: Better | None
    inception: str | None = None


NUMBERS: dict[str, NumberName] = {
    "fd": NumberName("FD", "lower", "FID"),
    "fd-infinity": NumberName("FD-infinity", "lower", "FID-infinity"),
    "sfd": NumberName("sFD", "lower", "sFID"),
    "mifd": NumberName("MiFD", "lower", "MiFID"),
    "kd": NumberName("KD", "lower", "KID"),
    "kd-full": NumberName("KD-full", "lower", "KID-full"),
    "mmd-rbf": NumberName("MMD-RBF", "lower"),
    "cmmd": NumberName("CMMD", "lower"),
    "clip-score": NumberName("CLIPScore", "higher"),
    "is": NumberName("IS", "higher", "IS"),
    "precision": NumberName("Precision", "higher"),
    "recall": NumberName("Recall", "higher"),
    "density": NumberName("Density", "higher"),
    "coverage": NumberName("Coverage", "higher"),
    "clipped-density": NumberName("Clipped density", "higher"),
    "clipped-coverage": NumberName("Clipped coverage", "higher"),
    "p-precision": NumberName("P-precision", "higher"),
    "p-recall": NumberName("P-recall", "higher"),
    "prd-precision": NumberName("PRD F1/8", "higher"),
    "prd-recall": NumberName("PRD F8", "higher"),
    "realism": NumberName("Realism", "higher"),
    "rarity": NumberName("Rarity", None),
    "vendi": NumberName("Vendi", "higher"),
    "rke": NumberName("RKE", "higher"),
    "sw2": NumberName("SW2", "lower"),
    "mind": NumberName("MIND", "lower"),
    "authenticity": NumberName("Authentic %", "higher"),
    "memorisation": NumberName("Memorisation distance", "higher"),
    "alpha-precision": NumberName("alpha-Precision", "higher"),
    "beta-recall": NumberName("beta-Recall", "higher"),
    "fld": NumberName("FLD", "lower"),
    "fld-gap": NumberName("FLD gap", "higher"),
    "c-t": NumberName("C_T", None),
    "class-fd": NumberName("Class FD", "lower", "Class FID"),
    "class-accuracy": NumberName("Class accuracy", "higher"),
    "diversity-within": NumberName("Diversity within classes", "higher"),
    "diversity-between": NumberName("Diversity between classes", None),
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
