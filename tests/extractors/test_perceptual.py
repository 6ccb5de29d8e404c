"""LPIPS and DISTS as objects with weights: which trunk goes with which heads, and how they are called."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxpr_checks import assert_full_precision
from random_trunks import PLANS, keep, keep_heads

from jaxeval.errors import InputError, WeightsError, WeightsMissingError
from jaxeval.extractors import WeightsStore, load_dists, load_lpips, load_trunk, lpips_names
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.ops.image_quality import lpips_distance

HEADS = {
    name: {key: np.random.default_rng(7).random(shape, np.float32) for key, shape in CATALOGUE[name].shapes().items()}
    for name in ("lpips-alex", "lpips-vgg16", "lpips-squeeze", "dists")
}


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = keep(tmp_path_factory.mktemp("perceptual"), patch, alexnet=None, squeezenet=None)
        keep_heads(folder, **{name: HEADS[name] for name in ("lpips-alex", "lpips-squeeze")})
        yield folder


@pytest.fixture(scope="module")
def alex(weights_dir):
    return load_lpips("alex", weights_dir=weights_dir)


def pairs(side=33, count=2):
    rng = np.random.default_rng(0)
    x = rng.random((count, side, side + 3, 3)).astype(np.float32)
    return x, np.clip(x + 0.1 * rng.standard_normal(x.shape), 0, 1).astype(np.float32)


def test_it_is_lpips_distance_of_the_trunks_maps(alex, weights_dir):
    x, y = pairs()
    trunk = load_trunk("alexnet", weights_dir=weights_dir)
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    scaled = [jnp.asarray((2 * i - 1 - shift) / scale, jnp.float32) for i in (x, y)]
    maps = [trunk.forward(trunk.params, i, tuple(trunk.maps)) for i in scaled]
    of_x, of_y = ([m[name] for name in trunk.maps] for m in maps)
    heads = [HEADS["lpips-alex"][f"lin{i}.model.1.weight"].reshape(-1) for i in range(5)]
    expected = lpips_distance(of_x, of_y, [jnp.asarray(h) for h in heads])
    np.testing.assert_allclose(alex(x, y, data_range=1.0), expected, rtol=1e-5)
    np.testing.assert_allclose(alex(255 * x, 255 * y, data_range=255), expected, rtol=1e-5)
    assert alex.trunk_hash == trunk.weights_hash
    assert alex.heads_hash == WeightsStore(weights_dir).open("lpips-alex").sha256
    assert not alex.weights_published


def test_identity_symmetry_gray_and_bytes(alex):
    x, y = pairs()
    np.testing.assert_array_equal(alex(x, x, data_range=1.0), [0, 0])
    np.testing.assert_allclose(alex(x, y, data_range=1.0), alex(y, x, data_range=1.0), rtol=1e-6)
    gray = [i[..., :1] for i in (x, y)]
    colour = [np.repeat(i, 3, -1) for i in gray]
    np.testing.assert_allclose(alex(*gray, data_range=1.0), alex(*colour, data_range=1.0), rtol=1e-6)
    codes = [np.rint(255 * i).astype(np.uint8) for i in (x, y)]
    floats = [i.astype(np.float32) for i in codes]
    np.testing.assert_array_equal(alex(*codes, data_range=255), alex(*floats, data_range=255))


def test_inside_a_users_own_jit_with_gradients_on_a_mesh(alex):
    x, y = pairs(count=4)
    expected = alex(x, y, data_range=1.0)
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        placed = jax.device_put((x, y), NamedSharding(mesh, PartitionSpec("batch")))
        params = jax.device_put(alex.params, NamedSharding(mesh, PartitionSpec()))
        found = jax.jit(lambda p, x, y: alex.apply(p, x, y, data_range=1.0))(params, *placed)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    slope = jax.jit(jax.grad(lambda x, y: alex.apply(alex.params, x, y, data_range=1.0).sum()))
    for image in (x, jnp.full_like(x, 0.5)):
        assert np.isfinite(slope(image, y)).all()
    np.testing.assert_array_equal(slope(y, y), np.zeros_like(y))
    assert_full_precision(lambda p, x: alex.apply(p, x, x, data_range=1.0), alex.params, jnp.asarray(x), at_least=20)


@pytest.mark.slow
def test_squeeze_takes_images_of_17_pixels(weights_dir):
    squeeze = load_lpips("squeeze", convention="torchmetrics", weights_dir=weights_dir)
    x, y = pairs(17)
    assert (np.asarray(squeeze(x, y, data_range=1.0)) > 0).all()
    with pytest.raises(InputError, match="lpips-squeeze: x has images of 16 x 20 pixels; at least 17 x 17 are needed"):
        squeeze(x[:, :16], y[:, :16], data_range=1.0)


@pytest.mark.slow
def test_dists(tmp_path, monkeypatch):
    folder = keep(tmp_path, monkeypatch, vgg16=None)
    keep_heads(folder, dists=HEADS["dists"])
    dists = load_dists(weights_dir=folder)
    x, y = pairs(9)
    values = np.asarray(dists(x, y, data_range=1.0))
    assert ((values > 0) & (values < 1)).all()
    np.testing.assert_array_equal(dists(y, y, data_range=1.0), [0, 0])
    np.testing.assert_allclose(dists(255 * y, 255 * x, data_range=255), values, rtol=1e-4)
    slope = jax.jit(jax.grad(lambda p, x, y: dists.apply(p, x, y, data_range=1.0).sum(), argnums=1))
    for image in (y, np.zeros_like(x)):
        assert np.isfinite(slope(dists.params, image, y)).all()


def test_bad_calls_say_what_to_do(alex, weights_dir):
    x, y = pairs()
    with pytest.raises(InputError, match="lpips-alex: data_range is missing"):
        alex(x, y)
    with pytest.raises(InputError, match="which data_range=1 does not fit"):
        alex(255 * x, y, data_range=1.0)
    with pytest.raises(InputError, match="images of 30 x 36 pixels; at least 31 x 31 are needed"):
        alex(x[:, :30], y[:, :30], data_range=1.0)
    bad = x.copy()
    bad[1, 2, 3, 0] = np.nan
    with pytest.raises(InputError, match=r"x has 1 values that are not finite, the first at \[1, 2, 3, 0\]"):
        alex(bad, y, data_range=1.0)
    assert lpips_names() == ("alex", "vgg16", "squeeze")
    with pytest.raises(InputError, match="unknown LPIPS network 'vgg': choose one of alex, vgg16, squeeze"):
        load_lpips("vgg", weights_dir=weights_dir)


def test_heads_go_with_their_own_trunk_only(tmp_path):
    path = tmp_path / "heads.safetensors"
    safetensors.numpy.save_file(HEADS["lpips-vgg16"], path)
    with pytest.raises(WeightsError, match=r"'lin1.model.1.weight' has shape \[1, 128, 1, 1\], not \[1, 192, 1, 1\]"):
        WeightsStore(tmp_path).import_file("lpips-alex", path, unverified=True)


def test_missing_packages_say_what_to_do(tmp_path, monkeypatch):
    known = CATALOGUE["lpips-alex"]
    absent = dataclasses.replace(known, package=("no-such-distribution-of-jaxeval", "alex.pth"))
    monkeypatch.setitem(CATALOGUE, "lpips-alex", absent)
    with pytest.raises(
        WeightsMissingError,
        match=r"run `pip install --no-deps lpips==0\.1\.4`, or get its file .*weights import lpips-alex FILE",
    ):
        load_lpips("alex", weights_dir=tmp_path)


def test_the_plans_of_this_test_are_the_published_ones():
    for name, plan in PLANS.items():
        published = CATALOGUE[name].shapes()
        assert {k: s for k, s in plan.shapes().items() if k.startswith("features")} == {
            k: s for k, s in published.items() if k.startswith("features")
        }
