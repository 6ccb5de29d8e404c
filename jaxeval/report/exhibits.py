"""The worst pairs as pictures: a sheet a set, and maps of where images differ."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from jaxeval.errors import InputError
from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.images import PixelRules, decode_exact, open_video
from jaxeval.images.matching import match_pairs, open_images, with_names
from jaxeval.ops.image_quality import ssim_terms
from jaxeval.pairs import PAIR_MEASURES, PairScores, PairsEvaluation
from jaxeval.pairs.settings import STORED_LUMA
from jaxeval.pairs.videos import frame_name
from jaxeval.report.drawing import FAINT, PAPER, coloured, file_names, fitted, png_bytes, safe_name, shown, write_text
from jaxeval.report.order import drawn_ranges, from_worst, values_as_text, within

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
        usable = _ordering(evaluation)
        raise InputError(f"there is no order from worst to best by {metric!r}; choose from {', '.join(usable)}")
    return from_worst(evaluation, set_name, metric)


def _ordering(evaluation: PairsEvaluation) -> list[str]:
    """The measures of pairs that have a better direction, in the order of the evaluation."""
    known = (PAIR_MEASURES[name] for name in evaluation.metrics if name in PAIR_MEASURES)
    return [measure.name for measure in known if measure.better and not measure.alone]


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
    ordered = _ordering(evaluation)
    if metric is None and not ordered:
        return []
    metric = ordered[0] if metric is None else metric
    folder = local_path(folder)
    sets = evaluation.manifest["distorted"]
    reference_name = evaluation.manifest["reference"]
    noun = "frame " if evaluation.manifest["kind"] == "frames" else ""
    sheets = []
    for name, own in zip(sets, file_names(list(sets)), strict=True):
        worst = worst_first(evaluation, name, metric)[:count]
        if not worst:
            continue
        pixels = _pixels(evaluation, name, [score.image for score in worst])
        check_writable(folder / own)
        sheet = _Sheet(f"{name} against {reference_name}", f"worst {len(worst)} by {PAIR_MEASURES[metric].label}")
        ranges = drawn_ranges([first for first, _ in pixels], worst, evaluation.manifest["settings"]["data_range"])
        pixels = [(within(one, most), within(other, most)) for (one, other), most in zip(pixels, ranges, strict=True)]
        rows = [(*pair, difference_maps(*pair, most)) for pair, most in zip(pixels, ranges, strict=True)]
        brightest = max(float(np.quantile(maps.absolute, _BRIGHT)) for _, _, maps in rows)
        brightest = brightest or max(float(maps.absolute.max()) for _, _, maps in rows) or 1.0
        for rank, (score, (first, second, maps), most) in enumerate(zip(worst, rows, ranges, strict=True), start=1):
            absolute = coloured(maps.absolute / brightest)
            panels = [shown(first, most), shown(second, most), absolute]
            file_name = f"{rank:02d}_{safe_name(score.image)}"
            write_atomically(folder / own / f"{file_name}_difference.png", png_bytes(Image.fromarray(absolute)))
            if maps.ssim is not None:
                panels.append(coloured(1.0 - maps.ssim))
                write_atomically(folder / own / f"{file_name}_ssim.png", png_bytes(Image.fromarray(panels[-1])))
            sheet.add(f"{rank}. {noun}{score.image}", _values(score, metric), panels)
        bright = f"pale yellow {100 * brightest:.2g}% of the data range and more"
        light = [most for (first, _), most in zip(pixels, ranges, strict=True) if first.dtype == np.float32]
        cut = f"; values cut to 0 to {light[0]:g}" if light else ""
        sheet.note(f"absolute difference: black 0, {bright}; 1 - SSIM: black 0, pale yellow 1{cut}")
        path = folder / f"{own}.png"
        write_atomically(path, png_bytes(sheet.image()))
        sheets.append(path)
    return sheets


def _pixels(evaluation: PairsEvaluation, set_name: str, images: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pixels of each name's reference and distorted image, read again."""
    reference, distorted = evaluation.manifest["reference"], evaluation.manifest["distorted"][set_name]
    settings = evaluation.manifest["settings"]
    if evaluation.manifest["kind"] == "images":
        pattern = evaluation.manifest["patterns"][set_name]
        opened = {reference: open_images(reference)}
        # Names of an array, and of an archive below its top folder, follow from those of all sets.
        by_all = opened[reference].numbered or opened[reference].top_folder
        others = evaluation.manifest["distorted"] if by_all else {set_name: distorted}
        opened |= {name: open_images(path) for name, path in others.items()}
        opened, _ = with_names(opened, evaluation.manifest["patterns"])
        matching = match_pairs(reference, opened[reference], set_name, opened[set_name], skip=True, pattern=pattern)
        pairs = (matching.pairs[image] for image in images)
        rules = PixelRules(**{field.name: settings[field.name] for field in dataclasses.fields(PixelRules)})
        return [(decode_exact(first, rules), decode_exact(second, rules)) for first, second in pairs]
    luma = settings["colour"] in STORED_LUMA
    both = zip(open_video(reference, luma=luma).frames(), open_video(distorted, luma=luma).frames(), strict=False)
    found = {frame_name(number): pair for number, pair in enumerate(both) if frame_name(number) in images}
    return [found[image] for image in images]


def _values(score: PairScores, metric: str) -> str:
    return values_as_text(score, metric, [name for name in score.values if not PAIR_MEASURES[name].alone])


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
