"""What `score_pairs` finds: a score for each pair, and means, intervals and paired differences of the sets."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxeval import ops
from jaxeval.ops import Interval
from jaxeval.pairs.measures import ALL_MEASURES, PAIR_MEASURES
from jaxeval.records import Document

PAIRS_SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class PairScores:
    """The scores of one image.

    Attributes:
      image: its name without extension.
      set: the distorted set; or the reference itself, with the measures of single images only.
      height, width, channels, bits: of the image as stored.
      values: by the measure's name; may be infinite.
      time: of a video's frame, in seconds as its file has it; None if it does not say, and of images.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> from PIL import Image
      >>> from jaxeval.pairs import score_pairs
      >>> with tempfile.TemporaryDirectory() as real, tempfile.TemporaryDirectory() as fake:
      ...     for folder in (real, fake):
      ...         Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(f"{folder}/a.png")
      ...     pairs = score_pairs(real, fake, metrics="ssim")
      >>> scores = pairs.scores[0]
      >>> scores.image, scores.height, scores.width, dict(scores.values)
      ('a', 16, 16, {'ssim': 1.0})
    """

    image: str
    set: str
    height: int
    width: int
    channels: int
    bits: int
    values: Mapping[str, float]
    time: float | None = None


@dataclasses.dataclass(frozen=True)
class PairMean:
    """The mean of a measure over the images of one set, and what it means.

    Attributes:
      metric: the measure's name; "psnr-pooled" is of a video's frames together, and not a mean of scores.
      set: the distorted set, or the reference itself for measures of single images; without a reference any set.
      reference: the reference; None for images by themselves.
      value: mean of the finite scores; infinite if all are.
      interval: of 95% by Student's t over the images, within what the measure can be; None where fewer than two scores
        are finite, or all are the same, so that nothing tells their spread.
      better: `lower` or `higher`; None where neither is.
      n: finite scores.
      n_infinite: scores that are infinite (identical images, for PSNR) and not in the mean.
      n_nan: scores that are not a number and not in the mean.
      worst: name of the image with the worst score; None where no direction is better.
      definition: whose number it is, in words.
      parameters: the op's options and the data range.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> from PIL import Image
      >>> from jaxeval.pairs import score_pairs
      >>> with tempfile.TemporaryDirectory() as real, tempfile.TemporaryDirectory() as fake:
      ...     for folder in (real, fake):
      ...         Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(f"{folder}/a.png")
      ...     pairs = score_pairs(real, fake, metrics="ssim")
      >>> mean = pairs.means[0]
      >>> mean.label, mean.value, mean.better, mean.worst
      ('SSIM', 1.0, 'higher', 'a')
    """

    metric: str
    set: str
    reference: str | None
    value: float
    interval: Interval | None
    better: str | None
    n: int
    n_infinite: int
    n_nan: int
    worst: str | None
    definition: str
    parameters: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The measure's name as tables print it."""
        return ALL_MEASURES[self.metric].label

    def __str__(self) -> str:
        interval = "" if self.interval is None else f" [{self.interval[0]:.4g}, {self.interval[1]:.4g}]"
        against = "" if self.reference is None else f" against {self.reference}"
        return f"{self.label} {self.value:.6g}{interval} ({self.set}{against}, {self.n:,} images)"


@dataclasses.dataclass(frozen=True)
class PairDifference:
    """How two distorted sets differ in one measure, image by image.

    Attributes:
      metric: the measure's name.
      first, second: the sets.
      value: mean of the second one's scores less the first one's, over the images common to both.
      interval: of 95% by Student's t over the images' differences, within what they can be; None for fewer than two
        images, or where all differ by the same.
      p_value: of no difference in the mean, by the paired t test; None where there is no interval.
      better: name of the better set, where the interval leaves no doubt of it and a direction is better.
      n: images in both sets with finite scores.
      n_left_out: images in both sets of which a score is not finite.

    Example:
      >>> import pathlib, tempfile
      >>> import numpy as np
      >>> from PIL import Image
      >>> from jaxeval.pairs import score_pairs
      >>> with tempfile.TemporaryDirectory() as root:
      ...     for name, level in (("real", 100), ("near", 110), ("far", 120)):
      ...         pathlib.Path(root, name).mkdir()
      ...         Image.fromarray(np.full((16, 16, 3), level, np.uint8)).save(f"{root}/{name}/a.png")
      ...     pairs = score_pairs(f"{root}/real", {"near": f"{root}/near", "far": f"{root}/far"}, metrics="psnr")
      >>> difference = pairs.differences[0]
      >>> difference.first, difference.second, round(difference.value, 2)
      ('near', 'far', -6.02)
    """

    metric: str
    first: str
    second: str
    value: float
    interval: Interval | None
    p_value: float | None
    better: str | None
    n: int
    n_left_out: int


@dataclasses.dataclass(frozen=True)
class PairsEvaluation(Document):
    """What one call of `score_pairs` or `score_images` found; saved as `summary.json`, the scores beside it.

    Attributes:
      means: of each set and measure.
      differences: of each two distorted sets and measure.
      scores: of each image.
      manifest: how they were found.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> from PIL import Image
      >>> from jaxeval.pairs import score_pairs
      >>> with tempfile.TemporaryDirectory() as real, tempfile.TemporaryDirectory() as fake:
      ...     for folder in (real, fake):
      ...         Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(f"{folder}/a.png")
      ...     pairs = score_pairs(real, fake, metrics="ssim")
      >>> pairs.metrics, [(mean.metric, mean.value, mean.n) for mean in pairs.means]
      (('ssim',), [('ssim', 1.0, 1)])
    """

    file_name = "summary.json"

    means: tuple[PairMean, ...]
    differences: tuple[PairDifference, ...]
    scores: tuple[PairScores, ...]
    manifest: Mapping[str, Any]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the measures, in the order in which they were asked for."""
        return tuple(dict.fromkeys(mean.metric for mean in self.means))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know before trusting the numbers."""
        return tuple(self.manifest["warnings"])

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: `schema_version`, `means`, `differences`, `manifest`; see `plain_number`."""
        return {
            "schema_version": PAIRS_SCHEMA_VERSION,
            "means": [dataclasses.asdict(mean) | {"value": plain_number(mean.value)} for mean in self.means],
            "differences": [dataclasses.asdict(one) | {"value": plain_number(one.value)} for one in self.differences],
            "manifest": dict(self.manifest),
        }

    def __str__(self) -> str:
        return "\n".join(map(str, self.means))


def plain_number(value: float) -> float | str:
    """A number as JSON can hold it: "inf", "-inf" and "nan" as text, which Python's `float` reads back."""
    return value if math.isfinite(value) else str(value)


def _interval(values: Float[np.ndarray, " n"], limits: tuple[float, float]) -> Interval | None:
    """Student's interval of a mean, within what the mean can be; None where the values are too few or all alike."""
    if values.size < 2 or np.ptp(values) == 0:
        return None
    return ops.mean_interval(values).within(float(values.mean()), limits)


def mean_of(
    metric: str, set_name: str, reference: str | None, images: Sequence[str], values: Float[np.ndarray, " n"]
) -> dict[str, Any]:
    """The fields of a `PairMean` that follow from the scores."""
    measure = PAIR_MEASURES[metric]
    finite = values[np.isfinite(values)]
    infinite = int(np.isinf(values).sum())
    value = float(finite.mean()) if finite.size else float(values.max()) if infinite == values.size else math.nan
    known = np.where(np.isnan(values), -np.inf if measure.better == "higher" else np.inf, values)
    place = None if measure.better is None else int(known.argmin() if measure.better == "higher" else known.argmax())
    return {
        "metric": metric,
        "set": set_name,
        "reference": reference,
        "value": value,
        "interval": _interval(finite, measure.range),
        "better": measure.better,
        "n": int(finite.size),
        "n_infinite": infinite,
        "n_nan": int(np.isnan(values).sum()),
        "worst": None if place is None else images[place],
    }


def pooled_psnr(values: Float[np.ndarray, " n"]) -> float:
    """10 log10(range^2 / mean MSE) of frames whose PSNR is given: the range is in each of them and falls out.

    An infinite PSNR is an MSE of 0; the pooled one is infinite only if all are.
    """
    error = float(np.mean(10.0 ** (-values / 10)))
    return -10.0 * math.log10(error) if error > 0 else math.inf


def difference_of(
    metric: str, first: str, second: str, ours: Mapping[str, float], theirs: Mapping[str, float]
) -> PairDifference | None:
    """The paired difference of two sets; None if they have no image in common.

    Args:
      metric: the measure's name.
      first: name of a set.
      second: name of the other.
      ours: the first one's scores by image.
      theirs: the second one's.
    """
    common = [image for image in ours if image in theirs]
    if not common:
        return None
    sides = np.array([[ours[image], theirs[image]] for image in common])
    kept = sides[np.isfinite(sides).all(1)]
    differences = kept[:, 1] - kept[:, 0]
    n = len(kept)
    value = float(differences.mean()) if n else math.nan
    least, largest = PAIR_MEASURES[metric].range
    interval, p_value = _interval(differences, (least - largest, largest - least)), None
    if interval is not None:
        error = float(differences.std(ddof=1)) / math.sqrt(n)
        p_value = ops.two_sided_p_value(value, error, n - 1)
    better = PAIR_MEASURES[metric].better
    winner = None
    if better is not None and interval is not None and not interval[0] <= 0 <= interval[1]:
        winner = second if (value > 0) == (better == "higher") else first
    return PairDifference(metric, first, second, value, interval, p_value, winner, n, len(common) - n)
