"""States that go on elsewhere: on other devices, from a statistics file, or for the next evaluation."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import ways
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from metric_cases import frechet_by_scipy

from jaxeval.errors import InputError
from jaxeval.metrics import Collection, FrechetDistance, InceptionScore, KernelDistance, Manifold, Mean, Metric, to_nnx
from jaxeval.statistics import save_statistics, statistics_of_features

RNG = np.random.default_rng(3)
X, Y = (RNG.normal(size=(64, 5)).astype(np.float32) + shift for shift in (0.0, 0.3))
METRICS: dict[str, Metric] = {
    "frechet": FrechetDistance(5),
    "kernel": KernelDistance(5, 128),
    "sample": KernelDistance(5, 32, "reservoir"),
    "manifold": Manifold(5, 100, k=3),
    "score": InceptionScore(5, splits=2),
    "collection": Collection({"fd": FrechetDistance(5), "kd": KernelDistance(5, 100), "loss": Mean("loss")}),
}


def batch(part: slice) -> dict[str, Any]:
    return {"reference": X[part], "generated": Y[part], "loss": X[part, 0], "index": np.arange(64)[part]}


def numbers(value: Any) -> Any:
    """What a metric computed, to be compared to rounding: rows come back in another order."""
    if isinstance(value, dict):
        return {name: numbers(one) for name, one in value.items()}
    return {
        name: pytest.approx(number, rel=3e-7, abs=5e-7) for name, number in (value.values or {"": value.value}).items()
    }


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return dict(value.values or {"": value.value})


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("devices", [1, 2, 8])
def test_a_state_of_four_devices_goes_on_on_others(name: str, devices: int):
    metric = METRICS[name]
    old, new = ways.mesh_of(4), ways.mesh_of(devices)
    state = metric.update(metric.init_on(old, ways.AXIS), **batch(slice(0, 32)))
    on_host = jax.device_get(state)  # as a checkpoint holds it
    for start in (state, on_host):
        moved = metric.resharded(start, new, ways.AXIS)
        assert jax.tree.map(_layout, moved) == jax.tree.map(_layout, metric.init_on(new, ways.AXIS))
        whole = jax.jit(metric.update)(moved, **batch(slice(32, 64)))
        expected = metric.update(metric.init(), **batch(slice(0, 64)))
        if isinstance(metric, KernelDistance) and metric.overflow == "reservoir":  # several shards keep a few fewer
            priorities = np.sort(np.asarray(expected.reference.priority).ravel())
            kept = np.sort(np.asarray(whole.reference.priority)[np.asarray(metric.buffer.sampled(whole.reference))])
            np.testing.assert_array_equal(kept, priorities[: len(kept)])
            assert len(kept) >= 16
        else:
            assert plain(metric.compute(whole)) == numbers(metric.compute(expected))
    alone = metric.resharded(state)
    assert jax.tree.map(jnp.shape, alone) == jax.tree.map(jnp.shape, metric.init())
    assert plain(metric.compute(alone)) == numbers(metric.compute(state))


def _layout(leaf: jax.Array) -> Any:
    return leaf.shape, leaf.dtype, leaf.sharding


def test_a_checkpoint_of_orbax_goes_on_on_other_devices(tmp_path: Path):
    """The recipe of docs/metrics.md as it stands there."""
    import orbax.checkpoint as ocp

    metric = METRICS["collection"]
    saved = metric.update(metric.init_on(ways.mesh_of(4), ways.AXIS), **batch(slice(0, 64)))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", saved)
        checkpointer.wait_until_finished()
        as_saved = jax.eval_shape(lambda: metric.init(shards=4))
        on_one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=on_one), as_saved)
        restored = checkpointer.restore(tmp_path / "state", target)
    state = metric.resharded(restored, ways.mesh_of(2), ways.AXIS)
    assert plain(metric.compute(state)) == numbers(metric.compute(saved))


# The reference, measured once.


def files(folder: Path) -> dict[str, Path]:
    covariance = np.cov(X.astype(np.float64), rowvar=False)
    np.savez(folder / "plain.npz", mu=X.mean(0, dtype=np.float64), sigma=covariance)
    save_statistics(folder / "own.npz", statistics_of_features(X, "x"), {"ddof": 1})
    np.save(folder / "features.npy", X)
    return {path.stem: path for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["plain", "own", "features"])
@pytest.mark.parametrize("ddof", [1, 0])
def test_a_reference_comes_from_a_file(name: str, ddof: int, tmp_path: Path):
    metric = FrechetDistance(5, ddof=ddof)
    path = files(tmp_path)[name]
    count = {"count": 64} if name == "plain" else {}
    start = metric.from_statistics(path, **count)
    by_rows = metric.update(metric.init(), reference=X, generated=Y)
    state = jax.jit(metric.update)(start, generated=Y)
    found = metric.compute(state)
    assert found.value == pytest.approx(metric.compute(by_rows).value, rel=2e-6)
    assert found.n_reference == 64
    assert float(metric.compute_on_device(state)) == pytest.approx(found.value, rel=2e-5)
    # More of the reference can follow what a file has.
    more = metric.compute(metric.update(state, reference=Y))
    both = metric.update(metric.update(metric.init(), reference=X), reference=Y, generated=Y)
    assert more.value == pytest.approx(metric.compute(both).value, rel=1e-5)
    placed = metric.resharded(start, ways.mesh_of(4), ways.AXIS)
    assert metric.compute(metric.update(placed, generated=Y)).value == pytest.approx(found.value, rel=1e-6)


def test_what_a_file_gives_reason_to_say_is_a_warning(tmp_path: Path):
    """The covariance of few rows, rounded to float32, has eigenvalues a little below zero."""
    few = X[:4].astype(np.float64) * 100
    sigma = np.cov(np.concatenate([few, few], axis=1), rowvar=False).astype(np.float32)
    np.savez(tmp_path / "rounded.npz", mu=np.concatenate([few, few], axis=1).mean(0), sigma=sigma)
    with pytest.warns(UserWarning, match="rounded.npz has eigenvalues down to"):
        FrechetDistance(10).from_statistics(tmp_path / "rounded.npz")


def test_a_file_without_a_count_is_a_whole_reference(tmp_path: Path):
    metric = FrechetDistance(5)
    state = metric.update(metric.from_statistics(str(files(tmp_path)["plain"])), generated=Y)
    found = metric.compute(state)
    assert found.value == pytest.approx(frechet_by_scipy(X.astype(float), Y.astype(float)), rel=2e-6)
    assert found.n_reference is None
    assert found.warnings == ()
    with pytest.raises(InputError, match="give their count to from_statistics"):
        metric.compute(metric.update(state, reference=X))


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ("missing.npz", {}, "'.*missing.npz' is no file"),
        ("own.npz", {"count": 63}, "count is 63, and the statistics say 64"),
        ("own.npz", {"count": 1}, "give a whole number from 2"),
        ("wide.npz", {}, "wide.npz' is of 7 features; 5 are expected"),
        ("empty.npz", {}, "holds neither statistics nor features"),
    ],
)
def test_a_file_that_will_not_do_is_named(given: str, options: dict[str, Any], message: str, tmp_path: Path):
    files(tmp_path)
    np.savez(tmp_path / "wide.npz", mu=np.zeros(7), sigma=np.eye(7))
    np.savez(tmp_path / "empty.npz", other=np.zeros(7))
    with pytest.raises(InputError, match=message):
        FrechetDistance(5).from_statistics(tmp_path / given, **options)
    with pytest.raises(InputError, match="statistics is 5, without mean"):
        FrechetDistance(5).from_statistics(5)


@pytest.mark.parametrize("name", METRICS)
def test_a_kept_reference_serves_every_evaluation(name: str):
    metric = METRICS[name]
    update = jax.jit(metric.update, donate_argnums=0)
    mesh = ways.mesh_of(4)
    kept = metric.update(metric.init_on(mesh, ways.AXIS), **{**batch(slice(0, 64)), "generated": Y + 1.0})
    expected = metric.compute(metric.update(metric.init(), **batch(slice(0, 64))))
    generated = {key: value for key, value in batch(slice(0, 64)).items() if key != "reference"}
    layout = jax.tree.map(_layout, kept)
    for _ in range(2):
        state = metric.keep_reference(kept)
        assert jax.tree.map(_layout, state) == layout
        state = update(state, **generated)  # which donates it
        if name == "sample":
            continue
        assert plain(metric.compute(state)) == numbers(expected)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(kept))


def test_nnx_metrics_keep_their_reference():
    metric = to_nnx(Collection({"fd": FrechetDistance(5), "kd": KernelDistance(5, 64)}))
    step = nnx.jit(lambda metric, **batch: metric.update(**batch))
    step(metric, reference=X)
    for shift in (1.0, 0.0):
        metric.reset(keep_reference=True)
        step(metric, generated=Y + np.float32(shift))
    values = metric.compute()
    assert values["fd"].value == pytest.approx(frechet_by_scipy(X.astype(float), Y.astype(float)), rel=3e-6)
    assert values["kd"].n_generated == 64
    metric.reset()
    with pytest.raises(InputError, match="rows of reference; it has 0"):
        metric.compute()


# Meshes whose axes divide features too.


@pytest.mark.parametrize("name", ["frechet", "kernel", "manifold", "score"])
def test_rows_whose_features_are_divided(name: str):
    mesh = jax.make_mesh((2, 2), ("data", "model"), axis_types=(AxisType.Explicit,) * 2, devices=jax.devices()[:4])
    wide = NamedSharding(mesh, PartitionSpec("data", None))
    narrow = NamedSharding(mesh, PartitionSpec("data", "model"))

    def padded(rows: np.ndarray, sharding: NamedSharding) -> jax.Array:
        return jax.device_put(np.concatenate([rows, rows[:, :1]], axis=1), sharding)

    made = {
        "frechet": FrechetDistance(6),
        "kernel": KernelDistance(6, 64),
        "manifold": Manifold(6, 64, k=3),
        "score": InceptionScore(6, splits=2),
    }[name]
    values = []
    index = jax.device_put(np.arange(64), NamedSharding(mesh, PartitionSpec("data")))
    for sharding in (wide, narrow):
        with jax.set_mesh(mesh):
            state = jax.jit(made.update)(
                made.init_on(mesh, "data"),
                reference=padded(X, sharding),
                generated=padded(Y, sharding),
                index=index,
            )
        values.append(plain(made.compute(state)))
        assert np.isfinite(list(values[-1].values())).all()
    assert values[0] == values[1]
