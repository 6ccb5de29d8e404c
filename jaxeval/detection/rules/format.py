"""The file of rules: its JSON schema, and a reader whose sentences say what is wrong and where."""

import difflib
import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from jaxeval._arguments import shown
from jaxeval.detection.documents import parsed_json, read_limited
from jaxeval.detection.rules.asked import (
    DIRECTIONS,
    RELATIONS,
    AskedObject,
    GroupRule,
    NotRule,
    ObjectRule,
    PromptRule,
    Relation,
    RelationKind,
    Rule,
    Rules,
    objects_of,
)
from jaxeval.detection.rules.colours import COLOUR_NAMES
from jaxeval.detection.whole_texts import fault_of
from jaxeval.errors import InputError

FORMAT = "jaxeval rules 1"
DEFAULT_CONFIDENCE = 0.3
DEFAULT_MARGIN = 0.1

MOST_BYTES = 64 << 20
_DEEPEST = 16
_MOST_PARTS = 1000
_LONGEST = 2000  # letters of a name, a label or a category
_MOST_COUNT = 100_000
_MOST_TOLD = 30  # letters of a text in a message
_COLOURS = sorted(set(COLOUR_NAMES["named"]) | set(COLOUR_NAMES["clip"]))

_NUMBER = {"type": "number", "minimum": 0, "maximum": 1}
_NAME = {"type": "string", "minLength": 1, "maxLength": _LONGEST}
_OBJECT_FIELDS = {
    "label": _NAME,
    "colour": {"enum": _COLOURS},
    "confidence": _NUMBER,
}

RULES_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Rules of what images must show",
    "type": "object",
    "required": ["format", "prompts"],
    "additionalProperties": False,
    "properties": {
        "format": {"const": FORMAT},
        "defaults": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"confidence": _NUMBER, "margin": _NUMBER, "colours": {"enum": sorted(COLOUR_NAMES)}},
        },
        "prompts": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/prompt"}},
    },
    "$defs": {
        "prompt": {
            "type": "object",
            "required": ["name", "rule"],
            "additionalProperties": False,
            "properties": {
                "name": _NAME,
                "prompt": {"type": "string"},
                "category": {"type": "string", "maxLength": _LONGEST},
                "rule": {"$ref": "#/$defs/rule"},
            },
        },
        "object": {
            "oneOf": [
                _NAME,
                {
                    "type": "object",
                    "required": ["label"],
                    "additionalProperties": False,
                    "properties": _OBJECT_FIELDS,
                },
            ]
        },
        "rules": {"type": "array", "minItems": 1, "maxItems": _MOST_PARTS, "items": {"$ref": "#/$defs/rule"}},
        "rule": {
            "oneOf": [
                *(
                    {
                        "type": "object",
                        "required": [kind],
                        "additionalProperties": False,
                        "properties": {kind: {"$ref": f"#/$defs/{of}"}},
                    }
                    for kind, of in (("all", "rules"), ("any", "rules"), ("not", "rule"))
                ),
                {
                    "type": "object",
                    "required": ["object"],
                    "additionalProperties": False,
                    "properties": {
                        "object": {"$ref": "#/$defs/object"},
                        "exactly": {"type": "integer", "minimum": 0, "maximum": _MOST_COUNT},
                        "at_least": {"type": "integer", "minimum": 1, "maximum": _MOST_COUNT},
                        "at_most": {"type": "integer", "minimum": 0, "maximum": _MOST_COUNT},
                        **{kind: {"$ref": "#/$defs/object"} for kind in RELATIONS},
                        "margin": _NUMBER,
                        "share": _NUMBER,
                    },
                    "not": {
                        "anyOf": [
                            {"required": ["exactly", "at_least"]},
                            {"required": ["exactly", "at_most"]},
                        ]
                    },
                },
            ]
        },
    },
}
"""The JSON schema of the file, for editors and validators.

`read_rules` also refuses what a schema cannot say: two prompts of one name, `at_least` over `at_most`, a margin or a
share that no relation uses, halves of characters and NULs, and rules within rules beyond 16 levels.
"""


def read_rules(path: str | Path) -> Rules:
    """Reads a file of rules.

    Such a file is JSON: `format`, which is "jaxeval rules 1"; `prompts`, a list; and perhaps `defaults` with
    `confidence` (the least of a box that counts, 0.3 unless stated), `margin` (0.1) and `colours` (`named` or `clip`).
    A prompt has a `name`, a `rule`, and perhaps its text (`prompt`) and a `category`. A rule is one of

    - `{"object": OBJECT}`: there is one. OBJECT is a label, or `{"label": ..., "colour": ..., "confidence": ...}`.
      Beside it `exactly`, `at_least` or `at_most` say how many, and `left_of`, `right_of`, `above`, `below`, `inside`
      or `overlaps`, each with an OBJECT, how each of them must lie to one of those, with a `margin` or `share`.
    - `{"all": [RULE, ...]}`, `{"any": [RULE, ...]}` and `{"not": RULE}`.

    Args:
      path: of the file.

    Raises:
      InputError: it cannot be read, is larger than 64 MiB, or is not such a file; the sentence names the prompt, the
        place within its rule, the value, and what to give.

    Example:
      >>> import json, pathlib, tempfile
      >>> from jaxeval.detection.rules import read_rules
      >>> rule = {"all": [{"object": {"label": "apple", "colour": "red"}, "exactly": 2, "left_of": "cup"},
      ...                 {"not": {"object": "dog"}}]}
      >>> prompt = {"name": "00000", "prompt": "two red apples left of a cup, and no dog", "rule": rule}
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     file = pathlib.Path(folder) / "rules.json"
      ...     _ = file.write_text(json.dumps({"format": "jaxeval rules 1", "prompts": [prompt]}))
      ...     found = read_rules(file)
      >>> str(found.prompts[0].rule.parts[0])
      'exactly 2 boxes of red apple left of cup'
    """
    content = read_limited(path, MOST_BYTES)
    document = parsed_json(content, str(path), finite=True)
    rules = check_rules(document, name=str(path))
    return Rules(rules.name, rules.prompts, rules.colours, hashlib.sha256(content).hexdigest())


def check_rules(document: Any, *, name: str = "rules") -> Rules:
    """Rules from plain values, as `json.load` gives them.

    Args:
      document: as `read_rules` describes the file.
      name: what messages call it.

    Raises:
      InputError: as of `read_rules`.

    Example:
      >>> from jaxeval.detection.rules import check_rules
      >>> rules = check_rules({"format": "jaxeval rules 1", "prompts": [
      ...     {"name": "a", "rule": {"object": "dog", "exactly": 3}}]})
      >>> str(rules.prompts[0].rule)
      'exactly 3 boxes of dog'
    """
    return _Reader(name).document(document)


def check_labels(rules: Rules, known: Sequence[str], whose: str) -> None:
    """Raises InputError for the first object whose label the detector does not know, with the nearest that it does."""
    names = set(known)
    for prompt, object_ in ((own, one) for own in rules.prompts for one in objects_of(own.rule)):
        if object_.label not in names:
            raise InputError(
                f"{rules.name}: prompt {prompt.name!r} asks for {object_.label!r}, which {whose} does not know"
                f"{nearest(object_.label, known)}"
            )


def told(value: Any) -> str:
    """A value of a file, of a long text its beginning."""
    if isinstance(value, str) and len(value) > _MOST_TOLD:
        return f"a text of {len(value):,} letters that begins with {value[:_MOST_TOLD]!r}"
    return shown(value)


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of a sentence on a name that is not known: what was probably meant, or how many there are."""
    folded = {one.casefold(): one for one in reversed(known)}
    close = difflib.get_close_matches(name.casefold(), folded, 1, 0.6)
    if close:
        return f"; did you mean {folded[close[0]]!r}?"
    some = ", ".join(map(repr, known[:3]))
    return f"; it knows {len(known):,} labels, such as {some}" if known else "; it knows no labels"


class _Reader:
    """Reads plain values; `where` is the place that messages name."""

    def __init__(self, name: str):
        self._name = name
        self._confidence = DEFAULT_CONFIDENCE
        self._margin = DEFAULT_MARGIN

    def document(self, given: Any) -> Rules:
        top = self._fields(given, "", ("format", "prompts"), ("defaults",))
        if top["format"] != FORMAT:
            raise self._wrong("format", top["format"], f"give {FORMAT!r}")
        defaults = self._fields(top.get("defaults", {}), "defaults", (), ("confidence", "margin", "colours"))
        self._confidence = self._share(defaults, "confidence", "defaults", DEFAULT_CONFIDENCE)
        self._margin = self._share(defaults, "margin", "defaults", DEFAULT_MARGIN)
        colours = defaults.get("colours")
        if "colours" in defaults and (not isinstance(colours, str) or colours not in COLOUR_NAMES):
            raise self._wrong("defaults.colours", colours, "give 'named' or 'clip'")
        prompts = top["prompts"]
        if not isinstance(prompts, list) or not prompts:
            raise self._wrong("prompts", prompts, "give a list of one or more prompts")
        return Rules(self._name, self._prompts(prompts), colours)

    def _prompts(self, given: list[Any]) -> tuple[PromptRule, ...]:
        found: dict[str, PromptRule] = {}
        for number, one in enumerate(given):
            where = f"prompts[{number}]"
            fields = self._fields(one, where, ("name", "rule"), ("prompt", "category"))
            name = self._text(fields["name"], f"{where}.name")
            if name in found:
                raise self._wrong(f"{where}.name", name, "another prompt is called so; give each a name of its own")
            texts = {key: fields.get(key, "") for key in ("prompt", "category")}
            for key, text in texts.items():
                if not isinstance(text, str):
                    raise self._wrong(f"{where}.{key}", text, "give a text")
                self._check_whole(text, f"{where}.{key}")
            rule = self._rule(fields["rule"], f"prompt {name!r}, rule", 1)
            found[name] = PromptRule(name, rule, texts["prompt"], texts["category"])
        return tuple(found.values())

    def _rule(self, given: Any, where: str, depth: int) -> Rule:
        if depth > _DEEPEST:
            raise InputError(f"{self._name}: {where} lies deeper than {_DEEPEST} levels; make it of fewer")
        if not isinstance(given, Mapping):
            raise self._wrong(where, given, "give an object with 'object', 'all', 'any' or 'not'")
        kinds = [kind for kind in ("object", "all", "any", "not") if kind in given]
        if len(kinds) != 1:
            what = " and ".join(map(repr, kinds)) or "none of 'object', 'all', 'any' and 'not'"
            strange = [key for key in given if key not in kinds]
            hint = self._hint(strange[0], ("object", "all", "any", "not")) if strange and not kinds else ""
            raise InputError(f"{self._name}: {where} has {what}; give one of 'object', 'all', 'any' and 'not'{hint}")
        kind = kinds[0]
        if kind == "object":
            return self._object_rule(given, where)
        self._fields(given, where, (kind,), ())
        if kind == "not":
            return NotRule(self._rule(given["not"], f"{where}.not", depth + 1))
        parts = given[kind]
        if not isinstance(parts, list) or not 1 <= len(parts) <= _MOST_PARTS:
            raise self._wrong(f"{where}.{kind}", parts, f"give a list of 1 to {_MOST_PARTS:,} rules")
        read = (self._rule(part, f"{where}.{kind}[{number}]", depth + 1) for number, part in enumerate(parts))
        return GroupRule("all" if kind == "all" else "any", tuple(read))

    def _object_rule(self, given: Any, where: str) -> ObjectRule:
        counts = ("exactly", "at_least", "at_most")
        fields = self._fields(given, where, ("object",), (*counts, *RELATIONS, "margin", "share"))
        numbers = {key: self._count(fields[key], f"{where}.{key}", key) for key in counts if key in fields}
        if "exactly" in numbers and len(numbers) > 1:
            other = next(key for key in numbers if key != "exactly")
            raise InputError(f"{self._name}: {where} has 'exactly' and {other!r}; give one of them")
        least = numbers.get("exactly", numbers.get("at_least", 0 if "at_most" in numbers else 1))
        most = numbers.get("exactly", numbers.get("at_most"))
        if most is not None and least > most:
            raise self._wrong(f"{where}.at_least", least, f"give no more than at_most, which is {most}")
        relations = tuple(
            Relation(cast("RelationKind", kind), self._object(fields[kind], f"{where}.{kind}"))
            for kind in RELATIONS
            if kind in fields
        )
        for key, users in (("margin", DIRECTIONS), ("share", ("inside", "overlaps"))):
            if key in fields and not any(relation.kind in users for relation in relations):
                raise self._wrong(f"{where}.{key}", fields[key], f"it goes with {', '.join(users)}; leave it out here")
        share = self._share(fields, "share", where, 0.0) if "share" in fields else None
        margin = self._share(fields, "margin", where, self._margin)
        return ObjectRule(self._object(fields["object"], f"{where}.object"), least, most, relations, margin, share)

    def _object(self, given: Any, where: str) -> AskedObject:
        if isinstance(given, str):
            return AskedObject(self._text(given, where), None, self._confidence)
        if not isinstance(given, Mapping):
            raise self._wrong(where, given, "give a label, or an object with 'label'")
        fields = self._fields(given, where, ("label",), ("colour", "confidence"))
        colour = fields.get("colour")
        if "colour" in fields and (not isinstance(colour, str) or colour not in _COLOURS):
            raise self._wrong(f"{where}.colour", colour, f"give one of {', '.join(_COLOURS)}")
        confidence = self._share(fields, "confidence", where, self._confidence)
        return AskedObject(self._text(fields["label"], f"{where}.label"), colour, confidence)

    def _fields(
        self, given: Any, where: str, required: tuple[str, ...], optional: tuple[str, ...]
    ) -> Mapping[str, Any]:
        """The fields of an object, each known."""
        at = where or "the file"
        if not isinstance(given, Mapping):
            raise self._wrong(at, given, "give an object")
        known = (*required, *optional)
        for key in given:
            if key not in known:
                named = shown(key)
                raise InputError(
                    f"{self._name}: {at} has {named}, which is not known; give {', '.join(known)}"
                    f"{self._hint(key, known)}"
                )
        for key in required:
            if key not in given:
                raise InputError(f"{self._name}: {at} has no {key!r}; give it")
        return given

    @staticmethod
    def _hint(key: Any, known: tuple[str, ...]) -> str:
        american = {"color": "colour", "colors": "colours"}.get(key if isinstance(key, str) else "")
        close = [american] if american in known else difflib.get_close_matches(str(key), known, 1, 0.6)
        return f" (did you mean {close[0]!r}?)" if close else ""

    def _text(self, given: Any, where: str) -> str:
        if not isinstance(given, str) or not given.strip() or len(given) > _LONGEST:
            raise self._wrong(where, given, f"give a text of 1 to {_LONGEST:,} letters")
        self._check_whole(given, where)
        return given

    def _check_whole(self, text: str, where: str) -> None:
        fault = fault_of([text])
        if fault is not None:
            raise InputError(f"{self._name}: {where} is {told(text)}, which has {fault}")

    def _count(self, given: Any, where: str, key: str) -> int:
        least = 1 if key == "at_least" else 0
        whole = isinstance(given, float) and given.is_integer()
        if isinstance(given, bool) or not (isinstance(given, int) or whole) or not least <= given <= _MOST_COUNT:
            raise self._wrong(where, given, f"give a whole number from {least} to {_MOST_COUNT:,}")
        return int(given)

    def _share(self, fields: Mapping[str, Any], key: str, where: str, default: float) -> float:
        if key not in fields:
            return default
        given = fields[key]
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1 or math.isnan(given):
            raise self._wrong(f"{where}.{key}", given, "give a number from 0 to 1")
        return float(given)

    def _wrong(self, where: str, value: Any, advice: str) -> InputError:
        return InputError(f"{self._name}: {where} is {told(value)}; {advice}")
