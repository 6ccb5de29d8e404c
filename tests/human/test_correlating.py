"""Metrics against people from files: the numbers, the matching of rows, the directions, and what is refused."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_images import SYSTEMS, judged, write_analysis, write_judged, write_table
from pair_folders import write_pairs
from scipy import stats
from simulated import opinion_rows, write

import jaxeval
from jaxeval.errors import InputError
from jaxeval.human import HumanCorrelation, analyse, correlate
from jaxeval.human.values import read_human_values, read_scores
from jaxeval.ops import agreement
from jaxeval.pairs.files import save_scores

DIRECTIONS = {"good": "higher", "error": "lower"}
ROWS = judged()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_judged(tmp_path_factory.mktemp("judged"), ROWS)


@pytest.fixture(scope="module")
def found(files: tuple[Path, Path]) -> HumanCorrelation:
    return correlate(*files, better=DIRECTIONS, repeats=200)


def column(name: str, rows: list[dict[str, Any]] = ROWS) -> np.ndarray:
    return np.array([row[name] for row in rows], float)


def scipys(name: str, x: Any, y: Any) -> float:
    test: Any = getattr(stats, name)(x, y)
    return float(test.statistic)


def test_the_numbers_are_those_of_the_ops(found):
    items = np.repeat(np.arange(30), 3)
    reach = stats.t.ppf(0.975, 11) * 0.8 / math.sqrt(12)
    for one, sign in zip(found.metrics, (1, -1), strict=True):
        metric, human = column(one.metric), column("mos")
        assert (one.better, one.n) == (DIRECTIONS[one.metric], 90)
        assert one.spearman.value == pytest.approx(sign * scipys("spearmanr", metric, human), rel=1e-12)
        assert one.kendall.value == pytest.approx(sign * scipys("kendalltau", metric, human), rel=1e-12)
        assert one.pearson.value == pytest.approx(sign * scipys("pearsonr", metric, human), rel=1e-12)
        alone = agreement.spearman(sign * metric, human, clusters=items, repeats=200)
        assert (one.spearman.low, one.spearman.high) == alone.interval
        errors = agreement.prediction_errors(
            metric, human, clusters=items, repeats=200, curve="logistic-5", reach=np.full(90, reach)
        )
        curve = one.curves[1]
        assert errors.rmse_star is not None
        assert curve.rmse_star is not None
        assert (curve.curve, curve.rising) == ("logistic-5", sign > 0)
        assert (curve.rmse.low, curve.rmse.high) == errors.rmse.interval
        assert curve.rmse_star.value == pytest.approx(errors.rmse_star.value, rel=1e-12)
        within = agreement.pairwise_accuracy(sign * metric, human, groups=items, repeats=200)
        assert one.within_items is not None
        assert one.within_items.accuracy.value == within.accuracy.value
        assert one.within_items.pairs == 90
        assert one.pairwise.pairs == 90 * 89 // 2


def test_two_metrics_are_compared_on_the_same_draws(found):
    by = {one.statistic: one for one in found.comparisons}
    assert list(by) == ["pearson", "spearman", "kendall", "pearson-logistic-4", "pearson-logistic-5", "pairwise"]
    one = by["spearman"]
    assert (one.first, one.second, one.better) == ("good", "error", "good")
    assert one.difference == found.metrics[0].spearman.value - found.metrics[1].spearman.value
    assert one.low > 0
    assert one.p_value < 0.02
    # Several rows of an item are not independent, as both tests have it.
    assert (one.meng, one.williams) == (None, None)


def test_tests_of_independent_rows_are_of_turned_metrics(tmp_path):
    rows = [row for row in ROWS if row["system"] == "net"]
    found = correlate(*write_judged(tmp_path, rows), better=DIRECTIONS, repeats=50)
    good, error, human = column("good", rows), -column("error", rows), column("mos", rows)
    pairs = {"first": (good, human), "second": (error, human), "between": (good, error)}
    values = {name: float(np.corrcoef(*pair)[0, 1]) for name, pair in pairs.items()}
    one = found.comparisons[0]
    assert one.meng == pytest.approx(agreement.meng_test(**values, count=30).p_value, rel=1e-9)
    assert one.williams == pytest.approx(agreement.williams_test(**values, count=30).p_value, rel=1e-9)
    assert found.metrics[0].within_items is None


def test_the_document_says_how_it_was_found(found, files, tmp_path):
    document = json.loads(found.save(tmp_path).read_text())
    assert sorted(document) == ["comparisons", "manifest", "metrics", "schema_version"]
    manifest = document["manifest"]
    for side, path in zip(("scores", "human"), files, strict=True):
        assert manifest[side]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert manifest[side]["path"] == str(path)
    assert (manifest["level"], manifest["rows"], manifest["units"]) == ("item", 90, {"item": 30})
    assert (manifest["repeats"], manifest["seed"], manifest["confidence"]) == (200, 0, 0.95)
    assert "over items" in manifest["interval"]
    assert {"jaxeval", "jax", "numpy", "scipy"} <= manifest["versions"].keys()
    assert document["metrics"][0]["spearman"]["value"] == found.metrics[0].spearman.value
    assert str(found).startswith("good: Spearman 0.")


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_order_of_rows_and_of_columns_does_not_matter(seed, tmp_path_factory):
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("shuffled")
    scores, human = write_judged(folder, ROWS)
    values = [[one.spearman.value, one.pairwise.epsilon] for one in correlate(scores, human, repeats=2).metrics]
    write_table(scores, [ROWS[i] for i in rng.permutation(90)], ("error", "system", "good", "item"))
    again = {
        one.metric: [one.spearman.value, one.pairwise.epsilon] for one in correlate(scores, human, repeats=2).metrics
    }
    assert [again["good"], again["error"]] == values


def test_tables_of_all_kinds_are_the_same(files, tmp_path):
    expected = correlate(*files, repeats=2).to_dict()["metrics"]
    names = ("item", "system", "good", "error")
    rows = [{name: row[name] for name in names} for row in ROWS]
    lines, parquet = tmp_path / "scores.jsonl", tmp_path / "scores.parquet"
    lines.write_text("\n".join(map(json.dumps, rows)))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), parquet)
    tabs = tmp_path / "scores.tsv"
    tabs.write_text("\n".join("\t".join(str(row.get(name, name)) for name in names) for row in [{}, *rows]))
    for path in (lines, parquet, tabs):
        assert correlate(path, files[1], repeats=2).to_dict()["metrics"] == expected


# --- jaxeval's own files


def test_scores_of_pairs_have_the_directions_of_the_summary_beside_them(files, tmp_path):
    lines = ["set,image,height,width,channels,bits,time,good,error"]
    lines += [f"{row['system']},{row['item']},8,8,3,8,0.1,{row['good']},{row['error']}" for row in ROWS]
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(lines))
    assert read_scores(path).better == {}
    definitions = {"good": {"better": "higher"}, "error": {"better": "lower"}, "other": {"better": None}}
    (tmp_path / "summary.json").write_text(json.dumps({"manifest": {"definitions": definitions}}))
    read = read_scores(path)
    assert (read.kind, list(read.values), read.better) == ("pairs", ["good", "error"], DIRECTIONS)
    given = correlate(*files, better=DIRECTIONS, repeats=2)
    assert correlate(path, files[1], repeats=2).to_dict()["metrics"] == given.to_dict()["metrics"]


def results(protocols: tuple[str, ...] = ("clean-fid",)) -> dict[str, Any]:
    return {
        "results": [
            {"metric": "fid", "protocol": protocol, "generated": f"out/{system}", "value": value, "better": "lower"}
            for protocol in protocols
            for system, value in zip(SYSTEMS, (30.0, 55.5, 12.0), strict=True)
        ]
    }


def test_results_of_an_evaluation_are_of_systems(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(results()))
    human = write_analysis(tmp_path / "analysis.json", ROWS)
    found = correlate(path, human, repeats=20)
    one = found.metrics[0]
    assert (one.metric, one.better, one.n, one.spearman.value) == ("fid", "lower", 3, 1)
    assert found.manifest["level"] == "system"
    assert found.manifest["units"] == {"system": 3}
    assert "systems are matched by the last part of the path, as no two names are the same" in found.warnings
    assert any("there are 3 systems" in text for text in found.warnings)
    assert one.curves[0].remark.startswith("3 rows with 3 different values")
    assert json.loads(found.to_json())["metrics"][0]["curves"][0]["rmse"]["value"] is None
    path.write_text(json.dumps(results(("clean-fid", "torch-fidelity"))))
    assert list(read_scores(path).values) == ["fid (clean-fid)", "fid (torch-fidelity)"]


def test_an_analysis_has_items_and_systems(files, tmp_path):
    human = write_analysis(tmp_path / "analysis.json", ROWS)
    found = correlate(files[0], human, better=DIRECTIONS, repeats=2)
    assert found.metrics[0].spearman.value == correlate(*files, repeats=2).metrics[0].spearman.value
    assert found.metrics[0].curves[0].rmse_star is not None
    systems = correlate(files[0], human, better=DIRECTIONS, level="system", repeats=2)
    assert systems.metrics[0].n == 3
    assert systems.warnings[0].startswith("metrics of a system are the means over its items in")
    averages = correlate(*files, better=DIRECTIONS, level="system", repeats=2)
    assert averages.metrics[0].pearson.value == pytest.approx(systems.metrics[0].pearson.value, rel=1e-12)


def test_an_analysis_and_scores_that_jaxeval_made(tmp_path):
    """Images are scored, opinions analysed, and both compared by the names that they have in their files."""
    reference, *sets = write_pairs(tmp_path)
    scored = jaxeval.score_pairs(reference, dict(zip(("S0", "S1"), sets, strict=True)), metrics="psnr,mae")
    scored.save(tmp_path)
    save_scores(scored.scores, tmp_path)
    names = sorted({one.image for one in scored.scores})
    rows = [
        [vote, rater, names[int(item[1:])], system, score]
        for vote, rater, item, system, score in opinion_rows((2.0, 4.0), raters=6, items=len(names), seed=0)
    ]
    votes = write(tmp_path / "votes.csv", ("vote", "rater", "item", "system", "score"), rows)
    analysis = analyse(votes, repeats=20)
    found = correlate(tmp_path / "scores.csv", analysis.save(tmp_path), unmatched="skip", repeats=20)
    assert [(one.metric, one.better) for one in found.metrics] == [("psnr", "higher"), ("mae", "lower")]
    values = {(one.image, one.set): one.values["psnr"] for one in scored.scores}
    people = {(one.item, one.system): one.value for one in analysis.parts[0].items}
    assert found.metrics[0].n == len(people) == len(values)
    keys = list(people)
    expected = scipys("spearmanr", [values[key] for key in keys], [people[key] for key in keys])
    assert found.metrics[0].spearman.value == pytest.approx(expected, rel=1e-12)
    systems = correlate(tmp_path / "scores.csv", tmp_path / "analysis.json", level="system", repeats=20)
    assert systems.metrics[0].n == 2


def test_an_analysis_of_several_questions_needs_one(tmp_path):
    path = write_analysis(tmp_path / "analysis.json", ROWS)
    document = json.loads(path.read_text())
    for part in ("systems", "items"):
        document[part] += [
            row | {"question": "sharp", "value": 2 * row["value"], "low": None} for row in document[part]
        ]
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"is of 2 questions; choose one \(--question\): '', 'sharp'"):
        read_human_values(path)
    with pytest.raises(InputError, match="has no question 'round'"):
        read_human_values(path, question="round")
    read = read_human_values(path, question="sharp")
    np.testing.assert_allclose(read.values, 2 * column("mos"))
    assert np.isnan(read.reach).all()


# --- what is drawn


@pytest.mark.parametrize(
    ("over", "units"), [("item", {"item": 30}), ("system", {"system": 3}), ("both", {"item": 30, "system": 3})]
)
def test_what_is_drawn_is_said(files, over, units):
    found = correlate(*files, better=DIRECTIONS, over=over, repeats=20)
    assert found.manifest["units"] == units
    assert found.manifest["interval"].endswith(f"over {' and '.join(f'{what}' for what in units)}s")


def test_rows_without_an_interval_have_no_outliers(tmp_path):
    rows = [dict(row) for row in ROWS]
    rows[4]["n"] = 1
    found = correlate(*write_judged(tmp_path, rows), better=DIRECTIONS, repeats=2)
    assert found.metrics[0].curves[0].outlier_ratio is None
    assert any("1 rows of" in text and "no RMSE* and no outlier ratio" in text for text in found.warnings)


# --- matching


def test_rows_without_a_partner_are_refused_or_counted(tmp_path):
    scores, human = write_judged(tmp_path, ROWS)
    write_table(scores, ROWS[3:], ("item", "system", "good", "error"))
    write_table(human, ROWS[:-2], ("item", "system", "mos"))
    with pytest.raises(
        InputError, match=r"2 rows of .*scores.csv have no partner: item 'image-029' of system 'blur', item .*; mend"
    ):
        correlate(scores, human)
    found = correlate(scores, human, unmatched="skip", repeats=2)
    assert found.metrics[0].n == 85
    assert "2 rows of" in found.warnings[0]
    assert "3 rows of" in found.warnings[1]
    assert found.warnings[1].endswith(
        "and are left out: item 'image-000' of system 'jpeg', item 'image-000' of system 'blur', "
        "item 'image-000' of system 'net'"
    )


def test_values_that_are_missing_or_infinite_are_refused_or_counted(tmp_path):
    rows = [dict(row) for row in ROWS]
    rows[0]["good"], rows[1]["error"], rows[2]["mos"] = "inf", "", ""
    files = write_judged(tmp_path, rows)
    with pytest.raises(
        InputError, match=r"1 rows of .*mos.csv have no people's value: item 'image-000' of system 'net'"
    ):
        correlate(*files)
    found = correlate(*files, unmatched="skip", repeats=2)
    assert found.metrics[0].n == 87
    assert [text.split(" and are")[0].split(".csv ")[1] for text in found.warnings[:3]] == [
        "have no people's value",
        "have no finite good",
        "have no finite error",
    ]


def test_names_may_lack_endings(tmp_path):
    scores, human = write_judged(tmp_path, ROWS)
    write_table(human, [row | {"item": row["item"] + ".png"} for row in ROWS], ("item", "system", "mos"))
    found = correlate(scores, human, better=DIRECTIONS, repeats=2)
    assert found.warnings[0] == "items are matched without the ending of an image, as no two names are the same"
    assert found.metrics[0].n == 90


def test_items_of_one_system_need_no_name_of_it(tmp_path):
    rows = [row for row in ROWS if row["system"] == "net"]
    scores, human = write_judged(tmp_path, rows)
    write_table(human, rows, ("item", "mos"))
    found = correlate(scores, human, repeats=2)
    assert "names no system: its items are taken for those of net" in found.warnings[0]
    write_table(scores, ROWS, ("item", "system", "good"))
    with pytest.raises(InputError, match=r"is of 3 systems .* does not say which; give it a column 'system'"):
        correlate(scores, human)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"better": {"good": "up"}}, "better of good is 'up'; it is lower or higher"),
        ({"better": {"best": "lower"}}, r"better names 'best', which .* has not; it has good, error"),
        ({"metrics": ["best"]}, "scores.csv has no metric 'best'; it has good, error"),
        ({"level": "pixel"}, "level 'pixel' is not known; choose auto, item, system"),
        ({"over": "rater"}, "over 'rater' is not known"),
        ({"unmatched": "ask"}, "unmatched 'ask' is not known; choose error, skip"),
        ({"value": "std2"}, "mos.csv has no column 'std2'; it has item, system, mos, std, n"),
        ({"question": "sharp"}, "mos.csv is a table, which has no questions"),
        ({"level": "system", "over": "item"}, "over is 'item', and the rows have no items; choose 'system'"),
        ({"repeats": 1}, "repeats is 1"),
        ({"confidence": 1.5}, "confidence is 1.5"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_options_that_do_not_fit_are_said(files, options, sentence):
    with pytest.raises(InputError, match=sentence):
        correlate(*files, **options)


GOOD_MOS = "item,mos\na,1\nb,2\n"
GOOD_SCORES = "item,x\na,1\nb,2\n"


@pytest.mark.parametrize(
    ("scores", "human", "sentence"),
    [
        ("", GOOD_MOS, "scores.csv is empty"),
        ("item,x\n", GOOD_MOS, "scores.csv has no rows"),
        ("x,y\n1,2\n", GOOD_MOS, r"scores.csv has neither a column 'item' .* it has x, y"),
        ("item,image,x\na,a,1\n", GOOD_MOS, "scores.csv has both 'item' and 'image'"),
        ("item,x\na,1\na,2\n", GOOD_MOS, "scores.csv: line 3 has item 'a' again, which line 2 has"),
        ("item,x\na,1\nb,two\n", GOOD_MOS, "scores.csv: line 3 has 'two' for x; give a number, or an empty cell"),
        ("item,x\na,1\nb,1_0\n", GOOD_MOS, "line 3 has '1_0' for x"),
        ("item,x\na,1\n,2\n", GOOD_MOS, "scores.csv: line 3 has no item"),
        ("item,x\na,1,3\nb,2\n", GOOD_MOS, "scores.csv: line 2 has 3 cells for 2 columns; mend"),
        ("item,x,x\na,1,3\n", GOOD_MOS, "scores.csv has two columns 'x'"),
        ("item,note\na,good\n", GOOD_MOS, "scores.csv has no column of numbers"),
        (b"item,x\na\xff,1\nb,2\n", GOOD_MOS, "scores.csv: line 2 is not UTF-8"),
        ("item,x\na,1\nb,2\n".encode("utf-16"), GOOD_MOS, "scores.csv is UTF-16; save it as UTF-8"),
        (GOOD_SCORES, "item,value,score\na,1,2\n", "mos.csv has value and score; say which column"),
        (GOOD_SCORES, "item,quality\na,1\n", "mos.csv has none of value, mos, score, strength, win_rate"),
        (GOOD_SCORES, "item,mos,low,high\na,1,2,1\nb,1,0,2\n", "mos.csv: line 2 has low 2 above high 1"),
        (GOOD_SCORES, "item,mos,std,n\na,1,-1,3\n", "mos.csv: line 2 has std -1 of n 3"),
        (GOOD_SCORES, "item,mos\nc,1\nd,2\n", "have no name in common: item 'a' against item 'c'"),
        (GOOD_SCORES, "system,mos\nc,1\nd,2\n", "scores.csv names no systems"),
        ("item,x\na,1\n", "item,mos\na,1\n", "have 1 rows in common with values; give two at least"),
    ],
)
def test_bad_tables_are_refused_in_one_sentence(tmp_path, scores, human, sentence):
    paths = tmp_path / "scores.csv", tmp_path / "mos.csv"
    for path, content in zip(paths, (scores, human), strict=True):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=sentence) as raised:
        correlate(*paths)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("result.json", "{", "result.json is no JSON"),
        ("result.json", "[1]", "result.json is no JSON object"),
        ("result.json", "{}", "result.json has no results"),
        ("result.json", '{"results": [{"metric": "fid"}]}', r"is no result.json of an evaluation \(KeyError"),
        ("result.json", json.dumps({"results": [*results()["results"]] * 2}), "has fid of 'out/jpeg' twice"),
        ("scores.txt", "item,x\n", "scores.txt is no table that is known by its name"),
        ("none.csv", None, "none.csv cannot be read: No such file"),
    ],
)
def test_bad_files_of_scores_are_refused(tmp_path, name, content, sentence):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_scores(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"systems": []}, "is no analysis.json: it has no lists 'systems' and 'items'"),
        ({"systems": [], "items": []}, "has no values of systems or items"),
        ({"systems": [{"system": "a"}], "items": []}, r"systems\[0\] has no name or no value"),
        ({"systems": [{"system": "a", "value": "x"}], "items": []}, r"systems\[0\] has 'x' for value; a number"),
        (
            {"systems": [{"system": "a", "value": 1}] * 2, "items": []},
            r"systems\[1\] has system 'a' again, which systems\[0\] has",
        ),
    ],
)
def test_bad_analyses_are_refused(tmp_path, content, sentence):
    path = tmp_path / "analysis.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=sentence):
        read_human_values(path)


def test_metrics_are_chosen_by_text_or_list(files):
    for metrics in ("error, good", ["error", "good"]):
        found = correlate(*files, metrics=metrics, better=DIRECTIONS, repeats=2)
        assert [one.metric for one in found.metrics] == ["error", "good"]


def test_directions_that_people_contradict_are_said(files):
    found = correlate(*files, better={"good": "lower", "error": "lower"}, repeats=2)
    assert "people's values rise with good, of which lower is better" in found.warnings
    assert found.metrics[0].spearman.value < 0
    silent = correlate(*files, metrics=["good"], repeats=2)
    assert silent.warnings[0].startswith(
        "nothing says whether more or less of good is better; more is taken for better"
    )
