"""Tables of the docs that are made from records say what the records say now."""

import runpy

import pytest

from jaxeval.cli import main
from jaxeval.evaluation import MEASURES, PROTOCOLS, get_protocols

SCRIPT = runpy.run_path("scripts/docs_tables.py")


@pytest.mark.parametrize("table", SCRIPT["TABLES"])
def test_tables_are_current(table):
    page, _ = SCRIPT["TABLES"][table]
    text = (SCRIPT["ROOT"] / page).read_text(encoding="utf-8")
    assert f"<!-- {table}: made by scripts/docs_tables.py" in text
    assert SCRIPT["with_tables"](text) == text  # else: python scripts/docs_tables.py


def test_every_measure_says_what_it_is_and_what_it_does_not_see():
    assert [measure.name for measure in MEASURES.values() if not measure.what or not measure.blind_to] == []


def test_the_command_line_prints_the_same_words(capsys):
    assert main(["protocols"]) == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for protocol in PROTOCOLS.values():
        words = protocol.words
        pinned = [words[heading] for heading in ("follows", "resize", "levels of x in -1 to 1", "covariance")]
        assert " ".join([protocol.name, *pinned]) in rows
    assert main(["metrics"]) == 0
    printed = capsys.readouterr().out
    assert [measure.name for measure in MEASURES.values() if measure.what.split()[0] not in printed] == []


def test_protocols_differ_by_what_their_rows_say():
    rows = [tuple(text for heading, text in one.words.items() if heading != "protocol") for one in PROTOCOLS.values()]
    assert len(set(rows)) == len(rows)


def test_rules_are_said_as_they_are():
    words = PROTOCOLS["stylegan3"].words
    assert words["covariance"] == "over N"
    assert words["kernel distance"] == "100 subsets of 1,000, drawn as by clean-fid; smaller sets shrink them"
    assert PROTOCOLS["clean-fid"].words["resize of"] == "all networks"
    assert get_protocols("jax-fid@64x48")[0].words["resize"] == "pil-bilinear-uint8 to 64 x 48"
