"""`jaxeval.compare`: differences of the same numbers that `evaluate` gives, found where they are and not where not."""

import json

import numpy as np
import pytest
from image_sets import crops, write_pngs
from small_network import small_network

import jaxeval
from jaxeval.cli import main
from jaxeval.errors import InputError

pytestmark = [
    pytest.mark.xdist_group("compare"),  # one worker, which makes the fixtures once
    pytest.mark.usefixtures("quickly_compiled"),
]
NETWORK = small_network()


@pytest.fixture(scope="module")
def images():
    real, good = crops(400, (6, 6), seed=1), crops(350, (6, 6), seed=2)
    dull = (0.7 * crops(350, (6, 6), seed=3) + 40).astype(np.uint8)
    return {"real": real, "good": good, "as good": crops(350, (6, 6), seed=4), "dull": dull}


def found(images, first, second, **more):
    comparison = jaxeval.compare(images[first], images[second], reference=images["real"], extractor=NETWORK, **more)
    return {one.first.metric.removesuffix("-mine"): one for one in comparison.differences}


@pytest.fixture(scope="module")
def differing(images):
    return found(images, "good", "dull")


def test_values_are_those_of_evaluate(images, differing):
    results = jaxeval.evaluate(
        images["real"], [images["good"], images["dull"]], extractor=NETWORK, metrics="fd,kd-full,prdc"
    ).results
    for name, one in differing.items():
        values = [result.value for result in results if result.metric == f"{name}-mine"]
        assert [one.first.value, one.second.value] == pytest.approx(values, rel=1e-12)
        assert one.value == pytest.approx(values[1] - values[0], rel=1e-9)


def test_a_difference_is_found_with_its_direction(differing):
    for name in ("fd", "kd-full", "coverage", "recall"):
        one = differing[name]
        low, high = one.interval
        assert low < one.value < high
        assert not low <= 0 <= high
        assert one.better == one.first.generated
        assert one.p_value < 0.01
        assert one.alike_p_value is None or one.alike_p_value < 0.01


def test_sets_of_one_kind_are_not_told_apart(images):
    differences = found(images, "good", "as good").values()
    assert all(one.alike_p_value is None or one.alike_p_value > 0.01 for one in differences)
    # Six intervals of 95%: one of them may miss.
    assert sum(one.better is not None for one in differences) <= 1
    for one in differences:
        assert one.interval is not None
        assert one.p_value is not None
        assert (one.p_value < 0.05) == (not one.interval[0] <= 0 <= one.interval[1])


def test_swapped_sets_give_the_opposite(images, differing):
    for name, other in found(images, "dull", "good").items():
        assert other.p_value is not None
        assert other.value == pytest.approx(-differing[name].value, rel=1e-9)
        assert (other.p_value < 0.05) == (differing[name].p_value < 0.05)


@pytest.mark.slow
def test_every_metric_can_be_compared(images):
    names = "sliced,vendi,memorisation,authenticity,clipped,rke,fld"
    few = {key: values[:200] for key, values in images.items()}
    differences = found(few, "good", "dull", metrics=names, held_out=images["as good"])
    assert set(differences) >= {"mind", "sw2", "vendi", "memorisation", "authenticity", "clipped-density", "rke", "fld"}
    for one in differences.values():
        assert one.interval is not None
        assert one.interval[0] <= one.value <= one.interval[1]
        assert one.p_value is not None


def test_statistics_can_be_the_reference_of_the_distance_alone(images, tmp_path):
    path = tmp_path / "real.npz"
    jaxeval.reference_statistics(images["real"], path, extractor=NETWORK)
    arguments = {"reference": path, "extractor": NETWORK}
    comparison = jaxeval.compare(images["good"], images["dull"], metrics="fd", **arguments)
    direct = found(images, "good", "dull", metrics="fd")["fd"]
    assert comparison.differences[0].value == pytest.approx(direct.value, rel=1e-9)
    with pytest.raises(InputError, match="needs the reference's images"):
        jaxeval.compare(images["good"], images["dull"], **arguments)


def test_the_command_prints_and_writes_the_comparison(images, tmp_path, capfd):
    folders = {key: str(write_pngs(tmp_path / key, images[key][:120])) for key in ("real", "good", "dull")}
    command = ["compare", folders["good"], folders["dull"], "--reference", folders["real"], "--extractor", "pixels"]
    assert main([*command, "--metrics", "fd,kd-full", "--out", str(tmp_path / "out"), "--json", "--quiet"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document == json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [one["first"]["metric"] for one in document["differences"]] == ["fd-pixels", "kd-full-pixels"]
    assert main([*command, "--metrics", "fd,kd-full", "--quiet"]) == 0
    table = capfd.readouterr().out
    assert "difference" in table
    assert "KD-full" in table
    # Both hypotheses are named.
    assert "no difference" in table
    assert "one distribution" in table
