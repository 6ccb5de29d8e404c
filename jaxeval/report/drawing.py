"""Pictures of pixels: a perceptual colour map, panels of one size, and text on them."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

INK, PAPER, FAINT = (20, 20, 20), (255, 255, 255), (110, 110, 110)


def coloured(values: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Values from 0 (black) to 1 (pale yellow) in matplotlib's magma, whose lightness rises evenly; others clipped."""
    return (matplotlib.colormaps["magma"](np.clip(values, 0.0, 1.0))[..., :3] * 255).round().astype(np.uint8)


def shown(pixels: np.ndarray, data_range: float | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Pixels from 0 to `data_range` (None: what the dtype can hold), gray or RGB, as 8-bit RGB."""
    data_range = float(np.iinfo(pixels.dtype).max) if data_range is None else data_range
    whole = pixels.dtype == np.uint8 and data_range == 255
    eight = pixels if whole else (pixels * (255.0 / data_range)).round().astype(np.uint8)
    return np.repeat(eight, 3, axis=2) if eight.shape[2] == 1 else eight


def fitted(pixels: UInt8[np.ndarray, "h w 3"], width: int, height: int) -> Image.Image:
    """An image as large as fits, with its proportions; small ones grow by whole factors, so that pixels stay square."""
    image = Image.fromarray(pixels)
    scale = min(width / image.width, height / image.height)
    if scale >= 2:
        return image.resize((image.width * int(scale), image.height * int(scale)), Image.Resampling.NEAREST)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BOX)


def write_text(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    size: int = 14,
    *,
    colour: tuple[int, int, int] = INK,
    width: int | None = None,
) -> None:
    """Writes a line; one that is wider than `width` loses its beginning, where paths are alike."""
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
    if width is not None and font.getlength(text) > width:
        while len(text) > 1 and font.getlength(f"\u2026{text}") > width:
            text = text[1:]
        text = f"\u2026{text}"
    draw.text(place, text, fill=colour, font=font)


def png_bytes(image: Image.Image) -> bytes:
    """The picture as a PNG file."""
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=False)
    return stream.getvalue()


def file_names(sets: Sequence[str]) -> list[str]:
    """A name for each set's files: the last part of its path, numbered where two are alike."""
    found: list[str] = []
    for name in sets:
        own = safe_name(Path(name).resolve().name if Path(name).name in ("", ".", "..") else Path(name).name)
        found.append(own if own not in found else f"{own}-{len(found) + 1}")
    return found


def safe_name(name: str) -> str:
    """A name without anything that a file system could take for more than letters."""
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("._")[-80:] or "image"
