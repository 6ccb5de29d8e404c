"""`find_boxes`: a detector looks at a set of images; `sets_of_boxes`: the boxes of one or several sets."""

import collections
import dataclasses
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxeval._arguments import at_least, checked, first_of, optional, shown, text
from jaxeval._faults import memory_said
from jaxeval.detection.box_files import read_found_boxes, truth_given
from jaxeval.detection.boxes import FoundBoxes, TrueBoxes
from jaxeval.detection.detector import Detector, Findings
from jaxeval.detection.detectors import load_detector
from jaxeval.detection.image_names import places_of_names, said_of_others
from jaxeval.detection.kept_findings import KeptFindings
from jaxeval.detection.parts_of_sides import seem_parts
from jaxeval.errors import InputError
from jaxeval.images import Item, ReadReport, Source, open_source, pixel_digest
from jaxeval.images.matching import named_sets, sets_given
from jaxeval.images.report import EXIF, EXIF_APPLIED
from jaxeval.images.upright import upright_pixels
from jaxeval.progress import Progress

_MOST_THREADS = 32
_EXIF = ("apply", "ignore")


def _exif(name: str, value: Any) -> Any:
    if not isinstance(value, str) or value not in _EXIF:
        raise InputError(f"{name} {value!r} is not known; choose 'apply' or 'ignore'")
    return value


@checked(
    name=optional(lambda name, value: text(name, value, "a name for the set")),
    batch_size=at_least(1),
    exif=_exif,
)
@memory_said("look at these images", "lower --batch-size or --threads")
def find_boxes(
    images: Any,
    detector: Any,
    *,
    name: str | None = None,
    cache: str | Path | None = None,
    batch_size: int = 8,
    threads: int | None = None,
    on_error: str = "fail",
    exif: str = "apply",
    progress: Progress | None = None,
) -> FoundBoxes:
    """A detector looks at every image of a set.

    Images are read as RGB of 8 bits: gray is repeated, alpha is dropped, and both are counted. The orientation in EXIF
    is applied, as OpenCV's `imread` does, through which most detectors' own tools read.

    Args:
      images: whatever `jaxeval.images.open_source` takes: a folder, an archive, arrays and others.
      detector: a `Detector`, or what `load_detector` makes one of: its name, or a callable.
      name: what messages and tables call the set; by default what `images` is called.
      cache: a folder that keeps what is found, image by image, under the detector's identity. The same command goes on
        there after a kill. What a detector without an identity finds is not kept, which is said.
      batch_size: how many images the detector is called with.
      threads: how many decode; by default one for each processor.
      on_error: what an image that cannot be read is: the end ("fail"), or left out and said ("skip").
      exif: whether to `apply` an orientation that a file asks for, or to `ignore` it.
      progress: who is told how far it has come.

    Returns:
      The boxes; `identity` has, besides the detector's own, `exif`, `notes` (how often each conversion happened),
      `skipped` (the name and the reason of each image that was left out) and `warnings` (sentences).

    Raises:
      InputError: an argument is wrong, an image cannot be read, no image is left, or the detector fails or gives back
        what is no finding. What was found before is kept where there is a cache.
      OutOfMemoryError: a batch does not fit into memory.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import find_boxes
      >>> def brightest(batch):
      ...     places = [np.unravel_index(image.sum(2).argmax(), image.shape[:2]) for image in batch]
      ...     return [{"boxes": [[x, y, x + 1, y + 1]], "scores": [0.9], "labels": ["light"]} for y, x in places]
      >>> images = np.zeros((2, 8, 8, 3), np.uint8)
      >>> images[0, 2, 3] = images[1, 5, 1] = 255
      >>> find_boxes(images, brightest).boxes.tolist()
      [[3.0, 2.0, 1.0, 1.0], [1.0, 5.0, 1.0, 1.0]]
    """
    detector = detector if isinstance(detector, Detector) else load_detector(detector)
    source = open_source(images, name=name)
    kept = KeptFindings(cache, detector.identity) if cache is not None and detector.identity else None
    report, warnings = ReadReport(), []
    if cache is not None and kept is None:
        warnings.append(
            f"what the detector {detector.name} finds is not kept: nothing tells whether it stays the same; give the "
            "callable an attribute `identity` (a mapping), or name it as MODULE:FUNCTION"
        )
    looked = _Looked(detector, kept)
    threads = threads or min(_MOST_THREADS, _processors())
    if progress is not None:
        progress.begin(source.name, len(source))
    for batch in _batches(source.items(), batch_size, threads, exif, report, on_error == "skip", progress):
        looked.take(batch)
        if progress is not None:
            progress.advance(len(batch))
    if progress is not None:
        progress.end()
    for what, times in source.notes.items():
        report.note(what, times)
    if not looked.names:
        reason = f": {report.skipped[0][1]}" if report.skipped else ""
        raise InputError(f"no image of {source.name} is left to look at{reason}")
    if kept is not None and kept.damaged:
        entries = "1 kept finding was" if kept.damaged == 1 else f"{kept.damaged} kept findings were"
        warnings.append(
            f"{entries} damaged or cut short, not believed and taken out; images of which there is no other are looked "
            "at again"
        )
        kept.mend()
    if report.skipped:
        count, (first, why) = len(report.skipped), report.skipped[0]
        warnings.append(f"{count} image{'s'[: count != 1]} could not be read and left out, first {first}: {why}")
    identity = {
        "detector": detector.name,
        **({"identity": dict(detector.identity)} if detector.identity else {}),
        "exif": exif,
        "notes": dict(report.notes),
        "skipped": [list(one) for one in report.skipped],
        "warnings": warnings,
    }
    found = looked.boxes(source.name, identity)
    if seem_parts(found.boxes):
        warnings.append(
            f"hardly any box that the detector {detector.name} found reaches beyond the first pixel; if it gives parts "
            "of the image's sides, say so by its box layout (normalised-xyxy and others)"
        )
    return found


@checked(batch_size=at_least(1), exif=_exif, found=optional(sets_given), truth=truth_given)
def sets_of_boxes(
    images: Any = None,
    *,
    detector: Any = None,
    found: str | Path | Sequence[str | Path] | Mapping[str, str | Path] | None = None,
    truth: TrueBoxes | None = None,
    cache: str | Path | None = None,
    batch_size: int = 8,
    threads: int | None = None,
    on_error: str = "fail",
    exif: str = "apply",
    normalised: bool | None = None,
    progress: Progress | None = None,
) -> dict[str, FoundBoxes]:
    """The boxes of one or several sets of images: from a detector that looks at them, or from files.

    Args:
      images: a folder of images, an archive or an array file; several of them as a list; or by name, where each may be
        whatever `jaxeval.images.open_source` takes.
      detector: as for `find_boxes`; loaded once for all sets.
      found: in the place of `detector`, a file of boxes for each set, as `read_found_boxes` reads: of each of `images`
        in order, or by the names of `images`; or alone, where the files name the sets.
      truth: the annotations whose ids COCO's results have.
      cache: as for `find_boxes`.
      batch_size: as for `find_boxes`.
      threads: as for `find_boxes`.
      on_error: as for `find_boxes`.
      exif: as for `find_boxes`.
      normalised: of `found`, as for `read_found_boxes`.
      progress: as for `find_boxes`.

    Returns:
      By the set's name its boxes. Of sets with `images` and `found`, images without a box in the file count as looked
      at.

    Raises:
      InputError: as `find_boxes` and `read_found_boxes`; or neither a detector nor files are given, or not one file for
        each set, or a file has an image that its set has not.
      OutOfMemoryError: a batch does not fit into memory.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import sets_of_boxes
      >>> def nothing(batch):
      ...     return [([], [], []) for _ in batch]
      >>> sets = sets_of_boxes({"black": np.zeros((2, 8, 8, 3), np.uint8)}, detector=nothing)
      >>> print(sets["black"])
      black: 0 boxes of 0 categories in 2 images
    """
    if (detector is None) == (found is None):
        raise InputError("give either a detector that looks at the images, or files of what was found in them")
    sets = None if images is None else _sets_of_images(images)
    if detector is not None:
        if sets is None:
            raise InputError(f"there is nothing that the detector {detector} could look at; give images")
        loaded = detector if isinstance(detector, Detector) else load_detector(detector)
        return {
            name: find_boxes(
                one,
                loaded,
                name=name,
                cache=cache,
                batch_size=batch_size,
                threads=threads,
                on_error=on_error,
                exif=exif,
                progress=progress,
            )
            for name, one in sets.items()
        }
    files = dict(named_sets(found or (), "file of boxes"))
    if sets is None:
        return {
            name: read_found_boxes(path, truth=truth, name=name, normalised=normalised) for name, path in files.items()
        }
    if isinstance(found, Mapping):
        unmatched = sorted(set(files) ^ set(sets))
        if unmatched:
            raise InputError(f"the set {unmatched[0]!r} has not both images and a file of boxes; give both by one name")
        matched = {name: files[name] for name in sets}
    else:
        if len(files) != len(sets):
            raise InputError(f"there are {len(files)} files of boxes for {len(sets)} sets of images; give one for each")
        matched = dict(zip(sets, files.values(), strict=True))
    boxes = {
        name: read_found_boxes(path, truth=truth, name=name, normalised=normalised) for name, path in matched.items()
    }
    return {name: _of_images(boxes[name], open_source(sets[name], name=name), path) for name, path in matched.items()}


def warnings_of(sets: Mapping[str, FoundBoxes]) -> tuple[str, ...]:
    """What a reader should know of how boxes were found, a sentence each, with the set's name before it.

    Args:
      sets: as `sets_of_boxes` gives them.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import sets_of_boxes
      >>> from jaxeval.detection.finding import warnings_of
      >>> def nothing(batch):
      ...     return [([], [], []) for _ in batch]
      >>> warnings_of(sets_of_boxes({"black": np.zeros((2, 8, 8, 3), np.uint8)}, detector=nothing))
      ()
    """
    return tuple(f"{name}: {one}" for name, found in sets.items() for one in found.identity.get("warnings", ()))


def _sets_of_images(images: Any) -> dict[str, Any]:
    if isinstance(images, Mapping):
        if not images:
            raise InputError("no set of images was given; name at least one folder")
        return {str(name): one for name, one in images.items()}
    paths = [images] if isinstance(images, str | Path) else images
    if not isinstance(paths, list | tuple) or not all(isinstance(one, str | Path) for one in paths):
        raise InputError(f"images are {shown(images)}; give paths, or sets by name as in {{'ours': ...}}")
    return {name: name for name, _ in named_sets(paths, "set of images")}  # text, in which there may be options


def _of_images(boxes: FoundBoxes, source: Source, path: str | Path) -> FoundBoxes:
    """The boxes as those of the images of a source, by their names as `places_of_names` finds them."""
    names = tuple(source.names())
    used = np.unique(boxes.image)
    found, others = places_of_names(boxes.images, names, extension=False)
    wrong = used[found[used] < 0]
    if len(wrong):
        raise InputError(
            f"{path} has boxes of {boxes.images[wrong[0]]!r}, and there is no such image in {source.name}, or more "
            f"than one that may be meant ({first_of(names)})"
        )
    loose, firm = {name for name, _ in others}, set(used.tolist())
    firm |= {own for own, name in enumerate(boxes.images) if name not in loose}
    taken = set(found[sorted(firm)].tolist())
    for own in set(range(len(found))) - firm:  # of another folder and without a box
        found[own] = -1 if found[own] in taken else found[own]
    taken = found[found >= 0]
    if len(set(taken.tolist())) != len(taken):
        raise InputError(f"{path} calls one image of {source.name} by two names; name it as its file is called")
    sizes = np.zeros((len(names), 2), np.int64)
    if boxes.sizes is not None:
        sizes[taken] = boxes.sizes[found >= 0]
    identity = dict(boxes.identity)
    if others:
        identity["warnings"] = [*identity.get("warnings", ()), *said_of_others(str(path), others)]
    return dataclasses.replace(boxes, images=names, image=found[boxes.image], sizes=sizes, identity=identity)


@dataclasses.dataclass(frozen=True, eq=False)
class _Read:
    name: str
    pixels: UInt8[np.ndarray, "h w 3"]
    notes: tuple[str, ...]


class _Looked:
    """What has been looked at so far, and what was found."""

    def __init__(self, detector: Detector, kept: KeptFindings | None):
        self._detector = detector
        self._kept = kept
        self.names: list[str] = []
        self._sizes: list[tuple[int, int]] = []
        self._findings: list[Findings] = []

    def take(self, batch: Sequence[_Read]) -> None:
        """Finds what is in some more images, or knows it already."""
        known: list[Findings | None] = [None] * len(batch)
        digests: list[bytes] = []
        if self._kept is not None:
            digests = [pixel_digest(read.pixels) for read in batch]
            sizes = [read.pixels.shape[:2] for read in batch]
            known = [self._kept.find(*one) for one in zip(digests, sizes, strict=True)]
        places = [place for place, found in enumerate(known) if found is None]
        fresh: dict[bytes, Findings] = {}
        try:
            if places:
                rows = self._detector.rows([batch[i].pixels for i in places], [batch[i].name for i in places])
                for place, found in zip(places, rows, strict=True):
                    known[place] = found
                    if digests:
                        fresh[digests[place]] = found
        finally:
            if self._kept is not None and fresh:
                self._kept.add(fresh)
        self.names += [read.name for read in batch]
        self._sizes += [read.pixels.shape[:2] for read in batch]
        self._findings += [found for found in known if found is not None]

    def boxes(self, name: str, identity: Mapping[str, Any]) -> FoundBoxes:
        """All of it."""
        findings, counts = self._findings, [len(found) for found in self._findings]
        names = [label for found in findings for label in found.labels]
        labels = self._detector.labels if self._detector.labels is not None else sorted(set(names))
        labels = tuple(dict.fromkeys(labels))  # lists of labels have the same filler for several numbers
        places = {label: place for place, label in enumerate(labels)}
        return FoundBoxes(
            name=name,
            images=tuple(self.names),
            labels=labels,
            image=np.repeat(np.arange(len(findings)), counts),
            label=np.array([places[label] for label in names], np.int64),
            boxes=np.concatenate([found.boxes for found in findings]),
            scores=np.concatenate([found.scores for found in findings]),
            texts=self._of_all("texts"),
            masks=self._of_all("masks"),
            sizes=np.array(self._sizes, np.int64),
            identity=identity,
        )

    def _of_all(self, field: str) -> tuple[Any, ...] | None:
        """Of each box; None where the detector gives none.

        Raises:
          InputError: it gives some of one image and none of another.
        """
        given = [getattr(found, field) for found in self._findings]
        if all(values is None for values in given):
            return None
        for name, found, values in zip(self.names, self._findings, given, strict=True):
            if values is None and len(found):
                raise InputError(
                    f"the detector {self._detector.name} gives {field} of some images and none of {name}; give them "
                    "of all, or of none"
                )
        return tuple(value for values in given for value in values or ())


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _batches(
    items: Iterator[Item],
    batch_size: int,
    threads: int,
    exif: str,
    report: ReadReport,
    skip: bool,
    progress: Progress | None,
) -> Iterator[list[_Read]]:
    """Images in order, decoded by threads that work ahead by about a batch."""
    pending: collections.deque[tuple[Item, Future[_Read]]] = collections.deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="jaxeval-images")
    batch: list[_Read] = []
    try:
        while True:
            for item in itertools.islice(items, batch_size + 2 * threads - len(pending)):
                pending.append((item, pool.submit(_read, item, exif)))
            if not pending:
                break
            item, future = pending.popleft()
            try:
                read = future.result()
            except InputError as error:
                if not skip:
                    advice = "mend or remove it, or have such images left out (--on-error skip)"
                    raise InputError(f"{error}; {advice}") from error
                report.skipped.append((item.name, str(error)))
                if progress is not None:
                    progress.advance(1)
                continue
            report.count += 1
            report.note_all(read.notes)
            batch.append(read)
            if len(batch) == batch_size:
                yield batch
                batch = []
        if batch:
            yield batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read(item: Item, exif: str) -> _Read:
    pixels, notes = upright_pixels(item, turn=exif == "apply")
    if exif == "apply":
        notes = tuple(EXIF_APPLIED if note == EXIF else note for note in notes)
    return _Read(item.name, pixels, notes)
