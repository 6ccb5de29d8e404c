"""What the choice of pairs is made from: who won against whom so far, and what is being asked just now."""

import time

import numpy as np
import sqlalchemy as sa

from jaxeval.human._adaptive import pairs_by_information
from jaxeval.human.database import ANSWERS, TRIALS, split_numbers
from jaxeval.human.schedule import ADAPTIVE, VOTE


class Tally:
    """Who won against whom, and which pairs are being asked just now; neither is found out more often than is cheap.

    Args:
      systems: how many there are.
    """

    def __init__(self, systems: int):
        self._systems = systems
        self._wins = np.zeros((systems, systems))
        self._pairs: list[tuple[int, int]] = []
        self._counted_until = self._ordered_until = 0.0

    def pairs(self, connection: sa.Connection) -> list[tuple[int, int]]:
        """All pairs, the one of most expected information first."""
        begun = time.monotonic()
        if begun >= self._counted_until:
            self._wins = self._counted(connection)
            counted = time.monotonic()
            self._counted_until = counted + 20 * (counted - begun)  # counting takes a twentieth of the time at most
        begun = time.monotonic()
        if begun >= self._ordered_until:
            self._pairs = pairs_by_information(self._wins)
            ordered = time.monotonic()
            self._ordered_until = ordered + 4 * (ordered - begun)  # and putting in order a fifth
        return self._pairs

    def chosen(self, pair: tuple[int, int]) -> None:
        """Counts a pair as a tie until its answer is there: others that ask at the same time get other pairs."""
        self._wins[pair] += 0.5
        self._wins[pair[::-1]] += 0.5
        self._pairs = [*(one for one in self._pairs if one != pair), pair]

    def _counted(self, connection: sa.Connection) -> np.ndarray:
        found = connection.execute(
            sa.select(TRIALS.c.shown, ANSWERS.c.answer, sa.func.count().label("times"))
            .select_from(TRIALS)
            .outerjoin(
                ANSWERS,
                (ANSWERS.c.rater == TRIALS.c.rater) & (ANSWERS.c.trial == TRIALS.c.number) & ANSWERS.c.undone.is_(None),
            )
            .where(TRIALS.c.kind == VOTE, TRIALS.c.shown.is_not(None))
            .where((TRIALS.c.drawn == ADAPTIVE) | ANSWERS.c.answer.is_not(None))
            .group_by(TRIALS.c.shown, ANSWERS.c.answer)
        )
        wins = np.zeros((self._systems, self._systems))
        for row in found:
            left, right = split_numbers(row.shown)
            # A pair that is shown and not answered yet counts as a tie; a skip does not count.
            share = {"left": 1.0, "right": 0.0, "tie": 0.5, None: 0.5}.get(row.answer)
            if share is not None:
                wins[left, right] += share * row.times
                wins[right, left] += (1 - share) * row.times
        return wins
