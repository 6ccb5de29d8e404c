"""Layers that Flax does not have, or has with other semantics."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

# Which of the four taps of a kernel's row (last axis) meets the input's row above, at and below (first axis), in an
# output row of even and of odd number (second axis).
_TAPS = np.zeros((3, 2, 4), np.float32)
for _row, _parity, _tap in ((0, 0, 0), (1, 0, 2), (1, 1, 1), (2, 1, 3)):
    _TAPS[_row, _parity, _tap] = 1


class PowerIteration(nnx.Variable):
    """The running guess at a kernel's first singular vector: neither trained nor a batch statistic."""


class Upsample(nnx.Module):
    """A transposed convolution with a 4 x 4 kernel and stride 2: what `nnx.ConvTranspose` of that shape computes.

    It is done as a 3 x 3 convolution to four times the channels, whose pixels are then spread over 2 x 2 places: the
    gradient of a strided transposed convolution with respect to its kernel is ten times slower on a CPU.

    Args:
      inputs: channels that come in.
      outputs: channels that go out, at twice the height and width.
      use_bias: whether a bias is added.
      rngs: of the first kernel.
    """

    def __init__(self, inputs: int, outputs: int, *, use_bias: bool = True, rngs: nnx.Rngs):
        start = nnx.initializers.lecun_normal()
        self.kernel = nnx.Param(start(rngs.params(), (4, 4, inputs, outputs)))
        self.bias = nnx.Param(jnp.zeros(outputs)) if use_bias else None

    def __call__(self, inputs: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 d"]:
        """The doubled images."""
        n, height, width, channels = inputs.shape
        taps = jnp.asarray(_TAPS)
        kernel = jnp.einsum("rpa,sqb,abco->rscpqo", taps, taps, self.kernel[...], precision="highest")
        x = _conv(inputs, kernel.reshape(3, 3, channels, -1))
        x = x.reshape(n, height, width, 2, 2, -1).transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * height, 2 * width, -1)
        return x if self.bias is None else x + self.bias[...]


class GroupedConv(nnx.Module):
    """A 3 x 3 convolution within groups of channels: what `nnx.Conv` with `feature_group_count` computes.

    On a CPU it is done as convolutions of a quarter of the channels each, whose kernels are zero between groups: XLA
    has no fast code there for gradients of grouped convolutions (a step of R3GAN took a minute), and quarters are two
    to three times as fast as all channels at once.

    Args:
      channels: that come in, and go out.
      groups: a divisor of `channels`.
      kernel_init: of the kernel, [3, 3, channels / groups, channels].
      rngs: of the first kernel.
    """

    def __init__(self, channels: int, groups: int, *, kernel_init: nnx.Initializer, rngs: nnx.Rngs):
        self.groups = groups
        self.kernel = nnx.Param(kernel_init(rngs.params(), (3, 3, channels // groups, channels)))
        self.bias = nnx.Param(jnp.zeros(channels))

    def __call__(self, inputs: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """Maps of the same size."""
        x = jax.lax.platform_dependent(inputs, self.kernel[...], cpu=self._by_quarters, default=self._by_group)
        return x + self.bias[...]

    def _by_group(self, inputs: Float[Array, "n h w c"], kernel: Float[Array, "3 3 i c"]) -> Float[Array, "n h w c"]:
        return _conv(inputs, kernel, groups=self.groups)

    def _by_quarters(self, inputs: Float[Array, "n h w c"], kernel: Float[Array, "3 3 i c"]) -> Float[Array, "n h w c"]:
        parts = math.gcd(self.groups, 4)
        group = np.arange(kernel.shape[-1] // parts) // kernel.shape[2]
        together = jnp.asarray(group[:, None] == group, jnp.float32)
        pairs = zip(jnp.split(inputs, parts, -1), jnp.split(kernel, parts, -1), strict=True)
        maps = [_conv(x, jnp.tile(k, (1, 1, self.groups // parts, 1)) * together) for x, k in pairs]
        return jnp.concatenate(maps, -1)


class SpectralNorm(nnx.Module):
    """A linear layer whose kernel is divided by its largest singular value.

    The value comes from one step of power iteration a call, whose vector is kept between calls that train. Unlike
    `nnx.SpectralNorm`, the stored kernel stays as the optimiser left it.

    Reference: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018
    (arXiv:1802.05957), algorithm 1.

    Args:
      layer: an `nnx.Linear` or `nnx.Conv` without bias, whose kernel ends in its outputs.
      rngs: of the first guess.
    """

    def __init__(self, layer: nnx.Linear | nnx.Conv, *, rngs: nnx.Rngs):
        outputs = layer.kernel[...].shape[-1]
        self.layer = layer
        self.bias = nnx.Param(jnp.zeros(outputs))
        self.vector = PowerIteration(_unit(jax.random.normal(rngs.params(), (outputs,))))

    def __call__(self, inputs: Float[Array, "n ..."], *, train: bool) -> Float[Array, "n ..."]:
        """The layer's result with the normalised kernel; `train` keeps what the power iteration found."""
        kernel = self.layer.kernel[...]
        matrix = kernel.reshape(-1, kernel.shape[-1])
        fixed = jax.lax.stop_gradient(matrix)
        left = _unit(jnp.matmul(fixed, self.vector[...], precision="highest"))
        right = _unit(jnp.matmul(left, fixed, precision="highest"))
        if train:
            self.vector[...] = right
        largest = jnp.einsum("i,ij,j->", left, matrix, right, precision="highest")
        return self.layer(inputs) / largest + self.bias[...]


def leaky_relu(inputs: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Leaky rectifier with slope 0.2 below zero, which discriminators need to pass gradients on."""
    return jax.nn.leaky_relu(inputs, 0.2)


def one_hot(labels: Int[Array, " n"] | None, classes: int, rows: int) -> Float[Array, "n c"]:
    """Labels as rows of width `classes`; of width 0 where there are no classes."""
    if not classes:
        return jnp.zeros((rows, 0))
    if labels is None:
        raise ValueError("a class-conditional network needs labels")
    return jax.nn.one_hot(labels, classes)


def with_labels(rows: Float[Array, "n d"], labels: Int[Array, " n"] | None, classes: int) -> Float[Array, "n e"]:
    """Rows with their labels, one-hot, at the end."""
    return jnp.concatenate([rows, one_hot(labels, classes, rows.shape[0])], axis=1)


def _conv(inputs: Float[Array, "n h w c"], kernel: Float[Array, "k k i o"], groups: int = 1) -> Float[Array, "n h w o"]:
    """A convolution whose maps keep their size; at the precision that networks are trained with."""
    return jax.lax.conv_general_dilated(
        inputs,
        kernel,
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
        precision="default",
    )


def _unit(vector: Float[Array, " n"]) -> Float[Array, " n"]:
    return vector / jnp.maximum(jnp.linalg.norm(vector), 1e-12)
