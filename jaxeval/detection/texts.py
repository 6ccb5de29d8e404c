"""`score_texts`: whether images show the texts that they were asked for."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxeval import _arguments
from jaxeval._arguments import first_of
from jaxeval.detection.asked_texts import AskedTexts, read_texts
from jaxeval.detection.boxes import FoundBoxes
from jaxeval.detection.detector import Detector
from jaxeval.detection.detectors import load_detector
from jaxeval.detection.judged_sets import Looking, a_share, judged_sets, manifest_of
from jaxeval.detection.normalisation import Normalisation, text_normalisation
from jaxeval.detection.pairing import paired
from jaxeval.detection.reading_order import joined, read_lines
from jaxeval.detection.results import DetectionEvaluation, ImageOutcome, ShownBox
from jaxeval.detection.summary import SummaryMetric, left_out, summarise
from jaxeval.detection.text_scores import (
    best_lines,
    close_words,
    edit_distance,
    normalised_edit_distance,
    pned,
    same_words,
    similar_words,
    word_counts,
)
from jaxeval.errors import InputError
from jaxeval.progress import Progress

_NO_LIMIT = (0.0, float("inf"))
_LONGEST_READ = 100_000  # letters that were read in one image
_SHOWN_WORDS = 5  # in reasons

TEXT_METRICS: Mapping[str, SummaryMetric] = {
    "exact": SummaryMetric("Exact match", definition="share of images whose whole text is the one asked for"),
    "same-words": SummaryMetric(
        "Same words",
        definition="share of images with the words asked for, in any order, and no others (MARIO-Eval's accuracy)",
    ),
    "word-accuracy": SummaryMetric(
        "Word accuracy",
        definition="share of all words asked for that were read, in any order (words that are the same; for "
        "words that are similar see TextAtlas accuracy)",
        pooled_by="words",
        sum_of="words-read",
    ),
    "word-precision": SummaryMetric(
        "Word precision",
        definition="mean over images of the share of words read that were asked for, 0 where none was (MARIO-Eval's "
        "precision)",
    ),
    "word-recall": SummaryMetric(
        "Word recall",
        definition="mean over images of the share of words asked for that were read (MARIO-Eval's recall)",
    ),
    "word-f": SummaryMetric(
        "Word F",
        definition="mean over images of the harmonic mean of word precision and recall (MARIO-Eval's F is that of the "
        "two means over images)",
    ),
    "cer": SummaryMetric(
        "CER",
        "lower",
        "edit distance of all images per letter asked for, as jiwer and torchmetrics pool it",
        _NO_LIMIT,
        "letters",
        "letter-errors",
    ),
    "cer-mean": SummaryMetric(
        "Mean CER", "lower", "mean over images of the edit distance per letter asked for", _NO_LIMIT, None, "cer"
    ),
    "wer": SummaryMetric(
        "WER",
        "lower",
        "edit distance in words of all images per word asked for, as jiwer and torchmetrics pool it",
        _NO_LIMIT,
        "words",
        "word-errors",
    ),
    "edit-similarity": SummaryMetric(
        "1 - NED",
        definition="mean over images of 1 less the edit distance by the length of the longer text (ICDAR's 1 - N.E.D., "
        "AnyText's NED; 1 less what TextAtlas calls CER)",
    ),
    "line-accuracy": SummaryMetric(
        "Line accuracy",
        definition="share of all lines asked for that were read so, each in the line that is most like it (AnyText's "
        "Sen. Acc, which reads where a line was asked for)",
        pooled_by="lines",
        sum_of="lines-read",
    ),
    "line-similarity": SummaryMetric(
        "Line 1 - NED",
        definition="mean over all lines asked for of 1 less the edit distance to the line that is most like it, by the "
        "longer of both (AnyText's NED, which reads where a line was asked for)",
        pooled_by="lines",
        sum_of="lines-alike",
    ),
    "pned": SummaryMetric(
        "PNED",
        "lower",
        "mean over images of the edit distances of words in their best pairs, each by the longer word, and 1 for each "
        "word without a partner (LeX-Bench's PNED)",
        _NO_LIMIT,
    ),
    "lex-recall": SummaryMetric(
        "LeX recall",
        definition="mean over images of the share of words asked for of which one was read that is at most 0.3 of the "
        "longer away (LeX-Bench's recall)",
    ),
    "textatlas-accuracy": SummaryMetric(
        "TextAtlas accuracy",
        definition="share of all words asked for of which one was read that is like it, by a ratio of 80 of 100 "
        "(TextAtlas' OCR accuracy)",
        pooled_by="words",
        sum_of="words-similar",
    ),
    "textatlas-f": SummaryMetric(
        "TextAtlas F",
        definition="twice the words that are so alike over all words asked for and all words read (TextAtlas' OCR F1)",
        pooled_by="words of both",
        sum_of="words-similar of both",
    ),
}
"""The numbers of texts by name."""

USUAL_TEXT_METRICS = ("exact", "word-accuracy", "cer", "edit-similarity")
_ORDER = "edit-similarity"


def _asked(name: str, value: Any) -> Any:
    return value if isinstance(value, AskedTexts | Mapping) else _arguments.path(name, value)


def _metrics(name: str, value: Any) -> Any:
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, Sequence) or not all(isinstance(one, str) for one in several):
        raise InputError(f"{name} is {_arguments.shown(value)}; give names of metrics, or 'all'")
    return value


@_arguments.checked(
    asked=_asked,
    metrics=_arguments.optional(_metrics),
    batch_size=_arguments.at_least(1),
    confidence=a_share,
    pattern=_arguments.optional(_arguments.a_text("a text with * in it")),
    unmatched=_arguments.a_text("'error' or 'skip'"),
)
def score_texts(
    asked: AskedTexts | str | Path | Mapping[str, Any],
    images: Any = None,
    *,
    detector: Any = "ocr",
    found: Any = None,
    normalisation: str | Normalisation = "words",
    metrics: str | Sequence[str] | None = None,
    confidence: float = 0.0,
    pattern: str | None = None,
    unmatched: str = "error",
    cache: str | Path | None = None,
    batch_size: int = 8,
    threads: int | None = None,
    on_error: str = "fail",
    progress: Progress | None = None,
) -> DetectionEvaluation:
    """Compares what is read in images with what they were asked to show.

    What was read is put in reading order (`jaxeval.detection.reading_order`), normalised as the text that was asked
    for, and compared as a whole; and line by line, each line asked for with the line read that is most like it, of
    which each is compared once. Where one line is asked for, all that was read counts as a line too. An image in which
    nothing was read has an empty text, which counts: its CER is 1.

    Args:
      asked: the texts: a file for `read_texts`, or texts (or lists of lines) by name.
      images: sets of images, as of `sets_of_boxes`. Which text is whose is told by names: `NAME.png`, `NAME_0.png` and
        others, or by `pattern`.
      detector: what reads; `ocr`, or another one that gives texts.
      found: in the place of a detector, files of boxes with texts for each set; or `FoundBoxes`.
      normalisation: what texts are the same in spite of; a name (`text_normalisations`) or a `Normalisation`.
      metrics: names of `TEXT_METRICS`, also as comma-separated text, or `all`; by default those of
        `USUAL_TEXT_METRICS`: exact match, word accuracy, CER and edit similarity.
      confidence: boxes of less, from 0 to 1, are not read.
      pattern: what images are called, with `*` for the name of the text.
      unmatched: what an image without a text, a text without an image, or a text of which the normalisation leaves
        nothing is: an "error", or left out and said ("skip").
      cache: a folder that keeps what a detector found.
      batch_size: how many images a detector is called with.
      threads: how many decode; by default one for each processor.
      on_error: what an image that cannot be read is: the end ("fail"), or left out and said ("skip").
      progress: who is told how far it has come.

    Returns:
      Scores of each set and category with intervals over other texts, and paired differences of each two sets.

    Raises:
      InputError: an argument is wrong, texts and images do not match, or boxes have no texts.
      OutOfMemoryError: a batch does not fit into memory.

    Example:
      >>> import numpy as np
      >>> from jaxeval.detection import FoundBoxes, score_texts
      >>> found = FoundBoxes("ours", ("shop.png", "card.png"), ("text",), np.array([0, 1]), np.array([0, 0]),
      ...     np.array([[0.0, 0.0, 50.0, 10.0], [0.0, 0.0, 50.0, 10.0]]), np.ones(2), texts=("Sale!", "Hapy"))
      >>> result = score_texts({"shop": "SALE", "card": "Happy"}, found=found, metrics="exact,cer")
      >>> [(score.metric, round(score.value, 3)) for score in result.scores]
      [('exact', 0.5), ('cer', 0.111)]
      >>> result.outcomes[1].reasons
      ("asked for 'happy' and read 'hapy'",)
    """
    chosen = _chosen(metrics)
    change = text_normalisation(normalisation)
    texts = _texts(asked)
    looking = Looking(cache, batch_size, threads, on_error, progress)
    sets = judged_sets(images, detector=_reader(detector) if found is None else None, found=found, looking=looking)
    wanted, warnings = _wanted(texts, change, unmatched)
    outcomes: list[ImageOutcome] = []
    counts = {"texts": len(texts), "images": 0, "images without text": 0}
    for name, own in sets.items():
        pairing = paired(texts.names, own.images, pattern=pattern, unmatched=unmatched, name=name, what="text")
        warnings += [f"{name}: {one}" for one in pairing.unmatched]
        boxes = _boxes_of(own, confidence)
        for image, place in enumerate(pairing.prompt_of_image):
            if place >= 0 and wanted[place]:
                outcome = _outcome(own, image, boxes[image], texts, place, wanted[place], change, chosen)
                outcomes.append(outcome)
                counts["images"] += 1
                counts["images without text"] += not outcome.values["read letters"]
    scores, differences = summarise(outcomes, chosen, sets=list(sets))
    parameters = {
        "asked": texts.path,
        "sha256": texts.sha256,
        "normalisation": change.name,
        "normalisation_definition": change.definition,
        "metrics": list(chosen),
        "confidence": confidence,
        "pattern": pattern,
        "unmatched": unmatched,
    }
    manifest = manifest_of(
        sets,
        images=images,
        found=found,
        parameters=parameters,
        counts=counts,
        warnings=[*warnings, *left_out(outcomes, chosen, sets=list(sets))],
    )
    return DetectionEvaluation("text", scores, differences, tuple(outcomes), _ORDER, manifest)


def _reader(detector: Any) -> Detector:
    loaded = load_detector(detector)
    if loaded.reads is False:
        raise InputError(
            f"the detector {loaded.name} does not say what is written; choose one that reads, such as 'ocr'"
        )
    return loaded


def _texts(asked: AskedTexts | str | Path | Mapping[str, Any]) -> AskedTexts:
    if isinstance(asked, AskedTexts):
        return asked
    return AskedTexts.of(asked) if isinstance(asked, Mapping) else read_texts(asked)


def _chosen(metrics: str | Sequence[str] | None) -> dict[str, SummaryMetric]:
    if metrics is None:
        names: Sequence[str] = USUAL_TEXT_METRICS
    elif isinstance(metrics, str):
        names = list(TEXT_METRICS) if metrics == "all" else [name.strip() for name in metrics.split(",")]
    else:
        names = list(metrics)
    unknown = [name for name in names if name not in TEXT_METRICS]
    if unknown or not names:
        known = ", ".join(TEXT_METRICS)
        raise InputError(f"metrics has {_arguments.shown((*unknown, '')[0])}; choose from {known}, or 'all'")
    return {name: TEXT_METRICS[name] for name in names}


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """A text that was asked for, normalised: the whole and its lines."""

    whole: str
    lines: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.whole.split())


def _wanted(texts: AskedTexts, change: Normalisation, unmatched: str) -> tuple[list[_Wanted], list[str]]:
    """What was asked for, as it is compared, and what of it nothing is left of."""
    found, empty, lost = [], [], []
    for number, name in enumerate(texts.names):
        lines = [change(line) for line in texts.lines[number]]
        one = _Wanted(change(texts.text(number)), tuple(line for line in lines if line))
        found.append(one)
        if not one:
            empty.append(name)
        elif len(one.lines) < len(lines):
            lost.append(name)
    warnings = []
    if empty:
        few = "text has" if len(empty) == 1 else "texts have"
        sentence = (
            f"{len(empty):,} {few} nothing left by the normalisation {change.name!r}: {first_of(empty, quoted=True)}"
        )
        if unmatched != "skip" or len(empty) == len(found):
            raise InputError(
                f"{sentence}; choose another one, such as 'exact', or leave such texts out (--unmatched skip)"
            )
        warnings.append(f"{sentence} (left out)")
    if lost:
        few = "text has lines" if len(lost) == 1 else "texts have lines"
        warnings.append(
            f"{len(lost):,} {few} of which the normalisation {change.name!r} leaves nothing, and which are not asked "
            f"for: {first_of(lost, quoted=True)}"
        )
    return found, warnings


def _boxes_of(found: FoundBoxes, confidence: float) -> list[list[int]]:
    """Of each image its boxes that are read."""
    if found.texts is None and len(found):
        raise InputError(
            f"the boxes of {found.name} say nothing of what is written in them; choose a detector that reads, such as "
            "'ocr', or give boxes with texts"
        )
    boxes: list[list[int]] = [[] for _ in found.images]
    for row in np.flatnonzero(found.scores >= confidence).tolist():
        boxes[found.image[row]].append(row)
    return boxes


def _outcome(
    found: FoundBoxes,
    image: int,
    rows: Sequence[int],
    texts: AskedTexts,
    place: int,
    wanted: _Wanted,
    change: Normalisation,
    chosen: Mapping[str, SummaryMetric],
) -> ImageOutcome:
    said = [found.texts[row] for row in rows] if found.texts is not None else []
    if sum(map(len, said)) > _LONGEST_READ:
        raise InputError(
            f"what was read in {found.images[image]} of {found.name} has more than {_LONGEST_READ:,} letters, which no "
            "image shows; mend the boxes"
        )
    lines = read_lines(found.boxes[list(rows)], said)
    read = change(joined(lines))
    read_by_line = [line for line in map(change, lines) if line]
    values = _values(wanted, read, read_by_line, chosen)
    expected = set(wanted.whole.split())
    return ImageOutcome(
        image=found.images[image],
        set=found.name,
        prompt=texts.prompts[place],
        category=texts.categories[place],
        values=values,
        reasons=_reasons(wanted.whole, read),
        found=tuple(
            ShownBox(
                label=found.labels[found.label[row]],
                box=_plain_box(found.boxes[row]),
                score=float(found.scores[row]),
                text=one,
                good=bool(words := change(one).split()) and set(words) <= expected,
            )
            for row, one in zip(rows, said, strict=True)
        ),
    )


def _values(
    wanted: _Wanted, read: str, lines: Sequence[str], chosen: Mapping[str, SummaryMetric]
) -> dict[str, float | None]:
    """The numbers of one image: each metric's own, and what those of sets are sums of."""
    words = word_counts(wanted.whole, read)
    letter_errors = edit_distance(wanted.whole, read)
    word_errors = edit_distance(wanted.whole.split(), read.split())
    partner = best_lines(wanted.lines, lines)
    alike = [
        1 - normalised_edit_distance(line, lines[int(other)]) if other >= 0 else 0.0
        for line, other in zip(wanted.lines, partner, strict=True)
    ]
    count = len(wanted.lines)
    if count == 1:
        alike = [max(alike[0], 1 - normalised_edit_distance(wanted.lines[0], read))]
    right = sum(one == 1 for one in alike)
    values = {
        "exact": float(wanted.whole == read),
        "same-words": float(same_words(wanted.whole, read)),
        "word-accuracy": words.recall,
        "word-precision": words.precision,
        "word-recall": words.recall,
        "word-f": words.f_measure,
        "cer": letter_errors / len(wanted.whole),
        "cer-mean": letter_errors / len(wanted.whole),
        "wer": word_errors / words.asked,
        "edit-similarity": 1 - normalised_edit_distance(wanted.whole, read),
        "line-accuracy": right / count,
        "line-similarity": sum(alike) / count,
        "letters": len(wanted.whole),
        "read letters": len(read),
        "letter-errors": letter_errors,
        "words": words.asked,
        "words-read": words.both,
        "word-errors": word_errors,
        "lines": count,
        "lines-read": right,
        "lines-alike": sum(alike),
    }
    if "pned" in chosen:
        values["pned"] = pned(wanted.whole.split(), read.split())
    if "lex-recall" in chosen:
        values["lex-recall"] = close_words(wanted.whole.split(), read.split())
    if "textatlas-accuracy" in chosen or "textatlas-f" in chosen:
        similar = similar_words(wanted.whole.split(), read.split())
        values["textatlas-accuracy"] = similar / words.asked
        values["textatlas-f"] = 2 * similar / (words.asked + words.read)
        values["words-similar"] = similar
        values["words-similar of both"] = 2 * similar
        values["words of both"] = words.asked + words.read
    return {name: float(value) for name, value in values.items()}


def _reasons(wanted: str, read: str) -> tuple[str, ...]:
    if wanted == read:
        return ()
    if not read:
        return (f"asked for {_short(wanted)} and read nothing",)
    reasons = [f"asked for {_short(wanted)} and read {_short(read)}"]
    asked, found = wanted.split(), read.split()
    missing, extra = _less(asked, found), _less(found, asked)
    if len(asked) > 1 or len(found) > 1:
        if missing:
            reasons.append(f"these words are missing: {first_of(missing, _SHOWN_WORDS)}")
        if extra:
            reasons.append(f"these words were not asked for: {first_of(extra, _SHOWN_WORDS)}")
        if not missing and not extra:
            reasons.append("the words are in another order")
    return tuple(reasons)


def _less(words: Sequence[str], others: Sequence[str]) -> list[str]:
    """Words without those that the others have too, one for one."""
    left = list(others)
    found = []
    for word in words:
        if word in left:
            left.remove(word)
        else:
            found.append(word)
    return found


def _short(told: str) -> str:
    return repr(told if len(told) <= 120 else f"{told[:119]}…")


def _plain_box(box: np.ndarray) -> tuple[float, float, float, float]:
    left, top, width, height = box.tolist()
    return left, top, width, height
