"""Penalties on a discriminator's gradient with respect to images."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError

Discriminator = Callable[[Float[Array, "n ..."]], Float[Array, " n"]]


@takes_arrays
def gradient_norms(discriminator: Discriminator, images: Numbers) -> Float[Array, " n"]:
    """The length of the discriminator's gradient at each image, shape [N].

    Args:
      discriminator: images [N, ...] to logits [N], each from its own image alone; close over parameters and labels.
      images: shape [N, ...].

    Raises:
      InputError: the discriminator does not return one logit for each image.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxeval.ops import losses
      >>> images = jnp.ones((4, 2, 2, 1))
      >>> print(losses.gradient_norms(lambda images: images.sum((1, 2, 3)), images))
      [2. 2. 2. 2.]
    """
    # The root's derivative is infinite at 0, where a penalty's gradient has to stay finite.
    squares = _squared_norms(discriminator, images)
    positive = squares > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1.0)), 0.0)


@takes_arrays
def gradient_penalty(
    discriminator: Discriminator, *, real: Numbers, fake: Numbers, key: Array, target: float = 1.0
) -> Float[Array, ""]:
    """Mean squared difference of the gradient's length from `target`, at random points between real and fake images.

    Reference: Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017 (arXiv:1704.00028), equation 3,
    without its weight, which is 10 there.

    Args:
      discriminator: images [N, ...] to values [N].
      real: shape [N, ...].
      fake: the same shape.
      key: key of the random numbers: each pair is mixed at a place of its own, uniform in 0 to 1.
      target: the length wanted.

    Raises:
      InputError: real and fake differ in shape, or the discriminator's result has the wrong one.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> from jaxeval.ops import losses
      >>> real, fake = jnp.ones((4, 2, 2, 1)), jnp.zeros((4, 2, 2, 1))
      >>> penalty = losses.gradient_penalty(lambda x: x.sum((1, 2, 3)), real=real, fake=fake, key=jax.random.key(0))
      >>> print(penalty)
      1.0
    """
    if real.shape != fake.shape:
        raise InputError(f"real has shape {tuple(real.shape)} and fake {tuple(fake.shape)}; pairs are mixed")
    real, fake = jnp.asarray(real, jnp.float32), jnp.asarray(fake, jnp.float32)
    share = jax.random.uniform(key, (real.shape[0],) + (1,) * (real.ndim - 1))
    norms = gradient_norms(discriminator, share * real + (1 - share) * fake)
    return ((norms - target) ** 2).mean()


@takes_arrays
def r1_penalty(discriminator: Discriminator, real: Numbers) -> Float[Array, ""]:
    """Half the mean squared length of the discriminator's gradient at real images; multiply it by gamma.

    Reference: Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018 (arXiv:1801.04406),
    equation 9.

    Args:
      discriminator: images [N, ...] to logits [N].
      real: shape [N, ...].

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxeval.ops import losses
      >>> print(losses.r1_penalty(lambda images: images.sum((1, 2, 3)), jnp.ones((4, 2, 2, 1))))
      2.0
    """
    return _squared_norms(discriminator, real).mean() / 2


@takes_arrays
def r2_penalty(discriminator: Discriminator, fake: Numbers) -> Float[Array, ""]:
    """Half the mean squared length of the discriminator's gradient at generated images; multiply it by gamma.

    Reference: as `r1_penalty`, equation 10.

    Args:
      discriminator: images [N, ...] to logits [N].
      fake: shape [N, ...].

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxeval.ops import losses
      >>> print(losses.r2_penalty(lambda images: images.sum((1, 2, 3)), jnp.zeros((4, 2, 2, 1))))
      2.0
    """
    return _squared_norms(discriminator, fake).mean() / 2


def _squared_norms(discriminator: Discriminator, images: Numbers) -> Float[Array, " n"]:
    def total(points: Float[Array, "n ..."]) -> Float[Array, ""]:
        logits = discriminator(points)
        if logits.shape != (points.shape[0],):
            raise InputError(
                f"the discriminator returned shape {tuple(logits.shape)} for {points.shape[0]} images; "
                f"({points.shape[0]},) is expected"
            )
        return logits.sum()  # each logit depends on its own image: one gradient holds all of theirs

    gradient = jax.grad(total)(jnp.asarray(images, jnp.float32))
    return (gradient**2).sum(tuple(range(1, gradient.ndim)))
