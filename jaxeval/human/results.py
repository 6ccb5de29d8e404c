"""What an analysis of votes finds: the systems' values with intervals and places, pairs, raters, biases, agreement."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxeval.records import Document, finite_values

HUMAN_SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class SystemValue:
    """What people say of one system.

    Attributes:
      system: its name.
      value: strength, opinion score or error rate, by the model.
      low, high: its interval of 95%, by the bootstrap over raters and items.
      standard_error: by the same bootstrap.
      sandwich_error: the standard error of the sandwich over raters and items; None of models that have none.
      rank: its place by the values, 1 the best.
      rank_low, rank_high: the best and the worst place that it may have, of 95% for each system.
      votes: answers that it took part in.
      share: of the votes against others that it won, a tie being half of one; of fakes, the share that was judged real;
        None of opinion scores.
      share_low, share_high: Wilson's interval of `share`, as if votes were independent.
      elo: rating by Elo's rule in the order of the file, which it depends on; None of other designs than pairs.

    Example:
      >>> from jaxeval.human import SystemValue
      >>> print(SystemValue("ours", 0.685, 0.45, 0.96, 0.13, 0.12, 1, 1, 3, 356, 0.663, 0.61, 0.71, 1031.0))
      1. ours 0.685 [0.45, 0.96]
    """

    system: str
    value: float
    low: float
    high: float
    standard_error: float
    sandwich_error: float | None
    rank: int
    rank_low: int
    rank_high: int
    votes: int
    share: float | None
    share_low: float | None
    share_high: float | None
    elo: float | None

    def __str__(self) -> str:
        return f"{self.rank}. {self.system} {self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


@dataclasses.dataclass(frozen=True)
class PairOfSystems:
    """How two systems compare.

    Attributes:
      first, second: the systems, the one with the higher value first.
      wins, ties, losses: votes of the first against the second; of opinion scores None.
      share: of the votes that the first won, a tie being half of one; not-a-number where nobody compared them.
      low, high: interval of 95% of `share`, by the bootstrap over raters and items.
      expected: what the model says that `share` is; None of models that say nothing of pairs.
      difference: of the values.
      difference_low, difference_high: its interval of 95%, by the bootstrap over raters and items.
      surely: whether the interval of the difference leaves no doubt of its sign.

    Example:
      >>> from jaxeval.human import PairOfSystems
      >>> pair = PairOfSystems("ours", "theirs", 40, 10, 24, 0.61, 0.47, 0.76, 0.61, 0.52, -0.02, 1.05, surely=False)
      >>> pair.first, pair.wins, pair.surely
      ('ours', 40, False)
    """

    first: str
    second: str
    wins: int | None
    ties: int | None
    losses: int | None
    share: float
    low: float
    high: float
    expected: float | None
    difference: float
    difference_low: float
    difference_high: float
    surely: bool


@dataclasses.dataclass(frozen=True)
class ItemValue:
    """What people say of one image of one system, for comparisons with metrics.

    Attributes:
      item: its name.
      system: the system.
      value: opinion score, share of votes that it won, or share of answers that took it for real.
      low, high: its interval: of opinion scores value plus and minus 1.96 model errors, of shares Wilson's.
      n: answers.

    Example:
      >>> from jaxeval.human import ItemValue
      >>> one = ItemValue("cat", "ours", 4.2, 3.9, 4.5, 15)
      >>> one.item, one.value
      ('cat', 4.2)
    """

    item: str
    system: str
    value: float
    low: float
    high: float
    n: int


@dataclasses.dataclass(frozen=True)
class RaterReport:
    """How one rater answered.

    Attributes:
      rater: the name.
      votes: answers.
      skipped: questions that were skipped.
      median_seconds: from question to answer; None where the file does not say.
      fast: share of answers that came faster than a person can look; None where the file does not say.
      checks: checks of attention, and those that were passed.
      passed: of them.
      repeats: answers to a question that was asked again, and those that were the same.
      consistent: of them; opinion scores count as the same within one point.
      agreement: with the others: of pairs the share of decided answers that go with the others' strengths, of opinion
        scores the correlation with the others' means, of real or fake the share that goes with the majority of others;
        None where that cannot be told.
      agreement_n: answers that `agreement` is of.
      left: share of the left side among decided answers; None of other designs.
      bias, inconsistency: of opinion scores, in points; None of other designs.
      flags: what is wrong: "contrary" (disagrees with all others), "fast", "checks", "repeats", "one side".

    Example:
      >>> from jaxeval.human import RaterReport
      >>> report = RaterReport("r0001", 40, 1, 0.2, 1.0, 3, 1, 4, 2, 0.68, 36, 0.5, None, None, ("fast", "checks"))
      >>> report.rater, report.median_seconds, report.flags
      ('r0001', 0.2, ('fast', 'checks'))
    """

    rater: str
    votes: int
    skipped: int
    median_seconds: float | None
    fast: float | None
    checks: int
    passed: int
    repeats: int
    consistent: int
    agreement: float | None
    agreement_n: int
    left: float | None
    bias: float | None
    inconsistency: float | None
    flags: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One number about the votes as a whole, or a test.

    Attributes:
      name: such as "left side".
      value: the number.
      low, high: its interval of 95%; None where there is none.
      p_value: of the hypothesis in `meaning`; None where it is no test.
      n: answers, pairs or raters that it is of.
      meaning: what the number is, and what is tested, a sentence.

    Example:
      >>> from jaxeval.human import Finding
      >>> finding = Finding("left side", 0.507, 0.473, 0.541, 0.7, 822, "share of decided votes for the left side")
      >>> finding.name, finding.p_value
      ('left side', 0.7)
    """

    name: str
    value: float
    low: float | None
    high: float | None
    p_value: float | None
    n: int
    meaning: str


@dataclasses.dataclass(frozen=True)
class Part:
    r"""The analysis of all answers to one question, or of those in one category.

    Attributes:
      question: the question; "" where there is one only.
      category: of the items; "" for all.
      model: by name; `definition` says whose it is.
      unit: of the values.
      penalty: lambda of the normal prior on strengths; 0 where there was none.
      systems: the best first.
      pairs: each two systems, the better one first.
      items: of each image; empty for categories.
      findings: biases, tests of the model, and agreement of raters.
      votes, raters, item_count: how many of each.
      parameters: what else the model found, such as that of ties.
      design_effect: by how much the variance of strengths exceeds that of independent votes, as votes of a rater or of
        an item are alike; None of models without strengths.
      warnings: what a reader should know.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import analyse
      >>> rows = [f"r{i % 4},i{i % 3},A,B,{'left' if i % 3 else 'right'}" for i in range(24)]
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     file = pathlib.Path(folder, "votes.csv")
      ...     _ = file.write_text("\n".join(["rater,item,left,right,choice", *rows]))
      ...     found = analyse(file, repeats=10)
      >>> part = found.parts[0]
      >>> part.model, part.votes, part.raters, [system.system for system in part.systems]
      ('bradley-terry', 24, 4, ['A', 'B'])
    """

    question: str
    category: str
    model: str
    definition: str
    unit: str
    penalty: float
    systems: tuple[SystemValue, ...]
    pairs: tuple[PairOfSystems, ...]
    items: tuple[ItemValue, ...]
    findings: tuple[Finding, ...]
    votes: int
    raters: int
    item_count: int
    parameters: Mapping[str, Any]
    design_effect: float | None
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class VotesNeeded:
    """How many votes on a pair tell with a power of 0.8 that one of its systems is better.

    Attributes:
      win_rate: the share of decided votes that the better one gets.
      votes: on the pair, at the ties and the design effect that were found.

    Example:
      >>> from jaxeval.human import VotesNeeded
      >>> VotesNeeded(win_rate=0.6, votes=345).votes
      345
    """

    win_rate: float
    votes: int


@dataclasses.dataclass(frozen=True)
class HumanAnalysis(Document):
    r"""What `analyse` found; saved as `analysis.json`.

    Attributes:
      design: which question was asked.
      parts: of each question first of all answers, then of each category.
      raters: how each answered.
      needed: votes for the next study.
      manifest: how it was found.

    Example:
      >>> import pathlib, tempfile
      >>> from jaxeval.human import analyse
      >>> rows = [f"r{i % 4},i{i % 3},A,B,{'left' if i % 3 else 'right'}" for i in range(24)]
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     file = pathlib.Path(folder, "votes.csv")
      ...     _ = file.write_text("\n".join(["rater,item,left,right,choice", *rows]))
      ...     found = analyse(file, repeats=10)
      >>> found.design, len(found.parts), [rater.rater for rater in found.raters]
      ('2afc', 1, ['r0', 'r1', 'r2', 'r3'])
    """

    file_name = "analysis.json"

    design: str
    parts: tuple[Part, ...]
    raters: tuple[RaterReport, ...]
    needed: tuple[VotesNeeded, ...]
    manifest: Mapping[str, Any]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know before trusting the numbers."""
        return tuple(self.manifest["warnings"]) + tuple(text for part in self.parts for text in part.warnings)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document; numbers that are not finite are null.

        `systems` and `items` are those of all answers to each question, flat, for whoever compares them with metrics.
        """
        whole = [part for part in self.parts if not part.category]
        systems = [{"question": part.question} | dataclasses.asdict(one) for part in whole for one in part.systems]
        items = [{"question": part.question} | dataclasses.asdict(one) for part in whole for one in part.items]
        parts = []
        for part in self.parts:
            own = dataclasses.asdict(part)
            own.pop("items")
            parts.append(own)
        found = {
            "schema_version": HUMAN_SCHEMA_VERSION,
            "design": self.design,
            "systems": systems,
            "items": items,
            "parts": parts,
            "raters": [dataclasses.asdict(one) for one in self.raters],
            "votes_needed": [dataclasses.asdict(one) for one in self.needed],
            "manifest": dict(self.manifest),
        }
        return finite_values(found)

    def __str__(self) -> str:
        return "\n".join(str(system) for part in self.parts if not part.category for system in part.systems)
