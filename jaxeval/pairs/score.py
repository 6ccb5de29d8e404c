"""`score_pairs`: how far are distorted images from their references, image by image and set by set?"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jaxeval._arguments import a_text, checked, optional, path, renamed, several
from jaxeval._faults import memory_said
from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.images import Item, PixelLayout, PixelRules, is_video
from jaxeval.images.matching import (
    SAME_NAME,
    Matching,
    check_pattern,
    match_pairs,
    named_sets,
    open_images,
    sets_given,
    with_names,
)
from jaxeval.images.report import EXIF
from jaxeval.ops.image_quality.colour import of_channels
from jaxeval.pairs.batches import Chosen, Task, WideValues, all_scores
from jaxeval.pairs.measures import pooled_names
from jaxeval.pairs.reading import CHECKS, MOST_THREADS, HeaderReader, example_of
from jaxeval.pairs.results import PairsEvaluation
from jaxeval.pairs.settings import PairSettings
from jaxeval.pairs.summary import summarise
from jaxeval.pairs.videos import score_videos
from jaxeval.progress import Progress

_LARGEST_MODCROP = 16  # factors of super-resolution go up to it


@renamed("channels", "colour", of_channels)
@checked(
    reference=path,
    distorted=sets_given,
    metrics=several(a_text("names, such as 'psnr,ssim' or ['psnr', 'ssim'], or 'all'")),
    convention=optional(a_text("a name such as 'torchmetrics', or 'ssim=NAME,ms-ssim=NAME'")),
    pattern=several(a_text("a name with one *, such as '*x4'")),
    **CHECKS,
)
@memory_said("score these images", "lower --batch-size or --threads")
def score_pairs(
    reference: str | Path,
    distorted: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
    *,
    metrics: str | Sequence[str] = "psnr,ssim",
    convention: str | None = None,
    colour: str = "own",
    crop_border: int = 0,
    data_range: float | None = None,
    alpha: str = "drop",
    exif: str = "ignore",
    gray: str = "as-is",
    modcrop: int = 1,
    pattern: str | Sequence[str] = SAME_NAME,
    unmatched: str = "error",
    on_error: str = "fail",
    batch_size: int = 16,
    threads: int | None = None,
    weights_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> PairsEvaluation:
    """Scores distorted images against the reference images of the same name.

    Args:
      reference: a folder of images (at any depth), a .zip or .tar of them, an array file (.npy, .npz: [N, H, W, C] or
        [N, H, W] of uint8, uint16 or floats, matched by number), one image, or one video.
      distorted: one such set or several, perhaps by name.
      metrics: names (`jaxeval.pairs.PAIR_MEASURES`, of videos also "psnr-pooled"), or `all`, `full-reference`,
        `no-reference`; also as comma-separated text.
      convention: whose SSIM, MS-SSIM or LPIPS: a name, given to each that has it, or `ssim=NAME,ms-ssim=NAME`.
      colour: for the measures that look at gray, or at one channel after the other: "own", what the reference of each
        looks at; or "each-channel", "y", "y-rounded", "rgb2gray", "bt601" or "bt709" for all of them, as the module
        `jaxeval.ops.image_quality.colour` describes them.
      crop_border: pixels left out along every edge, before anything else.
      data_range: width of the values' range; by default that of the images' bits: 255, 65,535, of 10-bit videos 1,023.
        Floats (EXR, TIFF, arrays) have no range of their own: it is needed for all measures of them but hdr-flip.
      alpha: what becomes of an alpha channel or a transparent colour: "drop" it and take the colours under it as they
        are stored, or lay the image over "white" or "black", in its own depth.
      exif: "ignore" the orientation in EXIF or XMP, or "apply" it, turning the pixels before sizes are compared. That
        of a TIFF is always applied, as Pillow does so itself.
      gray: gray images are taken "as-is", or "as-rgb" with three equal channels, so that they go with RGB ones.
      modcrop: rows and columns at the end are left out until sides are multiples of it, before sizes are compared, as
        in MATLAB code of super-resolution; 1 leaves out none.
      pattern: what the distorted images are called, with `*` for the reference's name: "*x4" pairs 0801.png with
        0801x4.png. One for all sets, or one a set.
      unmatched: what an image without a partner is: an "error", or left out and said ("skip").
      on_error: what an image that cannot be read, or whose partner has another size, is: the end ("fail"), or left out
        and said ("skip").
      batch_size: most images at a time; images of one shape go together.
      threads: how many decode; by default one for each processor.
      weights_dir: where the weights of LPIPS, DISTS, NIQE, IL-NIQE, BRISQUE are; by default as for `jaxeval weights`.
      progress: who is told how far it has come.

    Returns:
      A score of each image, means with 95% intervals over the images, and paired differences of each two sets. Of
      videos a score of each frame as it is stored, the means, and the PSNR pooled over the frames ("psnr-pooled");
      their frames are no sample, so there are no intervals. A video is scored as RGB in its own bits, by the matrix
      and range that its file says, or with `colour="y"` on its luma plane as it is stored.

    Raises:
      InputError: an argument is wrong, names do not match, sizes do not agree, an image cannot be read or is too small
        for a measure that was asked for by name, or nothing is left to score.
      OutOfMemoryError: a batch does not fit into memory.
      MissingPackageError: there are EXR files, and what reads them is not installed (the extra `exr`).
      WeightsMissingError: a measure that was asked for by name needs weights that are not there.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> from PIL import Image
      >>> from jaxeval.pairs import score_pairs
      >>> with tempfile.TemporaryDirectory() as real, tempfile.TemporaryDirectory() as fake:
      ...     for folder, level in ((real, 100), (fake, 110)):
      ...         Image.fromarray(np.full((16, 16, 3), level, np.uint8)).save(f"{folder}/a.png")
      ...     pairs = score_pairs(real, fake, metrics="psnr")
      >>> round(pairs.means[0].value, 2)
      28.13
    """
    if weights_dir is not None:
        local_path(weights_dir)  # refused also where no measure needs weights
    rules = PixelRules(alpha, exif, gray, modcrop)
    settings = PairSettings(metrics, convention, colour, crop_border, data_range, weights_dir, rules)
    if unmatched not in ("error", "skip"):
        raise InputError(f"unmatched {unmatched!r} must be 'error' or 'skip'")
    sets = named_sets(distorted, "distorted set")
    skip, name = on_error == "skip", str(reference)
    if name in dict(sets):
        raise InputError(f"{name!r} is the reference and a distorted set; give other sets, or name them")
    patterns = _patterns(pattern, [own for own, _ in sets])
    videos = [is_video(path) for path in (reference, *(path for _, path in sets))]
    if any(videos):
        if not all(videos):
            raise InputError("videos are compared with videos, and images with images; give only one kind")
        if rules != PixelRules():
            raise InputError(
                "alpha, exif, gray and modcrop are for images, and frames of videos are as stored; leave them out"
            )
        if any(one != SAME_NAME for one in patterns.values()):
            raise InputError("a pattern is of the names of images in a folder; leave it out for videos")
        return score_videos(
            name, dict(sets), settings, skip=unmatched == "skip", batch_size=batch_size, progress=progress
        )
    if pooled_names(metrics):
        raise InputError(f"{pooled_names(metrics)[0]} is of a video's frames together; of images give psnr")
    threads = threads or min(MOST_THREADS, os.cpu_count() or 1)
    opened = {name: open_images(reference)} | {own: open_images(path) for own, path in sets}
    for own, one in patterns.items():
        nameless = next((place for place in (name, own) if opened[place].numbered), None)
        if one != SAME_NAME and nameless is not None:
            raise InputError(
                f"pattern {one!r} is of names, and the images of {nameless!r} have none; leave it out, or give '*' for "
                f"{own!r}"
            )
    opened, in_order = with_names(opened, patterns)
    ours, theirs = opened[name], {own: opened[own] for own, _ in sets}
    matchings = [
        match_pairs(name, ours, own, found, skip=unmatched == "skip", pattern=patterns[own])
        for own, found in theirs.items()
    ]
    reader = HeaderReader(rules)
    with ThreadPoolExecutor(threads) as pool:
        tasks, left_out = _tasks(matchings, skip, pool, reader)
    if not tasks:
        raise InputError(f"no pair is left to score: {left_out[0][1]}")
    chosen, not_computed = settings.suited(sorted({task.layout for task in tasks}, key=str), example_of(tasks))
    tasks += _of_the_reference(name, tasks, chosen)
    skipped: list[tuple[Task, str]] = []
    wide = WideValues(name)
    found = all_scores(
        tasks,
        chosen,
        crop_border=crop_border,
        rules=rules,
        batch_size=batch_size,
        threads=threads,
        skipped=skipped,
        skip=skip,
        progress=progress,
        wide=wide,
    )
    left_out += skipped
    if not found:
        raise InputError(f"no pair is left to score: {left_out[0][1]}")
    scored = [task for task in tasks if (task.set, task.image) in found]
    scores = tuple(found[task.set, task.image] for task in scored)
    return summarise(
        scores,
        chosen,
        reference=name,
        sets={own: str(path) for own, path in sets},
        settings=settings,
        not_computed=not_computed,
        left_out=left_out,
        reports={own: reader.report(own, name, scored, left_out, opened[own].notes) for own in [name, *theirs]},
        notes=[sentence for matching in matchings for sentence in matching.unmatched],
        warnings=[*in_order, *(wide.sentences() if data_range is None else ())],
        patterns=patterns,
    )


def _patterns(pattern: str | Sequence[str], sets: Sequence[str]) -> dict[str, str]:
    """The pattern of each set's names."""
    given = [check_pattern(one) for one in ([pattern] if isinstance(pattern, str) else pattern)]
    if len(given) not in (1, len(sets)):
        raise InputError(f"{len(given)} patterns are given for {len(sets)} distorted sets; give one, or one a set")
    return dict(zip(sets, given if len(given) == len(sets) else given * len(sets), strict=True))


def _tasks(
    matchings: Sequence[Matching], skip: bool, pool: ThreadPoolExecutor, reader: HeaderReader
) -> tuple[list[Task], list[tuple[Task, str]]]:
    """What to score, and pairs that are left out as they cannot be compared."""
    tasks: list[Task] = []
    left_out: list[tuple[Task, str]] = []
    of_reference: dict[str, PixelLayout | InputError] = {}
    for matching in matchings:
        stems = list(matching.pairs)
        theirs = list(pool.map(reader.layout_or_error, (pair[1] for pair in matching.pairs.values())))
        unknown = [stem for stem in stems if stem not in of_reference]
        ours = pool.map(reader.layout_or_error, (matching.pairs[stem][0] for stem in unknown))
        of_reference.update(zip(unknown, ours, strict=True))
        for stem, own in zip(stems, theirs, strict=True):
            reference, distorted = matching.pairs[stem]
            known = of_reference[stem]
            reason = _disagreement(reference, known, distorted, own)
            if reason is not None and EXIF in {*reader.notes(reference), *reader.notes(distorted)}:
                reason += _turning(known, own)
            layout = own if isinstance(own, PixelLayout) else PixelLayout(0, 0, 1, 8)
            task = Task(stem, matching.name, layout, distorted, reference)
            if reason is None:
                tasks.append(task)
            elif skip:
                left_out.append((task, reason))
            else:
                raise InputError(f"{reason}; mend or remove it, or have such images left out (--on-error skip)")
    return tasks, left_out


def _disagreement(
    reference: Item, known: PixelLayout | InputError, distorted: Item, own: PixelLayout | InputError
) -> str | None:
    """Why two images cannot be compared; None if they can."""
    for layout in (known, own):
        if isinstance(layout, InputError):
            return str(layout)
    if known == own:
        return None
    said = f"{distorted.where} is {own}, but {reference.where} is {known}"
    if isinstance(known, PixelLayout) and isinstance(own, PixelLayout):
        if dataclasses.replace(known, channels=own.channels) == own:
            said += " (--gray as-rgb takes gray images as RGB; with --colour rgb2gray the luma of both is compared)"
        elif dataclasses.replace(known, height=own.height, width=own.width) == own:
            said += _cropping(known, own)
    return said


def _cropping(known: PixelLayout, own: PixelLayout) -> str:
    """What to say where a reference is larger by the rest of its sides over a small number, as before a modcrop."""
    for multiple in range(2, _LARGEST_MODCROP + 1):
        if (known.height - known.height % multiple, known.width - known.width % multiple) == (own.height, own.width):
            return f" (--modcrop {multiple} makes them one size, if the reference was cropped so before it was reduced)"
    return ""


def _turning(known: PixelLayout | InputError, own: PixelLayout | InputError) -> str:
    """What to say where one image is the other's size lying on its side, and an orientation was ignored."""
    if isinstance(known, InputError) or isinstance(own, InputError):
        return ""
    lying = (known.height, known.width) == (own.width, own.height)
    return " (an EXIF orientation was ignored; --exif apply turns the pixels)" if lying else ""


def _of_the_reference(name: str, tasks: Sequence[Task], chosen: Sequence[Chosen]) -> list[Task]:
    """The reference's own images, where measures of single images are wanted."""
    if not any(one.measure.alone for one in chosen):
        return []
    once: dict[str, Task] = {}
    for task in tasks:
        if task.reference is not None and task.image not in once:
            once[task.image] = Task(task.image, name, task.layout, task.reference, None)
    return list(once.values())
