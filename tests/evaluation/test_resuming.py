"""Runs that are interrupted go on to the same bits: in one process, here; in several, in test_several_processes."""

import json

import numpy as np
import pytest
from image_sets import crops, write_pngs

import jaxeval
from jaxeval.errors import InputError, PreemptedError
from jaxeval.evaluation.reading.batches import Networks, ReadOptions
from jaxeval.evaluation.reading.features import FeatureSpec, Wanted
from jaxeval.evaluation.reading.reader import Checkpoints, Reader
from jaxeval.extractors import load_extractor
from jaxeval.images import Preparation, open_source


class Stop:
    """Says stop after so many questions: one is asked after every batch, and one or more at every round."""

    def __init__(self, after: int):
        self.left = after

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    real = write_pngs(folder / "real", crops(130, (5, 4), 1))
    fake = write_pngs(folder / "fake", crops(90, (5, 4), 2))
    (fake / "00003-broken.png").write_text("not a picture")
    (fake / "99999-broken.png").write_text("not a picture")
    (fake / "notes.txt").write_text("not an image")
    return real, fake


def run(folders, **more):
    arguments = {"extractor": "pixels", "batch_size": 8, "on_error": "skip", **more}
    return jaxeval.evaluate(*folders, **arguments)


def essence(evaluation) -> tuple:
    sides = [evaluation.manifest["reference"], *evaluation.manifest["generated"]]
    return [result.value.hex() for result in evaluation.results], [
        (side["fingerprint"], side["report"]) for side in sides
    ]


def test_a_run_stopped_again_and_again_gives_the_same_bits(folders, tmp_path):
    expected = essence(run(folders))
    folder = tmp_path / "checkpoints"
    stops, found = [], None
    for after in [1, 2, 3, 5, 1, 7, 2, 4, *[3] * 40]:
        try:
            found = run(folders, checkpoint=folder, checkpoint_every=2, stop=Stop(after))
            break
        except PreemptedError as error:
            stops.append((str(error), error.exit_code))
    assert all(str(folder) in text and code == 75 for text, code in stops)
    assert found is not None
    assert len(stops) > 8
    assert essence(found) == expected
    again = run(folders, checkpoint=folder)
    assert essence(again) == expected


def test_a_kill_loses_no_more_than_the_batches_since_the_last_save(folders, tmp_path, monkeypatch):
    from jaxeval.evaluation.reading import reader

    expected = essence(run(folders))
    seen: list[int] = []
    original = reader.ReadingState.add

    def add(state, batch, base):
        if len(seen) == 11:
            raise KeyboardInterrupt
        seen.append(base)
        original(state, batch, base)

    monkeypatch.setattr(reader.ReadingState, "add", add)
    with pytest.raises(KeyboardInterrupt):
        run(folders, checkpoint=tmp_path, checkpoint_every=4)
    monkeypatch.setattr(reader.ReadingState, "add", original)
    counted: list[int] = []
    monkeypatch.setattr(reader.ReadingState, "add", lambda *arguments: (counted.append(1), original(*arguments))[1])
    assert essence(run(folders, checkpoint=tmp_path, checkpoint_every=4)) == expected
    # 130 images are 17 batches and 90 are 12; 8 of the reference's were saved.
    assert len(counted) == 17 - 8 + 12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 16}, "batch size"),
        ({"on_error": "fail"}, "on_error"),
        ({"limit": 50}, "limit"),
        ({"extractor": "random-conv"}, "features"),
        ({"protocol": "clean-fid"}, "features"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused(folders, tmp_path, change, words):
    with pytest.raises(PreemptedError):
        run(folders, checkpoint=tmp_path, stop=Stop(3))
    with pytest.raises(InputError, match=f"another run.*{words}"):
        run(folders, checkpoint=tmp_path, **change)


def test_a_checkpoint_of_other_images_is_refused(folders, tmp_path):
    with pytest.raises(PreemptedError):
        run(folders, checkpoint=tmp_path / "saved", stop=Stop(3))
    real = tmp_path / "real"
    write_pngs(real, crops(130, (5, 4), 7))
    (tmp_path / "here").symlink_to(real)
    with pytest.raises(PreemptedError):
        run((tmp_path / "here", folders[1]), checkpoint=tmp_path / "saved", stop=Stop(3))
    write_pngs(real, crops(1, (5, 4), 8))
    with pytest.raises(InputError, match=r"another run \(other data\)"):
        run((tmp_path / "here", folders[1]), checkpoint=tmp_path / "saved")


def test_wishes_that_exclude_each_other_are_refused(folders, tmp_path):
    with pytest.raises(InputError, match="--cache and --checkpoint"):
        run(folders, checkpoint=tmp_path, cache=tmp_path)
    with pytest.raises(InputError, match="checkpoint_every is 0"):
        run(folders, checkpoint=tmp_path, checkpoint_every=0)
    with pytest.raises(InputError, match="a checkpoint to save to"):
        run(folders, stop=Stop(1))


def reader(**more) -> Reader:
    return Reader(ReadOptions(batch_size=8, on_error="skip"), Networks(), **more)


def test_rows_survive_too_and_keep_the_order_of_the_source(folders, tmp_path):
    network = load_extractor("pixels")
    spec = FeatureSpec(network, network.default_tap, Preparation(), network.normalisation)
    source = open_source(folders[1])
    wanted = {spec: Wanted(statistics=False, rows=True)}
    expected = jaxeval.features(folders[1], extractor="pixels", on_error="skip")
    assert expected.shape == (90, 60)
    found = reader().collect(source, wanted, fingerprint="a", label="x")
    np.testing.assert_array_equal(found.rows[spec], expected)
    checkpoints = Checkpoints(tmp_path, every=2)
    for after in (2, 5, 3, 100):
        stopped = reader(checkpoints=checkpoints, stop=Stop(after))
        try:
            found = stopped.collect(source, wanted, fingerprint="a", label="x")
        except PreemptedError:
            # As a kill would leave it: rows behind those that the checkpoint counts.
            (path,) = (tmp_path / "x").glob("rows-*")
            with path.open("ab") as file:
                file.write(b"half a row")
    np.testing.assert_array_equal(found.rows[spec], expected)
    assert not found.statistics


def test_the_command_line_saves_on_sigterm_and_goes_on(folders, tmp_path, capfd):
    """The signal comes while the first data set is read: from a thread, once the run is seen to have begun."""
    import os
    import signal

    from jaxeval.cli import main
    from jaxeval.evaluation.reading import reader

    arguments = [*map(str, folders), "--extractor", "pixels", "--batch-size", "8", "--on-error", "skip", "--json"]
    command = ["evaluate", *arguments, "--checkpoint", str(tmp_path / "saved"), "--quiet"]
    original = reader.ReadingState.add

    def add(state, *more):
        original(state, *more)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader.ReadingState, "add", add)
        assert main(command) == 75
    out, err = capfd.readouterr()
    assert out == ""
    assert "told to end after 8 images" in err
    assert main(command) == 0
    document = json.loads(capfd.readouterr().out)
    assert [result["value"].hex() for result in document["results"]] == essence(run(folders))[0]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
