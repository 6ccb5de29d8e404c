"""Layers that Flax does not have, or has with other semantics."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

__all__ = ["SpectralNorm", "leaky_relu", "one_hot", "with_labels"]


class PowerIteration(nnx.Variable):
    """The running guess at a kernel's first singular vector: neither trained nor a batch statistic."""


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


def _unit(vector: Float[Array, " n"]) -> Float[Array, " n"]:
    return vector / jnp.maximum(jnp.linalg.norm(vector), 1e-12)
