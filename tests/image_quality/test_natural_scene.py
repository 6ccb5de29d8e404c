"""BRISQUE and NIQE against their procedures written out in float64 with SciPy, and against piq and scikit-video."""

import functools
import importlib
import types
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
import scipy.io
import scipy.ndimage
import scipy.optimize
import scipy.special
from compilation import quick_compilation
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import assert_full_precision
from parity_stub import torchvision_stub
from photographs import DISTORTIONS, photograph
from PIL import Image
from sklearn.metrics.pairwise import rbf_kernel

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError, WeightsError
from jaxeval.extractors import load_brisque, load_niqe
from jaxeval.ops.image_quality import NiqeModel

GAMMA = scipy.special.gamma
AT = np.arange(-3, 4)
TAPS = np.exp(-(AT**2) / (2 * (7 / 6) ** 2))
TAPS /= TAPS.sum()
SHAPES = np.arange(0.2, 10.001, 0.001)
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))


def ratio(shape):
    return GAMMA(2 / shape) ** 2 / (GAMMA(1 / shape) * GAMMA(3 / shape))


FLAT = {"neither": 0.0, "left": -1e-14, "right": 1e-14}


def mscn(plane, mode, flat="neither"):
    def mean(values):
        return scipy.ndimage.correlate1d(scipy.ndimage.correlate1d(values, TAPS, 0, mode=mode), TAPS, 1, mode=mode)

    local = mean(plane)
    difference = np.where(np.abs(plane - local) < 1e-9, FLAT[flat], plane - local)  # 0, but for rounding
    return difference / (np.sqrt(np.abs(mean(plane**2) - local**2)) + 1)


def fit(values, package):
    """Shape and both deviations: by a root finder with zeros to the right (`package`), or on the authors' grid."""
    right = values[values >= 0] if package else values[values > 0]
    left, right = np.sqrt(np.mean(values[values < 0] ** 2)), np.sqrt(np.mean(right**2))
    r = left / right
    flat = np.mean(np.abs(values)) ** 2 / np.mean(values**2) * (r**3 + 1) * (r + 1) / (r**2 + 1) ** 2
    if package:
        root: Any = scipy.optimize.brentq(lambda shape: ratio(shape) - flat, 0.15, 20)
        return float(root), left, right
    return SHAPES[np.argmin((ratio(SHAPES) - flat) ** 2)], left, right


def scale(shape):
    return np.sqrt(GAMMA(1 / shape) / GAMMA(3 / shape))


def cubic_half(plane, mirror):
    """Bicubic with antialiasing to half the size: MATLAB's, or without what is beyond the edges, Pillow's."""
    for axis in (0, 1):
        size = plane.shape[axis]
        to = -(-size // 2) if mirror else size // 2
        weights = np.zeros((to, size))
        for row in range(to):
            for tap in range(2 * row - 6, 2 * row + 8):
                d = abs(tap - (2 * row + 0.5)) / 2
                w = 1.5 * d**3 - 2.5 * d**2 + 1 if d <= 1 else -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0
                inside = tap if 0 <= tap < size else (-1 - tap if tap < 0 else 2 * size - 1 - tap)
                if mirror or 0 <= tap < size:
                    weights[row, inside] += w
        weights /= weights.sum(1, keepdims=True)
        plane = np.moveaxis(np.tensordot(weights, plane, (1, axis)), 0, axis)
    return plane


def authors_brisque_features(plane, flat):
    features = []
    for _ in range(2):
        m = mscn(plane, "constant", flat)
        square = np.mean(m**2)
        features += [SHAPES[np.argmin(np.abs(1 / ratio(SHAPES) - square / np.mean(np.abs(m)) ** 2))], square]
        for shift in SHIFTS:
            shape, left, right = fit(m * np.roll(m, shift, (0, 1)), package=False)
            mean = (right - left) * scale(shape) * GAMMA(2 / shape) / GAMMA(1 / shape)
            features += [shape, mean, left**2, right**2]
        plane = cubic_half(plane, mirror=True)
    return np.array(features)


def package_brisque_features(image):
    plane = image.astype(float) @ [0.2125, 0.7154, 0.0721] if image.shape[-1] == 3 else image[..., 0].astype(float)
    features = []
    for scale_number in range(2):
        if scale_number:
            for axis in (0, 1):
                to = round(plane.shape[axis] / 2)
                padded = np.pad(plane, [(1, 3) if i == axis else (0, 0) for i in range(2)], mode="edge")
                taken = [np.take(padded, 2 * np.arange(to) + i, axis) for i in range(4)]
                plane = -0.09375 * (taken[0] + taken[3]) + 0.59375 * (taken[1] + taken[2])
        m = mscn(plane, "constant")
        shape, left, right = fit(m, package=True)
        features += [shape, (left**2 + right**2) / 2]
        for product in (m[:, :-1] * m[:, 1:], m[:-1] * m[1:], m[:-1, :-1] * m[1:, 1:], m[1:, :-1] * m[:-1, 1:]):
            shape, left, right = fit(product, package=True)
            mean = (right - left) * scale(shape) * GAMMA(2 / shape) / GAMMA(1 / shape)
            features += [shape, mean, left**2, right**2]
    return np.array(features)


def niqe_features(plane, convention, flat="neither"):
    matlab = convention == "matlab"
    height, width = (s // 96 * 96 for s in plane.shape)
    plane = plane[:height, :width]
    parts = []
    for values, side in ((plane, 96), (cubic_half(plane, matlab), 48)):
        m = mscn(values, "nearest" if matlab else "constant", flat)
        rows = []
        for i in range(0, m.shape[0], side):
            for j in range(0, m.shape[1], side):
                block = m[i : i + side, j : j + side]
                shape, left, right = fit(block, package=False)
                row = [shape, scale(shape) * (left + right) / 2]
                for number, shift in enumerate(SHIFTS):
                    shape, left, right = fit(block * np.roll(block, shift, (0, 1)), package=False)
                    left, right = left * scale(shape), right * scale(shape)
                    mean = (right - left) * GAMMA(2 / shape) / GAMMA(1 / shape)
                    row += [shape, mean, left, right if matlab or number < 2 else left]
                rows.append(row)
        parts.append(rows)
    return np.concatenate(parts, axis=1)


def niqe_of(features, model):
    shift = features.mean(0) - model.mean
    return np.sqrt(shift @ np.linalg.pinv((model.covariance + np.cov(features.T)) / 2) @ shift)


def noisy(height=197, width=203, name="chelsea", strength=1):
    """A photograph without flat areas, where the sign of rounding errors would decide what lies left and right."""
    return DISTORTIONS["noise"](photograph(name, height, width), strength)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Made models of both measures: a covariance far from round, and a regression of 40 vectors."""
    rng = np.random.default_rng(3)
    features = np.concatenate([niqe_features(noisy(288, 288, n)[..., 0].astype(float), "matlab") for n in ("coffee",)])
    spread = np.cov(features.T) + np.diag(features.std(0) ** 2 + 1e-8)
    folder = tmp_path_factory.mktemp("models")
    scipy.io.savemat(folder / "niqe.mat", {"mu_prisparam": features.mean(0)[None], "cov_prisparam": spread})
    support, coefficients = rng.uniform(-1, 1, (40, 36)), rng.normal(size=40) * 100
    lines = [
        f"{c:.17g} " + " ".join(f"{i + 1}:{v:.17g}" for i, v in enumerate(s))
        for c, s in zip(coefficients, support, strict=True)
    ]
    head = "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.05\nnr_class 2\ntotal_sv 40\nrho -50.5\nSV\n"
    (folder / "model").write_text(head + "\n".join(lines) + "\n")
    (folder / "range").write_text("x\n-1 1\n" + "".join(f"{i + 1} {-0.5 - i / 90} {1.5 + i / 20}\n" for i in range(36)))
    return types.SimpleNamespace(
        folder=folder, features=features, covariance=spread, support=support, coefficients=coefficients
    )


@pytest.mark.slow
def test_brisque_is_the_packages_procedure(models):
    image = noisy(61, 84)
    found = np.asarray(iq.brisque_features(image[None], data_range=255, convention="brisque")[0], np.float64)
    expected = package_brisque_features(image)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    model = load_brisque(models.folder / "model", ranges=models.folder / "range", convention="brisque")
    scaled = 2 * (expected - model.low) / (model.high - model.low) - 1
    score = rbf_kernel(scaled[None], models.support, gamma=0.05) @ models.coefficients + 50.5
    np.testing.assert_allclose(iq.brisque(image[None], model=model, data_range=255), score, atol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("convention", ["matlab", "scikit-video"])
def test_niqe_is_the_procedure(models, convention):
    plane = noisy()[..., 1]
    found = np.asarray(iq.niqe_features(plane[None, ..., None], data_range=255, convention=convention)[0], np.float64)
    expected = niqe_features(plane.astype(float), convention)
    # A shape that float32 rounds to the next entry of the table moves by 0.001, and what is made of it a little.
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1.1e-3)
    assert np.median(np.abs(found - expected)) < 1e-6
    model = NiqeModel(models.features.mean(0), models.covariance, convention)
    value = iq.niqe(plane[None, ..., None], model=model, data_range=255)
    np.testing.assert_allclose(value, [niqe_of(expected, model)], rtol=1e-3)


def with_flat_areas(height, width):
    """A photograph with a clipped sky, a black bar and a few flat squares: a third of it."""
    image = noisy(height, width)[..., 1].copy()
    image[: height // 5] = 255
    image[-height // 8 :] = 0
    image[height // 2 : height // 2 + 30, 20:50] = 93
    return image


@pytest.mark.slow
@pytest.mark.parametrize("flat", FLAT)
def test_flat_pixels_count_to_the_side_that_is_named(flat):
    plane = with_flat_areas(193, 200)
    # A shape that float32 rounds to the next entry of the table moves by 0.001, and what is made of it a little.
    within: Any = {"rtol": 2e-3, "atol": 1.1e-3}
    for convention in ("matlab", "scikit-video"):
        found = iq.niqe_features(plane[None, ..., None], data_range=255, convention=convention, flat_pixels=flat)
        expected = niqe_features(plane.astype(float), convention, flat)
        finite = np.isfinite(expected).all(1)
        np.testing.assert_allclose(np.asarray(found[0])[finite], expected[finite], **within)
    odd = plane[:101, :87]
    found = iq.brisque_features(odd[None, ..., None], data_range=255, flat_pixels=flat)
    np.testing.assert_allclose(found[0], authors_brisque_features(odd.astype(float), flat), **within)


@pytest.mark.slow
def test_zeros_of_the_packages_count_to_the_right():
    plane = with_flat_areas(101, 87)
    found = iq.brisque_features(plane[None, ..., None], data_range=255, convention="brisque")
    expected = package_brisque_features(plane[..., None])
    np.testing.assert_allclose(found[0], expected, rtol=2e-5, atol=2e-6)
    aside = iq.brisque_features(plane[None, ..., None], data_range=255, convention="brisque", flat_pixels="right")
    assert not np.allclose(aside[0], expected, rtol=1e-2)  # a product with a rounding error has a sign


@pytest.mark.parity
@pytest.mark.slow
def test_brisque_features_are_piqs():
    import torch

    torchvision_stub()
    piq = importlib.import_module("piq.brisque")
    # Even sides: of odd ones piq drops half a pixel where MATLAB's imresize keeps it.
    for image in (noisy(98, 120), noisy(64, 82, "camera")):
        x = torch.from_numpy(image.transpose(2, 0, 1)[None].copy()).double()
        if x.shape[1] == 3:
            # Some pixels' luma lies exactly between two whole numbers: which of them piq's float64 product rounds to
            # hangs on the processor's instructions, so the thousandths are mixed, and halves rounded to even, exactly.
            thousandths = (image.astype(np.int64) @ [299, 587, 114])[None, None]
            torch.testing.assert_close(piq.rgb2yiq(x)[:, :1], torch.from_numpy(thousandths / 1000), rtol=1e-12, atol=0)
            assert (thousandths % 1000 == 500).any()
            x = torch.from_numpy(np.round(thousandths / 1000))
        expected = []
        for _ in range(2):
            expected.append(piq._natural_scene_statistics(x, 7, 7 / 6).flatten())
            x = piq.imresize(x, sizes=(x.shape[2] // 2, x.shape[3] // 2))
        expected = torch.cat(expected).numpy()
        found = np.asarray(iq.brisque_features(image[None], data_range=255)[0], np.float64)
        # Shapes may be one entry of the table apart.
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1.1e-3)
        assert np.median(np.abs(found - expected)) < 1e-6


@pytest.mark.parity
@pytest.mark.slow
def test_niqe_and_its_model_are_scikit_videos(monkeypatch, tmp_path):
    def imresize(image, share, interp, mode):
        assert (interp, mode) == ("bicubic", "F")
        size = int(image.shape[1] * share), int(image.shape[0] * share)
        return np.asarray(Image.fromarray(image.astype(np.float32), mode="F").resize(size, Image.Resampling.BICUBIC))

    # What its code of 2018 calls is gone from NumPy and SciPy.
    for name, kind in (("int", int), ("float", float), ("bool", bool)):
        monkeypatch.setattr(np, name, kind, raising=False)
    monkeypatch.setitem(importlib.import_module("sys").modules, "scipy.misc", types.SimpleNamespace(imresize=imresize))
    monkeypatch.setattr(scipy, "misc", types.SimpleNamespace(imresize=imresize), raising=False)
    theirs = importlib.import_module("skvideo.measure.niqe")
    model = load_niqe(weights_dir=tmp_path)
    for image in (noisy(name="camera"), noisy(name="camera", strength=4)):
        expected = theirs.niqe(image[None])
        np.testing.assert_allclose(iq.niqe(image[None], model=model, data_range=255), expected, rtol=1e-4)


@pytest.mark.parity
def test_the_packaged_regression_is_its_file(tmp_path):
    model = load_brisque(weights_dir=tmp_path)
    assert (model.support.shape, model.gamma, model.rho) == ((770, 36), 0.05, -155.845)
    assert abs(model.coefficients.sum()) < 1e-6  # as the optimum of a support vector regression has it


def _on_mesh(axis_type):
    def run(op, x):
        mesh = jax.make_mesh((4,), ("batch",), axis_types=(axis_type,))
        with jax.set_mesh(mesh):
            return jax.jit(op)(jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch"))))

    return run


@pytest.mark.slow
def test_brisque_in_every_way_of_running(models):
    model = load_brisque(models.folder / "model", ranges=models.folder / "range", convention="brisque")
    op = functools.partial(iq.brisque, model=model, data_range=1.0)
    x = np.stack([noisy(24, 30, strength=s) for s in (1, 2, 3, 4)]).astype(np.float32) / 255
    expected = np.array(op(x))
    assert expected.shape == (4,)
    for run in (
        lambda op, x: jax.vmap(op)(x.reshape(2, 2, *x.shape[1:])).reshape(-1),
        _on_mesh(AxisType.Explicit),
    ):
        with quick_compilation():
            values = run(op, x)
        np.testing.assert_allclose(values, expected, atol=1e-2)
    assert_full_precision(op, x)
    half = x.astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(op(half), op(half.astype(np.float32)))
    x[1, 3, 4] = expected[1] = np.nan
    np.testing.assert_allclose(jax.jit(op)(x), expected, atol=1e-2)
    for call, message in (
        (lambda: op(x), "brisque: x has 3 values that are not finite"),
        (lambda: iq.brisque(x, model=model), "data_range is missing"),
        (lambda: iq.brisque(np.nan_to_num(255 * x), model=model, data_range=1.0), "does not fit"),
        (lambda: op(x[:, :15]), "at least 16 x 16"),
    ):
        with pytest.raises(InputError, match=message):
            call()


@pytest.mark.slow
def test_niqe_in_every_way_of_running(models):
    model = load_niqe(models.folder / "niqe.mat")
    op = functools.partial(iq.niqe, model=model, data_range=255)
    x = np.stack([noisy(193, 193, strength=s)[..., :1] for s in (1, 2, 3, 4)]).astype(np.float32)
    expected = np.array(op(x))
    assert expected.shape == (4,)
    for run in (lambda op, x: jax.vmap(op)(x[:, None])[:, 0], _on_mesh(AxisType.Explicit)):
        with quick_compilation():
            values = run(op, x)
        np.testing.assert_allclose(values, expected, rtol=1e-4)
    with quick_compilation():
        gradient = jax.jit(jax.grad(lambda x: op(x).sum()))(x[:1])
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    # Blocks without texture do not count: of four, three are left, and then none.
    x[:1, :100, :100], x[1] = 7.0, 9.0
    features = niqe_features(x[0, ..., 0].astype(float), "matlab")[1:]
    values = op(x)
    np.testing.assert_allclose(values[0], niqe_of(features, model), rtol=1e-3)
    assert np.isnan(values[1])
    x[0, 150, 150] = np.nan
    assert np.isnan(jax.jit(op)(x)[0])
    with pytest.raises(InputError, match="at least 193 x 193"):
        op(x[:, :192])


@pytest.mark.slow
def test_textureless_images_are_not_a_number(models):
    model = load_brisque(models.folder / "model", ranges=models.folder / "range", convention="brisque")
    flat = np.full((1, 20, 20, 1), 0.5, np.float32)
    assert np.isnan(iq.brisque(flat, model=model, data_range=1.0)).all()


def test_files_that_are_no_models(models, tmp_path):
    (tmp_path / "other.mat").write_bytes(b"MATLAB 5.0 but not really" * 20)
    with pytest.raises(WeightsError, match=r"other\.mat: not a MATLAB file"):
        load_niqe(tmp_path / "other.mat")
    scipy.io.savemat(tmp_path / "empty.mat", {"a": np.zeros(3)})
    with pytest.raises(WeightsError, match="holds neither mu_prisparam and cov_prisparam nor pop_mu and pop_cov"):
        load_niqe(tmp_path / "empty.mat")
    text = (models.folder / "model").read_text()
    for change, message in (
        (text.replace("epsilon_svr", "c_svc"), "of kind .*c_svc.*epsilon_svr"),
        (text[: len(text) // 2], "damaged"),
        (text.replace(" 36:", " 37:", 1), "feature 37"),
        ("\x00\xff", "not a libsvm model"),
    ):
        (tmp_path / "model").write_text(change, encoding="latin-1")
        with pytest.raises(WeightsError, match=message):
            load_brisque(tmp_path / "model", ranges=models.folder / "range", convention="brisque")
    with pytest.raises(InputError, match="no such file"):
        load_niqe(tmp_path / "nothing.mat")
    model = load_brisque(models.folder / "model", ranges=models.folder / "range", convention="matlab")
    assert (model.low[0], model.high[1], model.convention) == (-0.5, 1.55, "matlab")


@pytest.mark.slow
def test_gradients_are_finite_and_lead_to_natural_statistics(models):
    model = load_brisque(models.folder / "model", ranges=models.folder / "range", convention="brisque")
    x = noisy(24, 30).astype(np.float32)[None] / 255
    with quick_compilation():
        gradient = jax.jit(jax.grad(lambda x: iq.brisque(x, model=model, data_range=1.0).sum()))(x)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
