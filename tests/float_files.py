"""Files of floats that the tests read: EXRs by OpenEXR's own writer, TIFFs by tifffile's."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import tifffile


def light(*shape: int, seed: int = 0) -> np.ndarray:
    """Float32 values from 0 upwards, a few above 1."""
    return np.random.default_rng(seed).exponential(0.3, shape).astype(np.float32)


def exr(channels: Mapping[str, np.ndarray], **header: Any) -> bytes:
    """An EXR of these channels; "RGB" and "RGBA" stand for three and four."""
    stream = io.BytesIO()
    known = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage} | header
    OpenEXR.File(known, dict(channels)).write(stream)
    return stream.getvalue()


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    """A TIFF of [H, W] or [H, W, C]."""
    stream = io.BytesIO()
    photometric: Any = options.pop("photometric", "minisblack" if pixels.ndim == 2 else "rgb")
    tifffile.imwrite(stream, pixels, photometric=photometric, **options)
    return stream.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
