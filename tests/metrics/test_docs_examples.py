"""The code of docs/metrics.md on eight devices; and on one, as the README's loop with pmap, in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jaxeval import metrics
from jaxeval.extractors import Extractor, Normalisation

ROOT = Path(__file__).parents[2]
ROWS, FEATURES, CLASSES = 16, 2048, 1008


def two_taps() -> Extractor:
    """An extractor of small images with the taps that the page names."""
    sizes = {"2048": FEATURES, "logits_unbiased": CLASSES}
    weights = {
        tap: np.random.default_rng(size).normal(size=(48, size)).astype(np.float32) for tap, size in sizes.items()
    }

    def forward(params: Any, images: Any, taps: tuple[str, ...]) -> dict[str, Any]:
        return {tap: images.reshape(len(images), -1) @ params[tap] for tap in taps}

    return Extractor(
        "two-taps", (4, 4), "none", Normalisation(128.0, 1 / 128), sizes, "2048", params=weights, forward=forward
    )


@pytest.mark.slow
def test_on_one_device():
    # The README's loop on eight devices, and on meshes of one and of four, needs no process of its own.
    files = [__file__, str(Path(__file__).with_name("test_training_loops.py"))]
    chosen = ["-k", "with_pmap or as_it_stands"]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", "-p", "no:xdist", *files, *chosen]
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=1"}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | flags, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "2 passed" in done.stdout, done.stdout[-300:]


@pytest.mark.slow
def test_the_pages_code_runs_as_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    import orbax.checkpoint as ocp

    devices = jax.device_count()
    rows = NamedSharding(jax.make_mesh((devices,), ("data",)), P("data"))
    r, g = (
        jax.device_put(np.random.default_rng(seed).normal(size=(ROWS, FEATURES)).astype(np.float32), rows)
        for seed in (0, 1)
    )
    fid, metric = metrics.FrechetDistance(FEATURES), metrics.KernelDistance(FEATURES, 4 * ROWS)
    given: dict[str, Any] = {
        **{name: getattr(metrics, name) for name in metrics.__all__},
        **{"jax": jax, "P": P, "r": r, "g": g, "m": jax.device_put(np.arange(ROWS) < 12, rows), "metric": metric},
        **{
            part: fid.update(fid.init(), reference=np.asarray(r), generated=np.asarray(g))
            for part in ("state_a", "state_b")
        },
        **{"network": two_taps(), "loss": jnp.float32(0.5), "folder": tmp_path / "state"},
    }
    given["fakes"], given["reals"] = np.random.default_rng(2).uniform(0, 255, (2, ROWS, 4, 4, 3)).astype(np.float32)
    saved = metric.update(metric.init(shards=4), reference=np.asarray(r), generated=np.asarray(g))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(given["folder"], saved)
    first, on_mesh, mapped, several, restored = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "metrics.md").read_text(), re.DOTALL
    )

    exec(first, given)
    assert capsys.readouterr().out.startswith(f"frechet_distance {float(given['value']):.4g}"[:21])
    expected = metric.compute(saved).value
    exec(on_mesh, given)
    assert given["state"].reference.rows.sharding.num_devices == devices
    assert metric.compute(given["state"]).value == pytest.approx(expected, rel=1e-6)
    exec(mapped, given)
    state = given["step"](metric.init_on(given["mesh"], "data"), r, g)
    assert metric.compute(state).value == pytest.approx(expected, rel=1e-6)
    over_all = jax.shard_map(
        given["over_all_batches"], mesh=given["mesh"], in_specs=P(None, "data"), out_specs=given["specs"]
    )
    batches = NamedSharding(given["mesh"], P(None, "data"))
    stacked = (jax.device_put(np.asarray(one).reshape(2, ROWS // 2, FEATURES), batches) for one in (r, g))
    assert metric.compute(over_all(*stacked)).value == pytest.approx(expected, rel=1e-6)
    exec(restored, given)
    assert metric.compute(given["state"]).value == pytest.approx(expected, rel=1e-6)
    # The page's collection, begun before it is there.
    begun = several.replace("state = collection.update(state,", "state = collection.update(collection.init(),")
    exec(begun, given)
    values = given["collection"].compute(given["state"])
    assert values["fid"].n_generated == values["kid"].n_reference == ROWS
    assert values["loss"].value == 0.5
