"""The command line: what it prints, where, with which exit code; every error one sentence."""

import json
import subprocess
import sys

import numpy as np
import pytest
from image_sets import crops, write_pngs
from PIL import Image

import jaxeval
from jaxeval.cli import main
from jaxeval.cli.evaluate import evaluate as evaluate_command


@pytest.fixture
def folders(tmp_path):
    made = write_pngs(tmp_path / "real", crops(90, (5, 4), 1)), write_pngs(tmp_path / "fake", crops(80, (5, 4), 2))
    return [str(folder) for folder in made]


def failure(capfd, *arguments: str) -> tuple[int, str]:
    code = main(list(arguments))
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("jaxeval: ")]
    assert len(lines) == 1
    assert err.splitlines()[-1] == lines[0]
    assert "Traceback" not in err
    assert out == ""
    return code, lines[0]


def test_json_is_alone_on_stdout(folders, capfd):
    assert main(["evaluate", *folders, "--extractor", "pixels", "--json"]) == 0
    out, err = capfd.readouterr()
    document = json.loads(out)
    assert set(document) == {"schema_version", "results", "manifest"}
    (expected,) = jaxeval.evaluate(*folders, extractor="pixels").results
    assert document["results"][0]["value"] == expected.value
    assert "80 images" in err


def test_the_table_has_a_row_a_set_and_a_column_a_protocol(folders, capfd):
    arguments = ["--extractor", "pixels", "--protocol", "torch-fidelity,stylegan3", "--quiet"]
    assert main(["evaluate", folders[0], *folders, *arguments]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "stylegan3" in out
    assert "FD-pixels" in out
    assert "hold the same images" in out
    (expected,) = jaxeval.evaluate(*folders, extractor="pixels").results
    assert f"{expected.value:.5f}"[:6] in out


def said(text: str) -> list[str]:
    return [line.removeprefix("warning: ") for line in text.splitlines() if line.startswith("warning: ")]


def test_what_preparation_did_is_one_line_each(tmp_path, capfd):
    real, fake = tmp_path / "real", write_pngs(tmp_path / "fake", crops(40, (5, 4), 2))
    real.mkdir()
    for number, image in enumerate(crops(40, (5, 4), 1)):
        Image.fromarray(image[..., 0].astype(np.uint16) * 257).save(real / f"{number}.png")
    (fake / "x.jxl").write_bytes(b"x")
    arguments = [str(real), str(fake), "--extractor", "pixels", "--quiet", "--protocol", "pytorch-fid"]
    assert main(["evaluate", *arguments]) == 0
    lines = said(capfd.readouterr().out)
    expected = [
        f"16-bit gray is scaled, where pytorch-fid clips it at 255 (40 of {real}): see --exact-protocol",
        f"{fake}: 1 file left out, in formats that are not read (1 .jxl)",
    ]
    assert [line for line in lines if line in expected] == expected
    (against,) = [line for line in lines if line.startswith("gray against colour")]
    assert f"40 of 40 in {real}" in against
    assert main(["evaluate", *arguments, "--exact-protocol", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    clipped = f"gray of more than 8 bits is clipped at 255, as pytorch-fid does (40 of {real})"
    assert document["results"][0]["warnings"][0] == clipped
    assert document["results"][0]["parameters"]["exact_protocol"] is True
    assert document["manifest"]["exact_protocol"] is True
    assert document["manifest"]["reference"]["report"]["sizes"]["counts"] == {"5 x 4": 40}


def test_stats_says_it_too(tmp_path, capfd):
    fake = write_pngs(tmp_path / "fake", crops(40, (5, 4), 2))
    Image.fromarray(crops(1, (5, 4), 3)[0]).convert("RGBA").save(fake / "z.png")
    out = str(tmp_path / "s.npz")
    assert main(["stats", str(fake), "--out", out, "--extractor", "pixels", "--quiet", "--exact-protocol"]) == 0
    assert said(capfd.readouterr().out) == [f"{fake}: alpha dropped (1 of 41 images)"]


def test_out_writes_the_document(folders, tmp_path, capfd):
    out = tmp_path / "a" / "b"
    assert main(["evaluate", *folders, "--extractor", "pixels", "--out", str(out), "--json"]) == 0
    printed = json.loads(capfd.readouterr().out)
    assert json.loads((out / "result.json").read_text()) == printed


def test_statistics_take_the_references_place(folders, tmp_path, capfd):
    path = str(tmp_path / "reference.npz")
    assert main(["stats", folders[0], "--out", path, "--extractor", "pixels"]) == 0
    assert f"wrote {path}: 90 images, 60 features" in capfd.readouterr().out
    assert main(["evaluate", path, folders[1], "--extractor", "pixels", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)["results"][0]["value"]
    assert found == pytest.approx(jaxeval.evaluate(*folders, extractor="pixels").results[0].value, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "missing argument"),
        (("{real}", "{fake}", "--nope"), 2, "no such option"),
        (("{real}", "{fake}", "--limit", "many"), 2, "'many' is not a valid integer"),
        (("{real}/nowhere", "{fake}", "--extractor", "pixels"), 2, "nowhere"),
        (("{real}", "{fake}", "--extractor", "vgg"), 2, "'vgg'"),
        (("{real}", "{fake}", "--extractor", "pixels", "--protocol", "nice"), 2, "'nice'"),
        (("{real}", "{fake}", "--extractor", "pixels", "--metrics", "fid"), 2, "'fid'"),
        (("{real}", "{fake}", "--weights-dir", "{real}/none"), 3, "jaxeval weights"),
        (("{real}", "{fake}", "--extractor", "pixels", "--out", "/dev/null/x"), 2, "'/dev/null/x'"),
        (("{real}", "{fake}", "--extractor", "pixels", "--cache", "/dev/null/x"), 2, "'/dev/null/x'"),
    ],
)
def test_an_error_is_one_sentence_and_an_exit_code(folders, capfd, arguments, code, words):
    filled = [argument.format(real=folders[0], fake=folders[1]) for argument in arguments]
    found, message = failure(capfd, "evaluate", *filled)
    assert found == code
    assert words in message


def test_unknown_commands_are_named(capfd):
    assert failure(capfd, "evaluat")[0] == 2


def test_debug_adds_the_traceback(folders, capfd):
    assert main(["evaluate", folders[0], "nowhere", "--extractor", "pixels", "--debug"]) == 2
    assert "Traceback" in capfd.readouterr().err


def test_a_fault_of_our_own_is_exit_code_one(folders, capfd, monkeypatch):
    def fault(*arguments, **more):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("jaxeval.evaluation.evaluate", fault)
    code, message = failure(capfd, "evaluate", *folders)
    assert code == 1
    assert "RuntimeError: two lines" in message


def test_finished_sets_are_delivered_before_a_later_one_fails(folders, tmp_path, capfd):
    bad = write_pngs(tmp_path / "bad", crops(5, (5, 4)))
    (bad / "zz.png").write_bytes(b"")
    out = tmp_path / "out"
    code = main(["evaluate", *folders, str(bad), "--extractor", "pixels", "--out", str(out)])
    assert code == 2
    document = json.loads((out / "result.json").read_text())
    assert [result["generated"] for result in document["results"]] == [folders[1]]
    assert "zz.png" in document["manifest"]["incomplete"]
    assert "FD-pixels" in capfd.readouterr().out


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from jaxeval.cli import main\n"
        "for arguments in (['--help'], ['evaluate', '--help'], ['weights', '--help'], ['--version']):\n"
        "    assert main(arguments) == 0\n"
        "heavy = {'jax', 'numpy', 'rich', 'PIL', 'scipy', 'tensorflow_datasets', 'matplotlib', 'flax'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Compare generated images" in done.stdout


def test_python_m_jaxeval_is_the_same():
    done = subprocess.run([sys.executable, "-m", "jaxeval", "--version"], capture_output=True, text=True)
    assert done.stdout == f"jaxeval {jaxeval.__version__}\n"


def test_extractors_and_protocols_are_listed_as_they_are(capfd):
    from jaxeval.evaluation import PROTOCOLS
    from jaxeval.extractors import extractor_names

    option = next(parameter for parameter in evaluate_command.params if parameter.name == "extractor")
    named, command = str(option.help).removeprefix("Networks, such as ").removesuffix("`.").split("; see `jaxeval ")
    assert set(named.replace(" or", ",").split(", ")) <= set(extractor_names())
    for listing, names in ((command, extractor_names()), ("protocols", PROTOCOLS)):
        assert main([listing]) == 0
        begun = [line.split()[0] for line in capfd.readouterr().out.splitlines() if line.strip()]
        assert [name for name in dict.fromkeys(begun) if name in names] == list(names)


def test_weights_are_listed_verified_and_refused(tmp_path, capfd):
    folder = ["--weights-dir", str(tmp_path / "weights")]
    assert main(["weights", "list", *folder]) == 0
    out = capfd.readouterr().out
    assert "inception" in out
    assert "missing" in out
    assert main(["weights", "verify", *folder]) == 0
    capfd.readouterr()
    np.save(tmp_path / "not_weights.npy", np.zeros(3))
    code, message = failure(capfd, "weights", "import", "inception", str(tmp_path / "not_weights.npy"), *folder)
    assert code == 2
    assert "not_weights.npy" in message
    code, message = failure(capfd, "weights", "import", "inceptoin", str(tmp_path / "not_weights.npy"), *folder)
    assert code == 2
    assert "inceptoin" in message
