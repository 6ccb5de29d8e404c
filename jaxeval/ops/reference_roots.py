"""The Fréchet distance with the root that a reference implementation takes of the covariances' product.

jaxeval's own number has a root that is exact for any rank (`jaxeval.ops.frechet`). The references take theirs of a
general matrix, which rounds otherwise where covariances are singular, and some then add to the diagonals. What they
lose or gain by it is told by the difference of both; nothing else needs these.
"""

from typing import Literal

import numpy as np
import scipy.linalg
from jaxtyping import Float

from jaxeval.ops.gaussian import Gaussian

RootRule = Literal["sqrtm", "sqrtm-offset", "eigenvalues", "eigenvalues-float32"]
"""How a root's trace is found.

- `sqrtm`: the real part of SciPy's matrix root (StyleGAN3, EDM2);
- `sqrtm-offset`: the same, once more with 1e-6 on both diagonals where it is not finite (the TTUR code and what follows
  it: pytorch-fid, clean-fid, ADM, jax-fid);
- `eigenvalues`: the sum of the roots of the product's eigenvalues, their real parts (torch-fidelity, iMF);
- `eigenvalues-float32`: the same, and the distance is rounded to float32 (torchmetrics).
"""

_OFFSET = 1e-6


def frechet_distance_by_reference(x: Gaussian, y: Gaussian, rule: RootRule) -> float:
    """Fréchet distance of two Gaussians in float64, by a reference's root. It may be slightly negative.

    Args:
      x: one side, with a covariance or a factor of it.
      y: the other.
      rule: whose root.
    """
    first, second = _covariance(x), _covariance(y)
    shift = float(np.square(np.asarray(x.mean, np.float64) - np.asarray(y.mean, np.float64)).sum())
    if rule in ("eigenvalues", "eigenvalues-float32"):
        roots = np.sqrt(np.linalg.eigvals(first @ second).astype(np.complex128))
        value = shift + float(np.trace(first) + np.trace(second)) - 2.0 * float(np.real(roots).sum())
        return float(np.float32(value)) if rule == "eigenvalues-float32" else value
    root = _root(first @ second)
    if rule == "sqrtm-offset" and not np.isfinite(root).all():
        offset = _OFFSET * np.eye(len(first))
        root = _root((first + offset) @ (second + offset))
    return shift + float(np.trace(first) + np.trace(second)) - 2.0 * float(np.real(np.trace(root)))


def _root(product: Float[np.ndarray, "d d"]) -> np.ndarray:
    with np.errstate(all="ignore"):  # of singular products, which the callers look at
        return np.asarray(scipy.linalg.sqrtm(product))


def _covariance(gaussian: Gaussian) -> Float[np.ndarray, "d d"]:
    if gaussian.covariance is not None:
        return np.asarray(gaussian.covariance, np.float64)
    factor = np.asarray(gaussian.factor, np.float64)
    return factor.T @ factor
