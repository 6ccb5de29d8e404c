"""What a rule asks for, as records: objects, how many of them, how they lie, and rules made of rules."""

import dataclasses
from collections.abc import Iterator
from typing import Literal

Direction = Literal["left_of", "right_of", "above", "below"]
RelationKind = Literal["left_of", "right_of", "above", "below", "inside", "overlaps"]

DIRECTIONS: tuple[str, ...] = ("left_of", "right_of", "above", "below")
RELATIONS: tuple[str, ...] = (*DIRECTIONS, "inside", "overlaps")


@dataclasses.dataclass(frozen=True)
class AskedObject:
    """An object that a rule speaks of.

    Attributes:
      label: the detector's name of it.
      colour: that it must have; None where any will do.
      confidence: the least that its box must have.

    Example:
      >>> from jaxeval.detection.rules import AskedObject
      >>> str(AskedObject("apple", "red"))
      'red apple'
    """

    label: str
    colour: str | None = None
    confidence: float = 0.3

    def __str__(self) -> str:
        return self.label if self.colour is None else f"{self.colour} {self.label}"


@dataclasses.dataclass(frozen=True)
class Relation:
    """How an object must lie to another.

    Attributes:
      kind: `left_of`, `right_of`, `above`, `below`, `inside` or `overlaps`.
      target: the other object; one of its boxes is enough.

    Example:
      >>> from jaxeval.detection.rules import AskedObject, Relation
      >>> str(Relation("left_of", AskedObject("cup")))
      'left of cup'
    """

    kind: RelationKind
    target: AskedObject

    def __str__(self) -> str:
        words = {"inside": "inside of", "overlaps": "overlapping with"}
        return f"{words.get(self.kind, self.kind.replace('_', ' '))} {self.target}"


@dataclasses.dataclass(frozen=True)
class ObjectRule:
    """So many boxes of an object are there, and lie as asked for.

    Attributes:
      object: what they are of.
      least: how many there must be at least.
      most: how many there may be at most; None where any number will do.
      relations: how each of them must lie.
      margin: of `left_of`, `right_of`, `above` and `below`: the share of both boxes' sizes by which their centres must
        lie apart before a direction counts.
      share: of `inside`, the least share of the box that must lie in the other; of `overlaps`, the least intersection
        over union.

    Example:
      >>> from jaxeval.detection.rules import AskedObject, ObjectRule
      >>> str(ObjectRule(AskedObject("dog"), 3, 3))
      'exactly 3 boxes of dog'
    """

    object: AskedObject
    least: int = 1
    most: int | None = None
    relations: tuple[Relation, ...] = ()
    margin: float = 0.1
    share: float | None = None

    def __str__(self) -> str:
        where = "".join(f"{' and' if number else ''} {relation}" for number, relation in enumerate(self.relations))
        return f"{self._count()} of {self.object}{where}"

    def _count(self) -> str:
        if self.most == 0:
            return "no box"
        if self.most is None:
            return "a box" if self.least == 1 else f"at least {_boxes(self.least)}"
        if self.least == self.most:
            return f"exactly {_boxes(self.least)}"
        return f"at most {_boxes(self.most)}" if not self.least else f"{self.least} to {_boxes(self.most)}"


@dataclasses.dataclass(frozen=True)
class GroupRule:
    """Rules of which all hold, or any.

    Attributes:
      kind: `all` or `any`.
      parts: the rules, one at least.

    Example:
      >>> from jaxeval.detection.rules import AskedObject, GroupRule, ObjectRule
      >>> len(GroupRule("any", (ObjectRule(AskedObject("cat")), ObjectRule(AskedObject("dog")))).parts)
      2
    """

    kind: Literal["all", "any"]
    parts: "tuple[Rule, ...]"


@dataclasses.dataclass(frozen=True)
class NotRule:
    """A rule that must not hold.

    Attributes:
      part: the rule.

    Example:
      >>> from jaxeval.detection.rules import AskedObject, NotRule, ObjectRule
      >>> str(NotRule(ObjectRule(AskedObject("cat"))).part)
      'a box of cat'
    """

    part: "Rule"


Rule = ObjectRule | GroupRule | NotRule


@dataclasses.dataclass(frozen=True)
class PromptRule:
    """A prompt and what its images must show.

    Attributes:
      name: by which its images are found; unique.
      rule: what they must show.
      prompt: the text; "" where none was given.
      category: of the prompt; "" where none was given.

    Example:
      >>> from jaxeval.detection.rules import AskedObject, ObjectRule, PromptRule
      >>> PromptRule("00000", ObjectRule(AskedObject("cat")), "a cat").cluster
      'a cat'
    """

    name: str
    rule: Rule
    prompt: str = ""
    category: str = ""

    @property
    def cluster(self) -> str:
        """What its images have in common: the text, or the name where there is no text."""
        return self.prompt or self.name


@dataclasses.dataclass(frozen=True)
class Rules:
    """What the images of each prompt must show; print it to see how many there are.

    Attributes:
      name: what messages call them: the file as the user named it.
      prompts: each with its rule.
      colours: how colours are told, `named` or `clip`; None where the file does not say.
      sha256: of the file; "" of rules that come from none.

    Example:
      >>> from jaxeval.detection.rules import check_rules
      >>> rules = check_rules({"format": "jaxeval rules 1", "prompts": [{"name": "a", "rule": {"object": "cat"}}]})
      >>> print(rules)
      rules: 1 prompt
    """

    name: str
    prompts: tuple[PromptRule, ...]
    colours: str | None = None
    sha256: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {len(self.prompts):,} prompt{'' if len(self.prompts) == 1 else 's'}"


def objects_of(rule: Rule) -> Iterator[AskedObject]:
    """Every object that a rule speaks of."""
    if isinstance(rule, ObjectRule):
        yield rule.object
        yield from (relation.target for relation in rule.relations)
        return
    for part in rule.parts if isinstance(rule, GroupRule) else (rule.part,):
        yield from objects_of(part)


def _boxes(count: int) -> str:
    return "1 box" if count == 1 else f"{count:,} boxes"
