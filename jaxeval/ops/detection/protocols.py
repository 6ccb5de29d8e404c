"""How average precision is defined, by name: COCO's protocol and those of Pascal VOC."""

import dataclasses
from typing import Literal

from jaxeval._arguments import shown
from jaxeval.errors import InputError

_COCO_AREAS = (("all", 0.0, 1e10), ("small", 0.0, 32.0**2), ("medium", 32.0**2, 96.0**2), ("large", 96.0**2, 1e10))
_SPACING = 1e-10


def evenly(first: float, last: float, count: int) -> tuple[float, ...]:
    """Numbers from first to last, rounded as the references have them (those of `numpy.linspace`)."""
    step = (last - first) / (count - 1)
    return (*(number * step + first for number in range(count - 1)), last)


@dataclasses.dataclass(frozen=True)
class DetectionProtocol:
    """A definition of average precision.

    Attributes:
      name: whose it is.
      thresholds: intersections over union from which a found box is a true one's.
      areas: name, least and greatest area of true boxes that count, in square pixels, both ends included; first of all.
      max_detections: of one category in one image, by score, that count; ascending; empty for no limit. Average
        precision is of the last.
      recalls: those that precision is read off at, ascending from 0 to 1; None for the whole area under the curve.
      matching: "coco", where a found box takes the best true box that is still free; or "voc", where it takes the best
        one, and is false if another has it.
      inclusive: whether boxes are from pixel to pixel, both included, so that a width is right - left + 1.

    Raises:
      InputError: thresholds are not between 0 and 1, there is none, areas, max_detections or recalls do not ascend, or
        an unknown matching.

    Reference: Lin et al., "Microsoft COCO", ECCV 2014 (arXiv:1405.0312), and its evaluation; Everingham et al., "The
    Pascal Visual Object Classes (VOC) Challenge", IJCV 88, 2010, and its development kits.

    Example:
      >>> import dataclasses
      >>> from jaxeval.ops import detection
      >>> len(detection.COCO.recalls), len(detection.COCO.thresholds)
      (101, 10)
      >>> crowded = dataclasses.replace(detection.COCO, name="coco-500", max_detections=(1, 10, 500))
    """

    name: str
    thresholds: tuple[float, ...]
    areas: tuple[tuple[str, float, float], ...] = _COCO_AREAS
    max_detections: tuple[int, ...] = (1, 10, 100)
    recalls: tuple[float, ...] | None = evenly(0.0, 1.0, 101)
    matching: Literal["coco", "voc"] | str = "coco"
    inclusive: bool = False

    def __post_init__(self):
        numbers = isinstance(self.thresholds, tuple) and all(isinstance(one, int | float) for one in self.thresholds)
        if not (numbers and self.thresholds and all(0 < one <= 1 for one in self.thresholds)):
            raise InputError(f"thresholds are {self.thresholds}; give one or more above 0 and up to 1")
        if any(low > high for _, low, high in self.areas) or not self.areas:
            raise InputError(f"areas are {self.areas}; give one or more of a name, a least and a greatest area")
        limits = self.max_detections
        if any(one < 1 for one in limits) or tuple(sorted(set(limits))) != limits:
            raise InputError(f"max_detections is {limits}; give numbers from 1 on that ascend")
        if self.recalls is not None and (not self.recalls or list(self.recalls) != sorted(self.recalls)):
            raise InputError(f"recalls are {self.recalls}; give one or more that ascend, or None for the area")
        if self.matching not in ("coco", "voc"):
            raise InputError(f"matching is {self.matching!r}; give coco or voc")

    @property
    def least_overlaps(self) -> tuple[float, ...]:
        """The overlaps from which a box is found: of COCO's no more than 1 - 1e-10, so that equal boxes match."""
        return tuple(min(one, 1 - _SPACING) if self.matching == "coco" else one for one in self.thresholds)


COCO = DetectionProtocol("coco", evenly(0.5, 0.95, 10))
"""COCO's: ten thresholds from .50 to .95, four ranges of areas, 1, 10 and 100 detections, 101 recalls."""

# As the development kit's own language writes 0:0.1:1, from both ends to the middle: its fourth is 3 times 0.1.
_ELEVEN = (0.0, 0.1, 0.2, 3 * 0.1, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

VOC2007 = DetectionProtocol(
    "voc2007", (0.5,), areas=_COCO_AREAS[:1], max_detections=(), recalls=_ELEVEN, matching="voc", inclusive=True
)
"""Pascal VOC's of 2007 to 2009: eleven recalls."""

VOC2010 = dataclasses.replace(VOC2007, name="voc2010", recalls=None)
"""Pascal VOC's from 2010 on: the whole area under the curve of all points."""

PROTOCOLS = {protocol.name: protocol for protocol in (COCO, VOC2007, VOC2010)}


def detection_protocol(name: DetectionProtocol | str) -> DetectionProtocol:
    """The protocol of a name: `coco`, `voc2007` or `voc2010`; one that is given as such is given back.

    Raises:
      InputError: an unknown name.

    Example:
      >>> from jaxeval.ops import detection
      >>> len(detection.detection_protocol("voc2007").recalls)
      11
    """
    if isinstance(name, DetectionProtocol):
        return name
    if not isinstance(name, str) or name not in PROTOCOLS:
        raise InputError(f"the protocol {shown(name)} is not known; give one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
