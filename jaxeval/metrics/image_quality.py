"""Image quality as streaming metrics: full-reference measures over pairs of images, averaged or pooled."""

import abc
import dataclasses
import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from jaxeval._arrays import AnyArray
from jaxeval.errors import InputError
from jaxeval.metrics.keywords import own_input, require_input
from jaxeval.metrics.metric import AxisName, Metric, check_whole, on_device, vary_over
from jaxeval.metrics.value import MetricValue
from jaxeval.metrics.value_range import (
    SeenRange,
    data_range_doubt,
    merge_ranges,
    no_range,
    reduce_range,
    seen_range,
)
from jaxeval.ops.image_quality import Colour, MsSsimConvention, SsimConvention, mae, ms_ssim, mse, psnr, rmse, ssim
from jaxeval.ops.image_quality.colour import IN_WHOLE_NUMBERS, took_channels
from jaxeval.ops.moments import (
    Moments,
    empty_moments,
    feature_moments,
    merge_moments,
    moments_on_host,
    reduce_moments,
)


class PairScores(NamedTuple):
    """What pairs of images have given so far: a pytree.

    Attributes:
      finite: moments of the finite scores, one number a pair, or several.
      infinite: pairs whose score is infinite, which are in no mean, shape [], int32.
      values: the range of the pixels of both sides.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> psnr = metrics.PSNR(data_range=1.0)
      >>> images = np.zeros((4, 16, 16, 3))
      >>> state = psnr.update(psnr.init(), reference=images, generated=images)
      >>> int(state.infinite), int(state.finite.count)
      (4, 0)
    """

    finite: Moments
    infinite: AnyArray
    values: SeenRange


@dataclasses.dataclass(frozen=True)
class _OfPairs:
    """A full-reference op with its settings; equal to another one with the same."""

    op: Callable[..., Any]
    data_range: float
    options: tuple[tuple[str, Hashable], ...]

    @property
    def of_differences(self) -> bool:
        """Whether the op sees differences of values alone, so that they may lie around 0."""
        return self.op in (mse, mae, rmse, psnr) and dict(self.options).get("colour") not in IN_WHOLE_NUMBERS

    def __call__(self, *, reference: Any, generated: Any) -> Any:
        return self.op(generated, reference, data_range=self.data_range, **dict(self.options))


@dataclasses.dataclass(frozen=True)
class _Pairs(Metric[PairScores]):
    """Base of the metrics of pairs of images, from the number or numbers of each pair to a value of all."""

    name: str
    function: _OfPairs
    inputs: tuple[str, ...] = dataclasses.field(default=("reference", "generated"), init=False, repr=False)

    _width = 1  # numbers a pair

    def init(self, *, shards: int = 1, axis_name: AxisName | None = None) -> PairScores:
        """The state of no data."""
        del shards
        empty = PairScores(empty_moments(self._width), jnp.zeros((), jnp.int32), no_range())
        return vary_over(empty, axis_name)

    def update(self, state: PairScores, **inputs: Any) -> PairScores:
        """The state with a batch of pairs added.

        Args:
          state: before.
          inputs: `reference` and `generated`, images [N, H, W, C]; `mask`, [N] truth values, or `reference_mask` and
            `generated_mask`: pairs that one of them leaves out do not count.

        Raises:
          InputError: a side is missing, is not [N, H, W, C], does not fit the data range or the op, or a mask is not
            [N] of truth values.
        """
        require_input(self.name, self.inputs, inputs)
        missing = [side for side in self.inputs if inputs.get(side) is None]
        if missing:
            raise InputError(f"{self.name} needs {' and '.join(self.inputs)}; {' and '.join(missing)} is missing")
        masks = {side: self._mask(side, inputs) for side in self.inputs}
        sides = {side: _blanked(inputs[side], mask) for side, mask in masks.items()}
        given = [mask for mask in masks.values() if mask is not None]
        numbers, infinite = self._numbers(**sides)
        keep = jnp.ones(infinite.shape, bool)
        for mask in given:
            keep &= mask
        values = [seen_range(images, keep if given else None) for images in sides.values()]
        state = on_device(state)
        return PairScores(
            merge_moments(state.finite, feature_moments(jnp.where(infinite[:, None], 0.0, numbers), keep & ~infinite)),
            state.infinite + (keep & infinite).sum(dtype=jnp.int32),
            merge_ranges(state.values, merge_ranges(*values)),
        )

    @abc.abstractmethod
    def _numbers(self, *, reference: Any, generated: Any) -> tuple[Float[Array, "n w"], Bool[Array, " n"]]:
        """What is kept of each pair, and whether its score is infinite and is counted instead."""

    def _mask(self, side: str, inputs: dict[str, Any]) -> Array | None:
        mask = own_input(side, "mask", inputs)
        if mask is None:
            return None
        mask, shape = jnp.asarray(mask), np.shape(inputs[side])
        if len(shape) != 4 or mask.shape != shape[:1] or mask.dtype != bool:
            raise InputError(
                f"{self.name}: {side} has shape {shape} and its mask shape {tuple(mask.shape)} and dtype "
                f"{mask.dtype}; [N, H, W, C], [N] and bool are expected"
            )
        return mask

    def merge(self, a: PairScores, b: PairScores) -> PairScores:
        """The state of both sets of pairs together."""
        a, b = on_device(a), on_device(b)
        return PairScores(merge_moments(a.finite, b.finite), a.infinite + b.infinite, merge_ranges(a.values, b.values))

    def reduce(self, state: PairScores, axis_name: AxisName) -> PairScores:
        """The state of all devices together, inside `shard_map` or `pmap`."""
        return PairScores(
            reduce_moments(state.finite, axis_name),
            lax.psum(state.infinite, axis_name),
            reduce_range(state.values, axis_name),
        )

    def compute(self, state: PairScores) -> MetricValue:
        """The value of all pairs that counted.

        Raises:
          InputError: there is no pair, or a score was neither finite nor infinite.
        """
        check_whole(self, state)
        moments, infinite = moments_on_host(state.finite), int(state.infinite)
        if int(moments.count) + infinite == 0:
            raise InputError(f"{self.name} is of no pairs; update it first")
        if not (np.isfinite(moments.mean).all() and np.isfinite(moments.scatter).all()):
            raise InputError(f"a counted value of {self.name} was not finite; leave such pairs out by mask")
        doubt = data_range_doubt(
            state.values, self.function.data_range, self.name, of_differences=self.function.of_differences
        )
        value = self._value(moments, infinite)
        return dataclasses.replace(value, warnings=(*value.warnings, *([doubt] if doubt else [])))

    @abc.abstractmethod
    def _value(self, moments: Moments, infinite: int) -> MetricValue:
        """The metric's value from float64 moments of at least one pair, finite or not."""

    def compute_on_device(
        self, state: PairScores, *, axis_name: AxisName | None = None, mesh: Mesh | None = None
    ) -> Float[Array, ""]:
        """The value in float32, jit-able, differentiable; infinite where `compute`'s is, not a number of no pairs."""
        del axis_name, mesh
        check_whole(self, state)
        finite, infinite = state.finite, jnp.asarray(state.infinite)
        mean = jnp.asarray(finite.mean) + jnp.asarray(finite.mean_lo)
        return self._value_on_device(jnp.asarray(finite.count) > 0, mean, infinite)

    @abc.abstractmethod
    def _value_on_device(
        self, finite: Bool[Array, ""], mean: Float[Array, " w"], infinite: Int[Array, ""]
    ) -> Float[Array, ""]:
        """The value, from whether any score is finite, the mean of what is kept of those, and how many are not."""


def _blanked(images: Any, mask: Array | None) -> AnyArray:
    """The images with zeros where a pair does not count: what padding holds must not be taken for bad data."""
    if mask is None:
        return images
    images = jnp.asarray(images)
    return jnp.where(mask[:, None, None, None], images, jnp.zeros((), images.dtype))


class ImageQuality(_Pairs):
    """The mean of a full-reference measure over pairs of images, with its standard error.

    `ImageQuality(ops.image_quality.fsim, data_range=255)`; any op of `jaxeval.ops.image_quality` that takes two.
    `update(state, reference=..., generated=...)` takes batches [N, H, W, C], pair by pair; a pair that `mask` (or
    `reference_mask`, `generated_mask`) leaves out does not count, whatever it holds. Images may have other sizes in
    another batch.

    The measure is taken of each pair and then averaged: a mean PSNR is not the PSNR of the mean error (`PooledPSNR`).
    Identical images, whose PSNR is infinite, are not in the mean; `compute` says how many they are, and gives infinity
    where there are no others. It also warns where the images' values do not look like those of the data range.

    Args:
      op: called as `op(generated, reference, data_range=..., **options)`; returns [N].
      data_range: width of the values' range, such as 1.0 or 255.
      name: what results call it; the op's own name if empty.
      options: further keywords of the op; hashable.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics, ops
      >>> mae = metrics.ImageQuality(ops.image_quality.mae, data_range=1.0)
      >>> images = np.zeros((4, 16, 16, 3))
      >>> state = mae.update(mae.init(), reference=images, generated=images + 0.5)
      >>> mae.compute(state).value
      0.5
    """

    def __init__(self, op: Callable[..., Any], *, data_range: float, name: str = "", **options: Hashable):
        function = _OfPairs(op, float(data_range), tuple(sorted(options.items())))
        super().__init__(name or op.__name__, function)

    def _numbers(self, *, reference: Any, generated: Any) -> tuple[Float[Array, "n w"], Bool[Array, " n"]]:
        scores = jnp.asarray(self.function(reference=reference, generated=generated))
        if scores.ndim != 1:
            raise InputError(f"{self.name} has shape {tuple(scores.shape)}; [N] is expected, one value a pair")
        return scores[:, None], jnp.isposinf(scores)

    def _value(self, moments: Moments, infinite: int) -> MetricValue:
        count = int(moments.count)
        warnings = ()
        if infinite:
            rest = f"is not in the mean, which is of the other {count:,}" if count else "is the value"
            warnings = (f"{infinite:,} of {count + infinite:,} pairs are identical: their infinite {self.name} {rest}",)
        if not count:
            return MetricValue(self.name, math.inf, n_generated=infinite, warnings=warnings)
        error = math.sqrt(float(moments.scatter[0, 0]) / (count - 1) / count) if count > 1 else None
        return MetricValue(
            self.name, float(moments.mean[0]), standard_error=error, n_generated=count, warnings=warnings
        )

    def _value_on_device(
        self, finite: Bool[Array, ""], mean: Float[Array, " w"], infinite: Int[Array, ""]
    ) -> Float[Array, ""]:
        return jnp.where(finite, mean[0], jnp.where(infinite > 0, jnp.inf, jnp.nan))


class PSNR(ImageQuality):
    """Mean peak signal-to-noise ratio of pairs of images in decibels: `jaxeval.ops.image_quality.psnr`.

    Args:
      data_range: width of the values' range: the peak.
      colour: of the op: "own", "each-channel", or a gray by name, such as "y".
      crop_border: pixels left out along every edge.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> psnr = metrics.PSNR(data_range=1.0)
      >>> images = np.zeros((4, 16, 16, 3))
      >>> state = psnr.update(psnr.init(), reference=images, generated=images + 0.1)
      >>> round(psnr.compute(state).value, 3)
      20.0
    """

    @took_channels
    def __init__(self, *, data_range: float, colour: Colour = "own", crop_border: int = 0):
        super().__init__(psnr, data_range=data_range, colour=colour, crop_border=crop_border)


class PooledPSNR(_Pairs):
    """Peak signal-to-noise ratio of the squared error of all pixels of all pairs together, in decibels.

    What torchmetrics gives by default, and ffmpeg as the average of a video whose frames are of one size. It is never
    above the mean of the pairs' own ratios (`PSNR`), and identical pairs count as what they are, without error. The
    standard error is that of a ratio of two means over pairs (Cochran, "Sampling Techniques", 1977, section 2.11).

    Args:
      data_range: width of the values' range: the peak.
      colour: of the op: "own", "each-channel", or a gray by name, such as "y".
      crop_border: pixels left out along every edge.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> psnr = metrics.PooledPSNR(data_range=1.0)
      >>> images = np.zeros((4, 16, 16, 3))
      >>> generated = np.concatenate([images[:2] + 0.1, images[2:]])  # two of four are identical
      >>> state = psnr.update(psnr.init(), reference=images, generated=generated)
      >>> round(psnr.compute(state).value, 2)
      23.01
    """

    _width = 2

    @took_channels
    def __init__(self, *, data_range: float, colour: Colour = "own", crop_border: int = 0):
        options = {"colour": colour, "crop_border": crop_border}
        super().__init__("pooled_psnr", _OfPairs(mse, float(data_range), tuple(sorted(options.items()))))

    def _numbers(self, *, reference: Any, generated: Any) -> tuple[Float[Array, "n w"], Bool[Array, " n"]]:
        errors = jnp.asarray(self.function(reference=reference, generated=generated))
        border: Any = dict(self.function.options)["crop_border"]
        _, height, width, _ = np.shape(generated)
        pixels = (height - 2 * border) * (width - 2 * border)
        # Relative to a megapixel, so that the scatter of both numbers is of one size.
        share = jnp.full(errors.shape, pixels / 2.0**20, jnp.float32)
        return jnp.stack([errors * share, share], axis=1), jnp.zeros(errors.shape, bool)

    def _value(self, moments: Moments, infinite: int) -> MetricValue:
        count, (error, pixels) = int(moments.count), (float(number) for number in moments.mean)
        if error == 0:
            said = f"all {count:,} pairs are identical: their {self.name} is infinite"
            return MetricValue(self.name, math.inf, n_generated=count, warnings=(said,))
        ratio = error / pixels
        spread = np.array([1.0, -ratio])
        variance = max(float(spread @ moments.scatter @ spread), 0.0) / max(count - 1, 1) / count / pixels**2
        known = 10 / math.log(10) * math.sqrt(variance) / ratio if count > 1 else None
        return MetricValue(
            self.name, _decibels(ratio, self.function.data_range), standard_error=known, n_generated=count
        )

    def _value_on_device(
        self, finite: Bool[Array, ""], mean: Float[Array, " w"], infinite: Int[Array, ""]
    ) -> Float[Array, ""]:
        error, pixels = mean
        differs = error > 0
        ratio = jnp.where(differs, error, 1.0) / jnp.where(pixels > 0, pixels, 1.0)
        decibels = 20 * math.log10(self.function.data_range) - 10 * jnp.log10(ratio)
        return jnp.where(finite, jnp.where(differs, decibels, jnp.inf), jnp.nan)


def _decibels(error: float, data_range: float) -> float:
    return 20 * math.log10(data_range) - 10 * math.log10(error)


class SSIM(ImageQuality):
    """Mean structural similarity of pairs of images: `jaxeval.ops.image_quality.ssim`.

    Args:
      data_range: width of the values' range.
      convention: the implementation whose number it is.
      colour: of the op: "own", "each-channel", or a gray by name, such as "y".
      crop_border: pixels left out along every edge.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> ssim = metrics.SSIM(data_range=1.0)
      >>> images = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> state = ssim.update(ssim.init(), reference=images, generated=images / 2)
      >>> value = ssim.compute(state)
      >>> round(value.value, 1), value.n_generated
      (0.6, 4)
    """

    @took_channels
    def __init__(
        self,
        *,
        data_range: float,
        convention: SsimConvention = "scikit-image",
        colour: Colour = "own",
        crop_border: int = 0,
    ):
        super().__init__(ssim, data_range=data_range, convention=convention, colour=colour, crop_border=crop_border)


class MsSsim(ImageQuality):
    """Mean multi-scale structural similarity of pairs of images: `jaxeval.ops.image_quality.ms_ssim`.

    Args:
      data_range: width of the values' range.
      convention: the implementation whose number it is.
      colour: of the op: "own", "each-channel", or a gray by name, such as "y".
      crop_border: pixels left out along every edge.

    Example:
      >>> from jaxeval import metrics
      >>> ms_ssim = metrics.MsSsim(data_range=1.0)
      >>> ms_ssim.name, ms_ssim.inputs  # updated as `SSIM` is, by images of at least 161 x 161 pixels
      ('ms_ssim', ('reference', 'generated'))
    """

    @took_channels
    def __init__(
        self,
        *,
        data_range: float,
        convention: MsSsimConvention = "pytorch-msssim",
        colour: Colour = "own",
        crop_border: int = 0,
    ):
        super().__init__(ms_ssim, data_range=data_range, convention=convention, colour=colour, crop_border=crop_border)
