"""`jaxeval pairs` on the command line: what it prints and writes, with which exit code."""

import json

import numpy as np
import pytest
from pair_folders import write_pairs
from PIL import Image

from jaxeval.cli import main
from jaxeval.pairs import score_pairs


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return [str(folder) for folder in write_pairs(tmp_path_factory.mktemp("pairs"))]


def test_out_holds_scores_summary_and_exhibits(folders, tmp_path, capfd):
    out = tmp_path / "out"
    assert main(["pairs", *folders, "--metrics", "psnr", "--out", str(out), "--worst", "1"]) == 0
    printed, progress = capfd.readouterr()
    names = {"exhibits", "scores.csv", "scores.json", "scores.parquet", "summary.json"}
    assert {path.name for path in out.iterdir()} == names
    assert {path.name for path in (out / "exhibits").glob("*.png")} == {"little.png", "much.png"}
    assert "PSNR (dB)" in printed
    assert f"wrote {out / 'summary.json'}" in printed
    assert "18 images" in progress
    expected = score_pairs(folders[0], folders[1:], metrics="psnr")
    document = json.loads((out / "summary.json").read_text())
    assert document["means"] == json.loads(expected.to_json())["means"]


def test_json_is_alone_on_stdout(folders, capfd):
    arguments = ["--metrics", "mae", "--colour", "y", "--crop-border", "1", "--json", "--quiet"]
    assert main(["pairs", *folders[:2], *arguments]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert json.loads(out)["manifest"]["settings"]["crop_border"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metrics", "beauty"], "metric 'beauty' of pairs is not known"),
        (["--worst", "-1"], "--worst is -1"),
        (["--alpha", "gray"], "alpha 'gray' is not known; choose from drop, white, black"),
        (["--exif", "yes"], "exif 'yes' is not known; choose from ignore, apply"),
        (["--worst-by", "beauty"], "--worst-by 'beauty' is not a metric"),
        (["--on-error", "ask"], "on_error 'ask' is not known; choose 'fail' or 'skip'"),
        (["--metrics", "ms-ssim"], "needs sides of at least 161 pixels"),
    ],
)
def test_an_error_is_one_sentence_and_code_2(folders, capfd, arguments, message):
    assert main(["pairs", *folders[:2], *arguments, "--quiet"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("jaxeval: ")
    assert message in err
    assert len(err.splitlines()) == 1


def test_the_list_names_every_metric(capfd):
    from jaxeval.pairs import PAIR_MEASURES

    assert main(["pairs", "--list"]) == 0
    out = capfd.readouterr().out
    assert all(name in out for name in PAIR_MEASURES)


def test_what_was_done_to_images_is_one_line_each(tmp_path, capfd):
    reference, distorted = tmp_path / "r", tmp_path / "d"
    for folder, level in ((reference, 10), (distorted, 30)):
        folder.mkdir()
        Image.fromarray(np.full((12, 12, 4), level, np.uint8)).save(folder / "a.png")
        (folder / "b.heic").write_bytes(b"x")
    assert main(["pairs", str(reference), str(distorted), "--metrics", "mae", "--quiet"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert [line for line in out.splitlines() if line.startswith("warning: ")] == [
        f"warning: {folder}: {what}"
        for folder in (reference, distorted)
        for what in ("alpha dropped (1 of 1 images)", "1 file left out, in formats that are not read (1 .heic)")
    ]
    arguments = ["--metrics", "mae", "--alpha", "black", "--json", "--quiet"]
    assert main(["pairs", str(reference), str(distorted), *arguments]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["means"][0]["value"] == pytest.approx(abs(round(30 * 30 / 255) - round(10 * 10 / 255)))
    assert document["manifest"]["reports"][str(reference)]["notes"]["alpha over black"] == 1
