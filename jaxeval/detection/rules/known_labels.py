"""Rules with the labels that a detector knows, where those that they ask for differ in capitals alone."""

import dataclasses
from collections.abc import Mapping, Sequence

from jaxeval.detection.rules.asked import AskedObject, GroupRule, NotRule, Rule, Rules, objects_of


def with_known_labels(rules: Rules, known: Sequence[str]) -> tuple[Rules, dict[str, str]]:
    """The same rules with labels that are known, and the labels that were exchanged for them.

    A label that is known stays, and so does one that differs from several known ones in capitals alone.

    Args:
      rules: of `read_rules` or `check_rules`.
      known: labels that boxes have.

    Example:
      >>> from jaxeval.detection.rules import check_rules
      >>> from jaxeval.detection.rules.known_labels import with_known_labels
      >>> rules = check_rules({"format": "jaxeval rules 1", "prompts": [{"name": "a", "rule": {"object": "Cat"}}]})
      >>> found, exchanged = with_known_labels(rules, ["cat", "dog"])
      >>> str(found.prompts[0].rule), exchanged
      ('a box of cat', {'Cat': 'cat'})
    """
    exact = set(known)
    folded: dict[str, list[str]] = {}
    for label in dict.fromkeys(known):
        folded.setdefault(label.casefold(), []).append(label)
    exchanged = {}
    for prompt in rules.prompts:
        for one in objects_of(prompt.rule):
            alike = folded.get(one.label.casefold(), [])
            if one.label not in exact and len(alike) == 1:
                exchanged[one.label] = alike[0]
    if not exchanged:
        return rules, {}
    prompts = tuple(dataclasses.replace(prompt, rule=_renamed(prompt.rule, exchanged)) for prompt in rules.prompts)
    return dataclasses.replace(rules, prompts=prompts), exchanged


def _renamed(rule: Rule, labels: Mapping[str, str]) -> Rule:
    if isinstance(rule, NotRule):
        return NotRule(_renamed(rule.part, labels))
    if isinstance(rule, GroupRule):
        return dataclasses.replace(rule, parts=tuple(_renamed(part, labels) for part in rule.parts))
    relations = tuple(dataclasses.replace(one, target=_object(one.target, labels)) for one in rule.relations)
    return dataclasses.replace(rule, object=_object(rule.object, labels), relations=relations)


def _object(asked: AskedObject, labels: Mapping[str, str]) -> AskedObject:
    return dataclasses.replace(asked, label=labels.get(asked.label, asked.label))
