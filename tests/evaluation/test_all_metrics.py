"""Every metric through `evaluate`: the right features in the right roles, one run of each network, honest intervals."""

import numpy as np
import pytest
from image_sets import crops, write_pngs
from small_network import small_network

import jaxeval
from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.evaluation.measures import MEASURES, NUMBERS
from jaxeval.extractors import Extractor, from_function

pytestmark = [
    pytest.mark.xdist_group("all_metrics"),  # one worker, which makes the fixtures once
    pytest.mark.usefixtures("quickly_compiled"),
]


@pytest.fixture(scope="module")
def images():
    """Real and generated images that are told apart, and real ones that were not shown."""
    real, unseen = crops(320, (6, 6), seed=1), crops(200, (6, 6), seed=3)
    generated = (0.8 * crops(300, (6, 6), seed=2) + 20).astype(np.uint8)
    return real, generated, unseen


@pytest.fixture(scope="module")
def network() -> Extractor:
    return small_network()


@pytest.fixture(scope="module")
def evaluation(images, network):
    real, generated, unseen = images
    return jaxeval.evaluate(
        real, {"made": generated}, held_out=unseen, extractor=network, metrics="all", protocol="clean-fid", seed=4
    )


@pytest.fixture(scope="module")
def rows(images, network):
    real, generated, unseen = (jaxeval.features(part, extractor=network) for part in images)
    return {"reference": real, "generated": generated}, unseen


def test_all_is_all_that_can_be_had(evaluation):
    found = {result.metric for result in evaluation.results}
    missing = {one["metric"] for one in evaluation.manifest["not_computed"]}
    stems = {stem for measure in MEASURES.values() for stem in measure.stems}
    assert stems == set(NUMBERS)
    without = {
        "is-mine",
        "mifd-mine",
        "cmmd-mine",
        "clip-score-mine",
        "sfd-mine",
        "class-fd-mine",
        "diversity-within-mine",
    }
    assert missing == without
    assert found == {f"{stem}-mine" for stem in stems} - without - {"class-accuracy-mine", "diversity-between-mine"}
    assert all("mine" in sentence for sentence in evaluation.not_computed)


def test_each_number_is_that_of_its_definition_on_the_same_features(evaluation, rows):
    """In the roles that the definition has, which swapped sets would not give."""
    both, unseen = rows
    swapped = {"reference": both["generated"], "generated": both["reference"]}
    values = {result.metric.removesuffix("-mine"): result.value for result in evaluation.results}

    def definitions(sets, alone):
        prdc = ops.prdc(**sets, k=5, tie="exclusive")
        clipped = ops.clipped_density_coverage(**sets)
        likelihood = ops.fld(**sets, held_out=unseen, seed=4)
        return {
            "precision": prdc.precision,
            "recall": prdc.recall,
            "density": prdc.density,
            "coverage": prdc.coverage,
            "clipped-density": clipped.density,
            "clipped-coverage": clipped.coverage,
            "realism": ops.realism(**sets).mean(),
            "authenticity": ops.authenticity(**sets),
            "vendi": ops.vendi_score(alone),
            "fld": likelihood.value,
            "fld-gap": likelihood.gap,
            "c-t": ops.c_t_score(**sets, held_out=unseen, seed=4).value,
            "alpha-precision": ops.alpha_precision(**sets).precision,
        }

    right, wrong = definitions(both, both["generated"]), definitions(swapped, both["reference"])
    for name, value in right.items():
        assert values[name] == pytest.approx(value, rel=1e-6), name
        assert values[name] != pytest.approx(wrong[name], rel=1e-3), name
    symmetric = {
        "fd": ops.frechet_distance_from_features(**both),
        "kd": ops.kid(**both, rule="clean-fid").mean,
        "kd-full": ops.kid_full(**both).value,
        "mind": ops.mind(**both, seed=4).value,
        "mmd-rbf": ops.mmd(**both).value,
    }
    for name, value in symmetric.items():
        assert values[name] == pytest.approx(value, rel=1e-6), name


def test_every_result_has_an_interval_or_says_why_not(evaluation):
    for result in evaluation.results:
        assert result.interval_method
        if result.metric == "c-t-mine":
            assert result.interval is None
            continue
        assert result.interval is not None, result
        low, high = result.interval
        assert low < high
        assert result.interval_method.startswith("95%, ")
        assert low <= result.value <= high
        least, largest = NUMBERS[result.metric.removesuffix("-mine")].range
        assert low >= min(least, result.value)
        assert high <= max(largest, result.value)


def test_networks_run_once_for_all_metrics(images):
    calls = []

    def features(batch):
        calls.append(len(batch))
        return np.asarray(batch).reshape(len(batch), -1)[:, :5]

    counting = from_function(features, name="counting", image_size=(6, 6), feature_size=5, jittable=False)
    jaxeval.evaluate(
        images[0][:200],
        images[1][:150],
        extractor=counting,
        metrics="fd,kd-full,prdc,vendi,fd-infinity",
        batch_size=200,
    )
    assert calls == [200, 200]


def test_several_extractors_in_one_reading(images):
    both = jaxeval.evaluate(images[0][:150], images[1][:150], extractor="pixels,random-conv", metrics="fd,precision")
    assert [result.metric for result in both.results if result.metric.startswith("fd")] == [
        "fd-pixels",
        "fd-random-conv-0",
    ]
    alone = jaxeval.evaluate(images[0][:150], images[1][:150], extractor="random-conv", metrics="fd")
    assert both.results[-5].value == alone.results[0].value


def test_classes_are_the_folders(tmp_path, network):
    rng = np.random.default_rng(0)
    sides = []
    for side in ("real", "made"):
        for label, level in (("bright", 200), ("dark", 60), ("middle", 120)):
            noise = rng.integers(-20, 20, (60, 6, 6, 3))
            write_pngs(tmp_path / side / label, (level + noise).astype(np.uint8))
        sides.append(tmp_path / side)
    results = jaxeval.evaluate(*sides, extractor=network, metrics="by-class,class-diversity").results
    values = {result.metric: result.value for result in results}
    assert values["class-accuracy-mine"] == 1.0
    assert values["diversity-within-mine"] < values["diversity-between-mine"]
    made = jaxeval.features(sides[1], extractor=network)
    real = jaxeval.features(sides[0], extractor=network)
    per_class = [
        ops.frechet_distance_from_features(reference=real[part], generated=made[part])
        for part in (slice(0, 60), slice(60, 120), slice(120, 180))
    ]
    assert values["class-fd-mine"] == pytest.approx(np.mean(per_class), rel=1e-6)


def test_a_statistics_file_stands_for_what_it_can(tmp_path, images):
    path = tmp_path / "reference.npz"
    jaxeval.reference_statistics(images[0], path, extractor="pixels")
    results = jaxeval.evaluate(path, images[1], extractor="pixels", metrics="all").results
    assert {result.metric for result in results} == {"fd-pixels", "vendi-pixels"}
    direct = jaxeval.evaluate(images[0], images[1], extractor="pixels").results[0]
    assert results[0].value == pytest.approx(direct.value, rel=1e-12)
    assert results[0].interval == pytest.approx(direct.interval, rel=1e-6)
    with pytest.raises(InputError, match="'prdc' cannot be computed: it needs the reference's images"):
        jaxeval.evaluate(path, images[1], extractor="pixels", metrics="precision")


def test_a_protocol_brings_its_own_rules(images, network):
    results = jaxeval.evaluate(
        images[0], images[1], extractor=network, metrics="prdc", protocol="torch-fidelity,clean-fid,edm2"
    ).results
    found = {(result.metric.removesuffix("-mine"), result.protocol): result for result in results}
    assert found["precision", "torch-fidelity"].parameters == {"k": 3, "tie": "inclusive"}
    assert found["precision", "edm2"].parameters == {"k": 5, "tie": "exclusive"}
    assert "package prdc" in found["precision", "edm2"].definition
    results = jaxeval.evaluate(images[0], images[1], extractor=network, metrics="kd", protocol="clean-fid,edm2").results
    subsets, pairs = results
    assert subsets.parameters["rule"] == "clean-fid"
    assert subsets.parameters["subset_size"] == 300
    assert "all pairs" in pairs.definition
    assert subsets.value != pairs.value


def test_too_few_images_for_a_rule_are_named(images, network):
    with pytest.raises(InputError, match=r"subsets of 1,000 images and 'few' has 80; kd-full is over all pairs"):
        jaxeval.evaluate(images[0], {"few": images[1][:80]}, extractor=network, metrics="kd")


def test_a_bias_that_matters_is_reported(network, images):
    (few,) = jaxeval.evaluate(images[0][:60], {"held": images[2][:60]}, extractor=network).results
    assert any("what so few images cost" in warning for warning in few.warnings)
    assert "its bias included" in few.interval_method
    dark = images[1] // 2
    (many,) = jaxeval.evaluate(images[0], {"made": dark}, extractor=network).results
    assert not any("what so few images cost" in warning for warning in many.warnings)
    for result in (few, many):
        assert result.interval is not None
        assert result.debiased is not None
        assert result.interval[0] <= result.value <= result.interval[1]
        assert f"without its bias of {result.debiased.bias:.4g}" in result.debiased.interval_method
