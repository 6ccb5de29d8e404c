"""Uses each newcomer of CONTRIBUTING.md through the public door, in a process whose package has them all.

What a newcomer gives is compared with what SciPy, scikit-image and NumPy give.
"""

import dataclasses
import doctest
import functools
import importlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
import skimage.metrics
from PIL import Image
from scipy.spatial.distance import cdist

import jaxeval
from jaxeval import extractors, images

# Faces whose newcomers a type checker does not know of.
ops: Any = importlib.import_module("jaxeval.ops")
report: Any = importlib.import_module("jaxeval.report")
RNG = np.random.default_rng(0)
REAL, NEAR, FAR = (
    (RNG.integers(0, 256, (count, 6, 6, 3)) * scale).astype(np.uint8)
    for count, scale in ((90, 1.0), (84, 0.9), (96, 0.5))
)


def energy(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The energy distance in float64, and how far one of float32 distances may be off.

    Rounding moves a mean distance by 1e-6 of it at most, some units in the last place; four of them make the value.
    """
    between, within, among = (cdist(*pair).mean() for pair in ((x, y), (x, x), (y, y)))
    return 2 * between - within - among, 4e-6 * between


def metric() -> None:
    """The op and the measure, beside SciPy and beside distances of all pairs."""
    x, y = RNG.normal(size=(700, 1)), RNG.normal(0.5, 1.2, size=(1100, 1))
    expected = scipy.stats.energy_distance(x[:, 0], y[:, 0]) ** 2
    value, off = energy(x, y)
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    np.testing.assert_allclose(ops.energy_distance(reference=x, generated=y), expected, rtol=0, atol=off)
    assert abs(ops.energy_distance(reference=x, generated=x[::-1])) < off
    results = jaxeval.evaluate(REAL, {"near": NEAR, "far": FAR}, metrics="energy-distance", extractor="pixels").results
    reference, *others = (part.reshape(len(part), -1) / 255.0 for part in (REAL, NEAR, FAR))
    for result, generated in zip(results, others, strict=True):
        value, off = energy(reference, generated)
        np.testing.assert_allclose(result.value, value, rtol=0, atol=off)
        assert result.metric == "energy-distance-pixels"
        assert result.interval is not None
        assert 0 <= result.interval[0] < result.value < result.interval[1]
    (one,) = jaxeval.compare(NEAR, FAR, reference=REAL, metrics="energy-distance", extractor="pixels").differences
    np.testing.assert_allclose(one.value, results[1].value - results[0].value, rtol=1e-9)
    assert one.interval is not None
    assert one.p_value is not None
    assert 0 < one.interval[0] < one.value
    assert one.p_value < 0.05
    assert one.better == one.first.generated


def extractor() -> None:
    """The features by their name, in an evaluation too."""
    assert "tiny-images" in extractors.extractor_names()
    network = extractors.load_extractor("tiny-images")
    pixels = RNG.integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    found = np.asarray(network(pixels)[network.default_tap])
    for one, features in zip(pixels, found, strict=True):
        centred = one.reshape(-1) / 255.0 - one.mean() / 255.0
        np.testing.assert_allclose(features, centred / np.linalg.norm(centred), atol=1e-6)
    (result,) = jaxeval.evaluate(REAL, {"far": FAR}, metrics="kd-full", extractor="tiny-images").results
    assert (result.metric, result.feature_size) == ("kd-full-tiny-images", 3072)


def quality_measure(folder: Path) -> None:
    """The scores of pairs of files, beside scikit-image's."""
    pairs = [(name, RNG.integers(0, 256, (2, 12, 14, 3)).astype(np.uint8)) for name in ("a", "b", "c")]
    for side, place in enumerate(("reference", "distorted")):
        (folder / place).mkdir()
        for name, pair in pairs:
            Image.fromarray(pair[side]).save(folder / place / f"{name}.png")
    scored = jaxeval.score_pairs(folder / "reference", {"made": folder / "distorted"}, metrics="nrmse")
    assert len(scored.scores) == len(pairs)
    for score, (_, (reference, distorted)) in zip(scored.scores, pairs, strict=True):
        expected = skimage.metrics.normalized_root_mse(reference, distorted, normalization="euclidean")
        np.testing.assert_allclose(score.values["nrmse"], expected, rtol=1e-6)


def protocol() -> None:
    """A number under its name."""
    network = dataclasses.replace(extractors.load_extractor("random-conv"), family="inception")
    settings = {"metrics": "fd", "extractor": network}
    found = [
        jaxeval.evaluate(REAL, FAR, protocol=name, **settings).results[0]
        for name in ("clean-fid-legacy", "pytorch-fid", "clean-fid")
    ]
    assert (found[0].protocol, found[0].resize) == ("clean-fid-legacy", "bilinear")
    # Of a Fréchet distance its rules are pytorch-fid's, and no others.
    assert found[0].value == found[1].value != found[2].value


def source(folder: Path) -> None:
    """Images out of a file, which an evaluation takes as well."""
    pixels = RNG.integers(0, 256, (80, 6, 6)).astype(np.uint8)
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(struct.pack(">4I", 0x803, *pixels.shape) + pixels.tobytes())
    opened = images.open_source(path)
    assert len(opened) == len(pixels)
    np.testing.assert_array_equal([np.asarray(item.read()) for item in opened.items()], pixels)
    assert opened.fingerprint() == images.open_source(pixels, layout="NHW").fingerprint()
    (result,) = jaxeval.evaluate(path, FAR, metrics="kd-full", extractor="pixels").results
    assert result.n_reference == len(pixels)


def figure(folder: Path) -> None:
    """A picture of an evaluation."""
    found = jaxeval.evaluate(REAL, {"near": NEAR, "far": FAR}, metrics="fd,energy-distance", extractor="pixels")
    path = report.draw_intervals(found, folder / "figures" / "intervals.png")
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert len(np.unique(np.asarray(image.convert("L")))) > 10


def main(packages: str, written: str) -> None:
    """Uses each of them, and prints its name.

    Args:
      packages: the folder that holds the package with the examples.
      written: the folder that files are written into.
    """
    assert Path(jaxeval.__file__).is_relative_to(packages), jaxeval.__file__
    for module in ("jaxeval.ops.energy", "jaxeval.ops.image_quality.normalised_error"):
        tried = doctest.testmod(importlib.import_module(module))
        assert tried.attempted
        assert not tried.failed
    folder = Path(written)
    steps = {
        "metric": metric,
        "extractor": extractor,
        "quality measure": functools.partial(quality_measure, folder),
        "protocol": protocol,
        "source": functools.partial(source, folder),
        "figure": functools.partial(figure, folder),
    }
    for name, use in steps.items():
        use()
        print(name)
