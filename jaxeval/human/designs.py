"""The four designs of a study: what a rater sees at once, what an answer may be, and how it is kept."""

import json
from collections.abc import Sequence
from typing import Any

from jaxeval.errors import InputError

DESIGNS = ("2afc", "best-of-n", "mos", "real-or-fake")
"""Two alternatives, forced or with ties; best and worst of three or four; opinion scores of 1 to 5; real or fake."""

SKIP = "skip"
SCORES = range(1, 6)
"""Of absolute category rating: bad, poor, fair, good, excellent (ITU-R BT.500, ITU-T P.910)."""


def check_design(design: str) -> str:
    """The design's name.

    Raises:
      InputError: it is none of `DESIGNS`.
    """
    if design not in DESIGNS:
        raise InputError(f"design {design!r} is not known; choose from {', '.join(DESIGNS)}")
    return design


def places(design: str, n: int) -> int:
    """How many images a rater sees at once.

    Args:
      design: one of `DESIGNS`.
      n: of "best-of-n".
    """
    return {"2afc": 2, "best-of-n": n}.get(design, 1)


def kept_answer(design: str, answer: Any, *, ties: bool, shown: int) -> str:
    """An answer as a page sends it, checked, as the text that is kept.

    Args:
      design: of the study.
      answer: "skip"; of "2afc" "left", "right" or "tie"; of "best-of-n" `{"best": place, "worst": place}` with places
        from 1; of "mos" a whole number from 1 to 5; of "real-or-fake" "real" or "fake".
      ties: whether "tie" is an answer.
      shown: how many images there were.

    Raises:
      InputError: it is something else.
    """
    if answer == SKIP:
        return SKIP
    if design == "2afc" and answer in ("left", "right", *(("tie",) if ties else ())):
        return answer
    if design == "real-or-fake" and answer in ("real", "fake"):
        return answer
    if design == "mos" and type(answer) is int and answer in SCORES:
        return str(answer)
    if design == "best-of-n" and isinstance(answer, dict) and set(answer) == {"best", "worst"}:
        best, worst = answer["best"], answer["worst"]
        if all(type(place) is int and 1 <= place <= shown for place in (best, worst)) and best != worst:
            return json.dumps({"best": best, "worst": worst})
    raise InputError(f"the answer is none of {_possible(design, ties, shown)}")


def _possible(design: str, ties: bool, shown: int) -> str:
    return {
        "2afc": "left, right, tie, skip" if ties else "left, right, skip",
        "best-of-n": f"two different places from 1 to {shown}, best and worst, or skip",
        "mos": "1, 2, 3, 4, 5, skip",
        "real-or-fake": "real, fake, skip",
    }[design]


def answer_columns(design: str, answer: str, shown: Sequence[str]) -> dict[str, Any]:
    """A kept answer as the columns of a vote that hold what was shown and what was chosen.

    Args:
      design: of the study.
      answer: as `kept_answer` gives it.
      shown: the systems in their places on the screen.
    """
    if design == "2afc":
        return {"left": shown[0], "right": shown[1], "choice": answer}
    if design == "mos":
        return {"system": shown[0], "score": answer}
    if design == "real-or-fake":
        return {"system": shown[0], "answer": answer}
    columns: dict[str, Any] = {f"shown_{place}": None for place in range(1, 5)}
    columns |= {f"shown_{place}": system for place, system in enumerate(shown, 1)}
    if answer == SKIP:
        return columns | {"best": SKIP, "worst": None}
    chosen = json.loads(answer)
    return columns | {"best": shown[chosen["best"] - 1], "worst": shown[chosen["worst"] - 1]}
