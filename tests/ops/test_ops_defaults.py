"""That no default value of `jaxeval.ops` is without a test that sees it; the tests are in each op's own module."""

import inspect
import re
from pathlib import Path

import pytest
from default_values import assert_complete
from ops_defaults import DEFAULTS, INPUTS

from jaxeval import ops


def test_every_op_with_a_default_is_in_the_table():
    optional = [
        name
        for name in ops.__all__
        if not inspect.isclass(getattr(ops, name))
        and any(
            p.default is not p.empty and p.name not in INPUTS.get(name, ())
            for p in inspect.signature(getattr(ops, name)).parameters.values()
        )
    ]
    assert sorted(optional) == sorted(DEFAULTS)


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_default_is_in_the_table(name):
    assert DEFAULTS[name].function is getattr(ops, name)
    assert_complete(name, DEFAULTS[name], INPUTS.get(name, frozenset()))


def test_every_op_in_the_table_is_tried_once():
    asked = [
        name
        for path in Path(__file__).parent.glob("test_*.py")
        for listed in re.findall(r"@defaults_of\(\s*DEFAULTS,([^)]*)\)", path.read_text("utf-8"))
        for name in re.findall(r'"(\w+)"', listed)
    ]
    assert sorted(asked) == sorted(DEFAULTS)
