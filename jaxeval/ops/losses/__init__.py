"""Losses of generative models: adversarial, variational, perceptual and structural; pure functions of device arrays.

All run under jit, grad, vmap and on sharded batches, in float32. Adversarial losses take a discriminator's logits [N]
and give both players' losses; terms of a variational bound are in nats; content, style and perceptual losses take a
trunk's feature maps, structure losses the images.
"""

from jaxeval.ops.losses.adversarial import ADVERSARIAL_LOSSES as ADVERSARIAL_LOSSES
from jaxeval.ops.losses.adversarial import AdversarialLosses as AdversarialLosses
from jaxeval.ops.losses.adversarial import hinge as hinge
from jaxeval.ops.losses.adversarial import least_squares as least_squares
from jaxeval.ops.losses.adversarial import minimax as minimax
from jaxeval.ops.losses.adversarial import non_saturating as non_saturating
from jaxeval.ops.losses.adversarial import relativistic as relativistic
from jaxeval.ops.losses.adversarial import wasserstein as wasserstein
from jaxeval.ops.losses.features import ContentReduction as ContentReduction
from jaxeval.ops.losses.features import StyleNormalisation as StyleNormalisation
from jaxeval.ops.losses.features import content_loss as content_loss
from jaxeval.ops.losses.features import gram_matrix as gram_matrix
from jaxeval.ops.losses.features import perceptual_loss as perceptual_loss
from jaxeval.ops.losses.features import style_loss as style_loss
from jaxeval.ops.losses.penalties import gradient_norms as gradient_norms
from jaxeval.ops.losses.penalties import gradient_penalty as gradient_penalty
from jaxeval.ops.losses.penalties import r1_penalty as r1_penalty
from jaxeval.ops.losses.penalties import r2_penalty as r2_penalty
from jaxeval.ops.losses.structure import StructureSimilarity as StructureSimilarity
from jaxeval.ops.losses.structure import structure_loss as structure_loss
from jaxeval.ops.losses.variational import bernoulli_nll as bernoulli_nll
from jaxeval.ops.losses.variational import elbo as elbo
from jaxeval.ops.losses.variational import free_bits as free_bits
from jaxeval.ops.losses.variational import gaussian_kl as gaussian_kl
from jaxeval.ops.losses.variational import gaussian_log_density as gaussian_log_density
from jaxeval.ops.losses.variational import gaussian_nll as gaussian_nll
from jaxeval.ops.losses.variational import importance_weighted_bound as importance_weighted_bound
from jaxeval.ops.losses.variational import l1_error as l1_error

__all__ = [
    "ADVERSARIAL_LOSSES",
    "AdversarialLosses",
    "ContentReduction",
    "StructureSimilarity",
    "StyleNormalisation",
    "bernoulli_nll",
    "content_loss",
    "elbo",
    "free_bits",
    "gaussian_kl",
    "gaussian_log_density",
    "gaussian_nll",
    "gradient_norms",
    "gradient_penalty",
    "gram_matrix",
    "hinge",
    "importance_weighted_bound",
    "l1_error",
    "least_squares",
    "minimax",
    "non_saturating",
    "perceptual_loss",
    "r1_penalty",
    "r2_penalty",
    "relativistic",
    "structure_loss",
    "style_loss",
    "wasserstein",
]
