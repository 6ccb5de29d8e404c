"""Runs of several processes of which one is killed, comes late or never: a sentence and an exit code, and no abort."""

import itertools
import json
import re

import numpy as np
import pytest
from image_sets import crops, write_pngs
from process_runs import ProcessRun

import jaxeval

pytestmark = pytest.mark.slow

ARGUMENTS = ("--extractor", "random-conv", "--batch-size", "4", "--on-error", "skip")
SIGKILL = -9


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    real = write_pngs(folder / "real", crops(601, (24, 24), 1))
    fake = write_pngs(folder / "fake", crops(120, (24, 24), 2))
    (fake / "00003-broken.png").write_text("not a picture")
    return [str(real), str(fake)]


@pytest.mark.parametrize("place", ["joined", "batch:5", "metrics"])
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_is_named_and_nothing_aborts(folders, killed, place):
    places = ["nowhere", "nowhere"]
    places[killed] = place
    outcome = ProcessRun([["evaluate", *folders, *ARGUMENTS, "--quiet", "--json"]] * 2, places).finish()
    assert outcome[killed][0] == SIGKILL
    code, out, err = outcome[1 - killed]
    if place == "metrics" and killed == 1:  # process 0 needs it no more
        assert (code, err) == (0, "")
        assert len(json.loads(out)["results"]) == 1
        return
    assert (code, out) == (69, "")
    assert re.fullmatch(
        rf"jaxeval: process {killed} of 2 \(on .+\) went away, and nothing is saved; give the same command .*\n", err
    )


def statistics(path) -> dict[str, bytes]:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key].tobytes() for key in file.files if key != "metadata"}


def test_a_run_goes_on_with_fewer_and_more_processes_to_the_bits_of_one(folders, tmp_path):
    alone = jaxeval.features(folders[0], extractor="random-conv", batch_size=4)
    jaxeval.reference_statistics(
        folders[0], tmp_path / "alone.npz", features=True, extractor="random-conv", batch_size=4
    )
    checkpoints, out = tmp_path / "checkpoints", tmp_path / "several.npz"
    command = ["stats", folders[0], *ARGUMENTS, "--features", "--out", str(out)]
    command += ["--checkpoint", str(checkpoints), "--checkpoint-every", "8"]
    saved = []
    for places in (["nowhere", "nowhere", "batch:20"], ["batch:30", "nowhere"], ["nowhere"] * 3):
        outcome = ProcessRun([command] * len(places), places).finish()
        for (code, _, err), place in zip(outcome, places, strict=True):
            if place != "nowhere":
                assert code == SIGKILL
            elif out.exists():
                assert code == 0, err[-2000:]
            else:
                said = re.findall(r"jaxeval: process \d of \d \(on .+\) went away; (.*)\n", err)
                assert (code, len(said)) == (75, 1), err[-2000:]
                found = re.fullmatch(
                    r"([0-9,]+) images of '(.*)' are saved in '(.*)'; give the same .* to go on", said[0]
                )
                assert found is not None
                assert found.groups()[1:] == (folders[0], str(checkpoints))
                saved.append(int(found.group(1)))
                assert "Check failure" not in err
    assert all(before < after for before, after in itertools.pairwise(dict.fromkeys(saved)))
    assert len(set(saved)) == 2
    assert "resumed from a checkpoint of 2 processes" in outcome[0][2]
    # Features may differ in bits where devices share a batch otherwise; here they do not, and all else is exact.
    found, expected = statistics(out), statistics(tmp_path / "alone.npz")
    np.testing.assert_array_equal(np.frombuffer(found["features"], np.float32).reshape(alone.shape), alone)
    assert found == expected


@pytest.mark.parametrize("missing", [0, 1])
def test_a_process_that_never_comes_is_waited_for_and_then_named(folders, missing):
    places = ["nowhere", "nowhere"]
    places[missing] = "absent"
    command = ["evaluate", *folders, *ARGUMENTS, "--start-timeout", "2"]
    ((code, out, err),) = ProcessRun([command] * 2, places).finish()
    assert (code, out) == (2, "")
    waiting, said = err.splitlines()
    assert re.fullmatch(rf"waiting for 1 of 2 processes at 127\.0\.0\.1:\d+ \(process {missing}\)", waiting)
    assert re.match(r"jaxeval: 1 of 2 processes did not come to 127\.0\.0\.1:\d+ within 2 seconds \(process", said)


def test_a_late_process_joins_and_gives_the_numbers(folders):
    """Process 1 is started once process 0 has said that it waits."""
    command = ["evaluate", *folders, *ARGUMENTS, "--json"]
    run = ProcessRun([command] * 2, ["nowhere", "absent"])
    first = run.processes[0].stderr
    assert first is not None
    assert first.readline().startswith("waiting for 1 of 2 processes at")
    run.start(1)
    outcome = run.finish()
    assert [code for code, _, _ in outcome] == [0, 0]
    assert len(json.loads(outcome[0][1])["results"]) == 1
    assert "[Gloo]" in outcome[0][2]  # without --quiet it may speak


def test_a_wait_for_no_time_is_refused(folders):
    ((code, _, err),) = ProcessRun([["evaluate", *folders, "--start-timeout", "0"]], ["nowhere"]).finish()
    assert code == 2
    assert "a wait of 0 seconds" in err
