"""Votes as files: the columns of each design, what is in them, and that nothing of a hostile answer is a formula."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest
from human_studies import ROOT, Client, make_study, read_votes

from jaxeval.cli import main
from jaxeval.errors import InputError, MissingPackageError
from jaxeval.human import Study
from jaxeval.human.export import export_votes
from jaxeval.human.store import Store

FORMULA = '=HYPERLINK("http://evil.example","a")'
COMMENTS = [FORMULA, "+1", "-1", "@a", "\tx", "'=quoted", 'it\'s, "so"\nand\r\nso', "ü 漢 \U0001f600", "", "'plain"]


def rate(study: Study, answer=None, comments=("",)) -> Path:
    """One rater answers every trial."""
    client = Client(study, Store(study))
    (token,) = client.store.join(1, 1)
    state, count = client.state(token), 0
    while state["trial"] is not None:
        chosen = answer(state["trial"]) if callable(answer) else answer
        comment = comments[count % len(comments)]
        state, count = client.answer(token, state, chosen, comment=comment), count + 1
    client.close()
    export_votes(study.folder, study.folder.parent / "votes.csv")
    return study.folder.parent / "votes.csv"


def test_two_alternatives(tmp_path):
    (tmp_path / "p.csv").write_text("name,prompt,category\n00,a cat,animals\n", "utf-8")
    study = make_study(tmp_path, prompts=tmp_path / "p.csv", questions=["Which?"], repeats=0.2, checks=0.2)
    rows = read_votes(rate(study, "right"))
    by_vote = {row["vote"]: row for row in rows}
    assert len(by_vote) == len(rows) == 18 + 4 + 4
    assert {row["kind"] for row in rows} == {"vote", "repeat", "check"}
    assert [int(row["trial"]) for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        assert (row["choice"], row["rater"], row["question"], row["milliseconds"]) == ("right", "r0001", "Which?", "7")
        assert row["item"] in {item.name for item in study.items}
        assert (row["prompt"], row["category"]) == (("a cat", "animals") if row["item"] == "00" else ("", ""))
        shown = {row["left"], row["right"]}
        if row["kind"] == "check":
            whole = row[row["expected"]]
            assert whole in study.systems
            assert shown == {whole, f"(degraded) {whole}"}
        else:
            assert len(shown) == 2
            assert shown <= set(study.systems)
            assert row["expected"] == ""
        assert bool(row["repeats"]) == (row["kind"] == "repeat")
        if row["kind"] == "repeat":
            source = by_vote[row["repeats"]]
            assert (source["kind"], source["item"], {source["left"], source["right"]}) == ("vote", row["item"], shown)
    assert {row["expected"] for row in rows if row["kind"] == "check"} <= {"left", "right"}


def test_the_left_image_is_the_left_column(tmp_path):
    """What was on the screen, found by its pixels, is what the votes say."""
    study = make_study(tmp_path, checks=0)
    client = Client(study, Store(study))
    (token,) = client.store.join(1, 1)
    system_of = {study.path(file).read_bytes(): s for item in study.items for s, file in item.images.items()}
    state, seen = client.state(token), []
    while state["trial"] is not None:
        seen.append([system_of[client.get(image["src"]).content] for image in state["trial"]["images"]])
        state = client.answer(token, state)
    client.close()
    export_votes(study.folder, tmp_path / "votes.csv")
    assert [[row["left"], row["right"]] for row in read_votes(tmp_path / "votes.csv")] == seen


def test_best_and_worst(tmp_path):
    study = make_study(tmp_path, "best-of-n", repeats=0, checks=0.5)
    answers = iter([{"best": 3, "worst": 1}, "skip"] * 100)
    rows = read_votes(rate(study, lambda trial: next(answers)))
    assert rows[0]["shown_4"] == ""
    for row in rows[::2]:
        assert (row["best"], row["worst"]) == (row["shown_3"], row["shown_1"])
    for row in rows[1::2]:
        assert (row["best"], row["worst"]) == ("skip", "")
    for row in rows:
        shown = {row[f"shown_{place}"] for place in (1, 2, 3)}
        assert len(shown) == 3
        if row["kind"] == "check":
            assert {system for system in shown if not system.startswith("(degraded) ")} == {row["expected"]}


def test_scores(tmp_path):
    study = make_study(tmp_path, "mos", checks=0.2, repeats=0.1)
    rows = read_votes(rate(study, 4))
    assert {row["score"] for row in rows} == {"4"}
    for row in rows:
        known = row["kind"] == "check"
        assert row["system"].startswith("(degraded) ") == known
        assert row["expected"] == ("1" if known else "")


def test_real_or_fake(tmp_path):
    study = make_study(tmp_path, "real-or-fake", exposures=[100, None], checks=0.2)
    rows = read_votes(rate(study, "real"))
    for row in rows:
        known = row["kind"] == "check"
        assert row["truth"] == ("real" if row["system"] == study.reference else "fake")
        assert (row["system"], row["expected"]) == ("(noise)", "fake") if known else row["expected"] == ""
        assert row["exposure_ms"] in (("",) if known else ("100", ""))
    votes = [row["truth"] for row in rows if row["kind"] == "vote"]
    assert votes.count("real") == votes.count("fake")


def test_formulas_are_taken_apart_and_come_back_as_they_were(tmp_path):
    study = make_study(tmp_path)
    rows = read_votes(rate(study, comments=COMMENTS))
    cells = {row["comment"] for row in rows}
    assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for row in rows for cell in row.values() if cell)
    assert f"'{FORMULA}" in cells
    undone = {cell[1:] if cell.lstrip("'")[:1] in tuple("=+-@\t\r") and cell[:1] == "'" else cell for cell in cells}
    assert undone == {comment.strip() for comment in COMMENTS}


def test_all_kinds_of_files_say_the_same(tmp_path):
    study = make_study(tmp_path, "real-or-fake")
    rows = read_votes(rate(study, comments=["so", ""]))
    assert export_votes(study.folder, tmp_path / "sub" / "votes.jsonl") == len(rows)
    assert export_votes(study.folder, tmp_path / "votes.parquet") == len(rows)
    lines = [json.loads(line) for line in (tmp_path / "sub" / "votes.jsonl").read_text("utf-8").splitlines()]
    table = pyarrow.parquet.read_table(tmp_path / "votes.parquet")
    assert lines == table.to_pylist()
    assert [{name: "" if cell is None else str(cell) for name, cell in line.items()} for line in lines] == rows
    assert str(table.schema.field("milliseconds").type) == str(table.schema.field("exposure_ms").type) == "int64"
    # RFC 4180: lines end in CR LF.
    text = (tmp_path / "votes.csv").read_bytes().decode()
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == text.count("\r\n") == len(rows) + 1


def test_undone_answers_are_not_exported(tmp_path):
    study = make_study(tmp_path, repeats=0.5)
    client = Client(study, Store(study))
    (token,) = client.store.join(1, 1)
    state = client.state(token)
    for _ in range(4):
        state = client.answer(token, state, "left")
    client.post(f"/api/{token}/undo", {"trial": 4})
    # While it is served.
    assert export_votes(study.folder, tmp_path / "votes.csv") == 3
    client.close()
    assert [row["trial"] for row in read_votes(tmp_path / "votes.csv")] == ["1", "2", "3"]


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    study = make_study(tmp_path)
    rate(study)
    before = (tmp_path / "votes.csv").read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(InputError, match=r"cannot write .*votes\.csv' \(No space left on device\)"):
        export_votes(study.folder, tmp_path / "votes.csv")
    assert (tmp_path / "votes.csv").read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_cannot_be_exported_is_said(tmp_path, monkeypatch, capsys):
    study = make_study(tmp_path)
    with pytest.raises(InputError, match=r"must end in \.csv, \.jsonl or \.parquet"):
        export_votes(study.folder, tmp_path / "votes.xlsx")
    assert main(["human", "export", str(study.folder), "--out", str(tmp_path / "votes.csv")]) == 2
    assert "has no votes yet; serve it first: jaxeval human serve" in capsys.readouterr().err
    rate(study)
    assert main(["human", "export", str(study.folder), "--out", str(tmp_path / "again.csv")]) == 0
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "votes.csv").read_bytes()
    assert "votes" in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match="writing Parquet files needs the package pyarrow"):
        export_votes(study.folder, tmp_path / "votes.parquet")


@pytest.mark.parametrize(
    ("command", "module"),
    [("serve", "starlette"), ("serve", "uvicorn"), ("serve", "sqlalchemy"), ("export", "sqlalchemy")],
)
def test_missing_extras_are_named(tmp_path, monkeypatch, capsys, command, module):
    monkeypatch.setitem(sys.modules, module, None)
    options = ["--out", str(tmp_path / "v.csv")] if command == "export" else []
    assert main(["human", command, str(tmp_path), *options]) == 2
    assert "pip install 'jaxeval[human]'" in capsys.readouterr().err


def test_studies_are_made_and_read_without_the_extras(tmp_path):
    """`import jaxeval.human` needs neither a web server nor a database."""
    missing = ("starlette", "uvicorn", "sqlalchemy", "psycopg")
    code = f"import sys; sys.modules.update(dict.fromkeys({missing})); import jaxeval.human, jaxeval.cli"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_the_extra_of_postgresql_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingPackageError, match=r"needs the package 'jaxeval\[postgres\]'; install it: pip install"):
        Store(make_study(tmp_path), "postgresql://rater@127.0.0.1/study")
