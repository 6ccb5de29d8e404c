"""Every op of the room, as the tests of what all of them promise take it."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from photographs import photograph

import jaxeval.ops.image_quality as iq


class Op(NamedTuple):
    """A full-reference op with the smallest sensible setting.

    `op(x, y, data_range=...)` on [N, H, W, C]; `identity` is its value at identical images, None where there is no
    single one; symmetric if op(x, y) == op(y, x).
    """

    op: Callable
    side: int
    least: int
    identity: float | None
    symmetric: bool = True
    channels: tuple[int, ...] = (1, 3)


FULL_REFERENCE = {
    "mse": Op(iq.mse, 9, 1, 0.0),
    "mae": Op(iq.mae, 9, 1, 0.0),
    "rmse": Op(iq.rmse, 9, 1, 0.0),
    "psnr": Op(iq.psnr, 9, 1, np.inf),
    "psnr of y": Op(functools.partial(iq.psnr, channels="y", crop_border=2), 9, 5, np.inf),
    "ssim": Op(iq.ssim, 24, 11, 1.0),
    "ssim torchmetrics": Op(functools.partial(iq.ssim, convention="torchmetrics"), 16, 6, 1.0),
    "ssim pyiqa": Op(functools.partial(iq.ssim, convention="pyiqa"), 16, 11, 1.0),
    "ms_ssim": Op(functools.partial(iq.ms_ssim, weights=(0.4, 0.6)), 24, 21, 1.0),
}


def small_pairs(op: Op, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Five pairs of small float32 images in [0, 1]: two photographs with noisy copies, equal, constant, opposite."""
    height, width = op.side, op.side + 5
    a = photograph("astronaut", height, width).astype(np.float32) / 255
    b = photograph("coffee", height, width).astype(np.float32) / 255
    noise = 0.1 * np.random.default_rng(4).standard_normal(a.shape).astype(np.float32)
    constant = np.full_like(a, 0.5)
    x = np.stack([a, b, a, constant, a])
    y = np.stack([np.clip(a + noise, 0, 1), np.clip(b - noise, 0, 1), a, constant + 0.125, 1 - a])
    return x[..., :channels], y[..., :channels]
