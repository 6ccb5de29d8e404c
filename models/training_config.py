"""How a network is trained: plain frozen values, written into each run's folder as JSON."""

import dataclasses
import math
from typing import Any

import optax

from jaxeval.errors import InputError
from jaxeval.ops.losses import ADVERSARIAL_LOSSES
from models.config import GanConfig, VaeConfig, network_config

_SCHEDULES = ("constant", "cosine", "linear")


@dataclasses.dataclass(frozen=True)
class _Training:
    """What both kinds of training have.

    Attributes:
      steps: of the optimiser.
      batch_size: images a step, all devices together.
      learning_rate: its largest value.
      schedule: "constant", "cosine" or "linear", the latter two down to 0 at the last step.
      warmup: steps in which the rate rises from 0.
      clip: largest length of the gradient, all parameters together; 0 for no limit.
      seed: of the first weights, the order of the images and all noise.
      ema: decay of the averaged weights, which are what is sampled from; 0 for the last weights themselves.
    """

    steps: int = 10_000
    batch_size: int = 64
    learning_rate: float = 2e-4
    schedule: str = "constant"
    warmup: int = 0
    clip: float = 0.0
    seed: int = 0
    ema: float = 0.999

    def __post_init__(self):
        if self.schedule not in _SCHEDULES:
            raise InputError(f"schedule is {self.schedule!r}; choose from {', '.join(_SCHEDULES)}")
        _at_least(self, 1, "steps", "batch_size")
        _at_least(self, 0, "warmup", "clip", "seed")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}; a positive number is expected")
        if not 0 <= self.ema < 1:
            raise InputError(f"ema is {self.ema}; a decay of at least 0 and less than 1 is expected")


@dataclasses.dataclass(frozen=True)
class GanTraining(_Training):
    """How a GAN is trained: see `_Training` for what a VAE's training has too.

    Attributes:
      loss: a name of `jaxeval.ops.losses.ADVERSARIAL_LOSSES`.
      discriminator_steps: of the discriminator before each of the generator, each on a batch of its own.
      discriminator_rate: the discriminator's learning rate over the generator's.
      r1, r2, gradient_penalty: weights of the penalties on the discriminator's gradient; 0 for none.
      beta1, beta2: of Adam.
    """

    loss: str = "non-saturating"
    discriminator_steps: int = 1
    discriminator_rate: float = 1.0
    r1: float = 0.0
    r2: float = 0.0
    gradient_penalty: float = 0.0
    beta1: float = 0.5
    beta2: float = 0.99

    def __post_init__(self):
        super().__post_init__()
        if self.loss not in ADVERSARIAL_LOSSES:
            raise InputError(f"loss is {self.loss!r}; choose from {', '.join(ADVERSARIAL_LOSSES)}")
        _at_least(self, 1, "discriminator_steps")
        _at_least(self, 0, "r1", "r2", "gradient_penalty", "discriminator_rate")
        _check_betas(self)


@dataclasses.dataclass(frozen=True)
class VaeTraining(_Training):
    """How a VAE is trained: see `_Training` for what a GAN's training has too.

    Attributes:
      beta: weight of the KL divergence.
      free_bits: nats of each code dimension that cost nothing.
      binarise: whether each image becomes black and white at random, anew at every step, with its levels as
        probabilities; a Bernoulli likelihood is a likelihood only then.
      beta1, beta2: of Adam.
    """

    learning_rate: float = 1e-3
    beta: float = 1.0
    free_bits: float = 0.0
    binarise: bool = False
    beta1: float = 0.9
    beta2: float = 0.999

    def __post_init__(self):
        super().__post_init__()
        _at_least(self, 0, "beta", "free_bits")
        _check_betas(self)


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """How a run is watched.

    Attributes:
      extractor: of the features, a name of `jaxeval.extractors`.
      images: of each side at each evaluation.
      every: steps between two evaluations.
      manifold_every: evaluations between two of precision and recall.
      metric: which of the evaluation's numbers chooses the best weights; smaller is better.
      validation, held_out: images to choose by and to report on.
      log_every: steps between two rows of losses.
    """

    extractor: str = "random-conv"
    images: int = 2000
    every: int = 500
    manifold_every: int = 2
    metric: str = "fd"
    validation: int = 5000
    held_out: int = 10_000
    log_every: int = 50

    def __post_init__(self):
        _at_least(self, 1, "every", "manifold_every", "log_every")
        _at_least(self, 10, "images", "validation", "held_out")
        if self.metric not in ("fd", "kd"):
            raise InputError(f"metric is {self.metric!r}; choose fd or kd")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that a run is made of.

    Attributes:
      network: what is trained.
      training: how.
      data: on what, as `models.data.load_splits` takes it.
      limit: at most so many images to learn from; None for all.
      evaluation: how it is watched.

    Raises:
      InputError: the parts do not belong together.
    """

    network: GanConfig | VaeConfig
    training: GanTraining | VaeTraining
    data: str = "fashion-mnist"
    limit: int | None = None
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)

    def __post_init__(self):
        if isinstance(self.network, GanConfig) != isinstance(self.training, GanTraining):
            raise InputError("a GAN needs a GAN's training, and a VAE a VAE's")
        if isinstance(self.training, VaeTraining) and self.training.binarise and self._likelihood() != "bernoulli":
            raise InputError("binarise is for likelihood 'bernoulli'; a Gaussian is for gray levels")

    def _likelihood(self) -> str:
        return self.network.likelihood if isinstance(self.network, VaeConfig) else ""

    @property
    def kind(self) -> str:
        """Either "gan" or "vae"."""
        return "gan" if isinstance(self.network, GanConfig) else "vae"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, of which `run_config` makes the same again."""
        values = dataclasses.asdict(self)
        values["network"] = {"kind": self.kind, **values["network"]}
        values["network"]["image_shape"] = list(self.network.image_shape)
        return values


def run_config(values: dict[str, Any]) -> RunConfig:
    """The configuration that `RunConfig.to_dict` and JSON made `values` of.

    Raises:
      InputError: an unknown name or value, or a missing part.
    """
    try:
        network = network_config(values["network"])
        training_type = GanTraining if isinstance(network, GanConfig) else VaeTraining
        return RunConfig(
            network,
            training_type(**values["training"]),
            values["data"],
            values["limit"],
            EvaluationConfig(**values["evaluation"]),
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"the configuration of a run is not as expected ({type(error).__name__}: {error})") from error


def make_optimizer(training: GanTraining | VaeTraining, *, scale: float = 1.0) -> optax.GradientTransformation:
    """Adam with the configured schedule and limit.

    Args:
      training: the configuration.
      scale: of the learning rate.
    """
    peak, warmup = scale * training.learning_rate, training.warmup
    rest = max(training.steps - warmup, 1)
    falling = {
        "constant": optax.constant_schedule(peak),
        "cosine": optax.cosine_decay_schedule(peak, rest),
        "linear": optax.linear_schedule(peak, 0.0, rest),
    }[training.schedule]
    rate = optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), falling], [warmup]) if warmup else falling
    adam = optax.adam(rate, b1=training.beta1, b2=training.beta2)
    return optax.chain(optax.clip_by_global_norm(training.clip), adam) if training.clip else adam


def _at_least(config: Any, least: int, *names: str) -> None:
    for name in names:
        if not getattr(config, name) >= least:
            raise InputError(f"{name} is {getattr(config, name)}; it starts at {least}")


def _check_betas(config: GanTraining | VaeTraining) -> None:
    for name in ("beta1", "beta2"):
        if not 0 <= getattr(config, name) < 1:
            raise InputError(f"{name} is {getattr(config, name)}; at least 0 and less than 1 is expected")
