"""Statistics files: the same number as from the images, and never the wrong statistics without a word."""

import json
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from image_sets import crops

import jaxeval
from jaxeval.errors import InputError
from jaxeval.evaluation import FeatureStatistics, load_statistics, save_statistics


@pytest.fixture(scope="module")
def images():
    return crops(200, (5, 4), seed=1), crops(150, (5, 4), seed=2)


def value(reference, generated, **arguments):
    everything: dict[str, Any] = {"extractor": "pixels"} | arguments
    (result,) = jaxeval.evaluate(reference, generated, **everything).results
    return result


@pytest.mark.parametrize("protocol", ["torch-fidelity", "stylegan3"])
@pytest.mark.parametrize("count", [200, 40], ids=["more images than features", "fewer"])
def test_a_file_stands_for_its_images(tmp_path, images, protocol, count):
    path = tmp_path / "reference.npz"
    jaxeval.reference_statistics(images[0][:count], path, extractor="pixels", protocol=protocol)
    direct, through = (value(data, images[1], protocol=protocol) for data in (images[0][:count], path))
    assert through.value == pytest.approx(direct.value, rel=1e-12)
    assert through.n_reference == count
    assert through.reference == str(path)


def test_mu_and_sigma_are_what_other_tools_expect(tmp_path, images):
    path = tmp_path / "reference.npz"
    jaxeval.reference_statistics(images[0], path, extractor="pixels")
    rows = images[0].reshape(200, -1) / 255.0
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_allclose(file["mu"], rows.mean(0), rtol=1e-6)
        np.testing.assert_allclose(file["sigma"], np.cov(rows, rowvar=False), rtol=1e-6)
        metadata = json.loads(str(file["metadata"]))
    assert metadata["extractor"] == "pixels"
    assert metadata["protocol"] == "torch-fidelity"
    assert metadata["data"] is not None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_foreign_file_is_read_and_its_silence_reported(tmp_path, images, dtype):
    rows = images[0].reshape(200, -1) / 255.0
    path = tmp_path / "adm.npz"
    np.savez(path, mu=rows.mean(0).astype(dtype), sigma=np.cov(rows, rowvar=False).astype(dtype), arr_0=images[0])
    result = value(path, images[1])
    assert result.value == pytest.approx(value(images[0], images[1]).value, rel=1e-5)
    assert result.n_reference is None
    assert any("does not say how its statistics were made" in warning for warning in result.warnings)


# More features than images, about as many, and fewer: 60 pixels.
@pytest.mark.parametrize("count", [25, 60, 61, 200])
@pytest.mark.parametrize("kept", ["rounded", "computed", "computed without the mean", "computed, kept in float64"])
def test_float32_statistics_give_the_number_of_their_images(tmp_path, images, count, kept):
    rows = images[0][:count].reshape(count, -1) / 255.0
    mu, sigma = rows.mean(0).astype(np.float32), np.cov(rows, rowvar=False).astype(np.float32)
    single = rows.astype(np.float32)
    if kept != "rounded":
        sigma = np.cov(single, rowvar=False, dtype=np.float32)
    if kept == "computed without the mean":
        sigma = (single.T @ single / np.float32(count) - np.outer(mu, mu)) * np.float32(count / (count - 1))
    if kept == "computed, kept in float64":
        mu, sigma = mu.astype(np.float64), sigma.astype(np.float64)
    path = tmp_path / "foreign.npz"
    np.savez(path, mu=mu, sigma=sigma)
    result = value(path, images[1])
    # Entries that were computed in float32 err by 16 of its units, and their distance by that share of the traces.
    traces = sum((data.reshape(len(data), -1) / 255.0).var(0).sum() for data in (images[0][:count], images[1]))
    expected = value(images[0][:count], images[1]).value
    assert abs(result.value - expected) < (1e-5 * expected if kept == "rounded" else 16 * 2.0**-24 * traces)
    told = [warning for warning in result.warnings if "of its trace" in warning]
    assert len(told) == (np.linalg.eigvalsh(sigma.astype(np.float64))[0] < -1e-15)
    assert all(str(path) in warning and "count as zero" in warning for warning in told)


def test_an_indefinite_sigma_is_refused_by_the_name_of_its_file(tmp_path, images):
    path = tmp_path / "foreign.npz"
    sigma = np.eye(60)
    sigma[3, 3] = -0.01
    for dtype in (np.float64, np.float32):
        np.savez(path, mu=np.zeros(60), sigma=sigma.astype(dtype))
        with pytest.raises(InputError, match=r"sigma in '.*foreign\.npz' is not positive semidefinite.* -0\.00017 of"):
            value(path, images[1])


def test_bfloat16_which_numpy_cannot_name_is_refused(tmp_path, images):
    path = tmp_path / "foreign.npz"
    np.savez(path, mu=np.zeros(60, ml_dtypes.bfloat16), sigma=np.eye(60, dtype=ml_dtypes.bfloat16))
    with pytest.raises(InputError, match="save them as float32"):
        value(path, images[1])


def test_our_own_file_of_float32_statistics_is_read_alike(tmp_path, images):
    path, foreign = tmp_path / "own.npz", tmp_path / "foreign.npz"
    jaxeval.reference_statistics(images[0][:25], path, extractor="pixels")
    statistics, identity = load_statistics(path)
    assert identity is not None
    sigma = statistics.full_covariance().astype(np.float32)
    save_statistics(path, FeatureStatistics(25, statistics.mean, sigma), {**identity, "ddof": 1})
    np.savez(foreign, mu=statistics.mean, sigma=sigma)
    ours, theirs = value(path, images[1]), value(foreign, images[1])
    assert ours.value == pytest.approx(theirs.value, rel=1e-12)
    assert any("rounding to float32" in warning for warning in ours.warnings)


def test_statistics_of_another_preparation_are_refused(tmp_path, images):
    path = tmp_path / "reference.npz"
    jaxeval.reference_statistics(images[0], path, extractor="random-conv", protocol="clean-fid")
    with pytest.raises(InputError, match="resize 'pil-bicubic-float'"):
        value(path, images[1], extractor="random-conv", protocol="torch-fidelity")
    with pytest.raises(InputError, match="extractor 'random-conv-0'"):
        value(path, images[1], extractor="random-conv", protocol="clean-fid", seed=1)


def test_a_changed_number_is_noticed(tmp_path, images):
    path = tmp_path / "reference.npz"
    jaxeval.reference_statistics(images[0], path, extractor="pixels")
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    arrays["mu"][0] += 1e-3
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="do not match its checksum"):
        value(path, images[1])


def test_a_file_cut_short_is_named(tmp_path, images):
    path = tmp_path / "reference.npz"
    jaxeval.reference_statistics(images[0], path, extractor="pixels")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"reference\.npz"):
        value(path, images[1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mu": np.zeros(60), "sigma": np.array([{"a": 1}], dtype=object)}, "pickle|allow_pickle"),
        ({"mu": np.zeros(60), "sigma": np.zeros((60, 59))}, "covariance of shape"),
        ({"mu": np.zeros(60, np.int64), "sigma": np.zeros((60, 60))}, "mu int64"),
        ({"mu": np.full(60, np.nan), "sigma": np.zeros((60, 60))}, "mu .* not finite"),
        ({"mu": np.zeros(60), "sigma": np.triu(np.ones((60, 60)))}, "not symmetric"),
        ({"mu": np.zeros(60), "sigma": np.eye(60), "metadata": np.asarray("{")}, "metadata cannot be read"),
    ],
    ids=["pickle", "shape", "dtype", "nan", "asymmetric", "metadata"],
)
def test_bad_arrays_are_named(tmp_path, images, arrays, message):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=message):
        value(path, images[1])


def test_statistics_of_another_feature_size_are_refused(tmp_path, images):
    path = tmp_path / "foreign.npz"
    np.savez(path, mu=np.zeros(2048), sigma=np.eye(2048))
    with pytest.raises(InputError, match="2048 features and extractor 'random-conv-0' has 512"):
        value(path, images[1], extractor="random-conv")


def test_statistics_stand_for_generated_images_too(tmp_path, images):
    paths = [tmp_path / f"{number}.npz" for number in range(2)]
    for path, data in zip(paths, images, strict=True):
        jaxeval.reference_statistics(data, path, extractor="pixels")
    direct = value(*images)
    for reference, generated in ((images[0], paths[1]), (paths[0], paths[1])):
        result = value(reference, generated)
        assert result.value == pytest.approx(direct.value, rel=1e-12)
        assert result.interval == pytest.approx(direct.interval, rel=1e-9)
        assert (result.n_reference, result.n_generated) == (200, 150)
    with pytest.raises(InputError, match=r"it needs images or features, and '.*1\.npz' holds mean and cov"):
        value(images[0], paths[1], metrics="kd-full")


@pytest.mark.parametrize("call", [jaxeval.features, partial(jaxeval.reference_statistics, path="a.npz")])
def test_statistics_are_no_images(tmp_path, images, call):
    path = tmp_path / "reference.npz"
    jaxeval.reference_statistics(images[0], path, extractor="pixels")
    with pytest.raises(InputError, match="holds statistics or features, which `evaluate` takes as they are"):
        call(path, extractor="pixels")


def test_the_files_name_ends_in_npz(tmp_path, images):
    with pytest.raises(InputError, match=r"ends in \.npz"):
        jaxeval.reference_statistics(images[0], tmp_path / "reference.json", extractor="pixels")


def test_damage_anywhere_in_the_root_file_never_passes(tmp_path, images):
    path = tmp_path / "reference.npz"
    jaxeval.reference_statistics(images[0], path, extractor="pixels")
    whole, (expected, _) = path.read_bytes(), load_statistics(path)
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(bytes(damaged))
        try:
            found, identity = load_statistics(path)
        except InputError:
            continue
        # A flipped bit in padding or in a time stamp of the archive may pass; one in a number must not.
        np.testing.assert_array_equal(found.mean, expected.mean)
        assert identity is not None
