"""Float32 out of everything, whatever goes in and whatever JAX is set to."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nrqm_models import one_split
from quality_ops import FULL_REFERENCE

import jaxeval.ops.image_quality as iq


def with_options(op: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return functools.partial(op, data_range=1.0, **options)


# Each op and convention with the side of its images, of which it takes two or one.
PAIRS: dict[str, tuple[Callable[..., Any], int]] = {
    **{name: (with_options(op.op), op.side) for name, op in FULL_REFERENCE.items()},
    **{
        f"ssim {name}": (with_options(iq.ssim, convention=name), 30)
        for name in ("scikit-image-default", "piq", "pyiqa")
    },
    **{f"ssim_terms {name}": (with_options(iq.ssim_terms, convention=name), 30) for name in ("torchmetrics", "pyiqa")},
    **{
        f"ms_ssim {name}": (with_options(iq.ms_ssim, convention=name, weights=(0.4, 0.6)), 45)
        for name in ("torchmetrics", "piq", "pyiqa")
    },
    "psnr of rounded y": (with_options(iq.psnr, colour="y-rounded"), 9),
    "ssim in tiles": (with_options(iq.ssim), 310),
}
ILNIQE = iq.IlniqeModel(mean=np.zeros(3), covariance=np.eye(3), centre=np.zeros(468), components=np.eye(468, 3))
FOREST = one_split(1, 0.5, 2.0, 7.0)
NRQM = iq.NrqmModel(forests=(FOREST, FOREST, FOREST), linear=np.ones(4))
NIQE = iq.NiqeModel(mean=np.zeros(36), covariance=np.eye(36), convention="matlab")
SINGLES: dict[str, tuple[Callable[..., Any], int]] = {
    **{
        op.__name__: (with_options(op), 20)
        for op in (iq.colourfulness, iq.entropy, iq.exposure, iq.sharpness, iq.rgb_to_y, iq.rgb_to_ycbcr)
    },
    **{
        f"total_variation {norm}": (with_options(iq.total_variation, norm=norm), 9)
        for norm in ("l1", "l2", "l2-squared")
    },
    **{f"brisque {name}": (with_options(iq.brisque_features, convention=name), 40) for name in ("matlab", "brisque")},
    "ilniqe": (with_options(iq.ilniqe, model=ILNIQE), 20),
    "nrqm": (with_options(iq.nrqm, model=NRQM), 84),
    "perceptual_index": (with_options(iq.perceptual_index, model=NRQM, niqe_model=NIQE), 201),
    "niqe": (with_options(iq.niqe, model=NIQE), 193),
    **{
        f"niqe_features {name}": (with_options(iq.niqe_features, convention=name), 193)
        for name in ("matlab", "scikit-video")
    },
}
OPS = {**{name: (*case, 2) for name, case in PAIRS.items()}, **{name: (*case, 1) for name, case in SINGLES.items()}}


def images(side: int, count: int, dtype: Any) -> list[jax.ShapeDtypeStruct]:
    return [jax.ShapeDtypeStruct((2, side, side + 5, 3), dtype)] * count


def total(op: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *images: sum(jnp.sum(part) for part in jax.tree.leaves(op(*images)))


# Tracing the others takes seconds each.
QUICK = ("psnr", "psnr of y", "psnr_hvs", "ssim", "gms", "exposure", "rgb_to_y", "rgb_to_ycbcr", "entropy")
EVERY = pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in OPS])


@EVERY
def test_results_are_float32_where_jax_has_64_bits(name: str) -> None:
    op, side, count = OPS[name]
    with jax.enable_x64(True):
        for dtype in (jnp.float32, jnp.float64):
            found = jax.eval_shape(op, *images(side, count, dtype))
            assert {part.dtype for part in jax.tree.leaves(found)} == {jnp.dtype("float32")}, dtype


@EVERY
def test_nothing_is_promoted(name: str) -> None:
    """Neither dtypes nor ranks, so that ops run where a user's own code is held to that."""
    op, side, count = OPS[name]
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        jax.eval_shape(jax.grad(total(op)), *images(side, count, jnp.bfloat16))
        jax.eval_shape(functools.partial(op, data_range=255), *images(side, count, jnp.uint8))
