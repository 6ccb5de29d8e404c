"""Images of a set from the worst to the best by a measure of single images, as one picture a set."""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from jaxeval.errors import InputError
from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.images import PixelRules, decode_exact, open_video
from jaxeval.images.matching import open_images
from jaxeval.pairs import PAIR_MEASURES, PairScores, PairsEvaluation
from jaxeval.pairs.settings import STORED_LUMA
from jaxeval.pairs.videos import frame_name
from jaxeval.report.drawing import FAINT, PAPER, file_names, fitted, png_bytes, shown, write_text
from jaxeval.report.order import drawn_ranges, from_worst, values_as_text, within

_PANEL, _GAP, _LABEL, _HEAD = (300, 260), 10, 24, 64
_COLUMNS = 3


def draw_contact_sheets(
    evaluation: PairsEvaluation, folder: str | Path, *, metric: str | None = None, count: int = 8
) -> list[Path]:
    """Draws the worst images of each set, and the best one beside them, into a folder, which is made if need be.

    Args:
      evaluation: what `score_images` found; the images must still be where they were.
      folder: where to: a file `SET.png` a set.
      metric: by which measure; the first that has a better direction if None.
      count: images of each set; at least 1.

    Returns:
      The sheets; none if no measure has a better direction and none was asked for.

    Raises:
      InputError: there is no such order, an image is gone, or the folder cannot be written.
    """
    if count < 1:
        raise InputError(f"the number of exhibits is {count}; at least 1 can be drawn")
    ordered = [name for name in evaluation.metrics if PAIR_MEASURES[name].better]
    if metric is None and not ordered:
        return []
    metric = ordered[0] if metric is None else metric
    if metric not in ordered:
        raise InputError(f"there is no order from worst to best by {metric!r}; choose from {', '.join(ordered)}")
    folder = local_path(folder)
    check_writable(folder)
    sheets = []
    sets = list(evaluation.manifest["distorted"])
    for name, own in zip(sets, file_names(sets), strict=True):
        scores = from_worst(evaluation, name, metric)
        if not scores:
            continue
        label = PAIR_MEASURES[metric].label
        chosen = scores[:count]
        title = (
            f"worst {len(chosen)} of {len(scores):,} by {label}"
            if len(chosen) < len(scores)
            else f"by {label}, the worst first"
        )
        if len(scores) > count:
            chosen, title = [*chosen, scores[-1]], f"{title}, and the best"
        pixels = _pixels(evaluation, name, [score.image for score in chosen])
        ranges = drawn_ranges(pixels, chosen, evaluation.manifest["settings"]["data_range"])
        images = [shown(within(image, most), most) for image, most in zip(pixels, ranges, strict=True)]
        path = folder / f"{own}.png"
        write_atomically(path, png_bytes(_sheet(name, title, metric, chosen, len(scores), images)))
        sheets.append(path)
    return sheets


def _pixels(evaluation: PairsEvaluation, set_name: str, images: list[str]) -> list[np.ndarray]:
    """The pixels of a set's images, read again."""
    place, settings = evaluation.manifest["distorted"][set_name], evaluation.manifest["settings"]
    if evaluation.manifest["kind"] == "images":
        items = open_images(place)
        rules = PixelRules(**{field.name: settings[field.name] for field in dataclasses.fields(PixelRules)})
        gone = next((image for image in images if image not in items), None)
        if gone is not None:
            raise InputError(f"{place} has no image {gone!r} any more; score it again")
        return [decode_exact(items[image], rules) for image in images]
    frames = open_video(place, luma=settings["colour"] in STORED_LUMA).frames()
    found = {frame_name(number): frame for number, frame in enumerate(frames) if frame_name(number) in images}
    return [found[image] for image in images]


def _sheet(
    name: str, title: str, metric: str, chosen: list[PairScores], total: int, images: list[UInt8[np.ndarray, "_ _ 3"]]
) -> Image.Image:
    columns = min(_COLUMNS, len(chosen))
    panels = [fitted(image, *_PANEL) for image in images]
    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [2 * _LABEL + max(panel.height for panel in row) + _GAP for row in rows]
    width = max(columns * (_PANEL[0] + _GAP) + _GAP, 640)
    sheet = Image.new("RGB", (width, _HEAD + sum(heights) + _GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    write_text(draw, (_GAP, 8), name, 18, width=width - 2 * _GAP)
    write_text(draw, (_GAP, 36), title, 13, colour=FAINT)
    top, rank = _HEAD, 0
    for row, height in zip(rows, heights, strict=True):
        for column, panel in enumerate(row):
            left, score = _GAP + column * (_PANEL[0] + _GAP), chosen[rank]
            rank += 1
            place = total if rank == len(chosen) and total > len(chosen) else rank
            write_text(draw, (left, top), f"{place}. {score.image}", width=_PANEL[0])
            write_text(draw, (left, top + 20), values_as_text(score, metric, []), 12, colour=FAINT)
            sheet.paste(panel, (left, top + 2 * _LABEL))
        top += height
    return sheet
