"""The device check's own logic: time, what is kept, what is left out, and the float64 beside which values are held."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from benchmarks import comparisons_of_extractors, comparisons_of_images, device_check, device_parts
from benchmarks.comparison import WAYS, Comparison, Finding, judged, rows_for_devices
from benchmarks.device_check import Part, Record, check
from benchmarks.wide import in_float64
from jaxeval.extractors import extractor_names, trunk_names
from jaxeval.ops import image_quality

HOLDS = {"name": "a", "way": "jit", "holds": True, "difference": 0.0, "allowed": 1.0, "against": "NumPy"}


def printing(name, *rows, then="true", weight=1.0, compares=True):
    lines = " ".join(f"'{json.dumps(row)}'" for row in rows)
    return Part(name, ("sh", "-c", f"printf '%s\\n' {lines}; {then}"), weight, compares)


def run(folder, *parts, seconds=60.0):
    record = Record(folder, {})
    status = check(record, parts, seconds=seconds)
    return status, json.loads((folder / "device-check.json").read_text())


def test_a_part_that_takes_too_long_is_ended_and_what_it_found_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(device_check, "_LEAST_SECONDS", 0.01)
    endless = printing("first", HOLDS, then="sleep 600 & sleep 600", weight=0.01)  # with a process of its own
    status, found = run(tmp_path, endless, printing("second", HOLDS), seconds=40.0)
    assert status == 0
    assert found["finished"]
    assert found["parts"]["first"]["rows"] == [HOLDS]
    assert "were over" in found["parts"]["first"]["ended"]
    assert found["parts"]["second"]["ended"] == "finished"
    assert found["parts"]["second"]["limit_seconds"] > 39  # all that the first left
    assert "were over" in capsys.readouterr().out
    assert "holds" in (tmp_path / "device-check.log").read_text()


def test_a_part_for_which_there_is_no_time_is_said(tmp_path):
    status, found = run(tmp_path, printing("late", HOLDS), seconds=0.0)
    assert status == 1
    assert "no time" in found["parts"]["late"]["ended"]
    assert found["wrong"] == ["late: nothing was compared"]


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        (printing("ops", HOLDS, HOLDS | {"name": "b", "what": "mean", "holds": False}), ["ops: b, jit, mean"]),
        (printing("ops", HOLDS, {"name": "b", "way": "pmap", "holds": False, "error": "X: y"}), ["ops: b, pmap"]),
        (printing("ops", HOLDS, then="exit 3"), ["ops: ops"]),
        (printing("ops", {"name": "b", "skipped": "torch is not installed"}), ["ops: nothing was compared"]),
        (printing("speed", {"name": "b", "seconds": 1.0}, compares=False), []),
        (printing("ops", HOLDS, then="echo 'a library speaks'; echo 3"), []),
    ],
    ids=["off", "failed", "died", "nothing", "figures", "other output"],
)
def test_what_does_not_hold_is_named(part, wrong, tmp_path):
    status, found = run(tmp_path, part)
    assert found["wrong"] == wrong
    assert status == bool(wrong)


def test_every_row_is_in_the_file_before_the_next(tmp_path):
    record = Record(tmp_path, {"when": "now"})
    entry = {"rows": []}
    record.document["parts"]["a"] = entry
    for number in range(3):
        device_check._keep(record, entry, json.dumps(HOLDS | {"name": str(number)}))
        found = json.loads(record.path.read_text())
        assert [row["name"] for row in found["parts"]["a"]["rows"]] == [str(one) for one in range(number + 1)]
        assert not found["finished"]


def test_figures_are_a_line_of_figures():
    figures = {"gemm": 5e13, "distance": 31.5, "distance_error": 4.6e-6, "peak_host_bytes": 1}
    assert device_check._line({"name": "highest", **figures}) == (
        "  highest: gemm 5e+13, distance 31.5, distance_error 4.6e-06"
    )


def test_missing_packages_are_a_line_each_and_failures_do_not_end_the_rest():
    def missing():
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    def broken():
        raise ValueError("first line\nsecond")

    def fine():
        return [Finding("mean", 1.0, 1.0, 0.0, "NumPy")]

    rows = []
    device_parts.run_comparisons([Comparison(f.__name__, "jit", f) for f in (missing, broken, fine)], rows.append)
    assert rows[0] == {"name": "missing", "way": "jit", "skipped": "torch is not installed"}
    assert rows[1] == {"name": "broken", "way": "jit", "holds": False, "error": "ValueError: first line"}
    assert rows[2]["holds"]
    assert rows[2]["peak_host_bytes"] > 0


@pytest.mark.parametrize(
    ("found", "expected", "holds"),
    [
        (1.0, 1.1, False),
        (1.05, 1.1, True),
        ([1.0, 3.0], [1.0, 2.0], False),
        (np.nan, 1.0, False),
        (1.0, np.nan, False),
        (np.nan, np.nan, True),
        (np.inf, np.inf, True),
        (np.inf, -np.inf, False),
        ([1.0], [1.0, 1.0], False),
        ([], [], False),
    ],
)
def test_values_are_held_to_what_is_allowed(found, expected, holds):
    assert judged(Finding("", found, expected, 0.07, "NumPy"))["holds"] is holds


def test_every_float32_of_a_program_becomes_float64():
    weights = np.full(3, 1e-9, np.float32)

    def program(x, large):
        x = jnp.asarray(x, jnp.float32)
        added = lax.scan(lambda total, row: (total + row, total), jnp.float32(1), x)[0]  # 1e-9 is nothing to a float32
        added = lax.while_loop(lambda state: state[1] < 2, lambda s: (s[0] + x[0], s[1] + 1), (added, 0))[0]
        added = lax.cond(large, lambda: added + weights[0], lambda: added)
        spectrum = jnp.fft.fft(x.astype(jnp.complex64)).real[0]
        return jax.jit(lambda y: y - 1)(added), spectrum, lax.reduce_precision(added, 8, 23)

    x = np.full(5, 1e-9, np.float32)
    assert program(x, True)[0] == 0
    found = in_float64(program, x, np.bool_(True))
    tiny = float(np.float32(1e-9))
    np.testing.assert_allclose(found[0], 8 * tiny, rtol=1e-6)
    np.testing.assert_allclose(found[1], 5 * tiny, rtol=1e-12)
    np.testing.assert_allclose(found[2], 1 + 8 * tiny, rtol=1e-15)
    with pytest.raises(TypeError, match="bfloat16"):
        in_float64(lambda x: x.astype(jnp.bfloat16), x)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_all_rows_in_order(way):
    rows = np.arange(3.0 * rows_for_devices(2), dtype=np.float32).reshape(-1, 3)
    found = WAYS[way](lambda params, x, y: (params * x + y).sum(1), np.float32(2), (rows, rows))
    np.testing.assert_array_equal(found, 3 * rows.sum(1))


def test_every_op_on_images_and_every_network_is_in_the_check():
    not_on_images = {"clip_iqa", "lpips_distance", "dists_distance", "brisque", "niqe", "frame_scores", "ssim_terms"}
    not_on_images |= {"ilniqe", "entropy", "exposure", "rgb_to_y", "rgb_to_ycbcr"}  # histograms, counts and one product
    not_on_images |= {"nrqm", "perceptual_index"}  # forests, and sums of what is in the check
    ops = {name for name in image_quality.__all__ if name.islower()} - not_on_images
    assert ops <= set(comparisons_of_images._OPS)
    assert {*extractor_names(), *trunk_names()} <= set(comparisons_of_extractors.millions())
    assert "clip-vit-l-14-336" in comparisons_of_extractors.left_out("small")
    assert comparisons_of_extractors.left_out("full") == {}
