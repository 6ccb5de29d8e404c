"""Image quality as streaming metrics: the means of the ops' values, whatever the batches, masks and adapters."""

import jax
import numpy as np
import pytest
from flax import nnx
from image_sets import crops

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError
from jaxeval.metrics import PSNR, SSIM, Collection, ImageQuality, MsSsim, to_clu, to_nnx

REFERENCE = crops(6, (16, 18), 1)
GENERATED = np.clip(REFERENCE + np.random.default_rng(2).normal(0, 12, REFERENCE.shape), 0, 255).astype(np.uint8)
MASK = np.array([True, True, False, True, True, False])


def run(metric, *batches, **masks):
    state = metric.init()
    for reference, generated in batches:
        state = metric.update(state, reference=reference, generated=generated, **masks)
    return metric.compute(state)


@pytest.mark.parametrize(
    ("metric", "op", "options"),
    [
        (PSNR(data_range=255, colour="y", crop_border=2), iq.psnr, {"colour": "y", "crop_border": 2}),
        (SSIM(data_range=255, convention="torchmetrics"), iq.ssim, {"convention": "torchmetrics"}),
        (ImageQuality(iq.mae, data_range=255), iq.mae, {}),
    ],
)
def test_a_value_is_the_mean_of_the_ops_values(metric, op, options):
    each = np.asarray(op(GENERATED, REFERENCE, data_range=255, **options), np.float64)
    found = run(metric, *((REFERENCE[part], GENERATED[part]) for part in (slice(0, 4), slice(4, 6))))
    assert found.value == pytest.approx(each.mean(), rel=1e-6)
    assert found.standard_error == pytest.approx(each.std(ddof=1) / np.sqrt(6), rel=1e-5)
    assert found.n_generated == 6


def test_what_a_mask_leaves_out_may_hold_anything():
    metric = PSNR(data_range=1.0)
    x, y = (images.astype(np.float32) / 255 for images in (REFERENCE, GENERATED))
    expected = run(metric, (x[MASK], y[MASK]))
    x[~MASK], y[~MASK] = np.nan, 1e9
    found = run(metric, (x, y), mask=MASK)
    assert (found.value, found.n_generated) == (pytest.approx(expected.value, rel=1e-7), 4)
    assert run(metric, (x, y), generated_mask=MASK, reference_mask=MASK).value == found.value


def test_batches_of_different_sizes_make_one_mean():
    metric = PSNR(data_range=255)
    halves = [(images[:, :9, :8], images[:, 2:, 2:]) for images in (REFERENCE, GENERATED)]
    each = [iq.psnr(y, x, data_range=255) for x, y in zip(*halves, strict=True)]
    assert run(metric, *zip(*halves, strict=True)).value == pytest.approx(float(np.mean(each)), rel=1e-6)


def test_metrics_with_equal_settings_are_equal_and_share_a_program():
    assert PSNR(data_range=255) == PSNR(data_range=255.0)
    assert hash(SSIM(data_range=1.0)) == hash(SSIM(data_range=1))
    assert PSNR(data_range=255) != PSNR(data_range=255, crop_border=1)
    assert MsSsim(data_range=1.0).name == "ms_ssim"


def test_in_a_collection_and_in_adapters():
    collection = Collection({"psnr": PSNR(data_range=255), "mae": ImageQuality(iq.mae, data_range=255)})
    state = jax.jit(collection.update)(collection.init(), reference=REFERENCE, generated=GENERATED)
    expected = pytest.approx(float(iq.psnr(GENERATED, REFERENCE, data_range=255).mean()), rel=1e-6)
    assert collection.compute(state)["psnr"].value == expected

    in_flax = nnx.MultiMetric(psnr=to_nnx(PSNR(data_range=255)))
    nnx.jit(lambda metrics, **batch: metrics.update(**batch))(in_flax, reference=REFERENCE, generated=GENERATED)
    assert in_flax.compute()["psnr"].value == expected

    in_clu = to_clu(PSNR(data_range=255))
    one = in_clu.from_model_output(reference=REFERENCE[:3], generated=GENERATED[:3])
    other = in_clu.from_model_output(reference=REFERENCE[3:], generated=GENERATED[3:])
    assert float(one.merge(other).compute()) == expected


def test_errors_name_what_is_wrong():
    metric = PSNR(data_range=255)
    with pytest.raises(InputError, match="generated is missing"):
        metric.update(metric.init(), reference=REFERENCE)
    with pytest.raises(InputError, match=r"\[N\] and bool are expected"):
        metric.update(metric.init(), reference=REFERENCE, generated=GENERATED, mask=np.ones(3, bool))
    with pytest.raises(InputError, match="does not fit"):
        PSNR(data_range=1.0).update(metric.init(), reference=REFERENCE * 2.0, generated=GENERATED * 2.0)


def test_values_around_zero_are_doubted_where_they_give_another_number():
    centred = {
        name: (images / 127.5 - 1.0).astype(np.float32)
        for name, images in (("reference", REFERENCE), ("generated", GENERATED))
    }
    for metric, doubted in ((SSIM(data_range=2.0), True), (PSNR(data_range=2.0), False)):
        state = jax.jit(metric.update)(metric.init(), **centred)
        said = [one for one in metric.compute(state).warnings if "shift them to [0, data_range=2]" in one]
        assert bool(said) == doubted, metric.name
    state = jax.jit(SSIM(data_range=255.0).update)(SSIM(data_range=255.0).init(), **centred)
    (said,) = SSIM(data_range=255.0).compute(state).warnings
    assert said.endswith("of images in [-1, 1], shifted by 1, data_range=2 is meant")
