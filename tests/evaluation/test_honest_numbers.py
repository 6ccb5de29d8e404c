"""Numbers of two sets: whose interval is whose, without a jump; what chance adds; zeros; what means nothing."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from image_sets import crops, write_pngs

import jaxeval
from jaxeval import ops
from jaxeval.cli import main
from jaxeval.errors import InputError
from jaxeval.evaluation.comparing import contrasts_of, difference_of
from jaxeval.evaluation.measures import MEASURES, classes, copying, frechet, kernels, manifold, sliced
from jaxeval.evaluation.measures.measure import Features, Pair
from jaxeval.evaluation.protocols import PROTOCOLS
from jaxeval.evaluation.results import Result
from jaxeval.statistics import FeatureStatistics, StatisticsAccumulator


def features(name, rows, labels=None):
    accumulator = StatisticsAccumulator(name)
    accumulator.add(rows)
    return Features(name, accumulator.finish(), rows, labels)


def pair_of(x, y, protocol="torch-fidelity", held_out=None, **more):
    x, y = (np.asarray(rows, np.float32) for rows in (x, y))
    unseen = None if held_out is None else features("unseen", np.asarray(held_out, np.float32))
    return Pair(features("real", x), features("made", y), unseen, PROTOCOLS[protocol], 0, **more)


def normals(n, m, d, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d)) + shift


def result_of(n_reference, n_generated):
    """A result of which a difference asks the counts and the direction."""
    whose = dict.fromkeys(("interval_method", "protocol", "definition", "extractor", "tap", "resize", "quantise"), "")
    how = dict.fromkeys(("dtype", "precision", "statistics_dtype", "device"), "")
    nothing = dict.fromkeys(("skipped_reference", "skipped_generated", "seed"), 0)
    sets = {"reference": "real", "generated": "made", "n_reference": n_reference, "n_generated": n_generated}
    name = {"metric": "fd-mine", "stem": "fd", "label": "FD-mine", "better": "lower"}
    number = {"value": 0.0, "interval": None, "weights": None, "parameters": {}, "versions": {}}
    return Result(**whose, **how, **nothing, **sets, **name, **number, normalisation=(0, 1), feature_size=1)


def only(numbers) -> Any:
    """One number; its interval and what else it may lack are looked at as if they were there."""
    (number,) = numbers
    return number


def by_stem(numbers) -> dict[str, Any]:
    return {number.stem: number for number in numbers}


# The distance and its bias.


def nested(count, d=12):
    """The first rows of one draw, so that one image more changes little."""
    x, y = normals(400, 400, d, shift=0.1, seed=3)
    return x[:count], y[:count]


@pytest.mark.parametrize("counts", [(119, 120, 121), (23, 24, 25), (59, 60, 61)])
def test_one_image_more_moves_both_intervals_a_little(counts):
    found = [only(frechet.frechet(pair_of(*nested(count)))) for count in counts]
    for number in found:
        low, high = number.interval
        assert low <= number.value <= high
        assert number.debiased.value == max(0, number.value - number.debiased.bias)
        low, high = number.debiased.interval
        assert low <= number.debiased.value <= high
    ends = np.array([(*number.interval, *number.debiased.interval, number.debiased.value) for number in found])
    assert np.abs(np.diff(ends, axis=0)).max() < 0.15 * (found[0].interval[1] - found[0].interval[0])


def test_few_images_make_the_estimate_without_bias_uncertain_and_none_makes_it_unknown():
    number = only(frechet.frechet(pair_of(*nested(12))))
    assert number.debiased is None
    assert any("singular" in warning for warning in number.warnings)
    few, more = (only(frechet.frechet(pair_of(*nested(count)))).debiased for count in (14, 240))
    assert few.bias_shortfall > 0.2 * few.bias
    assert more.bias_shortfall < 0.05 * more.bias


@pytest.mark.parametrize(("n", "m", "d"), [(80, 80, 16), (40, 160, 16), (320, 320, 16), (48, 48, 32)])
def test_both_intervals_cover_what_they_are_of(n, m, d):
    """Of 60 draws, 95% in name: fewer than 52 would be seen once in 500."""
    truth, draws = d * 0.1**2, 60
    found = [only(frechet.frechet(pair_of(*normals(n, m, d, shift=0.1, seed=seed)))) for seed in range(draws)]
    expected = np.mean([number.value for number in found])
    own = sum(number.interval[0] <= expected <= number.interval[1] for number in found)
    debiased = sum(number.debiased.interval[0] <= truth <= number.debiased.interval[1] for number in found)
    assert min(own, debiased) >= 52


def test_a_distance_of_classes_has_its_estimate_without_bias_too():
    x, y = normals(300, 300, 8, seed=5)
    labels = np.arange(300) % 3
    pair = pair_of(x, y)
    pair = dataclasses.replace(
        pair,
        reference=dataclasses.replace(pair.reference, labels=labels),
        generated=dataclasses.replace(pair.generated, labels=labels),
    )
    number = by_stem(classes.by_class(pair))["class-fd"]
    low, high = number.debiased.interval
    assert low == 0 <= number.debiased.value <= high < number.value  # both are of one distribution
    assert number.debiased.bias == pytest.approx(number.value, rel=0.3)
    assert number.interval[0] <= number.value <= number.interval[1]


# Chance that the definition itself draws.


def test_directions_belong_to_the_error_of_mind():
    """In 256 dimensions: the interval of one seed holds what other seeds give."""
    x, y = normals(300, 300, 256, shift=0.3, seed=1)
    y *= np.geomspace(3, 0.3, 256)  # few directions see much of the difference
    found = [by_stem(sliced.sliced(dataclasses.replace(pair_of(x, y, "clean-fid"), seed=s))) for s in range(8)]
    for stem in ("mind", "sw2"):
        values = np.array([one[stem].value for one in found])
        errors = np.array([one[stem].drawing_error for one in found])
        assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.75)  # of 8 draws, known to 27%
        for one in found:
            low, high = one[stem].interval
            assert (high - low) / 2 > 1.9 * one[stem].drawing_error
            assert "directions" in one[stem].interval_method


def test_the_difference_of_two_generators_holds_that_of_the_directions():
    x, y = normals(200, 200, 128, shift=0.2, seed=2)
    z = y + 0.05
    sides, found = [pair_of(x, side, "clean-fid", with_intervals=False) for side in (y, z)], []
    for seed in range(6):
        sides = [dataclasses.replace(side, seed=seed) for side in sides]
        first, second = (by_stem(sliced.sliced(side))["mind"].value for side in sides)
        found.append((first - second, sliced.sliced_draws(*sides)["mind"]))
    values, errors = np.transpose(found)
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.8)
    contrast: Any = contrasts_of(MEASURES["sliced"], *sides)["mind"]
    assert contrast.standard_error > errors[-1]
    assert contrast.with_draws


def test_torch_fidelity_has_its_own_directions():
    x, y = normals(60, 45, 12, shift=0.2)
    pair = pair_of(x, y)
    found = by_stem(sliced.sliced(pair))["mind"]
    assert found.value == ops.mind(**pair.rows(), rule="torch-fidelity", seed=2020).value
    assert found.parameters == {"rule": "torch-fidelity", "projections": 1000, "seed": 2020}
    assert "torch-fidelity 0.5" in found.definition
    other = by_stem(sliced.sliced(dataclasses.replace(pair, protocol=PROTOCOLS["edm2"], seed=7)))["mind"]
    assert other.value == ops.mind(**pair.rows(), seed=7).value
    assert other.parameters == {"rule": "quantiles", "projections": 1000, "seed": 7}


def test_a_kernel_distance_over_subsets_lies_in_its_interval_with_the_error_of_their_choice():
    x, y = normals(300, 1500, 16, shift=0.05, seed=4)
    number = only(kernels.kernel_distance(pair_of(x, y, "clean-fid")))
    full = ops.kid_full(reference=x.astype(np.float32), generated=y.astype(np.float32))
    low, high = number.interval
    assert (low + high) / 2 == pytest.approx(number.value)
    deviation = number.parameters["deviation_of_subsets"]
    assert number.drawing_error == pytest.approx(deviation / 10)
    assert high - low == pytest.approx(2 * 1.96 * np.hypot(full.standard_error, deviation / 10), rel=1e-3)


# Differences.


def test_a_difference_lies_in_its_interval_whatever_the_values_are_over():
    x, y = normals(400, 400, 8, shift=0.3, seed=6)
    z = y[:300] + 0.02
    pairs = pair_of(x, y, "clean-fid"), pair_of(x, z, "clean-fid")
    numbers = [only(kernels.kernel_distance(pair)) for pair in pairs]
    contrast = only(kernels.kernel_distance_contrast(*pairs))
    found: Any = difference_of((numbers[0], numbers[1]), (result_of(400, 400), result_of(400, 300)), contrast)
    low, high = found.interval
    assert (low + high) / 2 == pytest.approx(found.value)
    draws = np.hypot(numbers[0].drawing_error, numbers[1].drawing_error)
    assert high - low == pytest.approx(2 * 1.96 * np.hypot(contrast.standard_error, draws), rel=1e-3)


def test_unequal_counts_alone_make_no_generator_better():
    """The same distribution, 1,500 images of it and 100: the bias of the few is no difference."""
    rng = np.random.default_rng(8)
    x, y, z = (rng.standard_normal((count, 16)) for count in (1500, 1500, 100))
    pairs = pair_of(x, y), pair_of(x, z)
    numbers = [only(frechet.frechet(pair)) for pair in pairs]
    contrast = only(frechet.frechet_contrast(*pairs))
    found: Any = difference_of((numbers[0], numbers[1]), (result_of(1500, 1500), result_of(1500, 100)), contrast)
    assert found.interval[0] > 0
    assert found.debiased.interval[0] <= 0 <= found.debiased.interval[1]
    assert found.better is None


def test_p_values_are_those_of_what_they_say():
    """Two generators of one mean distance but other distributions: alike in the number, not in distribution."""
    rng = np.random.default_rng(9)
    x = rng.standard_normal((600, 4))
    y, z = x[:300] + np.array([0.4, 0, 0, 0]), x[300:] + np.array([0, 0.4, 0, 0])
    pairs = pair_of(x, y), pair_of(x, z)
    numbers = [only(kernels.kernel_distance_full(pair)) for pair in pairs]
    contrast = only(kernels.kernel_distance_full_contrast(*pairs))
    found: Any = difference_of((numbers[0], numbers[1]), (result_of(600, 300), result_of(600, 300)), contrast)
    assert found.interval[0] <= 0 <= found.interval[1]
    assert found.p_value > 0.05
    assert found.alike_p_value is not None
    assert "no difference" in found.p_value_method
    assert "one distribution" in found.alike_p_value_method


# Zeros.


@pytest.mark.parametrize("order", ["same", "shuffled"])
@pytest.mark.parametrize(("n", "d"), [(300, 7), (20, 40)])
def test_a_set_against_itself_is_at_distance_zero(order, n, d):
    x, _ = normals(n, 1, d, seed=10)
    x = 50 + 3 * x
    y = x if order == "same" else x[np.random.default_rng(1).permutation(n)]
    pair = pair_of(x, y, family="inception")
    found = {}
    for measure in (frechet.frechet, sliced.sliced, frechet.mifd, kernels.cmmd):
        found |= by_stem(measure(pair))
    assert {stem: found[stem].value for stem in ("fd", "mind", "sw2", "mifd", "memorisation", "cmmd")} == dict.fromkeys(
        ("fd", "mind", "sw2", "mifd", "memorisation", "cmmd"), 0.0
    )
    assert found["fd"].interval is None
    assert "same features" in found["fd"].interval_method
    labels = np.arange(n) % 2 if order == "same" else np.arange(n)[np.random.default_rng(1).permutation(n)] % 2
    ours = dataclasses.replace(pair.reference, labels=np.arange(n) % 2)
    theirs = dataclasses.replace(pair.generated, labels=labels)
    labelled = by_stem(classes.by_class(dataclasses.replace(pair, reference=ours, generated=theirs)))
    assert labelled["class-fd"].value == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("protocol", ["pytorch-fid", "stylegan3"])
def test_a_set_against_its_statistics_of_another_tool_is_at_distance_zero(dtype, protocol):
    x, y = (50 + 3 * rows for rows in normals(300, 300, 7, seed=17))
    x, y = x.astype(np.float32), y.astype(np.float32)
    ddof = PROTOCOLS[protocol].ddof
    mean, covariance = (np.asarray(one, dtype) for one in (x.mean(0, np.float64), np.cov(x.T, ddof=ddof)))
    known = Features("real.npz", FeatureStatistics(None, mean.astype(np.float64), covariance.astype(np.float64)))
    for rows, zero in ((x, True), (y, False)):
        pair = Pair(known, features("made", rows), None, PROTOCOLS[protocol], 0)
        assert (only(frechet.frechet(pair)).value == 0) == zero


def test_a_set_that_nearly_is_another_is_not_at_distance_zero():
    x, _ = normals(300, 1, 7, seed=11)
    y = x.astype(np.float32)
    y[5, 3] = np.nextafter(y[5, 3], np.float32(9))
    pair = pair_of(x, y)
    assert 0 < only(frechet.frechet(pair)).value < 1e-12
    assert by_stem(sliced.sliced(pair))["mind"].value > 0


# Numbers that mean nothing.


@pytest.mark.parametrize("count", [30, 70])
def test_a_likelihood_of_copies_is_not_shown(count):
    x, unseen = normals(80, 70, 6, seed=12)
    for number in copying.likelihood(pair_of(x, x[:count], held_out=unseen)):
        assert "not meaningful: every image of 'made'" in number.undefined
        assert np.isnan(number.value)


def test_a_likelihood_of_nearly_copies_is_not_shown_either():
    x, unseen = normals(80, 70, 6, seed=12)
    fresh = normals(80, 1, 6, seed=13)[0]
    nearly = x + 1e-6 * fresh
    for number in copying.likelihood(pair_of(x, nearly, held_out=unseen, with_intervals=False)):
        assert "shrunk onto copies" in number.undefined
    for number in copying.likelihood(pair_of(x, fresh, held_out=unseen, with_intervals=False)):
        assert number.undefined == ""
        assert abs(number.value) < 1000


def test_a_threshold_for_inception_is_for_inception():
    x, y = normals(100, 80, 6, seed=14)
    found = by_stem(frechet.mifd(pair_of(x, y, family="lite0")))
    assert "chosen for inception" in found["mifd"].undefined
    assert found["memorisation"].undefined == ""
    found = by_stem(frechet.mifd(pair_of(x, y, family="inception")))
    assert found["mifd"].undefined == ""
    assert found["mifd"].interval[0] >= 0


def test_a_distance_over_the_published_constant_is_not_shown():
    x, _ = normals(100, 1, 6, seed=15)
    found = by_stem(frechet.mifd(pair_of(x, x[:60], family="inception")))
    assert "distance over 0" in found["mifd"].undefined
    assert found["memorisation"].value == 0


def test_numbers_that_end_at_an_edge_take_their_spread_from_beyond_it():
    """Of one distribution both are at 1 half of the time, and so is every third of the images."""
    x, y = normals(240, 240, 6, seed=16)
    for measure in (manifold.clipped, manifold.alpha):
        for number in by_stem(measure(pair_of(x, y))).values():
            low, high = number.interval
            assert number.value - low > 0.02
            assert high <= 1


def test_too_few_images_have_no_estimate():
    x, y = normals(30, 30, 4)
    assert by_stem(manifold.manifold(pair_of(x, y)))["precision"].interval is None
    with pytest.raises(InputError):
        kernels.kernel_distance(pair_of(x, y))


# On screen.


def test_the_screen_and_the_document_say_the_same(tmp_path, capfd):
    """A set against itself, its copies and another one, over pixels."""
    x, y = crops(90, (2, 2), seed=1), crops(80, (2, 2), seed=2)
    folders = {
        name: str(write_pngs(tmp_path / name, rows)) for name, rows in (("real", x), ("same", x[::-1]), ("made", y))
    }
    command = ["evaluate", folders["real"], folders["same"], folders["made"], "--extractor", "pixels", "--quiet"]
    assert main([*command, "--metrics", "fd,mind"]) == 0
    lines = capfd.readouterr().out.splitlines()
    row = next(line for line in lines if "same" in line and "90" in line)
    assert row.split()[2:] == ["0.00000", "not", "known", "0.00000", "0.00000"]
    assert any("FD-pixels less bias" in line for line in lines)
    assert main([*command, "--metrics", "fd,mind", "--json"]) == 0
    results = json.loads(capfd.readouterr().out)["results"]
    assert [result["value"] for result in results if result["generated"].endswith("same")] == [0, 0, 0]
    made = next(
        result for result in results if result["generated"].endswith("made") and result["metric"] == "fd-pixels"
    )
    low, high = made["interval"]
    assert low <= made["value"] <= high
    assert made["debiased"]["value"] == pytest.approx(max(0, made["value"] - made["debiased"]["bias"]))


def test_a_number_without_meaning_is_named_with_the_reason():
    x, y = crops(70, (2, 2), seed=1) // 2 + 60, crops(64, (2, 2), seed=2) // 2 + 60
    evaluation = jaxeval.evaluate(x, {"made": y}, extractor="pixels", metrics="mifd")
    assert [result.metric for result in evaluation.results] == ["memorisation-pixels"]
    (reason,) = evaluation.not_computed
    assert reason.startswith("MiFD-pixels of made: not meaningful: its threshold")
    comparison = jaxeval.compare(x[:64], y, reference=x, extractor="pixels", metrics="mifd")
    assert [one.first.metric for one in comparison.differences] == ["memorisation-pixels"]
    assert all("not meaningful" in one for one in comparison.not_computed)
