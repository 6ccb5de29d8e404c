"""Votes of people, as arrays: answers of four designs, and who gave them to what."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int

Design = Literal["2afc", "best-of-n", "mos", "real-or-fake"]
DESIGNS: tuple[Design, ...] = get_args(Design)


@dataclasses.dataclass(frozen=True)
class PairAnswers:
    """Answers on two alternatives.

    Attributes:
      left: [N], numbers of the systems on the left.
      right: [N], of those on the right.
      outcome: [N], 1 where the left one won, -1 where the right one won, 0 for a tie.

    Example:
      >>> import numpy as np
      >>> from jaxeval.human import PairAnswers
      >>> PairAnswers(left=np.array([0, 1]), right=np.array([1, 0]), outcome=np.array([1, 0])).outcome.tolist()
      [1, 0]
    """

    left: Int[np.ndarray, " n"]
    right: Int[np.ndarray, " n"]
    outcome: Int[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class ChoiceAnswers:
    """Answers on several alternatives.

    Attributes:
      shown: [N, 4], numbers of the systems in their places; -1 where there was none.
      best: [N], the system that was chosen.
      worst: [N], the system that was chosen as worst; -1 where none was.

    Example:
      >>> import numpy as np
      >>> from jaxeval.human import ChoiceAnswers
      >>> ChoiceAnswers(shown=np.array([[0, 1, 2, -1]]), best=np.array([2]), worst=np.array([0])).best.tolist()
      [2]
    """

    shown: Int[np.ndarray, "n 4"]
    best: Int[np.ndarray, " n"]
    worst: Int[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class OpinionAnswers:
    """Opinion scores.

    Attributes:
      system: [N], numbers of the systems.
      score: [N], in the scale's unit.

    Example:
      >>> import numpy as np
      >>> from jaxeval.human import OpinionAnswers
      >>> OpinionAnswers(system=np.array([0, 1]), score=np.array([4.0, 2.0])).score.mean()
      np.float64(3.0)
    """

    system: Int[np.ndarray, " n"]
    score: Float[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class RealnessAnswers:
    """Answers on whether an image is real.

    Attributes:
      system: [N], numbers of the systems; -1 for real images.
      judged_real: [N].
      exposure: [N], milliseconds for which the image was shown; infinite without a limit.

    Example:
      >>> import numpy as np
      >>> from jaxeval.human import RealnessAnswers
      >>> answers = RealnessAnswers(np.array([0, -1]), np.array([True, True]), np.array([250.0, np.inf]))
      >>> (answers.judged_real == (answers.system < 0)).tolist()  # which are right
      [False, True]
    """

    system: Int[np.ndarray, " n"]
    judged_real: Bool[np.ndarray, " n"]
    exposure: Float[np.ndarray, " n"]


Answers = PairAnswers | ChoiceAnswers | OpinionAnswers | RealnessAnswers


@dataclasses.dataclass(frozen=True)
class BadRow:
    """A row that is no vote.

    Attributes:
      place: in the file, such as "line 7".
      reason: a clause, such as "compares A with itself".
    """

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place} {self.reason}"


@dataclasses.dataclass(frozen=True)
class Votes:
    r"""What a file of votes says. Arrays are of its N answers; skipped ones and bad rows are in none of them.

    Attributes:
      design: which question was asked.
      answers: by design.
      systems: their names; numbers in `answers` are places in it.
      rater, item, question, category: numbers of the names in `raters`, `items`, `questions`, `categories`; -1 where
        the file does not say.
      raters, items, questions, categories: names.
      vote: the id of each answer; its place in the file where there are no ids.
      milliseconds: from question to answer; not-a-number where the file does not say.
      trial: place in the rater's session; not-a-number where the file does not say.
      repeats: number of the answer that each repeats; -1 of others.
      checked: of each rater in `raters`, the checks of attention that were passed, and all of them.
      skipped: of each rater, the questions that were skipped.
      path, sha256: of the file.
      rows: in the file.
      bad: rows that were left out, with the reason.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import read_votes
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     file = pathlib.Path(folder, "votes.csv")
      ...     _ = file.write_text("rater,item,system,score\nr,cat,A,4\nr,dog,A,2\n")
      ...     votes = read_votes(file)
      >>> votes.design, len(votes), votes.items, votes.answers.score.tolist()
      ('mos', 2, ('cat', 'dog'), [4.0, 2.0])
    """

    design: Design
    answers: Answers
    systems: tuple[str, ...]
    rater: Int[np.ndarray, " n"]
    item: Int[np.ndarray, " n"]
    question: Int[np.ndarray, " n"]
    category: Int[np.ndarray, " n"]
    raters: tuple[str, ...]
    items: tuple[str, ...]
    questions: tuple[str, ...]
    categories: tuple[str, ...]
    vote: tuple[str, ...]
    milliseconds: Float[np.ndarray, " n"]
    trial: Float[np.ndarray, " n"]
    repeats: Int[np.ndarray, " n"]
    checked: tuple[tuple[int, int], ...]
    skipped: tuple[int, ...]
    path: str
    sha256: str
    rows: int
    bad: tuple[BadRow, ...]

    def __len__(self) -> int:
        return len(self.rater)

    def by_rater(self) -> list[Int[np.ndarray, " m"]]:
        """Of each rater the places of the answers, in the order of the file."""
        order = np.argsort(self.rater, kind="stable")
        first = np.searchsorted(self.rater[order], np.arange(len(self.raters) + 1))
        return [order[start:end] for start, end in itertools.pairwise(first)]

    def of_systems(self, numbers: Sequence[int]) -> "Votes":
        """The same answers, which are all of some of the systems, with these alone and in this order."""
        places = np.full(len(self.systems) + 1, -1)  # the last is -1, what is no system
        places[list(numbers)] = np.arange(len(numbers))
        own = {"left", "right", "shown", "best", "worst", "system"}
        names = [field.name for field in dataclasses.fields(type(self.answers))]
        arrays = {name: getattr(self.answers, name) for name in names}
        arrays |= {name: places[arrays[name]] for name in names if name in own}
        return dataclasses.replace(
            self, answers=type(self.answers)(**arrays), systems=tuple(self.systems[number] for number in numbers)
        )

    def only(self, mask: Bool[np.ndarray, " n"]) -> "Votes":
        """The answers of a mask; a repeat whose first answer is not among them is an answer as any other."""
        places = np.full(len(self), -1)
        places[mask] = np.arange(int(mask.sum()))
        repeats = self.repeats[mask]
        arrays = {
            field.name: getattr(self.answers, field.name)[mask] for field in dataclasses.fields(type(self.answers))
        }
        own = ("rater", "item", "question", "category", "milliseconds", "trial")
        return dataclasses.replace(
            self,
            answers=type(self.answers)(**arrays),
            repeats=np.where(repeats >= 0, places[repeats], -1),
            vote=tuple(name for name, kept in zip(self.vote, mask, strict=True) if kept),
            **{name: getattr(self, name)[mask] for name in own},
        )
