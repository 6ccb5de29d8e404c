"""Attention checks: trials whose right answer nobody who looks can miss."""

import random
from collections.abc import Sequence
from pathlib import Path

from jaxeval.human.blinding import degraded, display_pixels, noise
from jaxeval.human.encoding import write_image
from jaxeval.human.gathering import Gathered
from jaxeval.human.study import DEGRADED, NOISE, ImageFile, KnownTrial, StudyItem, StudyOptions
from jaxeval.images import PixelRules

_MOST = 30  # items of which checks are made


def known_trials(
    design: str,
    options: StudyOptions,
    items: Sequence[StudyItem],
    gathered: Gathered,
    rules: PixelRules,
    images: dict[str, ImageFile],
    folder: Path,
    draw: random.Random,
) -> list[KnownTrial]:
    """Makes attention checks of some items, and their images.

    Args:
      design: of the study.
      options: of the study.
      items: of the study.
      gathered: the images that they are from.
      rules: of alpha and orientation.
      images: what is known of each file, to which the new ones are added.
      folder: of the study.
      draw: which items, systems and spoilt pixels.

    Raises:
      InputError: the folder cannot be written.
    """
    if not options.checks:
        return []
    found = []
    for item in sorted(draw.sample(range(len(items)), min(_MOST, len(items)))):
        own = items[item]
        names = list(own.images) or list(gathered.systems)[:1]
        picked = draw.sample(names, min(options.n, len(names)) if design == "best-of-n" else 1)

        def spoilt(system: str, name: str = own.name) -> tuple[str, str]:
            pixels = display_pixels(gathered.systems[system][name], rules)
            file, known = write_image(degraded(pixels, draw.getrandbits(32)), folder)
            images[file] = known
            return f"{DEGRADED}{system}", file

        if design == "real-or-fake":
            size = images[next(iter((*own.images.values(), own.reference)))]  # pyright: ignore[reportArgumentType]
            file, known = write_image(noise(size.height, size.width, draw.getrandbits(32)), folder)
            images[file] = known
            found.append(KnownTrial(item, ((NOISE, file),), expected="fake"))
        elif design == "mos":
            found.append(KnownTrial(item, (spoilt(picked[0]),), expected="1"))
        else:
            whole = picked[0]
            worse = [spoilt(system) for system in (picked[1:] if design == "best-of-n" else picked)]
            found.append(KnownTrial(item, ((whole, own.images[whole]), *worse)))
    return found
