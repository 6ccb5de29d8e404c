"""The tables of `evaluate` and `compare`: every number under its own name with its own interval, nothing cut."""

import dataclasses
import io
import json

import pytest
from rich.console import Console

from jaxeval.evaluation import Comparison, Difference, Evaluation, Result
from jaxeval.evaluation.measures.intervals import Debiased
from jaxeval.ops import Interval
from jaxeval.report import print_comparison, print_results

NUMBER = Result(
    metric="fd-lite0",
    stem="fd",
    label="FD-lite0",
    value=3.25,
    better="lower",
    interval=Interval(3.0, 3.5),
    interval_method="95%, influence of single images",
    protocol="edm2",
    definition="Fréchet distance",
    parameters={"ddof": 1},
    extractor="lite0",
    tap="features",
    weights=None,
    reference="real",
    generated="late",
    n_reference=5000,
    n_generated=4000,
    skipped_reference=0,
    skipped_generated=0,
    feature_size=1280,
    resize="bilinear",
    quantise="round",
    normalisation=(0.0, 1.0),
    dtype="float32",
    precision="highest",
    statistics_dtype="float64",
    seed=0,
    device="cpu",
    versions={},
    debiased=Debiased(0.75, 2.5, 0.2, Interval(0.25, 1.1), "95%, of the distance without its bias of 2.5"),
)
OTHER = dataclasses.replace(
    NUMBER,
    metric="is-lite0",
    stem="is",
    label="IS-lite0",
    better="higher",
    value=4.5,
    interval=Interval(4.25, 4.75),
    debiased=None,
)


def printed(results, width=200, not_computed=()):
    text = io.StringIO()
    print_results(results, Console(file=text, width=width, highlight=False), not_computed)
    return text.getvalue()


def test_few_metrics_have_the_estimate_without_bias_in_a_column_of_its_own():
    lines = printed([NUMBER]).splitlines()
    heading = next(line for line in lines if "FD-lite0" in line)
    assert "FD-lite0 \u2193" in heading
    assert "FD-lite0 less bias \u2193" in heading
    row = next(line for line in lines if "late" in line)
    assert row.split() == ["late", "4,000", "3.2500", "[3.00,", "3.50]", "0.75000", "[0.25,", "1.10]"]


def test_many_metrics_have_it_in_a_row_of_its_own():
    more = [dataclasses.replace(OTHER, metric=f"{stem}-lite0") for stem in ("precision", "recall", "density")]
    lines = printed([NUMBER, *more]).splitlines()
    assert [line.split()[:2] for line in lines if line.startswith(" FD")] == [["FD", "\u2193"], ["FD", "less"]]
    assert next(line for line in lines if "FD less bias" in line).split()[-3:] == ["0.75000", "[0.25,", "1.10]"]


def test_a_set_without_it_says_that_it_is_not_known():
    few = dataclasses.replace(NUMBER, generated="few", debiased=None)
    assert printed([NUMBER, few]).splitlines()[-2].split()[-2:] == ["not", "known"]
    assert "less bias" not in printed([few, OTHER])


def test_columns_that_would_be_cut_become_rows():
    wide, narrow = printed([NUMBER, OTHER], width=120), printed([NUMBER, OTHER], width=60)
    assert "FD-lite0 less bias" in wide
    assert "over lite0 features" in narrow
    for text in ("3.2500 [3.00, 3.50]", "0.75000 [0.25, 1.10]", "4.5000 [4.25, 4.75]"):
        assert text in wide
        assert text in narrow
    assert "\u2026" not in narrow


def test_nothing_but_reasons_is_printed_too():
    assert "MiFD of late: not meaningful" in printed([], not_computed=["MiFD of late: not meaningful: why"])


def test_json_and_text_name_both():
    document = json.loads(Evaluation((NUMBER,), {}).to_json())
    assert document["results"][0]["interval"] == [3.0, 3.5]
    assert document["results"][0]["debiased"]["value"] == 0.75
    assert document["results"][0]["debiased"]["interval"] == [0.25, 1.1]
    assert "3.25 [3, 3.5], less its bias 0.75 [0.25, 1.1]" in str(NUMBER)


@pytest.fixture
def difference():
    second = dataclasses.replace(NUMBER, generated="early", value=4.0)
    rest = Debiased(0.5, 0.25, 0.1, Interval(0.1, 0.9), "95%, of the difference without its bias of 0.25")
    return Difference(
        NUMBER, second, 0.75, Interval(0.5, 1.0), "95%, jackknife", 0.0004, "of no difference", 0.002, "of one", rest
    )


def test_both_hypotheses_have_a_column(difference):
    text = io.StringIO()
    console = Console(file=text, width=160, highlight=False)
    print_comparison(Comparison((difference,), {"not_computed": []}), console)
    lines = text.getvalue().splitlines()
    assert any("no difference   one distribution" in line for line in lines)
    row = next(line for line in lines if line.startswith(" FD \u2193"))
    assert row.split()[-3:] == ["0.0004", "0.002", "late"]
    row = next(line for line in lines if line.startswith(" FD less bias"))
    assert row.split()[-3:] == ["0.50000", "[0.10,", "0.90]"]
    assert "p = 0.0004 of no difference, p = 0.002 of one distribution" in str(difference)


def test_better_is_who_is_better_with_and_without_bias(difference):
    assert difference.better == "late"
    doubtful = dataclasses.replace(difference.debiased, interval=Interval(-0.1, 0.5))
    assert dataclasses.replace(difference, debiased=doubtful).better is None
    opposite = dataclasses.replace(difference, interval=Interval(-1.0, -0.5), debiased=None)
    assert opposite.better == "early"
