"""What judging by detection finds: scores of sets with intervals, paired differences, and what became of each image."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Literal

from jaxeval.ops import Interval
from jaxeval.records import Document, finite_values

DETECTION_SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class DetectionScore:
    """One number of one set of images.

    Attributes:
      metric: its short name, as in `ap50` or `word-accuracy`.
      label: what tables print, as in "AP50".
      set: the set of generated images.
      category: of which objects, prompts or texts it is; "" of all.
      value: the number; None where there is nothing that it could be of.
      interval: of 95% over other prompts (of each cluster of images together); None where nothing tells it.
      n: images that it is of.
      n_prompts: prompts, layouts or texts that they were made from.
      better: whether `higher` or `lower` is better.
      definition: whose number it is, in words.

    Example:
      >>> from jaxeval.detection import DetectionScore
      >>> print(DetectionScore("ap50", "AP50", "ours", "", 0.4321, (0.40, 0.46), 500, 500))
      AP50 0.4321 [0.4, 0.46] (ours, 500 images)
    """

    metric: str
    label: str
    set: str
    category: str
    value: float | None
    interval: Interval | tuple[float, float] | None
    n: int
    n_prompts: int
    better: Literal["higher", "lower"] | str = "higher"
    definition: str = ""

    def __str__(self) -> str:
        value = "none" if self.value is None else f"{self.value:.4g}"
        ends = "" if self.interval is None else f" [{self.interval[0]:.4g}, {self.interval[1]:.4g}]"
        of = self.set if not self.category else f"{self.set}, {self.category}"
        return f"{self.label} {value}{ends} ({of}, {self.n:,} image{'' if self.n == 1 else 's'})"


@dataclasses.dataclass(frozen=True)
class DetectionDifference:
    """How much two sets of images differ: the second one's number less the first one's.

    Attributes:
      metric, label: of the number.
      first, second: the sets.
      category: as of `DetectionScore`.
      value: over the prompts that both have; None where there is nothing to compare.
      interval: of 95%, paired by prompt; None where nothing tells it.
      p_value: two-sided, of the hypothesis that both are equally good; None where nothing tells it.
      n_prompts: prompts that both sets have.
      better: whether `higher` or `lower` is better.

    Example:
      >>> from jaxeval.detection import DetectionDifference
      >>> print(DetectionDifference("ap", "AP", "old", "new", "", 0.02, (0.01, 0.03), 0.001, 500))
      AP new - old +0.02 [0.01, 0.03], p 0.001 (500 prompts)
    """

    metric: str
    label: str
    first: str
    second: str
    category: str
    value: float | None
    interval: Interval | tuple[float, float] | None
    p_value: float | None
    n_prompts: int
    better: Literal["higher", "lower"] | str = "higher"

    def __str__(self) -> str:
        value = "none" if self.value is None else f"{self.value:+.4g}"
        ends = "" if self.interval is None else f" [{self.interval[0]:.4g}, {self.interval[1]:.4g}]"
        chance = "" if self.p_value is None else f", p {self.p_value:.2g}"
        return f"{self.label} {self.second} - {self.first} {value}{ends}{chance} ({self.n_prompts:,} prompts)"


@dataclasses.dataclass(frozen=True)
class ShownBox:
    """A box as an exhibit draws it.

    Attributes:
      label: the category, or the kind of box.
      box: left, top, width and height in pixels.
      score: the detector's confidence; None of boxes that were asked for.
      text: what was read in it; None of other detectors.
      good: whether it is what was asked for: found boxes that match, asked boxes that were found; None where neither.

    Example:
      >>> from jaxeval.detection import ShownBox
      >>> ShownBox("cat", (0.0, 0.0, 10.0, 10.0), 0.9).score
      0.9
    """

    label: str
    box: tuple[float, float, float, float]
    score: float | None = None
    text: str | None = None
    good: bool | None = None


@dataclasses.dataclass(frozen=True)
class ImageOutcome:
    """What became of one image.

    Attributes:
      image: its name in its set.
      set: the set.
      prompt: what it was made from: images of one prompt are one cluster.
      category: of the prompt; "" where prompts have none.
      values: numbers of this image by metric; 1 and 0 of what holds and does not; None where an image has no such
        number.
      reasons: why it is not better, a sentence each, such as "asked for 3 dogs and found 2".
      asked: boxes that were asked for.
      found: boxes that were found.

    Example:
      >>> from jaxeval.detection import ImageOutcome
      >>> ImageOutcome("a.png", "ours", "two dogs", "counting", {"correct": 0.0}, ("asked for 2 dogs, found 1",)).prompt
      'two dogs'
    """

    image: str
    set: str
    prompt: str
    category: str
    values: Mapping[str, float | None]
    reasons: tuple[str, ...] = ()
    asked: tuple[ShownBox, ...] = ()
    found: tuple[ShownBox, ...] = ()


@dataclasses.dataclass(frozen=True)
class DetectionEvaluation(Document):
    """What a judgement by detection found; saved as `detection.json`.

    Attributes:
      task: what was judged: "average-precision", "layout", "objects", "rules", "geneval" or "text".
      scores: of each set, first of all categories together.
      differences: of each two sets that share prompts.
      outcomes: of each image.
      order: the metric by which images are put in order, worst first.
      manifest: how it was found: `sets` (name to the source as given), `detector`, `parameters`, `counts`, `warnings`,
        `not_computed`, `versions`, `device`.

    Example:
      >>> from jaxeval.detection import DetectionEvaluation, DetectionScore
      >>> score = DetectionScore("ap", "AP", "ours", "", 0.4, None, 5, 5)
      >>> found = DetectionEvaluation("layout", (score,), (), (), "ap50", {"warnings": []})
      >>> found.warnings, sorted(found.to_dict())[:3]
      ((), ['differences', 'images', 'manifest'])
    """

    file_name = "detection.json"

    task: str
    scores: tuple[DetectionScore, ...]
    differences: tuple[DetectionDifference, ...]
    outcomes: tuple[ImageOutcome, ...]
    order: str
    manifest: Mapping[str, Any]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know before trusting the numbers."""
        return tuple(self.manifest["warnings"])

    def to_dict(self) -> dict[str, Any]:
        """The JSON document; what there is no number for is null."""
        found = {
            "schema_version": DETECTION_SCHEMA_VERSION,
            "task": self.task,
            "scores": [dataclasses.asdict(one) for one in self.scores],
            "differences": [dataclasses.asdict(one) for one in self.differences],
            "images": [_plain(one) for one in self.outcomes],
            "order": self.order,
            "manifest": dict(self.manifest),
        }
        return finite_values(found)

    def to_json(self) -> str:
        """The JSON document as text, a line for each image; every number in it is finite."""
        found = self.to_dict()
        images = found.pop("images")
        lines = [f"    {json.dumps(one, allow_nan=False)}" for one in images]
        rest = json.dumps(found, indent=2, allow_nan=False).removesuffix("\n}")
        return "".join([rest, ',\n  "images": [', *(["\n", ",\n".join(lines), "\n  "] if lines else []), "]\n}"])

    def __str__(self) -> str:
        return "\n".join(str(score) for score in self.scores if not score.category)


def _plain(outcome: ImageOutcome) -> dict[str, Any]:
    """As `dataclasses.asdict` has it, which would copy each number of a million boxes deeply."""
    boxes = {side: [vars(box) for box in getattr(outcome, side)] for side in ("asked", "found")}
    return {**vars(outcome), "values": dict(outcome.values), **boxes}
