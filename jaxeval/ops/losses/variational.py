"""Terms of an autoencoder's variational bound, in nats: reconstruction, KL divergence and the bounds themselves."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError

_LOG_2PI = math.log(2 * math.pi)


@takes_arrays
def bernoulli_nll(*, logits: Numbers, targets: Numbers) -> Float[Array, " n"]:
    """-log p(target) under independent Bernoulli pixels, summed over each image.

    A likelihood where targets are 0 or 1; for gray levels between, the cross-entropy that many autoencoders minimise,
    which is no likelihood and cannot be compared with one.

    Args:
      logits: shape [N, ...].
      targets: the same shape, 0 to 1.

    Returns:
      Shape [N]: D log 2 at zero logits, for D pixels.

    Raises:
      InputError: the two differ in shape; so it is of every reconstruction term here.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> images = np.random.default_rng(0).integers(0, 2, size=(4, 28, 28, 1))
      >>> print(np.asarray(losses.bernoulli_nll(logits=np.zeros((4, 28, 28, 1)), targets=images)).round(1))
      [543.4 543.4 543.4 543.4]
    """
    logits, targets = _pair("logits", logits, "targets", targets)
    return _image_sums(jax.nn.softplus(logits) - targets * logits)


@takes_arrays
def gaussian_nll(*, mean: Numbers, log_variance: Numbers, targets: Numbers) -> Float[Array, " n"]:
    """-log p(target) under independent Gaussian pixels, summed over each image.

    A density: for k-bit images scaled to 0..1 it is comparable with a probability after adding D log(2^k - 1), and only
    if noise of one level's width was added first.

    Reference: Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014 (arXiv:1312.6114), appendix C.2.

    Args:
      mean: shape [N, ...].
      log_variance: broadcast to that shape: one number for all pixels, or one for each.
      targets: the shape of mean.

    Returns:
      Shape [N].

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> images = np.zeros((4, 28, 28, 1))
      >>> print(np.asarray(losses.gaussian_nll(mean=images, log_variance=0.0, targets=images)).round(1))
      [720.5 720.5 720.5 720.5]
    """
    mean, targets = _pair("mean", mean, "targets", targets)
    return -_image_sums(_log_density(targets, mean, _broadcast(log_variance, mean)))


@takes_arrays
def l1_error(*, outputs: Numbers, targets: Numbers) -> Float[Array, " n"]:
    """Absolute differences summed over each image: -log p under Laplace pixels of scale 1, less D log 2.

    Args:
      outputs: shape [N, ...].
      targets: the same shape.

    Returns:
      Shape [N].

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> images = np.zeros((4, 28, 28, 1))
      >>> print(losses.l1_error(outputs=images + 0.5, targets=images))
      [392. 392. 392. 392.]
    """
    outputs, targets = _pair("outputs", outputs, "targets", targets)
    return _image_sums(jnp.abs(outputs - targets))


@takes_arrays
def gaussian_kl(*, mean: Numbers, log_variance: Numbers) -> Float[Array, "n d"]:
    """KL divergence of each N(mean, exp(log_variance)) from N(0, 1): (mean^2 + variance - 1 - log variance) / 2.

    Reference: Kingma, Welling, ICLR 2014 (arXiv:1312.6114), appendix B. A beta-VAE multiplies it: see `elbo`.

    Args:
      mean: shape [N, D].
      log_variance: shape [N, D].

    Returns:
      Shape [N, D], never negative: one number for each image and dimension, for sums, averages or `free_bits`.

    Raises:
      InputError: the shapes differ or are no matrices.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> kl = losses.gaussian_kl(mean=np.ones((4, 16)), log_variance=np.zeros((4, 16)))
      >>> kl.shape, float(kl[0, 0])
      ((4, 16), 0.5)
    """
    mean, log_variance = _pair("mean", mean, "log_variance", log_variance)
    if mean.ndim != 2:
        raise InputError(f"mean has shape {tuple(mean.shape)}; a row of latent dimensions for each image is expected")
    # expm1: variance - 1 - log variance loses its digits where the variance is near 1, as it is after a collapse.
    return (mean**2 + jnp.expm1(log_variance) - log_variance) / 2


@takes_arrays
def free_bits(kl: Numbers, *, nats: float) -> Float[Array, ""]:
    """The KL divergence with each dimension's batch mean raised to at least `nats`: the first nats cost nothing.

    Reference: Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", NeurIPS 2016
    (arXiv:1606.04934), equation 15, with one dimension a group.

    Args:
      kl: shape [N, D], as `gaussian_kl` gives it.
      nats: free for each dimension; 0 gives the mean over images of the plain sum.

    Raises:
      InputError: another shape, or a negative number of nats.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> print(losses.free_bits(np.zeros((4, 16)), nats=0.25))
      4.0
    """
    if kl.ndim != 2 or not kl.shape[0]:
        raise InputError(f"kl has shape {tuple(kl.shape)}; [N, D], as gaussian_kl gives it, is expected")
    if not nats >= 0:
        raise InputError(f"nats is {nats}; what is free is 0 or more")
    return jnp.maximum(jnp.asarray(kl, jnp.float32).mean(0), nats).sum()


@takes_arrays
def elbo(*, reconstruction_nll: Numbers, kl: Numbers, beta: float = 1.0) -> Float[Array, " n"]:
    """The evidence lower bound of each image: -reconstruction_nll - beta * kl; with beta 1 a bound of log p(image).

    References: Kingma, Welling, ICLR 2014 (arXiv:1312.6114); Higgins et al., "beta-VAE", ICLR 2017.

    Args:
      reconstruction_nll: shape [N].
      kl: shape [N, D], as `gaussian_kl` gives it.
      beta: weight of the divergence; 0 or more.

    Returns:
      Shape [N], in nats.

    Raises:
      InputError: the shapes do not fit, or beta is negative.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> print(losses.elbo(reconstruction_nll=np.full(4, 100.0), kl=np.full((4, 16), 0.5)))
      [-108. -108. -108. -108.]
    """
    if reconstruction_nll.ndim != 1 or kl.ndim != 2 or kl.shape[0] != reconstruction_nll.shape[0]:
        raise InputError(
            f"reconstruction_nll has shape {tuple(reconstruction_nll.shape)} and kl {tuple(kl.shape)}; "
            "[N] and [N, D] are expected"
        )
    if not beta >= 0:
        raise InputError(f"beta is {beta}; a weight of 0 or more is expected")
    return -jnp.asarray(reconstruction_nll, jnp.float32) - beta * jnp.asarray(kl, jnp.float32).sum(1)


@takes_arrays
def gaussian_log_density(*, values: Numbers, mean: Numbers, log_variance: Numbers) -> Float[Array, " n"]:
    """Log N(values; mean, exp(log_variance)) of each row: the terms of an importance weight.

    Args:
      values: shape [N, ...].
      mean: broadcast to that shape.
      log_variance: broadcast to that shape.

    Returns:
      Shape [N], summed over all other axes.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> draws = np.zeros((4, 16))
      >>> print(np.asarray(losses.gaussian_log_density(values=draws, mean=0.0, log_variance=0.0)).round(2))
      [-14.7 -14.7 -14.7 -14.7]
    """
    values = jnp.asarray(values, jnp.float32)
    return _image_sums(_log_density(values, _broadcast(mean, values), _broadcast(log_variance, values)))


@takes_arrays
def importance_weighted_bound(log_weights: Numbers) -> Float[Array, " n"]:
    """Log of the mean importance weight: a bound of log p(image) that tightens with K; with K = 1 the plain bound.

    Reference: Burda et al., "Importance Weighted Autoencoders", ICLR 2016 (arXiv:1509.00519), equation 8.

    Args:
      log_weights: shape [K, N]: log p(image | z) + log p(z) - log q(z | image) for K draws of z.

    Returns:
      Shape [N], in nats.

    Raises:
      InputError: another shape, or no draws.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> log_weights = np.array([[-90.0, -100.0], [-90.0, -120.0]])  # two draws for each of two images
      >>> print(np.asarray(losses.importance_weighted_bound(log_weights)).round(2))
      [ -90.   -100.69]
    """
    if log_weights.ndim != 2 or not log_weights.shape[0]:
        raise InputError(f"log_weights has shape {tuple(log_weights.shape)}; [K, N] with K draws of each is expected")
    return jax.nn.logsumexp(jnp.asarray(log_weights, jnp.float32), axis=0) - math.log(log_weights.shape[0])


def _log_density(
    values: Float[Array, "*s"], mean: Float[Array, "*s"], log_variance: Float[Array, "*s"]
) -> Float[Array, "*s"]:
    return -(_LOG_2PI + log_variance + (values - mean) ** 2 * jnp.exp(-log_variance)) / 2


def _pair(first: str, a: Numbers, second: str, b: Numbers) -> tuple[Float[Array, "*s"], Float[Array, "*s"]]:
    if a.shape != b.shape or not a.ndim:
        raise InputError(f"{first} has shape {tuple(a.shape)} and {second} {tuple(b.shape)}; one shape is expected")
    return jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32)


def _broadcast(array: Numbers, like: Float[Array, "*s"]) -> Float[Array, "*s"]:
    try:
        return jnp.broadcast_to(jnp.asarray(array, jnp.float32), like.shape)
    except ValueError as error:
        raise InputError(f"shape {tuple(array.shape)} cannot be broadcast to {tuple(like.shape)}") from error


def _image_sums(values: Float[Array, "n ..."]) -> Float[Array, " n"]:
    return values.sum(tuple(range(1, values.ndim)))
