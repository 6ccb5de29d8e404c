"""Who sees what in which order: balanced over systems, items and sides, drawn from the seed of the study.

All comparisons come in one endless sequence, from which raters are dealt one session after the other. It is made of
blocks that have each group of systems (each pair of "2afc") once, in an order by chance. A group goes through all items
before one comes again, and groups begin at different items, evenly spread. Of `n` successive occurrences of a group
each of its systems stands once in each of the `n` places. A rater is never dealt a comparison twice: an item that would
be waits for the next rater, who is dealt it first.
"""

import collections
import dataclasses
import functools
import itertools
import math
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from jaxeval.human.study import Study

VOTE, CHECK, REPEAT = "vote", "check", "repeat"
UNIFORM, ADAPTIVE = "uniform", "adaptive"


class Comparison(NamedTuple):
    """What is shown at once.

    Attributes:
      item: by number.
      shown: numbers of `Study.labels`, in their places on the screen.
      exposure: in milliseconds; None for without limit.
    """

    item: int
    shown: tuple[int, ...]
    exposure: int | None = None


@dataclasses.dataclass(frozen=True)
class PlannedTrial:
    """A trial of a session before it is shown.

    Attributes:
      number: its place in the session, from 1.
      entry: its comparison's place in the session; trials that ask the same comparison several questions share it.
      kind: "vote", "check" or "repeat".
      drawn: "uniform" or "adaptive"; of a check or repeat empty.
      comparison: None where it is chosen later: of adaptive trials, and of repeats.
      question: by number; None where the study has no questions of its own.
      known: of a check its number; `comparison.shown` then counts what that check shows.
      repeats: of a repeat the number of the trial that it repeats.
    """

    number: int
    entry: int
    kind: str
    drawn: str = ""
    comparison: Comparison | None = None
    question: int | None = None
    known: int | None = None
    repeats: int | None = None


class Deck:
    """An endless sequence of comparisons, dealt in parts that have none twice.

    Args:
      groups: numbers of labels that are shown together.
      items: by group the items that it has.
      exposures: those of "real-or-fake"; of `n` successive occurrences of a group each has one once.
      seed: of all that is drawn.
    """

    def __init__(
        self,
        groups: Sequence[tuple[int, ...]],
        items: Sequence[Sequence[int]],
        exposures: Sequence[int | None],
        seed: str,
    ):
        self._turns = _turns(len(groups), seed)
        self._waiting: collections.deque[int] = collections.deque()
        self._items = [_Items(own, number / len(groups), seed) for number, own in enumerate(items)]
        self._places = [_Rotations(group, f"{seed} places {number}") for number, group in enumerate(groups)]
        timed = exposures or (None,)
        self._exposures = [_Rotations(timed, f"{seed} exposures {number}") for number in range(len(groups))]

    def deal(self, count: int) -> list[Comparison]:
        """The next comparisons, of which no two show the same systems for the same item.

        Args:
          count: at most as many as there are different ones, in every group its share.
        """
        dealt: list[Comparison] = []
        seen: list[set[int]] = [set() for _ in self._items]
        left: list[int] = []
        while len(dealt) < count:
            group = self._waiting.popleft() if self._waiting else next(self._turns)
            item = self._items[group].next(seen[group])
            if item is None:
                left.append(group)
                continue
            seen[group].add(item)
            dealt.append(Comparison(item, tuple(self._places[group].next()), self._exposures[group].next()[0]))
        self._waiting.extendleft(reversed(left))
        return dealt


def _turns(groups: int, seed: str) -> Iterator[int]:
    """Blocks that have each group once."""
    for block in itertools.count():
        yield from _shuffled(range(groups), f"{seed} block {block}")


class _Items:
    """The items of a group, over and over again; sets of equal items have one order, with different beginnings."""

    def __init__(self, items: Sequence[int], start: float, seed: str):
        self._items, self._start, self._seed = items, int(start * len(items)), seed
        self._cycle = 0
        self._ahead: list[int] = []

    def next(self, seen: Collection[int]) -> int | None:
        """The first that was not seen; None where all were."""
        if len(seen) >= len(self._items):
            return None
        while (place := next((place for place, item in enumerate(self._ahead) if item not in seen), None)) is None:
            order = _order(len(self._items), f"{self._seed} items {self._cycle}")
            self._ahead += [self._items[one] for one in (*order[self._start :], *order[: self._start])]
            self._cycle += 1
        return self._ahead.pop(place)


class _Rotations:
    """Orders of some things, of which any `n` from a multiple of `n` on have each thing once in each place."""

    def __init__(self, things: Sequence, seed: str):
        self._things, self._draw, self._ahead = things, random.Random(seed), []

    def next(self) -> list:
        if not self._ahead:
            count = len(self._things)
            base = self._draw.sample(list(self._things), count)
            self._ahead = [base[first:] + base[:first] for first in self._draw.sample(range(count), count)]
        return self._ahead.pop()


@functools.lru_cache(maxsize=8)  # all groups of a deck want the same one at about the same time
def _order(count: int, seed: str) -> tuple[int, ...]:
    return tuple(_shuffled(range(count), f"{seed} of {count}"))


def _shuffled(things: Sequence[int], seed: str) -> list[int]:
    found = list(things)
    random.Random(seed).shuffle(found)
    return found


class Schedule:
    """The sessions of a study, by the number of the rater.

    Args:
      study: the study.
    """

    def __init__(self, study: Study):
        self._study = study
        self._begin()

    def _begin(self) -> None:
        study = self._study
        self._next, self._last = 0, []
        systems, seed = range(len(study.systems)), f"jaxeval schedule {study.seed}"
        have = [[place for place, item in enumerate(study.items) if name in item.images] for name in study.systems]
        if study.design == "real-or-fake":
            real = [place for place, item in enumerate(study.items) if item.reference is not None]
            fake = Deck([(system,) for system in systems], have, study.options.exposures, f"{seed} fake")
            true = Deck([(len(systems),)], [real], study.options.exposures, f"{seed} real")
            half = study.options.trials // 2
            # Of an odd number the one more is real in every second session.
            self._deal: Callable[[int, int], list[Comparison]] = lambda count, number: [
                *fake.deal(half + (count - 2 * half) * (number % 2)),
                *true.deal(half + (count - 2 * half) * (1 - number % 2)),
            ]
        else:
            groups = list(itertools.combinations(systems, study.places))
            deck = Deck(groups, [range(len(study.items))] * len(groups), (), seed)
            self._deal = lambda count, number: deck.deal(count)

    def session(self, number: int) -> list[PlannedTrial]:
        """The session of a rater, always the same for a number.

        Args:
          number: of the rater, from 0, in the order of joining.
        """
        if number < self._next - 1:
            self._begin()
        while self._next <= number:
            self._last = self._made(self._next)
            self._next += 1
        return self._last

    def _made(self, number: int) -> list[PlannedTrial]:
        options, draw = self._study.options, random.Random(f"jaxeval session {self._study.seed} {number}")
        chosen = round(options.trials * options.adaptive)
        entries: list[_Entry] = [_Entry(VOTE, UNIFORM, one) for one in self._deal(options.trials - chosen, number)]
        entries += [_Entry(VOTE, ADAPTIVE)] * chosen
        draw.shuffle(entries)
        entries = [dataclasses.replace(entry, place=place) for place, entry in enumerate(entries)]
        return _numbered(self._with_repeats_and_checks(entries, number, draw), self._study)

    def _with_repeats_and_checks(self, entries: list["_Entry"], number: int, draw: random.Random) -> list["_Entry"]:
        options, known = self._study.options, self._study.known
        half = len(entries) // 2
        again = min(half, math.ceil(options.repeats * len(entries)))  # of an odd number half is one too many
        found = list(entries)
        # What was seen in the first half comes again in the second, with as many others between as are half a session.
        for place in draw.sample(range(half), again):
            found.insert(draw.randint(place + len(entries) - half, len(found)), _Entry(REPEAT, repeats=place))
        wanted = math.ceil(options.checks * len(entries)) if known else 0
        for count in range(wanted):
            which = (number * wanted + count) % len(known)
            order = draw.sample(range(len(known[which].shown)), len(known[which].shown))
            timed = max(options.exposures, key=lambda one: math.inf if one is None else one, default=None)
            one = Comparison(known[which].item, tuple(order), timed)
            # One in each part of the session, at a place by chance.
            low, high = (len(found) * part // wanted for part in (count, count + 1))
            found.insert(draw.randint(low, max(low, high)), _Entry(CHECK, comparison=one, known=which))
        return found


@dataclasses.dataclass(frozen=True)
class _Entry:
    kind: str
    drawn: str = ""
    comparison: Comparison | None = None
    place: int = -1  # among the votes
    repeats: int | None = None  # such a place
    known: int | None = None


def _numbered(entries: Sequence[_Entry], study: Study) -> list[PlannedTrial]:
    """The trials of these entries: each question of each, and of checks the first."""
    found: list[PlannedTrial] = []
    first: dict[int, int] = {}
    asked: list[int | None] = list(range(len(study.options.questions))) or [None]
    for number, entry in enumerate(entries, 1):
        if entry.kind == VOTE:
            first[entry.place] = len(found) + 1
        for step, question in enumerate(asked[:1] if entry.kind == CHECK else asked):
            found.append(
                PlannedTrial(
                    len(found) + 1,
                    number,
                    entry.kind,
                    entry.drawn,
                    entry.comparison,
                    question,
                    entry.known,
                    None if entry.repeats is None else first[entry.repeats] + step,
                )
            )
    return found
