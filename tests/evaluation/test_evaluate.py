"""`jaxeval.evaluate`: the number is SciPy's, whatever the container, the batch and the order; bad input is named."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.linalg
from image_sets import crops, write_pngs

import jaxeval
from jaxeval.errors import InputError, WeightsMissingError
from jaxeval.extractors import from_function, load_extractor
from jaxeval.images import batches, open_source


def scipy_distance(a: np.ndarray, b: np.ndarray, ddof: int = 1) -> float:
    """The textbook formula, by other means than ours."""
    means = a.mean(0), b.mean(0)
    first, second = (np.atleast_2d(np.cov(features, rowvar=False, ddof=ddof)) for features in (a, b))
    root = np.real(scipy.linalg.sqrtm(first @ second))
    return float(((means[0] - means[1]) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * np.trace(root))


@pytest.fixture(scope="module")
def images():
    real, generated = crops(200, (5, 4), seed=1), crops(150, (5, 4), seed=2)
    return real, (0.8 * generated + 20).astype(np.uint8)


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1) / 255.0


def test_two_folders_give_scipys_distance(tmp_path, images):
    real, generated = images
    folders = write_pngs(tmp_path / "real", real), write_pngs(tmp_path / "generated", generated)
    (result,) = jaxeval.evaluate(*folders, extractor="pixels").results
    # The features are float32, which is where the 1e-6 comes from.
    assert result.value == pytest.approx(scipy_distance(flat(real), flat(generated)), rel=1e-6)
    assert (result.metric, result.label, result.protocol) == ("fd-pixels", "FD-pixels", "torch-fidelity")
    assert (result.n_reference, result.n_generated, result.feature_size) == (200, 150, 60)
    assert (result.reference, result.generated) == tuple(map(str, folders))
    assert not any("hold the same images" in warning for warning in result.warnings)


def test_stylegan3_divides_by_n(images):
    real, generated = images
    evaluation = jaxeval.evaluate(real, generated, extractor="pixels", protocol="torch-fidelity,stylegan3")
    values = {result.protocol: result.value for result in evaluation.results}
    assert list(values) == ["torch-fidelity", "stylegan3"]
    assert values["torch-fidelity"] == pytest.approx(scipy_distance(flat(real), flat(generated), 1), rel=1e-6)
    assert values["stylegan3"] == pytest.approx(scipy_distance(flat(real), flat(generated), 0), rel=1e-6)
    assert values["stylegan3"] != pytest.approx(values["torch-fidelity"], rel=1e-4)


@pytest.mark.parametrize("batch_size", [1, 7, 64, 500])
def test_the_batch_size_changes_nothing(images, batch_size):
    real, generated = images
    (expected,) = jaxeval.evaluate(real, generated, extractor="pixels").results
    (found,) = jaxeval.evaluate(real, generated, extractor="pixels", batch_size=batch_size).results
    assert found.value == pytest.approx(expected.value, rel=1e-12)
    assert found.n_generated == len(generated)


def test_the_order_of_the_images_changes_nothing(images):
    rng = np.random.default_rng(4)
    real, generated = images
    (expected,) = jaxeval.evaluate(real, generated, extractor="pixels").results
    shuffled = real[rng.permutation(len(real))], generated[rng.permutation(len(generated))]
    (found,) = jaxeval.evaluate(*shuffled, extractor="pixels").results
    assert found.value == pytest.approx(expected.value, rel=1e-10)


def test_fewer_images_than_features_agree_with_the_nuclear_norm(images):
    real, generated = images[0][:30], images[1][:20]
    (result,) = jaxeval.evaluate(real, generated, extractor="pixels").results
    a, b = (flat(part).astype(np.float32).astype(np.float64) for part in (real, generated))
    factors = [(features - features.mean(0)) / np.sqrt(len(features) - 1) for features in (a, b)]
    nuclear = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    trace = sum((factor**2).sum() for factor in factors)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + trace - 2 * nuclear
    assert result.value == pytest.approx(expected, rel=1e-6)
    assert sum("30 images for 60 features" in warning for warning in result.warnings) == 1
    assert sum("20 images for 60 features" in warning for warning in result.warnings) == 1


def test_several_sets_are_named_and_ranked(images):
    real, generated = images
    sets = {"same kind": crops(150, (5, 4), seed=3), "spoilt": generated, "black": np.zeros_like(generated)}
    results = jaxeval.evaluate(real, sets, extractor="pixels").results
    assert [result.generated for result in results] == list(sets)
    values = [result.value for result in results]
    assert values == sorted(values)


def test_one_network_run_serves_all_protocols_that_prepare_alike(images):
    calls = []

    def features(batch):
        calls.append(batch.shape)
        return np.asarray(batch).reshape(len(batch), -1)[:, :8]

    extractor = from_function(features, name="mine", image_size=(5, 4), feature_size=8, jittable=False)
    jaxeval.evaluate(*images, extractor=extractor, protocol="torch-fidelity,stylegan3,edm2", batch_size=200)
    assert calls == [(200, 5, 4, 3), (200, 5, 4, 3)]


def test_each_image_is_decoded_once_for_protocols_that_prepare_differently(tmp_path, images, monkeypatch):
    folder = write_pngs(tmp_path / "real", images[0][:40])
    decoded = []
    original = batches.decode
    monkeypatch.setattr(batches, "decode", lambda item: (decoded.append(item), original(item))[1])
    evaluation = jaxeval.evaluate(
        folder, images[1], extractor="random-conv", protocol="torch-fidelity,clean-fid,pytorch-fid"
    )
    assert len({result.value for result in evaluation.results}) > 1
    assert len(decoded) == 40 + 150


def test_a_generating_function_is_seeded():
    def generate(num_images, seed):
        return np.random.default_rng(seed).integers(0, 256, (num_images, 5, 4, 3), dtype=np.uint8)

    arguments = {"extractor": "pixels", "num_samples": 120}
    real = crops(120, (5, 4))
    first, second = (jaxeval.evaluate(real, generate, seed=5, **arguments).results[0] for _ in range(2))
    other = jaxeval.evaluate(real, generate, seed=6, **arguments).results[0]
    assert first.value == second.value != other.value
    assert first.n_generated == 120


def test_the_result_says_where_it_comes_from(images):
    real, generated = images
    evaluation = jaxeval.evaluate(real, {"mine": generated}, extractor="random-conv", seed=3, protocol="clean-fid")
    (result,) = evaluation.results
    document = json.loads(evaluation.to_json())
    assert document["schema_version"] == 2
    (record,) = document["results"]
    assert record == json.loads(json.dumps(dataclasses.asdict(result)))
    assert record["metric"] == "fd-random-conv-3"
    assert record["weights"] == load_extractor("random-conv", seed=3).weights_hash
    assert record["resize"] == "pil-bicubic-float"
    assert record["precision"] == "highest"
    assert record["versions"]["jaxeval"] == jaxeval.__version__
    assert document["manifest"]["protocols"]["clean-fid"]["ddof"] == 1
    assert document["manifest"]["generated"][0]["name"] == "mine"
    assert document["manifest"]["generated"][0]["fingerprint"] == open_source(generated).fingerprint()


def test_the_same_images_twice_are_noticed(tmp_path, images):
    folder = write_pngs(tmp_path / "a", images[0])
    copy = write_pngs(tmp_path / "b", images[0])
    (result,) = jaxeval.evaluate(folder, copy, extractor="pixels").results
    assert result.value == pytest.approx(0.0, abs=1e-9)
    assert any("hold the same images" in warning for warning in result.warnings)


def test_skipped_files_are_counted(tmp_path, images):
    folder = write_pngs(tmp_path / "a", images[1])
    (folder / "broken.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"broken\.png"):
        jaxeval.evaluate(images[0], folder, extractor="pixels")
    (result,) = jaxeval.evaluate(images[0], folder, extractor="pixels", on_error="skip").results
    assert (result.n_generated, result.skipped_generated) == (150, 1)
    assert any("broken.png" in warning for warning in result.warnings)


def test_what_was_finished_before_an_error_is_kept(tmp_path, images):
    real, generated = images
    bad = write_pngs(tmp_path / "bad", generated[:5])
    (bad / "zz.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"zz\.png") as caught:
        jaxeval.evaluate(real, [generated, bad], extractor="pixels")
    partial = caught.value.partial
    assert partial is not None
    assert [result.n_generated for result in partial.results] == [150]
    assert "zz.png" in partial.manifest["incomplete"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": "fid"}, "fid.*Inception.*pixels.*--metrics fd"),
        ({"metrics": "kd,kid"}, "kid.*Inception.*pixels.*--metrics kd"),
        ({"metrics": "frd"}, "'frd' is not known; choose from fid, fd"),
        ({"metrics": "is"}, "'is' cannot be computed: extractor 'pixels' has no layer 'logits'"),
        ({"metrics": "fld"}, "'fld' cannot be computed: .*--held-out"),
        ({"metrics": "cmmd"}, "'cmmd' cannot be computed: .*clip"),
        ({"metrics": "class-fd"}, "has no classes; put the images of each class into a folder"),
        ({"metrics": ""}, "no metric"),
        ({"protocol": "nice"}, "'nice' is not known; choose from torch-fidelity"),
        ({"extractor": "vgg"}, "vgg"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"limit": 1}, "limit is 1"),
        ({"on_error": "ignore"}, "'ignore'"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_a_bad_argument_is_named(images, arguments, message):
    with pytest.raises(InputError, match=message):
        jaxeval.evaluate(*images, **({"extractor": "pixels"} | arguments))


def test_one_image_is_too_few(images):
    with pytest.raises(InputError, match="has 1 image; a covariance needs at least 2"):
        jaxeval.evaluate(images[0], {"lonely": images[1][:1]}, extractor="pixels")


def test_an_empty_list_of_sets_is_refused(images):
    with pytest.raises(InputError, match="no generated images"):
        jaxeval.evaluate(images[0], [], extractor="pixels")


def test_features_that_are_not_finite_name_the_image(tmp_path, images):
    folder = write_pngs(tmp_path / "a", np.concatenate([images[1][:9], np.zeros((1, 5, 4, 3), np.uint8)]))
    extractor = from_function(lambda x: 1.0 / x.max((1, 2)), name="inverse", image_size=(5, 4))
    with pytest.raises(InputError, match=r"'inverse' gave features that are not finite for image '.*00009\.png'"):
        jaxeval.evaluate(images[0][:20], folder, extractor=extractor)


def test_images_of_two_sizes_need_an_extractor_that_resizes(images):
    with pytest.raises(InputError, match="same size"):
        jaxeval.evaluate(images[0], crops(50, (6, 6)), extractor="pixels")


def test_missing_weights_have_an_exit_code_of_their_own(tmp_path, images):
    with pytest.raises(WeightsMissingError, match="jaxeval weights") as caught:
        jaxeval.evaluate(*images, weights_dir=tmp_path)
    assert caught.value.exit_code == 3


def test_features_are_those_that_the_distance_is_made_of(images):
    real, generated = images
    rows = [jaxeval.features(part, extractor="random-conv", protocol="clean-fid") for part in images]
    assert rows[0].shape == (200, 512)
    (result,) = jaxeval.evaluate(real, generated, extractor="random-conv", protocol="clean-fid").results
    distance = jaxeval.ops.frechet_distance_from_features(reference=rows[0], generated=rows[1])
    assert result.value == pytest.approx(distance, rel=1e-9)
