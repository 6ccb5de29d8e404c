"""Scores of pairs of images in batches of one shape: each measure is compiled once for a shape."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from jaxeval._arrays import Numbers
from jaxeval.errors import InputError
from jaxeval.images import Item, PixelLayout, PixelRules, decode_exact
from jaxeval.ops.image_quality.batches import check_data_range
from jaxeval.pairs.learned import LoadedOp
from jaxeval.pairs.measures import PairMeasure
from jaxeval.pairs.results import PairScores
from jaxeval.progress import Progress, tell

_MANY_SHAPES = 8
MOST_PIXELS = 1 << 24  # in a batch; larger images come one by one


@dataclasses.dataclass(frozen=True)
class Task:
    """One image to be scored.

    Attributes:
      image: its name without extension.
      set: the distorted set that it belongs to, or the reference itself.
      layout: of its pixels.
      distorted: the image.
      reference: its partner; None for an image of the reference itself.
    """

    image: str
    set: str
    layout: PixelLayout
    distorted: Item
    reference: Item | None


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A measure with its settings.

    Attributes:
      measure: which.
      op: its op, with the options and weights bound.
      options: those options, for the record.
      data_range: the user's; None for what the images' bits can hold.
    """

    measure: PairMeasure
    op: LoadedOp
    options: Mapping[str, Any]
    data_range: float | None

    @property
    def definition(self) -> str:
        """Whose number it is, in words: of the weights at hand."""
        return self.op.definition or self.measure.definition

    def score(
        self, distorted: np.ndarray, reference: np.ndarray | None, layout: PixelLayout, *, any_size: bool = False
    ) -> np.ndarray:
        """One float64 value an image of two batches [N, H, W, C]; with `any_size` not by a program of their own."""
        data_range = layout.data_range if self.data_range is None else self.data_range  # None for light alone
        if self.measure.alone or reference is None:
            values = self.op(distorted, data_range=data_range)
        elif any_size and self.op.any_size is not None:
            values = self.op.any_size(distorted, reference, data_range=data_range)
        else:
            values = self.op(distorted, reference, data_range=data_range)
        return np.asarray(values, np.float64)


class Runner:
    """Runs measures on batches, and tells what is compiled: a measure's first call for a shape.

    Args:
      chosen: the measures.
      progress: who is told.
      shapes: how many shapes of images there are; of many, measures that can do without are not compiled for each.
    """

    def __init__(self, chosen: Sequence[Chosen], progress: Progress | None, shapes: int = 1):
        self.chosen = chosen
        self._progress = progress
        self._any_size = shapes > _MANY_SHAPES
        self._compiled: set[tuple[Any, ...]] = set()

    def scores(
        self, distorted: np.ndarray, reference: np.ndarray | None, layout: PixelLayout, size: int
    ) -> dict[str, np.ndarray]:
        """Values by measure of images [N, H, W, C], which are padded to `size` by repeating the last."""
        count = len(distorted)

        def padded(images: np.ndarray) -> np.ndarray:
            return np.concatenate([images, np.repeat(images[-1:], size - count, axis=0)]) if count < size else images

        distorted = padded(distorted)
        reference = None if reference is None else padded(reference)
        found = {}
        for one in self.chosen:
            if one.measure.alone or reference is not None:
                with self._told(one, distorted):
                    found[one.measure.name] = one.score(distorted, reference, layout, any_size=self._any_size)[:count]
        return found

    @contextlib.contextmanager
    def _told(self, one: Chosen, images: np.ndarray) -> Iterator[None]:
        by_tiles = self._any_size and one.op.any_size is not None
        key = (one.measure.name, images.dtype, images.shape[3:] if by_tiles else images.shape)
        if key in self._compiled:
            yield
            return
        self._compiled.add(key)
        of = "" if by_tiles else f" for {images.shape[1]} x {images.shape[2]} pixels"
        tell(self._progress, f"compiling {one.measure.label}{of}")
        try:
            yield
        finally:
            tell(self._progress, "")


class WideValues:
    """The largest value among the 16-bit images of each set, of what is scored of them.

    Attributes:
      reference: the name of the set that the others are compared with.
    """

    def __init__(self, reference: str):
        self.reference = reference
        self._largest: dict[str, int] = {}

    def add(self, name: str, pixels: np.ndarray) -> None:
        """Takes one more image of a set in; images of 8 bits count for nothing."""
        if pixels.dtype == np.uint16:
            self._largest[name] = max(self._largest.get(name, 0), int(pixels.max(initial=0)))

    def sentences(self) -> list[str]:
        """What is to be said of sets that leave the upper bits of their images unused."""
        found = []
        for name, largest in self._largest.items():
            bits = next((bits for bits in (8, 10, 12, 14) if largest < 1 << bits), None)
            if bits is not None:
                most = (1 << bits) - 1
                found.append(
                    f"{name}: no value of its 16-bit images is above {most:,}, but 0 to 65,535 was taken for their "
                    f"range; if they have {bits} bits, give that range (--data-range {most})"
                )
        return found


def batches_of(tasks: Sequence[Task], batch_size: int) -> Iterator[tuple[list[Task], int]]:
    """Tasks of one shape together, in batches of as few sizes as can be, with the size to pad each to.

    All batches of a shape have one size, so that nothing is compiled twice for it.
    """
    groups: dict[tuple[PixelLayout, bool], list[Task]] = {}
    for task in tasks:
        groups.setdefault((task.layout, task.reference is None), []).append(task)
    for (layout, _), members in groups.items():
        most = max(1, min(batch_size, MOST_PIXELS // (layout.height * layout.width)))
        size = math.ceil(len(members) / math.ceil(len(members) / most))
        for start in range(0, len(members), size):
            yield members[start : start + size], size


def all_scores(
    tasks: Sequence[Task],
    chosen: Sequence[Chosen],
    *,
    crop_border: int,
    rules: PixelRules,
    batch_size: int,
    threads: int,
    skipped: list[tuple[Task, str]],
    skip: bool,
    progress: Progress | None,
    wide: WideValues,
) -> dict[tuple[str, str], PairScores]:
    """The scores of all tasks by set and image, with progress told; arguments and errors as for `score_tasks`."""
    shapes = len({task.layout for task in tasks})
    if progress is not None:
        what = "pairs" if any(task.reference is not None for task in tasks) else "images"
        many = shapes > _MANY_SHAPES and any(one.op.any_size is None for one in chosen)
        progress.begin(f"{what} ({shapes} shapes, each compiled once)" if many else what, len(tasks))
    found = {}
    for task, values in score_tasks(
        tasks,
        Runner(chosen, progress, shapes),
        crop_border=crop_border,
        rules=rules,
        batch_size=batch_size,
        threads=threads,
        skipped=skipped,
        skip=skip,
        advance=(lambda count: None) if progress is None else progress.advance,
        wide=wide,
    ):
        own = task.layout
        found[task.set, task.image] = PairScores(
            task.image, task.set, own.height, own.width, own.channels, own.bits, values
        )
    if progress is not None:
        progress.end()
    return found


def score_tasks(
    tasks: Sequence[Task],
    runner: Runner,
    *,
    crop_border: int,
    rules: PixelRules,
    batch_size: int,
    threads: int,
    skipped: list[tuple[Task, str]],
    skip: bool,
    advance: Callable[[int], None],
    wide: WideValues,
) -> Iterator[tuple[Task, dict[str, float]]]:
    """The values of every task by measure, in the order of the batches; images are decoded while others are scored.

    Args:
      tasks: what to score.
      runner: of the measures.
      crop_border: pixels left out along every edge.
      rules: what becomes of alpha and EXIF orientation.
      batch_size: most images at a time.
      threads: how many decode.
      skipped: is told of images that cannot be decoded, with the reason.
      skip: whether such images are left out, and not an error.
      advance: is told how many more are done.
      wide: is shown every image.

    Raises:
      InputError: an image cannot be decoded, or a measure does not take it.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="jaxeval-pairs") as pool:

        def submit(batch: list[Task]) -> list[Future[tuple[np.ndarray, np.ndarray | None]]]:
            return [pool.submit(_decoded, task, crop_border, rules) for task in batch]

        waiting = None
        try:
            for batch, size in batches_of(tasks, batch_size):
                ahead, waiting = waiting, (batch, size, submit(batch))
                if ahead is not None:
                    yield from _finished(*ahead, runner, skipped, skip, advance, wide)
            if waiting is not None:
                yield from _finished(*waiting, runner, skipped, skip, advance, wide)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _decoded(task: Task, crop_border: int, rules: PixelRules) -> tuple[np.ndarray, np.ndarray | None]:
    """The pixels of a pair, without their border."""

    def pixels(item: Item) -> np.ndarray:
        image = decode_exact(item, rules)
        height, width, _ = image.shape
        return image[crop_border : height - crop_border, crop_border : width - crop_border]

    return pixels(task.distorted), None if task.reference is None else pixels(task.reference)


def _finished(
    batch: list[Task],
    size: int,
    futures: list[Future[tuple[np.ndarray, np.ndarray | None]]],
    runner: Runner,
    skipped: list[tuple[Task, str]],
    skip: bool,
    advance: Callable[[int], None],
    wide: WideValues,
) -> Iterator[tuple[Task, dict[str, float]]]:
    readable, images = [], []
    for task, future in zip(batch, futures, strict=True):
        try:
            images.append(future.result())
            readable.append(task)
        except InputError as error:
            if not skip:
                advice = "mend or remove it, or have such images left out (--on-error skip)"
                raise InputError(f"{error}; {advice}") from error
            skipped.append((task, str(error)))
    if readable:
        for task, (image, partner) in zip(readable, images, strict=True):
            wide.add(task.set, image)
            if partner is not None:
                wide.add(wide.reference, partner)
        distorted = np.stack([image for image, _ in images])
        partners = [partner for _, partner in images if partner is not None]
        try:
            scores = runner.scores(distorted, np.stack(partners) if partners else None, readable[0].layout, size)
        except InputError:
            if readable[0].layout.is_float:  # whose values may not be those that a measure takes
                _name_unfit_values(readable, images, runner.chosen)
            raise
        for place, task in enumerate(readable):
            yield task, {name: float(values[place]) for name, values in scores.items()}
    advance(len(batch))


def _name_unfit_values(
    tasks: Sequence[Task], images: Sequence[tuple[np.ndarray, np.ndarray | None]], chosen: Sequence[Chosen]
) -> None:
    """Raises InputError that names the first image with values that a measure of floats does not take."""
    known: dict[str, np.ndarray] = {}
    for task, (image, partner) in zip(tasks, images, strict=True):
        known[task.distorted.where] = image
        if task.reference is not None and partner is not None:
            known[task.reference.where] = partner
    for one in chosen:
        if one.measure.of_light:
            for where, pixels in known.items():
                if (least := float(pixels.min())) < 0:
                    raise InputError(
                        f"{where} has values down to {least:g}, and light is not negative; mend it, or leave "
                        f"{one.measure.name} out"
                    )
        else:
            named: dict[str, Numbers] = {where: pixels[None] for where, pixels in known.items()}
            for of_differences in (True, False):  # values around 0 are no fault for every measure
                check_data_range(one.measure.name, named, one.data_range, of_differences=of_differences)
