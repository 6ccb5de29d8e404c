"""`jaxeval human correlate` on the command line: what it prints and writes, with which exit code."""

import io
import json

import pytest
from judged_images import judged, write_judged
from rich.console import Console

from jaxeval.cli import main
from jaxeval.human import correlate
from jaxeval.report import print_correlation

OPTIONS = ["--repeats", "50", "--better", "good=higher", "--better", "error=lower"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [str(path) for path in write_judged(tmp_path_factory.mktemp("judged"))]


def test_out_holds_the_document_and_the_figure(files, tmp_path, capfd):
    assert main(["human", "correlate", *files, *OPTIONS, "--out", str(tmp_path / "out")]) == 0
    out, _ = capfd.readouterr()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"correlation.json", "correlation.png"}
    assert f"wrote {tmp_path / 'out' / 'correlation.json'}" in out
    expected = correlate(*files, better={"good": "higher", "error": "lower"}, repeats=50)
    document = json.loads((tmp_path / "out" / "correlation.json").read_text())
    assert document["metrics"] == json.loads(expected.to_json())["metrics"]
    assert f"{expected.metrics[0].spearman.value:.3f}" in out
    assert "good \u2191" in out
    assert "error \u2193" in out


def test_tables_fit_80_columns(files):
    found = correlate(*files, better={"good": "higher", "error": "lower"}, repeats=50)
    console = Console(width=80, record=True, highlight=False, file=io.StringIO())
    print_correlation(found, console)
    text = console.export_text()
    for one in found.metrics:
        for number in (one.spearman, one.kendall, one.pearson, one.curves[0].pearson):
            assert f"{number.value:.3f}" in text
        assert f"{100 * one.pairwise.accuracy.value:.1f}%" in text
    tables = [line for line in text.splitlines() if not line.startswith("warning")]
    assert max(map(len, tables[:20])) <= 80
    assert "\u2026" not in text


def test_json_is_alone_on_stdout(files, capfd):
    assert main(["human", "correlate", *files, *OPTIONS, "--metrics", "good", "--json"]) == 2
    assert "better names 'error'" in capfd.readouterr().err
    assert main(["human", "correlate", *files, "--repeats", "50", "--metrics", "good", "--over", "both", "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert json.loads(out)["manifest"]["units"] == {"item": 30, "system": 3}


def test_directions_of_our_own_measures_are_known(tmp_path, capfd):
    rows = [row | {"psnr": row["good"], "mae": row["error"]} for row in judged()]
    scores, human = write_judged(tmp_path, rows)
    scores.write_text(scores.read_text().replace("good,error", "psnr,mae", 1))
    assert main(["human", "correlate", str(scores), str(human), "--repeats", "50", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [one["better"] for one in found["metrics"]] == ["higher", "lower"]
    assert all(one["spearman"]["value"] > 0.4 for one in found["metrics"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--better", "good"], "--better is 'good'; give NAME=lower or NAME=higher"),
        (["--better", "good=best"], "better of good is 'best'; it is lower or higher"),
        (["--level", "pixel"], "level 'pixel' is not known"),
        (["--repeats", "0"], "repeats is 0; give a whole number of 2 or more"),
        (["--metrics", "best"], "has no metric 'best'"),
        (["--value", "best"], "has no column 'best'"),
    ],
)
def test_an_error_is_one_sentence_and_code_2(files, capfd, arguments, message):
    assert main(["human", "correlate", *files, *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("jaxeval: ")
    assert message in err
    assert len(err.splitlines()) == 1
