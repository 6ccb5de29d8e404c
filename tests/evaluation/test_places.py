"""Places that are not on this machine are refused by name before any work; file:// is this machine."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_sets import crops, write_pngs

import jaxeval
from jaxeval.cli import main
from jaxeval.distributed import Checkpointer
from jaxeval.errors import InputError
from jaxeval.evaluation import Evaluation
from jaxeval.evaluation.captions import load_captions
from jaxeval.extractors import WeightsStore
from jaxeval.files import check_writable, local_name, local_path
from jaxeval.images import open_source, open_video
from jaxeval.pairs import score_pairs
from jaxeval.pairs.files import save_scores
from models.sweep import main as sweep
from models.train import main as train

REMOTE = "gs://bucket/x"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Sets under a name with a space, and an empty current folder, where nothing is to appear."""
    made = [write_pngs(tmp_path / "my sets" / name, crops(30, (5, 4), seed)) for seed, name in enumerate(("a", "b"))]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return made


@pytest.fixture
def no_work(monkeypatch):
    """Fails where a network is loaded or an image decoded."""

    def refuse(*_, **__):
        raise AssertionError("work was done before the place was refused")

    monkeypatch.setattr("jaxeval.evaluation.preparing.load_extractor", refuse)
    monkeypatch.setattr("jaxeval.images.batches.decode", refuse)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b", "a/b"),
        ("here:/a", "here:/a"),
        ("file:/a%20b", "/a b"),
        ("C://a", "C://a"),
        ("tfds:mnist:test", "tfds:mnist:test"),
        ("call:m:f?x=s3://y", "call:m:f?x=s3://y"),
        ("./gs://a", "./gs://a"),
        ("file:///a/b", "/a/b"),
        ("FILE:///a/b", "/a/b"),
        ("file://localhost/a/b", "/a/b"),
        ("file:///a%20b/%C3%A4", "/a b/ä"),
        ("file:///a%2Fb", "/a/b"),
        ("file:///100%", "/100%"),
        ("file:///a?key=b", "/a?key=b"),
        ("file:///", "/"),
        (Path("file:///a/b"), "/a/b"),
        (Path("file://localhost/a"), "/a"),
        (Path("a/b"), "a/b"),
    ],
)
def test_names_on_this_machine(text, expected, tmp_path, monkeypatch):
    (tmp_path / "here:").mkdir()
    monkeypatch.chdir(tmp_path)
    assert local_name(text) == expected


def test_bytes_that_are_no_utf8_survive_a_url(tmp_path):
    place = tmp_path / "\udcff name"
    place.write_bytes(b"x")
    assert local_path(f"file://{tmp_path}/%FF%20name").read_bytes() == b"x"
    assert local_path(place.as_uri()) == place


def test_home_is_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path("~/x") == tmp_path / "x"
    assert local_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")
    for name in ("~nobody-of-this-name/x", "~nobody-of-this-name/x.npy"):
        with pytest.raises(InputError, match=r"~nobody-of-this-name/x.* does not exist"):
            open_source(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gs://bucket/x", "'gs://bucket/x' is on gs://"),
        ("s3://bucket/x", "on s3://"),
        ("https://host/x.zip?y", "on https://"),
        ("hdfs+x-1.0://a", r"on hdfs\+x-1\.0://"),
        ("GS://bucket", "on GS://"),
        (Path("gs://bucket/x"), "'gs:/bucket/x' is on gs://"),
        ("gs:/bucket/x", "'gs:/bucket/x' is on gs://"),
        ("file://host/a", "names the machine 'host'; a folder of this machine is file:///FOLDER"),
        ("file://a", "names the machine 'a'"),
        ("file://", "names the machine ''"),
        ("a\0b", "zero bytes"),
        ("file:///a%00b", "zero bytes"),
    ],
)
def test_names_that_are_not(text, words):
    with pytest.raises(InputError, match=words):
        local_name(text)


OPTIONS = {
    "evaluate {a} {b} --extractor pixels": "out cache checkpoint compilation-cache weights-dir captions",
    "compare {a} {b} --reference {a} --extractor pixels": "out cache checkpoint compilation-cache weights-dir captions",
    "stats {a} --extractor pixels --out s.npz": "out cache checkpoint compilation-cache weights-dir",
    "pairs {a} {b} --quiet": "out weights-dir",
    "weights list": "weights-dir",
    "weights verify": "weights-dir",
    "weights download lite0": "weights-dir",
    "weights import lite0 a.pth": "weights-dir",
}


def refused(capfd, command: str, folders, *more: str) -> str:
    """The one sentence of a command that is refused and leaves nothing in the current folder."""
    arguments = [word.format(a=folders[0], b=folders[1]) for word in command.split()]
    assert main([*arguments, *more]) == 2
    out, err = capfd.readouterr()
    (line,) = err.splitlines()
    assert (out, list(Path.cwd().iterdir())) == ("", [])
    return line


@pytest.mark.parametrize(
    ("command", "option"), [(one, name) for one, names in OPTIONS.items() for name in names.split()]
)
def test_every_option_refuses_another_scheme(folders, capfd, no_work, command, option):
    remote = f"{REMOTE}.npz" if command.startswith("stats") and option == "out" else REMOTE
    line = refused(capfd, command, folders, f"--{option}", remote)
    assert line.startswith(f"jaxeval: --{option} '{remote}' is on gs://, which is not supported; give a path")


@pytest.mark.parametrize(
    "command",
    [
        "evaluate gs://x/y {b}",
        "evaluate gs://x/y.npz {b}",
        "evaluate {a} gs://x/y",
        "evaluate {a} {b} gs://x/y.tar",
        "evaluate {a} {b} --held-out gs://x/y --metrics c-t",
        "compare gs://x/y {b} --reference {a}",
        "compare {a} gs://x/y --reference {a}",
        "compare {a} {b} --reference gs://x/y.npz",
        "stats gs://x/y --out s.npz",
        "pairs gs://x/y {b}",
        "pairs {a} gs://x/y",
        "pairs {a} gs://x/y.mp4",
        "weights import lite0 gs://x/y.pth",
    ],
)
def test_sets_and_files_elsewhere_are_refused_by_their_scheme(folders, capfd, no_work, command):
    assert "is on gs://, which is not supported" in refused(capfd, command, folders)


@pytest.mark.parametrize(
    ("name", "option"), [("JAXEVAL_WEIGHTS", "weights-dir"), ("JAXEVAL_COMPILATION_CACHE", "compilation-cache")]
)
def test_the_environment_is_refused_as_the_option(folders, capfd, no_work, monkeypatch, name, option):
    monkeypatch.setenv(name, "s3://bucket/x")
    line = refused(capfd, "evaluate {a} {b} --extractor pixels", folders)
    assert f"--{option} 's3://bucket/x' is on s3://" in line


PIXELS: dict[str, Any] = {"extractor": "pixels"}


@pytest.mark.parametrize(
    "call",
    [
        lambda a, b: jaxeval.evaluate(REMOTE, b, **PIXELS),
        lambda a, b: jaxeval.evaluate(f"{REMOTE}.npz", b, **PIXELS),
        lambda a, b: jaxeval.evaluate(a, REMOTE, **PIXELS),
        lambda a, b: jaxeval.evaluate(a, Path(REMOTE), **PIXELS),
        lambda a, b: jaxeval.evaluate(a, {"mine": REMOTE}, **PIXELS),
        lambda a, b: jaxeval.evaluate(a, [b, REMOTE], **PIXELS),
        lambda a, b: jaxeval.evaluate(a, [f"{REMOTE}.png"], **PIXELS),
        lambda a, b: jaxeval.evaluate(a, b, held_out=REMOTE, metrics="c-t", **PIXELS),
        lambda a, b: jaxeval.evaluate(a, b, captions=REMOTE, **PIXELS),
        lambda a, b: jaxeval.evaluate(a, b, cache=REMOTE, **PIXELS),
        lambda a, b: jaxeval.evaluate(a, b, cache=Path(REMOTE), **PIXELS),
        lambda a, b: jaxeval.evaluate(a, b, checkpoint=REMOTE, **PIXELS),
        lambda a, b: jaxeval.evaluate(a, b, weights_dir=REMOTE, **PIXELS),
        lambda a, b: jaxeval.compare(a, b, reference=a, cache=REMOTE, **PIXELS),
        lambda a, b: jaxeval.compare(a, b, reference=a, checkpoint=REMOTE, **PIXELS),
        lambda a, b: jaxeval.compare(a, b, reference=a, weights_dir=REMOTE, **PIXELS),
        lambda a, b: jaxeval.compare(a, REMOTE, reference=a, **PIXELS),
        lambda a, b: jaxeval.features(REMOTE, **PIXELS),
        lambda a, b: jaxeval.features(a, cache=REMOTE, **PIXELS),
        lambda a, b: jaxeval.features(a, weights_dir=REMOTE, **PIXELS),
        lambda a, b: jaxeval.reference_statistics(REMOTE, "s.npz", **PIXELS),
        lambda a, b: jaxeval.reference_statistics(a, f"{REMOTE}.npz", **PIXELS),
        lambda a, b: jaxeval.reference_statistics(a, Path(f"{REMOTE}.npz"), **PIXELS),
        lambda a, b: jaxeval.reference_statistics(a, "s.npz", cache=REMOTE, **PIXELS),
        lambda a, b: jaxeval.reference_statistics(a, "s.npz", checkpoint=REMOTE, **PIXELS),
        lambda a, b: jaxeval.reference_statistics(a, "s.npz", weights_dir=REMOTE, **PIXELS),
        lambda a, b: score_pairs(REMOTE, b),
        lambda a, b: score_pairs(a, [b, Path(REMOTE)]),
        lambda a, b: score_pairs(a, b, weights_dir=REMOTE),
        lambda a, b: save_scores([], REMOTE),
        lambda a, b: open_source(REMOTE),
        lambda a, b: open_source(f"{REMOTE}-{{0..3}}.tar"),
        lambda a, b: open_source(f"tfds:mnist:test?data_dir={REMOTE}"),
        lambda a, b: open_video(f"{REMOTE}.y4m"),
        lambda a, b: load_captions(REMOTE),
        lambda a, b: WeightsStore(REMOTE),
        lambda a, b: check_writable(REMOTE),
        lambda a, b: Evaluation((), {}).save(REMOTE),
        lambda a, b: Checkpointer(REMOTE, {}),
    ],
)
def test_python_refuses_the_same(folders, no_work, call):
    with pytest.raises(InputError, match="is on gs://, which is not supported; give a path"):
        call(*folders)
    assert list(Path.cwd().iterdir()) == []


def test_training_refuses_the_same(folders, capfd):
    assert train(["vae", "--run", REMOTE, "--data", str(folders[0])]) == 2
    assert "is on gs://, which is not supported" in capfd.readouterr().err
    assert train(["bound", "--run", REMOTE]) == 2
    assert "is on gs://, which is not supported" in capfd.readouterr().err
    assert sweep(["vae", "--out", REMOTE, "--vary", "width=8,16"]) == 2
    assert "is on gs://, which is not supported" in capfd.readouterr().err
    assert list(Path.cwd().iterdir()) == []


def test_file_urls_are_paths_everywhere(folders, tmp_path, capfd):
    """Every set and every place by its URL, whose spaces are %20, gives the numbers and files of the paths."""
    real, fake = (folder.as_uri() for folder in folders)
    assert "%20" in real
    (expected,) = jaxeval.evaluate(*folders, **PIXELS).results
    kept = {name: (tmp_path / "kept at" / name) for name in ("out", "cache", "checkpoint", "s.npz", "compiled")}
    urls = {name: path.as_uri() for name, path in kept.items()}
    common = ["--extractor", "pixels", "--quiet"]
    assert main(["evaluate", real, fake, *common, "--out", urls["out"], "--cache", urls["cache"]]) == 0
    assert f"wrote {kept['out'] / 'result.json'}" in capfd.readouterr().out.replace("\n", "")
    assert (kept["out"] / "result.json").is_file()
    assert any(kept["cache"].rglob("*.json"))
    arguments = ["--checkpoint", urls["checkpoint"], "--compilation-cache", urls["compiled"]]
    assert main(["stats", real, *common, "--out", urls["s.npz"], *arguments]) == 0
    assert all(kept[name].exists() for name in ("s.npz", "checkpoint", "compiled"))
    assert main(["pairs", real, fake, "--metrics", "psnr", "--quiet", "--out", urls["out"]]) == 0
    assert (kept["out"] / "summary.json").is_file()
    assert any((kept["out"] / "exhibits").glob("*.png"))
    (found,) = jaxeval.evaluate(real, [fake], cache=urls["cache"], **PIXELS).results
    assert (found.value, found.generated) == (expected.value, fake)
    (by_file,) = jaxeval.evaluate(urls["s.npz"], fake, **PIXELS).results
    assert by_file.value == pytest.approx(expected.value, rel=1e-9)
    jaxeval.reference_statistics(real, (tmp_path / "t.npz").as_uri(), **PIXELS)
    assert (tmp_path / "t.npz").is_file()
    assert jaxeval.features(f"{real}/*.png", **PIXELS).shape == (30, 60)
    np.save(tmp_path / "a b.npy", crops(30, (5, 4), 0))
    assert len(open_source(f"{(tmp_path / 'a b.npy').as_uri()}?layout=NHWC")) == 30
    assert list(Path.cwd().iterdir()) == []


def test_the_home_folder_is_meant_by_its_sign(folders, monkeypatch, capfd):
    home = folders[0].parent.parent
    monkeypatch.setenv("HOME", str(home))
    assert main(["evaluate", *map(str, folders), "--extractor", "pixels", "--quiet", "--out=~/found"]) == 0
    assert (home / "found" / "result.json").is_file()
    jaxeval.evaluate(*folders, **PIXELS).save("~/again")
    assert (home / "again" / "result.json").is_file()
    assert list(Path.cwd().iterdir()) == []
