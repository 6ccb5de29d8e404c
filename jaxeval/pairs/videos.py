"""Videos against a reference video: a score of each frame."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxeval.errors import InputError
from jaxeval.images import Video, open_video
from jaxeval.pairs.batches import MOST_PIXELS, Chosen, score_batch
from jaxeval.pairs.results import PairScores, PairsEvaluation
from jaxeval.pairs.settings import PairSettings
from jaxeval.pairs.summary import summarise
from jaxeval.progress import Progress


def score_videos(
    reference: str,
    sets: Mapping[str, Path],
    settings: PairSettings,
    *,
    skip: bool,
    batch_size: int,
    progress: Progress | None,
) -> PairsEvaluation:
    """Scores the frames of videos against those of the reference, in batches of one size.

    Args:
      reference: the reference video.
      sets: the distorted ones, by name.
      settings: of the run.
      skip: whether frames after the shorter one's end are left out and said, and not an error.
      batch_size: most frames at a time.
      progress: who is told how far it has come.

    Raises:
      InputError: a video cannot be read, sizes or numbers of frames do not agree, or a measure does not take them.
    """
    luma = settings.channels != "all"
    ours = open_video(reference, luma=luma)
    videos = {name: open_video(path, luma=luma) for name, path in sets.items()}
    notes = []
    for name, video in videos.items():
        if video.layout != ours.layout:
            raise InputError(f"{name} is {video.layout}, but {reference} is {ours.layout}; bring them to one size")
        if video.rate != ours.rate:
            notes.append(f"{name} says {video.rate or 'no'} frames a second, {reference} {ours.rate or 'none'}")
    chosen, not_computed = settings.suited([ours.layout], {ours.layout: reference})
    scores: list[PairScores] = []
    count = 0
    for name, video in videos.items():
        if progress is not None:
            progress.begin(name, count, "frames")
        count = 0
        pairs = _paired(ours, video, skip, notes)
        for values in _scored(pairs, chosen, video, settings.crop_border, batch_size):
            scores.append(_record(name, video, count, values))
            count += 1
            if progress is not None:
                progress.advance(1)
        if progress is not None:
            progress.end()
    alone = [one for one in chosen if one.measure.alone]
    if alone:
        frames = itertools.islice(((frame, None) for frame in ours.frames()), count)
        values_of_frames = _scored(frames, alone, ours, settings.crop_border, batch_size)
        scores += [_record(reference, ours, number, values) for number, values in enumerate(values_of_frames)]
    if not scores:
        raise InputError(f"{reference!r} holds no frames")
    return summarise(
        scores,
        chosen,
        reference=reference,
        sets={name: str(path) for name, path in sets.items()},
        settings=settings,
        not_computed=not_computed,
        notes=notes,
        frames={name: video.conversion for name, video in [*videos.items(), (reference, ours)]},
    )


def frame_name(number: int) -> str:
    """How a frame is called in the scores, from 0."""
    return f"{number:06d}"


def _record(name: str, video: Video, number: int, values: Mapping[str, float]) -> PairScores:
    layout = video.layout
    return PairScores(frame_name(number), name, layout.height, layout.width, layout.channels, layout.bits, values)


def _paired(ours: Video, theirs: Video, skip: bool, notes: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """The distorted frame and the reference's, as long as both go on."""
    for number, (reference, distorted) in enumerate(itertools.zip_longest(ours.frames(), theirs.frames())):
        if reference is None or distorted is None:
            shorter, longer = (ours, theirs) if reference is None else (theirs, ours)
            sentence = f"{shorter.path} ends after {number:,} frames, but {longer.path} goes on"
            if not skip:
                raise InputError(f"{sentence}; cut them alike, or compare what both have (--unmatched skip)")
            notes.append(f"{sentence} (left out)")
            return
        yield distorted, reference


def _scored(
    pairs: Iterator[tuple[np.ndarray, np.ndarray | None]],
    chosen: Sequence[Chosen],
    video: Video,
    crop_border: int,
    batch_size: int,
) -> Iterator[dict[str, float]]:
    """The scores of each frame, by measure."""
    layout = video.layout
    size = max(1, min(batch_size, MOST_PIXELS // (layout.height * layout.width)))
    first = True
    inner = np.s_[:, crop_border : layout.height - crop_border, crop_border : layout.width - crop_border]
    while batch := list(itertools.islice(pairs, size)):
        if first:  # if it is not full the video ends with it, and nothing is padded beyond that
            size, first = len(batch), False
        distorted = np.stack([frame for frame, _ in batch])[inner]
        partners = [frame for _, frame in batch if frame is not None]
        reference = np.stack(partners)[inner] if partners else None
        scores = score_batch(distorted, reference, layout, chosen, size)
        for place in range(len(batch)):
            yield {name: float(values[place]) for name, values in scores.items()}
