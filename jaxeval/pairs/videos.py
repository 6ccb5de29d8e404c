"""Videos against a reference video: a score of each frame."""

import itertools
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from jaxeval.errors import InputError
from jaxeval.images import TimedFrame, Video, open_video
from jaxeval.pairs.batches import MOST_PIXELS, Runner
from jaxeval.pairs.results import PairScores, PairsEvaluation
from jaxeval.pairs.settings import PairSettings
from jaxeval.pairs.summary import summarise
from jaxeval.progress import Progress

_RATE_ROUNDING = Fraction(1, 2000)  # 24 and 24000:1001 are twice as far apart


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
      InputError: a video cannot be read, sizes, bits or numbers of frames do not agree, or a measure does not take
        them.
    """
    luma = settings.of_stored_luma
    ours = open_video(reference, luma=luma)
    videos = {name: open_video(path, luma=luma) for name, path in sets.items()}
    notes = []
    warnings = [note for video in (ours, *videos.values()) for note in video.notes]
    for name, video in videos.items():
        if video.layout != ours.layout:
            raise InputError(_other_layout(name, video, reference, ours))
        if ours.rate and video.rate and not _same_rate(ours.rate, video.rate):
            notes.append(f"{name} has {_said(video.rate)} frames a second, {reference} {_said(ours.rate)}")
        warnings += _unlike(name, video, reference, ours)
    chosen, not_computed = settings.suited([ours.layout], {ours.layout: reference})
    scores: list[PairScores] = []
    count = 0
    for name, video in videos.items():
        if progress is not None:
            progress.begin(name, count, "frames")
        count = 0
        pairs = _paired(ours, video, skip, notes, warnings)
        for time, values in scored_frames(pairs, Runner(chosen, progress), video, settings.crop_border, batch_size):
            scores.append(record_of_frame(name, video, count, time, values))
            count += 1
            if progress is not None:
                progress.advance(1)
        if progress is not None:
            progress.end()
    alone = [one for one in chosen if one.measure.alone]
    if alone:
        frames = itertools.islice(((frame, None) for frame in ours.timed_frames()), count)
        values_of_frames = scored_frames(frames, Runner(alone, None), ours, settings.crop_border, batch_size)
        scores += [record_of_frame(reference, ours, number, *found) for number, found in enumerate(values_of_frames)]
    return summarise(
        scores,
        chosen,
        reference=reference,
        sets={name: str(path) for name, path in sets.items()},
        settings=settings,
        not_computed=not_computed,
        notes=notes,
        warnings=list(dict.fromkeys(warnings)),  # the reference is read once for every set
        frames={name: video.conversion for name, video in [*videos.items(), (reference, ours)]},
    )


def frame_name(number: int) -> str:
    """How a frame is called in the scores, from 0."""
    return f"{number:06d}"


def _said(rate: Fraction) -> str:
    return f"{rate.numerator}:{rate.denominator}"


def _same_rate(first: Fraction, second: Fraction) -> bool:
    """Whether two rates are one, but for the rounding of the times from which a container's is known."""
    return abs(first / second - 1) < _RATE_ROUNDING


def _other_layout(name: str, video: Video, reference: str, ours: Video) -> str:
    theirs, own = video.layout, ours.layout
    if (theirs.height, theirs.width) != (own.height, own.width):
        lying = (theirs.height, theirs.width) == (own.width, own.height) and (video.rotation - ours.rotation) % 180
        turned = " (players turn one of them, which is not done here)" if lying else ""
        remedy = f"{turned}; bring them to one size"
    elif theirs.bits != own.bits:
        remedy = "; bring them to one number of bits"
    else:
        remedy = "; compare colour with colour, and gray with gray"
    return f"{name} is {theirs}, but {reference} is {own}{remedy}"


def _unlike(name: str, video: Video, reference: str, ours: Video) -> list[str]:
    """What makes equal stored values unequal pixels, or pixels of one value unequal colours."""
    found = []
    (matrix, full), (own_matrix, own_full) = (one.planes.meaning(luma=one.luma) for one in (video, ours))
    if matrix != own_matrix or (None not in (full, own_full) and full != own_full):
        found.append(
            f"{name} is read as {video.conversion}, but {reference} as {ours.conversion}; where that is not so, tag "
            "the files alike"
        )
    if video.rotation != ours.rotation:
        found.append(
            f"players turn {name} by {video.rotation} degrees and {reference} by {ours.rotation}; here both are "
            "compared as they are stored"
        )
    return found


def record_of_frame(
    name: str, video: Video, number: int, time: float | None, values: Mapping[str, float]
) -> PairScores:
    """The scores of a video's frame, by its number from 0."""
    layout = video.layout
    return PairScores(frame_name(number), name, layout.height, layout.width, layout.channels, layout.bits, values, time)


def _paired(
    ours: Video, theirs: Video, skip: bool, notes: list[str], warnings: list[str]
) -> Iterator[tuple[TimedFrame, np.ndarray | None]]:
    """The distorted frame and the reference's pixels, as long as both go on."""
    clock = _Clock(ours, theirs)
    for number, (reference, distorted) in enumerate(
        itertools.zip_longest(ours.timed_frames(warnings.append), theirs.timed_frames(warnings.append))
    ):
        if reference is None or distorted is None:
            shorter, longer = (ours, theirs) if reference is None else (theirs, ours)
            sentence = (
                f"{shorter.path} ends after {number:,} frames, but {longer.path} goes on "
                f"(it has {longer.stated_count()})"
            )
            if not skip:
                raise InputError(f"{sentence}; cut them alike, or compare what both have (--unmatched skip)")
            notes.append(f"{sentence} (left out)")
            return
        notes += clock.apart(number, reference.time, distorted.time)
        yield distorted, reference.pixels


class _Clock:
    """Tells, once, from where on frames of one number are shown at other times, counted from each video's first."""

    def __init__(self, ours: Video, theirs: Video):
        self._ours, self._theirs = ours, theirs
        # Of rates that differ it is said already.
        self._asked = not (ours.rate and theirs.rate) or _same_rate(ours.rate, theirs.rate)
        self._first: tuple[float, float] | None = None
        self._before = 0.0

    def apart(self, number: int, time: float | None, distorted: float | None) -> list[str]:
        """The sentence, at the first frame of which it is true; frames without a time tell nothing."""
        if not self._asked or time is None or distorted is None:
            return []
        self._first = self._first or (time, distorted)
        since, distorted_since = time - self._first[0], distorted - self._first[1]
        step, self._before = since - self._before, since
        if abs(since - distorted_since) <= step / 2:
            return []
        self._asked = False
        return [
            f"frame {number} is shown {distorted_since:.3f} s after the first in {self._theirs.path}, and {since:.3f} "
            f"s in {self._ours.path}; frames are compared by their number, not by their time"
        ]


def scored_frames(
    pairs: Iterator[tuple[TimedFrame, np.ndarray | None]],
    runner: Runner,
    video: Video,
    crop_border: int,
    batch_size: int,
) -> Iterator[tuple[float | None, dict[str, float]]]:
    """The time of each frame, and its scores by measure."""
    layout = video.layout
    size = max(1, min(batch_size, MOST_PIXELS // (layout.height * layout.width)))
    first = True
    inner = np.s_[:, crop_border : layout.height - crop_border, crop_border : layout.width - crop_border]
    while batch := list(itertools.islice(pairs, size)):
        if first:  # if it is not full the video ends with it, and nothing is padded beyond that
            size, first = len(batch), False
        distorted = np.stack([frame.pixels for frame, _ in batch])[inner]
        partners = [partner for _, partner in batch if partner is not None]
        reference = np.stack(partners)[inner] if partners else None
        scores = runner.scores(distorted, reference, layout, size)
        for place, (frame, _) in enumerate(batch):
            yield frame.time, {name: float(values[place]) for name, values in scores.items()}
