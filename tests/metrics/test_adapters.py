"""Metrics inside Flax NNX and CommonLoopUtils: the numbers of the metric itself, in the other library's idiom."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import ways
from flax import nnx
from metric_cases import frechet_by_scipy, manifold_by_scipy

from jaxeval.errors import InputError
from jaxeval.metrics import Collection, FrechetDistance, InceptionScore, KernelDistance, Manifold, Mean, to_clu, to_nnx

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(48, 4)).astype(np.float32), (0.3 + RNG.normal(size=(48, 4))).astype(np.float32)
LOSS = RNG.normal(size=48).astype(np.float32)
MASK = RNG.random(48) < 0.8
FD = frechet_by_scipy(X[MASK].astype(np.float64), Y[MASK].astype(np.float64))


def halves():
    for half in (slice(0, 24), slice(24, 48)):
        yield {"reference": X[half], "generated": Y[half], "loss": LOSS[half], "mask": MASK[half]}


def test_nnx_metric_in_a_multi_metric_under_jit():
    metrics = nnx.MultiMetric(
        fd=to_nnx(FrechetDistance(4)),
        prdc=to_nnx(Manifold(4, 64, k=3)),
        loss=nnx.metrics.Average("loss"),
        mean=to_nnx(Mean("loss")),
    )

    @nnx.jit
    def step(metrics: nnx.MultiMetric, batch):
        metrics.update(**batch)

    @nnx.jit
    def on_device(metrics: nnx.MultiMetric):
        return metrics.compute()

    for _ in range(2):
        for batch in halves():
            step(metrics, batch)
        values = metrics.compute()
        assert float(values["fd"]) == pytest.approx(FD, rel=3e-6)
        assert values["prdc"].values["recall"] == manifold_by_scipy(X[MASK], Y[MASK])["recall"]
        assert float(values["mean"]) == pytest.approx(LOSS[MASK].mean(dtype=np.float64), rel=1e-5)
        computed = on_device(metrics)
        assert float(computed["fd"]) == pytest.approx(FD, rel=2e-5)
        assert float(computed["prdc"].recall) == pytest.approx(values["prdc"].values["recall"])
        metrics.reset()  # the second round starts anew
    with pytest.raises(InputError, match="rows of reference; it has 0"):
        metrics.compute()


def test_nnx_metric_keeps_its_state_on_a_mesh():
    mesh = ways.mesh_of(4)
    metric = to_nnx(KernelDistance(4, 64), mesh=mesh, axis_name=ways.AXIS)
    update = nnx.jit(lambda metric, batch: metric.update(**batch))
    value = nnx.jit(lambda metric: metric.compute())
    for batch in halves():
        update(metric, batch)
    assert metric.state.reference.rows.sharding.spec[0] == ways.AXIS
    assert float(value(metric)) == pytest.approx(metric.compute().value, rel=1e-5)
    metric.reset()
    assert metric.state.reference.rows.sharding.spec[0] == ways.AXIS
    assert int(metric.state.reference.seen.sum()) == 0


def test_nnx_metric_splits_and_merges_as_a_graph():
    metric = to_nnx(FrechetDistance(4))
    graph, state = nnx.split(metric)

    @jax.jit
    def step(state, batch):
        metric = nnx.merge(graph, state)
        metric.update(**batch)
        return nnx.state(metric)

    for batch in halves():
        state = step(state, batch)
    assert nnx.merge(graph, state).compute().value == pytest.approx(FD, rel=3e-6)


def test_nnx_metric_of_a_collection_and_with_names():
    metric = to_nnx(Collection({"fd": FrechetDistance(4), "mean": Mean("loss")}), names={"generated": "samples"})
    for batch in halves():
        metric.update(samples=batch.pop("generated"), **batch)
    values = metric.compute()
    assert values["fd"].value == pytest.approx(FD, rel=3e-6)


def test_clu_collection_merges_and_computes():
    from clu import metrics as clu_metrics

    collection = clu_metrics.Collection.create(
        fd=to_clu(FrechetDistance(4)),
        recall=to_clu(Manifold(4, 64, k=3), value="recall"),
        precision=to_clu(Manifold(4, 64, k=3)),
        loss=clu_metrics.Average.from_output("loss"),
        mean=to_clu(Mean("value"), names={"value": "loss"}),
    )
    state = collection.empty()
    update = jax.jit(lambda state, batch: state.merge(collection.single_from_model_output(**batch)))
    for batch in halves():
        state = update(state, batch)
    values = state.compute()
    expected = manifold_by_scipy(X[MASK], Y[MASK])
    assert values["fd"] == pytest.approx(FD, rel=3e-6)
    assert values["recall"] == expected["recall"]
    assert values["precision"] == expected["precision"]
    assert values["mean"] == pytest.approx(float(values["loss"]), rel=1e-5)
    computed = jax.jit(lambda state: state.compute())(state)
    assert float(computed["fd"]) == pytest.approx(FD, rel=2e-5)
    assert float(computed["recall"]) == pytest.approx(expected["recall"])


def test_clu_gathers_over_pmap():
    from clu import metrics as clu_metrics

    collection = clu_metrics.Collection.create(
        fd=to_clu(FrechetDistance(4)), score=to_clu(InceptionScore(4), names={"generated": "logits"})
    )
    batch = {"reference": X, "generated": Y, "logits": Y, "mask": MASK}
    parts = {name: values.reshape(4, 12, *values.shape[1:]) for name, values in batch.items()}
    gather = jax.pmap(lambda part: collection.gather_from_model_output(**part), axis_name="batch")
    values = gather(parts).unreplicate().compute()
    assert values["fd"] == pytest.approx(FD, rel=3e-6)
    score = InceptionScore(4)
    assert values["score"] == pytest.approx(score.compute(score.update(score.init(), generated=Y, mask=MASK)).value)


def test_clu_reservoirs_need_an_index():
    metric = to_clu(KernelDistance(4, 8, "reservoir"))
    with pytest.raises(InputError, match="a reservoir under clu needs index="):
        metric.from_model_output(reference=X)
    merged = metric.empty()
    for start in (0, 24):
        part = slice(start, start + 24)
        merged = merged.merge(metric.from_model_output(reference=X[part], generated=Y[part], index=np.arange(48)[part]))
    whole = KernelDistance(4, 8, "reservoir")
    expected = whole.compute(whole.update(whole.init(), reference=X, generated=Y, index=np.arange(48))).value
    # The same rows in another order: the kernel of each pair is float32 (docs/precision.md).
    assert merged.compute() == pytest.approx(expected, rel=2e-7)


def test_without_clu_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    for module in ("clu", "clu.metrics"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match="pip install clu"):
        to_clu(FrechetDistance(4))


def test_clu_takes_single_metrics():
    with pytest.raises(InputError, match="to_clu takes one metric"):
        to_clu(Collection({"fd": FrechetDistance(4)}))


def test_values_stay_arrays_inside_jit():
    metric = to_nnx(FrechetDistance(4))
    metric.update(reference=X, generated=Y)
    assert isinstance(nnx.jit(lambda metric: metric.compute())(metric), jax.Array)
    assert jnp.isfinite(nnx.jit(lambda metric: metric.compute())(metric))
