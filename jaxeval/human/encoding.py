"""Images of a study, written under new names."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxeval._arguments import first_of
from jaxeval.errors import InputError
from jaxeval.human.blinding import display_pixels, opaque_name, png
from jaxeval.human.gathering import Gathered
from jaxeval.human.prompts import Prompt
from jaxeval.human.study import IMAGE_FOLDER, ImageFile, StudyItem
from jaxeval.images import Item, PixelRules
from jaxeval.progress import Progress


def encode(
    gathered: Gathered,
    told: Mapping[str, Prompt],
    rules: PixelRules,
    folder: Path,
    threads: int,
    progress: Progress | None,
) -> tuple[dict[str, ImageFile], list[StudyItem]]:
    """Writes all images of a study; what is known of each file, and the items.

    Args:
      gathered: the images.
      told: prompts by the names of items.
      rules: of alpha and orientation.
      folder: of the study.
      threads: that encode.
      progress: who is told how far it has come.

    Raises:
      InputError: an image cannot be read or shown, or the folder cannot be written.
    """
    (folder / IMAGE_FOLDER).mkdir()
    images: dict[str, ImageFile] = {}
    flat = [
        (system, name, item)
        for system, own in ((None, gathered.reference), *gathered.systems.items())
        for name, item in own.items()
    ]
    if progress is not None:
        progress.begin("encoding", len(flat))
    files: dict[tuple[str | None, str], str] = {}
    with ThreadPoolExecutor(threads) as pool:  # which ends, also after an error, before the folder is removed
        done = pool.map(lambda one: write_image(display_pixels(one[2], rules), folder), flat)
        for (system, name, _), (file, known) in zip(flat, done, strict=True):
            images[file] = known
            files[system, name] = file
            if progress is not None:
                progress.advance(1)
    if progress is not None:
        progress.end()
    items = [
        StudyItem(
            name,
            {system: files[system, name] for system in gathered.systems if (system, name) in files},
            files.get((None, name)),
            *told.get(name, ("", "")),
        )
        for name in gathered.names
    ]
    return images, items


def write_image(pixels: UInt8[np.ndarray, "h w c"], folder: Path) -> tuple[str, ImageFile]:
    """Writes an image under a new name, and returns that and what is known of the file."""
    data, file = png(pixels), opaque_name()
    try:
        with open(folder / IMAGE_FOLDER / file, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise InputError(f"cannot write in {str(folder.parent)!r} ({error.strerror}); choose another place") from error
    return file, ImageFile(hashlib.sha256(data).hexdigest(), len(data), *pixels.shape[:2])


def same_pixels(
    images: Mapping[str, ImageFile], items: Sequence[StudyItem], systems: Mapping[str, Mapping[str, Item]]
) -> list[str]:
    """What to say of images that nobody can tell apart."""
    same = [
        item.name
        for item in items
        if len({images[file].sha256 for file in item.images.values()}) < len(item.images) > 1
    ]
    if not same or len(systems) < 2:
        return []
    return [f"systems have the same pixels for {first_of(same, quoted=True)}"]
