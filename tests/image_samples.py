"""Images and archives that tests of several folders write."""

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from jaxeval.images import Batch, Preparation, ReadReport, Source, open_source, read_batches

AS_IS = Preparation()


def noise(height: int, width: int, *channels: int, seed: int = 0, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(
        0, np.iinfo(dtype).max, (height, width, *channels), dtype, endpoint=True
    )


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A natural enough image for lossy formats."""
    coarse = Image.fromarray(noise(5, 5, 3, seed=seed))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def encode(pixels: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def write_zip(path: Path, files: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def read_all(
    spec, *, preparation: Preparation = AS_IS, batch_size: int = 4, report: ReadReport | None = None, **options
) -> dict[str, np.ndarray]:
    """Every image by name."""
    reading = {key: options.pop(key) for key in ("limit", "on_error", "threads") if key in options}
    source = spec if isinstance(spec, Source) else open_source(spec, **options)
    batches = read_batches(source, [preparation], batch_size, report=report, **reading)
    return {name: image for batch in batches for name, image in rows(batch)}


def rows(batch: Batch) -> Iterable[tuple[str, np.ndarray]]:
    return zip(batch.names, batch.images[0], strict=False)
