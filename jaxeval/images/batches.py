"""Reading a source in batches: decoded in threads, in order, every batch of one shape."""

import collections
import dataclasses
import itertools
import os
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from jaxeval.errors import InputError
from jaxeval.images.decoding import Decoded, Reduction, decode
from jaxeval.images.digests import DIGEST_BYTES, pixel_digest
from jaxeval.images.preparation import Preparation, levels_of, prepare
from jaxeval.images.report import WIDE_CLIPPED, ReadReport
from jaxeval.images.source import Item, Source

_MOST_THREADS = 32


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Images that go through the extractors together.

    Attributes:
      images: for each preparation float32 levels in 0..255; rows after the real ones are zero.
      mask: which rows are real.
      names: the items' names, real rows only.
      indices: the items' places in the source, real rows only.
      digests: `pixel_digest` of each item, of its pixels before any preparation, real rows only.
      report: of what was read for this batch: its images, and the items that were skipped since the batch before.
    """

    images: tuple[Float32[np.ndarray, "b _h _w 3"], ...]
    mask: Bool[np.ndarray, " b"]
    names: tuple[str, ...]
    indices: Int[np.ndarray, " n"]
    digests: UInt8[np.ndarray, "n 16"]
    report: ReadReport


class _Prepared(NamedTuple):
    images: tuple[np.ndarray, ...]  # one for each preparation
    digest: bytes
    notes: tuple[str, ...]
    size: tuple[int, int]
    colourless: bool


class _Row(NamedTuple):
    place: int
    item: Item
    images: tuple[np.ndarray, ...]
    digest: bytes


@dataclasses.dataclass
class _Tally:
    """What was read since the last batch came out, and in all."""

    total: ReadReport
    since: ReadReport = dataclasses.field(default_factory=ReadReport)

    def taken(self) -> ReadReport:
        """The report since the last time, now a part of the whole."""
        since, self.since = self.since, ReadReport()
        self.total.merge(since)
        return since


def read_batches(
    source: Source,
    preparations: Sequence[Preparation],
    batch_size: int,
    *,
    limit: int | None = None,
    on_error: Literal["fail", "skip"] = "fail",
    threads: int | None = None,
    report: ReadReport | None = None,
    empty_ok: bool = False,
) -> Generator[Batch, None, ReadReport]:
    """Batches of prepared images, in the source's order.

    Each image is read and decoded once, for all preparations. Threads work ahead by about one batch while the caller
    computes, so memory does not grow with the number of images; they end with the generator, however it ends.

    Args:
      source: where from.
      preparations: how; `Batch.images` is aligned with it.
      batch_size: rows of every batch; the last one is padded with zeros.
      limit: read the first `limit` items only (unreadable ones count).
      on_error: what an image that cannot be read does: end the reading, or be recorded in `report.skipped`.
      threads: how many decode; by default one for each processor that this process may use, at most 32.
      report: filled while reading; complete when the generator has ended. When a batch comes out, the items up to
        its last one are in it and no others.
      empty_ok: whether not a single image is no error, as where other processes read the rest.

    Returns:
      A generator of batches; its own value is the report of what no batch has: items skipped after the last one, and
      what the source as a whole left out.

    Raises:
      InputError: at once, a bad argument; while reading, an image that cannot be read (with "fail"), a source that
        cannot be read on, images of several shapes under a preparation without size, or not a single image.

    Example:
      >>> import numpy as np
      >>> from jaxeval.images import Preparation, open_source, read_batches
      >>> source = open_source(np.zeros((10, 8, 8, 3), np.uint8))
      >>> batches = list(read_batches(source, [Preparation(size=(16, 16))], batch_size=4))
      >>> len(batches), batches[0].images[0].shape
      (3, (4, 16, 16, 3))
    """
    if batch_size < 1:
        raise InputError(f"batch size {batch_size} must be 1 or more")
    if limit is not None and limit < 1:
        raise InputError(f"limit {limit} must be 1 or more")
    if threads is not None and threads < 1:
        raise InputError(f"threads {threads} must be 1 or more")
    if on_error not in ("fail", "skip"):
        raise InputError(f"on_error {on_error!r} must be 'fail' or 'skip'")
    tally = _Tally(ReadReport() if report is None else report)
    rows = _rows(source, tuple(preparations), limit, on_error, threads or _processors(), batch_size, tally)
    return _batches(source, rows, batch_size, tuple(preparations), tally, empty_ok)


def _processors() -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, _MOST_THREADS)


def _rows(
    source: Source,
    preparations: tuple[Preparation, ...],
    limit: int | None,
    on_error: str,
    threads: int,
    batch_size: int,
    tally: _Tally,
) -> Generator[_Row, None, None]:
    pending: collections.deque[tuple[int, Item, Future[_Prepared]]] = collections.deque()
    items = enumerate(itertools.islice(source.items(), limit))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="jaxeval-images")
    try:
        while True:
            for index, item in itertools.islice(items, batch_size + 2 * threads - len(pending)):
                pending.append((index, item, pool.submit(_prepare_item, item, preparations)))
            if not pending:
                break
            index, item, future = pending.popleft()
            try:
                prepared = future.result()
            except InputError as error:
                if on_error == "fail":
                    advice = "mend or remove it, or have such images skipped and counted (--on-error skip)"
                    raise InputError(f"{error}; {advice}") from error
                tally.since.skipped.append((item.name, str(error)))
                continue
            tally.since.count += 1
            tally.since.note_all(prepared.notes)
            tally.since.sizes.add(*prepared.size)
            tally.since.colourless += prepared.colourless
            yield _Row(index, item, prepared.images, prepared.digest)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare_item(item: Item, preparations: tuple[Preparation, ...]) -> _Prepared:
    decoded: dict[Reduction, Decoded] = {}
    reductions: list[Reduction] = list(dict.fromkeys(each.reduction for each in preparations)) or ["scale"]
    for reduction in reductions:
        decoded[reduction] = decode(item) if reduction == "scale" else decode(item, reduction)
    notes = tuple(dict.fromkeys(note for one in decoded.values() for note in one.notes))
    images = tuple(prepare(levels_of(decoded[each.reduction], each.quantise), each) for each in preparations)
    pixels = next(iter(decoded.values())).pixels
    height, width, _ = pixels.shape
    digest = pixel_digest(levels_of(_scaled(item, decoded), "round"))
    return _Prepared(images, digest, notes, (height, width), _is_colourless(pixels))


def _scaled(item: Item, decoded: dict[Reduction, Decoded]) -> Decoded:
    """An image as it is where a protocol does not decide it, so that all runs know it by the same digest."""
    found = decoded.get("scale") or next(iter(decoded.values()))
    if "scale" in decoded or WIDE_CLIPPED not in found.notes:
        return found
    try:
        return decode(item)
    except InputError:  # of 32 bits: only Pillow's reading has a meaning
        return found


def _is_colourless(pixels: np.ndarray) -> bool:
    """Whether red, green and blue are equal in every pixel, however the image is stored."""
    some = pixels[:: max(1, pixels.shape[0] // 8)]  # of most colour images the first rows tell it
    return all(bool((part[..., :1] == part[..., 1:]).all()) for part in (some, pixels))


def _batches(
    source: Source,
    rows: Generator[_Row, None, None],
    batch_size: int,
    preparations: tuple[Preparation, ...],
    tally: _Tally,
    empty_ok: bool,
) -> Generator[Batch, None, ReadReport]:
    first: _Row | None = None
    rest = ReadReport()
    try:
        while chunk := list(itertools.islice(rows, batch_size)):
            first = first or chunk[0]
            for row in chunk:
                _check_shapes(first, row)
            yield _stack(chunk, batch_size, len(preparations), tally.taken())
    finally:
        rows.close()  # ends the threads now, not when the collector comes by
        # Not before the last batch is out: a reading that goes on behind it would count them again.
        for what, times in source.notes.items():
            tally.since.note(what, times)
        rest = tally.taken()
    skipped = tally.total.skipped
    if first is None and not empty_ok:
        reason = f"; the first: {skipped[0][1]}" if skipped else ""
        raise InputError(f"none of the {len(skipped)} images of {source.name} could be read{reason}")
    return rest


def _check_shapes(first: _Row, row: _Row) -> None:
    for expected, image in zip(first.images, row.images, strict=True):
        if image.shape != expected.shape:  # only possible without a size
            raise InputError(
                f"{row.item.where} is {image.shape[0]} x {image.shape[1]} pixels but {first.item.where} is "
                f"{expected.shape[0]} x {expected.shape[1]}; "
                "choose an extractor that resizes, or bring the images to one size"
            )


def _stack(chunk: list[_Row], batch_size: int, preparations: int, report: ReadReport) -> Batch:
    images = []
    for index in range(preparations):
        stacked = np.zeros((batch_size, *chunk[0].images[index].shape), np.float32)
        for position, row in enumerate(chunk):
            stacked[position] = row.images[index]
        images.append(stacked)
    names, indices = tuple(row.item.name for row in chunk), np.asarray([row.place for row in chunk])
    digests = np.frombuffer(b"".join(row.digest for row in chunk), np.uint8).reshape(-1, DIGEST_BYTES)
    return Batch(tuple(images), np.arange(batch_size) < len(chunk), names, indices, digests, report)
