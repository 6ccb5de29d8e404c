"""ADM's reference files: its five numbers from one .npz, each from what ADM's evaluator takes it from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from image_sets import crops

import jaxeval
from jaxeval.errors import InputError
from jaxeval.evaluation import Evaluation
from jaxeval.extractors import Extractor, Normalisation

SIZES = {"pool": 12, "sfid": 14, "logits_unbiased": 10}
WEIGHTS = {
    tap: np.random.default_rng(number).standard_normal((108, size)).astype(np.float32) / 10
    for number, (tap, size) in enumerate(SIZES.items())
}


def network(name: str = "inception", taps: tuple[str, ...] = tuple(SIZES)) -> Extractor:
    """One with the layers of the FID Inception network, of a dozen numbers each."""

    def forward(params, images, wanted):
        flat = images.reshape(len(images), -1) / 255
        return {tap: jnp.tanh(jnp.dot(flat, params[tap], precision=jax.lax.Precision.HIGHEST) + 0.3) for tap in wanted}

    return Extractor(
        name=name,
        family="inception" if name == "inception" else "",
        image_size=(6, 6),
        resize="antialiased-bilinear",
        normalisation=Normalisation(0.0, 1.0),
        taps={tap: SIZES[tap] for tap in taps},
        default_tap=taps[0],
        params={tap: jnp.asarray(WEIGHTS[tap]) for tap in taps},
        forward=forward,
        fingerprint="a dozen of each",
    )


@pytest.fixture(scope="module")
def images():
    return {
        "all": crops(300, (6, 6), seed=1),
        "some": crops(120, (6, 6), seed=1),
        "samples": crops(150, (6, 6), seed=2),
    }


def features(images, tap):
    """What the network gives under ADM's normalisation, in NumPy's float64."""
    normalised = (images.reshape(len(images), -1).astype(np.float64) - 128) / 128
    return np.tanh(normalised / 255 @ WEIGHTS[tap].astype(np.float64) + 0.3)


def distance(statistics, rows):
    """By SciPy's root, as ADM computes it."""
    mu, sigma = statistics
    other = np.cov(rows, rowvar=False)
    root = np.real(np.asarray(scipy.linalg.sqrtm(sigma @ other)))
    return np.square(mu - rows.mean(0)).sum() + np.trace(sigma) + np.trace(other) - 2 * np.trace(root)


def statistics(images, tap):
    rows = features(images, tap)
    return rows.mean(0), np.cov(rows, rowvar=False)


@pytest.fixture(scope="module")
def kept(images):
    """As in ADM's files, the statistics are of more images than the file holds."""
    (mu, sigma), (mu_s, sigma_s) = (statistics(images["all"], tap) for tap in ("pool", "sfid"))
    return {"mu": mu, "sigma": sigma, "mu_s": mu_s, "sigma_s": sigma_s, "arr_0": images["some"]}


def write(path, **arrays):
    np.savez(path, **arrays)
    return path


def values(evaluation: Evaluation) -> dict[str, float]:
    return {result.metric.removesuffix("-inception"): result.value for result in evaluation.results}


def test_the_five_numbers_come_from_one_file(tmp_path, images, kept):
    reference = write(tmp_path / "VIRTUAL_made.npz", **kept)
    samples = write(tmp_path / "samples.npz", arr_0=images["samples"], arr_1=np.arange(150) % 10)
    evaluation = jaxeval.evaluate(reference, samples, protocol="adm", extractor=network())
    found = values(evaluation)
    assert set(found) == {"fid", "sfid", "is", "precision", "recall"}
    assert evaluation.not_computed == ()
    for metric, tap in (("fid", "pool"), ("sfid", "sfid")):
        expected = distance(statistics(images["all"], tap), features(images["samples"], tap))
        assert found[metric] == pytest.approx(expected, rel=1e-5)
    direct = jaxeval.evaluate(
        images["some"], images["samples"], protocol="adm", extractor=network(), metrics="is,precision"
    )
    for metric in ("is", "precision", "recall"):
        assert found[metric] == values(direct)[metric]
    counts = {result.metric: result.n_reference for result in evaluation.results}
    assert (counts["fid"], counts["sfid"], counts["precision-inception"]) == (None, None, 120)
    assert all(result.n_generated == 150 for result in evaluation.results)


def test_other_metrics_take_the_images(tmp_path, images, kept):
    reference = write(tmp_path / "VIRTUAL_made.npz", **kept)
    names = "fd,kd-full,mifd,fd-infinity"
    through, direct = (
        jaxeval.evaluate(data, images["samples"], protocol="adm", extractor=network(), metrics=names)
        for data in (reference, images["some"])
    )
    same = {key: value for key, value in values(through).items() if key != "fid"}
    assert set(same) == {"kid-full", "mifid", "memorisation", "fid-infinity"}
    assert same == {key: value for key, value in values(direct).items() if key != "fid"}
    assert values(through)["fid"] != values(direct)["fid"]


def test_a_sample_file_that_has_statistics_too(tmp_path, images, kept):
    mu, sigma = statistics(images["samples"][:70], "pool")
    samples = write(tmp_path / "samples.npz", mu=mu, sigma=sigma, arr_0=images["samples"])
    reference = write(tmp_path / "VIRTUAL_made.npz", **kept)
    found = values(jaxeval.evaluate(reference, samples, protocol="adm", extractor=network()))
    assert found["fid"] == pytest.approx(distance((mu, sigma), features(images["all"], "pool")), rel=1e-5)
    direct = values(jaxeval.evaluate(reference, images["samples"], protocol="adm", extractor=network()))
    assert {key: found[key] for key in ("sfid", "is", "precision", "recall")} == {
        key: direct[key] for key in ("sfid", "is", "precision", "recall")
    }


@pytest.mark.parametrize(
    ("keys", "given"),
    [
        (("mu", "sigma", "mu_s", "sigma_s"), {"fid", "sfid", "is"}),
        (("mu_s", "sigma_s"), {"sfid", "is"}),
        (("mu", "sigma", "arr_0"), {"fid", "sfid", "is", "precision", "recall"}),
        (("mu_s", "sigma_s", "arr_0"), {"fid", "sfid", "is", "precision", "recall"}),
    ],
)
def test_what_a_file_lacks_is_named_and_the_rest_given(tmp_path, images, kept, keys, given):
    reference = write(tmp_path / "VIRTUAL_made.npz", **{key: kept[key] for key in keys})
    evaluation = jaxeval.evaluate(reference, images["samples"], protocol="adm", extractor=network())
    assert set(values(evaluation)) == given
    without = " ".join(evaluation.not_computed)
    assert ("'" + str(reference) + "'" in without) == (given != {"fid", "sfid", "is", "precision", "recall"})


def test_statistics_of_another_layer_give_way_to_the_images(tmp_path, images, kept):
    reference = write(tmp_path / "VIRTUAL_made.npz", **kept | {"mu": np.zeros(9), "sigma": np.eye(9)})
    (result,) = jaxeval.evaluate(
        reference, images["samples"], protocol="adm", extractor=network(), metrics="fid"
    ).results
    direct = jaxeval.evaluate(images["some"], images["samples"], protocol="adm", extractor=network(), metrics="fid")
    assert result.value == direct.results[0].value
    assert any("the images in the file are used" in warning for warning in result.warnings)


def test_metrics_that_are_asked_for_are_those(tmp_path, images, kept):
    reference = write(tmp_path / "VIRTUAL_made.npz", **kept)
    evaluation = jaxeval.evaluate(
        reference, images["samples"], protocol="adm", extractor=network(), metrics="prdc,sfid"
    )
    assert set(values(evaluation)) == {"sfid", "precision", "recall", "density", "coverage"}
    write(reference, **{key: kept[key] for key in ("mu", "sigma")})
    with pytest.raises(InputError, match="it needs the reference's images"):
        jaxeval.evaluate(reference, images["samples"], protocol="adm", extractor=network(), metrics="prdc")


def test_two_generators_against_a_reference_file(tmp_path, images, kept):
    reference = write(tmp_path / "VIRTUAL_made.npz", **kept)
    first, second = images["samples"][:75], images["samples"][75:]
    comparison = jaxeval.compare(
        first, second, reference=reference, protocol="adm", extractor=network(), metrics="fid,precision"
    )
    found = {one.first.metric: one for one in comparison.differences}
    expected = [distance(statistics(images["all"], "pool"), features(part, "pool")) for part in (first, second)]
    assert found["fid"].value == pytest.approx(expected[1] - expected[0], rel=1e-4)
    interval = found["fid"].interval
    assert interval is not None
    assert interval[0] < found["fid"].value < interval[1]


def test_the_images_of_a_reference_file_by_their_key(tmp_path, images, kept):
    reference = write(tmp_path / "VIRTUAL_made.npz", **kept)
    extractor = network()
    direct = jaxeval.evaluate(images["some"], images["samples"], extractor=extractor).results[0]
    named = jaxeval.evaluate(f"{reference}?key=arr_0", images["samples"], extractor=extractor).results[0]
    assert named.value == direct.value
    with pytest.raises(InputError, match=r"its images are .*VIRTUAL_made\.npz\?key=arr_0"):
        jaxeval.features(reference, extractor=extractor)


def test_over_another_network_the_images_count(tmp_path, images, kept):
    reference = write(tmp_path / "VIRTUAL_made.npz", **kept)
    other = network("other", ("logits_unbiased",))
    evaluation = jaxeval.evaluate(reference, images["samples"], protocol="adm", extractor=other)
    direct = jaxeval.evaluate(
        images["some"], images["samples"], protocol="adm", extractor=other, metrics="fd,precision"
    )
    shared = {key: values(direct)[key] for key in ("fd-other", "precision-other", "recall-other")}
    assert shared.items() <= values(evaluation).items()
