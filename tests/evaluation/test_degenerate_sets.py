"""Sets without variety: each number is what it should be, or is named as not defined, and costs no other number."""

import warnings
from typing import Any

import numpy as np
import pytest
from image_sets import crops
from small_network import small_network

import jaxeval
from jaxeval.errors import InputError
from jaxeval.evaluation import MEASURES
from jaxeval.evaluation.measures.measure import NO_SPREAD
from jaxeval.extractors import Extractor

pytestmark = pytest.mark.usefixtures("quickly_compiled")

NETWORK = small_network()
REAL, MADE = crops(40, (6, 6), seed=1) // 2 + 60, crops(35, (6, 6), seed=2) // 2 + 50
BLACK, WHITE = np.zeros((30, 6, 6, 3), np.uint8), np.full((30, 6, 6, 3), 255, np.uint8)
COPIES = np.repeat(MADE[:1], 30, axis=0)


def pixels(images):
    """What the extractor `pixels` gives, but for the rounding to float32."""
    return images.reshape(len(images), -1) / 255.0


def mean_of_kernel(x, y, *, different):
    """Mean of the cubic kernel over pairs, by all of them; over pairs of different rows if asked for."""
    values = (x @ y.T / x.shape[1] + 1) ** 3
    if not different:
        return values.mean()
    return (values.sum() - np.trace(values)) / (len(x) * (len(x) - 1))


def cubic_distance(x, y):
    return (
        mean_of_kernel(x, x, different=True)
        + mean_of_kernel(y, y, different=True)
        - 2 * mean_of_kernel(x, y, different=False)
    )


@pytest.mark.parametrize("protocol", ["torch-fidelity", "stylegan3"])
@pytest.mark.parametrize(
    ("shape", "count"), [((2, 8, 8, 3), 2), ((30, 6, 6, 3), 30), ((200, 2, 2, 3), 200)], ids=["issue", "few", "many"]
)
def test_two_constant_sets_are_as_far_apart_as_their_means(shape, count, protocol):
    sets = np.zeros(shape, np.uint8), {"white": np.full(shape, 255, np.uint8)}
    (result,) = jaxeval.evaluate(*sets, extractor="pixels", protocol=protocol).results
    assert result.value == pytest.approx(np.prod(shape[1:]), rel=1e-12)  # |1 - 0|^2 in each pixel and colour
    assert result.n_generated == count
    assert result.interval is None
    assert result.interval_method == NO_SPREAD


def test_equal_constant_sets_are_at_distance_zero():
    sets = np.full((30, 6, 6, 3), 7, np.uint8), np.full((25, 6, 6, 3), 7, np.uint8)
    names = "fd,kd-full,fd-infinity,sliced,mifd"
    found = {one.metric: one for one in jaxeval.evaluate(*sets, extractor="pixels", metrics=names).results}
    stems = ("fd", "kd-full", "fd-infinity", "sw2", "mind", "memorisation")  # MiFD has a meaning over Inception alone
    assert set(found) == {f"{stem}-pixels" for stem in stems}
    assert all(one.value == pytest.approx(0, abs=1e-12) for one in found.values())
    assert found["fd-pixels"].interval is None
    assert found["kd-full-pixels"].interval is None


def test_distances_of_one_constant_set_are_those_of_other_formulas():
    names = "fd,kd-full,vendi,prdc,p-precision"
    evaluation = jaxeval.evaluate(REAL, {"copies": COPIES}, extractor="pixels", metrics=names, protocol="clean-fid")
    found = {one.metric.removesuffix("-pixels"): one for one in evaluation.results}
    x, y = pixels(REAL), pixels(COPIES)
    # tr sqrt(S 0) = 0: what is left is the shift and the reference's variance.
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + x.var(0, ddof=1).sum()
    assert found["fd"].value == pytest.approx(expected, rel=1e-6)
    low, high = found["fd"].interval or (np.nan, np.nan)
    assert low < found["fd"].value < high
    assert found["kd-full"].value == pytest.approx(cubic_distance(x, y), rel=1e-4)
    assert found["vendi"].value == pytest.approx(1, rel=1e-9)
    distances = np.linalg.norm(x[:, None] - x[None], axis=2)
    radii = np.sort(distances, axis=1)[:, 5]
    to_copies = np.linalg.norm(x - y[0], axis=1)
    assert found["precision"].value == float((to_copies < radii).any())
    assert found["recall"].value == 0
    reach = 1.2 * np.sort(distances, axis=1)[:, 4].mean()
    assert found["p-precision"].value == pytest.approx(1 - np.minimum(to_copies / reach, 1).prod(), rel=1e-4)
    (missing,) = evaluation.not_computed
    assert missing.startswith("P-recall-pixels of copies: every image of 'copies' has 4 copies or more in it")


def test_one_collapsed_set_costs_its_own_numbers_alone():
    sets = {"good": MADE, "collapsed": COPIES, "other": MADE[::-1].copy()}
    evaluation = jaxeval.evaluate(REAL, sets, extractor=NETWORK, metrics="p-precision-recall,vendi,kd-full")
    found = {(one.generated, one.metric.removesuffix("-mine")) for one in evaluation.results}
    every = {"p-precision", "p-recall", "vendi", "kd-full"}
    assert found == {(name, stem) for name in sets for stem in every} - {("collapsed", "p-recall")}
    assert evaluation.missing == evaluation.not_computed
    assert len(evaluation.missing) == 1
    (record,) = evaluation.manifest["not_computed"]
    assert (record["metric"], record["generated"], record["missing"]) == ("p-recall-mine", "collapsed", True)


def test_what_all_cannot_have_is_not_missed():
    evaluation = jaxeval.evaluate(REAL, {"collapsed": COPIES}, extractor=NETWORK, metrics="all", protocol="clean-fid")
    assert any("P-recall" in sentence for sentence in evaluation.not_computed)
    assert evaluation.missing == ()


def test_nothing_at_all_is_an_error_that_says_why():
    with pytest.raises(
        InputError, match=r"^none of the numbers can be computed; Realism-mine of black: .*; and 1 more$"
    ):
        jaxeval.evaluate(BLACK, {"black": BLACK}, extractor=NETWORK, metrics="realism,rke")
    with pytest.raises(InputError, match=r"^RKE-mine of black: all images of .* are alike, so that no kernel"):
        jaxeval.evaluate(BLACK, {"black": BLACK}, extractor=NETWORK, metrics="rke")


SETS = {
    "black and white": (BLACK, WHITE, WHITE[:20]),
    "black and black": (BLACK, BLACK[:25], BLACK[:20]),
    "real and one image's copies": (REAL, COPIES, MADE),
    "a constant and many": (COPIES, MADE, REAL),
    "single colours": tuple(
        np.repeat(levels.astype(np.uint8), 108).reshape(-1, 6, 6, 3)
        for levels in (np.arange(30), np.arange(100, 135), np.arange(200, 225))
    ),
    "one image": (REAL, MADE[:1], REAL[:1]),
    "two images": (REAL[:2], MADE[:2], MADE[2:4]),
    "three images": (REAL[:3], MADE[:3], MADE[3:6]),
    "five images": (REAL[:5], MADE[:5], MADE[5:10]),
    "ten images": (REAL[:10], MADE[:10], MADE[10:20]),
}


ADVICE_THAT_CANNOT_BE_TAKEN = (
    "bandwidth",
    "lower k",
    "fewer cells",
    "subset_size",
    "at_most",
    "groups",
    " rows",
    "nan",
)


@pytest.mark.slow
@pytest.mark.parametrize("sets", SETS.values(), ids=SETS)
def test_no_degenerate_set_ends_in_a_fault(sets):
    """Not in a NaN, a warning of NumPy's, a fault, or advice about what is no option."""
    reference, made, unseen = sets
    network = Extractor(
        name="few",
        image_size=(6, 6),
        resize="bilinear",
        normalisation=NETWORK.normalisation,
        taps={"features": 12, "logits": 12, "sfid": 12},
        default_tap="features",
        params=None,
        forward=lambda params, images, taps: dict.fromkeys(taps, images.reshape(len(images), -1)[:, :12] / 255),
    )
    names = [name for name, measure in MEASURES.items() if not measure.families and not measure.needs_labels]
    common: dict[str, Any] = {
        "held_out": {"unseen": unseen},
        "extractor": network,
        "metrics": names,
        "protocol": "clean-fid",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        evaluation = jaxeval.evaluate({"real": reference}, {"made": made}, **common)
        other = {"other": crops(len(made), (6, 6), seed=9) // 2 + 40}
        comparison = jaxeval.compare({"made": made}, other, reference={"real": reference}, **common)
    for document in (evaluation, comparison):
        assert "NaN" not in document.to_json()
        assert "Infinity" not in document.to_json()
        for sentence in document.not_computed:
            assert "a fault in jaxeval" not in sentence
            assert not any(word in sentence for word in ADVICE_THAT_CANNOT_BE_TAKEN), sentence
            assert any(repr(name) in sentence or f"{name}:" in sentence for name in ("real", "made", "other", "unseen"))


def test_statistics_of_a_constant_set_stand_for_it(tmp_path):
    path = tmp_path / "black.npz"
    statistics = jaxeval.reference_statistics(BLACK, path, extractor="pixels")
    assert (statistics.count, float(np.abs(statistics.full_covariance()).max())) == (30, 0.0)
    results = jaxeval.evaluate(path, {"white": WHITE, "black": BLACK[:20], "made": MADE}, extractor="pixels").results
    y = pixels(MADE)
    expected = [108.0, 0.0, (y.mean(0) ** 2).sum() + y.var(0, ddof=1).sum()]
    assert [one.value for one in results] == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_constant_sets_are_compared():
    comparison = jaxeval.compare(WHITE, BLACK, reference=BLACK, extractor="pixels", metrics="fd,kd-full")
    found = {one.first.metric: one for one in comparison.differences}
    difference = found["fd-pixels"]
    assert difference.value == pytest.approx(-108, rel=1e-12)
    assert difference.interval is None
    assert difference.interval_method == NO_SPREAD
    assert difference.p_value is None
    assert difference.alike_p_value == pytest.approx(1e-4)
    assert found["kd-full-pixels"].value == pytest.approx(-7, rel=1e-5)  # of 1 + 8 - 2


def test_a_set_of_one_image_costs_its_own_distance_alone(tmp_path):
    sets = {"made": MADE, "one": MADE[:1]}
    for more in ({}, {"cache": tmp_path / "cache"}, {"checkpoint": tmp_path / "checkpoint"}):
        evaluation = jaxeval.evaluate(REAL, sets, extractor=NETWORK, metrics="fd,vendi", **more)
        found = [(one.metric, one.generated) for one in evaluation.results]
        assert found == [("fd-mine", "made"), ("vendi-mine", "made"), ("vendi-mine", "one")]
        assert evaluation.missing == ("FD-mine of one: 'one' has 1 image; a covariance needs at least 2",)
    with pytest.raises(InputError, match="has 1 image; a covariance needs at least 2"):
        jaxeval.reference_statistics(MADE[:1], tmp_path / "one.npz", extractor=NETWORK)


def test_images_without_a_direction_are_named():
    dark = np.concatenate([MADE[:10], BLACK[:2], MADE[10:]])
    with pytest.raises(InputError, match=r"image 11 of 'dark' has features that are all 0.*, nor have 1 others"):
        jaxeval.evaluate(REAL, {"dark": dark}, extractor="pixels", metrics="vendi")


def test_an_undefined_number_costs_no_other_its_interval():
    """Of 66 images enough for thirds; P-recall has no value, P-precision has its interval."""
    many = np.repeat(MADE[:1], 66, axis=0)
    evaluation = jaxeval.evaluate(
        crops(66, (6, 6), seed=5), {"many": many}, extractor=NETWORK, metrics="p-precision-recall"
    )
    (result,) = evaluation.results
    assert result.metric == "p-precision-mine"
    assert result.interval is not None
    assert len(evaluation.missing) == 1


def test_classes_that_are_too_small_are_named(tmp_path):
    from image_sets import write_pngs

    for side, counts in (("real", {"cat": 8, "dog": 8}), ("made", {"cat": 8, "dog": 1})):
        for name, count in counts.items():
            write_pngs(tmp_path / side / name, crops(count, (6, 6), seed=len(name) + count))
    sides = str(tmp_path / "real"), {"made": str(tmp_path / "made")}
    evaluation = jaxeval.evaluate(*sides, extractor=NETWORK, metrics="by-class,class-diversity,vendi")
    assert {one.metric for one in evaluation.results} == {"class-accuracy-mine", "vendi-mine"}
    assert all("'made' has 1 image of the class 'dog' and 2 are needed" in text for text in evaluation.missing)
    assert len(evaluation.missing) == 2
