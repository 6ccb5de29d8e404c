"""From an image to what a network takes, and boxes back from there to the image."""

import dataclasses
from typing import cast, get_args

import numpy as np
from jaxtyping import Float, UInt8

from jaxeval.errors import InputError
from jaxeval.images import ResizeKind, resize

FITTINGS = ("letterbox", "stretch", "none")
"""How an image comes to the network's size: with its sides' ratio kept and the rest filled; without; or not at all."""

NORMALISATIONS = ("unit", "imagenet", "signed", "none")
"""What becomes of levels: 0 to 1; these less ImageNet's means, over its deviations; -1 to 1; or left at 0 to 255."""

_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LARGEST_SIDE = 8192


@dataclasses.dataclass(frozen=True)
class NetworkInput:
    """How images become a network's input.

    Attributes:
      size: height and width of the input; None if it takes any.
      fitting: one of `FITTINGS`.
      centred: of a letterbox, whether the image lies in the middle and not in the left upper corner.
      fill: of a letterbox, the level of what is filled.
      interpolation: a kind of resizing of `jaxeval.images.resize`.
      normalisation: one of `NORMALISATIONS`.
      channels: `rgb` or `bgr`.
      channels_first: whether channels come before rows.

    Raises:
      InputError: one of them is none of these, or `size` and `fitting` do not go together.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.network_input import NetworkInput
      >>> values, placed = NetworkInput((64, 64)).prepared(np.zeros((16, 32, 3), np.uint8))
      >>> values.shape, placed.to_image(np.array([[0, 16, 64, 48.0]])).tolist()
      ((3, 64, 64), [[0.0, 0.0, 32.0, 16.0]])
    """

    size: tuple[int, int] | None
    fitting: str = "letterbox"
    centred: bool = True
    fill: int = 114
    interpolation: str = "bilinear"
    normalisation: str = "unit"
    channels: str = "rgb"
    channels_first: bool = True

    def __post_init__(self):
        for name, known in (
            ("fitting", FITTINGS),
            ("normalisation", NORMALISATIONS),
            ("channels", ("rgb", "bgr")),
            ("interpolation", get_args(ResizeKind)),
        ):
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"{name} is {value!r}; choose from {', '.join(known)}")
        if not 0 <= self.fill <= 255:
            raise InputError(f"fill is {self.fill}; give a level from 0 to 255")
        if self.size is not None and not all(1 <= side <= _LARGEST_SIDE for side in self.size):
            raise InputError(f"size is {self.size[0]} x {self.size[1]}; give sides from 1 to {_LARGEST_SIDE}")
        if (self.size is None) != (self.fitting == "none"):
            raise InputError(
                "fitting=none is for networks that take images of any size, and they need it where no size= is given"
            )

    def prepared(self, image: UInt8[np.ndarray, "h w 3"]) -> tuple[Float[np.ndarray, "a b c"], "Placement"]:
        """What the network takes, as float64, and where the image lies in it.

        Args:
          image: RGB.
        """
        height, width = image.shape[:2]
        if self.size is None:
            return self._values(image.astype(np.float64)), Placement((height, width), (height, width), (0, 0))
        inner = self.size
        if self.fitting == "letterbox":
            ratio = min(self.size[0] / height, self.size[1] / width)
            inner = max(1, round(height * ratio)), max(1, round(width * ratio))
        resized = resize(image, inner, cast(ResizeKind, self.interpolation)).astype(np.float64)
        levels = np.clip(np.floor(resized + 0.5), 0, 255)  # their own tools resize images of 8 bits
        rest = self.size[0] - inner[0], self.size[1] - inner[1]
        # The odd pixel lies below and on the right.
        offset = (rest[0] // 2, rest[1] // 2) if self.centred else (0, 0)
        whole = np.full((*self.size, 3), float(self.fill))
        whole[offset[0] : offset[0] + inner[0], offset[1] : offset[1] + inner[1]] = levels
        return self._values(whole), Placement((height, width), inner, offset)

    def _values(self, levels: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "a b c"]:
        if self.normalisation == "unit":
            levels = levels / 255
        elif self.normalisation == "imagenet":
            levels = (levels / 255 - _MEANS) / _DEVIATIONS
        elif self.normalisation == "signed":
            levels = levels / 127.5 - 1
        if self.channels == "bgr":
            levels = levels[:, :, ::-1]
        return np.ascontiguousarray(levels.transpose(2, 0, 1) if self.channels_first else levels)


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where an image lies in a network's input.

    Attributes:
      image: its height and width.
      inner: height and width that it has there.
      offset: rows above it and columns on its left.
    """

    image: tuple[int, int]
    inner: tuple[int, int]
    offset: tuple[int, int]

    def to_image(self, boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
        """Boxes in pixels of the image, from those of the input.

        Each side has its own scale, since the inner size was rounded to whole pixels.

        Args:
          boxes: left, top, right and bottom.
        """
        top, left = self.offset
        down, across = self.image[0] / self.inner[0], self.image[1] / self.inner[1]
        return (boxes - [left, top, left, top]) * [across, down, across, down]
