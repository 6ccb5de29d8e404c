"""The definitions that JAX papers print: iMF and MeanFlow, Drifting, jax-fid."""

import json
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from image_sets import crops
from PIL import Image
from pooling_network import SIZE, numpy_features, pooling_network
from scipy.ndimage import map_coordinates

import jaxeval
from jaxeval.errors import InputError
from jaxeval.evaluation import load_statistics, statistics_remarks

NETWORK = pooling_network()
REAL, FAKE = (crops(count, (9, 14), seed) for count, seed in ((53, 1), (57, 2)))


def floats(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Values of -1 to 1 about those of the images, most of them between two levels."""
    noise = np.random.default_rng(seed).normal(0, 0.003, images.shape)
    return np.clip(images / 127.5 - 1 + noise, -1, 1).astype(np.float32)


def half_pixels(levels: np.ndarray) -> np.ndarray:
    """Bilinear samples at half-pixel centres, edges repeated: SciPy in float64."""
    axes = [np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1) for m, n in zip(levels.shape[1:3], SIZE, strict=True)]
    grid = np.meshgrid(*axes, indexing="ij")
    planes = [[map_coordinates(image[..., c].astype(float), grid, order=1) for c in range(3)] for image in levels]
    return np.moveaxis(np.array(planes), 1, -1)


def distance(x: np.ndarray, y: np.ndarray, *, mean: Any = np.float64) -> float:
    """Of features, with SciPy's root."""
    a, b = (np.cov(rows, rowvar=False) for rows in (x, y))
    shift = x.mean(0).astype(mean).astype(float) - y.mean(0).astype(mean).astype(float)
    return float(shift @ shift + np.trace(a) + np.trace(b) - 2 * np.trace(scipy.linalg.sqrtm(a @ b)).real)


def only(evaluation):
    (result,) = evaluation.results
    return result


def evaluate(*sets, **options):
    return jaxeval.evaluate(*sets, extractor=NETWORK, metrics="fid", **options)


def test_imf_from_values_to_the_number():
    values = floats(REAL), floats(FAKE)
    levels = [np.clip(np.float32(127.5) * one + np.float32(128), 0, 255).astype(np.uint8) for one in values]
    features = [numpy_features((half_pixels(one) - 128) / 128) for one in levels]
    found = only(evaluate(*values, protocol="imf", value_range=(-1, 1)))
    assert found.value == pytest.approx(distance(*features), rel=1e-4)  # float32 features
    assert (found.resize, found.quantise, found.normalisation) == ("grid-bilinear", "round", (128.0, 1 / 128))
    assert found.parameters["ddof"] == 1
    cut = only(evaluate(*values, protocol="adm", value_range=(-1, 1))).value
    assert abs(cut / found.value - 1) > 1e-3


def test_drifting_cuts_255_x():
    values = [(one + 1) / 2 for one in (floats(REAL), floats(FAKE))]
    levels = [(one * np.float32(255)).astype(np.uint8) for one in values]
    features = [numpy_features((half_pixels(one) - 128) / 128) for one in levels]
    found = only(evaluate(*values, protocol="drifting", value_range=(0, 1)))
    assert found.value == pytest.approx(distance(*features), rel=1e-4)
    assert found.quantise == "truncate"


def test_jax_fid_takes_images_as_they_are_in_whole_batches():
    features = [numpy_features(one[:50].astype(np.float64) * 2 / 255 - 1) for one in (REAL, FAKE)]
    found = only(evaluate(REAL, FAKE, protocol="jax-fid"))
    assert found.value == pytest.approx(distance(*features, mean=np.float32), rel=1e-4)
    assert (found.n_reference, found.n_generated, found.resize) == (50, 50, "none")
    dropped = [one for one in found.warnings if "dropped" in one]
    assert [one.partition(" images of ")[0] for one in dropped] == ["3 of 53", "7 of 57"]
    assert dropped[0].endswith("the reference takes them 50 at a time and leaves an incomplete batch out")
    assert "mean in float32" in found.definition


def test_jax_fid_resizes_where_it_is_asked_to():
    def pillow(images):
        return np.stack([np.asarray(Image.fromarray(one).resize((11, 7), Image.Resampling.BILINEAR)) for one in images])

    features = [numpy_features(pillow(one[:50]).astype(np.float64) * 2 / 255 - 1) for one in (REAL, FAKE)]
    found = only(evaluate(REAL, FAKE, protocol="jax-fid@7x11"))
    assert found.value == pytest.approx(distance(*features), rel=1e-4)
    assert (found.protocol, found.resize) == ("jax-fid@7x11", "pil-bilinear-uint8")


def test_the_mean_in_float32_is_in_the_number(tmp_path):
    rows = np.random.default_rng(0).standard_normal((2, 40, 5)) * 1e-5 + 300.0
    paths = [tmp_path / f"{number}.npy" for number in range(2)]
    for path, one in zip(paths, rows, strict=True):
        np.save(path, one)
    network = jaxeval.extractors.from_function(lambda images: images, name="mine", feature_size=5)
    found = only(jaxeval.evaluate(*paths, extractor=network, protocol="jax-fid")).value
    single = distance(*rows, mean=np.float32)
    assert found == pytest.approx(single, rel=1e-6)
    assert abs(single / distance(*rows) - 1) > 1e-2  # 300 in float32 has steps of 3e-5


def test_too_small_images_too_few_and_of_several_sizes_are_refused():
    with pytest.raises(InputError, match=r"has 30 images, fewer than the 50 of a batch"):
        evaluate(REAL[:30], FAKE, protocol="jax-fid")
    with pytest.raises(InputError, match="needs images of 5 x 5 pixels or more, not 9 x 4"):
        evaluate(REAL[:, :, :4], FAKE, protocol="jax-fid")
    mixed = [*REAL[:49], REAL[49][:8]]
    with pytest.raises(InputError, match="bring the images to one size"):
        evaluate(mixed, FAKE, protocol="jax-fid")
    evaluate(mixed, FAKE, protocol="jax-fid@9x14")
    with pytest.raises(InputError, match="needs 12 x 12 images"):
        NETWORK(REAL)  # a call of one's own is held to the network's size


def test_protocols_that_drop_and_that_do_not_in_one_run(tmp_path):
    alone = [only(evaluate(REAL, FAKE, protocol=name)).value for name in ("jax-fid", "imf")]
    folder = tmp_path / "cache"
    for cached in (False, True):
        found = evaluate(REAL, FAKE, protocol="jax-fid,imf", cache=folder)
        assert [one.value for one in found.results] == alone
        assert [(one.n_reference, one.n_generated) for one in found.results] == [(50, 50), (53, 57)]
        assert [any("dropped" in text for text in one.warnings) for one in found.results] == [True, False]
        assert found.manifest["reference"]["cached"] is cached
    limited = evaluate(REAL, FAKE, protocol="jax-fid", limit=52, seed=3)
    assert only(limited).n_generated == 50
    assert limited.manifest["reference"]["sample"] == {
        "rule": "whole batches of 50",
        "seed": None,
        "count": 50,
        "of": 52,
        "sample": {"rule": "uniform, without replacement, in the set's order", "seed": 3, "count": 52, "of": 53},
    }


def test_classes_of_images_that_were_dropped_do_not_count(tmp_path):
    folders = []
    for name, images in (("real", REAL), ("fake", FAKE)):
        for number, image in enumerate(images):
            path = tmp_path / name / "abc"[number * 3 // len(images)] / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
        folders.append(tmp_path / name)
    options = {"extractor": NETWORK, "metrics": "by-class"}
    both = jaxeval.evaluate(*folders, protocol="jax-fid,imf", **options)
    alone = jaxeval.evaluate(*folders, protocol="jax-fid", **options)
    assert [one.value for one in both.results if one.protocol == "jax-fid"] == [one.value for one in alone.results]
    assert len(both.results) == 2 * len(alone.results)


def test_statistics_of_whole_batches(tmp_path):
    path, whole = tmp_path / "kept.npz", tmp_path / "whole.npz"
    kept = jaxeval.reference_statistics(REAL, path, extractor=NETWORK, protocol="jax-fid", features=True)
    assert kept.count == 50
    assert any("3 of 53 images" in one and "dropped" in one for one in statistics_remarks(path))
    expected = only(evaluate(REAL, FAKE, protocol="jax-fid")).value
    assert only(evaluate(path, FAKE, protocol="jax-fid")).value == pytest.approx(expected, rel=1e-9)
    jaxeval.reference_statistics(REAL[:50], whole, extractor=NETWORK, protocol="jax-fid")
    _, identity = load_statistics(whole)
    assert identity is not None
    assert identity["whole_batches"] == 50
    assert only(evaluate(whole, FAKE, protocol="jax-fid")).value == pytest.approx(expected, rel=1e-9)
    for file in (path, whole):
        with pytest.raises(InputError, match="were made with size None"):
            evaluate(file, FAKE, protocol="imf")


def test_reference_files_of_the_line_are_read_as_of_it(tmp_path):
    rows = numpy_features((half_pixels(REAL) - 128) / 128)
    path = tmp_path / "imagenet_fid_stats.npz"
    np.savez(path, ref_mu=rows.mean(0).astype(np.float32), ref_sigma=np.cov(rows, rowvar=False))
    found = evaluate(path, FAKE, protocol="torch-fidelity,imf")
    assert [one.protocol for one in found.results] == ["imf"]
    expected = distance(rows, numpy_features((half_pixels(FAKE) - 128) / 128))
    assert only(found).value == pytest.approx(expected, rel=1e-4)
    assert any("does not say how its statistics were made, as iMF and MeanFlow" in one for one in only(found).warnings)
    alone = only(evaluate(path, FAKE, protocol="edm2"))
    assert "(whose definition is protocol imf)" in " ".join(alone.warnings)
    objects = tmp_path / "stats.npy"
    np.save(objects, {"ref_mu": rows.mean(0), "ref_sigma": np.cov(rows, rowvar=False)}, allow_pickle=True)  # pyright: ignore
    assert only(evaluate(objects, FAKE, protocol="imf")).value == pytest.approx(expected, rel=1e-4)


def test_protocols_are_recorded_with_all_that_they_pin():
    manifest = json.loads(json.dumps(evaluate(REAL, FAKE, protocol="jax-fid@9x9").manifest))
    pinned = manifest["protocols"]["jax-fid@9x9"]
    assert (pinned["size"], pinned["whole_batches"], pinned["mean"], pinned["root"]) == (
        [9, 9],
        50,
        "float32",
        "sqrtm-offset",
    )
