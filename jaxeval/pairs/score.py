"""`score_pairs`: how far are distorted images from their references, image by image and set by set?"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jaxeval._arguments import a_text, at_least, checked, number, optional, path, several
from jaxeval._faults import memory_said
from jaxeval.errors import InputError, MissingPackageError
from jaxeval.files import local_path
from jaxeval.images import Item, PixelLayout, PixelRules, ReadReport, is_video, stored_image
from jaxeval.images.report import EXIF
from jaxeval.pairs.batches import Chosen, Task, WideValues, score_tasks
from jaxeval.pairs.matching import Matching, match_pairs, open_images, with_names
from jaxeval.pairs.results import PairScores, PairsEvaluation
from jaxeval.pairs.settings import PairSettings
from jaxeval.pairs.summary import summarise
from jaxeval.pairs.videos import score_videos
from jaxeval.progress import Progress

_MOST_THREADS = 32
_MANY_SHAPES = 8


def _sets_given(name: str, distorted: Any) -> Any:
    """Checks the distorted sets: one path, several, or several by name."""
    if isinstance(distorted, Mapping):
        return {own: path(name, one) for own, one in distorted.items()}
    return several(path)(name, distorted)


@checked(
    reference=path,
    distorted=_sets_given,
    metrics=several(a_text("names, such as 'psnr,ssim' or ['psnr', 'ssim'], or 'all'")),
    convention=optional(a_text("a name such as 'torchmetrics', or 'ssim=NAME,ms-ssim=NAME'")),
    channels=a_text("'all', 'y' or 'y-rounded'"),
    crop_border=at_least(0, enforce=False),
    data_range=optional(number),
    batch_size=at_least(1),  # there is no "auto" here
)
@memory_said("score these images", "lower --batch-size or --threads")
def score_pairs(
    reference: str | Path,
    distorted: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
    *,
    metrics: str | Sequence[str] = "psnr,ssim",
    convention: str | None = None,
    channels: str = "all",
    crop_border: int = 0,
    data_range: float | None = None,
    alpha: str = "drop",
    exif: str = "ignore",
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
      metrics: names (`jaxeval.pairs.PAIR_MEASURES`), or `all`, `full-reference`, `no-reference`; also as
        comma-separated text.
      convention: whose SSIM, MS-SSIM or LPIPS: a name, given to each that has it, or `ssim=NAME,ms-ssim=NAME`.
      channels: "all"; "y", the luma; or "y-rounded", rounded to 8 bits; for the measures that do not choose themselves.
      crop_border: pixels left out along every edge, before anything else.
      data_range: width of the values' range; by default that of the images' bits, 255 or 65,535. Floats (EXR, TIFF,
        arrays) have no range of their own: it is needed for all measures of them but hdr-flip.
      alpha: what becomes of an alpha channel or a transparent colour: "drop" it and take the colours under it as they
        are stored, or lay the image over "white" or "black", in its own depth.
      exif: "ignore" the orientation in EXIF or XMP, or "apply" it, turning the pixels before sizes are compared. That
        of a TIFF is always applied, as Pillow does so itself.
      unmatched: what an image without a partner is: an "error", or left out and said ("skip").
      on_error: what an image that cannot be read, or whose partner has another size, is: the end ("fail"), or left out
        and said ("skip").
      batch_size: most images at a time; images of one shape go together.
      threads: how many decode; by default one for each processor.
      weights_dir: where the weights of LPIPS, DISTS, NIQE and BRISQUE are; by default as for `jaxeval weights`.
      progress: who is told how far it has come.

    Returns:
      A score of each image, means with 95% intervals over the images, and paired differences of each two sets. Of
      videos a score of each frame and the means; their frames are no sample, so there are no intervals. A video in
      .y4m is scored as RGB (ITU-R BT.601), or with `channels="y"` on its luma plane as it is stored.

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
    rules = PixelRules(alpha, exif)
    settings = PairSettings(metrics, convention, channels, crop_border, data_range, weights_dir, rules)
    if unmatched not in ("error", "skip"):
        raise InputError(f"unmatched {unmatched!r} must be 'error' or 'skip'")
    sets = _named(distorted)
    skip, name = on_error == "skip", str(reference)
    if name in dict(sets):
        raise InputError(f"{name!r} is the reference and a distorted set; give other sets, or name them")
    videos = [is_video(path) for path in (reference, *(path for _, path in sets))]
    if any(videos):
        if not all(videos):
            raise InputError("videos are compared with videos, and images with images; give only one kind")
        if rules != PixelRules():
            raise InputError("alpha and exif are for images; frames of videos have neither, so leave both out")
        return score_videos(
            name, dict(sets), settings, skip=unmatched == "skip", batch_size=batch_size, progress=progress
        )
    threads = threads or min(_MOST_THREADS, os.cpu_count() or 1)
    opened = {name: open_images(reference)} | {own: open_images(path) for own, path in sets}
    opened, in_order = with_names(opened)
    ours, theirs = opened[name], {own: opened[own] for own, _ in sets}
    matchings = [match_pairs(name, ours, own, found, skip=unmatched == "skip") for own, found in theirs.items()]
    reader = _HeaderReader(rules)
    with ThreadPoolExecutor(threads) as pool:
        tasks, left_out = _tasks(matchings, skip, pool, reader)
    if not tasks:
        raise InputError(f"no pair is left to score: {left_out[0][1]}")
    chosen, not_computed = settings.suited(sorted({task.layout for task in tasks}, key=str), _example(tasks))
    tasks += _of_the_reference(name, tasks, chosen)
    if progress is not None:
        shapes = len({task.layout for task in tasks})
        note = f"pairs ({shapes} shapes, each compiled once)" if shapes > _MANY_SHAPES else "pairs"
        progress.begin(note, len(tasks))
    skipped: list[tuple[Task, str]] = []
    found: dict[tuple[str, str], PairScores] = {}
    wide = WideValues(name)
    for task, values in score_tasks(
        tasks,
        chosen,
        crop_border=crop_border,
        rules=rules,
        batch_size=batch_size,
        threads=threads,
        skipped=skipped,
        skip=skip,
        advance=(lambda count: None) if progress is None else progress.advance,
        wide=wide,
    ):
        layout = task.layout
        found[task.set, task.image] = PairScores(
            task.image, task.set, layout.height, layout.width, layout.channels, layout.bits, values
        )
    if progress is not None:
        progress.end()
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
    )


def _named(distorted: str | Path | Sequence[str | Path] | Mapping[str, str | Path]) -> list[tuple[str, Path]]:
    if isinstance(distorted, Mapping):
        named = [(str(name), local_path(path)) for name, path in distorted.items()]
    else:
        several = [distorted] if isinstance(distorted, str | Path) else list(distorted)
        named = [(str(path), local_path(path)) for path in several]
    if not named:
        raise InputError("no distorted set was given; name at least one folder")
    twice = [name for name, _ in named if sum(name == other for other, _ in named) > 1]
    if twice:
        raise InputError(f"the distorted set {twice[0]!r} is given twice")
    return named


class _HeaderReader:
    """Reads headers, and keeps what is done to each image."""

    def __init__(self, rules: PixelRules):
        self._rules = rules
        self._notes: dict[int, tuple[str, ...]] = {}  # by the item's identity; items outlive the reader's use

    def layout_or_error(self, item: Item) -> PixelLayout | InputError:
        """What an image's pixels are, or why it cannot be read."""
        try:
            found = stored_image(item, self._rules)
        except MissingPackageError:  # which is no fault of the image, to be left out for it
            raise
        except InputError as error:
            return error
        self._notes[id(item)] = found.notes
        return found.layout

    def notes(self, item: Item) -> tuple[str, ...]:
        """The notes of what is done to an image's pixels as it is read."""
        return self._notes.get(id(item), ())

    def report(
        self,
        own: str,
        reference: str,
        scored: Sequence[Task],
        left_out: Sequence[tuple[Task, str]],
        of_place: Mapping[str, int],
    ) -> ReadReport:
        """How the images of a set were read, each counted once."""
        report = ReadReport()
        once: dict[int, tuple[Item, PixelLayout]] = {}
        for task in scored:
            item = task.reference if own == reference else task.distorted if task.set == own else None
            if item is not None:
                once[id(item)] = item, task.layout
        for item, layout in once.values():
            report.count += 1
            report.sizes.add(layout.height, layout.width)
            report.note_all(self.notes(item))
        report.skipped = [(task.image, reason) for task, reason in left_out if task.set == own]
        for what, times in of_place.items():
            report.note(what, times)
        return report


def _tasks(
    matchings: Sequence[Matching], skip: bool, pool: ThreadPoolExecutor, reader: _HeaderReader
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
    return None if known == own else f"{distorted.where} is {own}, but {reference.where} is {known}"


def _turning(known: PixelLayout | InputError, own: PixelLayout | InputError) -> str:
    """What to say where one image is the other's size lying on its side, and an orientation was ignored."""
    if isinstance(known, InputError) or isinstance(own, InputError):
        return ""
    lying = (known.height, known.width) == (own.width, own.height)
    return " (an EXIF orientation was ignored; --exif apply turns the pixels)" if lying else ""


def _example(tasks: Sequence[Task]) -> dict[PixelLayout, str]:
    """The place of one image of each layout, to be named in messages."""
    return {task.layout: task.distorted.where for task in reversed(tasks)}


def _of_the_reference(name: str, tasks: Sequence[Task], chosen: Sequence[Chosen]) -> list[Task]:
    """The reference's own images, where measures of single images are wanted."""
    if not any(one.measure.alone for one in chosen):
        return []
    once: dict[str, Task] = {}
    for task in tasks:
        if task.reference is not None and task.image not in once:
            once[task.image] = Task(task.image, name, task.layout, task.reference, None)
    return list(once.values())
