"""States that hold too little, or something else than they were meant to: no number that could pass for a good one."""

import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import ways
from jax.sharding import PartitionSpec
from metric_cases import frechet_by_scipy
from parity_stub import torchvision_stub

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError
from jaxeval.extractors import from_function
from jaxeval.metrics import (
    PSNR,
    SSIM,
    Collection,
    FrechetDistance,
    InceptionScore,
    KernelDistance,
    Manifold,
    Mean,
    Metric,
    PooledPSNR,
)
from jaxeval.ops import inception_score

RNG = np.random.default_rng(0)
X, Y = (RNG.normal(size=(20, 3)).astype(np.float32) + shift for shift in (0.0, 0.4))
LEAST = {
    "frechet": (FrechetDistance(3), 2),
    "frechet, ddof 0": (FrechetDistance(3, ddof=0), 1),
    "kernel": (KernelDistance(3, 32), 2),
    "manifold": (Manifold(3, 32, k=3), 4),
}
PAIRED: dict[str, Metric] = {
    "ssim": SSIM(data_range=1.0),
    "psnr": PSNR(data_range=1.0),
    "pooled": PooledPSNR(data_range=1.0),
}


def values_on_device(metric: Metric, state: Any) -> np.ndarray:
    return np.array(jax.tree.leaves(jax.jit(metric.compute_on_device)(state)))


@pytest.mark.parametrize("name", LEAST)
@pytest.mark.parametrize("side", ["reference", "generated"])
def test_too_few_rows_are_not_a_number_on_the_device(name: str, side: str):
    metric, least = LEAST[name]
    other = {"reference": X, "generated": Y}
    states = [metric.update(metric.init(), **{**other, side: other[side][:rows]}) for rows in (least - 1, least)]
    assert np.isnan(values_on_device(metric, states[0])).all()
    assert np.isfinite(values_on_device(metric, states[1])).all()
    with pytest.raises(InputError, match=side):
        metric.compute(states[0])
    del other[side]
    assert np.isnan(values_on_device(metric, metric.update(metric.init(), **other))).all()


@pytest.mark.parametrize("metric", [*(metric for metric, _ in LEAST.values()), *PAIRED.values(), InceptionScore(3)])
def test_an_empty_state_is_not_a_number_on_the_device(metric: Metric):
    assert np.isnan(values_on_device(metric, metric.init())).all()
    with pytest.raises(InputError):
        metric.compute(metric.init())


def test_a_mean_of_nothing_is_not_a_number():
    metric = Mean("loss")
    masked = metric.update(metric.init(), loss=X[:, 0], mask=np.zeros(20, bool))
    assert np.isnan(values_on_device(metric, metric.init()))
    assert np.isnan(values_on_device(metric, masked))
    assert values_on_device(metric, metric.update(masked, loss=X[:, 0])) == pytest.approx(X[:, 0].mean(), rel=1e-6)


def test_lost_rows_are_not_a_number_on_the_device():
    metric = KernelDistance(3, 16)
    state = metric.update(metric.init(), reference=X, generated=Y[:16])
    assert np.isnan(values_on_device(metric, state)).all()
    mesh = ways.mesh_of(4)
    spread = metric.update(metric.init_on(mesh, ways.AXIS), reference=X, generated=Y[:16])
    assert np.isnan(metric.compute_on_device(spread))
    sample = KernelDistance(3, 16, "reservoir")
    assert np.isfinite(
        values_on_device(sample, sample.update(sample.init(), reference=X, generated=Y, index=np.arange(20)))
    )


def test_gradients_of_enough_rows_are_untouched():
    metric = FrechetDistance(3)
    start = metric.update(metric.init(), reference=X)

    def distance(rows: Any) -> Any:
        return metric.compute_on_device(metric.update(start, generated=rows))

    step = 1e-2 * np.eye(3, dtype=np.float32)[0]
    slope = (distance(Y + step) - distance(Y - step)) / 2e-2
    assert float(jax.grad(distance)(Y)[:, 0].sum()) == pytest.approx(float(slope), rel=1e-2)


@pytest.mark.parametrize(
    ("metric", "given", "meant"),
    [
        (FrechetDistance(3), {"generated": Y, "refrence": X}, "reference"),
        (FrechetDistance(3), {"reference": X, "genrated": Y}, "generated"),
        (FrechetDistance(3), {"reference": X, "generated": Y, "maks": np.ones(20, bool)}, "mask"),
        (
            KernelDistance(3, 32),
            {"reference": X, "generated": Y, "generated_msak": np.ones(20, bool)},
            "generated_mask",
        ),
        (InceptionScore(3, splits=2), {"generated": Y, "indexs": np.arange(20)}, "index"),
        (Mean("loss"), {"loss": X[:, 0], "masks": np.ones(20, bool)}, "mask"),
        (Collection({"fid": FrechetDistance(3), "loss": Mean("loss")}), {"loss": X[:, 0], "refernce": X}, "reference"),
    ],
)
def test_a_misspelt_keyword_beside_a_right_one_is_an_error(metric: Metric, given: dict[str, Any], meant: str):
    (wrong,) = (key for key in given if key not in ("reference", "generated", "loss"))
    with pytest.raises(InputError, match=f"does not know {wrong}=; write {meant}="):
        metric.update(metric.init(), **given)


def test_other_keywords_are_still_for_others():
    batch = {"reference": X, "generated": Y, "label": X, "images": X, "reference_images": X, "losses": X[:, 0]}
    metrics: list[Metric] = [FrechetDistance(3), Collection({"fid": FrechetDistance(3), "losses": Mean("losses")})]
    for metric in metrics:
        metric.update(metric.init(), **batch)
    both = Collection({"a": Mean("loss"), "b": Mean("losss")})  # each other's slip, if they were not both there
    state = both.update(both.init(), loss=X[:, 0], losss=X[:, 1])
    assert both.compute(state)["b"].value == pytest.approx(X[:, 1].mean(), rel=1e-6)


def test_states_of_pmap_that_were_never_reduced_are_refused():
    """Each device has its own rows: whichever state was taken for all would leave the others' out."""
    parts = {"reference": X.reshape(4, 5, 3), "generated": Y.reshape(4, 5, 3)}
    cases: dict[str, Metric] = {
        "fid": FrechetDistance(3),
        "is": InceptionScore(3),
        "all": Collection({"fid": FrechetDistance(3), "mean": Mean("mean", _row_means, ("generated",))}),
    }
    for metric in cases.values():
        updated = jax.pmap(lambda batch, metric=metric: metric.update(metric.init(), **batch))(parts)
        with pytest.raises(InputError, match="devices' states differ: each has added its own rows only"):
            metric.from_pmap(updated)
    metric = FrechetDistance(3)
    right = jax.pmap(lambda batch: metric.accumulate(metric.init(), axis_name="data", **batch), axis_name="data")(parts)
    whole = metric.from_pmap(right)
    assert metric.compute(whole).value == pytest.approx(frechet_by_scipy(X.astype(float), Y.astype(float)), rel=3e-6)
    # Rows that are not finite make replicas that are all NaN: equal, and refused for what they are.
    broken = jax.tree.map(lambda leaf: leaf * np.nan if leaf.dtype == np.float32 else leaf, right)
    with pytest.raises(InputError, match="not finite"):
        metric.compute(metric.from_pmap(broken))


def _row_means(generated: Any) -> Any:
    return generated.mean(1)


@pytest.mark.parametrize(
    "metric",
    [
        FrechetDistance(3),
        KernelDistance(3, 32),
        Manifold(3, 32),
        InceptionScore(3),
        Mean("generated"),
        PSNR(data_range=1.0),
    ],
)
def test_a_stacked_state_says_what_to_do(metric: Metric):
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf] * 4), metric.init())
    for compute in (metric.compute, metric.compute_on_device):
        with pytest.raises(InputError, match=r"leading axis of 4 devices.*from_pmap\(states\)"):
            compute(stacked)


# Images of another range than the extractor's.

IMAGES = RNG.uniform(0, 255, (2, 12, 8, 8, 3)).astype(np.float32)
EXTRACTOR = from_function(lambda images: images.mean((1, 2)) / 50, name="means", feature_size=3)


def collected(scale: Any, **options: Any) -> Any:
    collection = Collection({"fid": FrechetDistance(3)}, extractor=EXTRACTOR, **options)
    state = collection.init()
    for part in (slice(0, 5), slice(5, 12)):
        state = jax.jit(collection.update)(
            state, reference_images=scale(IMAGES[0, part]), images=scale(IMAGES[1, part])
        )
    return collection.compute(state)["fid"]


@pytest.mark.parametrize(("black", "white"), [(-1, 1), (0, 1)])
def test_images_in_another_range_are_warned_of(black: int, white: int):
    def scaled(images: Any) -> Any:
        return images / 255 * (white - black) + black

    right = collected(lambda images: images)
    assert not any("value" in warning for warning in right.warnings)
    wrong = collected(scaled)
    doubts = [warning for warning in wrong.warnings if "where the extractor takes 0 to 255" in warning]
    assert [doubt.split()[0] for doubt in doubts] == ["reference_images", "images"]
    assert all(f"value_range=({black}, {white})" in doubt for doubt in doubts)
    mended = collected(scaled, value_range=(black, white))
    assert mended.value == pytest.approx(right.value, rel=1e-4)
    assert not any("value" in warning for warning in mended.warnings)


def test_images_outside_of_their_range_are_warned_of():
    assert any("outside of the extractor's 0 to 255" in warning for warning in collected(lambda x: x * 257).warnings)
    assert any(
        "outside of value_range=(-1, 1)" in warning for warning in collected(_as_is, value_range=(-1, 1)).warnings
    )
    bright = collected(lambda images: images / 255, value_range=(-1, 1))
    assert any("the brighter half of value_range=(-1, 1) alone" in warning for warning in bright.warnings)


def _as_is(images: Any) -> Any:
    return images


def test_eight_bits_have_one_range():
    with pytest.raises(InputError, match=r"images is uint8, which is 0 to 255, and value_range is \(-1, 1\)"):
        collected(lambda images: images.astype(np.uint8), value_range=(-1, 1))
    assert not any("range" in warning for warning in collected(lambda images: images.astype(np.uint8)).warnings)


@pytest.mark.parametrize("value_range", [(1, -1), (0, 0), (0, float("inf")), "255", (0, 1, 2), 255])
def test_a_value_range_is_two_numbers(value_range: Any):
    with pytest.raises(InputError, match=r"value_range is .*; give the values of black and white"):
        Collection({"fid": FrechetDistance(3)}, extractor=EXTRACTOR, value_range=value_range)


def test_padding_is_not_in_the_range_and_devices_share_it():
    collection = Collection({"fid": FrechetDistance(3), "kid": KernelDistance(3, 64)}, extractor=EXTRACTOR)
    mesh, specs = ways.mesh_of(4), collection.state_specs(ways.AXIS)
    mask = np.arange(16) < 12
    images, reference = (np.concatenate([part, np.full((4, 8, 8, 3), -1e6, np.float32)]) for part in IMAGES)

    def step(state: Any, images: Any, reference: Any, mask: Any) -> Any:
        return collection.accumulate(state, axis_name=ways.AXIS, images=images, reference_images=reference, mask=mask)

    rows = PartitionSpec(ways.AXIS)
    mapped = jax.jit(jax.shard_map(step, mesh=mesh, in_specs=(specs, rows, rows, rows), out_specs=specs))
    state = mapped(collection.init_on(mesh, ways.AXIS), images, reference, mask)
    assert float(state["image_ranges"]["generated"].high) == IMAGES[0].max()
    assert float(state["image_ranges"]["generated"].low) == IMAGES[0].min()
    assert not any("value" in warning for warning in collection.compute(state)["kid"].warnings)
    whole = collection.update(collection.init(), images=images, reference_images=reference, mask=mask)
    for one in (collection.merge(collection.init(), whole), collection.resharded(whole, mesh, ways.AXIS)):
        assert float(one["image_ranges"]["reference"].low) == IMAGES[1].min()


@pytest.mark.parametrize(
    ("data_range", "scale", "said"),
    [
        (255, 1 / 255, r"with data_range=255; of images in \[0, 1\], data_range=1 is meant"),
        (255, -1 / 255, r"with data_range=255; of images in \[-1, 1\], shifted by 1, data_range=2 is meant"),
        (1.0, 1.0, None),
    ],
)
def test_pairs_in_another_range_are_warned_of(data_range: float, scale: float, said: str | None):
    metric = SSIM(data_range=data_range)
    x, y = IMAGES[:, :, :, :, :1] * (scale if said else 1 / 255)
    x, y = (np.pad(part, [(0, 0), (2, 2), (2, 2), (0, 0)], mode="wrap") for part in (x, y))
    # Inside jit no op can look at values; outside of it the same images are refused.
    warnings = metric.compute(jax.jit(metric.update)(metric.init(), reference=x, generated=y)).warnings
    assert [re.search(said or "nothing", warning) is not None for warning in warnings] == [True] * bool(said)


# Scores of pairs without a number.


def test_identical_pairs_are_left_out_and_counted():
    x, y = IMAGES
    y = np.where(np.arange(12)[:, None, None, None] % 4 == 1, x, y)
    metric = PSNR(data_range=255)
    state = metric.update(metric.init(), reference=x, generated=y)
    found = metric.compute(state)
    each = np.asarray(iq.psnr(y, x, data_range=255), np.float64)
    assert np.isposinf(each).sum() == 3
    assert found.value == pytest.approx(each[np.isfinite(each)].mean(), rel=1e-6)
    assert found.n_generated == 9
    assert found.warnings == (
        "3 of 12 pairs are identical: their infinite psnr is not in the mean, which is of the other 9",
    )
    assert float(metric.compute_on_device(state)) == pytest.approx(found.value, rel=1e-6)
    same = metric.update(metric.init(), reference=x, generated=x)
    assert metric.compute(same).value == math.inf
    assert "their infinite psnr is the value" in metric.compute(same).warnings[0]
    assert metric.compute_on_device(same) == math.inf


def test_the_pooled_ratio_is_that_of_all_pixels():
    """Of batches of two sizes: each pixel counts once, as in one long image."""
    halves = [(IMAGES[0, :5], IMAGES[1, :5]), (IMAGES[0, 5:, :4], IMAGES[1, 5:, :4])]
    metric = PooledPSNR(data_range=255)
    state = metric.init()
    for x, y in halves:
        state = jax.jit(metric.update)(state, reference=x, generated=y)
    squares = np.concatenate([np.square(x.astype(np.float64) - y).ravel() for x, y in halves])
    expected = 10 * np.log10(255**2 / squares.mean())
    found = metric.compute(state)
    assert found.value == pytest.approx(expected, rel=1e-7)
    assert float(metric.compute_on_device(state)) == pytest.approx(expected, rel=1e-6)
    assert found.n_generated == 12
    # Its error by leaving out pairs in turn.
    pairs = [(x[i], y[i]) for x, y in halves for i in range(len(x))]
    sums = np.array([[np.square(x.astype(np.float64) - y).sum(), x.size] for x, y in pairs])
    left = [10 * np.log10(255**2 / np.divide(*(sums.sum(0) - pair))) for pair in sums]
    assert found.standard_error == pytest.approx(
        np.sqrt(11 / 12 * np.square(np.subtract(left, np.mean(left))).sum()), rel=0.1
    )
    one = metric.update(metric.init(), reference=IMAGES[0, :1], generated=IMAGES[1, :1])
    assert metric.compute(one).value == pytest.approx(float(iq.psnr(IMAGES[1, :1], IMAGES[0, :1], data_range=255)[0]))
    same = metric.update(metric.init(), reference=IMAGES[0], generated=IMAGES[0])
    assert metric.compute(same).value == metric.compute_on_device(same) == math.inf


@pytest.mark.parity
def test_the_pooled_ratio_is_torchmetrics():
    import torch

    torchvision_stub()
    from torchmetrics.image import PeakSignalNoiseRatio

    theirs = PeakSignalNoiseRatio(data_range=255.0)
    ours = PooledPSNR(data_range=255)
    state = ours.init()
    for part in (slice(0, 5), slice(5, 12)):
        x, y = IMAGES[0, part], IMAGES[1, part]
        theirs.update(torch.from_numpy(y), torch.from_numpy(x))
        state = ours.update(state, reference=x, generated=y)
    assert ours.compute(state).value == pytest.approx(float(theirs.compute()), rel=1e-6)


# Logits and probabilities.

LOGITS = (2 * RNG.normal(size=(40, 5))).astype(np.float32)
PROBABILITIES = np.asarray(jax.nn.softmax(LOGITS, axis=1))


def test_probabilities_are_taken_as_they_are_where_it_is_said():
    metric = InceptionScore(5, probabilities=True)
    rows = np.concatenate([PROBABILITIES, np.eye(5, dtype=np.float32)[:1], np.full((1, 5), np.nan, np.float32)])
    state = jax.jit(metric.update)(metric.init(), generated=rows, mask=np.arange(42) < 41)
    expected = inception_score(probabilities=rows[:41].astype(np.float64), splits=1).mean
    assert metric.compute(state).value == pytest.approx(expected, rel=1e-6)
    assert float(metric.compute_on_device(state)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("probabilities", "rows", "message"),
    [
        (False, PROBABILITIES, "every row of generated is not negative and of sum 1"),
        (True, LOGITS, "40 of 40 rows of generated are no probabilities"),
        (True, np.concatenate([PROBABILITIES, LOGITS[:2]]), "2 of 42 rows of generated are no probabilities"),
    ],
)
def test_one_is_not_taken_for_the_other(probabilities: bool, rows: np.ndarray, message: str):
    metric = InceptionScore(5, probabilities=probabilities)
    state = metric.merge(metric.init(), metric.update(metric.init(), generated=rows))
    with pytest.raises(InputError, match=message):
        metric.compute(state)
    assert np.isnan(values_on_device(metric, state))


def test_a_scalar_is_one_value():
    metric = Mean("loss")
    state = metric.init()
    for loss in (1.0, jnp.float32(2.0), np.float32(6.0)):
        state = jax.jit(metric.update)(state, loss=loss, mask=np.ones(7, bool))
    found = metric.compute(state)
    assert (found.value, found.n_generated) == (3.0, 3)
    assert found.standard_error == pytest.approx(np.std([1, 2, 6], ddof=1) / np.sqrt(3))
    with pytest.raises(InputError, match=r"\[N\] is expected, one value a sample, or a scalar"):
        metric.update(state, loss=np.ones((2, 2)))


def test_a_function_without_parameters_needs_none():
    collection = Collection({"fid": FrechetDistance(3)}, extractor=EXTRACTOR)
    state = collection.update(collection.init(), images=IMAGES[0], reference_images=IMAGES[1])
    given = collection.update(collection.init(), params=None, images=IMAGES[0], reference_images=IMAGES[1])
    assert collection.compute(state)["fid"].value == collection.compute(given)["fid"].value
    weights = from_function(lambda w, x: x.mean((1, 2)) @ w, name="own", params=np.eye(3, dtype=np.float32))
    with pytest.raises(InputError, match="images need params="):
        Collection({"fid": FrechetDistance(3)}, extractor=weights).update(collection.init(), images=IMAGES[0])
