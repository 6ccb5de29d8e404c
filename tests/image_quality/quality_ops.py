"""Every op of the room, as the tests of what all of them promise take it."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from photographs import photograph

import jaxeval.ops.image_quality as iq
from jaxeval.extractors import PerceptualDistance
from jaxeval.ops.losses import structure_loss
from jaxeval.pairs import PAIR_MEASURES, PairMeasure


def one_by_one(function, options, *images):
    """What `each_image` does, in the dtype that the images have."""
    return lax.map(lambda image: function(*image, **dict(options)), images)


def sorted_median(values):
    """What `lower_median` finds by the bits of float32, of values of any width."""
    return jnp.sort(values)[(values.shape[0] - 1) // 2]


def _perceptual(name: str, over_maps: Callable) -> Callable:
    """A distance of the shape of LPIPS and DISTS over two small smooth layers, through the class that all share."""
    rng = np.random.default_rng(8)
    params = [jnp.asarray(rng.normal(size=(3, 3, i, o)) / np.sqrt(9 * i), jnp.float32) for i, o in ((3, 6), (6, 8))]

    def maps(params, x):
        found = [x / 255.0]
        for kernel in params:
            x = jnp.tanh(
                lax.conv_general_dilated(
                    found[-1], kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"),
                    precision=lax.Precision.HIGHEST,
                )
            )  # fmt: skip
            found.append(x + 0.3 if name == "lpips" else x)
        return found[1:] if name == "lpips" else found

    distance = PerceptualDistance(
        name=name,
        params=params,
        least_side=4,
        forward=lambda params, x, y: over_maps(maps(params, x), maps(params, y)),
        trunk_hash="",
        heads_hash="",
        weights_published=False,
    )
    return functools.partial(distance.apply, params)


_WEIGHTS = [jnp.linspace(0.1, 1.0, channels) for channels in (3, 6, 8)]
_LPIPS = _perceptual("lpips", lambda x, y: iq.lpips_distance(x, y, _WEIGHTS[1:]))
_LPIPS_OF_TORCHMETRICS = _perceptual(
    "lpips", lambda x, y: iq.lpips_distance(x, y, _WEIGHTS[1:], convention="torchmetrics")
)
_DISTS = _perceptual("dists", lambda x, y: iq.dists_distance(x, y, _WEIGHTS, _WEIGHTS))


class Op(NamedTuple):
    """A full-reference op with the smallest sensible setting.

    `op(x, y, data_range=...)` on [N, H, W, C]; `identity` is its value at identical images; symmetric if
    op(x, y) == op(y, x).
    """

    op: Callable
    side: int
    least: int
    identity: float
    symmetric: bool = True
    channels: tuple[int, ...] = (1, 3)
    slope: str = "float64"  # in what it is compared with differences; "none" where it is not that of the values


FULL_REFERENCE = {
    "mse": Op(iq.mse, 9, 1, 0.0),
    "mae": Op(iq.mae, 9, 1, 0.0),
    "rmse": Op(iq.rmse, 9, 1, 0.0),
    "psnr": Op(iq.psnr, 9, 1, np.inf),
    "psnr of y": Op(functools.partial(iq.psnr, colour="y", crop_border=2), 9, 5, np.inf),
    "psnr_hvs": Op(iq.psnr_hvs, 16, 8, np.inf),
    "psnr_hvs_m": Op(iq.psnr_hvs_m, 16, 8, np.inf),
    "ssim": Op(iq.ssim, 24, 11, 1.0),
    "ssim torchmetrics": Op(functools.partial(iq.ssim, convention="torchmetrics"), 16, 6, 1.0),
    "ssim pyiqa": Op(functools.partial(iq.ssim, convention="pyiqa"), 16, 11, 1.0, slope="none"),
    "ssim of each channel": Op(
        functools.partial(iq.ssim, convention="pyiqa", colour="each-channel"), 16, 11, 1.0, slope="none"
    ),
    "ms_ssim": Op(functools.partial(iq.ms_ssim, weights=(0.4, 0.6)), 24, 21, 1.0),
    "ms_ssim sum": Op(functools.partial(iq.ms_ssim, weights=(0.4, 0.6), combination="sum"), 24, 21, 1.0),
    "cw_ssim": Op(iq.cw_ssim, 64, 64, 1.0),
    "iw_ssim": Op(iq.iw_ssim, 161, 161, 1.0, symmetric=False),
    "vif": Op(iq.vif, 65, 65, 1.0, symmetric=False),
    "vifp": Op(iq.vifp, 41, 41, 1.0, symmetric=False),
    "fsim": Op(iq.fsim, 24, 4, 1.0, channels=(3,)),
    "fsim authors": Op(functools.partial(iq.fsim, convention="authors"), 24, 4, 1.0, channels=(3,)),
    "fsim of luma": Op(functools.partial(iq.fsim, chromatic=False), 24, 4, 1.0),
    "sr_sim": Op(iq.sr_sim, 40, 37, 1.0),
    "vsi": Op(iq.vsi, 24, 2, 1.0),
    "gms": Op(iq.gms, 17, 2, 1.0),
    "gmsd": Op(iq.gmsd, 17, 2, 0.0),
    "gmsd of rgb2gray": Op(functools.partial(iq.gmsd, colour="rgb2gray"), 17, 2, 0.0, slope="none"),
    "ms_gmsd": Op(iq.ms_gmsd, 24, 17, 0.0),
    "ms_gmsd chromatic": Op(functools.partial(iq.ms_gmsd, chromatic=True), 24, 17, 0.0, channels=(3,)),
    "mdsi": Op(iq.mdsi, 17, 1, 0.0, symmetric=False),
    "mdsi mult": Op(functools.partial(iq.mdsi, combination="mult"), 17, 1, 0.0, symmetric=False),
    "haarpsi": Op(iq.haarpsi, 24, 16, 1.0),
    "dss": Op(iq.dss, 24, 8, 1.0),
    "flip": Op(iq.flip, 24, 1, 0.0),
    "mad": Op(iq.mad, 96, 34, 0.0, symmetric=False, slope="none"),
    "nlpd": Op(iq.nlpd, 32, 32, 0.0),
    "nlpd pyiqa": Op(functools.partial(iq.nlpd, convention="pyiqa"), 32, 32, 0.0),
    "lpips": Op(_LPIPS, 16, 4, 0.0, slope="float32"),
    "lpips torchmetrics": Op(_LPIPS_OF_TORCHMETRICS, 16, 4, 0.0, slope="float32"),
    "dists": Op(_DISTS, 16, 4, 0.0, slope="float32"),
    "structure loss": Op(structure_loss, 24, 11, 0.0),
    "structure loss of two scales": Op(
        functools.partial(structure_loss, similarity="ms-ssim", weights=(0.4, 0.6)), 24, 21, 0.0
    ),
    "structure loss of gradients": Op(functools.partial(structure_loss, similarity="gradient"), 17, 2, 0.0),
}


def _of_measure(measure: PairMeasure) -> Op:
    """A measure of pairs as its record has it."""
    identity = measure.range[measure.better == "higher"]
    side = max(9, measure.least_side)
    return Op(measure.load(), side, measure.least_side, identity, measure.symmetric, measure.colours)


OF_PAIRS = {
    measure.name.replace("-", "_"): measure
    for measure in PAIR_MEASURES.values()
    if not measure.alone and not measure.weights and not measure.of_light  # that one has no data range: test_flip.py
}
FULL_REFERENCE |= {name: _of_measure(measure) for name, measure in OF_PAIRS.items() if name not in FULL_REFERENCE}
# Compiling the others, and their gradients, takes several seconds each.
QUICK = ("psnr", "gms")


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
