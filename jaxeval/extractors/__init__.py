"""Feature extractors: networks that turn images into features, and the weights that they need."""

from jaxeval.extractors.extractor import Extractor, Normalisation, from_function
from jaxeval.extractors.registry import extractor_names, load_extractor
from jaxeval.extractors.store import LoadedWeights, WeightsRow, WeightsStore

__all__ = [
    "Extractor",
    "LoadedWeights",
    "Normalisation",
    "WeightsRow",
    "WeightsStore",
    "extractor_names",
    "from_function",
    "load_extractor",
]
