"""Which colour an object has: by the names that people give its pixels, or by CLIP as GenEval asks it."""

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from jaxeval._arguments import shown
from jaxeval.errors import InputError
from jaxeval.extractors import Clip, load_clip

GENEVAL_CLIP = "clip-vit-l-14"
_BACKGROUND = 0x99  # GenEval's #999
_TEMPLATES = ("a photo of a {colour} {label}", "a photo of a {colour}-colored {label}", "a photo of a {colour} object")
_CROPS_AT_A_TIME = 16
_LEAST_CHROMA = 10.0
_MOST_BEYOND = 4  # of the image's longer side

# The colours of the survey's eleven basic terms, and of the same with a word of lightness or strength before it.
_SURVEY: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "red": (0xE50000, 0xFF474C, 0x840000, 0xFF000D, 0x9A0200, 0xBB3F3F, 0xDB5856),
        "orange": (0xF97306, 0xFDAA48, 0xC65102, 0xFF5B00, 0xDC4D01, 0xD8863B, 0xFF964F),
        "yellow": (0xFFFF14, 0xFFFE7A, 0xD5B60A, 0xFFFD01, 0xEEDC5B, 0xFFFE71),
        "green": (0x15B01A, 0x96F97B, 0x033500, 0x01FF07, 0x02590F, 0x39AD48, 0x74A662, 0xB0FF9D, 0x2FEF10),
        "blue": (0x0343DF, 0x95D0FC, 0x00035B, 0x0165FC, 0x040273, 0x2C6FBB, 0x49759C, 0xA2BFFE, 0x152EFF),
        "purple": (0x7E1E9C, 0xBF77F6, 0x35063E, 0xBE03FD, 0x36013F, 0x9E43A2, 0x84597E, 0xCAA0FF, 0x9900FA),
        "pink": (0xFF81C0, 0xFFD1DF, 0xCB416B, 0xFE01B1, 0xCB0162, 0xF36196, 0xD5869D, 0xFFBACD),
        "brown": (0x653700, 0xAD8150, 0x341C02, 0x410200, 0x7F5112, 0x876E4B),
        "black": (0x000000,),
        "white": (0xFFFFFF,),
        "gray": (0x929591, 0x7D7F7C),
    }
)

COLOUR_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "named": tuple(_SURVEY),
        "clip": ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"),
    }
)
"""The colours that each way tells apart, in its own order: of equally good ones it takes the first."""


@dataclasses.dataclass(frozen=True, eq=False)
class Crop:
    """A box of an image whose colour is asked for.

    Attributes:
      image: the whole image, uint8 RGB.
      box: left, top, width and height in pixels.
      label: what the box is of.
      mask: which of the image's pixels are the object's; None where the detector does not say.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.rules import Crop
      >>> Crop(np.zeros((8, 8, 3), np.uint8), (1.0, 1.0, 4.0, 4.0), "cup").label
      'cup'
    """

    image: UInt8[np.ndarray, "h w 3"]
    box: tuple[float, float, float, float]
    label: str
    mask: Bool[np.ndarray, "h w"] | None = None


@dataclasses.dataclass(frozen=True)
class FoundColour:
    """A box's colour.

    Attributes:
      name: None where the box covers no pixel.
      share: how clear it is, from 0 to 1: the share of its pixels, or CLIP's probability.
      way: `named` or `clip`.

    Example:
      >>> from jaxeval.detection.rules import FoundColour
      >>> print(FoundColour("red", 0.62, "named"))
      red (by colour names, 62% of its pixels)
    """

    name: str | None
    share: float
    way: str

    def __str__(self) -> str:
        if self.name is None:
            return "of no colour (its box covers no pixel)"
        how = f"by colour names, {self.share:.0%} of its pixels" if self.way == "named" else ""
        return f"{self.name} ({how or f'by CLIP, probability {self.share:.2f}'})"


@runtime_checkable
class Colours(Protocol):
    """A way to tell the colours of boxes.

    Attributes:
      way: `named` or `clip`.
      names: the colours that it tells apart.
      identity: plain values that tell it from others, for the record.
    """

    way: str
    names: tuple[str, ...]
    identity: Mapping[str, Any]

    def __call__(self, crops: Sequence[Crop]) -> list[FoundColour]:
        """The colour of each box."""
        ...


def load_colours(way: "str | Colours", *, weights_dir: str | os.PathLike[str] | None = None) -> Colours:
    """A way to tell colours by its name.

    Args:
      way: `named`, or `clip`, which is GenEval's with its network, `clip-vit-l-14`; or a way, which is returned.
      weights_dir: the weights folder; by default `WeightsStore`'s own.

    Raises:
      InputError: another name.
      WeightsMissingError: CLIP's weights or vocabulary are not there; the message says which commands get them.

    Example:
      >>> from jaxeval.detection.rules import load_colours
      >>> load_colours("named").names[:3]
      ('red', 'orange', 'yellow')
    """
    known = colours_way("colours", way)
    if isinstance(known, Colours):
        return known
    return NamedColours() if known == "named" else ClipColours(load_clip(GENEVAL_CLIP, weights_dir=weights_dir))


def colours_way(name: str, value: Any) -> "str | Colours":
    """A check, as `jaxeval._arguments.checked` takes it, for a way to tell colours or the name of one.

    Raises:
      InputError: it is neither.
    """
    named = isinstance(value, str) and value in COLOUR_NAMES
    if isinstance(value, type) or not (named or isinstance(value, Colours)):
        raise InputError(f"{name} is {shown(value)}; give 'named' or 'clip'")
    return value


class NamedColours:
    """The colour that most pixels of an object have by the names that people give them; needs no weights.

    The eleven names are Berlin and Kay's basic colour terms, which English speakers agree on best. A pixel has the name
    of the nearest of 65 colours in CIELAB (D65): those that the xkcd survey of 2010, with some five million answers on
    monitors as people have them, found for each term and for the term after light, dark, bright, deep, medium, dull,
    pastel or vivid. Of gray only the plain one and the medium one count, and a pixel with a chroma under 10 is black,
    white or gray: so black ends at a lightness of 26 and white begins at 80, as objects of these colours have shades
    that plain patches would have other names for. Pixels are taken in cells of 8 levels a channel. Where the detector
    gives a mask its pixels are asked; otherwise those of the middle half of the box's width and height, where the
    object is rather than what is behind it.

    No answer knows of lighting: a white cup in the evening sun is orange here.

    References: Berlin and Kay, "Basic Color Terms: Their Universality and Evolution", 1969; Munroe, "Color Survey
    Results", 2010, whose table is in the public domain (CC0).

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection.rules import Crop, NamedColours
      >>> image = np.full((20, 20, 3), (200, 30, 30), np.uint8)
      >>> print(NamedColours()([Crop(image, (2.0, 2.0, 16.0, 16.0), "apple")])[0])
      red (by colour names, 100% of its pixels)
    """

    way: str = "named"
    names: tuple[str, ...] = COLOUR_NAMES["named"]
    identity: Mapping[str, Any] = MappingProxyType({"way": "named", "reference": "xkcd color survey 2010, CIELAB"})

    def __call__(self, crops: Sequence[Crop]) -> list[FoundColour]:
        """The colour of each box."""
        return [self._colour(crop) for crop in crops]

    def _colour(self, crop: Crop) -> FoundColour:
        left, top, width, height = crop.box
        if crop.mask is None:
            left, top, width, height = left + width / 4, top + height / 4, width / 2, height / 2
        columns = _pixels_of(left, width, crop.image.shape[1])
        rows = _pixels_of(top, height, crop.image.shape[0])
        pixels = crop.image[rows, columns]
        pixels = pixels.reshape(-1, 3) if crop.mask is None else pixels[crop.mask[rows, columns]]
        if not len(pixels):
            return FoundColour(None, 0.0, self.way)
        red, green, blue = (pixels >> 3).astype(np.int64).T
        counts = np.bincount(_table()[red, green, blue], minlength=len(self.names))
        most = int(counts.argmax())
        return FoundColour(self.names[most], float(counts[most] / len(pixels)), self.way)


class ClipColours:
    """GenEval's colours: the one of ten whose description CLIP finds nearest to the box's crop.

    The description of a colour is the mean of CLIP's normalised embeddings of three sentences on the colour and the
    box's label, normalised again. The crop is the box, its corners rounded to whole pixels; where the detector gives
    masks, what is outside the object is painted #999. CLIP's own preparation cuts the middle out of a crop that is not
    square. GenEval's network is CLIP's ViT-L/14 at 224 pixels in half precision; here it computes in single precision,
    so that two colours that are equally near to three digits may change places.

    Args:
      network: a CLIP; `load_clip("clip-vit-l-14")` is GenEval's.

    Raises:
      WeightsMissingError: CLIP's vocabulary is not there; the message says which command gets it.

    Reference: Ghosh, Hajishirzi and Schmidt, "GenEval: An Object-Focused Framework for Evaluating Text-to-Image
    Alignment", 2023, and its code.

    Example:
      >>> from jaxeval.detection.rules import ClipColours
      >>> from jaxeval.errors import WeightsMissingError
      >>> from jaxeval.extractors import load_clip
      >>> try:
      ...     colours = ClipColours(load_clip("clip-vit-l-14", weights_dir="empty"))
      ... except WeightsMissingError:
      ...     print("get its weights first")
      get its weights first
    """

    way: str = "clip"
    names: tuple[str, ...] = COLOUR_NAMES["clip"]

    def __init__(self, network: Clip):
        self._network = network
        self._descriptions: dict[str, Float[np.ndarray, "c d"]] = {}
        self.identity: Mapping[str, Any] = MappingProxyType(
            {"way": "clip", "network": network.name, "weights": network.weights_hash}
        )
        _ = network.tokenizer  # what is missing is missed before hours of detection, and not after

    def __call__(self, crops: Sequence[Crop]) -> list[FoundColour]:
        """The colour of each box."""
        cut = [geneval_crop(crop) for crop in crops]
        seen = [place for place, one in enumerate(cut) if one.size]
        found = [FoundColour(None, 0.0, self.way)] * len(crops)
        for start in range(0, len(seen), _CROPS_AT_A_TIME):
            places = seen[start : start + _CROPS_AT_A_TIME]
            embeddings = self._embeddings([cut[place] for place in places])
            for place, embedding in zip(places, embeddings, strict=True):
                similarities = 100.0 * (self._described(crops[place].label) @ embedding)
                best = int(similarities.argmax())
                share = 1 / np.exp(similarities - similarities[best]).sum()
                found[place] = FoundColour(self.names[best], float(share), self.way)
        return found

    def _embeddings(self, crops: Sequence[np.ndarray]) -> Float[np.ndarray, "n d"]:
        prepare = self._network.prepare
        images = np.stack([crop if prepare is None else prepare(crop) for crop in crops])
        # One size of batch, so that one program is compiled.
        filled = np.concatenate([images, np.zeros((_CROPS_AT_A_TIME - len(images), *images.shape[1:]), np.uint8)])
        return _unit(self._network(jnp.asarray(filled))["embedding"][: len(images)])

    def _described(self, label: str) -> Float[np.ndarray, "c d"]:
        if label not in self._descriptions:
            texts = [template.format(colour=name, label=label) for name in self.names for template in _TEMPLATES]
            embeddings = _unit(self._network.text_embeddings(texts))
            self._descriptions[label] = _unit(embeddings.reshape(len(self.names), len(_TEMPLATES), -1).mean(1))
        return self._descriptions[label]


def geneval_crop(crop: Crop) -> UInt8[np.ndarray, "h w 3"]:
    """A box as GenEval cuts it out: whole pixels by rounding half to even, black beyond the image's edge.

    Args:
      crop: the box. With a mask, pixels that are not the object's are painted #999.

    Raises:
      InputError: the box reaches further beyond the image than any detector's would.
    """
    left, top, width, height = crop.box
    farthest = _MOST_BEYOND * max(crop.image.shape)
    if not all(-farthest <= one <= farthest for one in (left, top, left + width, top + height)):
        raise InputError(
            f"a box of {crop.label} at {left:g},{top:g} of {width:g} x {height:g} pixels is far beyond its image of "
            f"{crop.image.shape[1]} x {crop.image.shape[0]}; give boxes in pixels of the image"
        )
    # Its boxes are of single precision, by which the corners are rounded.
    ends = (round(float(np.float32(one))) for one in (left, top, left + width, top + height))
    left, top, right, bottom = ends
    image = crop.image
    if crop.mask is not None:
        image = np.where(crop.mask[:, :, None], image, np.uint8(_BACKGROUND))
    cut = np.zeros((max(bottom - top, 0), max(right - left, 0), 3), np.uint8)
    rows = slice(max(top, 0), min(bottom, image.shape[0]))
    columns = slice(max(left, 0), min(right, image.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        inner = image[rows, columns]
        cut[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = inner
    return cut


def _unit(embeddings: Any) -> Float[np.ndarray, "n d"]:
    values = np.asarray(embeddings, np.float64)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def _pixels_of(begin: float, length: float, size: int) -> slice:
    """Of a stretch of a row or column, the pixels that it touches."""
    if length <= 0:
        return slice(0, 0)
    first, last = max(0, int(np.floor(begin))), min(size, int(np.ceil(begin + length)))
    return slice(first, max(first, last))


@functools.cache
def _table() -> Int[np.ndarray, "32 32 32"]:
    """The place of the name of each cell of 8 x 8 x 8 levels."""
    steps = np.arange(32) * 8 + 3.5
    cells = _lab(np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3))
    codes = [(place, code) for place, name in enumerate(_SURVEY) for code in _SURVEY[name]]
    levels = np.array([[code >> 16, code >> 8 & 255, code & 255] for _, code in codes], np.float64)
    owners = np.array([place for place, _ in codes])
    squares = ((cells[:, None] - _lab(levels)[None]) ** 2).sum(-1)
    achromatic = np.hypot(cells[:, 1], cells[:, 2]) < _LEAST_CHROMA
    chromatic = owners < tuple(_SURVEY).index("black")  # black, white and gray are the last
    squares[np.ix_(achromatic, chromatic)] = np.inf
    return owners[squares.argmin(1)].reshape(32, 32, 32)


def _lab(levels: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """CIELAB of sRGB levels from 0 to 255, for white of D65 (IEC 61966-2-1, CIE 15)."""
    values = levels / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / to_xyz.sum(1)
    f_x, f_y, f_z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29).T
    return np.stack([116 * f_y - 16, 500 * (f_x - f_y), 200 * (f_y - f_z)], -1)
