"""IL-NIQE against its procedure written out in float64 with NumPy and SciPy, and against pyiqa."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
import scipy.ndimage
import scipy.special
import scipy.stats
from compilation import quick_compilation
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import assert_full_precision
from parity_stub import pyiqa_module, torchvision_stub
from photographs import DISTORTIONS, photograph

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError
from jaxeval.ops.image_quality._ilniqe import _weibull
from jaxeval.ops.image_quality.resampling import resized_in_levels

GAMMA = scipy.special.gamma
SHAPES = np.arange(0.2, 10.001, 0.001)
RATIOS = GAMMA(2 / SHAPES) ** 2 / (GAMMA(1 / SHAPES) * GAMMA(3 / SHAPES))
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
EPSILON = np.finfo(float).eps


def cubic_weights(size, to):
    scale = to / size
    shrink = min(scale, 1.0)
    weights = np.zeros((to, size))
    for row in range(to):
        at = (row + 0.5) / scale - 0.5
        for tap in range(int(np.floor(at - 2 / shrink)), int(np.ceil(at + 2 / shrink)) + 1):
            d = abs(at - tap) * shrink
            w = 1.5 * d**3 - 2.5 * d**2 + 1 if d <= 1 else -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0
            inside = tap % (2 * size)
            weights[row, min(inside, 2 * size - 1 - inside)] += w
    return weights / weights.sum(1, keepdims=True)


def resized(image, to):
    """MATLAB's imresize of 8 bits: the longer side first, whole levels after each pass, halves upwards."""
    for axis in sorted((0, 1), key=lambda axis: -image.shape[axis]):
        values = np.tensordot(cubic_weights(image.shape[axis], to), image, (1, axis))
        image = np.moveaxis(np.clip(np.floor(values + 0.5 + 1e-6), 0, 255), 0, axis)
    return image


def skewed(values):
    left, right = np.sqrt(np.mean(values[values < 0] ** 2)), np.sqrt(np.mean(values[values > 0] ** 2))
    r = left / right
    flat = np.mean(np.abs(values)) ** 2 / np.mean(values**2) * (r**3 + 1) * (r + 1) / (r**2 + 1) ** 2
    shape = SHAPES[np.argmin((RATIOS - flat) ** 2)]
    scale = np.sqrt(GAMMA(1 / shape) / GAMMA(3 / shape))
    return shape, left * scale, right * scale


def weibull(values):
    found: Any = scipy.stats.weibull_min.fit(values, floc=0)
    return found[2], found[0]


def slopes(plane, sigma):
    at = np.arange(-np.ceil(3 * sigma), np.ceil(3 * sigma) + 1)
    bell = np.exp(-(at**2) / (2 * sigma**2))

    def pass_(values, taps, axis):
        return scipy.ndimage.convolve1d(values, taps, axis, mode="constant")

    return pass_(pass_(plane, bell, 0), at * bell, 1), pass_(pass_(plane, bell, 1), at * bell, 0)


def gaussian(size, sigma):
    at = np.arange(size) - (size - 1) / 2
    return np.exp(-(at**2) / (2 * sigma**2)) / np.exp(-(at**2) / (2 * sigma**2)).sum()


def blurred(plane, taps, origin=0):
    for axis in (0, 1):
        plane = scipy.ndimage.correlate1d(plane, taps, axis, mode="nearest", origin=origin)
    return plane


def features_of_scale(levels, scale, wanted):
    """The features of the blocks that are wanted, by number."""
    colours = np.array([[0.3, 0.04, -0.35], [0.34, -0.6, 0.17], [0.06, 0.63, 0.27]])
    opponents = np.tensordot(colours, levels, (1, 0))
    luma = opponents[2]
    local = blurred(luma, gaussian(5, 5 / 6))
    structure = (luma - local) / (np.sqrt(np.abs(blurred(luma**2, gaussian(5, 5 / 6)) - local**2)) + 1)
    sigma = 1.66 / scale**0.28
    logs = np.log(levels + 1e-5)
    red, green, blue = logs - logs.mean((1, 2), keepdims=True)
    mixes = ((red + green + blue) / 3**0.5, (red + green - 2 * blue) / 6**0.5, (red - green) / 2**0.5)
    frequencies = np.fft.fftfreq(len(luma))
    radius, angle = np.hypot(*np.meshgrid(frequencies, frequencies)), np.arctan2(-frequencies[:, None], frequencies)
    radius[0, 0] = 1
    responses = []
    for number in range(3):
        centre = scale**0.87 / (2.4 * 1.31**number)
        radial = np.exp(-(np.log(radius / centre) ** 2) / (2 * np.log(0.55) ** 2))
        radial[0, 0] = 0
        for orientation in range(4):
            apart = np.angle(np.exp(1j * (angle - orientation * np.pi / 4)))
            spread = np.exp(-(apart**2) / (2 * (np.pi / 4.4) ** 2))
            found = np.fft.ifft2(radial * spread * np.fft.fft2(luma))
            responses += [found.real, found.imag]
    of_opponents, of_responses = ([slopes(p, sigma) for p in planes] for planes in (opponents, responses))
    side = 84 // scale
    rows = []
    for number in wanted:
        top, start = number // 6 * side, number % 6 * side

        def block(plane, top=top, start=start):
            return plane[top : top + side, start : start + side].ravel()

        own = structure[top : top + side, start : start + side]
        shape, left, right = skewed(own)
        row = [shape, (left + right) / 2]
        for shift in SHIFTS:
            shape, left, right = skewed(own * np.roll(own, shift, (0, 1)))
            row += [shape, (right - left) * GAMMA(2 / shape) / GAMMA(1 / shape), left, right]
        row += [v for pair in of_opponents for v in weibull(block(np.hypot(*pair)) + EPSILON)]
        row += [v for mix in mixes for v in (block(mix).mean(), block(mix).var(ddof=1))]
        for plane in [*(p for s in of_opponents for p in s), *responses, *(p for s in of_responses for p in s)]:
            shape, left, right = skewed(block(plane))
            row += [shape, (left + right) / 2]
        row += [v for pair in of_responses for v in weibull(block(np.hypot(*pair)) + EPSILON)]
        rows.append(row)
    return np.array(rows)


def features_of(image, wanted=tuple(range(36))):
    levels = np.moveaxis(resized(image.astype(float), 524)[:504, :504], -1, 0)
    halved = np.stack([blurred(p, gaussian(6, 0.9), -1)[::2, ::2] for p in levels])
    return np.concatenate([features_of_scale(levels, 1, wanted), features_of_scale(halved, 2, wanted)], axis=1)


def score_of(features, model):
    components = (features - model.centre) @ model.components
    whole = np.isfinite(components).all(1)
    components = np.where(whole[:, None], components, components[whole].mean(0))
    inverse = np.linalg.pinv((model.covariance + np.cov(components[whole].T)) / 2)
    apart = components - model.mean
    return np.sqrt(((apart @ inverse) * apart).sum(1)).mean()


def noisy(name, height=None, width=None, strength=1):
    """A photograph without flat areas, where rounding errors would decide."""
    image = DISTORTIONS["noise"](photograph(name, height, width), strength)
    return np.broadcast_to(image, (*image.shape[:2], 3))


@functools.cache
def features_of_photograph():
    return np.asarray(iq.ilniqe_features(noisy("coffee")[None], data_range=255)[0], np.float64)


def made_model(seed=5, count=40):
    """Random components of features of one size, and statistics about a photograph's."""
    rng = np.random.default_rng(seed)
    features = features_of_photograph()
    size = features.std(0) + 0.05 * np.abs(features).mean(0) + 1e-3
    components = np.linalg.qr(rng.normal(size=(468, count)))[0] / size[:, None]
    spread = rng.normal(size=(3 * count, count)) * np.geomspace(0.1, 10, count)
    return iq.IlniqeModel(
        mean=rng.normal(size=count),
        covariance=np.cov(spread.T),
        centre=features.mean(0),
        components=components,
    )


@pytest.mark.parametrize(
    ("size", "of_halves"), [((30, 40), True), ((40, 30), False), ((32, 32), True), ((24, 96), True), ((90, 61), False)]
)
def test_levels_are_whole_after_each_pass_as_matlabs(size, of_halves):
    image = np.random.default_rng(2).integers(0, 256, (*size, 3))
    image[:8] = 255
    found = np.asarray(resized_in_levels(jnp.asarray(image, np.float32), 48))
    np.testing.assert_array_equal(found, resized(image.astype(float), 48))
    values = np.tensordot(cubic_weights(size[1], 48), image.astype(float), (1, 1))
    halves = np.abs(values - np.floor(values) - 0.5) < 1e-9
    assert halves.any() == of_halves


def test_weibull_fits_are_the_likeliest():
    rng = np.random.default_rng(3)
    samples = [scale * rng.weibull(shape, 400) for scale, shape in ((1.0, 0.3), (40.0, 1.0), (2e-4, 3.0), (5.0, 20.0))]
    samples.append(np.where(rng.random(400) < 0.4, EPSILON, 3.0 + rng.random(400)))  # as beside a flat area
    samples.append(np.r_[1.0, np.full(399, 1e-3)])
    samples.append(np.r_[1e-9, np.full(399, 1.0)])
    found = np.asarray(_weibull(jnp.asarray(np.stack(samples), np.float32)), np.float64)
    for (scale, shape), sample in zip(found, np.stack(samples).astype(np.float32), strict=True):
        y = np.log(sample.astype(np.float64))
        weights = np.exp(shape * (y - y.max()))
        # Where the likelihood's slope is 0: the scatter of log x is of the order of 1 / shape.
        assert abs(shape * ((weights * y).sum() / weights.sum() - y.mean()) - 1) < 1e-4
        np.testing.assert_allclose(scale, np.mean(sample.astype(np.float64) ** shape) ** (1 / shape), rtol=2e-5)
    constant = _weibull(jnp.full((1, 400), 0.25))
    np.testing.assert_allclose(constant, [[0.25, 1e4]], rtol=1e-6)
    np.testing.assert_allclose(found[1], weibull(samples[1]), rtol=1e-3)  # as far as SciPy's search goes


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("chelsea", (300, 451)), ("astronaut", (512, 512)), ("camera", (600, 300))])
def test_features_are_the_procedures(name, size):
    image = noisy(name, *(min(s, 512) for s in size))
    found = np.asarray(iq.ilniqe_features(image[None], data_range=255)[0], np.float64)
    wanted = (0, 5, 14, 21, 35)
    expected = features_of(image, wanted)
    # A shape that float32 rounds to the next entry of the table moves by 0.001, and what is made of it a little.
    np.testing.assert_allclose(found[list(wanted)], expected, rtol=2e-3, atol=1.1e-3)
    assert np.median(np.abs(found[list(wanted)] - expected) / (1e-3 + np.abs(expected))) < 1e-6


@pytest.mark.slow
def test_the_score_is_the_procedures():
    model = made_model()
    image = noisy("chelsea")
    expected = score_of(features_of(image), model)
    np.testing.assert_allclose(iq.ilniqe(image[None], model=model, data_range=255), [expected], rtol=1e-4)
    # Blocks without texture count as the mean of the others: here a quarter, and then all.
    image = np.array(noisy("astronaut"))
    image[:200, :400] = 90
    features = np.asarray(iq.ilniqe_features(image[None], data_range=255)[0], np.float64)
    assert 4 <= (~np.isfinite(features)).any(1).sum() < 18
    image = np.stack([image, np.full_like(image, 70)])
    found = iq.ilniqe(image, model=model, data_range=255)
    np.testing.assert_allclose(found[0], score_of(features, model), rtol=1e-5)
    assert np.isnan(found[1])


@pytest.mark.slow
def test_in_every_way_of_running():
    model = made_model()
    op = functools.partial(iq.ilniqe, model=model, data_range=1.0)
    x = np.stack([noisy("chelsea", 40, 60, s) for s in (1, 2, 3, 4)]).astype(np.float32) / 255
    expected = np.array(op(x))
    np.testing.assert_array_equal(iq.ilniqe(np.rint(255 * x).astype(np.uint8), model=model, data_range=255), expected)

    def on_mesh(op, x):
        mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Explicit,))
        with jax.set_mesh(mesh):
            return jax.jit(op)(jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch"))))

    for run in (lambda op, x: jax.vmap(op)(x[:, None])[:, 0], on_mesh):
        with quick_compilation():
            values = run(op, x)
        np.testing.assert_allclose(values, expected, rtol=1e-3)
    with quick_compilation():
        gradient = jax.jit(jax.grad(lambda x: op(x).sum()))(x[:1])
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    assert_full_precision(op, x)
    x[1, 3, 4] = expected[1] = np.nan
    np.testing.assert_allclose(jax.jit(op)(x), expected, rtol=1e-3)


def test_what_is_refused():
    shapes: dict[str, Any] = {
        "mean": np.zeros(4),
        "covariance": np.eye(4),
        "centre": np.zeros(468),
        "components": np.eye(468, 4),
    }
    model = iq.IlniqeModel(**shapes)
    with pytest.raises(InputError, match="ilniqe: x has 1 channels; 3 expected"):
        iq.ilniqe(np.zeros((1, 90, 90, 1), np.uint8), model=model, data_range=255)
    with pytest.raises(InputError, match="data_range is missing"):
        iq.ilniqe(np.zeros((1, 90, 90, 3), np.uint8), model=model)
    for change, message in (
        ({"centre": np.zeros(467)}, r"centre of shape \(467,\) and components of \(468, 4\)"),
        ({"components": np.eye(467, 4)}, r"components of \(467, 4\); \(468,\) and \(468, K\)"),
        ({"mean": np.zeros(5)}, r"mean of shape \(5,\) and covariance of \(4, 4\)"),
        ({"covariance": np.full((4, 4), np.nan)}, "not finite"),
    ):
        with pytest.raises(InputError, match=message):
            iq.IlniqeModel(**{**shapes, **change})


@pytest.mark.parity
@pytest.mark.slow
def test_the_score_is_pyiqas(tmp_path):
    import torch

    torchvision_stub()
    model = made_model()
    cells = np.empty((1, 4), object)
    cells[0] = [model.mean[None], model.covariance, model.centre[:, None], model.components]
    scipy.io.savemat(tmp_path / "model.mat", {"templateModel": cells})
    theirs = pyiqa_module("archs.niqe_arch").ILNIQE(pretrained_model_path=str(tmp_path / "model.mat"))
    for strength in (1, 4):
        # Of the size that images are brought to: pyiqa's do not become whole levels, as MATLAB's do.
        image = np.array(DISTORTIONS["noise"](np.tile(photograph("chelsea", 262, 262), (2, 2, 1)), strength))
        expected = float(theirs(torch.from_numpy(image.transpose(2, 0, 1)[None].copy()).float() / 255))
        np.testing.assert_allclose(iq.ilniqe(image[None], model=model, data_range=255), [expected], rtol=1e-3)
