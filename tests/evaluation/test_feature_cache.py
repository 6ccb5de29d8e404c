"""The cache: a second run reads no image and gives the same number; an entry that is not whole is computed again."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from image_sets import crops, write_pngs

import jaxeval
from jaxeval.errors import InputError
from jaxeval.extractors import from_function
from jaxeval.images import batches


@pytest.fixture
def folders(tmp_path):
    return write_pngs(tmp_path / "real", crops(90, (5, 4), 1)), write_pngs(tmp_path / "fake", crops(80, (5, 4), 2))


@pytest.fixture
def decoded(monkeypatch):
    items = []
    original = batches.decode
    monkeypatch.setattr(batches, "decode", lambda item: (items.append(item), original(item))[1])
    return items


def run(folders, tmp_path, **arguments):
    evaluation = jaxeval.evaluate(*folders, **({"extractor": "pixels", "cache": tmp_path / "cache"} | arguments))
    return evaluation.results[0]


def test_a_second_run_decodes_nothing_and_agrees(folders, tmp_path, decoded):
    first = run(folders, tmp_path)
    assert len(decoded) == 170
    second = run(folders, tmp_path)
    assert len(decoded) == 170
    assert second == first


@pytest.mark.parametrize("change", [{"limit": 50}, {"protocol": "clean-fid"}, {"extractor": "random-conv"}])
def test_another_question_is_another_entry(folders, tmp_path, decoded, change):
    run(folders, tmp_path)
    before = len(decoded)
    assert run(folders, tmp_path, **change) == run(folders, tmp_path / "fresh", **change)
    assert len(decoded) > before


def test_changed_images_are_another_entry(folders, tmp_path):
    first = run(folders, tmp_path)
    stat = os.stat(folders[1] / "00000.png")
    write_pngs(folders[1], crops(1, (5, 4), 9))
    os.utime(folders[1] / "00000.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the clock is no witness
    assert run(folders, tmp_path).value != first.value


def test_a_copy_of_the_images_elsewhere_is_the_same_entry(folders, tmp_path, decoded):
    first = run(folders, tmp_path)
    before = len(decoded)
    moved = [folder.rename(folder.with_name(folder.name + "-moved")) for folder in folders]
    assert run(moved, tmp_path).value == first.value
    assert len(decoded) == before


@pytest.mark.parametrize("kind", [".json", ".npz"])
@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "missing"])
def test_a_damaged_entry_is_computed_again(folders, tmp_path, decoded, kind, damage):
    first = run(folders, tmp_path)
    before = len(decoded)
    for path in (tmp_path / "cache").rglob(f"*{kind}"):
        content = path.read_bytes()
        if damage == "missing":
            path.unlink()
        elif damage == "flip":
            middle = len(content) // 2
            path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        else:
            path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    assert run(folders, tmp_path) == first
    assert len(decoded) == 2 * before
    assert run(folders, tmp_path) == first
    assert len(decoded) == 2 * before


def test_cached_features_are_verified(folders, tmp_path, decoded):
    arguments = {"extractor": "pixels", "cache": tmp_path / "cache"}
    run(folders, tmp_path)
    before = len(decoded)
    kept = np.array(jaxeval.features(folders[0], **arguments))
    assert len(decoded) == before
    for path in (tmp_path / "cache").rglob("*.f32"):
        path.write_bytes(path.read_bytes()[:-4])
    np.testing.assert_array_equal(jaxeval.features(folders[0], **arguments), kept)
    assert len(decoded) == before + 90


def test_a_run_that_fails_half_way_leaves_no_entry(folders, tmp_path):
    (folders[1] / "zz.png").write_bytes(b"")
    with pytest.raises(InputError):
        run(folders, tmp_path, batch_size=8)
    left = sorted(path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert left == [".f32", ".json", ".npz"]  # the reference's, which was finished


def test_what_was_skipped_is_remembered(folders, tmp_path):
    (folders[1] / "zz.png").write_bytes(b"")
    first = run(folders, tmp_path, on_error="skip")
    assert first.skipped_generated == 1
    assert run(folders, tmp_path, on_error="skip") == first
    with pytest.raises(InputError, match="zz"):
        run(folders, tmp_path)


def test_a_function_that_does_not_identify_itself_is_not_cached(folders, tmp_path):
    for power, fingerprint, files in ((1, None, 0), (2, "square", 6)):
        mine = from_function(
            lambda x, power=power: (x**power).mean((1, 2)), name="mine", image_size=(5, 4), fingerprint=fingerprint
        )
        run(folders, tmp_path, extractor=mine)
        assert sum(path.is_file() for path in (tmp_path / "cache").rglob("*")) == files


def test_a_folder_that_cannot_be_written_is_named(folders, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write in the folder .*file"):
        run(folders, tmp_path, cache=tmp_path / "file" / "cache")


@pytest.mark.slow
def test_after_a_kill_the_second_run_is_right(folders, tmp_path):
    script = (
        "import sys, jaxeval, numpy as np\n"
        "from jaxeval.extractors import from_function\n"
        "def waiting(x):\n"
        "    print('batch', flush=True); sys.stdin.readline()\n"
        "    return np.asarray(x).mean((1, 2))\n"
        "e = from_function(waiting, name='waiting', image_size=(5, 4), feature_size=3, fingerprint='1',\n"
        "                  jittable=False)\n"
        "r = jaxeval.evaluate(sys.argv[1], sys.argv[2], extractor=e, cache=sys.argv[3], batch_size=4)\n"
        "print('value', r.results[0].value.hex())\n"
    )
    command = [sys.executable, "-c", script, *map(str, folders)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, str(tmp_path / "cache")], **pipes) as killed:
        assert killed.stdin is not None
        assert killed.stdout is not None
        killed.stdin.write("\n" * 29)  # lets it go past the reference's 23 batches, into the generated set
        killed.stdin.flush()
        for _ in range(30):
            assert killed.stdout.readline() == "batch\n"
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    records = list((tmp_path / "cache").rglob("*.json"))
    assert len(records) == 1, "the reference was finished and kept"
    assert json.loads(records[0].read_text())["shape"] == [90, 3]
    after, fresh = (
        subprocess.run(
            [*command, str(tmp_path / name)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        ).stdout
        for name in ("cache", "fresh")
    )
    assert after.splitlines()[-1] == fresh.splitlines()[-1]
    assert after.count("batch") == 20
    assert fresh.count("batch") == 43
