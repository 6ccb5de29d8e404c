"""`jaxeval human analyse` on the command line: what it prints and writes, with which exit code."""

import io
import json
from pathlib import Path

import pytest
from human.simulated import OPINION_HEADER, PAIR_HEADER, opinion_rows, pair_rows, write
from human_studies import Client, make_study
from PIL import Image
from rich.console import Console

from jaxeval.cli import main
from jaxeval.human import analyse
from jaxeval.human.export import export_votes
from jaxeval.human.store import Store
from jaxeval.report import print_analysis


@pytest.fixture(scope="module")
def votes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = pair_rows([0.8, 0.1, -0.8], raters=8, each=30, items=6, seed=0, ties=0.3)
    return write(tmp_path_factory.mktemp("votes") / "votes.csv", PAIR_HEADER, rows)


def run(*arguments: object) -> int:
    return main(["human", "analyse", *map(str, arguments), "--repeats", "20", "--quiet"])


def test_out_holds_the_record_and_the_figures(votes, tmp_path, capfd):
    assert run(votes, "--out", tmp_path / "said") == 0
    out, _ = capfd.readouterr()
    names = {path.name for path in (tmp_path / "said").iterdir()}
    assert names == {"analysis.json", "values.png", "wins.png", "raters.png"}
    record = json.loads((tmp_path / "said" / "analysis.json").read_text())
    assert [one["system"] for one in record["systems"]] == ["S0", "S1", "S2"]
    for one in record["systems"]:
        assert f"{one['value']:.3f}" in out
    for name in names - {"analysis.json"}:
        with Image.open(tmp_path / "said" / name) as image:
            assert image.width > 300


def test_json_alone_is_on_stdout(votes, capfd):
    assert run(votes, "--json") == 0
    out, said = capfd.readouterr()
    assert json.loads(out)["design"] == "2afc"
    assert said == ""


@pytest.mark.parametrize("kind", ["pairs", "scores"])
def test_tables_fit_80_columns(votes, tmp_path, kind):
    if kind == "scores":
        votes = write(tmp_path / "v.csv", OPINION_HEADER, opinion_rows([4, 3, 2], raters=6, items=5, seed=0))
    console = Console(width=80, record=True, highlight=False, file=io.StringIO())
    print_analysis(analyse(votes, repeats=20), console)
    text = console.export_text()
    tables = [line for line in text.splitlines() if not line.startswith("warning: ")]  # which terminals wrap
    assert max(map(len, tables)) <= 80
    for name in ("S0", "S1", "S2", "alpha", "raters"):
        assert name in text
    assert "\u2026" not in text  # nothing is cut


def test_options_reach_the_analysis(votes, capfd):
    options = ["--json", "--model", "rao-kupper", "--penalty", "0.5", "--seed", "3", "--fast-ms", "100", "--exclude"]
    assert run(votes, *options, "fast,one side") == 0
    record = json.loads(capfd.readouterr().out)
    part = record["parts"][0]
    assert (part["model"], part["penalty"]) == ("rao-kupper", 0.5)
    assert (record["manifest"]["seed"], record["manifest"]["fast_ms"]) == (3, 100.0)
    assert record["manifest"]["excluded"]["flags"] == ["fast", "one side"]


def test_a_bad_row_ends_it_or_is_counted(votes, tmp_path, capfd):
    bad = tmp_path / "bad.csv"
    bad.write_text(votes.read_text() + "x,r0,i0,S0,S0,left,1\n")
    assert run(bad) == 2
    assert "line 242 compares S0 with itself" in capfd.readouterr().err
    assert run(bad, "--on-error", "skip") == 0
    out = capfd.readouterr().out
    assert "1 that are no votes of its 241 rows" in out
    assert "line 242 compares S0 with itself" in out


@pytest.mark.parametrize("design", ["2afc", "best-of-n", "mos", "real-or-fake"])
def test_a_study_is_analysed_as_its_export_is(design, tmp_path, capfd):
    study = make_study(tmp_path, design, trials=6)
    store = Store(study)
    client = Client(study, store)
    tokens = store.join(3, most=3)
    for place, token in enumerate(tokens):
        state = client.state(token)
        while state["trial"] is not None:
            answer = {"2afc": ["left", "right", "tie"][(state["done"] + place) % 3]}.get(design)
            state = client.answer(token, state, answer)
    client.close()
    assert run(tmp_path / "study", "--json") == 0
    record = json.loads(capfd.readouterr().out)
    export_votes(tmp_path / "study", tmp_path / "votes.csv")
    other = json.loads(analyse(tmp_path / "votes.csv", systems=study.systems, repeats=20).to_json())
    assert record["design"] == design
    assert record["parts"] == other["parts"]
    assert record["raters"] == other["raters"]
    assert len(record["raters"]) == 3
