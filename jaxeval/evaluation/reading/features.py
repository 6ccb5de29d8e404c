"""What is wanted of a data set: which features of which network, and what of them."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxeval.evaluation.protocols import Protocol
from jaxeval.extractors import Extractor, Normalisation, Precision
from jaxeval.images import Preparation

Rows = Float[np.ndarray, "n d"]


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """Which features: everything besides the images that determines them.

    Attributes:
      extractor: the network.
      tap: its layer.
      preparation: how images become its input.
      normalisation: what the network receives.
      precision: of the network's contractions.
      whole_batches: images at a time in a reference that drops an incomplete last batch; None where all count.
    """

    extractor: Extractor
    tap: str
    preparation: Preparation
    normalisation: Normalisation
    precision: Precision = "highest"
    whole_batches: int | None = None

    def identity(self) -> dict[str, Any]:
        """The same as plain values, for cache keys and for files that must be recognised later."""
        return {
            "extractor": self.extractor.name,
            "extractor_fingerprint": self.extractor.fingerprint,
            "tap": self.tap,
            "weights": self.extractor.weights_hash,
            "size": None if self.preparation.size is None else list(self.preparation.size),
            "resize": self.preparation.resize,
            "quantise": self.preparation.quantise,
            "reduction": self.preparation.reduction,
            "normalisation": [self.normalisation.offset, self.normalisation.scale],
            "dtype": "float32",
            "precision": self.precision,
            "whole_batches": self.whole_batches,
        }


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is needed of a feature: its mean and covariance, every row of it, or both."""

    statistics: bool = True
    rows: bool = False

    def __or__(self, other: "Wanted") -> "Wanted":
        """Joins two wishes into one that serves both."""
        return Wanted(self.statistics or other.statistics, self.rows or other.rows)


@dataclasses.dataclass(frozen=True)
class Balls:
    """What measures want of a set's neighbours among themselves.

    Attributes:
      ks: to which of the nearest balls reach.
      lists: whether the neighbours themselves are wanted, beside their distances.
    """

    ks: frozenset[int]
    lists: bool = False

    def __or__(self, other: "Balls") -> "Balls":
        """Joins two wishes into one that serves both."""
        return Balls(self.ks | other.ks, self.lists or other.lists)


def feature_spec(protocol: Protocol, network: Extractor, tap: str, precision: Precision = "highest") -> FeatureSpec:
    """The features of a network's layer under a protocol, at a precision of the network's contractions."""
    return FeatureSpec(
        network,
        tap,
        protocol.preparation(network),
        protocol.normalisation_for(network),
        precision,
        protocol.whole_batches,
    )
