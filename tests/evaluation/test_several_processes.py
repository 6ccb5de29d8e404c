"""The command line in several processes: the number of one process, errors on all, kills and preemption survived."""

import json
import random
import signal
import time

import numpy as np
import pytest
from image_sets import crops, write_pngs
from process_runs import ProcessRun

import jaxeval

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    originals = crops(601, (24, 24), 1)
    generated = (0.8 * crops(320, (24, 24), 2) + 20).astype(np.uint8)
    generated[100:111] = originals[300:311]
    real = write_pngs(folder / "real", originals)
    fake = write_pngs(folder / "fake", generated)
    two = write_pngs(folder / "two", crops(2, (24, 24), 3))
    (fake / "00003-broken.png").write_text("not a picture")
    (fake / "notes.txt").write_text("not an image")
    return [str(real), str(fake), str(two)]


ARGUMENTS = ("--extractor", "random-conv", "--batch-size", "16", "--on-error", "skip")


def test_three_processes_share_the_images_and_one_may_have_none(folders, tmp_path):
    """601 images are not a multiple of three, and two images leave one process with none."""
    out = tmp_path / "out"
    run = ProcessRun([["evaluate", *folders, *ARGUMENTS, "--json", "--out", str(out), "--protocol", "clean-fid"]] * 3)
    (first, *others) = run.finish()
    assert [code for code, _, _ in (first, *others)] == [0, 0, 0], first[2][-2000:]
    assert [text for _, text, _ in others] == ["", ""]
    document = json.loads(first[1])
    assert document == json.loads((out / "result.json").read_text())
    alone = jaxeval.evaluate(
        folders[0], folders[1:], extractor="random-conv", batch_size=16, on_error="skip", protocol="clean-fid"
    )
    for found, expected in zip(document["results"], alone.results, strict=True):
        # Features are float32 of other batches, statistics float64 of another order of sums.
        assert found["value"] == pytest.approx(expected.value, rel=1e-6)
        assert (found["n_reference"], found["n_generated"]) == (expected.n_reference, expected.n_generated)
        assert found["skipped_generated"] == expected.skipped_generated
    sides = [document["manifest"]["reference"], *document["manifest"]["generated"]]
    for found, expected in zip(sides, [alone.manifest["reference"], *alone.manifest["generated"]], strict=True):
        assert found["fingerprint"] == expected["fingerprint"]
        for key in ("notes", "sizes", "colourless"):
            assert found["report"][key] == json.loads(json.dumps(expected["report"][key]))
    assert document["manifest"]["processes"] == 3
    # The same copies under the same names, whichever process has read them.
    copies = [one for one in document["manifest"]["copies"] if one["images"] == folders[1] != one["among"]]
    assert [one["count"] for one in copies] == [11]
    assert copies[0]["first"] == [[f"{place:05d}.png", f"{place + 200:05d}.png"] for place in (100, 101, 102)]
    assert document["manifest"]["copies"] == alone.manifest["copies"]


def test_an_unreadable_image_ends_all_processes_with_one_sentence(folders):
    codes_and_texts = ProcessRun([["evaluate", *folders[:2], "--extractor", "pixels"]] * 2).finish()
    assert [code for code, _, _ in codes_and_texts] == [2, 2]
    said = [[line for line in err.splitlines() if line.startswith("jaxeval: ")] for _, _, err in codes_and_texts]
    # The broken image is the fourth of its set, in the share of process 1, which names it itself.
    assert len(said[1]) == 1
    assert "00003-broken.png" in said[1][0]
    assert len(said[0]) == 1
    assert "process 1 of 2 stopped" in said[0][0]
    assert "00003-broken.png" in said[0][0]


def test_processes_with_different_commands_stop_at_once(folders):
    commands = [["evaluate", *folders[:2], "--extractor", "pixels", "--seed", seed] for seed in ("0", "1")]
    for code, out, err in ProcessRun(commands).finish():
        assert (code, out) == (2, "")
        assert "process 1 has another command than process 0" in err


def statistics(path) -> dict[str, bytes]:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key].tobytes() for key in file.files if key != "metadata"}


def test_a_run_killed_at_a_random_moment_gives_the_same_bits(folders, tmp_path):
    whole, killed = str(tmp_path / "whole.npz"), str(tmp_path / "killed.npz")
    command = ["stats", folders[0], *ARGUMENTS, "--batch-size", "4"]
    assert [code for code, _, _ in ProcessRun([[*command, "--out", whole]] * 2).finish()] == [0, 0]
    rng = random.Random(5)
    checkpoints = tmp_path / "checkpoints"
    resumable = [*command, "--out", killed, "--checkpoint", str(checkpoints), "--checkpoint-every", "4"]
    # 301 images in batches of four, a save every four: up to 19 saves. Several kills in turn: test_lost_processes.
    assert ProcessRun([resumable] * 2).kill_at(checkpoints, rng.randrange(1, 17), rng)
    outcome = ProcessRun([resumable] * 2).finish()
    assert [code for code, _, _ in outcome] == [0, 0], outcome[0][2][-2000:]
    assert "resumed from a checkpoint" in outcome[0][2]
    assert statistics(killed) == statistics(whole)


def test_sigterm_to_one_process_saves_on_all(folders, tmp_path):
    checkpoints = tmp_path / "checkpoints"
    saving = ["--checkpoint", str(checkpoints), "--checkpoint-every", "8"]
    command = ["stats", folders[0], *ARGUMENTS, "--batch-size", "2", "--out", str(tmp_path / "a.npz"), *saving]
    run = ProcessRun([command] * 2)
    while not list(checkpoints.glob("*/0")):
        assert run.processes[0].poll() is None
        time.sleep(0.002)
    run.processes[1].send_signal(signal.SIGTERM)
    outcome = run.finish()
    assert [code for code, _, _ in outcome] == [75, 75], outcome
    assert "told to end after" in outcome[0][2]
    assert "jaxeval:" not in outcome[1][2]
    assert not (tmp_path / "a.npz").exists()
