"""What processes agree on, and checkpoints: in one process, and in two with two devices each."""

import json
import math
import os
import shutil
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxeval.distributed import (
    Checkpointer,
    agree_on,
    batch_mesh,
    gather_rows,
    largest,
    pad_batch,
    shard_batch,
    start,
    sum_over_processes,
)
from jaxeval.errors import InputError


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


pytestmark = pytest.mark.xdist_group("distributed")  # one worker, which makes the fixture once


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of two processes printed."""
    folder = tmp_path_factory.mktemp("checkpoints") / "run"
    worker = Path(__file__).with_name("distributed_worker.py")
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_COMPILATION_CACHE": "false",  # the worker looks at what it compiles
    }
    command = [sys.executable, str(worker), f"127.0.0.1:{free_port()}", "2"]
    processes = [
        subprocess.Popen(
            [*command, str(index), str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for index in range(2)
    ]
    printed = []
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err[-2000:]
        (line,) = (line for line in out.splitlines() if line.startswith("found "))
        printed.append(json.loads(line.removeprefix("found ")))
    return printed


def parts() -> list[tuple[np.ndarray, np.ndarray]]:
    made = []
    for index in range(2):
        rng = np.random.default_rng(index)
        made.append((rng.standard_normal((5, 5)) + 1e8, rng.standard_normal((3 * index, 4))))
    return made


def test_processes_know_themselves(found):
    assert [one["processes"] for one in found] == [[0, 2], [1, 2]]
    assert [one["writes"] for one in found] == [True, False]


def test_sums_are_those_of_float64_on_every_process(found):
    (first, _), (second, _) = parts()
    expected = [value.hex() for value in (first + second).ravel().tolist()]
    assert [one["sum"] for one in found] == [expected, expected]


def test_sums_of_any_size_are_rounded_once_also_where_the_backend_has_no_float64(found):
    summands = []
    for index in range(2):
        rng = np.random.default_rng(100 + index)
        wide = rng.standard_normal((6, 5)) * 10.0 ** rng.integers(-200, 200, (6, 5))
        rest = 1e-20 * rng.standard_normal((6, 5))
        wide[0, 0], rest[0, 0] = (1.0, 2.0**-60) if index else (-1.0, 2.0**-70)
        summands += [wide, rest]
    # Exact fractions; numbers so small beside the largest that ours would not have their digits are no subject here.
    columns = zip(*(one.ravel().tolist() for one in summands), strict=True)
    expected = [float(sum(map(Fraction, values))).hex() for values in columns]
    for one in found:
        assert one["programs"] > 0
        assert math.isnan(float.fromhex(one["exact sum"][1]))
        assert one["exact sum"][:1] + one["exact sum"][2:] == expected[:1] + expected[2:]


def test_rows_are_gathered_bit_for_bit_also_from_a_process_that_has_none(found):
    expected = [value.hex() for value in np.concatenate([rows for _, rows in parts()]).ravel().tolist()]
    assert [one["rows"] for one in found] == [expected, expected]


def test_digests_of_alternating_items_are_in_order_on_every_process(found):
    assert [one["digests"] for one in found] == [True, True]


def test_the_largest_number_wins(found):
    assert [one["largest"] for one in found] == [10, 10]


def test_a_disagreement_is_an_error_on_every_process(found):
    for one in found:
        assert "process 1 has another seed than process 0" in one["disagreement"]


def test_uneven_batches_make_one_array(found):
    # Process 0 has one row of ones, process 1 three rows of twos, two numbers a row.
    assert [one["batch"] for one in found] == [[[8, 2], 2.0 + 12.0]] * 2


def test_states_come_back_bit_for_bit_and_only_to_the_run_that_wrote_them(found):
    for one in found:
        assert one["nothing yet"]
        assert one["restored"]
        assert "other batch_size" in one["other"]


def test_alone_nothing_is_exchanged():
    rows = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(sum_over_processes(rows), rows)
    np.testing.assert_array_equal(gather_rows(rows), rows)
    assert largest(3) == 3
    agree_on("seed", "7")


@pytest.mark.parametrize("damage", ["cut", "removed"])
def test_a_checkpoint_that_is_not_whole_gives_way_to_the_one_before(tmp_path, damage, caplog):
    run = Checkpointer(tmp_path / "run", {"data": "abc"})
    for step in (1, 2):
        run.save(bytes([step]) * 5000)
    run.close()
    files = [path for path in (tmp_path / "run" / "1" / "state").rglob("*") if path.is_file()]
    assert files
    if damage == "removed":
        shutil.rmtree(tmp_path / "run" / "1" / "state")
    else:
        for path in files:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = Checkpointer(tmp_path / "run", {"data": "abc"})
    assert again.restore() == bytes([1]) * 5000
    assert "checkpoint 1" in caplog.text
    again.close()


def test_half_written_checkpoints_are_not_seen(tmp_path):
    run = Checkpointer(tmp_path / "run", {"data": "abc"})
    run.save(b"one")
    run.close()
    shutil.copytree(tmp_path / "run" / "0", tmp_path / "run" / "1.orbax-checkpoint-tmp-7")
    again = Checkpointer(tmp_path / "run", {"data": "abc"})
    assert again.restore() == b"one"
    again.close()


def test_a_batch_is_padded_with_a_mask():
    padded, mask = pad_batch(np.ones((2, 3), np.uint8), 4)
    np.testing.assert_array_equal(mask, [True, True, False, False])
    np.testing.assert_array_equal(padded.sum(1), [3, 3, 0, 0])
    with pytest.raises(InputError, match="5 rows does not fit the size 4"):
        pad_batch(np.ones((5, 3)), 4)


def test_rows_that_cannot_be_split_evenly_are_refused():
    mesh = batch_mesh(jax.devices()[:4])
    assert shard_batch(mesh, np.zeros((8, 2), np.float32)).sharding.num_devices == 4
    with pytest.raises(InputError, match="6 rows cannot be split evenly over this process's 4 devices"):
        shard_batch(mesh, np.zeros((6, 2), np.float32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("127.0.0.1:1", 2, None), "process_id must be given too"),
        (("127.0.0.1:1", 2, 2), "process_id 2 of num_processes 2"),
        (("127.0.0.1", 2, 0), "has no port"),
    ],
)
def test_bad_start_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        start(*arguments)
