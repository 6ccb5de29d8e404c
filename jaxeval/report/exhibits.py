"""The worst pairs as pictures: a sheet a set, and maps of where images differ."""

import dataclasses
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from jaxeval.errors import InputError
from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.images import PixelRules, decode_exact, open_video
from jaxeval.ops.image_quality import ssim_terms
from jaxeval.pairs import PAIR_MEASURES, PairScores, PairsEvaluation
from jaxeval.pairs.matching import match_pairs, open_images, with_names
from jaxeval.pairs.videos import frame_name
from jaxeval.report.drawing import FAINT, PAPER, coloured, fitted, shown, write_text
from jaxeval.report.table import format_value

_PANEL, _GAP, _LABEL, _HEAD = (300, 260), 8, 24, 64
_WINDOW = 11
_BRIGHT = 0.995  # share of the pixels of a map whose differences its colours tell apart


@dataclasses.dataclass(frozen=True, eq=False)
class Maps:
    """Where two images differ.

    Attributes:
      absolute: [H, W], mean over the channels of the absolute difference, as a share of the data range.
      ssim: [H, W], mean over the channels of SSIM around each pixel; None where an image is smaller than its window.
    """

    absolute: Float[np.ndarray, "h w"]
    ssim: Float[np.ndarray, "h w"] | None


def difference_maps(reference: np.ndarray, distorted: np.ndarray, data_range: float | None = None) -> Maps:
    """The maps of two images [H, W, C] of one shape and dtype; SSIM by scikit-image's convention.

    The data range is that of the dtype if None, which floats do not have.
    """
    data_range = float(np.iinfo(reference.dtype).max) if data_range is None else data_range
    absolute = np.abs(reference.astype(np.float64) - distorted).mean(2) / data_range
    if min(reference.shape[:2]) < _WINDOW:
        return Maps(absolute, None)
    found = ssim_terms(distorted[None], reference[None], data_range=data_range).map[0]
    return Maps(absolute, np.asarray(found, np.float64).mean(2))


def worst_first(evaluation: PairsEvaluation, set_name: str, metric: str) -> list[PairScores]:
    """The pairs of a set from the worst to the best by a measure; what is not a number comes first.

    Raises:
      InputError: the measure was not computed, is of single images, or has no better direction.
    """
    measure = PAIR_MEASURES.get(metric)
    if measure is None or metric not in evaluation.metrics or measure.alone or measure.better is None:
        usable = [name for name in evaluation.metrics if PAIR_MEASURES[name].better and not PAIR_MEASURES[name].alone]
        raise InputError(f"there is no order from worst to best by {metric!r}; choose from {', '.join(usable)}")
    sign = -1.0 if measure.better == "lower" else 1.0

    def key(score: PairScores) -> tuple[bool, float]:
        value = score.values[metric]
        return (False, 0.0) if math.isnan(value) else (True, sign * value)

    return sorted((score for score in evaluation.scores if score.set == set_name), key=key)


def draw_exhibits(
    evaluation: PairsEvaluation, folder: str | Path, *, metric: str | None = None, count: int = 8
) -> list[Path]:
    """Draws the worst pairs of each distorted set into a folder, which is made if need be.

    A set has a sheet, `SET.png` (reference, distorted, absolute difference, 1 - SSIM, a row a pair, worst first, with
    its value), and in `SET/` the two maps of each pair in full size. Maps are in magma: black for equal; pale yellow
    from the absolute difference that one pixel in 200 of the sheet exceeds, and for SSIM of 0 and below. Floats are cut
    to 0 to the data range; without one, to 0 to what one value in 200 of the set's drawn references exceeds.

    Args:
      evaluation: what `score_pairs` found; the images must still be where they were.
      folder: where to.
      metric: by which measure; the first that has a better direction if None.
      count: pairs of each set; at least 1.

    Returns:
      The sheets.

    Raises:
      InputError: there is no such order, an image is gone, or the folder cannot be written.
    """
    if count < 1:
        raise InputError(f"the number of exhibits is {count}; at least 1 can be drawn")
    ordered = [name for name in evaluation.metrics if PAIR_MEASURES[name].better and not PAIR_MEASURES[name].alone]
    if metric is None and not ordered:
        return []
    metric = ordered[0] if metric is None else metric
    folder = local_path(folder)
    sets = evaluation.manifest["distorted"]
    reference_name = evaluation.manifest["reference"]
    noun = "frame " if evaluation.manifest["kind"] == "frames" else ""
    sheets = []
    for name, own in zip(sets, _file_names(list(sets)), strict=True):
        worst = worst_first(evaluation, name, metric)[:count]
        if not worst:
            continue
        pixels = _pixels(evaluation, name, [score.image for score in worst])
        check_writable(folder / own)
        sheet = _Sheet(f"{name} against {reference_name}", f"worst {len(worst)} by {PAIR_MEASURES[metric].label}")
        most = _drawn_range(evaluation, pixels)
        if most is not None:
            pixels = [(np.clip(first, 0, most), np.clip(second, 0, most)) for first, second in pixels]
        rows = [(*pair, difference_maps(*pair, most)) for pair in pixels]
        brightest = max(float(np.quantile(maps.absolute, _BRIGHT)) for _, _, maps in rows)
        brightest = brightest or max(float(maps.absolute.max()) for _, _, maps in rows) or 1.0
        for rank, (score, (first, second, maps)) in enumerate(zip(worst, rows, strict=True), start=1):
            absolute = coloured(maps.absolute / brightest)
            panels = [_shown(first, most), _shown(second, most), absolute]
            file_name = f"{rank:02d}_{_safe(score.image)}"
            write_atomically(folder / own / f"{file_name}_difference.png", _png(Image.fromarray(absolute)))
            if maps.ssim is not None:
                panels.append(coloured(1.0 - maps.ssim))
                write_atomically(folder / own / f"{file_name}_ssim.png", _png(Image.fromarray(panels[-1])))
            sheet.add(f"{rank}. {noun}{score.image}", _values(score, metric), panels)
        bright = f"pale yellow {100 * brightest:.2g}% of the data range and more"
        cut = "" if most is None else f"; values cut to 0 to {most:g}"
        sheet.note(f"absolute difference: black 0, {bright}; 1 - SSIM: black 0, pale yellow 1{cut}")
        path = folder / f"{own}.png"
        write_atomically(path, _png(sheet.image()))
        sheets.append(path)
    return sheets


def _pixels(evaluation: PairsEvaluation, set_name: str, images: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pixels of each name's reference and distorted image, read again."""
    reference, distorted = evaluation.manifest["reference"], evaluation.manifest["distorted"][set_name]
    settings = evaluation.manifest["settings"]
    if evaluation.manifest["kind"] == "images":
        opened = {reference: open_images(reference)}
        # Names of an array, and of an archive below its top folder, follow from those of all sets.
        by_all = opened[reference].numbered or opened[reference].top_folder
        others = evaluation.manifest["distorted"] if by_all else {set_name: distorted}
        opened, _ = with_names(opened | {name: open_images(path) for name, path in others.items()})
        matching = match_pairs(reference, opened[reference], set_name, opened[set_name], skip=True)
        pairs = (matching.pairs[image] for image in images)
        rules = PixelRules(settings["alpha"], settings["exif"])
        return [(decode_exact(first, rules), decode_exact(second, rules)) for first, second in pairs]
    luma = settings["channels"] != "all"
    both = zip(open_video(reference, luma=luma).frames(), open_video(distorted, luma=luma).frames(), strict=False)
    found = {frame_name(number): pair for number, pair in enumerate(both) if frame_name(number) in images}
    return [found[image] for image in images]


def _drawn_range(evaluation: PairsEvaluation, pixels: Sequence[tuple[np.ndarray, np.ndarray]]) -> float | None:
    """The value that is drawn white in images of floats; None for others, whose bits say it."""
    floats = [first for first, _ in pixels if first.dtype == np.float32]
    if not floats:
        return None
    given = evaluation.manifest["settings"]["data_range"]
    found = np.quantile(np.concatenate([image.ravel() for image in floats]), _BRIGHT) if given is None else given
    return float(found) if found > 0 else 1.0


def _shown(pixels: np.ndarray, most: float | None) -> np.ndarray:
    """Pixels as 8-bit RGB: those of floats from 0 to `most`."""
    return shown(pixels if most is None else (pixels * (255.0 / most)).round().astype(np.uint8))


def _values(score: PairScores, metric: str) -> str:
    """The values of a pair as text: the measure that orders the sheet first, then the others."""
    names = [metric, *(name for name in score.values if name != metric and not PAIR_MEASURES[name].alone)]
    return "   ".join(f"{PAIR_MEASURES[name].label} {_text(score.values[name])}" for name in names[:5])


def _text(value: float) -> str:
    return format_value(value) if math.isfinite(value) else "infinite" if math.isinf(value) else "not a number"


class _Sheet:
    """A picture made of rows of panels under a title."""

    _HEADINGS = ("reference", "distorted", "absolute difference", "1 - SSIM")

    def __init__(self, title: str, subtitle: str):
        self._title, self._subtitle, self._note = title, subtitle, ""
        self._rows: list[tuple[str, str, list[Image.Image]]] = []

    def add(self, name: str, values: str, panels: Sequence[np.ndarray]) -> None:
        self._rows.append((name, values, [fitted(panel, *_PANEL) for panel in panels]))

    def note(self, text: str) -> None:
        self._note = text

    def image(self) -> Image.Image:
        columns = max(len(panels) for _, _, panels in self._rows)
        width = max(columns * (_PANEL[0] + _GAP) + _GAP, 640)
        heights = [_LABEL + max(panel.height for panel in panels) + _GAP for _, _, panels in self._rows]
        sheet = Image.new("RGB", (width, _HEAD + _LABEL + sum(heights) + _LABEL), PAPER)
        draw = ImageDraw.Draw(sheet)
        write_text(draw, (_GAP, 8), self._title, 18, width=width - 2 * _GAP)
        write_text(draw, (_GAP, 36), self._subtitle, 13, colour=FAINT)
        for column in range(columns):
            place = (_GAP + column * (_PANEL[0] + _GAP), _HEAD)
            write_text(draw, place, self._HEADINGS[column], 13, colour=FAINT)
        top = _HEAD + _LABEL
        for (name, values, panels), height in zip(self._rows, heights, strict=True):
            write_text(draw, (_GAP, top), name, width=_PANEL[0])
            write_text(draw, (2 * _GAP + _PANEL[0], top), values, 13)
            for column, panel in enumerate(panels):
                sheet.paste(panel, (_GAP + column * (_PANEL[0] + _GAP), top + _LABEL))
            top += height
        write_text(draw, (_GAP, top + 2), self._note, 12, colour=FAINT, width=width - 2 * _GAP)
        return sheet


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=False)
    return stream.getvalue()


def _file_names(sets: Sequence[str]) -> list[str]:
    """A name for each set's files: the last part of its path, numbered where two are alike."""
    found: list[str] = []
    for name in sets:
        own = _safe(Path(name).resolve().name if Path(name).name in ("", ".", "..") else Path(name).name)
        found.append(own if own not in found else f"{own}-{len(found) + 1}")
    return found


def _safe(name: str) -> str:
    """A name without anything that a file system could take for more than letters."""
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("._")[-80:] or "image"
