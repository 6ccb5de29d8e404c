"""Adversarial losses: what each player minimises, given the discriminator's logits of real and of generated images.

Both losses of a pair are made together; under jit the one that is not used costs nothing.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError


class AdversarialLosses(NamedTuple):
    """What the two players minimise: float32 scalars, means over the batch.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> both = losses.hinge(real=np.array([2.0, 2.0]), fake=np.array([-2.0, -2.0]))
      >>> print(both.discriminator, both.generator)
      0.0 2.0
    """

    discriminator: Float[Array, ""]
    generator: Float[Array, ""]


@takes_arrays
def minimax(*, real: Numbers, fake: Numbers) -> AdversarialLosses:
    """The zero-sum game: the generator minimises E log(1 - D(fake)), whose gradient vanishes when it loses.

    Reference: Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014 (arXiv:1406.2661), equation 1.

    Args:
      real: the discriminator's logits of real images, shape [N]; positive means "real".
      fake: its logits of generated images, shape [M].

    Returns:
      2 log 2 and -log 2 where all logits are 0.

    Raises:
      InputError: the logits are no vectors, or empty; so it is of every loss here.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> discriminator, generator = losses.minimax(real=np.zeros(4), fake=np.zeros(4))
      >>> round(float(discriminator), 3), round(float(generator), 3)
      (1.386, -0.693)
    """
    real, fake = _logits(real, fake)
    # log(1 - sigmoid(x)) = -softplus(x), without the cancellation.
    return AdversarialLosses(_cross_entropy(real, fake), -jax.nn.softplus(fake).mean())


@takes_arrays
def non_saturating(*, real: Numbers, fake: Numbers) -> AdversarialLosses:
    """Cross-entropy for both players: the generator minimises -E log D(fake), which keeps its gradient when it loses.

    Reference: Goodfellow et al., NeurIPS 2014 (arXiv:1406.2661), section 3.

    Args:
      real: logits of real images, shape [N].
      fake: logits of generated images, shape [M].

    Returns:
      2 log 2 and log 2 where all logits are 0.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> discriminator, generator = losses.non_saturating(real=np.zeros(4), fake=np.zeros(4))
      >>> round(float(discriminator), 3), round(float(generator), 3)
      (1.386, 0.693)
    """
    real, fake = _logits(real, fake)
    return AdversarialLosses(_cross_entropy(real, fake), jax.nn.softplus(-fake).mean())


@takes_arrays
def least_squares(*, real: Numbers, fake: Numbers) -> AdversarialLosses:
    """Half the squared distance from the target 1 of real and 0 of generated images; the generator's target is 1.

    Reference: Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017 (arXiv:1611.04076), equation 9.

    Args:
      real: the discriminator's outputs for real images, shape [N], without a sigmoid.
      fake: its outputs for generated images, shape [M].

    Returns:
      1/2 and 1/2 where all outputs are 0.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> discriminator, generator = losses.least_squares(real=np.ones(4), fake=np.zeros(4))
      >>> print(discriminator, generator)
      0.0 0.5
    """
    real, fake = _logits(real, fake)
    return AdversarialLosses(
        ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2,
        ((fake - 1) ** 2).mean() / 2,
    )


@takes_arrays
def hinge(*, real: Numbers, fake: Numbers) -> AdversarialLosses:
    """The discriminator's margin loss; the generator minimises -E D(fake).

    References: Lim, Ye, "Geometric GAN" (arXiv:1705.02894); Miyato et al., "Spectral Normalization for Generative
    Adversarial Networks", ICLR 2018 (arXiv:1802.05957), equations 16 and 17.

    Args:
      real: the discriminator's outputs for real images, shape [N].
      fake: its outputs for generated images, shape [M].

    Returns:
      2 and 0 where all outputs are 0.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> discriminator, generator = losses.hinge(real=np.full(4, 0.5), fake=np.full(4, -0.5))
      >>> print(discriminator, generator)
      1.0 0.5
    """
    real, fake = _logits(real, fake)
    return AdversarialLosses(jax.nn.relu(1 - real).mean() + jax.nn.relu(1 + fake).mean(), -fake.mean())


@takes_arrays
def wasserstein(*, real: Numbers, fake: Numbers) -> AdversarialLosses:
    """The critic's estimate of the Wasserstein-1 distance, negated; add `gradient_penalty` to keep it 1-Lipschitz.

    References: Arjovsky et al., "Wasserstein GAN", ICML 2017 (arXiv:1701.07875); Gulrajani et al., "Improved Training
    of Wasserstein GANs", NeurIPS 2017 (arXiv:1704.00028).

    Args:
      real: the critic's values of real images, shape [N].
      fake: its values of generated images, shape [M].

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> critic, generator = losses.wasserstein(real=np.full(4, 3.0), fake=np.ones(4))
      >>> print(critic, generator)
      -2.0 -1.0
    """
    real, fake = _logits(real, fake)
    return AdversarialLosses(fake.mean() - real.mean(), -fake.mean())


@takes_arrays
def relativistic(*, real: Numbers, fake: Numbers) -> AdversarialLosses:
    """Relativistic pairing: whether each real image looks more real than the generated one beside it.

    References: Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019 (arXiv:1807.00734); Huang et al., "The
    GAN is dead; long live the GAN! A Modern GAN Baseline" (R3GAN), NeurIPS 2024 (arXiv:2501.05441), which adds
    `r1_penalty` and `r2_penalty`.

    Args:
      real: the discriminator's values of real images, shape [N].
      fake: its values of as many generated images, shape [N].

    Returns:
      log 2 and log 2 where all values are equal.

    Raises:
      InputError: the two differ in length.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import losses
      >>> discriminator, generator = losses.relativistic(real=np.ones(4), fake=np.ones(4))
      >>> round(float(discriminator), 3), round(float(generator), 3)
      (0.693, 0.693)
    """
    real, fake = _logits(real, fake)
    if len(real) != len(fake):
        raise InputError(f"real has {len(real)} logits and fake {len(fake)}; the relativistic loss compares pairs")
    return AdversarialLosses(jax.nn.softplus(fake - real).mean(), jax.nn.softplus(real - fake).mean())


ADVERSARIAL_LOSSES: Mapping[str, Callable[..., AdversarialLosses]] = MappingProxyType(
    {
        "hinge": hinge,
        "least-squares": least_squares,
        "minimax": minimax,
        "non-saturating": non_saturating,
        "relativistic": relativistic,
        "wasserstein": wasserstein,
    }
)
"""Every adversarial loss by the name that configurations use."""


def _cross_entropy(real: Float[Array, " n"], fake: Float[Array, " m"]) -> Float[Array, ""]:
    return jax.nn.softplus(-real).mean() + jax.nn.softplus(fake).mean()


def _logits(real: Numbers, fake: Numbers) -> tuple[Float[Array, " n"], Float[Array, " m"]]:
    for name, values in (("real", real), ("fake", fake)):
        if values.ndim != 1 or not values.shape[0]:
            raise InputError(f"{name} has shape {tuple(values.shape)}; one logit for each image, [N], is expected")
    return jnp.asarray(real, jnp.float32), jnp.asarray(fake, jnp.float32)
