"""`score_images`: how good are images by themselves, without a reference, image by image and set by set?"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jaxeval._arguments import a_text, checked, optional, several
from jaxeval._faults import memory_said
from jaxeval.errors import InputError
from jaxeval.files import local_path
from jaxeval.images import PixelLayout, PixelRules, is_video, open_video
from jaxeval.images.matching import named_sets, open_images, sets_given
from jaxeval.pairs.batches import Runner, Task, WideValues, all_scores
from jaxeval.pairs.measures import PAIR_MEASURES, pair_measures
from jaxeval.pairs.reading import CHECKS, MOST_THREADS, HeaderReader, example_of
from jaxeval.pairs.results import PairScores, PairsEvaluation
from jaxeval.pairs.settings import PairSettings
from jaxeval.pairs.summary import summarise
from jaxeval.pairs.videos import record_of_frame, scored_frames
from jaxeval.progress import Progress


@checked(
    images=sets_given,
    metrics=several(a_text("names, such as 'niqe,brisque' or ['niqe', 'brisque'], or 'all'")),
    convention=optional(a_text("a name such as 'clip-vit-b-32', or 'clip-iqa=NAME'")),
    **CHECKS,
)
@memory_said("score these images", "lower --batch-size or --threads")
def score_images(
    images: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
    *,
    metrics: str | Sequence[str] = "no-reference",
    convention: str | None = None,
    colour: str = "own",
    crop_border: int = 0,
    data_range: float | None = None,
    alpha: str = "drop",
    exif: str = "ignore",
    gray: str = "as-is",
    modcrop: int = 1,
    on_error: str = "fail",
    batch_size: int = 16,
    threads: int | None = None,
    weights_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> PairsEvaluation:
    """Scores images that have no reference, one by one: NIQE, BRISQUE, PIQE, sharpness and others.

    Args:
      images: a folder of images (at any depth), an archive, an array file, an image, or a video, as for `score_pairs`;
        or several such sets, perhaps by name.
      metrics: names of `jaxeval.pairs.PAIR_MEASURES` that are `alone`, as a list or comma-separated; or `no-reference`
        or `all`, which both are all of them but those whose weights are not there, which is said.
      convention: whose CLIP-IQA: a name, or `clip-iqa=NAME`.
      colour: what measures of gray look at, as for `score_pairs`.
      crop_border: pixels left out along every edge, before anything else.
      data_range: width of the values' range; by default that of the images' bits.
      alpha: what becomes of an alpha channel or a transparent colour, as for `score_pairs`.
      exif: whether an orientation is applied, as for `score_pairs`.
      gray: whether gray images are taken as RGB, as for `score_pairs`.
      modcrop: sides are cropped at their ends to multiples of it.
      on_error: what an image that cannot be read is: the end ("fail"), or left out and said ("skip").
      batch_size: most images at a time; images of one shape go together.
      threads: how many decode; by default one for each processor.
      weights_dir: where the weights of NIQE, IL-NIQE, BRISQUE and CLIP-IQA are; by default as for `jaxeval weights`.
      progress: who is told how far it has come.

    Returns:
      A score of each image, means with 95% intervals over the images, and for each two sets the differences of the
      images whose relative names are the same. Of videos a score of each frame, without intervals.

    Raises:
      InputError: an argument is wrong, a measure compares with a reference, an image cannot be read or is too small
        for a measure that was asked for by name, or nothing is left to score.
      OutOfMemoryError: a batch does not fit into memory.
      WeightsMissingError: a measure that was asked for by name needs weights that are not there.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> from PIL import Image
      >>> from jaxeval.pairs import score_images
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     for name, level in (("dark", 51), ("bright", 204)):
      ...         Image.fromarray(np.full((16, 16, 3), level, np.uint8)).save(f"{folder}/{name}.png")
      ...     found = score_images(folder, metrics="brightness")
      >>> {score.image: round(score.values["brightness"], 3) for score in found.scores}
      {'bright': 0.8, 'dark': 0.2}
    """
    if weights_dir is not None:
        local_path(weights_dir)  # refused also where no measure needs weights
    rules = PixelRules(alpha, exif, gray, modcrop)
    settings = PairSettings(_alone(metrics), convention, colour, crop_border, data_range, weights_dir, rules)
    sets = named_sets(images, "set of images")
    videos = [is_video(path) for _, path in sets]
    if any(videos):
        if not all(videos):
            raise InputError("videos are scored with videos, and images with images; give only one kind")
        if rules != PixelRules():
            raise InputError("alpha, exif, gray and modcrop are for images, and frames of videos are as stored")
        return _score_frames(dict(sets), settings, batch_size=batch_size, progress=progress)
    threads = threads or min(MOST_THREADS, os.cpu_count() or 1)
    opened = {own: open_images(path) for own, path in sets}
    reader, skip = HeaderReader(rules), on_error == "skip"
    tasks: list[Task] = []
    left_out: list[tuple[Task, str]] = []
    with ThreadPoolExecutor(threads) as pool:
        for own, found in opened.items():
            layouts = pool.map(reader.layout_or_error, found.values())
            for (stem, item), layout in zip(found.items(), layouts, strict=True):
                if isinstance(layout, PixelLayout):
                    tasks.append(Task(stem, own, layout, item, None))
                elif skip:
                    left_out.append((Task(stem, own, PixelLayout(0, 0, 1, 8), item, None), str(layout)))
                else:
                    raise InputError(f"{layout}; mend or remove it, or have such images left out (--on-error skip)")
    if not tasks:
        raise InputError(f"no image is left to score: {left_out[0][1]}")
    chosen, not_computed = settings.suited(sorted({task.layout for task in tasks}, key=str), example_of(tasks))
    wide = WideValues("")
    scored = all_scores(
        tasks,
        chosen,
        crop_border=crop_border,
        rules=rules,
        batch_size=batch_size,
        threads=threads,
        skipped=left_out,
        skip=skip,
        progress=progress,
        wide=wide,
    )
    if not scored:
        raise InputError(f"no image is left to score: {left_out[0][1]}")
    kept = [task for task in tasks if (task.set, task.image) in scored]
    return summarise(
        tuple(scored[task.set, task.image] for task in kept),
        chosen,
        reference=None,
        sets={own: str(path) for own, path in sets},
        settings=settings,
        not_computed=not_computed,
        left_out=left_out,
        reports={own: reader.report(own, None, kept, left_out, found.notes) for own, found in opened.items()},
        warnings=wide.sentences() if data_range is None else (),
    )


def _alone(metrics: str | Sequence[str]) -> list[str]:
    """The names, with `all` for what is to be had without a reference.

    Raises:
      InputError: a measure that was asked for compares with one.
    """
    texts = [metrics] if isinstance(metrics, str) else metrics
    parts = [part.strip() for text in texts for part in text.split(",")]
    names = ["no-reference" if part == "all" else part for part in parts]
    chosen, _ = pair_measures(names)
    compared = [measure.name for measure in chosen if not measure.alone]
    if compared:
        alone = ", ".join(name for name, measure in PAIR_MEASURES.items() if measure.alone)
        raise InputError(
            f"{', '.join(compared)} compare an image with its reference (jaxeval pairs REFERENCE DISTORTED); without "
            f"one there are no-reference, {alone}"
        )
    return names


def _score_frames(
    sets: Mapping[str, Path], settings: PairSettings, *, batch_size: int, progress: Progress | None
) -> PairsEvaluation:
    videos = {name: open_video(path, luma=settings.of_stored_luma) for name, path in sets.items()}
    layouts = {video.layout: name for name, video in reversed(videos.items())}
    chosen, not_computed = settings.suited(list(layouts), layouts)
    warnings = [note for video in videos.values() for note in video.notes]
    scores: list[PairScores] = []
    for name, video in videos.items():
        if progress is not None:
            progress.begin(name, 0, "frames")
        frames = ((frame, None) for frame in video.timed_frames(warnings.append))
        found = scored_frames(frames, Runner(chosen, progress), video, settings.crop_border, batch_size)
        for count, (time, values) in enumerate(found):
            scores.append(record_of_frame(name, video, count, time, values))
            if progress is not None:
                progress.advance(1)
        if progress is not None:
            progress.end()
    return summarise(
        scores,
        chosen,
        reference=None,
        sets={name: str(path) for name, path in sets.items()},
        settings=settings,
        not_computed=not_computed,
        warnings=warnings,
        frames={name: video.conversion for name, video in videos.items()},
    )
