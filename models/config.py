"""What a network is built from: plain frozen values, written into each run's folder as JSON."""

import dataclasses
from typing import Any

from jaxeval.errors import InputError


@dataclasses.dataclass(frozen=True)
class GanConfig:
    """A generator and its discriminator.

    Attributes:
      architecture: "dense", "convolutional" or "r3gan".
      image_shape: (height, width, channels), height and width multiples of 4; 28 x 28 x 1 and 32 x 32 x 3 are tested.
      latent_size: dimensions of the generator's normal input.
      width: channels at full resolution; layers before it have two and four times as many. Dense layers: 8 widths.
      classes: 0, or the number of labels that both players are told.
      spectral_norm: whether the discriminator's layers are divided by their largest singular value ("convolutional").

    Raises:
      InputError: a value out of range.
    """

    architecture: str = "convolutional"
    image_shape: tuple[int, int, int] = (28, 28, 1)
    latent_size: int = 64
    width: int = 32
    classes: int = 0
    spectral_norm: bool = False

    def __post_init__(self):
        _check(self, ("dense", "convolutional", "r3gan"))
        if self.spectral_norm and self.architecture != "convolutional":
            raise InputError(f"spectral_norm is for architecture 'convolutional', not {self.architecture!r}")


@dataclasses.dataclass(frozen=True)
class VaeConfig:
    """A variational autoencoder.

    Attributes:
      architecture: "dense" or "convolutional".
      image_shape, width, classes: as in `GanConfig`; labels are told to the encoder and the decoder.
      latent_size: dimensions of the code.
      likelihood: "bernoulli", or "gaussian" with one learned variance for all pixels.

    Raises:
      InputError: a value out of range.
    """

    architecture: str = "convolutional"
    image_shape: tuple[int, int, int] = (28, 28, 1)
    latent_size: int = 16
    width: int = 32
    classes: int = 0
    likelihood: str = "bernoulli"

    def __post_init__(self):
        _check(self, ("dense", "convolutional"))
        if self.likelihood not in ("bernoulli", "gaussian"):
            raise InputError(f"likelihood is {self.likelihood!r}; choose bernoulli or gaussian")


def network_config(values: dict[str, Any]) -> GanConfig | VaeConfig:
    """The configuration that `dataclasses.asdict` and JSON made `values` of; it has a "kind", "gan" or "vae".

    Raises:
      InputError: an unknown kind, name or value.
    """
    values = dict(values)
    kind = values.pop("kind", None)
    kinds: dict[Any, type[GanConfig] | type[VaeConfig]] = {"gan": GanConfig, "vae": VaeConfig}
    if kind not in kinds:
        raise InputError(f"the network's kind is {kind!r}; choose gan or vae")
    unknown = sorted(set(values) - {field.name for field in dataclasses.fields(kinds[kind])})
    if unknown:
        raise InputError(f"a {kind} has no setting {unknown[0]!r}")
    if "image_shape" in values:
        values["image_shape"] = tuple(values["image_shape"])
    return kinds[kind](**values)


def _check(config: GanConfig | VaeConfig, architectures: tuple[str, ...]) -> None:
    if config.architecture not in architectures:
        raise InputError(f"architecture is {config.architecture!r}; choose from {', '.join(architectures)}")
    shape = config.image_shape
    if len(shape) != 3 or shape[0] % 4 or shape[1] % 4 or min(shape) < 1 or shape[2] not in (1, 3):
        raise InputError(f"image_shape is {shape}; height and width in fours, and 1 or 3 channels, are expected")
    if config.latent_size < 1 or config.width < 1 or config.classes < 0:
        raise InputError(
            f"latent_size {config.latent_size}, width {config.width}, classes {config.classes}: sizes start at 1, "
            "and classes at 0 for none"
        )
