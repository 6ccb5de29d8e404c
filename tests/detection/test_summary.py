"""Scores and differences of sets against the ops on clustered values, and what is not there is never averaged."""

import dataclasses
import math

import numpy as np
import pytest

from jaxeval.detection import ImageOutcome, SummaryMetric, summarise
from jaxeval.detection.summary import left_out
from jaxeval.errors import InputError
from jaxeval.ops import clustered_mean, clustered_ratio, paired_clustered_difference

METRICS = {
    "exact": SummaryMetric("Exact match", "higher", "all of it"),
    "errors": SummaryMetric("CER", "lower", "per letter", (0.0, math.inf), "letters"),
}


def outcomes(name: str, seed: int, prompts: str = "abcdefgh", images: int = 3) -> list[ImageOutcome]:
    state = np.random.default_rng(seed)
    return [
        ImageOutcome(
            f"{prompt}_{number}.png",
            name,
            prompt,
            "vowel" if prompt in "ae" else "consonant",
            {
                "exact": float(state.integers(0, 2)),
                "errors": float(state.integers(0, 9)),
                "letters": 3.0 + ord(prompt) % 7,
            },
        )
        for prompt in prompts
        for number in range(images)
    ]


def column(rows: list[ImageOutcome], name: str) -> np.ndarray:
    return np.array([row.values[name] for row in rows], np.float64)


def test_scores_are_means_and_pooled_rates_over_clusters():
    old = outcomes("old", 0)
    scores, differences = summarise(old, METRICS, sets=["old"])
    names = [(score.set, score.metric, score.category) for score in scores]
    assert names == [
        ("old", metric, category) for metric in ("exact", "errors") for category in ("", "vowel", "consonant")
    ]
    assert differences == ()
    for category in ("", "vowel", "consonant"):
        own = [row for row in old if category in ("", row.category)]
        prompts = [row.prompt for row in own]
        mean = clustered_mean(column(own, "exact"), prompts, limits=(0, 1))
        score = scores[names.index(("old", "exact", category))]
        assert (score.value, score.interval, score.n, score.n_prompts) == (
            mean.value,
            mean.interval,
            len(own),
            len(set(prompts)),
        )
        rate = clustered_ratio(column(own, "errors"), column(own, "letters"), prompts, limits=(0, math.inf))
        score = scores[names.index(("old", "errors", category))]
        assert (score.value, score.interval, score.better, score.label) == (rate.value, rate.interval, "lower", "CER")


def test_differences_are_of_each_two_sets_paired_by_prompt():
    sets = {
        name: outcomes(name, seed, prompts)
        for name, seed, prompts in zip(
            ("old", "new", "newer", "apart"), range(4), ("abcdef", "cdefgh", "abcdefgh", "xyz"), strict=True
        )
    }
    scores, differences = summarise([row for rows in sets.values() for row in rows], METRICS, sets=list(sets))
    assert len(scores) == 4 * 2 * 3
    assert {(one.first, one.second) for one in differences} == {("old", "new"), ("old", "newer"), ("new", "newer")}
    found = next(
        one for one in differences if (one.first, one.second, one.metric, one.category) == ("old", "new", "errors", "")
    )
    old, new = sets["old"], sets["new"]
    wanted = paired_clustered_difference(
        column(old, "errors"),
        [row.prompt for row in old],
        column(new, "errors"),
        [row.prompt for row in new],
        first_denominators=column(old, "letters"),
        second_denominators=column(new, "letters"),
        limits=(0, math.inf),
    )
    assert (found.value, found.interval, found.p_value, found.n_prompts) == (
        wanted.value,
        wanted.interval,
        wanted.p_value,
        4,
    )
    # The only vowel of both is e: one prompt tells no interval.
    vowels = next(
        one
        for one in differences
        if (one.first, one.second, one.metric, one.category) == ("old", "new", "exact", "vowel")
    )
    assert (vowels.n_prompts, vowels.interval) == (1, None)


def test_images_without_a_value_are_left_out_and_said():
    rows = [
        ImageOutcome("a.png", "ours", "a", "x", {"exact": 1.0, "errors": 1.0, "letters": 4.0}),
        ImageOutcome("b.png", "ours", "b", "x", {"exact": None, "errors": 2.0}),
        ImageOutcome("c.png", "ours", "c", "y", {"exact": None, "errors": None, "letters": 4.0}),
        ImageOutcome("d.png", "theirs", "c", "y", {"exact": 1.0, "errors": 0.0, "letters": 4.0}),
    ]
    scores, differences = summarise(rows, METRICS, sets=["ours", "theirs"])
    found = {(score.set, score.metric, score.category): score for score in scores}
    assert (found["ours", "exact", ""].value, found["ours", "exact", ""].n) == (1.0, 1)
    assert (found["ours", "errors", ""].value, found["ours", "errors", ""].n) == (0.25, 1)
    nothing = found["ours", "exact", "y"]
    assert (nothing.value, nothing.interval, nothing.n, nothing.n_prompts) == (None, None, 0, 0)
    assert str(nothing) == "Exact match none (ours, y, 0 images)"
    assert {(one.value, one.p_value, one.n_prompts) for one in differences} == {(None, None, 0)}
    assert left_out(rows, METRICS, sets=["ours", "theirs"]) == (
        "ours: 2 of 3 images have no Exact match and are left out of it, first b.png",
        "ours: 2 of 3 images have no CER and are left out of it, first b.png",
    )


def test_a_rate_over_nothing_is_none():
    rows = [ImageOutcome("a.png", "ours", "a", "", {"errors": 0.0, "letters": 0.0})]
    (score,), _ = summarise(rows, {"errors": METRICS["errors"]}, sets=["ours"])
    assert (score.value, score.interval, score.n) == (None, None, 1)


def test_what_is_summed_may_have_a_name_of_its_own():
    rows = outcomes("ours", 5)
    by_own_name, _ = summarise(rows, {"errors": METRICS["errors"]}, sets=["ours"])
    rates = [
        dataclasses.replace(row, values={"cer": 0.0, "wrong": row.values["errors"], "letters": row.values["letters"]})
        for row in rows
    ]
    about = dataclasses.replace(METRICS["errors"], sum_of="wrong")
    found, _ = summarise(rates, {"cer": about}, sets=["ours"])
    assert [one.value for one in found] == [one.value for one in by_own_name]
    assert found[0].metric == "cer"


def test_a_set_of_no_image_has_no_value():
    (score,), differences = summarise([], {"exact": METRICS["exact"]}, sets=["ours"])
    assert (score.value, score.n, differences) == (None, 0, ())


def test_wrong_outcomes_are_named():
    with pytest.raises(InputError, match=r"the image a\.png is of the set 'theirs'; the sets are ours"):
        summarise([ImageOutcome("a.png", "theirs", "a", "", {})], METRICS, sets=["ours"])
    with pytest.raises(InputError, match=r"the image a\.png of ours has exact nan"):
        summarise([ImageOutcome("a.png", "ours", "a", "", {"exact": math.nan})], METRICS, sets=["ours"])


def two_images(name: str, first: float, second: float) -> list[ImageOutcome]:
    rows = (("p", "one", first), ("q", "other", second))
    return [ImageOutcome(f"{prompt}.png", name, prompt, category, {"exact": value}) for prompt, category, value in rows]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (0.0, 1.0), (0.5, 0.7)])
def test_of_two_images_little_is_known(first, second):
    rows = two_images("old", first, second) + two_images("new", 0.0, 0.0)
    scores, differences = summarise(rows, {"exact": METRICS["exact"]}, sets=["old", "new"])
    for score in scores:
        if score.category:
            assert (score.n, score.interval) == (1, None)
            continue
        assert score.interval is not None
        assert score.value is not None
        low, high = score.interval
        assert 0 <= low <= score.value <= high <= 1
        assert high - low > 0.75
    of_nothing = next(one for one in scores if (one.set, one.category) == ("new", ""))
    assert of_nothing.interval == pytest.approx(
        (0.0, 1 - 0.025**0.5), rel=1e-12
    )  # Clopper and Pearson's of none of two
    assert all(one.p_value is not None and one.p_value >= 0.5 for one in differences)
    assert all(one.interval is None and one.p_value == 1.0 for one in differences if one.category)


@pytest.mark.parametrize("limits", [(0.0, 1.0), (0.0, math.inf), None])
@pytest.mark.parametrize("prompts", ["p", "pq", "abcdefgh"])
def test_equal_sets_differ_by_nothing(limits, prompts):
    metric = dataclasses.replace(METRICS["exact"], limits=limits)
    rows = outcomes("old", 0, prompts)
    rows += [dataclasses.replace(one, set="new") for one in rows]
    _, differences = summarise(rows, {"exact": metric}, sets=["old", "new"])
    assert {(one.value, one.p_value) for one in differences} == {(0.0, 1.0)}
    assert all(one.interval is None or one.interval[0] <= 0 <= one.interval[1] for one in differences)
