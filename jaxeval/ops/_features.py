"""What every op on sets of feature vectors shares: checks, a common centre, and float32 copies for the device.

Products of float32 rows lose the digits that their mean takes up: rows that lie around 100 with a spread of 1 keep
four digits of a squared distance. So the centre of all rows is taken off in float64 on the host, block by block,
before anything is rounded to float32; distances do not change, and kernels put the centre back analytically.
"""

import jax
import numpy as np
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval.errors import InputError

# Rows converted to float64 at a time: 1 MB, which stays in a core's cache.
_BLOCK_ELEMENTS = 1 << 17
_LARGEST = float(np.finfo(np.float32).max)


def feature_rows(name: str, features: Numbers) -> np.ndarray:
    """A set of features as a NumPy array of shape [N, D] in its own dtype, checked.

    Raises:
      InputError: not two-dimensional, empty, complex, or a value is not finite.
    """
    rows = np.asarray(features)
    if rows.ndim != 2 or not all(rows.shape):
        raise InputError(f"{name} has shape {rows.shape}; expected [N, D] with at least one row and one column")
    if np.iscomplexobj(rows):
        raise InputError(f"{name} has dtype {rows.dtype}; features are real numbers")
    for block in row_blocks(rows):
        if not np.isfinite(block.sum()):
            _report_not_finite(name, rows)
    return rows


def feature_pair(reference: Numbers, generated: Numbers) -> tuple[np.ndarray, np.ndarray]:
    """Both sets, checked as by `feature_rows` and for one feature size.

    Raises:
      InputError: as `feature_rows`, or the feature sizes differ.
    """
    rows = feature_rows("reference", reference), feature_rows("generated", generated)
    if rows[0].shape[1] != rows[1].shape[1]:
        raise InputError(
            f"reference has {rows[0].shape[1]} features a row and generated {rows[1].shape[1]}; "
            "both must come from the same extractor"
        )
    return rows


def feature_trio(reference: Numbers, held_out: Numbers, generated: Numbers) -> list[np.ndarray]:
    """Three sets, checked as by `feature_rows` and for one feature size.

    Raises:
      InputError: as `feature_rows`, or the feature sizes differ.
    """
    sets = {"reference": reference, "held_out": held_out, "generated": generated}
    rows = [feature_rows(name, features) for name, features in sets.items()]
    if len({part.shape[1] for part in rows}) > 1:
        raise InputError(
            f"reference, held_out and generated have {', '.join(str(part.shape[1]) for part in rows)} features a row; "
            "all must come from the same extractor"
        )
    return rows


def row_blocks(rows: np.ndarray, indices: np.ndarray | None = None):
    """Consecutive blocks of rows (or of the rows at `indices`) as float64, never all at once."""
    count = len(rows) if indices is None else len(indices)
    step = max(1, _BLOCK_ELEMENTS // rows.shape[1])
    for start in range(0, count, step):
        part = slice(start, start + step)
        yield np.asarray(rows[part] if indices is None else rows[indices[part]], np.float64)


def common_centre(*sets: np.ndarray) -> Float[np.ndarray, " d"]:
    """Mean of the rows of all sets together, float64."""
    total = sum(block.sum(0) for rows in sets for block in row_blocks(rows))
    return np.asarray(total) / sum(map(len, sets))


def squared_deviations(rows: np.ndarray, centre: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
    """Sum over the rows of (row - centre)^2, feature by feature, float64."""
    return np.asarray(sum(np.square(block - centre).sum(0) for block in row_blocks(rows)))


def device_rows(
    rows: np.ndarray, centre: Float[np.ndarray, " d"], scale: float, size: int
) -> tuple[Float[Array, "p d"], Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """`(rows - centre) * scale` in float32 on the device, filled up with zero rows to `size`.

    Returns:
      The device rows; the squared norm of each of the n scaled rows before rounding, float64; and the row's product
      with `centre * scale`, float64.

    Raises:
      InputError: a squared norm overflows float32.
    """
    count, width = rows.shape
    filled = np.zeros((size, width), np.float32)
    norms, products = np.empty(count), np.empty(count)
    scaled_centre = centre * scale
    start = 0
    for block in row_blocks(rows):
        part = slice(start, start + len(block))
        scaled = block - centre
        scaled *= scale
        norms[part] = np.einsum("nd,nd->n", scaled, scaled)
        if not norms[part].max() <= _LARGEST:
            raise InputError("the features are so large that float32 cannot hold their squares; scale them down")
        filled[part] = scaled
        products[part] = scaled @ scaled_centre
        start += len(block)
    return jax.device_put(filled), norms, products


def unit_rows(name: str, rows: np.ndarray) -> Float[np.ndarray, "n d"]:
    """Rows divided by their Euclidean length, float64.

    Raises:
      InputError: a row is all zeros, so that it has no direction.
    """
    result = np.empty(rows.shape)
    start = 0
    for block in row_blocks(rows):
        length = np.linalg.norm(block, axis=1)
        if not length.all():
            raise InputError(f"{name} has a row of zeros, row {start + int(np.argmin(length))}; it has no direction")
        result[start : start + len(block)] = block / length[:, None]
        start += len(block)
    return result


def padded_size(count: int, block: int) -> int:
    """`count` rounded up to whole blocks."""
    return -(-count // block) * block


def square_block() -> int:
    """Side of a block of pairs: 4 MB in cache on a CPU; larger where a launch costs more than its memory."""
    return 1024 if jax.default_backend() == "cpu" else 4096


def _report_not_finite(name: str, rows: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(rows).all(1))
    if not bad.size:
        raise InputError(f"{name} holds values so large that their sum overflows float64; scale them down")
    raise InputError(
        f"{name} has {bad.size} rows with values that are not finite, the first is row {bad[0]}; remove or mend them"
    )
