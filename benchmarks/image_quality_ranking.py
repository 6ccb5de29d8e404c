"""Does every measure of quality order distortions by their strength? `python -m benchmarks.image_quality_ranking`.

Ten photographs of scikit-image, their middle square reduced to 256 pixels (512 for measures of single images), are
distorted in five ways at six strengths. A measure orders a photograph as expected if each strength scores worse than
the one before. Measures of single images (NIQE, BRISQUE) are not asked about shifts, which leave an image as good as it
was; those whose weights are not there are left out and said. The table that this writes is kept as
docs/image_quality_ranking.md.
"""

import argparse
import importlib.metadata
import io
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import jax
import numpy as np
import scipy.ndimage
import skimage.data
from jaxtyping import Float, UInt8
from PIL import Image

from jaxeval.errors import WeightsMissingError
from jaxeval.files import local_path
from jaxeval.pairs import PAIR_MEASURES, PairMeasure

PHOTOGRAPHS = (
    "astronaut",
    "coffee",
    "chelsea",
    "rocket",
    "immunohistochemistry",
    "hubble_deep_field",
    "retina",
    "camera",
    "moon",
    "grass",
)
STRENGTHS = 6
_MARGIN = STRENGTHS

Picture = UInt8[np.ndarray, "h w 3"]


def photograph(name: str, size: int = 256) -> Picture:
    """The middle square of a photograph as RGB of `size` pixels and a margin of six along every edge, for shifts."""
    pixels = getattr(skimage.data, name)()
    image = Image.fromarray(pixels).convert("RGB")
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    whole = size + 2 * _MARGIN
    return np.asarray(image.crop((left, top, left + side, top + side)).resize((whole, whole), Image.Resampling.LANCZOS))


def _middle(picture: Picture, right: int = 0) -> Picture:
    return picture[_MARGIN:-_MARGIN, _MARGIN + right : picture.shape[1] - _MARGIN + right]


def _jpeg(picture: Picture, strength: int) -> Picture:
    stream = io.BytesIO()
    quality = (90, 70, 50, 30, 15, 7)[strength - 1]
    Image.fromarray(_middle(picture)).save(stream, format="JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def _blur(picture: Picture, strength: int) -> Picture:
    sigma = 0.5 * strength
    return _rounded(_middle(scipy.ndimage.gaussian_filter(picture.astype(np.float64), (sigma, sigma, 0))))  # pyright: ignore[reportArgumentType]


def _noise(picture: Picture, strength: int) -> Picture:
    reference = _middle(picture)
    draws = np.random.default_rng(0).standard_normal(reference.shape)
    return _rounded(reference + 6.0 * strength * draws)


def _contrast(picture: Picture, strength: int) -> Picture:
    reference = _middle(picture).astype(np.float64)
    mean = reference.mean((0, 1))
    return _rounded(mean + (reference - mean) * (1.0 - 0.12 * strength))


def _shift(picture: Picture, strength: int) -> Picture:
    return _middle(picture, strength)


def _rounded(values: Float[np.ndarray, "h w 3"]) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


DISTORTIONS: dict[str, Callable[[Picture, int], Picture]] = {
    "JPEG": _jpeg,
    "blur": _blur,
    "noise": _noise,
    "contrast": _contrast,
    "shift": _shift,
}
_OF_PAIRS_ONLY = ("shift",)
# Measures of single images compare statistics of patches with those of natural images: NIQE has 36 features of patches
# of 96 pixels, of which 256 pixels hold four.
_LEAST_SIZE_ALONE = 512
_MOST_SHOWN = 3  # photographs whose scores are shown, of a measure and a distortion
_MEANING = {
    "JPEG": "quality 90, 70, 50, 30, 15, 7",
    "blur": "Gaussian, sigma 0.5 to 3 pixels in steps of 0.5",
    "noise": "Gaussian, standard deviation 6 to 36 levels in steps of 6, clipped",
    "contrast": "88% to 28% of each channel's contrast about its mean, in steps of 12%",
    "shift": "1 to 6 pixels along the rows",
}


class Row(NamedTuple):
    """Scores of one measure for one photograph under one distortion.

    Attributes:
      measure, distortion, photograph: names.
      scores: by strength, the mildest first.
      worse: for each step to the next strength, whether the score got worse.
    """

    measure: str
    distortion: str
    photograph: str
    scores: tuple[float, ...]
    worse: tuple[bool, ...]


def distorted(name: str, size: int = 256) -> tuple[Picture, dict[str, list[Picture]]]:
    """A photograph without its margin, and what each distortion makes of it, the mildest first."""
    picture = photograph(name, size)
    strengths = range(1, STRENGTHS + 1)
    made = {kind: [distort(picture, strength) for strength in strengths] for kind, distort in DISTORTIONS.items()}
    return _middle(picture), made


def rank(measures: Sequence[PairMeasure], photographs: Sequence[str] = PHOTOGRAPHS, size: int = 256) -> Iterable[Row]:
    """The scores of every measure, distortion and photograph.

    Raises:
      WeightsMissingError: a measure's weights are not there.
    """
    for measure in measures:
        op = measure.load()
        for name in photographs:
            reference, made = distorted(name, max(size, _LEAST_SIZE_ALONE) if measure.alone else size)
            if measure.alone:
                made = {kind: images for kind, images in made.items() if kind not in _OF_PAIRS_ONLY}
            batch = np.stack([image for images in made.values() for image in images])
            references = () if measure.alone else (np.broadcast_to(reference, batch.shape),)
            values = np.asarray(op(batch, *references, data_range=255), np.float64)
            sign = -1.0 if measure.better == "lower" else 1.0
            for kind, scores in zip(made, values.reshape(len(made), STRENGTHS), strict=True):
                worse = tuple(bool(step < 0) for step in np.diff(sign * scores))
                yield Row(measure.name, kind, name, tuple(map(float, scores)), worse)


def report(rows: Sequence[Row], size: int) -> str:
    """The table and the exceptions, as Markdown."""
    photographs = list(dict.fromkeys(row.photograph for row in rows))
    measures = list(dict.fromkeys(row.measure for row in rows))
    lines = [
        "# Do the measures order distortions by their strength?",
        "",
        f"Written by `python -m benchmarks.image_quality_ranking`: {len(photographs)} photographs of scikit-image "
        f"{importlib.metadata.version('scikit-image')} ({', '.join(photographs)}), "
        f"their middle square reduced to {size} x {size} pixels, gray ones as RGB, at six strengths:",
        "",
        *(f"- {kind}: {meaning}" for kind, meaning in _MEANING.items()),
        "",
        f"Measures of single images see them at {max(size, _LEAST_SIZE_ALONE)} pixels.",
        "",
        "A number is of photographs whose six strengths a measure puts in order, each worse than the one before "
        f"(float32 on the {jax.default_backend().upper()}, jax {jax.__version__}).",
        "",
        f"| measure | {' | '.join(DISTORTIONS)} |",
        f"|---|{'---:|' * len(DISTORTIONS)}",
    ]
    for measure in measures:
        found = {
            kind: [row for row in rows if (row.measure, row.distortion) == (measure, kind)] for kind in DISTORTIONS
        }
        counts = [str(sum(all(row.worse) for row in own)) if own else "-" for own in found.values()]
        lines.append(f"| {PAIR_MEASURES[measure].label} | {' | '.join(counts)} |")
    lines += ["", "## Exceptions", ""]
    wrong = [row for row in rows if not all(row.worse)]
    if not wrong:
        lines.append("None.")
    for measure in measures:
        parts = []
        for kind in DISTORTIONS:
            own = [row for row in wrong if (row.measure, row.distortion) == (measure, kind)]
            if own:
                shown = "; ".join(map(_exception, own))
                parts.append(f"{kind} ({shown if len(own) <= _MOST_SHOWN else _named(own)})")
        if parts:
            lines.append(f"- {PAIR_MEASURES[measure].label}: {', '.join(parts)}.")
    return "\n".join(lines) + "\n"


def _exception(row: Row) -> str:
    """Which strengths are out of order, with their scores."""
    steps = [step for step, worse in enumerate(row.worse) if not worse]
    shown = ", ".join(
        f"{step + 1} to {step + 2}: {row.scores[step]:.4g} to {row.scores[step + 1]:.4g}" for step in steps
    )
    return f"{row.photograph} {shown}"


def _named(rows: Sequence[Row]) -> str:
    """Exceptions too many for their scores: the photographs, and how many of all steps are out of order."""
    steps = sum(worse is False for row in rows for worse in row.worse)
    return f"{', '.join(row.photograph for row in rows)}: {steps} of {len(rows) * (STRENGTHS - 1)} steps"


def main(arguments: list[str] | None = None) -> None:
    """Prints the table, and writes it where it is told to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=local_path, metavar="FILE", help="also write the table to FILE")
    parser.add_argument("--size", type=int, default=256, metavar="PIXELS")
    parser.add_argument("--metrics", metavar="NAME,...", help="some measures only")
    options = parser.parse_args(arguments)
    wanted = None if options.metrics is None else options.metrics.split(",")
    measures = [
        measure
        for measure in PAIR_MEASURES.values()
        if (measure.weights or not measure.alone)
        and not measure.of_light  # photographs for a screen are none
        and (wanted is None or measure.name in wanted)
    ]
    rows = []
    for measure in measures:
        try:
            own = list(rank([measure], size=options.size))
        except WeightsMissingError:
            print(f"{measure.label:<12}left out: its weights are not here")
            continue
        rows += own
        print(f"{measure.label:<12}{sum(all(row.worse) for row in own):>4} of {len(own)} in order", flush=True)
    text = report(rows, options.size)
    print(text)
    if options.out is not None:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
