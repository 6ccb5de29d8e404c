"""SSIM and MS-SSIM against scikit-image and against definitions written out in float64."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import skimage.data
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import equations
from photographs import pairs, photograph
from skimage.metrics import structural_similarity

from jaxeval.ops.image_quality import (
    MS_SSIM_WEIGHTS,
    SsimConvention,
    _moments_of_windows,
    ms_ssim,
    ssim,
    ssim_terms,
)
from jaxeval.ops.image_quality._moments_of_windows import losses_by_channel
from jaxeval.ops.image_quality.windows import gaussian_taps

WANG = {"gaussian_weights": True, "use_sample_covariance": False, "sigma": 1.5}
SETTINGS = {"scikit-image": WANG, "scikit-image-default": {}}
WITHIN = 2e-6  # a fifth of what is promised


def test_the_oracle_of_the_camera_under_noise():
    camera = skimage.data.camera()
    noisy = np.clip(camera + 20 * np.random.RandomState(5).randn(512, 512), 0, 255).astype(np.uint8)
    value = ssim(camera[None, ..., None], noisy[None, ..., None], data_range=255)
    np.testing.assert_allclose(value, [0.3579642], atol=1e-6)


@pytest.mark.parametrize("convention", SETTINGS)
@pytest.mark.parametrize("size", [pytest.param((11, 11), marks=pytest.mark.slow), (47, 64)])
def test_ssim_and_its_map_are_scikit_images(convention, size):
    for label, x, y in pairs(size, ("astronaut", "camera")):
        full: Any = structural_similarity(x, y, channel_axis=-1, data_range=255, full=True, **SETTINGS[convention])
        expected, expected_map = full
        value = ssim(x[None], y[None], data_range=255, convention=convention)
        terms = ssim_terms(x[None], y[None], data_range=255, convention=convention)
        np.testing.assert_allclose(value, [expected], atol=WITHIN, err_msg=label)
        np.testing.assert_allclose(terms.ssim, [expected], atol=WITHIN, err_msg=label)
        # A window's own variance carries the rounding that the mean over windows averages out.
        np.testing.assert_allclose(terms.map[0], expected_map, atol=1e-4, err_msg=label)


@pytest.mark.parametrize("scale", [pytest.param(1.0, marks=pytest.mark.slow), 65535.0])
def test_scale_of_the_values_does_not_matter(scale):
    for label, x, y in pairs((48, 50), ("chelsea",)):
        expected = structural_similarity(x, y, channel_axis=-1, data_range=255, **WANG)
        floats = [i[None].astype(np.float64) * (scale / 255) for i in (x, y)]
        np.testing.assert_allclose(ssim(*floats, data_range=scale), [expected], atol=WITHIN, err_msg=label)


@pytest.mark.parametrize(
    "level", [pytest.param(0.02, marks=pytest.mark.slow), 0.5, pytest.param(0.98, marks=pytest.mark.slow)]
)
def test_flat_images_keep_the_digits_that_float32_variances_lose(level):
    rng = np.random.default_rng(0)
    x = np.clip(level + 0.002 * rng.standard_normal((128, 128)), 0, 1).astype(np.float32)
    y = np.clip(x + 0.002 * rng.standard_normal(x.shape), 0, 1).astype(np.float32)
    expected = structural_similarity(x.astype(float), y.astype(float), data_range=1.0, **WANG)
    np.testing.assert_allclose(ssim(x[None, ..., None], y[None, ..., None], data_range=1.0), [expected], atol=2e-7)


@pytest.mark.slow
def test_large_images_go_tile_by_tile_to_the_same_number():
    x = np.tile(photograph("coffee"), (2, 3, 1))
    y = np.random.default_rng(2).integers(-20, 20, x.shape) + x.astype(int)
    y = np.clip(y, 0, 255).astype(np.uint8)
    expected = structural_similarity(x, y, channel_axis=-1, data_range=255, **WANG)
    np.testing.assert_allclose(ssim(x[None], y[None], data_range=255), [expected], atol=WITHIN)


@pytest.mark.parametrize(("height", "width", "margin", "clip"), [(57, 43, 0, False), (30, 83, 3, True)])
def test_tiles_give_the_means_and_gradients_of_the_whole(height, width, margin, clip, monkeypatch):
    rng = np.random.default_rng(4)
    x = jnp.asarray(rng.random((height, width, 2)), jnp.float32)
    y = jnp.asarray(rng.random(x.shape), jnp.float32)

    def weighted(x, y):
        means = losses_by_channel(x, y, gaussian_taps(5, 1.0), 1e-4, 9e-4, clip=clip, margin=margin)
        return means.ssim @ jnp.array([1.0, 2.0]) - 3.0 * means.contrast_structure.sum(), means

    evaluate = jax.value_and_grad(weighted, (0, 1), has_aux=True)
    expected = evaluate(x, y)
    monkeypatch.setattr(_moments_of_windows, "_CACHED_VALUES", 2 * 12**2)
    assert "dynamic_slice" in {each.primitive.name for each in equations(jax.make_jaxpr(evaluate)(x, y))}
    found = jax.jit(evaluate)(x, y)
    for tiled, whole in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(tiled, whole, rtol=2e-5, atol=1e-6)


def test_batches_of_batches_on_a_mesh_with_explicit_axes():
    rng = np.random.default_rng(6)
    x, y = rng.random((2, 4, 2, 16, 17, 3)).astype(np.float32)
    op = functools.partial(ssim, data_range=1.0)
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        placed = jax.device_put((x, y), NamedSharding(mesh, PartitionSpec("batch")))
        found = jax.jit(jax.vmap(op))(*placed)
    np.testing.assert_allclose(
        found, op(x.reshape(8, *x.shape[2:]), y.reshape(8, *y.shape[2:])).reshape(4, 2), rtol=1e-6
    )


def _windows(image, margin_mode=None):
    """Gaussian means in float64 of one plane, where windows fit or with the image continued."""
    at = np.arange(-5, 6)
    taps = np.exp(-(at**2) / 4.5)
    taps /= taps.sum()
    if margin_mode:
        image = np.pad(image, 5, mode=margin_mode)
    means = scipy.ndimage.correlate1d(scipy.ndimage.correlate1d(image, taps, 0), taps, 1)
    return means[5:-5, 5:-5]


def _maps(x, y, peak, margin_mode=None):
    """Luminance, contrast and structure of one plane in float64, straight from the paper."""
    mean_x, mean_y = _windows(x, margin_mode), _windows(y, margin_mode)
    var_x = np.maximum(_windows(x * x, margin_mode) - mean_x**2, 0)
    var_y = np.maximum(_windows(y * y, margin_mode) - mean_y**2, 0)
    covariance = _windows(x * y, margin_mode) - mean_x * mean_y
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    deviations = np.sqrt(var_x * var_y)
    return (
        (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1),
        (2 * deviations + c2) / (var_x + var_y + c2),
        (covariance + c2 / 2) / (deviations + c2 / 2),
    )


@pytest.mark.slow
def test_terms_are_the_papers():
    for label, x, y in pairs((40, 61), ("astronaut",)):
        planes = [_maps(x[..., c].astype(float), y[..., c].astype(float), 255) for c in range(x.shape[-1])]
        luminance, contrast, structure = (np.stack(maps) for maps in zip(*planes, strict=True))
        terms = ssim_terms(x[None], y[None], data_range=255, convention="pytorch-msssim")
        for name, expected in {
            "luminance": luminance.mean(),
            "contrast": contrast.mean(),
            "structure": structure.mean(),
            "contrast_structure": (contrast * structure).mean(),
            "ssim": (luminance * contrast * structure).mean(),
        }.items():
            np.testing.assert_allclose(getattr(terms, name), [expected], atol=5e-6, err_msg=f"{label} {name}")
        assert terms.map.shape == (1, 30, 51, x.shape[-1])


@pytest.mark.slow
def test_torchmetrics_reflects_and_piq_and_pyiqa_prepare():
    for label, x, y in pairs((400, 400), ("coffee",)):
        x, y = x.astype(float), y.astype(float)

        def mean_ssim(x, y, **options):
            maps = [_maps(x[..., c], y[..., c], 255, **options) for c in range(x.shape[-1])]
            return float(np.mean([m[0] * m[1] * m[2] for m in maps]))

        expected: dict[SsimConvention, float] = {"torchmetrics": mean_ssim(x, y, margin_mode="reflect")}
        halves = [i.reshape(200, 2, 200, 2, -1).mean((1, 3)) for i in (x, y)]
        expected["piq"] = mean_ssim(*halves)
        luma = [np.rint(i @ [0.299, 0.587, 0.114] if i.shape[-1] == 3 else i[..., 0]) for i in (x, y)]
        m = _maps(luma[0], luma[1], 255)
        expected["pyiqa"] = float((m[0] * np.maximum(m[1] * m[2], 0)).mean())
        for convention, value in expected.items():
            ours = ssim(x[None], y[None], data_range=255, convention=convention)
            np.testing.assert_allclose(ours, [value], atol=WITHIN, err_msg=f"{label} {convention}")


@pytest.mark.slow
def test_y_channel_and_border_are_cut_first():
    import skimage.color

    for label, x, y in pairs((60, 52), ("astronaut",)):
        planes = [skimage.color.rgb2ycbcr(i[4:-4, 4:-4])[..., 0] for i in (x, y)]
        expected = structural_similarity(*planes, data_range=255, **WANG)
        value = ssim(x[None], y[None], data_range=255, colour="y", crop_border=4)
        np.testing.assert_allclose(value, [expected], atol=WITHIN, err_msg=label)


def _halved(x, convention):
    odd = [s % 2 for s in x.shape]
    if convention in ("pytorch-msssim", "pyiqa"):
        x = np.pad(x, [(o, o) for o in odd])
    if convention == "piq":
        x = np.pad(x, [(max(odd), 0)] * 2, mode="edge")
    if convention == "authors":
        x = np.pad(x, [(0, o) for o in odd], mode="edge")
    height, width = (s // 2 for s in x.shape)
    return x[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))


def _ms_ssim(x, y, convention, weights):
    """MS-SSIM of one image in float64: every channel's factors first."""
    if convention == "pyiqa":
        x, y = (np.rint(i @ [0.299, 0.587, 0.114] if i.shape[-1] == 3 else i[..., 0])[..., None] for i in (x, y))
    factors = []
    for c in range(x.shape[-1]):
        a, b, values = x[..., c], y[..., c], []
        for scale in range(len(weights)):
            if scale:
                a, b = _halved(a, convention), _halved(b, convention)
            luminance, contrast, structure = _maps(a, b, 255, "reflect" if convention == "torchmetrics" else None)
            term = contrast * structure
            if convention == "pyiqa":
                term = np.maximum(term, 0)
            inner = term[5:-5, 5:-5] if convention == "torchmetrics" else term
            values.append(inner.mean() if scale < len(weights) - 1 else (luminance * term).mean())
        factors.append(values)
    factors = np.array(factors)
    if convention == "torchmetrics":
        factors = factors.mean(0, keepdims=True)
    return np.prod(np.maximum(factors, 0) ** np.array(weights), axis=1).mean()


@pytest.mark.slow
@pytest.mark.parametrize("convention", ["pytorch-msssim", "piq", "torchmetrics", "authors", "pyiqa"])
def test_ms_ssim_follows_each_convention_at_odd_sizes(convention):
    for label, x, y in pairs((61, 82), ("chelsea",)):
        expected = _ms_ssim(x.astype(float), y.astype(float), convention, MS_SSIM_WEIGHTS[:3])
        value = ms_ssim(x[None], y[None], data_range=255, convention=convention, weights=MS_SSIM_WEIGHTS[:3])
        np.testing.assert_allclose(value, [expected], atol=WITHIN, err_msg=label)


@pytest.mark.slow
def test_ms_ssim_of_five_scales_and_of_opposite_images():
    x, y = photograph("camera", 162, 171), photograph("moon", 162, 171)
    expected = _ms_ssim(x.astype(float), y.astype(float), "pytorch-msssim", MS_SSIM_WEIGHTS)
    value = ms_ssim(np.stack([x, x]), np.stack([y, 255 - x]), data_range=255)
    np.testing.assert_allclose(value, [expected, 0.0], atol=WITHIN)  # negative terms count as 0, and are no NaN
    assert float(ssim(x[None], 255 - x[None], data_range=255)[0]) < 0
