"""The benchmarks' own logic: what is measured, what counts as slower, and the page that is made of it."""

import contextlib
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxpr_checks import assert_full_precision, contractions

from benchmarks import growth, kernels, modes, timing
from benchmarks.__main__ import main
from benchmarks.kernel import OURS, Goal, Kernel
from benchmarks.page import page
from benchmarks.regression import compare
from benchmarks.regression import main as regression
from benchmarks.results import achieved, lines, ratio, reached, row_of
from benchmarks.timing import Measured, Worker, spread


def figures(seconds, value=1.0):
    return Measured(list(seconds), 2.0, 1.5, 1, 0, 3 << 20, 1 << 20, value, None)


TWICE = Goal(ratio=2, peer="peer")


def a_row(ours=(1.0, 1.1, 0.9), peer=(3.0, 3.3, 3.3), goal=TWICE, rate=8e9, value=1.0):
    kernel = Kernel(
        name="product",
        title="product of {d} numbers",
        sizes={"small": {"d": 10}, "paper": {"d": 1000}},
        contenders={},
        work=lambda size: 4e9 * size["d"] / 1000,
        rate="gemm_f32",
        goal=goal,
        images=lambda size: size["d"],
        alike=1e-6,
        remark="as it is",
    )
    rates = {"gemm_f32": [rate, 1.1 * rate, 0.9 * rate], "gemm_f64": [1.0, 1.0, 1.0], "copy": [1.0, 1.0, 1.0]}
    measured = {OURS: figures(ours), "peer": figures(peer, value)}
    return row_of(kernel, kernel.sizes["paper"], measured, {"other": "other is not installed"}, rates)


def a_document(**rows):
    machine = {
        "device": "CPU",
        "platform": "cpu",
        "processor": "a processor",
        "cores": 2,
        "python": "3.11",
        "versions": {"jaxeval": "1", "jax": "2"},
    }
    return {"schema": 1, "when": "2026-01-02T03:04:05+00:00", "sizes": "paper", "machine": machine, "rows": rows}


def test_figures_are_read_off_a_row():
    row = a_row()
    assert ratio(row, "peer") == pytest.approx(3.3)
    assert ratio(row, "nobody") is None
    assert achieved(row) == pytest.approx((4e9, 0.5))
    assert reached(row) is True
    assert reached(a_row(goal=Goal(ratio=4, peer="peer"))) is False
    assert reached(a_row(goal=Goal(share=0.6))) is False
    assert reached(a_row(goal=Goal(ratio=2, peer="nobody"))) is None
    assert reached({**row, "goal_applies": False}) is None
    text = "\n".join(lines(row))
    assert "3.30x" in text
    assert "1000.0 img/s" in text
    assert "other is not installed" in text
    assert "TOO MUCH" not in text
    assert "TOO MUCH" in "\n".join(lines(a_row(value=1.001)))


def test_spread_is_half_the_quartiles_distance():
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(1 / 3)
    assert spread([9.0, 11.0]) == pytest.approx(0.1)
    assert spread([7.0]) == 0


@pytest.mark.parametrize(
    ("new", "slower"),
    [
        (a_row(), False),
        (a_row(ours=(0.5, 0.5, 0.5)), False),
        (a_row(ours=(2.0, 2.1, 1.9)), True),
        (a_row(ours=(1.2, 1.3, 1.1)), False),  # within three times the noise
        (a_row(ours=(2.0, 2.1, 1.9), rate=4e9), False),  # so is the machine itself
    ],
    ids=["same", "faster", "slower", "noise", "slow machine"],
)
def test_only_what_is_slower_beyond_the_noise_is_a_regression(new, slower, tmp_path, capsys):
    old, new = a_document(product=a_row(), gone=a_row()), a_document(product=new, fresh=a_row())
    (change,) = compare(old, new)
    assert change.slower is slower
    paths = tmp_path / "old.json", tmp_path / "new.json"
    for path, document in zip(paths, (old, new), strict=True):
        path.write_text(json.dumps(document))
    assert regression(list(map(str, paths))) == int(slower)
    assert ("SLOWER" in capsys.readouterr().out) is slower


def test_what_cannot_be_compared_is_said(tmp_path, capsys):
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    paths[0].write_text(json.dumps(a_document(product=a_row())))
    paths[1].write_text(json.dumps(a_document(product=a_row()) | {"sizes": "small"}))
    assert regression(list(map(str, paths))) == 2
    assert "small" in capsys.readouterr().err
    paths[1].write_text(json.dumps(a_document(another=a_row())))
    assert regression(list(map(str, paths))) == 2
    assert "in common" in capsys.readouterr().err


def test_the_page_explains_every_goal_that_was_missed():
    missed = a_row(goal=Goal(ratio=4, peer="peer"))
    document = a_document(product=a_row(), hard=missed)
    with pytest.raises(ValueError, match="bounds hard"):
        page(document, {})
    text = page(document, {"hard": "the machine"})
    assert "4x peer (is 3.3x) | **not reached**" in text
    assert "2x peer (is 3.3x) | reached" in text
    assert "- **product of 1,000 numbers**: the machine" in text
    assert "other is not installed" in text
    assert "No accelerator was at hand" in text
    assert "growth.png" not in text
    assert "another machine" not in text
    elsewhere = page(document, {"hard": "the machine"}, others=[a_document(elsewhere=missed)])
    assert elsewhere.index("All figures") < elsewhere.index("## The same on another machine")
    assert elsewhere.count("4x peer (is 3.3x) | **not reached**") == 2
    curves = {"all pairs": {"exponent": 2.04}}
    mode = {"gemm": 5e13, "images_per_second": 1234.4, "distance": 1.5, "distance_error": 2e-4}
    more = {"machine": document["machine"] | {"device": "a GPU"}, "modes": {"highest": mode}}
    text = page(a_document(product=a_row()), {}, modes=more, growth={"curves": curves})
    assert "all pairs 2.04" in text
    assert "a GPU" in text
    assert "| highest | 50.0 TFLOP/s | 1,234 | 1.500000 | 2.0e-04 |" in text


_ANSWERS = """
import json, sys
figures = {"seconds": 1.0, "compile_seconds": 0.0, "compilations": 0, "value": 1.0}
ends = dict.fromkeys(["peak_bytes", "input_bytes", "device_peak_bytes"])
answers = {"first": figures, "run": figures, "rates": {"copy": 1.0}, "end": ends}
print(json.dumps({"ready": None}), flush=True)
for order in map(str.strip, sys.stdin):
    if order in sys.argv[1:]:
        sys.exit(7)
    print(json.dumps(answers[order]), flush=True)
"""


@pytest.mark.parametrize("at", ["start", "first", "run", "end"])
def test_a_contender_whose_process_ends_is_left_out(at, monkeypatch):
    @contextlib.contextmanager
    def worker(_, contender, size):
        del size
        script = "import sys; sys.exit(7)" if (contender, at) == ("peer", "start") else _ANSWERS
        command = [sys.executable, "-c", script, *([at] if contender == "peer" else [])]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield Worker(process)
            process.kill()

    monkeypatch.setattr(timing, "worker", worker)
    kernel, told = kernels.KERNELS["frechet"], []
    with worker("-", OURS, {}) as machine:
        found, skipped, rates = timing.measure(kernel, {}, [OURS, "peer"], machine, repeats=2, told=told.append)
    assert found == {OURS: Measured([1.0, 1.0], 1.0, 0.0, 0, 0, None, None, 1.0, None)}
    assert rates == {"copy": [1.0, 1.0]}
    assert list(skipped) == ["peer"]
    assert "status 7" in skipped["peer"]
    assert any("peer left out" in line for line in told)


def test_kernels_are_found_by_the_beginning_of_their_names():
    assert [kernel.name for kernel in kernels.chosen(["moments"])] == ["moments"]
    assert [kernel.name for kernel in kernels.chosen(["fre"])] == ["frechet", "frechet-singular"]
    assert len(kernels.chosen([])) == len(kernels.KERNELS)
    with pytest.raises(SystemExit, match="'nothing'"):
        kernels.chosen(["nothing"])
    for kernel in kernels.KERNELS.values():
        assert OURS in kernel.contenders
        assert kernel.goal.peer is None or kernel.goal.peer in kernel.contenders
        assert set(kernel.sizes) == {"small", "paper"}


@pytest.mark.slow
def test_a_kernel_is_run_in_a_process_of_its_own(tmp_path, monkeypatch, capsys):
    kernel = kernels.KERNELS["frechet-singular"]
    monkeypatch.setitem(kernel.sizes, "small", {"n": 20, "d": 30})  # type: ignore[arg-type]
    path = tmp_path / "results" / "found.json"
    main(["frechet-singular", "--repeats", "2", "--json", str(path)])
    row = json.loads(path.read_text())["rows"]["frechet-singular"]
    assert list(row["contenders"]) == [OURS]
    ours = row["contenders"][OURS]
    assert len(ours["seconds"]) == len(row["rates"]["gemm_f32"]) == 2
    assert ours["value"] == kernel.contenders[OURS]({"n": 20, "d": 30})()
    assert ours["peak_bytes"] > ours["input_bytes"] > 0
    assert "2 x 20 rows of 30 features" in capsys.readouterr().out


def test_curves_are_drawn(tmp_path):
    curve = growth.Curve((8, 16, 32), "rows", 1, lambda size: lambda: size)
    seconds = growth.measure(curve, repeats=1)
    assert len(seconds) == 3
    assert growth.exponent((1, 2, 4, 8), (5.0, 1.0, 4.0, 16.0)) == pytest.approx(2)
    made = {
        "curves": {"one": {"axis": "rows", "expected": 1, "sizes": [8, 16], "seconds": [1e-3, 2e-3]}},
        "per_device": {"program": {"1": {"operations": 8}, "2": {"operations": 4}}},
    }
    growth.draw(made, tmp_path / "images" / "growth.png")
    assert (tmp_path / "images" / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_a_mode_changes_every_product_and_nothing_else():
    @jax.jit
    def inner(x):
        return jnp.matmul(x, x, precision=jax.lax.Precision.HIGHEST)

    def program(x):
        return {"sum": jax.lax.scan(lambda carry, _: (inner(carry) / 2, carry.sum()), x, length=3)[1], "x": x}

    x = jnp.eye(3) + 0.1
    changed = modes.with_precision(program, jax.lax.Precision.DEFAULT)
    expected = program(x)
    for key, value in changed(x).items():
        np.testing.assert_array_equal(value, expected[key])  # on a CPU all modes are one product
    assert_full_precision(program, x)
    found = contractions(jax.make_jaxpr(changed)(x))
    assert found
    assert all(equation.params["precision"] == (jax.lax.Precision.DEFAULT,) * 2 for equation in found)


def test_modes_say_that_no_accelerator_is_here(capsys):
    assert modes.main([]) == 3
    assert "no accelerator is here" in capsys.readouterr().out


@pytest.mark.slow
def test_modes_are_measured_against_float64():
    from jaxeval.extractors import load_extractor

    network = load_extractor("random-conv")
    rng = np.random.default_rng(0)
    sets = rng.integers(0, 256, (8, 64, 64, 3), np.uint8), rng.integers(0, 128, (8, 64, 64, 3), np.uint8)
    found = modes.measure(network, sets, batch=4, side=64)
    assert set(found["modes"]) == {"highest", "high", "default"}
    for mode in found["modes"].values():
        assert mode["distance_error"] < 1e-5 * found["float64"]
        assert mode["gemm"] > 0
