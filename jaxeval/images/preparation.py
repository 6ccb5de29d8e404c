"""From decoded pixels to the float32 levels that an extractor is given, by one protocol's rules."""

import dataclasses
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float32, UInt8

from jaxeval.errors import InputError
from jaxeval.images.decoding import Decoded, Reduction
from jaxeval.images.resizing import ResizeKind, check_kind, check_size, resize

Quantise = Literal["round", "truncate"]


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How images are made ready, before any normalisation of the network's own.

    Attributes:
      size: height and width, or None for images as they are.
      resize: the kind of resizing.
      quantise: how float images become 8-bit levels, before resizing: floor(level + 0.5), which values of -1 to 1 are
        as 127.5 x + 128 cut to a whole number (StyleGAN3, EDM2, iMF), or floor(level), which they are as
        127.5 (x + 1) (ADM) and values of 0 to 1 as 255 x (torchmetrics, drifting). Images that are uint8 already are
        not touched.
      reduction: how files of more than 8 bits a value become 8 bits: scaled, or as Pillow's `convert("RGB")` has it and
        with it the references that read files, which clips gray at 255. It is for `decode`.
    """

    size: tuple[int, int] | None = None
    resize: ResizeKind = "tf1-bilinear"
    quantise: Quantise = "round"
    reduction: Reduction = "scale"

    def __post_init__(self):
        check_kind(self.resize)
        if self.quantise not in get_args(Quantise):
            raise InputError(f"unknown quantisation {self.quantise!r}; choose from {', '.join(get_args(Quantise))}")
        if self.reduction not in get_args(Reduction):
            raise InputError(f"unknown reduction {self.reduction!r}; choose from {', '.join(get_args(Reduction))}")
        if self.size is not None:
            object.__setattr__(self, "size", check_size(self.size))


def prepare(
    image: UInt8[np.ndarray, "h w 3"] | Float[np.ndarray, "h w 3"], preparation: Preparation
) -> Float32[np.ndarray, "out_h out_w 3"]:
    """Quantises and resizes one image.

    Args:
      image: uint8 levels, or float levels in 0..255.
      preparation: the rules.

    Returns:
      Levels in 0..255, not rounded after resizing (but for the kinds that round themselves).

    Example:
      >>> import numpy as np
      >>> from jaxeval.images import Preparation, prepare
      >>> image = np.full((8, 8, 3), 128, np.uint8)
      >>> prepare(image, Preparation(size=(16, 16))).shape
      (16, 16, 3)
    """
    levels = quantised(image, preparation.quantise)
    if preparation.size is None:
        return levels.astype(np.float32)
    return resize(levels, preparation.size, preparation.resize)


def levels_of(decoded: Decoded, rule: Quantise) -> UInt8[np.ndarray, "h w 3"]:
    """The 8-bit levels of a decoded image by a protocol's rule."""
    if rule == "round" and decoded.rounded is not None:
        return decoded.rounded
    return quantised(decoded.pixels, rule)


def quantised(
    image: UInt8[np.ndarray, "h w 3"] | Float[np.ndarray, "h w 3"], rule: Quantise
) -> UInt8[np.ndarray, "h w 3"]:
    """The 8-bit levels of an image whose levels are uint8 already, which are returned as they are, or floats."""
    if image.dtype == np.uint8:
        return image
    return np.floor(image + 0.5 if rule == "round" else image).astype(np.uint8)
