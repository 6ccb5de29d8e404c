"""Image quality as streaming metrics: means of a full-reference measure over pairs of images."""

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any

import jax.numpy as jnp

from jaxeval.errors import InputError
from jaxeval.metrics.mean import Mean
from jaxeval.metrics.metric import own_input
from jaxeval.ops._arrays import AnyArray
from jaxeval.ops.image_quality import MsSsimConvention, SsimConvention, View, ms_ssim, psnr, ssim
from jaxeval.ops.moments import Moments

__all__ = ["PSNR", "SSIM", "ImageQuality", "MsSsim"]


@dataclasses.dataclass(frozen=True)
class _OfPairs:
    """A full-reference op with its settings; equal to another one with the same."""

    op: Callable[..., Any]
    data_range: float
    options: tuple[tuple[str, Hashable], ...]

    def __call__(self, *, reference: Any, generated: Any) -> Any:
        return self.op(generated, reference, data_range=self.data_range, **dict(self.options))


class ImageQuality(Mean):
    """The mean of a full-reference measure over pairs of images, with its standard error.

    `ImageQuality(ops.image_quality.fsim, data_range=255)`; any op of `jaxeval.ops.image_quality` that takes two.
    `update(state, reference=..., generated=...)` takes batches [N, H, W, C], pair by pair; a pair that `mask` (or
    `reference_mask`, `generated_mask`) leaves out does not count, whatever it holds. Images may have other sizes in
    another batch.

    The measure is taken of each pair and then averaged: a mean PSNR is not the PSNR of the mean error. It is infinite
    for identical images, and `compute` then raises InputError; leave such pairs out by mask.

    Args:
      op: called as `op(generated, reference, data_range=..., **options)`; returns [N].
      data_range: width of the values' range, such as 1.0 or 255.
      name: what results call it; the op's own name if empty.
      options: further keywords of the op; hashable.
    """

    def __init__(self, op: Callable[..., Any], *, data_range: float, name: str = "", **options: Hashable):
        function = _OfPairs(op, float(data_range), tuple(sorted(options.items())))
        super().__init__(name or op.__name__, function, ("reference", "generated"))

    def update(self, state: Moments, **inputs: Any) -> Moments:
        """The state with a batch of pairs added.

        Raises:
          InputError: a side is missing, is not [N, H, W, C], does not fit the data range or the op, or a mask is not
            [N] of truth values.
        """
        sides = {side: inputs[side] for side in self.inputs if inputs.get(side) is not None}
        blanked = {side: self._without_masked(side, images, inputs) for side, images in sides.items()}
        return super().update(state, **{**inputs, **blanked})

    def _without_masked(self, side: str, images: Any, inputs: dict[str, Any]) -> AnyArray:
        """The images with zeros where a pair does not count: what padding holds must not be taken for bad data."""
        mask = own_input(side, "mask", inputs)
        if mask is None:
            return images
        images, mask = jnp.asarray(images), jnp.asarray(mask)
        if images.ndim != 4 or mask.shape != images.shape[:1] or mask.dtype != bool:
            raise InputError(
                f"{self.name}: {side} has shape {tuple(images.shape)} and its mask shape {tuple(mask.shape)} and dtype "
                f"{mask.dtype}; [N, H, W, C], [N] and bool are expected"
            )
        return jnp.where(mask[:, None, None, None], images, jnp.zeros((), images.dtype))


class PSNR(ImageQuality):
    """Mean peak signal-to-noise ratio of pairs of images in decibels: `jaxeval.ops.image_quality.psnr`.

    Args:
      data_range: width of the values' range: the peak.
      channels: "all", "y" or "y-rounded".
      crop_border: pixels left out along every edge.
    """

    def __init__(self, *, data_range: float, channels: View = "all", crop_border: int = 0):
        super().__init__(psnr, data_range=data_range, channels=channels, crop_border=crop_border)


class SSIM(ImageQuality):
    """Mean structural similarity of pairs of images: `jaxeval.ops.image_quality.ssim`.

    Args:
      data_range: width of the values' range.
      convention: whose number it is.
      channels: "all", "y" or "y-rounded".
      crop_border: pixels left out along every edge.
    """

    def __init__(
        self,
        *,
        data_range: float,
        convention: SsimConvention = "scikit-image",
        channels: View = "all",
        crop_border: int = 0,
    ):
        super().__init__(ssim, data_range=data_range, convention=convention, channels=channels, crop_border=crop_border)


class MsSsim(ImageQuality):
    """Mean multi-scale structural similarity of pairs of images: `jaxeval.ops.image_quality.ms_ssim`.

    Args:
      data_range: width of the values' range.
      convention: whose number it is.
      channels: "all", "y" or "y-rounded".
      crop_border: pixels left out along every edge.
    """

    def __init__(
        self,
        *,
        data_range: float,
        convention: MsSsimConvention = "pytorch-msssim",
        channels: View = "all",
        crop_border: int = 0,
    ):
        super().__init__(
            ms_ssim, data_range=data_range, convention=convention, channels=channels, crop_border=crop_border
        )
