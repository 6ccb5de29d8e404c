"""Whatever goes wrong, the numbers that were finished are printed and written, and the exit code tells."""

import dataclasses
import json

import numpy as np
import pytest
from image_sets import crops, write_pngs

import jaxeval
from jaxeval._faults import finished_before
from jaxeval.cli import main
from jaxeval.errors import InputError
from jaxeval.evaluation import measures

pytestmark = pytest.mark.usefixtures("quickly_compiled")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    made = crops(20, (6, 6), seed=2) // 2 + 50
    sets = {
        "real": crops(24, (6, 6), seed=1) // 2 + 50,
        "first": made,
        "second": crops(20, (6, 6), seed=3) // 2 + 50,
        "copies": np.repeat(made[:1], 20, axis=0),
        "broken": made[:4],
    }
    paths = {name: str(write_pngs(folder / name, images)) for name, images in sets.items()}
    (folder / "broken" / "00002.png").write_text("not a picture")
    return paths


@pytest.fixture
def failing(monkeypatch):
    """Makes the measure `vendi` fail from a given call on."""

    def set_up(error, after):
        own, calls = measures.MEASURES["vendi"], []

        def compute(pair):
            calls.append(pair)
            if len(calls) > after:
                raise error
            return own.compute(pair)

        monkeypatch.setitem(measures.MEASURES, "vendi", dataclasses.replace(own, compute=compute))

    return set_up


FAULTS = [
    (ZeroDivisionError("float division by zero"), "a fault in jaxeval (ZeroDivisionError: float division by zero in"),
    (np.linalg.LinAlgError("SVD did not converge"), "a fault in jaxeval (LinAlgError: SVD did not converge in"),
    (MemoryError("Unable to allocate 876 GiB"), "not enough memory for it (Unable to allocate 876 GiB); give fewer"),
    (RuntimeError("RESOURCE_EXHAUSTED: out of memory"), "not enough memory for it (RESOURCE_EXHAUSTED: out of memory)"),
    (InputError("it has no value here"), "it has no value here"),
]


@pytest.mark.parametrize(("error", "said"), FAULTS, ids=[type(error).__name__ for error, _ in FAULTS])
def test_a_fault_of_one_number_costs_no_other(folders, failing, tmp_path, capsys, error, said):
    failing(error, after=1)
    sets = [folders[name] for name in ("real", "first", "second")]
    options = ["--extractor", "pixels", "--metrics", "fd,vendi", "--quiet", "--out", str(tmp_path)]
    assert main(["evaluate", *sets, *options]) == 4
    out, err = capsys.readouterr()
    document = json.loads((tmp_path / "result.json").read_text())
    found = [(one["metric"], one["generated"]) for one in document["results"]]
    assert found == [
        ("fd-pixels", folders["first"]),
        ("vendi-pixels", folders["first"]),
        ("fd-pixels", folders["second"]),
    ]
    (missing,) = document["manifest"]["not_computed"]
    assert (missing["numbers"], missing["missing"], missing["generated"]) == (["vendi-pixels"], True, folders["second"])
    assert f"not computed: Vendi-pixels of {folders['second']}: " in out
    assert said in out
    assert err.startswith(f"jaxeval: not computed: Vendi-pixels of {folders['second']}: ")
    assert "Traceback" not in out + err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(7)])
def test_an_interrupt_leaves_what_was_finished(folders, failing, tmp_path, capsys, error):
    failing(error, after=1)
    sets = [folders[name] for name in ("real", "first", "second")]
    options = ["--extractor", "pixels", "--metrics", "fd,vendi", "--quiet", "--out", str(tmp_path)]
    if isinstance(error, SystemExit):
        with pytest.raises(SystemExit):
            main(["evaluate", *sets, *options])
    else:
        assert main(["evaluate", *sets, *options]) == 130
    document = json.loads((tmp_path / "result.json").read_text())
    assert [one["metric"] for one in document["results"]] == ["fd-pixels", "vendi-pixels", "fd-pixels"]
    assert document["manifest"]["incomplete"] == (str(error) or "KeyboardInterrupt")
    assert folders["first"] in capsys.readouterr().out


def test_an_interrupted_comparison_leaves_what_was_finished(folders, failing, tmp_path, capsys):
    failing(KeyboardInterrupt(), after=0)
    options = ["--reference", folders["real"], "--extractor", "pixels", "--quiet", "--out", str(tmp_path)]
    assert main(["compare", folders["first"], folders["second"], *options, "--metrics", "fd,vendi"]) == 130
    document = json.loads((tmp_path / "comparison.json").read_text())
    assert [one["first"]["metric"] for one in document["differences"]] == ["fd-pixels"]
    assert "FD" in capsys.readouterr().out


def test_a_comparison_lacks_what_has_no_value(folders, capsys):
    options = ["--reference", folders["real"], "--extractor", "pixels", "--quiet", "--metrics", "p-precision-recall,fd"]
    assert main(["compare", folders["copies"], folders["first"], *options]) == 4
    out, err = capsys.readouterr()
    assert "P-precision" in out
    assert f"not computed: P-recall-pixels of {folders['copies']}: every image of" in out
    assert "P-recall-pixels" in err


def test_finished_sets_are_printed_before_an_unreadable_one(folders, capsys):
    sets = [folders[name] for name in ("real", "first", "broken", "second")]
    assert main(["evaluate", *sets, "--extractor", "pixels", "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert folders["first"] in out
    assert "00002.png" in err


def test_numbers_are_printed_where_they_cannot_be_written(folders, tmp_path, capsys):
    (tmp_path / "result.json").mkdir()
    sets = [folders[name] for name in ("real", "first")]
    assert main(["evaluate", *sets, "--extractor", "pixels", "--quiet", "--out", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert folders["first"] in out
    assert "cannot write" in err


def test_json_is_alone_on_stdout(folders, capsys):
    sets = [folders[name] for name in ("real", "copies", "first")]
    options = ["--extractor", "pixels", "--quiet", "--json", "--metrics", "p-recall"]
    assert main(["evaluate", *sets, *options]) == 4
    out, err = capsys.readouterr()
    found = [(one["metric"], one["generated"]) for one in json.loads(out)["results"]]
    assert ("p-recall-pixels", folders["copies"]) not in found
    assert ("p-recall-pixels", folders["first"]) in found
    assert err.count("\n") == 1


def test_nothing_computed_is_an_error_and_all_is_none(folders, capsys):
    sets = [folders["real"], folders["copies"]]
    assert main(["evaluate", *sets, "--extractor", "pixels", "--quiet", "--metrics", "kd"]) == 2
    assert "subsets of 1,000 images" in capsys.readouterr().err
    assert main(["evaluate", *sets, "--extractor", "pixels", "--quiet", "--metrics", "all"]) == 0


def test_a_fault_of_the_only_number_is_raised_as_it_is(folders, failing, capsys):
    failing(ZeroDivisionError("float division by zero"), after=0)
    arguments = [folders["real"], folders["first"]]
    with pytest.raises(ZeroDivisionError) as caught:
        jaxeval.evaluate(*arguments, extractor="pixels", metrics="vendi")
    assert finished_before(caught.value).results == ()
    assert main(["evaluate", *arguments, "--extractor", "pixels", "--metrics", "vendi", "--quiet"]) == 1
    assert "a fault in jaxeval (ZeroDivisionError: float division by zero)" in capsys.readouterr().err


def test_options_of_small_sets_reach_the_numbers(folders, capsys):
    sets = [folders[name] for name in ("real", "first")]
    options = ["--extractor", "pixels", "--quiet", "--json", "--metrics", "kd,prdc", "--kid-subset-size", "6"]
    assert main(["evaluate", *sets, *options, "--kid-subsets", "9", "--k", "2"]) == 0
    first = json.loads(capsys.readouterr().out)["results"]
    assert (first[0]["parameters"]["subsets"], first[0]["parameters"]["subset_size"]) == (9, 6)
    assert {one["parameters"]["k"] for one in first[1:]} == {2}
    assert main(["compare", sets[1], folders["second"], "--reference", sets[0], *options, "--k", "2"]) == 0
    differences = json.loads(capsys.readouterr().out)["differences"]
    assert differences[0]["first"]["parameters"]["subset_size"] == 6
