"""NRQM against pyiqa where that does as the authors' MATLAB does, and SciPy; its forests against scikit-learn."""

import functools
import importlib
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import scipy.integrate
import scipy.io
import scipy.linalg
import scipy.stats
import skimage.color
from compilation import quick_compilation
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import assert_full_precision
from nrqm_models import FEATURES, as_forest, grown, one_split, save_model
from parity_stub import pyiqa_module
from photographs import DISTORTIONS, photograph
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError
from jaxeval.extractors import load_nrqm
from jaxeval.ops.image_quality import ma_statistics
from jaxeval.ops.image_quality.natural_scene import shape_of_ratio

LINEAR = np.array([-1.5, 0.25, 0.5, 0.75])
ENDS = np.cumsum(FEATURES)[:-1]


def gray(name, height=None, width=None):
    return photograph(name, height, width).mean(-1).astype(np.uint8)


def windows_of(plane):
    """Windows of 7 x 7 about squares of 3 x 3, one by one, black beyond the borders."""
    height, width = plane.shape
    padded = np.zeros((height + 10, width + 10))
    padded[2 : 2 + height, 2 : 2 + width] = plane
    return np.array([padded[i : i + 7, j : j + 7] for i in range(0, height, 3) for j in range(0, width, 3)])


@pytest.mark.parametrize("size", [(21, 30), (22, 23), (29, 7)])
def test_transforms_are_scipys(size):
    plane = np.random.default_rng(1).integers(0, 256, size).astype(float)
    expected: Any = scipy.fft.dctn(windows_of(plane / 255), axes=(1, 2), norm="ortho")
    found = np.asarray(ma_statistics._coefficients(jnp.asarray(plane, jnp.float32)), np.float64)
    parts = [expected[:, 1:, 0], expected[:, 0, 1:], expected[:, 1:, 1:].reshape(-1, 36)]
    np.testing.assert_allclose(found.reshape(-1, 48), np.concatenate(parts, axis=1), atol=1e-6)


def test_transforms_are_exactly_0_where_nothing_changes_in_a_direction():
    rng = np.random.default_rng(2)
    down, right = (rng.integers(0, 120, size).astype(np.float32) for size in ((40, 1), (1, 40)))
    inside = np.ix_(range(1, 12), range(1, 12))  # windows without black beyond the borders

    def coefficients(plane):
        found = np.asarray(ma_statistics._coefficients(jnp.asarray(np.broadcast_to(plane, (40, 40)))))
        return np.split(found[inside], [6, 12], axis=-1)

    for plane, some in ((down + 0 * right, (True, False, False)), (right + 0 * down, (False, True, False))):
        assert [bool(part.any()) for part in coefficients(plane)] == list(some)
    of_sum = coefficients(down + right)
    assert [bool(part.any()) for part in of_sum] == [True, True, False]
    # So are the halves of a flat area.
    halved = ma_statistics._halved(jnp.full((40, 40), 173.0))
    assert np.asarray(halved[1:-1, 1:-1] == 173).all()


def test_shapes_are_those_of_generalised_gaussians():
    shapes = np.array([0.25, 0.5, 1.0, 1.437, 2.0, 4.0, 9.0])
    ratios = []
    for shape in shapes:
        law: Any = scipy.stats.gennorm(shape)
        ends = law.ppf([1e-12, 1 - 1e-12])
        deviation = 2 * scipy.integrate.quad(lambda x, law=law: x * law.pdf(x), 0, ends[1], limit=500)[0]
        ratios.append(law.var() / deviation**2)
    np.testing.assert_allclose(shape_of_ratio(jnp.asarray(ratios, jnp.float32)), shapes, atol=1.01e-3)
    np.testing.assert_allclose(shape_of_ratio(jnp.array([0.0, 1e30])), [10, 0.03], rtol=1e-6)


@pytest.mark.parametrize("size", [(84, 90), (101, 63)])
def test_patches_have_scipys_singular_values(size):
    plane = gray("coffee", *size)
    padded = np.zeros([-(-s // 5) * 5 for s in size])
    padded[: size[0], : size[1]] = plane / 255
    corners = np.ndindex(len(padded) // 5, padded.shape[1] // 5)
    blocks = [padded[5 * i : 5 * i + 5, 5 * j : 5 * j + 5].ravel() for i, j in corners]
    found = ma_statistics._of_patches(jnp.asarray(plane, jnp.float32))
    np.testing.assert_allclose(found, scipy.linalg.svdvals(np.array(blocks)), rtol=2e-5)


def test_squares_without_correlation_are_those_of_the_pseudoinverse():
    rng = np.random.default_rng(3)
    mixed = rng.normal(size=(8, 8)) * np.geomspace(1, 1e-5, 8)[:, None]  # variances over ten powers of ten
    values = (mixed @ rng.normal(size=(8, 900))).astype(np.float32)
    values = np.concatenate([values, np.zeros((1, 900), np.float32), values[:1]])  # an empty and a known direction
    exact = values.astype(np.float64)
    inverse = np.linalg.pinv(exact @ exact.T / 900, rcond=1e-13, hermitian=True)
    expected = np.einsum("an,ab,bn->n", exact, inverse, exact)
    found = np.asarray(ma_statistics._uncorrelated_squares(jnp.asarray(values.reshape(10, 30, 30))))
    np.testing.assert_allclose(found.ravel(), expected, rtol=2e-3)
    assert not ma_statistics._uncorrelated_squares(jnp.zeros((3, 4, 5))).any()


@pytest.mark.parametrize("size", [(84, 84), (85, 102)])
def test_filters_of_the_pyramid_divide_all_energy(size):
    filters = ma_statistics._filters(*size)
    passed = filters.high**2 + ((filters.fine * filters.angular) ** 2).sum(0)
    angular = filters.angular[:, filters.down][:, :, filters.right]
    passed[np.ix_(filters.down, filters.right)] += ((filters.coarse * angular) ** 2).sum(0)
    radius = np.hypot(*np.meshgrid(*(2 * np.fft.fftfreq(s) for s in size), indexing="ij"))
    beyond = radius >= 1 / 4  # of the half that the low pass leaves
    np.testing.assert_allclose(passed[beyond], 1, atol=2e-5)
    assert passed[radius < 1 / 8].max() < 1e-6


def means_of_tails(values, largest):
    """A tenth as `1:ceil(0.1 n)` and `fix(0.9 n):end` take it from sorted values, counted from 1."""
    values = np.sort(values)
    tail = values[int(0.9 * len(values)) - 1 :] if largest else values[: math.ceil(0.1 * len(values))]
    return [tail.mean(), values.mean()]


def expected_features(plane):
    """By pyiqa's own functions in float64, given what the authors' MATLAB gives them where pyiqa gives something else.

    pyiqa shifts windows on some sizes, takes other tenths, gives the last orientation a parent, and stretches parents
    to the size of their children, instead of twice their own; its contrast and structure are never negative, for which
    pytorch-msssim's stand in.
    """
    import torch

    module, functions = pyiqa_module("archs.nrqm_arch"), pyiqa_module("matlab_utils")
    similarity: Any = importlib.import_module("pytorch_msssim.ssim")
    taps = torch.from_numpy(scipy.stats.norm.pdf(np.arange(-5, 6), scale=1.5))[None, None, None]

    def alike(a, b):
        a, b = (part.reshape(1, 1, *part.shape[-2:]).contiguous() for part in (a, b))
        return float(similarity._ssim(a, b, 255, taps / taps.sum(), size_average=False)[1])

    image = torch.from_numpy(plane.astype(float))[None, None]
    scales = module.get_gauss_pyramid(image / 255)
    found = []
    for scale in scales:
        transforms = functions.dct2d(torch.from_numpy(windows_of(scale[0, 0].numpy()))[None, :, None])
        found += means_of_tails(module.gamma_dct(transforms)[0].numpy(), False)
        found += means_of_tails(module.coeff_var_dct(transforms)[0].numpy(), True)
        found += means_of_tails(module.oriented_dct_rho(transforms)[0].numpy(), True)
    high, *levels, _ = functions.SCFpyr_PyTorch(height=2, nbands=6, device=image.device).build(image)
    fine, coarse = ([band[..., 0] for band in level] for level in levels)
    parents = [functions.imresize(band, 2.0)[..., : plane.shape[0], : plane.shape[1]] for band in coarse[:5]]
    divided = module.norm_sender_normalized(fine + parents, num_scale=1)
    divided += module.norm_sender_normalized(fine + coarse)[6:]
    flat = [band.reshape(1, -1) for band in divided]
    both = [torch.cat(pair, 1) for pair in zip(flat[:6], flat[6:], strict=True)]
    found += [float(module.gamma_gen_gauss(band)[0]) for band in flat + both]
    found += [alike(functions.imresize(band, sizes=plane.shape), high) for band in fine + coarse]
    found += [alike(divided[i], divided[j]) for i in range(6) for j in range(i + 1, 6)]
    for scale in scales:
        found += list(np.linalg.svd(functions.im2col(scale, 5, "distinct")[0].numpy(), compute_uv=False))
    return np.array(found)


@pytest.mark.parity
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "distortion"),
    [
        ("coffee", (84, 84), "noise"),
        ("chelsea", (97, 250), "noise"),
        ("astronaut", (131, 86), "blur"),
        ("page", (188, 381), "jpeg"),
        ("camera", (200, 200), "blur"),
    ],
)
def test_features_are_pyiqas_given_what_matlab_gives(torch, name, size, distortion):
    plane = DISTORTIONS[distortion](gray(name, *size)[..., None], 3)[..., 0]
    found = np.asarray(iq.nrqm_features(plane[None, ..., None], data_range=255)[0], np.float64)
    expected = expected_features(plane)
    np.testing.assert_allclose(found[:63], expected[:63], rtol=5e-5, atol=1e-6)
    # Of float32 a matrix has the digits of its greatest singular value, about 10 here.
    np.testing.assert_allclose(found[63:], expected[63:], rtol=1e-5, atol=2e-7)
    shapes = slice(18, 36)
    np.testing.assert_allclose(found[shapes], expected[shapes], rtol=1e-6)  # none has gone to the table's next entry


@functools.cache
def features_of_photograph():
    return np.asarray(iq.nrqm_features(photograph("coffee", 210, 220)[None], data_range=255)[0], np.float64)


@functools.cache
def fitted(trees=20):
    kinds = (RandomForestRegressor, ExtraTreesRegressor, RandomForestRegressor)
    parts = np.split(features_of_photograph(), ENDS)
    return [grown(kind, part, trees, seed) for seed, (kind, part) in enumerate(zip(kinds, parts, strict=True))]


@functools.cache
def made_model():
    transforms, pyramid, patches = map(as_forest, fitted())
    return iq.NrqmModel(forests=(transforms, pyramid, patches), linear=LINEAR)


def score_of(features):
    parts = np.split(features, ENDS, axis=-1)
    return LINEAR[0] + sum(w * own.predict(p) for w, own, p in zip(LINEAR[1:], fitted(), parts, strict=True))


@pytest.mark.slow
def test_forests_predict_as_scikit_learns():
    images = np.stack([DISTORTIONS["noise"](photograph("coffee", 210, 220), s) for s in (0.2, 0.5, 1, 2, 4)])
    features = np.asarray(iq.nrqm_features(images, data_range=255), np.float64)
    expected = score_of(features)
    assert len(set(expected)) == len(expected)
    np.testing.assert_allclose(iq.nrqm(images, model=made_model(), data_range=255), expected, rtol=1e-5)


@pytest.mark.parity
@pytest.mark.slow
def test_forests_predict_as_pyiqas_from_the_same_file(torch, tmp_path):
    save_model(tmp_path / "model.mat", made_model())
    module = pyiqa_module("archs.nrqm_arch")
    content: Any = scipy.io.loadmat(tmp_path / "model.mat")["model"]
    images = np.stack([DISTORTIONS["noise"](photograph("coffee", 210, 220), s) for s in (0.3, 3)])
    parts = np.split(np.asarray(iq.nrqm_features(images, data_range=255), np.float64), ENDS, axis=-1)
    expected = LINEAR[0]
    for cell, weight, part in zip(content["rf"][0, 0].ravel(), LINEAR[1:], parts, strict=True):
        arrays = cell[0, 0]
        found = module.random_forest_regression(torch.from_numpy(part), *(arrays[i] for i in (0, 1, 4, 5, 6)))
        expected = expected + weight * found[:, 0].numpy()
    model = load_nrqm(tmp_path / "model.mat")
    np.testing.assert_allclose(iq.nrqm(images, model=model, data_range=255), expected, rtol=1e-5)


def test_a_value_that_is_the_threshold_goes_left():
    with quick_compilation():
        features = np.asarray(iq.nrqm_features(photograph("coffee", 84, 84)[None], data_range=255)[0])
    at, next_below = float(features[20]), float(np.nextafter(features[20], np.float32(0)))
    for threshold, expected in ((at, 2.0), (next_below, 7.0)):
        forests = (one_split(1, 0.0, 0.0, 0.0), one_split(3, threshold, 2.0, 7.0), one_split(1, 0.0, 0.0, 0.0))
        model = iq.NrqmModel(forests=forests, linear=np.array([0.0, 1.0, 1.0, 1.0]))
        assert iq.nrqm(photograph("coffee", 84, 84)[None], model=model, data_range=255) == expected


@pytest.mark.slow
def test_levels_are_whole_and_gray_is_rgb2grays():
    image = photograph("chelsea", 90, 88)[None]
    with quick_compilation():
        expected = np.asarray(iq.nrqm_features(image, data_range=255))
        same = [(image / 255, 1.0), (image.astype(np.uint16) * 257, 65535), (image.astype(np.float16), 255)]
        for values, data_range in [*same, (image + 0.3, 255)]:
            np.testing.assert_array_equal(iq.nrqm_features(values, data_range=data_range), expected)
        weights = np.linalg.inv([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.106, 1.703]])[0]
        plane = np.floor(image @ weights + 0.5)[..., None]
        np.testing.assert_allclose(iq.nrqm_features(plane, data_range=255), expected, rtol=1e-6)


def niqe_model():
    rng = np.random.default_rng(8)
    return iq.NiqeModel(rng.normal(size=36), np.cov(rng.normal(size=(36, 90))), "matlab")


@pytest.mark.slow
def test_the_perceptual_index_is_of_the_luma_within_the_border():
    images = np.stack([photograph(name, 209, 215) for name in ("coffee", "chelsea")])
    models = {"model": made_model(), "niqe_model": niqe_model()}
    luma = np.rint(skimage.color.rgb2ycbcr(images)[..., :1]).astype(np.uint8)
    for border in (0, 4):
        inner = luma[:, border : 209 - border, border : 215 - border]
        nrqm = np.asarray(iq.nrqm(inner, model=models["model"], data_range=255))
        niqe = np.asarray(iq.niqe(inner, model=models["niqe_model"], data_range=255))
        found = iq.perceptual_index(images, **models, data_range=255, crop_border=border)
        np.testing.assert_allclose(found, (10 - nrqm + niqe) / 2, rtol=1e-4)
    by_default = iq.perceptual_index(images, **models, data_range=255)
    np.testing.assert_array_equal(by_default, found)
    np.testing.assert_array_equal(iq.perceptual_index(luma, **models, data_range=255), by_default)
    gradient = jax.grad(lambda x: iq.perceptual_index(x, **models, data_range=255).sum())(images[:1].astype(np.float32))
    # NIQE's alone, which a border has none of.
    assert np.isfinite(gradient).all()
    assert gradient[:, 4:-4, 4:-4].any()
    assert not gradient[:, :4].any()


@pytest.mark.slow
def test_in_every_way_of_running():
    op = functools.partial(iq.nrqm, model=made_model(), data_range=1.0)
    x = np.stack([DISTORTIONS["noise"](photograph("coffee", 84, 100), s) for s in (1, 2, 3, 4)]) / np.float32(255)
    x = x.astype(np.float32)
    expected = np.array(op(x))

    def on_mesh(op, x):
        mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Explicit,))
        with jax.set_mesh(mesh):
            return jax.jit(op)(jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch"))))

    for run in (lambda op, x: jax.vmap(op)(x[:, None])[:, 0], on_mesh):
        with quick_compilation():
            values = run(op, x)
        np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert_full_precision(op, x, at_least=10)
    # Steps have no slopes.
    with quick_compilation():
        assert not jax.jit(jax.grad(lambda x: op(x).sum()))(x[:1]).any()
    x[1, 3, 4] = expected[1] = np.nan
    np.testing.assert_allclose(jax.jit(op)(x), expected, rtol=1e-5)


def test_images_without_texture_have_a_value():
    images = np.stack([np.full((84, 84, 1), level, np.uint8) for level in (0, 90, 255)])
    with quick_compilation():
        features = np.asarray(iq.nrqm_features(images, data_range=255))
    assert np.isfinite(features).all()
    np.testing.assert_allclose(features[0, :18].reshape(3, 6), [[10, 10, 0, 0, 0, 0]] * 3)
    np.testing.assert_allclose(features[:, 18:36], 10)
    np.testing.assert_allclose(features[:, 36:63], 1, rtol=1e-6)


def test_what_is_refused():
    model = made_model()
    with pytest.raises(InputError, match="nrqm: x has images of 83 x 90 pixels; at least 84 x 84 are needed"):
        iq.nrqm(np.zeros((1, 83, 90, 3), np.uint8), model=model, data_range=255)
    with pytest.raises(InputError, match="nrqm_features: x has 2 channels; 1 or 3 expected"):
        iq.nrqm_features(np.zeros((1, 90, 90, 2), np.uint8), data_range=255)
    with pytest.raises(InputError, match="data_range is missing"):
        iq.nrqm(np.zeros((1, 90, 90, 3), np.uint8), model=model)
    images = np.zeros((1, 200, 300, 3), np.uint8)
    with pytest.raises(InputError, match="crop_border=4 leaves 192 of 200 pixels; at least 193"):
        iq.perceptual_index(images, model=model, niqe_model=niqe_model(), data_range=255)
    other = iq.NiqeModel(np.zeros(36), np.eye(36), "scikit-video")
    with pytest.raises(InputError, match=r"niqe_model.convention='scikit-video' is unknown; one of matlab"):
        iq.perceptual_index(images, model=model, niqe_model=other, data_range=255, crop_border=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"left": np.array([[2], [0]])}, r"arrays of shapes \(2, 1\), \(3, 1\)"),
        ({"threshold": np.array([[np.nan], [0], [0]])}, "not finite"),
        ({"right": np.array([[0], [0], [0]])}, "one daughter"),
        ({"right": np.array([[4], [0], [0]])}, "not there"),
        ({"left": np.array([[1], [0], [0]])}, "comes before it"),
        ({"attribute": np.array([[0], [0], [0]])}, "below 1"),
    ],
)
def test_forests_that_are_none(change, message):
    sound = one_split(1, 0.5, 2.0, 7.0)
    arrays = {name: getattr(sound, name) for name in ("left", "right", "attribute", "threshold", "value")}
    with pytest.raises(InputError, match=f"NrqmForest: .*{message}"):
        iq.NrqmForest(**{**arrays, **change})


def test_models_that_are_none():
    forests = tuple(one_split(count, 0.5, 2.0, 7.0) for count in FEATURES)
    for changed, message in (
        ({"linear": np.zeros(3)}, r"linear of shape \(3,\)"),
        ({"linear": np.full(4, np.inf)}, "not finite"),
        ({"forests": (one_split(19, 0.5, 2.0, 7.0), *forests[1:])}, "feature 19 of 18"),
    ):
        with pytest.raises(InputError, match=f"NrqmModel: .*{message}"):
            iq.NrqmModel(**{"forests": forests, "linear": LINEAR, **changed})
