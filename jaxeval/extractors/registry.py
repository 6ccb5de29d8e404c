"""Extractors by name."""

import os
import re

from jaxeval.errors import InputError
from jaxeval.extractors.extractor import Extractor
from jaxeval.extractors.weightless import pixels, random_convolutions

__all__ = ["extractor_names", "load_extractor"]


def extractor_names() -> tuple[str, ...]:
    """Every name that `load_extractor` knows."""
    return ("inception", "lite0", "pixels", "random-conv")


def load_extractor(name: str, *, weights_dir: str | os.PathLike[str] | None = None, seed: int = 0) -> Extractor:
    """The extractor of that name, with its weights.

    Args:
        name: one of `extractor_names()`; `random-conv-7` is `random-conv` with seed 7.
        weights_dir: the weights folder; by default `WeightsStore`'s own.
        seed: of random weights.

    Raises:
        InputError: unknown name.
        WeightsMissingError: its weights are not there; the message says which commands get them.
        WeightsError: its weights are damaged.
    """
    if name == "pixels":
        return pixels()
    seeded = re.fullmatch(r"random-conv(?:-(\d+))?", name)
    if seeded:
        return random_convolutions(seed if seeded[1] is None else int(seeded[1]))
    raise InputError(f"unknown extractor {name!r}: choose one of {', '.join(extractor_names())}")
