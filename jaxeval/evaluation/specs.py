"""Which features a protocol needs of a network."""

from jaxeval.evaluation.protocols import Protocol
from jaxeval.evaluation.reading import FeatureSpec
from jaxeval.extractors import Extractor, Precision

__all__ = ["feature_spec"]


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
