"""jaxeval: metrics for generative image models in JAX.

Names are found when they are first used, so that `import jaxeval` takes no time and starts no JAX backend.
"""

import importlib
from typing import TYPE_CHECKING, Any

from jaxeval._version import __version__

if TYPE_CHECKING:
    from jaxeval import detection as detection
    from jaxeval import distributed as distributed
    from jaxeval import evaluation as evaluation
    from jaxeval import extractors as extractors
    from jaxeval import human as human
    from jaxeval import images as images
    from jaxeval import metrics as metrics
    from jaxeval import ops as ops
    from jaxeval import pairs as pairs
    from jaxeval.evaluation import compare as compare
    from jaxeval.evaluation import evaluate as evaluate
    from jaxeval.evaluation import explain as explain
    from jaxeval.evaluation import features as features
    from jaxeval.evaluation import reference_statistics as reference_statistics
    from jaxeval.pairs import score_images as score_images
    from jaxeval.pairs import score_pairs as score_pairs

_ROOMS = ("detection", "distributed", "evaluation", "extractors", "human", "images", "metrics", "ops", "pairs")
_FUNCTIONS = {
    "compare": "evaluation",
    "evaluate": "evaluation",
    "explain": "evaluation",
    "features": "evaluation",
    "reference_statistics": "evaluation",
    "score_images": "pairs",
    "score_pairs": "pairs",
}

__all__ = [
    "__version__",
    "compare",
    "detection",
    "distributed",
    "evaluate",
    "evaluation",
    "explain",
    "extractors",
    "features",
    "human",
    "images",
    "metrics",
    "ops",
    "pairs",
    "reference_statistics",
    "score_images",
    "score_pairs",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"jaxeval.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"jaxeval.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module 'jaxeval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
