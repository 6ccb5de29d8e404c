"""The examples in docstrings: they run and give what they say, and every public class and function has one."""

import doctest
import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from jaxeval import ops

ROOT = Path(__file__).parents[1]
EXAMPLES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): text.count(">>> ")
    for path in sorted((ROOT / "jaxeval").rglob("*.py"))
    if ">>> " in (text := path.read_text(encoding="utf-8"))
}
FACES = (
    "jaxeval",
    "jaxeval.detection",
    "jaxeval.evaluation",
    "jaxeval.human",
    "jaxeval.pairs",
    "jaxeval.ops",
    "jaxeval.ops.agreement",
    "jaxeval.ops.detection",
    "jaxeval.ops.image_quality",
    "jaxeval.ops.losses",
    "jaxeval.ops.preference",
    "jaxeval.metrics",
)


@pytest.mark.usefixtures("quickly_compiled")
@pytest.mark.parametrize("module", EXAMPLES)
def test_a_modules_examples_give_what_they_say(module: str):
    result = doctest.testmod(importlib.import_module(module))
    assert (result.failed, result.attempted) == (0, EXAMPLES[module])


@pytest.mark.parametrize("face", FACES)
def test_every_public_class_and_function_has_an_example(face: str):
    room = importlib.import_module(face)
    # What is neither is data: a constant, or the name of a type.
    callables = [n for n in room.__all__ if inspect.isclass(getattr(room, n)) or inspect.isroutine(getattr(room, n))]
    assert [name for name in callables if not shows(name, getattr(room, name))] == []


def test_the_groups_of_ops_list_every_name_once():
    named = re.findall(r"`(\w+)`", inspect.getdoc(ops) or "")
    assert sorted(named) == sorted(ops.__all__)


def shows(name: str, of: Callable[..., object]) -> bool:
    """Whether a docstring runs something that prints, without leave to print anything; of a function, calls it."""
    examples = doctest.DocTestParser().get_examples(inspect.unwrap(of).__doc__ or "")
    if any(example.options for example in examples) or not any(example.want for example in examples):
        return False
    return inspect.isclass(of) or any(name in example.source for example in examples)
