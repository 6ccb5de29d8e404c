"""Files of votes: every design, every kind of file, and rows that are wrong."""

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from human.simulated import write
from hypothesis import given
from hypothesis import strategies as st

from jaxeval.errors import InputError
from jaxeval.human import Votes, analyse, read_votes
from jaxeval.tables import guarded, read_table

PAIRS = ("vote", "rater", "item", "left", "right", "choice")
GOOD = [["1", "r", "cat", "A", "B", "left"], ["2", "s", "dog", "B", "A", "tie"], ["3", "r", "dog", "A", "B", "right"]]


def answers(votes: Votes) -> Any:
    """The answers, of whatever design."""
    return votes.answers


def test_pairs(tmp_path):
    votes = read_votes(write(tmp_path / "votes.csv", PAIRS, GOOD))
    assert (votes.design, votes.systems, votes.raters, votes.items) == ("2afc", ("A", "B"), ("r", "s"), ("cat", "dog"))
    assert answers(votes).outcome.tolist() == [1, 0, -1]
    assert answers(votes).left.tolist() == [0, 1, 0]
    assert votes.rater.tolist() == [0, 1, 0]
    assert len(votes) == votes.rows == 3
    assert not votes.bad


def test_every_kind_of_file_says_the_same(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [dict(zip(PAIRS, row, strict=True)) | {"milliseconds": 1234} for row in GOOD]
    header = (*PAIRS, "milliseconds")
    write(tmp_path / "votes.csv", header, [list(row.values()) for row in rows])
    (tmp_path / "votes.tsv").write_text(
        "\n".join("\t".join(map(str, one)) for one in [header, *(row.values() for row in rows)])
    )
    (tmp_path / "semicolons.csv").write_text((tmp_path / "votes.tsv").read_text().replace("\t", ";"))
    (tmp_path / "votes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "votes.parquet")
    marked = "\ufeff" + (tmp_path / "votes.csv").read_text().replace("\n", "\r\n")
    (tmp_path / "marked.csv").write_bytes(marked.encode())
    first, *others = (
        read_votes(tmp_path / f"{name}")
        for name in ("votes.csv", "votes.tsv", "votes.jsonl", "votes.parquet", "marked.csv", "semicolons.csv")
    )
    for other in others:
        assert other.systems == first.systems
        assert other.vote == first.vote
        assert answers(other).outcome.tolist() == answers(first).outcome.tolist()
        assert other.milliseconds.tolist() == [1234.0] * 3


def test_best_and_worst(tmp_path):
    header = ("vote", "rater", "item", "shown_1", "shown_2", "shown_3", "shown_4", "best", "worst")
    rows = [["1", "r", "cat", "A", "B", "C", "D", "C", "A"], ["2", "r", "dog", "B", "A", "C", "", "A", ""]]
    votes = read_votes(write(tmp_path / "v.csv", header, rows))
    assert votes.design == "best-of-n"
    assert answers(votes).shown.tolist() == [[0, 1, 2, 3], [1, 0, 2, -1]]
    assert (answers(votes).best.tolist(), answers(votes).worst.tolist()) == ([2, 0], [0, -1])


def test_opinions_and_realness(tmp_path):
    rows = [["1", "r", "cat", "A", "4"], ["2", "r", "cat", "B", "2.5"], ["3", "r", "dog", "A", "skip"]]
    votes = read_votes(write(tmp_path / "v.csv", ("vote", "rater", "item", "system", "score"), rows))
    assert (votes.design, answers(votes).score.tolist(), votes.skipped) == ("mos", [4.0, 2.5], (1,))
    header = ("vote", "rater", "item", "system", "truth", "answer", "exposure_ms")
    rows = [["1", "r", "cat", "real", "real", "fake", "250"], ["2", "r", "cat", "A", "fake", "real", ""]]
    votes = read_votes(write(tmp_path / "w.csv", header, rows))
    assert (votes.design, votes.systems, answers(votes).system.tolist()) == ("real-or-fake", ("A",), [-1, 0])
    assert answers(votes).exposure.tolist() == [250.0, np.inf]


def test_an_arenas_own_columns(tmp_path):
    header = ("question_id", "judge", "model_a", "model_b", "winner")
    rows = [["q1", "j", "X", "Y", "model_a"], ["q2", "j", "Y", "X", "tie (bothbad)"], ["q3", "k", "X", "Y", "Y"]]
    votes = read_votes(write(tmp_path / "v.csv", header, rows))
    assert answers(votes).outcome.tolist() == [1, 0, -1]
    assert (votes.raters, votes.items) == (("j", "k"), ("q1", "q2", "q3"))
    assert votes.vote == ("line 2", "line 3", "line 4")


def test_other_forms_of_the_same_votes(tmp_path):
    header = ("id", "model_a", "model_b", "winner_model_a", "winner_model_b", "winner_tie")
    rows = [["a", "X", "Y", "1", "0", "0"], ["b", "X", "Y", "0", "0", "1"], ["c", "Y", "X", "0", "1", "0"]]
    votes = read_votes(write(tmp_path / "v.csv", header, rows))
    assert (answers(votes).outcome.tolist(), votes.vote) == ([1, 0, -1], ("a", "b", "c"))
    with pytest.raises(InputError, match="line 5 has the choice 'left and right'"):
        read_votes(write(tmp_path / "w.csv", header, [*rows, ["d", "X", "Y", "1", "1", "0"]]))
    line = {"model_a": "X", "model_b": "Y", "winner": "model_b", "conversation_a": [{"role": "user", "content": "hi"}]}
    (tmp_path / "v.jsonl").write_text(json.dumps(line))
    assert answers(read_votes(tmp_path / "v.jsonl")).outcome.tolist() == [-1]


def test_scores_of_images_that_are_of_no_system(tmp_path):
    rows = [["i1", "r", "4"], ["i2", "r", "2"], ["i1", "s", "5"], ["i2", "s", "3"]]
    file = write(tmp_path / "v.csv", ("image", "annotator", "rating"), rows)
    votes = read_votes(file)
    assert (votes.design, votes.systems, votes.raters) == ("mos", ("all",), ("r", "s"))
    items = {one.item: one.value for one in analyse(file, repeats=10).parts[0].items}
    assert items["i1"] > items["i2"]


def test_a_system_whose_name_is_a_letter_is_chosen_by_its_name(tmp_path):
    rows = [["1", "r", "i", "B", "A", "A"], ["2", "r", "i", "A", "B", "A"]]
    votes = read_votes(write(tmp_path / "v.csv", PAIRS, rows))
    assert answers(votes).outcome.tolist() == [-1, 1]


def test_checks_and_repeats(tmp_path):
    header = (*PAIRS, "kind", "expected", "repeats")
    rows = [
        ["1", "r", "cat", "A", "B", "left", "vote", "", ""],
        ["2", "r", "cat", "A", "A degraded", "left", "check", "left", ""],
        ["3", "r", "cat", "A", "A degraded", "right", "check", "left", ""],
        ["4", "r", "cat", "B", "A", "right", "repeat", "", "1"],
    ]
    votes = read_votes(write(tmp_path / "v.csv", header, rows))
    assert votes.systems == ("A", "B")
    assert votes.checked == ((1, 2),)
    assert votes.repeats.tolist() == [-1, 0]


@pytest.mark.parametrize("first", ["2", "3", "none"])
def test_a_repeat_of_no_other_vote_of_its_rater(tmp_path, first):
    rows = [[*GOOD[0], ""], [*GOOD[1], ""], [*GOOD[2], first]]  # of another rater's, of itself, of nothing
    with pytest.raises(InputError, match=f"line 4 repeats '{first}', which is no other vote of its rater"):
        read_votes(write(tmp_path / "v.csv", (*PAIRS, "repeats"), rows))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (["4", "r", "cat", "A", "A", "left"], "line 5 compares A with itself"),
        (["4", "r", "cat", "A", "", "left"], "line 5 has no system in the column right"),
        (["4", "r", "cat", "A", "Z", "left"], "line 5 has the unknown system 'Z'"),
        (["1", "r", "cat", "A", "B", "left"], "line 5 has the id '1' of a row before it"),
        (["4", "r", "cat", "A", "B", "both"], "line 5 has the choice 'both'"),
        (["4", "r", "cat", "A", "B", ""], "line 5 has no choice"),
        (["4", "r", "cat", "A", "B"], "line 5 has 5 cells for 6 columns"),
        (["4", "r", "cat", "A", "B", "left", "more"], "line 5 has 7 cells for 6 columns"),
    ],
)
def test_a_row_that_is_no_vote_is_named_or_counted(tmp_path, row, said):
    file = write(tmp_path / "votes.csv", PAIRS, [*GOOD, row, ["5", "s", "cat", "B", "A", "left"]])
    with pytest.raises(InputError, match=r"votes\.csv: 1 row is no vote") as caught:
        read_votes(file, systems=["A", "B"])
    assert said in str(caught.value)
    votes = read_votes(file, systems=["A", "B"], on_error="skip")
    assert len(votes) == 4
    assert votes.rows == 5
    assert [str(one) for one in votes.bad] == [str(votes.bad[0])]
    assert said in str(votes.bad[0])


def test_other_bytes_than_utf8_are_named_by_their_line(tmp_path):
    file = write(tmp_path / "votes.csv", PAIRS, GOOD)
    file.write_bytes(file.read_bytes() + "4,r,caf\u00e9,A,B,left\r\n".encode("latin-1"))
    with pytest.raises(InputError, match="line 5 is not UTF-8"):
        read_votes(file)
    assert len(read_votes(file, on_error="skip")) == 3
    file.write_bytes((tmp_path / "votes.csv").read_bytes()[:0] + "vote,left,right,choice\n1,A,B,left".encode("utf-16"))
    with pytest.raises(InputError, match="is UTF-16; save it as UTF-8"):
        read_votes(file)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"vote": "4", "left": "A"', "line 4 is no JSON"),
        ('["A", "B", "left"]', "line 4 is no JSON object"),
        ("[" * 100_000, "line 4 is no JSON"),
    ],
)
def test_lines_that_are_no_json(tmp_path, line, said):
    rows = [json.dumps(dict(zip(PAIRS, row, strict=True))) for row in GOOD]
    (tmp_path / "votes.jsonl").write_text("\n".join([*rows, line]))
    with pytest.raises(InputError, match=said):
        read_votes(tmp_path / "votes.jsonl")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("votes.csv", "", "is empty"),
        ("votes.csv", "vote,left,left,choice\n", "two columns 'left'"),
        ("votes.csv", "vote,left,right\n1,A,B\n", "has no column choice, which votes of 2afc have"),
        ("votes.csv", "a,b\n1,2\n", "has the columns a, b, which are no votes"),
        ("votes.csv", "left,right,choice,system,score\nA,B,left,A,3\n", "columns of 2afc and of mos"),
        ("votes.csv", "left,right,choice\n", "holds no vote"),
        ("votes.csv", "left,right,choice\nA,B,skip\n", "holds no vote: 1 rows, 1 of them skipped and 0 checks"),
        ("votes.txt", "left,right,choice\nA,B,left\n", "give a .csv, .tsv, .jsonl or .parquet"),
        ("votes.parquet", "PAR1 nothing PAR1", "is no Parquet file, or damaged"),
    ],
)
def test_files_that_are_no_votes(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        read_votes(tmp_path / name)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv cannot be read: No such file"):
        read_votes(tmp_path / "none.csv")


@pytest.mark.parametrize("score", ["nan", "inf", "four", ""])
def test_scores_that_are_no_numbers(tmp_path, score):
    rows = [["1", "r", "cat", "A", "4"], ["2", "r", "cat", "B", score]]
    with pytest.raises(InputError, match=r"line 3 has (the|no) score"):
        read_votes(write(tmp_path / "v.csv", ("vote", "rater", "item", "system", "score"), rows))


def test_a_cell_that_never_closes_its_quotes_is_named(tmp_path):
    file = write(tmp_path / "votes.csv", PAIRS, GOOD)
    file.write_text(file.read_text() + '4,r,"cat,A,B,left\n5,r,cat,A,B,left\n')
    with pytest.raises(InputError, match="line 5 cannot be read, nor what follows"):
        read_votes(file)


def test_spreadsheets_guards_are_taken_off(tmp_path):
    rows = [["1", "r", "'=cat", "'-A", "B", "left"], ["2", "r", "'cat", "'-A", "B", "left"]]
    votes = read_votes(write(tmp_path / "v.csv", PAIRS, rows))
    assert votes.items == ("=cat", "'cat")
    assert votes.systems == ("-A", "B")


@given(st.text(alphabet="'=+-@a \t", max_size=6))
def test_a_guarded_cell_is_read_as_it_was(cell):
    with tempfile.TemporaryDirectory() as folder:
        file = write(Path(folder) / "v.csv", ("item",), [[guarded(f"{cell}b")]])
        assert read_table(file).columns["item"] == [f"{cell}b"]
    assert not guarded(cell).startswith(("=", "+", "-", "@", "\t"))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["1", "r", '"cat', "A", "B", "left"], ["2", "r", "cat", "A", "B", "left"]], "a quotation mark is"),
        ([["1", "r", "cat", "left", "B", "left"]], "the system 'left' has the name of an answer"),
        ([["1", "r", "cat", "\x1b[2JA", "B", "left"]], "has control characters in its left"),
    ],
)
def test_names_that_cannot_be_told(tmp_path, rows, said):
    file = tmp_path / "v.csv"
    file.write_text("\n".join(",".join(one) for one in [PAIRS, *rows]))
    with pytest.raises(InputError, match=said):
        read_votes(file)


def test_two_stray_quotation_marks_swallow_no_rows(tmp_path):
    lines = [",".join(PAIRS), '1,r,"cat,A,B,left', "2,r,cat,A,B,left", '3,r,cat",A,B,left', "4,r,cat,A,B,left"]
    (tmp_path / "v.csv").write_text("\n".join(lines))
    for on_error in ("fail", "skip"):
        with pytest.raises(InputError, match="a cell of line 2 goes on to line 4"):
            read_votes(tmp_path / "v.csv", on_error=on_error)


@pytest.mark.parametrize(
    ("column", "cell"), [("milliseconds", "1,500"), ("milliseconds", "-5"), ("milliseconds", "inf"), ("trial", "x")]
)
def test_times_that_are_none(tmp_path, column, cell):
    rows = [[*GOOD[0], "5"], [*GOOD[1], cell]]
    with pytest.raises(InputError, match=f"line 3 has the {column} '{cell}'"):
        read_votes(write(tmp_path / "v.csv", (*PAIRS, column), rows))


def test_names_are_the_same_however_they_are_written(tmp_path):
    rows = [
        ["1", "r", "caf\u00e9", "A", " B", "left"],
        ["2", "r ", "cafe\u0301", "A ", "B", "B"],
        ["", "", "", "", "", ""],
    ]
    votes = read_votes(write(tmp_path / "v.csv", [name.title() for name in PAIRS], rows))
    assert (votes.systems, votes.raters, votes.items) == (("A", "B"), ("r",), ("caf\u00e9",))
    assert answers(votes).outcome.tolist() == [1, -1]


def test_systems_given_twice_and_five_at_once(tmp_path):
    with pytest.raises(InputError, match="systems has 'A' twice"):
        read_votes(write(tmp_path / "v.csv", PAIRS, GOOD), systems=["A", "B", "A "])
    header = ("shown_1", "shown_2", "shown_3", "shown_4", "shown_5", "best")
    with pytest.raises(InputError, match="five systems or more at once; 4 are the most"):
        read_votes(write(tmp_path / "w.csv", header, [["A", "B", "C", "D", "E", "E"]]))


def test_large_fields_do_not_change_the_readers_limit(tmp_path):
    before = csv.field_size_limit()
    read_votes(write(tmp_path / "v.csv", PAIRS, GOOD))
    assert csv.field_size_limit() == before
