"""Average precision and recall from matched boxes, intervals over images, and the range over orders of equal scores.

On the host, in float64. Precision is highest where a true box has just been found, so that only those places are looked
at: with k true boxes found among n boxes that count, precision is k / n there and recall k / all. The recalls that a
place answers for are those above (k - 1) / all, and up to k / all.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxeval._arguments import whole_number
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops.detection.matched import MatchedBoxes
from jaxeval.ops.detection.protocols import DetectionProtocol, detection_protocol
from jaxeval.ops.resampling import Interval, group_numbers, interval, jackknife_of_replicates, two_sided_p_value

_NO_SPREAD = 1e-12  # a standard error below it is rounding: nothing tells how others would spread
_OF_AREAS = {"small": "-small", "medium": "-medium", "large": "-large"}


class PrecisionRecall(NamedTuple):
    """Average precision and recall of each category.

    Attributes:
      average_precision: by range of areas, threshold and category, [A, T, K]; not-a-number without a true box.
      recall: by greatest number of detections, range of areas, threshold and category, [D, A, T, K]; the same.
      positives: true boxes that count, by range of areas and category, [A, K].
      protocol: whose definition it is.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> matched = detection.match_detections(
      ...     image=np.array([0, 0]), label=np.array([0, 0]), boxes=np.array([[0, 0, 9, 9], [50, 0, 10, 10]]),
      ...     scores=np.array([0.3, 0.8]), true_image=np.array([0]), true_label=np.array([0]),
      ...     true_boxes=np.array([[0, 0, 10, 10]]), images=1, labels=1)
      >>> found = detection.precision_recall(matched)
      >>> {name: value for name, value in found.summary().items() if name in ("ap50", "ar1", "ar10")}
      {'ap50': 0.5, 'ar1': 0.0, 'ar10': 0.7}
    """

    average_precision: Float[np.ndarray, "a t k"]
    recall: Float[np.ndarray, "d a t k"]
    positives: Int[np.ndarray, "a k"]
    protocol: DetectionProtocol

    def summary(self) -> dict[str, float]:
        """The protocol's numbers by name: `ap`, `ap50`, `ap75`, `ap-small`, `ar1`, `ar100`, `ar-small`, and so on.

        Means over categories that have a true box (of that range of areas); not-a-number where none has. `ap` is of the
        greatest number of detections, whatever it is. Of a protocol with one threshold there is only that, `ap50`.
        """
        protocol, found = self.protocol, {}
        if len(protocol.thresholds) > 1:
            found["ap"] = _mean(self.average_precision[0])
        for place, threshold in enumerate(protocol.thresholds):
            if len(protocol.thresholds) == 1 or any(math.isclose(threshold, one) for one in (0.5, 0.75)):
                found[f"ap{round(100 * threshold):d}"] = _mean(self.average_precision[0, place])
        names = [_OF_AREAS.get(name, f"-{name}") for name, _, _ in protocol.areas]
        for place, name in list(enumerate(names))[1:]:
            found[f"ap{name}"] = _mean(self.average_precision[place])
        for place, most in enumerate(protocol.max_detections or (None,)):
            found["ar" if most is None else f"ar{most}"] = _mean(self.recall[place, 0])
        for place, name in list(enumerate(names))[1:]:
            found[f"ar{name}"] = _mean(self.recall[-1, place])
        return found

    def categories(self) -> dict[str, Float[np.ndarray, " k"]]:
        """The numbers of each category, by the names of those of all areas: `ap`, `ap50`, `ap75`, `ar100`."""
        protocol, found = self.protocol, {}
        if len(protocol.thresholds) > 1:
            found["ap"] = self.average_precision[0].mean(0)
        for place, threshold in enumerate(protocol.thresholds):
            if len(protocol.thresholds) == 1 or any(math.isclose(threshold, one) for one in (0.5, 0.75)):
                found[f"ap{round(100 * threshold):d}"] = self.average_precision[0, place]
        limits = protocol.max_detections
        found[f"ar{limits[-1]}" if limits else "ar"] = self.recall[-1, 0].mean(0)
        return found


class SummaryIntervals(NamedTuple):
    """A protocol's numbers with what other images would make of them.

    Attributes:
      values: the numbers by name.
      standard_errors: by the jackknife over groups of images; not-a-number where a group leaves a number without a true
        box, or there are fewer than two clusters.
      intervals: of 95%, by Student's t, within 0 and 1; None where there is no standard error, or it is 0, as where all
        is found or nothing: then nothing tells how others would spread.
      categories: the same intervals of each category's numbers, by name.
      degrees: of freedom.

    Example:
      >>> from jaxeval.ops import detection
      >>> detection.SummaryIntervals({"ap": 0.4}, {"ap": 0.01}, {"ap": None}, {"ap": (None,)}, 19).values["ap"]
      0.4
    """

    values: dict[str, float]
    standard_errors: dict[str, float]
    intervals: dict[str, Interval | None]
    categories: dict[str, tuple[Interval | None, ...]]
    degrees: float


class PrecisionDifference(NamedTuple):
    """The second set's number less the first's.

    Attributes:
      value: the difference; not-a-number where either has no number.
      standard_error: by leaving groups of images out of both sets at once.
      interval: of 95%; None where there is no standard error, or it is 0.
      p_value: two-sided, by Student's t; 1 of sets that are alike, and None where else nothing tells it.

    Example:
      >>> from jaxeval.ops import detection
      >>> detection.PrecisionDifference(0.1, 0.05, None, 0.06).value
      0.1
    """

    value: float
    standard_error: float
    interval: Interval | None
    p_value: float | None


class PrecisionDifferences(NamedTuple):
    """How much two sets differ.

    Attributes:
      summary: in each of the protocol's numbers, by name.
      categories: in the numbers of each category, by name.

    Example:
      >>> from jaxeval.ops import detection
      >>> one = detection.PrecisionDifference(0.1, 0.05, None, 0.06)
      >>> detection.PrecisionDifferences({"ap": one}, {"ap": (one,)}).summary["ap"].value
      0.1
    """

    summary: dict[str, PrecisionDifference]
    categories: dict[str, tuple[PrecisionDifference, ...]]


class TiedScores(NamedTuple):
    """How far numbers depend on the order of boxes of equal confidence.

    Attributes:
      boxes: found boxes whose confidence another of their category has, too, in places where it makes a difference: of
        boxes that are all right, or all wrong, at every threshold the order is of no account.
      low, high: the least and the greatest of each average precision over all orders of such boxes; of an average over
        thresholds, each threshold in its own worst and best order. Which boxes match is taken as it is.

    Example:
      >>> from jaxeval.ops import detection
      >>> detection.TiedScores(12, {"ap": 0.40}, {"ap": 0.42}).boxes
      12
    """

    boxes: int
    low: dict[str, float]
    high: dict[str, float]


def precision_recall(matched: MatchedBoxes, *, protocol: DetectionProtocol | str = "coco") -> PrecisionRecall:
    """Average precision and recall of each category, by the protocol by which the boxes were matched.

    Args:
      matched: as `match_detections` gives it.
      protocol: the same.

    Raises:
      InputError: an unknown protocol, or one of other thresholds or ranges of areas.

    Reference: `COCOeval.accumulate` of Lin et al., "Microsoft COCO", ECCV 2014 (arXiv:1405.0312), except that nothing
    is added to denominators (it adds 2.2e-16); `VOCap` of the VOC development kits.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> matched = detection.match_detections(
      ...     image=np.array([0, 0, 1]), label=np.array([0, 0, 0]), scores=np.array([0.9, 0.8, 0.7]),
      ...     boxes=np.array([[0, 0, 10, 10], [70, 0, 10, 10], [0, 0, 10, 10]]), true_image=np.array([0, 1]),
      ...     true_label=np.array([0, 0]), true_boxes=np.array([[0, 0, 10, 10], [0, 0, 10, 10]]), images=2, labels=1,
      ...     protocol="voc2010")
      >>> round(float(detection.precision_recall(matched, protocol="voc2010").average_precision[0, 0, 0]), 4)
      0.8333
    """
    chosen = _checked(matched, protocol)
    return _tallied(matched, chosen, None)


@takes_arrays
def precision_intervals(
    matched: MatchedBoxes,
    *,
    protocol: DetectionProtocol | str = "coco",
    clusters: Int[np.ndarray, "..."] | Sequence[int] | None = None,
    groups: int = 20,
    seed: int = 0,
) -> SummaryIntervals:
    """A protocol's numbers with intervals of 95% over other images, by a jackknife that leaves groups of images out.

    Args:
      matched: as `match_detections` gives it.
      protocol: the same.
      clusters: of each image the number of its cluster, such as its prompt; images of one cluster are left out
        together. Each image by itself by default.
      groups: into how many groups the clusters are divided at random; as many as there are clusters, where those are
        fewer.
      seed: of the division.

    Raises:
      InputError: as of `precision_recall`, or clusters are not a whole number for each image.

    Reference: Shao and Tu, "The Jackknife and Bootstrap", 1995.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> image, box = np.arange(40), np.tile([0.0, 0.0, 10.0, 10.0], (40, 1))
      >>> matched = detection.match_detections(
      ...     image=image, label=0 * image, boxes=box + np.array([7, 0, 0, 0]) * (image % 4 == 0)[:, None],
      ...     scores=image / 40, true_image=image, true_label=0 * image, true_boxes=box, images=40, labels=1)
      >>> found = detection.precision_intervals(matched)
      >>> low, high = found.intervals["ar100"]
      >>> found.values["ar100"], low < 0.75 < high
      (0.75, True)
    """
    chosen = _checked(matched, protocol)
    numbers = _clusters(matched, clusters)
    whole = _tallied(matched, chosen, None)
    value = _numbers(whole)
    replicates = _replicates(matched, chosen, numbers, np.unique(numbers[_telling(matched)]), groups, seed)
    if replicates is None:
        errors, degrees = np.full_like(value, math.nan), math.nan
    else:
        errors, degrees = jackknife_of_replicates(value, replicates).standard_error, len(replicates) - 1
    ends = [_ends(one, error, degrees, (0.0, 1.0)) for one, error in zip(value.tolist(), errors.tolist(), strict=True)]
    summary = whole.summary()
    return SummaryIntervals(
        summary,
        dict(zip(summary, errors.tolist(), strict=False)),
        dict(zip(summary, ends, strict=False)),
        {name: tuple(ends[some]) for name, some in _stretches_of_numbers(whole).items()},
        degrees,
    )


@takes_arrays
def precision_differences(
    first: MatchedBoxes,
    second: MatchedBoxes,
    *,
    protocol: DetectionProtocol | str = "coco",
    clusters: Int[np.ndarray, "..."] | Sequence[int] | None = None,
    second_clusters: Int[np.ndarray, "..."] | Sequence[int] | None = None,
    groups: int = 20,
    seed: int = 0,
) -> PrecisionDifferences:
    """How much two sets of images differ that were made from the same prompts or layouts, with intervals of 95%.

    Both numbers are of the clusters that both sets have. A jackknife leaves the same ones out of both at once, so that
    what is hard about a prompt cancels. Images without a box, true or found, tell nothing and are in no group.

    Args:
      first: as `match_detections` gives it.
      second: the same of the second set, of the same categories.
      protocol: the same.
      clusters: of each image of the first set the number of its cluster; each image by itself by default.
      second_clusters: of the second set; as the first's by default.
      groups: as of `precision_intervals`.
      seed: of the division.

    Raises:
      InputError: as of `precision_recall`, clusters are not a whole number for each image, or none is in both sets.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> image, box = np.arange(40), np.tile([0.0, 0.0, 10.0, 10.0], (40, 1))
      >>> worse, better = (detection.match_detections(
      ...     image=image, label=0 * image, boxes=box + np.array([7, 0, 0, 0]) * (image % every == 0)[:, None],
      ...     scores=image / 40, true_image=image, true_label=0 * image, true_boxes=box, images=40, labels=1)
      ...     for every in (2, 4))
      >>> detection.precision_differences(worse, better).summary["ar100"].value
      0.25
    """
    chosen = _checked(first, protocol)
    _checked(second, protocol)
    numbers = _clusters(first, clusters)
    others = _clusters(second, clusters if second_clusters is None else second_clusters)
    if first.labels != second.labels:
        raise InputError(f"the sets have {first.labels} and {second.labels} categories; give sets of the same")
    shared = np.intersect1d(numbers, others)
    if not len(shared):
        raise InputError(
            "the sets have no cluster in common; give sets that were made from the same prompts or layouts"
        )
    wholes = [_tallied(one, chosen, np.isin(of, shared)) for one, of in ((first, numbers), (second, others))]
    values = [_numbers(one) for one in wholes]
    telling = np.union1d(numbers[_telling(first)], others[_telling(second)])
    both = np.intersect1d(shared, telling)
    sides = [_replicates(one, chosen, of, both, groups, seed) for one, of in ((first, numbers), (second, others))]
    differences = values[1] - values[0]
    errors, degrees = np.full_like(differences, math.nan), math.nan
    if sides[0] is not None and sides[1] is not None:
        spread = jackknife_of_replicates(differences, sides[1] - sides[0])
        errors, degrees = spread.standard_error, spread.degrees
    found = []
    for value, error in zip(differences.tolist(), errors.tolist(), strict=True):
        ends = _ends(value, error, degrees, (-1.0, 1.0))
        alike = abs(value) < _NO_SPREAD and error < _NO_SPREAD
        chance = 1.0 if alike else None if ends is None else two_sided_p_value(value, error, degrees)
        found.append(PrecisionDifference(value, error, ends, chance))
    return PrecisionDifferences(
        dict(zip(wholes[0].summary(), found, strict=False)),
        {name: tuple(found[some]) for name, some in _stretches_of_numbers(wholes[0]).items()},
    )


def tied_scores(matched: MatchedBoxes, *, protocol: DetectionProtocol | str = "coco") -> TiedScores:
    """How far average precision depends on the order of found boxes of equal confidence.

    Args:
      matched: as `match_detections` gives it.
      protocol: the same.

    Raises:
      InputError: as of `precision_recall`.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> matched = detection.match_detections(
      ...     image=np.array([0, 1]), label=np.array([0, 0]), boxes=np.array([[0, 0, 10, 10], [0, 0, 10, 10]]),
      ...     scores=np.array([0.5, 0.5]), true_image=np.array([1]), true_label=np.array([0]),
      ...     true_boxes=np.array([[0, 0, 10, 10]]), images=2, labels=1)
      >>> tied = detection.tied_scores(matched)
      >>> tied.boxes, tied.low["ap"], tied.high["ap"]
      (2, 0.5, 1.0)
    """
    chosen = _checked(matched, protocol)
    changes = (np.diff(matched.scores, prepend=math.nan) != 0) | (np.diff(matched.label, prepend=-1) != 0)
    begins = np.flatnonzero(changes)
    group = np.cumsum(changes) - 1
    sizes = np.diff(begins, append=len(group))
    if not (sizes > 1).any():
        summary = {name: value for name, value in _tallied(matched, chosen, None).summary().items() if name[:2] == "ap"}
        return TiedScores(0, summary, summary)

    def within(flags: Bool[np.ndarray, "a t n"]) -> Int[np.ndarray, "a t g"]:
        return np.add.reduceat(flags, begins, axis=-1, dtype=np.int64)

    right, counts = within(matched.hits), within(matched.counted)
    mixed = ((right > 0) & (right < counts)).any((0, 1))
    seat = np.arange(len(group)) - begins[group]
    # The same boxes in another order: those that are right first or last, then what counts as neither.
    orders = {
        "high": seat < right[..., group],
        "low": (seat >= (counts - right)[..., group]) & (seat < counts[..., group]),
    }
    ends = {}
    for name, hits in orders.items():
        other = matched._replace(hits=hits, counted=seat < counts[..., group])
        ends[name] = {key: value for key, value in _tallied(other, chosen, None).summary().items() if key[:2] == "ap"}
    return TiedScores(int(sizes[mixed].sum()), ends["low"], ends["high"])


def precision_curves(
    matched: MatchedBoxes, *, protocol: DetectionProtocol | str = "coco", area: int = 0
) -> tuple[Float[np.ndarray, "t r k"], Float[np.ndarray, " r"]]:
    """Precision at each of the protocol's recalls, by threshold, recall and category; and these recalls.

    Args:
      matched: as `match_detections` gives it.
      protocol: the same; of one that takes the whole area under the curve, at 101 recalls.
      area: which range of areas.

    Returns:
      not-a-number for a category without a true box.

    Raises:
      InputError: as of `precision_recall`, or there is no such range.

    Example:
      >>> import numpy as np
      >>> from jaxeval.ops import detection
      >>> matched = detection.match_detections(
      ...     image=np.array([0]), label=np.array([0]), boxes=np.array([[0, 0, 10, 10]]), scores=np.array([0.5]),
      ...     true_image=np.array([0, 0]), true_label=np.array([0, 0]),
      ...     true_boxes=np.array([[0, 0, 10, 10], [50, 0, 10, 10]]), images=1, labels=1)
      >>> curves, recalls = detection.precision_curves(matched)
      >>> curves[0, [0, 50, 51], 0].tolist(), recalls[[0, 50, 51]].tolist()
      ([1.0, 1.0, 0.0], [0.0, 0.5, 0.51])
    """
    chosen = _checked(matched, protocol)
    area = whole_number("area", area, 0, len(chosen.areas) - 1)
    recalls = np.array(chosen.recalls or np.linspace(0, 1, 101))
    positives = _positives(matched, None)[area]
    curves = np.where(positives > 0, np.zeros((len(chosen.thresholds), len(recalls), 1)), math.nan)
    for threshold in range(len(chosen.thresholds)):
        line = _line(matched, area, threshold, None)
        for label, some in _stretches(line.label):
            at = np.searchsorted(line.found[some] / positives[label], recalls)
            envelope = np.append(line.envelope[some], 0.0)
            curves[threshold, :, label] = envelope[at]
    return curves, recalls


class _Line(NamedTuple):
    """The places of one range of areas and threshold at which a true box is found.

    Attributes:
      label: of each its category, ascending.
      found: true boxes of the category found by then.
      envelope: the greatest precision there or later.
    """

    label: Int[np.ndarray, " p"]
    found: Int[np.ndarray, " p"]
    envelope: Float[np.ndarray, " p"]


def _line(matched: MatchedBoxes, area: int, threshold: int, keep: Bool[np.ndarray, " n"] | None) -> _Line:
    hits, counted = matched.hits[area, threshold], matched.counted[area, threshold]
    if keep is not None:
        hits, counted = hits & keep, counted & keep
    at = np.flatnonzero(hits)
    label = matched.label[at]
    so_far = np.cumsum(counted)
    begins = np.searchsorted(matched.label, np.arange(matched.labels))
    before = np.append(0, so_far)[begins]
    firsts = np.searchsorted(label, np.arange(matched.labels))
    found = np.arange(1, len(at) + 1) - firsts[label]
    precision = found / (so_far[at] - before[label])
    for _, some in _stretches(label):
        precision[some] = np.maximum.accumulate(precision[some][::-1])[::-1]
    return _Line(label, found, precision)


def _stretches(label: Int[np.ndarray, " p"]) -> Iterator[tuple[int, slice]]:
    """Each category with where its places stand."""
    begins = np.flatnonzero(np.diff(label, prepend=-1)).tolist()
    for begin, end in zip(begins, [*begins[1:], len(label)], strict=False):
        yield int(label[begin]), slice(begin, end)


def _positives(matched: MatchedBoxes, images: Bool[np.ndarray, " images"] | None) -> Int[np.ndarray, "a k"]:
    counts = matched.true_counts if images is None else matched.true_counts & images[matched.true_image]
    return np.stack([np.bincount(matched.true_label[row], minlength=matched.labels) for row in counts])


def _tallied(
    matched: MatchedBoxes, protocol: DetectionProtocol, images: Bool[np.ndarray, " images"] | None
) -> PrecisionRecall:
    """Precision and recall of some of the images; of all where None is said."""
    keep = None if images is None else images[matched.image]
    positives = _positives(matched, images)
    recalls = None if protocol.recalls is None else np.array(protocol.recalls)
    limits = protocol.max_detections[:-1]
    shape = (len(protocol.areas), len(protocol.thresholds), matched.labels)
    precision, recall = np.zeros(shape), np.zeros((len(limits) + 1, *shape))
    among = [matched.rank < most for most in limits]
    for area, threshold in np.ndindex(shape[:2]):
        line = _line(matched, area, threshold, keep)
        whole = positives[area][line.label]
        if recalls is None:
            answered, parts = np.ones(len(whole)), positives[area]
        else:
            answered = np.searchsorted(recalls, line.found / whole, side="right")
            earlier = np.searchsorted(recalls, (line.found - 1) / whole, side="right")
            answered, parts = answered - np.where(line.found == 1, 0, earlier), len(recalls)
        # Divided last, so that precision 1 throughout is 1.
        sums = np.bincount(line.label, line.envelope * answered, matched.labels)
        precision[area, threshold] = sums / np.maximum(parts, 1)
        recall[-1, area, threshold] = np.bincount(line.label, minlength=matched.labels)
        for place, few in enumerate(among):
            right = matched.hits[area, threshold] & few
            right = right if keep is None else right & keep
            recall[place, area, threshold] = np.bincount(matched.label[right], minlength=matched.labels)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = recall / positives[:, None]
    precision = np.where(positives[:, None] > 0, precision, math.nan)
    return PrecisionRecall(precision, recall, positives, protocol)


def _replicates(
    matched: MatchedBoxes,
    protocol: DetectionProtocol,
    clusters: Int[np.ndarray, " images"],
    everyone: Int[np.ndarray, " c"],
    groups: int,
    seed: int,
) -> Float[np.ndarray, "g v"] | None:
    """The numbers of `_numbers` of some clusters without each group of them; None of fewer than two."""
    groups, seed = whole_number("groups", groups, 2), whole_number("seed", seed, 0)
    if len(everyone) < 2:
        return None
    groups = min(groups, len(everyone))
    number = group_numbers(len(everyone), groups, seed=seed, name="clusters")
    place = np.minimum(np.searchsorted(everyone, clusters), len(everyone) - 1)
    # Images of other clusters are in no replicate, nor in the number itself.
    group = np.where(everyone[place] == clusters, number[place], -1)
    without = [_tallied(matched, protocol, (group >= 0) & (group != left_out)) for left_out in range(groups)]
    return np.array([_numbers(one) for one in without])


def _telling(matched: MatchedBoxes) -> Bool[np.ndarray, " images"]:
    """Images in which there is a box; the others are of no account for any number."""
    there = np.zeros(matched.images, bool)
    there[matched.image] = True
    there[matched.true_image] = True
    return there


def _numbers(found: PrecisionRecall) -> Float[np.ndarray, " v"]:
    """The summary, and behind it the numbers of each category."""
    return np.concatenate([list(found.summary().values()), *found.categories().values()])


def _stretches_of_numbers(found: PrecisionRecall) -> dict[str, slice]:
    """Where `_numbers` has those of categories, by name."""
    start, size = len(found.summary()), found.average_precision.shape[-1]
    return {
        name: slice(start + place * size, start + (place + 1) * size) for place, name in enumerate(found.categories())
    }


def _checked(matched: MatchedBoxes, protocol: DetectionProtocol | str) -> DetectionProtocol:
    chosen = detection_protocol(protocol)
    if matched.hits.shape[:2] != (len(chosen.areas), len(chosen.thresholds)):
        raise InputError(
            f"boxes that were matched by {matched.hits.shape[0]} ranges of areas and {matched.hits.shape[1]} "
            f"thresholds are not of {chosen.name}; give the protocol that they were matched by"
        )
    return chosen


def _clusters(matched: MatchedBoxes, clusters: Sequence[int] | np.ndarray | None) -> Int[np.ndarray, " images"]:
    if clusters is None:
        return np.arange(matched.images)
    numbers = np.asarray(clusters)
    if numbers.shape != (matched.images,) or (numbers.size and numbers.dtype.kind not in "iu"):
        raise InputError(
            f"clusters has shape {numbers.shape} and dtype {numbers.dtype}; a whole number for each of "
            f"{matched.images} images is expected"
        )
    return numbers.astype(np.int64)


def _ends(value: float, error: float, degrees: float, limits: tuple[float, float]) -> Interval | None:
    if not (math.isfinite(error) and math.isfinite(value)) or error < _NO_SPREAD:
        return None
    return interval(value, error, degrees=degrees).within(value, limits)


def _mean(values: Float[np.ndarray, "..."]) -> float:
    """The mean of what is a number; not-a-number where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan
