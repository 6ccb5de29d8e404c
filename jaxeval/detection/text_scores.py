"""How far a text that was read is from the one that was asked for: pure functions on texts.

A letter is a Unicode code point here, as in all tools that report such numbers; an accent that is stored behind its
letter counts by itself unless a normalisation has composed both (`jaxeval.detection.normalisation`). Words are what
stands between white space.

References: Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals", 1966; Myers, "A fast
bit-vector algorithm for approximate string matching based on dynamic programming", JACM 46, 1999; Hyyrö, "Explaining
and extending the bit-parallel approximate string matching algorithm of Myers", 2001; Hyyrö, "Bit-parallel LCS-length
computation revisited", 2004; Yujian and Bo, "A normalized Levenshtein distance metric", TPAMI 29, 2007; Chng et al.,
"ICDAR2019 robust reading challenge on arbitrary-shaped text", 2019 (1 - N.E.D.); Tuo et al., "AnyText", 2023 (NED);
Chen et al., "TextDiffuser", 2023 (MARIO-Eval); Zhao et al., "LeX-Art", 2025 (PNED, recall); Wang et al.,
"TextAtlas5M", 2025.
"""

import collections
import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from jaxeval.errors import InputError

_CLOSE = 0.3  # LeX-Bench's: of distances by the longer word
_CLOSE_RATIO = 80  # TextAtlas': of 100, of insertions and deletions by both lengths, rounded


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The least number of insertions, deletions and replacements that turn one sequence into the other (Levenshtein).

    Myers' algorithm, in Hyyrö's form for whole sequences, on Python's integers: a column of the table is two numbers of
    as many bits as the first has letters.

    Args:
      first: a text, or words or anything else that can be compared.
      second: the same.

    Example:
      >>> from jaxeval.detection.text_scores import edit_distance
      >>> edit_distance("kitten", "sitting"), edit_distance(["a", "b"], ["b"])
      (3, 1)
    """
    if len(first) < len(second):
        first, second = second, first
    if not second:
        return len(first)
    size = len(first)
    matches = _places(first)
    every, last = (1 << size) - 1, 1 << (size - 1)
    # Whether the table's column rises or falls from one row to the next.
    up, down, distance = every, 0, size
    for letter in second:
        equal = matches.get(letter, 0)
        across = equal | down
        equal |= ((equal & up) + up) ^ up
        rise, fall = down | ~(equal | up), up & equal
        if rise & last:
            distance += 1
        elif fall & last:
            distance -= 1
        rise, fall = rise << 1 | 1, fall << 1
        up, down = (fall | ~(across | rise)) & every, rise & across & every
    return distance


def common_subsequence(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The length of the longest sequence that both hold in order, perhaps with others between.

    Example:
      >>> from jaxeval.detection.text_scores import common_subsequence
      >>> common_subsequence("house", "mouses")
      4
    """
    matches = _places(first)
    every = (1 << len(first)) - 1
    free = every
    for letter in second:
        own = free & matches.get(letter, 0)
        free = ((free + own) | (free - own)) & every
    return len(first) - free.bit_count()


def _places(sequence: Sequence[Hashable]) -> dict[Hashable, int]:
    """By letter, a number whose bits say where it stands."""
    found: dict[Hashable, int] = collections.defaultdict(int)
    for place, letter in enumerate(sequence):
        found[letter] |= 1 << place
    return dict(found)


def character_error_rate(asked: str, read: str) -> float:
    """Edit distance per letter that was asked for; above 1 where much more was read. 1 where nothing was read.

    Raises:
      InputError: no letter was asked for.

    Example:
      >>> from jaxeval.detection.text_scores import character_error_rate
      >>> character_error_rate("SALE", "SAIL"), character_error_rate("SALE", "")
      (0.5, 1.0)
    """
    if not asked:
        raise InputError("no letter was asked for, so that there is no rate of errors; give a text")
    return edit_distance(asked, read) / len(asked)


def word_error_rate(asked: str, read: str) -> float:
    """Edit distance in words, in order, per word that was asked for.

    Raises:
      InputError: no word was asked for.

    Example:
      >>> from jaxeval.detection.text_scores import word_error_rate
      >>> word_error_rate("happy birthday", "happy birth day")
      1.0
    """
    words = asked.split()
    if not words:
        raise InputError("no word was asked for, so that there is no rate of errors; give a text")
    return edit_distance(words, read.split()) / len(words)


def normalised_edit_distance(first: str, second: str, *, convention: str = "longer") -> float:
    """Edit distance on a scale from 0, the same, to 1.

    Args:
      first: a text.
      second: another.
      convention: what it is divided by. "longer": the length of the longer text (ICDAR's N.E.D. and AnyText's, which
        report 1 less it; LeX-Bench's; what TextAtlas calls CER); "yujian-bo": of both lengths and the distance, 2 d /
        (n + m + d), the only one of these that satisfies the triangle inequality; "indel": of insertions and deletions
        alone, by both lengths (1 less it, of 100, is fuzzywuzzy's and RapidFuzz's `ratio`).

    Raises:
      InputError: an unknown convention.

    Example:
      >>> from jaxeval.detection.text_scores import normalised_edit_distance
      >>> normalised_edit_distance("SALE", "SAIL")
      0.5
      >>> normalised_edit_distance("SALE", "SAIL", convention="yujian-bo")
      0.4
    """
    both = len(first) + len(second)
    conventions: Mapping[str, Callable[[], tuple[int, int]]] = {
        "longer": lambda: (edit_distance(first, second), max(len(first), len(second))),
        "yujian-bo": lambda: (2 * (distance := edit_distance(first, second)), both + distance),
        "indel": lambda: (both - 2 * common_subsequence(first, second), both),
    }
    if convention not in conventions:
        raise InputError(f"convention {convention!r} is not known; choose from {', '.join(conventions)}")
    over, under = conventions[convention]()
    return over / under if under else 0.0


@dataclasses.dataclass(frozen=True)
class WordCounts:
    """Words that were asked for and words that were read, each counted as often as it stands there, in any order.

    Attributes:
      asked: how many words were asked for.
      read: how many were read.
      both: how many of them are the same.

    Example:
      >>> from jaxeval.detection.text_scores import WordCounts
      >>> counts = WordCounts(asked=4, read=2, both=2)
      >>> counts.precision, counts.recall, round(counts.f_measure, 3)
      (1.0, 0.5, 0.667)
    """

    asked: int
    read: int
    both: int

    @property
    def precision(self) -> float:
        """The share of words read that were asked for; 0 where none was read, as in MARIO-Eval."""
        return self.both / self.read if self.read else 0.0

    @property
    def recall(self) -> float:
        """The share of words asked for that were read; 0 where none was asked for."""
        return self.both / self.asked if self.asked else 0.0

    @property
    def f_measure(self) -> float:
        """The harmonic mean of both, 2 both / (asked + read); 0 where there is no word at all."""
        return 2 * self.both / (self.asked + self.read) if self.asked + self.read else 0.0


def word_counts(asked: str, read: str) -> WordCounts:
    """Counts words and those that are the same in both, in any order, each word read for one word asked for.

    Example:
      >>> from jaxeval.detection.text_scores import word_counts
      >>> word_counts("happy happy day", "day of happy dogs")
      WordCounts(asked=3, read=4, both=2)
    """
    wanted, found = collections.Counter(asked.split()), collections.Counter(read.split())
    return WordCounts(wanted.total(), found.total(), (wanted & found).total())


def same_words(asked: str, read: str) -> bool:
    """Whether the words are the same in any order: MARIO-Eval's accuracy.

    As there, the sorted words are compared without what stands between them.

    Example:
      >>> from jaxeval.detection.text_scores import same_words
      >>> same_words("happy birthday", "birthday happy"), same_words("happy birthday", "happy birthday to")
      (True, False)
    """
    return "".join(sorted(asked.split())) == "".join(sorted(read.split()))


def similar_words(asked: Sequence[str], read: Sequence[str]) -> int:
    """How many words read are like a word asked for by TextAtlas' rule: a rounded `ratio` of 80 of 100 or more.

    A ratio is fuzzywuzzy's with python-Levenshtein: 100 times 1 less the distance of the convention "indel". Each word
    read, in order, takes the first word asked for that is so like it and not taken yet.

    Args:
      asked: words.
      read: words.

    Example:
      >>> from jaxeval.detection.text_scores import similar_words
      >>> similar_words(["summer", "sale"], ["sumer", "sail", "summer"])
      1
    """
    free = list(asked)
    for word in read:
        near = next((place for place, one in enumerate(free) if _ratio(one, word) >= _CLOSE_RATIO), None)
        if near is not None:
            del free[near]
    return len(asked) - len(free)


def _ratio(first: str, second: str) -> int:
    return round(100 * (1 - normalised_edit_distance(first, second, convention="indel")))


def close_words(asked: Sequence[str], read: Sequence[str]) -> float:
    """LeX-Bench's recall: the share of words asked for of which one was read that is at most 0.3 of the longer away.

    Each word asked for, in order, takes the first word read that is so close and not taken yet.

    Args:
      asked: words; at least one.
      read: words.

    Raises:
      InputError: no word was asked for.

    Example:
      >>> from jaxeval.detection.text_scores import close_words
      >>> close_words(["summer", "sale"], ["sumer", "sail"])
      0.5
    """
    if not asked:
        raise InputError("no word was asked for, so that there is no share of words; give a text")
    free = list(read)
    taken = 0
    for word in asked:
        near = next((place for place, one in enumerate(free) if normalised_edit_distance(word, one) <= _CLOSE), None)
        if near is not None:
            del free[near]
            taken += 1
    return taken / len(asked)


def pned(asked: Sequence[str], read: Sequence[str]) -> float:
    """LeX-Bench's pairwise normalised edit distance: of words in their best pairs, and 1 for each word without one.

    Args:
      asked: words.
      read: words.

    Example:
      >>> from jaxeval.detection.text_scores import pned
      >>> pned(["summer", "sale"], ["sale", "sumner", "now"])
      1.1666666666666667
    """
    distances = np.array([[normalised_edit_distance(word, one) for one in read] for word in asked], np.float64)
    distances = distances.reshape(len(asked), len(read))
    rows, columns = linear_sum_assignment(distances)
    return float(distances[rows, columns].sum()) + abs(len(asked) - len(read))


def best_lines(asked: Sequence[str], read: Sequence[str]) -> Int[np.ndarray, " lines"]:
    """For each line asked for the line read that it is compared with; -1 where none is left.

    Each line read goes to one line asked for, so that the sum of their similarities (1 less the edit distance by the
    longer) is as large as it can be. Lines that have nothing in common are no pair.

    Args:
      asked: lines.
      read: lines.

    Example:
      >>> from jaxeval.detection.text_scores import best_lines
      >>> best_lines(["summer sale", "now"], ["new", "shop", "sumer sale"]).tolist()
      [2, 0]
    """
    alike = np.zeros((len(asked), len(read)))
    for row, line in enumerate(asked):
        alike[row] = [1 - normalised_edit_distance(line, one) for one in read]
    return _assigned(alike)


def _assigned(alike: Float[np.ndarray, "asked read"]) -> Int[np.ndarray, " asked"]:
    found = np.full(len(alike), -1)
    rows, columns = linear_sum_assignment(alike, maximize=True)
    kept = alike[rows, columns] > 0
    found[rows[kept]] = columns[kept]
    return found
