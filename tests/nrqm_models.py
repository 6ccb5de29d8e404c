"""Models of NRQM whose forests scikit-learn grew, and MATLAB files of them as the authors' own is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.io

from jaxeval.ops.image_quality import NrqmForest, NrqmModel

FEATURES = (18, 45, 75)
FIELDS = {"left": "lDau", "right": "rDau", "attribute": "mbest", "threshold": "upper", "value": "avnode"}


def grown(kind: Any, features: np.ndarray, trees: int, seed: int) -> Any:
    """A forest of scikit-learn's about some features, [F]: as random as its targets."""
    rng = np.random.default_rng(seed)
    samples = features * rng.uniform(0.8, 1.25, (60, len(features)))
    return kind(trees, min_samples_leaf=2, random_state=seed).fit(samples, rng.uniform(0, 10, 60))


def as_forest(fitted: Any) -> NrqmForest:
    """The same forest in the authors' arrays, with rows that no tree uses."""
    trees = [one.tree_ for one in fitted.estimators_]
    shape = (max(tree.node_count for tree in trees) + 3, len(trees))
    left, right, attribute = (np.zeros(shape, np.int32) for _ in range(3))
    threshold, value = np.zeros(shape), np.zeros(shape)
    for column, tree in enumerate(trees):
        rows = slice(tree.node_count)
        inner = tree.children_left >= 0
        left[rows, column] = np.where(inner, tree.children_left + 1, 0)
        right[rows, column] = np.where(inner, tree.children_right + 1, 0)
        attribute[rows, column] = np.where(inner, tree.feature + 1, 0)
        threshold[rows, column] = np.where(inner, tree.threshold, 0)
        value[rows, column] = tree.value[:, 0, 0]
    return NrqmForest(left=left, right=right, attribute=attribute, threshold=threshold, value=value)


def one_split(feature: int, threshold: float, below: float, above: float) -> NrqmForest:
    """A forest of one tree with one node that compares."""
    column = np.array([[1], [0], [0]])
    return NrqmForest(
        left=2 * column,
        right=3 * column,
        attribute=feature * column,
        threshold=threshold * column.astype(float),
        value=np.array([[0.0], [below], [above]]),
    )


def save_model(path: Any, model: NrqmModel, *, forests: Sequence[Any] | None = None, **fields: Any) -> None:
    """Writes a model as the authors' `model.mat` has it: `forests` and `fields` replace and add."""
    cells = np.empty((3, 1), object)
    for row, forest in enumerate(forests or model.forests):
        arrays = {field: getattr(forest, own) for own, field in FIELDS.items()} if forest is not None else {}
        inner = arrays["lDau"] > 0 if arrays else np.zeros((1, 1), bool)
        order = ("lDau", "rDau", "nodestatus", "nrnodes", "upper", "avnode", "mbest")
        more = {"nodestatus": np.where(inner, -3, -1).astype(np.int8), "nrnodes": float(len(inner))}
        everything = {**arrays, **more}
        cells[row, 0] = {**{name: everything[name] for name in order if name in everything}, **fields}
    scipy.io.savemat(path, {"model": {"rf": cells, "linear": model.linear[:, None]}}, do_compression=True)
