"""Planes of video frames as they are stored, whatever the file, and the one way in which they become pixels."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from jaxeval.images.exact import PixelLayout

# The shares of red and of blue in the luma, by the name of the standard.
MATRICES = {
    "ITU-R BT.601": (0.299, 0.114),
    "ITU-R BT.709": (0.2126, 0.0722),
    "FCC": (0.30, 0.11),
    "SMPTE 240M": (0.212, 0.087),
    "ITU-R BT.2020": (0.2627, 0.0593),
}
ASSUMED_MATRIX = "ITU-R BT.601"
CHROMA = {  # by name, the width and height in pixels of a chroma sample
    "4:4:4": (1, 1),
    "4:2:2": (2, 1),
    "4:2:0": (2, 2),
    "4:1:1": (4, 1),
    "4:1:0": (4, 4),
    "4:4:0": (1, 2),
}
_NOT_SAID = " (assumed, the file does not say)"


@dataclasses.dataclass(frozen=True)
class PlaneFormat:
    """What the planes of a video's frames are.

    Attributes:
      height, width: in pixels.
      bits: of a sample.
      colour: "gray" of one plane, "ycbcr" of Y, Cb and Cr, or "rgb" of R, G and B. A plane of alpha is not among them.
      chroma: of "ycbcr", how its chroma is subsampled, one of `CHROMA`.
      matrix: of "ycbcr", one of `MATRICES`, or the name of another that is not converted; None if the file does not
        say, and BT.601 is assumed.
      full_range: whether samples use all of their bits (0 to 255) and not the narrow range (16 to 235); None if the
        file does not say, and the narrow one is assumed for "ycbcr".
      interlaced: whether a frame is woven of two fields.
      alpha: whether there is a plane of alpha too, which is left out.
    """

    height: int
    width: int
    bits: int
    colour: Literal["gray", "ycbcr", "rgb"]
    chroma: str = "4:4:4"
    matrix: str | None = None
    full_range: bool | None = None
    interlaced: bool = False
    alpha: bool = False

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Height and width of each plane."""
        if self.colour == "gray":
            return [(self.height, self.width)]
        across, down = CHROMA[self.chroma]
        return [(self.height, self.width)] + 2 * [(-(-self.height // down), -(-self.width // across))]

    @property
    def has_luma(self) -> bool:
        """Whether the first plane is luma."""
        return self.colour != "rgb"

    @property
    def known_matrix(self) -> str:
        """The matrix as the file says or as it is assumed."""
        return self.matrix or ASSUMED_MATRIX

    def layout(self, *, luma: bool) -> PixelLayout:
        """Of the pixels that `pixels` gives."""
        gray = self.colour == "gray" or (luma and self.has_luma)
        return PixelLayout(self.height, self.width, 1 if gray else 3, self.bits)

    def refusal(self, *, luma: bool) -> str | None:
        """Why the planes cannot become pixels; None if they can."""
        if self.colour != "ycbcr" or luma or self.known_matrix in MATRICES:
            return None
        known = ", ".join(MATRICES)
        return f"has colours by {self.matrix}, and those converted are {known}; its luma can be scored (--colour y)"

    def conversion(self, *, luma: bool) -> str:
        """How planes become the pixels, in words; equal words are equal values for equal planes."""
        extras = (", interlaced frames taken whole" if self.interlaced else "") + (
            ", alpha left out" if self.alpha else ""
        )
        if self.colour == "ycbcr" and not luma:
            matrix = self.known_matrix + ("" if self.matrix else _NOT_SAID)
            scale = self._scale(bool(self.full_range)) + ("" if self.full_range is not None else _NOT_SAID)
            upsampled = "" if self.chroma == "4:4:4" else " repeated"
            chroma = f"chroma {self.chroma}{upsampled}"
            return f"RGB by {matrix} from Y of {scale}, {chroma}, rounded to {self.bits} bits{extras}"
        scale = "its range is not said" if self.full_range is None else self._scale(self.full_range)
        stored = "RGB" if self.colour == "rgb" else "the luma plane"
        return f"{stored} as stored ({scale}){extras}"

    def meaning(self, *, luma: bool) -> tuple[str, bool | None]:
        """What decides which colour a stored value is: the matrix, and whether the range is the full one.

        The range is None where it is not said and nothing is assumed.
        """
        if self.colour == "gray":
            return "", self.full_range
        if self.colour == "rgb":
            return "", self.full_range is not False
        return "" if luma else self.known_matrix, bool(self.full_range)

    def _scale(self, full: bool) -> str:
        step = 1 << (self.bits - 8)
        return f"0 to {(1 << self.bits) - 1}" if full else f"{16 * step} to {235 * step}"

    def pixels(
        self, planes: Sequence[np.ndarray], *, luma: bool
    ) -> UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]:
        """The pixels of a frame, [H, W, 1] or [H, W, 3], uint8, or of more than 8 bits uint16 of 0 to 2^bits - 1.

        Args:
          planes: of one frame, of `shapes`.
          luma: whether the luma plane is wanted as it is stored. Gray and RGB come as they are stored in any case.
        """
        if self.colour == "gray" or (luma and self.has_luma):
            return planes[0][:, :, None]
        if self.colour == "rgb":
            return np.stack(list(planes), axis=-1)
        y, cb, cr = planes
        return to_rgb(
            y, cb, cr, chroma=self.chroma, bits=self.bits, matrix=self.known_matrix, full_range=bool(self.full_range)
        )


def to_rgb(
    y: UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"],
    cb: UInt8[np.ndarray, "ch cw"] | UInt16[np.ndarray, "ch cw"],
    cr: UInt8[np.ndarray, "ch cw"] | UInt16[np.ndarray, "ch cw"],
    *,
    chroma: str,
    bits: int = 8,
    matrix: str = ASSUMED_MATRIX,
    full_range: bool = False,
) -> UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w 3"]:
    """RGB of 0 to 2^bits - 1, rounded and clipped, from the exact matrix in float64; chroma samples are repeated.

    Args:
      y: luma, 16 (black) to 235 (white) times 2^(bits - 8); with `full_range` 0 to 2^bits - 1.
      cb: of the blue difference; 2^(bits - 1) is none.
      cr: of the red one.
      chroma: how they are subsampled, one of `CHROMA`.
      bits: of a sample, 8 to 16.
      matrix: one of `MATRICES`.
      full_range: as above.
    """
    height, width = y.shape
    across, down = CHROMA[chroma]
    red, blue = MATRICES[matrix]
    green = 1.0 - red - blue
    most, step = float((1 << bits) - 1), 1 << (bits - 8)
    black, luma_scale, chroma_scale = (
        (0.0, 1.0, 1.0) if full_range else (16.0 * step, most / (219 * step), most / (224 * step))
    )

    def spread(plane: Float[np.ndarray, "ch cw"]) -> Float[np.ndarray, "h w"]:
        return plane.repeat(down, axis=0).repeat(across, axis=1)[:height, :width]

    luma = (y - black) * luma_scale
    of_blue = (cb - 128.0 * step) * (2.0 * (1.0 - blue) * chroma_scale)  # B - Y
    of_red = (cr - 128.0 * step) * (2.0 * (1.0 - red) * chroma_scale)  # R - Y
    of_green = -(red * of_red + blue * of_blue) / green  # G - Y, as Y = red R + green G + blue B
    found = np.empty((height, width, 3), np.uint8 if bits == 8 else np.uint16)
    for place, difference in enumerate((of_red, of_green, of_blue)):
        found[:, :, place] = np.clip(np.rint(luma + spread(difference)), 0.0, most)
    return found
