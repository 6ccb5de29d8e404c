"""Sets too small for a protocol's rules: refusals name the set and an option that exists; options are recorded."""

from typing import Any

import numpy as np
import pytest
from image_sets import crops
from small_network import small_network

import jaxeval
from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.extractors import Extractor

pytestmark = pytest.mark.usefixtures("quickly_compiled")

NETWORK = small_network()
LOGITS = Extractor(
    name="votes",
    image_size=NETWORK.image_size,
    resize=NETWORK.resize,
    normalisation=NETWORK.normalisation,
    taps={"features": 12, "logits": 12},
    default_tap="features",
    params=None,
    forward=lambda params, images, taps: dict.fromkeys(
        taps, 4 * NETWORK.forward(None, images, ("features",))["features"]
    ),
)
REAL, MADE = crops(70, (6, 6), seed=1), crops(40, (6, 6), seed=2) // 2 + 50


def features(images):
    return jaxeval.features(images, extractor=NETWORK)


def compared(first, second, reference=REAL, **more):
    comparison = jaxeval.compare(first, second, reference=reference, extractor=NETWORK, **more)
    return {one.first.metric.removesuffix("-mine"): one for one in comparison.differences}, comparison


@pytest.mark.parametrize("count", [10, 12, 19, 39])
def test_fewer_images_are_left_out_in_fewer_groups(count):
    found, _ = compared(MADE[:count], MADE[-count:] // 2, metrics="fd")
    groups = count // 2
    expected = ops.frechet_difference(
        reference=features(REAL), first=features(MADE[:count]), second=features(MADE[-count:] // 2), groups=groups
    )
    assert f"jackknife of {groups} groups" in found["fd"].interval_method
    assert found["fd"].value == pytest.approx(expected.value, rel=1e-6)
    assert found["fd"].interval == pytest.approx(
        ops.interval(expected.value, expected.standard_error, degrees=groups - 1), rel=1e-6
    )
    assert found["fd"].alike_p_value == expected.p_value


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_below_ten_images_there_are_values_and_reasons(count):
    found, comparison = compared(MADE[:count], MADE[-count:], metrics="fd,kd-full,precision", k=1)
    assert set(found) == {"fd", "kd-full", "precision", "recall", "density", "coverage"}
    assert comparison.not_computed == ()
    assert found["fd"].interval is None
    assert found["fd"].interval_method == "none: there are too few images"
    assert found["fd"].p_value is None
    assert 0 < (found["fd"].alike_p_value or 0) <= 1  # permutations need no groups
    assert (found["kd-full"].interval is None) == (count < 4)


def test_a_statistics_file_is_no_small_set(tmp_path):
    path = tmp_path / "real.npz"
    jaxeval.reference_statistics(REAL, path, extractor=NETWORK)
    found, _ = compared(MADE[:40], MADE[:40] // 2, reference=path, metrics="fd")
    assert "20 groups" in found["fd"].interval_method


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"metrics": "kd"},
            r"'few' has 5; kd-full is over all pairs, however few; or choose --kid-subset-size 5 or less",
        ),
        (
            {"metrics": "prdc", "k": 5},
            r"'few' has 5 images, and balls to the 5. neighbour .* 6 or more; .*--k 4 or less",
        ),
        ({"metrics": "clipped"}, r"'few' has 5 images, .*; give more images, or --k 4 or less"),
        (
            {"metrics": "is"},
            r"over 10 splits and 'few' has 5 images; give more images, or fewer splits \(--is-splits 1\)",
        ),
        ({"metrics": "c-t"}, r"one of which more than 20 of 'few'; there are too few images"),
    ],
)
def test_a_refusal_names_the_set_and_an_option(arguments, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        jaxeval.evaluate(REAL, {"few": MADE[:5]}, extractor=LOGITS, held_out=MADE[5:], **arguments)
    assert "lower k" not in str(caught.value)
    # Which is heeded where the sentence says so.
    option: dict[str, Any] = {
        "kd": {"kid_subset_size": 5},
        "prdc": {"k": 4},
        "clipped": {"k": 4},
        "is": {"is_splits": 1},
    }
    more = option.get(arguments["metrics"])
    if more is not None:
        jaxeval.evaluate(REAL, {"few": MADE[:5]}, extractor=LOGITS, **(arguments | more))


def test_too_few_images_for_a_curve_and_for_a_reference_are_named():
    with pytest.raises(InputError, match=r"'array \[7, 6, 6, 3\]' and 'few' have 12 together"):
        jaxeval.evaluate(REAL[:7], {"few": MADE[:5]}, extractor=NETWORK, metrics="prd")
    with pytest.raises(InputError, match=r"'array \[3, 6, 6, 3\]' has 3 images, and balls to the 3. neighbour"):
        jaxeval.evaluate(REAL[:3], {"many": MADE}, extractor=NETWORK, metrics="rarity")


def test_chosen_numbers_are_those_of_the_result():
    choices: dict[str, Any] = {"kid_subset_size": 12, "kid_subsets": 7, "k": 2, "is_splits": 3}
    evaluation = jaxeval.evaluate(
        REAL, {"made": MADE}, extractor=LOGITS, metrics="kd,prdc,clipped,p-precision,realism,rarity,is", **choices
    )
    found = {one.metric.removesuffix("-votes"): one for one in evaluation.results}
    rows: dict[str, Any] = {"reference": 4 * features(REAL), "generated": 4 * features(MADE)}
    prdc = ops.prdc(**rows, k=2, tie="inclusive")
    values = {
        "kd": ops.kid(**rows, subsets=7, subset_size=12).mean,
        "precision": prdc.precision,
        "coverage": prdc.coverage,
        "clipped-coverage": ops.clipped_density_coverage(**rows, k=2).coverage,
        "p-precision": ops.probabilistic_precision_recall(**rows, k=2).precision,
        "realism": ops.realism(**rows, k=2).mean(),
        "is": ops.inception_score(logits=rows["generated"], splits=3).mean,
    }
    for name, value in values.items():
        assert found[name].value == pytest.approx(value, rel=1e-4), name
    assert (found["kd"].parameters["subsets"], found["kd"].parameters["subset_size"]) == (7, 12)
    assert all(found[name].parameters["k"] == 2 for name in ("recall", "clipped-density", "p-recall", "rarity"))
    assert found["is"].parameters["splits"] == 3
    # No definition is claimed that was departed from, and the departure is said.
    whose = "torch-fidelity 0.3 and 0.4"
    assert f"7 subsets of 12, drawn as by torch-fidelity, where {whose} has 100 of 1,000" in found["kd"].definition
    assert f"as in {whose}, but for k = 2 where it has 3" in found["precision"].definition
    assert f"3 splits as by torch-fidelity, where {whose} has 10" in found["is"].definition
    assert "but for k = 2 where it has 5" in found["clipped-density"].definition
    for name in ("kd", "precision", "is"):
        assert any(whose in warning for warning in found[name].warnings), name
    protocol = evaluation.manifest["protocols"]["torch-fidelity"]
    assert (protocol["subsets"]["size"], protocol["subsets"]["subsets"]) == (12, 7)
    assert (protocol["splits"]["splits"], protocol["manifold"]["k"], protocol["neighbours"]) == (3, 2, 2)


def test_a_protocol_without_a_rule_takes_the_chosen_one():
    evaluation = jaxeval.evaluate(
        REAL, {"made": MADE}, extractor=LOGITS, metrics="kd,prdc,is", protocol="adm,edm2", kid_subset_size=20, k=5,
        is_splits=2,
    )  # fmt: skip
    found = {(one.metric.removesuffix("-votes"), one.protocol): one for one in evaluation.results}
    expected = ops.kid(reference=4 * features(REAL), generated=4 * features(MADE), subset_size=20).mean
    for protocol in ("adm", "edm2"):
        assert found["kd", protocol].value == pytest.approx(expected, rel=1e-4)
        assert "has no kernel distance of its own" in found["kd", protocol].definition
    assert found["is", "adm"].parameters["rule"] == "stylegan3"
    assert "where ADM" in found["is", "adm"].definition
    assert "has splits of 5,000" in found["is", "adm"].definition
    assert "but for k = 5 where it has 3" in found["precision", "adm"].definition
    # The package prdc's own k is 5: nothing is departed from.
    assert found["precision", "edm2"].definition.endswith("as in the package prdc; votes features")
    assert not any("as in" in warning for warning in found["precision", "edm2"].warnings)


def test_a_choice_that_is_the_protocols_own_changes_nothing():
    common: dict[str, Any] = {"extractor": LOGITS, "metrics": "prdc,is"}
    plain = jaxeval.evaluate(REAL, {"made": MADE}, **common).results
    chosen = jaxeval.evaluate(REAL, {"made": MADE}, k=3, is_splits=10, **common).results
    assert [(one.value, one.definition, one.warnings) for one in chosen] == [
        (one.value, one.definition, one.warnings) for one in plain
    ]


def test_a_choice_without_a_use_is_refused():
    with pytest.raises(InputError, match=r"--k is about prdc, clipped, .*none of them was asked for"):
        jaxeval.evaluate(REAL, MADE, extractor=NETWORK, metrics="fd", k=3)
    with pytest.raises(InputError, match="--is-splits is about is, and none of them"):
        jaxeval.compare(MADE, MADE // 2, reference=REAL, extractor=NETWORK, is_splits=3)


@pytest.mark.parametrize(("count", "splits", "smallest"), [(40, 10, 4), (40, 4, None), (10, 10, 1), (39, 4, 9)])
def test_splits_of_few_images_are_warned_of(count, splits, smallest):
    def said(results):
        return [text for one in results for text in one.warnings if "smallest split" in text]

    (one,) = jaxeval.evaluate(REAL, {"made": MADE[:count]}, extractor=LOGITS, metrics="is", is_splits=splits).results
    comparison = jaxeval.compare(
        MADE[:count], MADE[:count] // 2, reference=REAL, extractor=LOGITS, metrics="is", is_splits=splits
    )
    (difference,) = comparison.differences
    if smallest is None:
        assert said([one, difference.first, difference.second]) == []
        return
    (text,) = said([one])
    assert f"the smallest split of made has {smallest} image" in text
    assert len(said([difference.first, difference.second])) == 2
    if count == splits:
        assert one.value == pytest.approx(1, abs=1e-12)


def test_a_short_last_split_is_warned_of():
    """ADM's splits have 5,000 images, the last what is left."""
    from jaxeval.ops.split_rules import split_sizes

    assert split_sizes(10_003, rule="adm") == (5000, 5000, 3)
    assert split_sizes(12, splits=10, rule="torchmetrics") == (2,) * 6
    assert split_sizes(25, splits=10) == tuple(np.diff([i * 25 // 10 for i in range(11)]))
