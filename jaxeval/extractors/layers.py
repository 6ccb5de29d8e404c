"""Building blocks of the networks: convolutions with batch norm folded in, and pooling as each reference does it.

The forms are those that measured fastest on XLA:CPU without changing a digit that matters: 1 x 1 convolutions as
matrix products, pooling as shifted slices (4 to 5 times faster than `reduce_window`), and no convolution without any
padding (see `convolve`).
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from jaxeval.extractors.precision import network_precision

Pairs = tuple[tuple[int, int], tuple[int, int]]


def fold_batch_norm(
    state: Mapping[str, np.ndarray], convolution: str, norm: str, *, epsilon: float
) -> tuple[Float[np.ndarray, "kh kw i o"], Float[np.ndarray, " o"]]:
    """Kernel and bias of a convolution and the inference-time batch norm after it, as one convolution.

    Args:
        state: tensors by name, in torch's layout (`[out, in, height, width]`).
        convolution: the convolution's prefix: `<convolution>.weight`.
        norm: the batch norm's prefix: `.weight`, `.bias`, `.running_mean`, `.running_var`.
        epsilon: the batch norm's own.

    Returns:
        float32 kernel `[height, width, in, out]` and bias `[out]`; the arithmetic is in float64.
    """
    weight, bias, mean, variance = (
        state[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = weight / np.sqrt(variance + epsilon)
    kernel = state[f"{convolution}.weight"].astype(np.float64).transpose(2, 3, 1, 0)
    return (kernel * scale).astype(np.float32), (bias - mean * scale).astype(np.float32)


class Convolution(nnx.Module):
    """Parameters of a convolution with its batch norm folded in: `kernel [kh, kw, in, out]`, `bias [out]`."""

    def __init__(self, kernel: Float[np.ndarray, "kh kw i o"], bias: Float[np.ndarray, " o"]):
        self.kernel = nnx.Param(jax.device_put(kernel))
        self.bias = nnx.Param(jax.device_put(bias))


class Linear(nnx.Module):
    """Parameters of a fully connected layer: `kernel [in, out]`, `bias [out]`."""

    def __init__(self, kernel: Float[np.ndarray, "i o"], bias: Float[np.ndarray, " o"]):
        self.kernel = nnx.Param(jax.device_put(kernel))
        self.bias = nnx.Param(jax.device_put(bias))

    def product(self, features: Float[Array, "*b i"]) -> Float[Array, "*b o"]:
        """The features times the layer's kernel, without the bias."""
        return jnp.matmul(features, self.kernel[...], precision=network_precision())


def convolve(
    images: Float[Array, "b h w i"],
    layer: Convolution,
    *,
    stride: int = 1,
    padding: Pairs = ((0, 0), (0, 0)),
) -> Float[Array, "b h2 w2 o"]:
    """Convolution with zero padding, and bias; no activation."""
    # XLA:CPU runs a convolution without any padding up to 5 times slower than a padded one; so a column of zeros is
    # added, and what it gives (at stride 1) is cut off again, in a slice that fuses with the bias and the activation.
    (top, bottom), (left, right) = padding
    spare = int(not (top or bottom or left or right))
    width = (images.shape[2] + left + right - layer.kernel.shape[1]) // stride + 1
    out = lax.conv_general_dilated(
        images,
        layer.kernel[...],
        window_strides=(stride, stride),
        padding=((top, bottom), (left, right + spare)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=network_precision(),
    )
    return out[:, :, :width] + layer.bias[...]


def pointwise(images: Float[Array, "b h w i"], layer: Convolution) -> Float[Array, "b h w o"]:
    """A 1 x 1 convolution as the matrix product that it is, without the bias."""
    return jnp.einsum("bhwi,io->bhwo", images, layer.kernel[0, 0], precision=network_precision())


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME": `ceil(size / stride)` outputs, the odd pixel of padding at the end."""
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def depthwise(images: Float[Array, "b h w c"], layer: Convolution, *, stride: int) -> Float[Array, "b h2 w2 c"]:
    """Depthwise convolution with "SAME" padding, and bias; `layer.kernel` is `[k, k, 1, channels]`.

    A sum of shifted products: on XLA:CPU 30 times faster than a grouped convolution, and one fused loop elsewhere.
    """
    kernel = layer.kernel[:, :, 0]
    side = kernel.shape[0]
    pads = [same_padding(size, side, stride) for size in images.shape[1:3]]
    # Without the barrier the padding, and what comes before it, is computed again for each of the shifts.
    padded = lax.optimization_barrier(jnp.pad(images, ((0, 0), *pads, (0, 0))))
    height, width = (stride * (-(-size // stride) - 1) + 1 for size in images.shape[1:3])
    out = jnp.zeros((), images.dtype)
    for row in range(side):
        for column in range(side):
            shifted = padded[:, row : row + height : stride, column : column + width : stride]
            out = out + shifted * kernel[row, column]
    return out + layer.bias[...]


def max_pool_2x2(images: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Maximum over 2 x 2 windows at stride 2; an odd row or column at the end is left out."""
    for axis in (1, 2):
        end = images.shape[axis] // 2 * 2
        images = jnp.maximum(*(lax.slice_in_dim(images, start, end, 2, axis) for start in (0, 1)))
    return images


def max_pool_3x3(images: Float[Array, "b h w c"], *, stride: int, padding: int = 0) -> Float[Array, "b h2 w2 c"]:
    """Maximum over 3 x 3 windows; padding never wins."""
    for axis in (1, 2):
        widths = [(padding, padding) if i == axis else (0, 0) for i in range(4)]
        padded = jnp.pad(images, widths, constant_values=-jnp.inf) if padding else images
        size = (padded.shape[axis] - 3) // stride + 1
        slices = [lax.slice_in_dim(padded, start, start + stride * (size - 1) + 1, stride, axis) for start in range(3)]
        images = jnp.maximum(jnp.maximum(slices[0], slices[1]), slices[2])
    return images


def average_pool_3x3(images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Average over 3 x 3 windows at stride 1, of the pixels that exist: padding does not count."""
    counts = []
    for axis in (1, 2):
        size = images.shape[axis]
        padded = jnp.pad(images, [(1, 1) if i == axis else (0, 0) for i in range(4)])
        slices = [lax.slice_in_dim(padded, start, start + size, axis=axis) for start in range(3)]
        images = slices[0] + slices[1] + slices[2]
        position = np.arange(size)
        counts.append(np.minimum(position + 1, size - 1) - np.maximum(position - 1, 0) + 1)
    return images / (counts[0][:, None] * counts[1])[:, :, None].astype(np.float32)
