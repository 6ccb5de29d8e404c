"""Phase congruency of a plane: how much the phases of a log-Gabor pyramid agree, in [0, 1] (Kovesi), for FSIM."""

import functools
import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxeval.ops.image_quality._maths import added, filtered, magnitude, map_mean, order_statistic
from jaxeval.ops.image_quality.windows import fenced

Plane = Float[Array, "h w"]

_SCALES, _ORIENTATIONS = 4, 4
_SHORTEST, _FACTOR = 6, 2  # wavelengths, in pixels
_SIGMA_F, _SPREAD = 0.55, 1.2
_NOISE_SIGMAS = 2.0


class _Filters(NamedTuple):
    radial: Float[np.ndarray, "s h w"]
    angular: Float[np.ndarray, "o h w"]
    noise: tuple[float, ...]  # the noise threshold of an orientation over the median amplitude at its finest scale


def phase_congruency(x: Plane) -> Plane:
    """Energy beyond the noise over the amplitudes' sum, over 4 orientations of 4 scales; 0 where there is none."""
    filters = _filters(*x.shape)
    spectrum = jnp.fft.fft2(x - lax.stop_gradient(map_mean(x)))

    def add(found: tuple[Plane, Plane], direction: tuple[Plane, Float[Array, ""]]) -> tuple[tuple[Plane, Plane], None]:
        angular, noise = direction
        responses = jnp.fft.ifft2(filtered(spectrum[None], jnp.asarray(filters.radial) * angular[None]))
        energy, amplitude, finest = fenced(_of_direction, responses.real, responses.imag)
        threshold = noise.astype(x.dtype) * lower_median(finest.reshape(-1))
        return (found[0] + jnp.maximum(energy - threshold, 0.0), found[1] + amplitude), None

    # Zeros of the image's, which vary over the axes of a `shard_map` that it varies over.
    nothing = (0.0 * x, 0.0 * x)
    directions = (jnp.asarray(filters.angular), jnp.asarray(filters.noise))
    (energies, amplitudes), _ = lax.scan(add, nothing, directions)
    responding = amplitudes > 0
    return jnp.where(responding, energies / jnp.where(responding, amplitudes, 1.0), 0.0 * amplitudes)


def _of_direction(even: Float[Array, "s h w"], odd: Float[Array, "s h w"]) -> tuple[Plane, Plane, Plane]:
    """Of the scales' responses in a direction: energy, the sum of amplitudes, and the finest one's amplitude.

    Scale by scale, as sums over an axis would be taken again for each of its values.
    """
    amplitudes = [magnitude(*scale) for scale in zip(even, odd, strict=True)]
    sum_even, sum_odd = added(even), added(odd)
    length = magnitude(sum_even, sum_odd)
    aligned = length > 0
    across = [jnp.abs(e * sum_odd - o * sum_even) for e, o in zip(even, odd, strict=True)]
    energy = length - added(across) / jnp.where(aligned, length, 1.0)
    return energy, added(amplitudes), amplitudes[0]


def lower_median(x: Float[Array, " n"]) -> Float[Array, ""]:
    """The middle one of values >= 0, the lower of two; its gradient is shared by the values equal to it."""
    return order_statistic(x, (x.shape[0] - 1) // 2)


@functools.lru_cache(16)
def _filters(height: int, width: int) -> _Filters:
    down, right = _frequencies(height), _frequencies(width)
    radius = np.hypot(down[:, None], right)
    theta = np.arctan2(-right[None, :], down[:, None])
    low_pass = 1.0 / (1.0 + (radius / 0.45) ** 30)
    radius[0, 0] = 1.0
    radial = []
    for scale in range(_SCALES):
        centre = 1.0 / (_SHORTEST * _FACTOR**scale)
        radial.append(np.exp(-(np.log(radius / centre) ** 2) / (2 * math.log(_SIGMA_F) ** 2)) * low_pass)
        radial[-1][0, 0] = 0.0
    angular = []
    sigma = math.pi / (_ORIENTATIONS * _SPREAD)
    for orientation in range(_ORIENTATIONS):
        angle = orientation * math.pi / _ORIENTATIONS
        apart = np.abs(np.angle(np.exp(1j * (theta - angle))))
        angular.append(np.exp(-(apart**2) / (2 * sigma**2)))
    radial, angular = np.stack(radial), np.stack(angular)
    noise = []
    for direction in angular:
        kernels = np.fft.ifft2(radial * direction).real * math.sqrt(height * width)
        total = (kernels.sum(0) ** 2).sum()
        power = ((radial[0] * direction) ** 2).sum() * math.log(2)
        # Noise energy over that of the finest scale: 2 sum a_i^2 + 4 sum_{i<j} a_i a_j = 2 (sum a_i)^2.
        tau = math.sqrt(total / power)
        noise.append(tau * (math.sqrt(math.pi / 2) + _NOISE_SIGMAS * math.sqrt(2 - math.pi / 2)) / 1.7)
    return _Filters(radial.astype(np.float32), angular.astype(np.float32), tuple(noise))


def _frequencies(size: int) -> np.ndarray:
    """Frequencies along an axis as FSIM's code has them, the zero first: odd sizes reach exactly 1/2."""
    centred = np.arange(size) - (size // 2)
    return np.fft.ifftshift(centred / (size - 1 if size % 2 else size))
