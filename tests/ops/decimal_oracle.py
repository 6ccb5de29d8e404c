"""Fréchet distances to fifty digits with nothing but `decimal`: one-sided Jacobi rotations, no LAPACK, no rounding."""

import decimal
from decimal import Decimal

import numpy as np

_CONTEXT = decimal.Context(prec=50)


def frechet_from_features(x: np.ndarray, y: np.ndarray, ddof: int = 1) -> float:
    """The distance of the Gaussians fitted to the rows of two small float64 arrays, correctly rounded."""
    with decimal.localcontext(_CONTEXT):
        (mean_x, rows_x), (mean_y, rows_y) = _centred(x, ddof), _centred(y, ddof)
        shift = sum(((a - b) ** 2 for a, b in zip(mean_x, mean_y, strict=True)), Decimal(0))
        traces = sum((v * v for rows in (rows_x, rows_y) for row in rows for v in row), Decimal(0))
        return float(shift + traces - 2 * _nuclear_norm(_product(rows_x, rows_y)))


def frechet_from_statistics(mean_x: np.ndarray, cov_x: np.ndarray, mean_y: np.ndarray, cov_y: np.ndarray) -> float:
    """The distance of two Gaussians with positive definite float64 covariances, correctly rounded."""
    with decimal.localcontext(_CONTEXT):
        shift = sum(
            ((Decimal(float(a)) - Decimal(float(b))) ** 2 for a, b in zip(mean_x, mean_y, strict=True)), Decimal(0)
        )
        traces = sum((Decimal(float(v)) for v in (*np.diag(cov_x), *np.diag(cov_y))), Decimal(0))
        columns_x, columns_y = (list(zip(*_cholesky(cov), strict=True)) for cov in (cov_x, cov_y))
        return float(shift + traces - 2 * _nuclear_norm(_product(columns_x, columns_y)))


def _centred(features: np.ndarray, ddof: int) -> tuple[list[Decimal], list[list[Decimal]]]:
    rows = [[Decimal(float(v)) for v in row] for row in features]
    mean = [sum(column, Decimal(0)) / len(rows) for column in zip(*rows, strict=True)]
    scale = Decimal(len(rows) - ddof).sqrt()
    return mean, [[(v - m) / scale for v, m in zip(row, mean, strict=True)] for row in rows]


def _product(a: list, b: list) -> list[list[Decimal]]:
    """a b^T."""
    return [[sum((p * q for p, q in zip(row, other, strict=True)), Decimal(0)) for other in b] for row in a]


def _cholesky(matrix: np.ndarray) -> list[list[Decimal]]:
    size = len(matrix)
    lower = [[Decimal(0)] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            rest = Decimal(float(matrix[i, j])) - sum((lower[i][k] * lower[j][k] for k in range(j)), Decimal(0))
            lower[i][j] = rest.sqrt() if i == j else rest / lower[j][j]
    return lower


def _nuclear_norm(matrix: list[list[Decimal]]) -> Decimal:
    """Sum of singular values: rows are rotated in pairs until all are orthogonal; their lengths are the values."""
    rows = [list(row) for row in (matrix if len(matrix) <= len(matrix[0]) else zip(*matrix, strict=True))]
    total = sum((v * v for row in rows for v in row), Decimal(0))
    for _ in range(60):
        turned = False
        for i in range(len(rows)):
            for j in range(i):
                turned |= _orthogonalise(rows, i, j, total)
        if not turned:
            return sum((sum((v * v for v in row), Decimal(0)).sqrt() for row in rows), Decimal(0))
    raise AssertionError("Jacobi's rotations did not converge")


def _orthogonalise(rows: list[list[Decimal]], i: int, j: int, total: Decimal) -> bool:
    alpha, beta, gamma = (
        sum((p * q for p, q in zip(rows[a], rows[b], strict=True)), Decimal(0)) for a, b in ((i, i), (j, j), (i, j))
    )
    # Lengths of 1e-40 beside a total of one are rounding of the fifty digits.
    if abs(gamma) <= Decimal("1e-35") * (alpha * beta).sqrt() or min(alpha, beta) <= Decimal("1e-80") * total:
        return False
    zeta = (beta - alpha) / (2 * gamma)
    tangent = (1 if zeta >= 0 else -1) / (abs(zeta) + (1 + zeta * zeta).sqrt())
    cosine = 1 / (1 + tangent * tangent).sqrt()
    sine = cosine * tangent
    old_i, old_j = rows[i], rows[j]
    rows[i] = [cosine * p - sine * q for p, q in zip(old_i, old_j, strict=True)]
    rows[j] = [sine * p + cosine * q for p, q in zip(old_i, old_j, strict=True)]
    return True
