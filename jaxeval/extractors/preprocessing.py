"""How the authors of a network prepare one image for it: a resize that keeps proportions, and a crop.

Metrics over features do not use these: their references squeeze the whole image to the network's size, and the protocol
says how. Scores of single images (CLIPScore, classification) do.
"""

import dataclasses

import numpy as np
from jaxtyping import UInt8

from jaxeval._packages import needed
from jaxeval.errors import InputError

_FILTERS = ("bilinear", "bicubic")  # as Pillow names them, in capitals


@dataclasses.dataclass(frozen=True)
class ShortSideCrop:
    """Brings the short side to a length, then cuts out the middle: torchvision's `Resize` and `CenterCrop`.

    Attributes:
        short_side: length of the short side before the crop.
        size: side of the crop, at most `short_side`.
        filter: `bilinear` or `bicubic`, as Pillow has them: with antialiasing, rounded after each axis.
    """

    short_side: int
    size: int
    filter: str

    def __post_init__(self):
        _check(self.filter)
        if not 1 <= self.size <= self.short_side:
            raise InputError(f"a crop of {self.size} pixels does not fit a short side of {self.short_side}")

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "s s 3"]:
        """The image resized and cropped, `[size, size, 3]`."""
        height, width = image.shape[:2]
        short = min(height, width)
        # The long side is cut down to whole pixels, and the crop's margin rounded half to even, as there.
        height, width = (self.short_side * side // short for side in (height, width))
        resized = _resized(image, width, height, self.filter)
        top, left = (round((side - self.size) / 2) for side in (height, width))
        return resized[top : top + self.size, left : left + self.size]


@dataclasses.dataclass(frozen=True)
class SquareCrop:
    """Cuts out the largest square in the middle, then resizes it: what CMMD's own code does.

    Attributes:
        size: side of the result.
        filter: as for `ShortSideCrop`.
    """

    size: int
    filter: str

    def __post_init__(self):
        _check(self.filter)
        if self.size < 1:
            raise InputError(f"a side of {self.size} pixels: use 1 or more")

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "s s 3"]:
        """The image cropped and resized, `[size, size, 3]`."""
        height, width = image.shape[:2]
        short = min(height, width)
        top, left = (height - short) // 2, (width - short) // 2
        square = np.ascontiguousarray(image[top : top + short, left : left + short])
        return _resized(square, self.size, self.size, self.filter)


def _resized(image: np.ndarray, width: int, height: int, name: str) -> np.ndarray:
    pillow = needed("PIL.Image", "the preparation of images", package="pillow")
    return np.asarray(pillow.fromarray(image).resize((width, height), pillow.Resampling[name.upper()]))


def _check(name: str) -> None:
    if name not in _FILTERS:
        raise InputError(f"unknown filter {name!r}: choose one of {', '.join(_FILTERS)}")
