"""Tables of the docs that are made from records say what the records say now."""

import runpy

import pytest

from jaxeval.evaluation import MEASURES

SCRIPT = runpy.run_path("scripts/docs_tables.py")


@pytest.mark.parametrize("table", SCRIPT["TABLES"])
def test_tables_are_current(table):
    page, _ = SCRIPT["TABLES"][table]
    text = (SCRIPT["ROOT"] / page).read_text(encoding="utf-8")
    assert f"<!-- {table}: made by scripts/docs_tables.py" in text
    assert SCRIPT["with_tables"](text) == text  # else: python scripts/docs_tables.py


def test_every_measure_says_what_it_is_and_what_it_does_not_see():
    assert [measure.name for measure in MEASURES.values() if not measure.what or not measure.blind_to] == []
