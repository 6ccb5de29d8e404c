"""Pixels of an image as its viewers show it: of 8 bits and three channels, turned as its EXIF orientation says."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxeval.images.compositing import orientation_of, turned
from jaxeval.images.decoding import decode, open_file
from jaxeval.images.preparation import levels_of
from jaxeval.images.report import EXIF
from jaxeval.images.source import Item


def upright_pixels(item: Item, *, turn: bool = True) -> tuple[UInt8[np.ndarray, "h w 3"], tuple[str, ...]]:
    """The image's levels, rounded to 8 bits, and the notes of its decoding.

    Args:
      item: the image.
      turn: whether its EXIF orientation is applied; where it is stored turned and this is True, the notes have `EXIF`
        all the same, for the caller to say what was done.

    Raises:
      InputError: it cannot be read.
    """
    content = item.read()
    decoded = decode(dataclasses.replace(item, content=content))
    pixels = levels_of(decoded, "round")
    if turn and EXIF in decoded.notes:
        pixels = turned(pixels, _orientation(content, item.where))
    return np.ascontiguousarray(pixels), decoded.notes


def _orientation(content: Any, where: str) -> int:
    """What an encoded file, or an image of Pillow's, asks for."""
    if not isinstance(content, bytes):
        return orientation_of(content, b"")
    with open_file(content, where) as image:
        return orientation_of(image, content)
