"""What votes say: planted truths are found, and what is odd is said."""

import json

import numpy as np
import pytest
from human.simulated import OPINION_HEADER, PAIR_HEADER, opinion_rows, pair_rows, write

from jaxeval.errors import InputError
from jaxeval.human import analyse, read_votes

STRENGTHS = [1.0, 0.3, -0.3, -1.0]


def pairs_file(folder, rows=None, **options):
    settings = {"raters": 20, "each": 40, "items": 15, "seed": 0, "taste": 0.2, "looks": 0.2, "ties": 0.4} | options
    return write(folder / "votes.csv", PAIR_HEADER, pair_rows(STRENGTHS, **settings) if rows is None else rows)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return analyse(pairs_file(tmp_path_factory.mktemp("votes")), repeats=200)


def test_systems_of_pairs(found):
    part = found.parts[0]
    assert (found.design, part.model) == ("2afc", "davidson")
    assert [one.system for one in part.systems] == ["S0", "S1", "S2", "S3"]
    for system, strength in zip(part.systems, STRENGTHS, strict=True):
        assert system.low < system.value < system.high
        assert abs(system.value - strength) < 4 * system.standard_error
        assert system.rank_low <= system.rank <= system.rank_high
        assert system.share_low < system.share < system.share_high
        np.testing.assert_allclose(system.sandwich_error, system.standard_error, rtol=0.4)
    assert part.systems[0].elo > part.systems[-1].elo
    assert part.design_effect >= 1


def test_pairs_of_systems(found):
    part = found.parts[0]
    assert len(part.pairs) == 6
    for pair in part.pairs:
        assert pair.share == (pair.wins + 0.5 * pair.ties) / (pair.wins + pair.ties + pair.losses)
        assert 0 <= pair.low <= pair.share <= pair.high <= 1
        assert abs(pair.expected - pair.share) < 0.15
        assert pair.difference_low < pair.difference < pair.difference_high
    assert part.pairs[2].surely  # the best against the worst


def test_findings(found):
    findings = {one.name: one for one in found.parts[0].findings}
    assert set(findings) == {"left side", "ties", "fit of the model", "circles", "order", "alpha, nominal", "kappa"}
    assert findings["left side"].p_value > 0.001
    assert findings["fit of the model"].p_value > 0.001
    assert findings["circles"].value == 0


def test_the_record_is_whole_and_plain(found, tmp_path):
    path = found.save(tmp_path)
    assert path.name == "analysis.json"
    record = json.loads(path.read_text())
    assert record["schema_version"] == 1
    assert record["systems"][0]["system"] == "S0"
    assert {"item", "system", "value", "low", "high", "n"} <= set(record["items"][0])
    assert sum(one["n"] for one in record["items"]) == 2 * 800
    assert record["manifest"]["votes"]["used"] == 800
    assert len(record["manifest"]["votes"]["sha256"]) == 64
    assert record["manifest"]["versions"]["jaxeval"]


def test_the_same_votes_and_seed_give_the_same_numbers(found, tmp_path):
    again = analyse(pairs_file(tmp_path), repeats=200)
    assert again.parts == found.parts
    other = analyse(pairs_file(tmp_path), repeats=200, seed=1)
    assert other.parts[0].systems[0].value == found.parts[0].systems[0].value
    assert other.parts[0].systems[0].low != found.parts[0].systems[0].low


@pytest.mark.parametrize("model", ["bradley-terry", "rao-kupper", pytest.param("glenn-david", marks=pytest.mark.slow)])
def test_other_models(tmp_path, model):
    part = analyse(pairs_file(tmp_path), model=model, repeats=20).parts[0]
    assert part.model == model
    assert [one.system for one in part.systems] == ["S0", "S1", "S2", "S3"]


def test_opinions(tmp_path):
    rows = opinion_rows([4.0, 3.0, 2.0], raters=15, items=12, seed=1)
    found = analyse(write(tmp_path / "v.csv", OPINION_HEADER, rows), repeats=100)
    part = found.parts[0]
    assert part.model == "opinion-scores"
    for system, quality in zip(part.systems, [4.0, 3.0, 2.0], strict=True):
        assert system.low < system.value < system.high
        assert abs(system.value - quality) < 0.5
        assert system.share is None
    assert {one.name for one in part.findings} == {"alpha, ordinal", "alpha, interval", "W"}
    assert len(part.items) == 36
    biases = [one.bias or 0.0 for one in found.raters]
    np.testing.assert_allclose(np.mean(biases), 0, atol=1e-9)
    plain = analyse(tmp_path / "v.csv", model="mean-opinion", repeats=20).parts[0]
    score = {name: np.mean([row[4] for row in rows if row[3] == name]) for name in ("S0", "S1", "S2")}
    for system in plain.systems:
        np.testing.assert_allclose(system.value, score[system.system], rtol=1e-12)


def test_choices(tmp_path):
    generator = np.random.default_rng(2)
    rows = []
    for number in range(600):
        shown = generator.choice(4, 3, replace=False)
        order = shown[np.argsort(-(np.array(STRENGTHS)[shown] + generator.gumbel(size=3)))]
        names = [f"S{one}" for one in shown]
        rows.append([number, f"r{number % 12}", f"i{number % 10}", *names, f"S{order[0]}", f"S{order[-1]}"])
    header = ("vote", "rater", "item", "shown_1", "shown_2", "shown_3", "best", "worst")
    part = analyse(write(tmp_path / "v.csv", header, rows), repeats=60).parts[0]
    assert part.model == "plackett-luce"
    assert [one.system for one in part.systems] == ["S0", "S1", "S2", "S3"]
    for system, strength in zip(part.systems, STRENGTHS, strict=True):
        assert abs(system.value - strength) < 4 * system.standard_error
    assert "places" in {one.name for one in part.findings}


def test_real_or_fake(tmp_path):
    generator = np.random.default_rng(3)
    rows = []
    for number in range(800):
        real = number % 2 == 0
        system = f"S{number // 2 % 2}"
        chance = 0.9 if real else (0.6 if system == "S0" else 0.2)
        answer = "real" if generator.random() < chance else "fake"
        name = "real" if real else system
        rows.append([number, f"r{number % 10}", f"i{number % 16}", name, "real" if real else "fake", answer, "250"])
    header = ("vote", "rater", "item", "system", "truth", "answer", "exposure_ms")
    part = analyse(write(tmp_path / "v.csv", header, rows), repeats=100).parts[0]
    first, second = part.systems
    assert (first.system, second.system) == ("S0", "S1")
    answers = [(row[3], row[5]) for row in rows]
    fooled = np.mean([answer == "real" for name, answer in answers if name == "S0"])
    missed = np.mean([answer == "fake" for name, answer in answers if name == "real"])
    assert first.share == pytest.approx(fooled)
    np.testing.assert_allclose(first.value, (fooled + missed) / 2)
    assert first.low < first.value < first.high


def test_one_system_alone(tmp_path):
    generator = np.random.default_rng(4)
    header = ("vote", "rater", "item", "system", "truth", "answer")
    rows = []
    for number in range(200):
        real = number % 2 == 0
        answer = "real" if generator.random() < (0.9 if real else 0.3) else "fake"
        rows.append([number, f"r{number % 10}", f"i{number % 16}", "A", "real" if real else "fake", answer])
    part = analyse(write(tmp_path / "v.csv", header, rows), repeats=20).parts[0]
    assert [(one.system, one.rank, one.rank_low, one.rank_high) for one in part.systems] == [("A", 1, 1, 1)]
    assert part.pairs == ()
    found = analyse(
        write(tmp_path / "w.csv", OPINION_HEADER, opinion_rows([3.0], raters=5, items=6, seed=0)), repeats=20
    )
    assert [one.system for one in found.parts[0].systems] == ["S0"]


def test_categories_and_questions_are_parts(tmp_path):
    rows = [
        [*row, "sharpness" if number % 2 else "colours", "cats" if number % 3 else "dogs"]
        for number, row in enumerate(pair_rows(STRENGTHS, raters=10, each=60, items=9, seed=4))
    ]
    file = write(tmp_path / "v.csv", (*PAIR_HEADER, "question", "category"), rows)
    found = analyse(file, repeats=10)
    assert [(one.question, one.category) for one in found.parts] == [
        ("colours", ""), ("colours", "dogs"), ("colours", "cats"), ("sharpness", ""), ("sharpness", "dogs"),
        ("sharpness", "cats"),
    ]  # fmt: skip
    assert {one["question"] for one in found.to_dict()["systems"]} == {"colours", "sharpness"}


def test_separated_votes_are_held_and_said(tmp_path):
    rows = [[n, f"r{n % 6}", f"i{n % 5}", "A", "B", "left", n] for n in range(40)]
    found = analyse(pairs_file(tmp_path, rows), repeats=20)
    part = found.parts[0]
    assert part.penalty == 0.1
    assert "strengths would be infinite (some never lost, or never won, against others)" in part.warnings[0]
    assert np.isfinite(part.systems[0].value)
    assert analyse(tmp_path / "votes.csv", penalty=1.0, repeats=20).parts[0].penalty == 1.0


def test_a_system_without_votes_is_named(tmp_path):
    found = analyse(pairs_file(tmp_path), systems=["S0", "S1", "S2", "S3", "S9"], repeats=10)
    assert "there are no votes on S9" in found.warnings
    assert [one.system for one in found.parts[0].systems] == ["S0", "S1", "S2", "S3"]
    assert found.parts[0].penalty == 0


def raters_file(folder):
    """The first rater answers the other way round, the second too fast, the third fails checks, the fourth is left."""
    rows = pair_rows([1.5, 0.0, -1.5], raters=12, each=60, items=10, seed=5)
    turned = {"left": "right", "right": "left", "tie": "tie"}
    header = (*PAIR_HEADER, "milliseconds", "kind", "expected", "repeats")
    found = []
    for row in rows:
        if row[1] == "r0":
            row[5] = turned[row[5]]
        if row[1] == "r3":
            row[5] = "left"
        found.append([*row, 150 if row[1] == "r1" else 2500, "vote", "", ""])
    for rater in ("r2", "r4"):
        for number in range(4):
            answer = "right" if rater == "r2" else "left"
            found.append([f"c{rater}{number}", rater, "i0", "S0", "x", answer, 90, 2500, "check", "left", ""])
    of_r5 = [row for row in rows if row[1] == "r5"][:6]
    for row in of_r5:
        found.append([f"again{row[0]}", "r5", row[2], row[4], row[3], row[5], 99, 2500, "repeat", "", row[0]])
    return write(folder / "votes.csv", header, found)


def test_odd_raters_are_flagged_and_left_out_as_asked(tmp_path):
    file = raters_file(tmp_path)
    found = analyse(file, repeats=20)
    flags = {one.rater: one.flags for one in found.raters}
    assert flags["r0"] == ("contrary",)
    assert flags["r1"] == ("fast",)
    assert flags["r2"] == ("checks",)
    assert flags["r3"] == ("one side",)
    assert flags["r5"] == ("repeats",)  # the sides were changed and the answers were not
    assert not any(flags[f"r{number}"] for number in (4, 6, 7, 8, 9, 10, 11))
    report = found.raters[5]
    assert (report.repeats, report.consistent) == (6, 0)
    assert found.raters[2].checks == 4
    assert found.raters[2].passed == 0
    assert "flagged, and not left out" in " ".join(found.warnings)
    without = analyse(file, exclude=["contrary", "fast", "checks", "one side"], repeats=20)
    assert without.manifest["excluded"]["raters"] == ["r0", "r1", "r2", "r3"]
    assert without.manifest["votes"]["used"] == found.manifest["votes"]["used"] - 240
    assert len(without.raters) == 12
    assert without.parts[0].systems[0].value > found.parts[0].systems[0].value


def test_a_preferred_side_is_found(tmp_path):
    rows = pair_rows([0.0, 0.0, 0.0], raters=10, each=60, items=10, seed=6)
    generator = np.random.default_rng(6)
    for row in rows:
        if generator.random() < 0.3:
            row[5] = "left"
    found = analyse(pairs_file(tmp_path, rows), repeats=10)
    side = next(one for one in found.parts[0].findings if one.name == "left side")
    assert side.value > 0.6
    assert side.p_value is not None
    assert side.p_value < 1e-6


def test_votes_without_raters_or_items(tmp_path):
    rows = [row[3:6] for row in pair_rows(STRENGTHS, raters=10, each=30, items=8, seed=7)]
    found = analyse(write(tmp_path / "v.csv", PAIR_HEADER[3:6], rows), repeats=50)
    assert "the file names no raters" in " ".join(found.warnings)
    assert "the file names no items" in " ".join(found.warnings)
    assert found.raters == ()
    system = found.parts[0].systems[0]
    assert system.low < system.value < system.high
    assert system.standard_error == pytest.approx(system.sandwich_error, rel=0.35)


def test_one_rater_on_one_item(tmp_path):
    rows = [[n, "r", "i", "A", "B", "left" if n % 3 else "right", n] for n in range(30)]
    found = analyse(pairs_file(tmp_path, rows), repeats=30)
    assert found.parts[0].systems[0].low < found.parts[0].systems[0].high


def test_votes_needed(found, tmp_path):
    assert [one.win_rate for one in found.needed] == [0.55, 0.6, 0.65, 0.7, 0.75]
    assert [one.votes for one in found.needed] == sorted((one.votes for one in found.needed), reverse=True)
    alike = analyse(pairs_file(tmp_path, taste=1.5), repeats=10)
    assert alike.parts[0].design_effect > found.parts[0].design_effect


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "elo"}, "choose from bradley-terry"),
        ({"model": "plackett-luce"}, "none of the design 2afc"),
        ({"penalty": -1.0}, "penalty is -1"),
        ({"exclude": ["lazy"]}, "give a list of contrary"),
        ({"exclude": "fast"}, "give a list of contrary"),
        ({"repeats": 1}, "repeats is 1"),
        ({"seed": -1}, "seed is -1"),
        ({"fast_ms": float("nan")}, "fast_ms is nan"),
        ({"on_error": "drop"}, "choose from fail, skip"),
    ],
)
def test_what_cannot_be_asked(tmp_path, options, said):
    with pytest.raises(InputError, match=said):
        analyse(pairs_file(tmp_path), **options)


def test_rows_left_out_are_in_the_record(tmp_path):
    rows = [*pair_rows(STRENGTHS, raters=6, each=20, items=5, seed=8), ["x", "r0", "i0", "S0", "S0", "left", 1]]
    found = analyse(pairs_file(tmp_path, rows), repeats=10, on_error="skip")
    assert found.manifest["votes"]["bad"] == ["line 122 compares S0 with itself"]
    assert "1 row is no vote and left out: line 122 compares S0 with itself" in found.warnings


def test_what_is_odd_in_the_votes_is_said(tmp_path):
    rows = pair_rows(STRENGTHS, raters=6, each=20, items=4, seed=9)
    rows += [["x1", "", "i0", "S0", "S1", "left", 1], ["x2", "r0", rows[0][2], rows[0][4], rows[0][3], "left", 99]]
    said = " ".join(analyse(pairs_file(tmp_path, rows), repeats=10).warnings)
    assert "1 vote is without a rater" in said
    assert "by a rater to a question that the same rater had before" in said


def test_too_few_votes_have_no_interval_and_not_an_exact_one(tmp_path):
    found = analyse(pairs_file(tmp_path, [["1", "r", "i", "A", "B", "left", 1]]), repeats=10)
    system, pair = found.parts[0].systems[0], found.parts[0].pairs[0]
    assert np.isnan([system.low, system.high]).all()
    assert (system.rank_low, system.rank_high) == (1, 2)
    assert pair.low < 0.5 < pair.high == 1.0  # Wilson's, of one vote
    assert not pair.surely
    assert "too few for intervals" in " ".join(found.warnings)
    assert found.to_dict()["systems"][0]["low"] is None


def test_realness_without_one_of_its_sides(tmp_path):
    header = ("vote", "rater", "item", "system", "truth", "answer")
    fakes = [[n, f"r{n % 3}", f"i{n % 4}", "A", "fake", "real" if n % 2 else "fake"] for n in range(12)]
    found = analyse(write(tmp_path / "v.csv", header, fakes), repeats=10)
    assert "nobody was asked about real images" in " ".join(found.warnings)
    assert found.parts[0].systems[0].high <= 1.0
    reals = [[n, f"r{n % 3}", f"i{n % 4}", "real", "real", "real"] for n in range(12)]
    with pytest.raises(InputError, match="none says anything of a generated one"):
        analyse(write(tmp_path / "w.csv", header, reals), repeats=10)


def test_read_votes_can_be_analysed(tmp_path):
    votes = read_votes(pairs_file(tmp_path))
    assert analyse(votes, repeats=10).manifest["votes"]["used"] == len(votes)


@pytest.mark.slow
def test_intervals_cover_in_studies_of_other_raters_and_items(tmp_path):
    """In 300 repeats, with new raters and new items each, intervals of 95% hold the truth in 90 to 99% of them."""
    strengths = [0.8, 0.2, -0.2, -0.8]
    held = np.zeros(4)
    # The strengths that votes of the population tend to: tastes and looks make them smaller than those of one mind.
    many = pair_rows(strengths, raters=2000, each=60, items=2000, seed=10_000, taste=0.5, looks=0.4)
    truth = analyse(write(tmp_path / "many.csv", PAIR_HEADER, many), repeats=2, model="bradley-terry")
    expected = {one.system: one.value for one in truth.parts[0].systems}
    for seed in range(300):
        rows = pair_rows(strengths, raters=25, each=40, items=30, seed=seed, taste=0.5, looks=0.4)
        found = analyse(pairs_file(tmp_path, rows), repeats=100, model="bradley-terry")
        for place, name in enumerate(sorted(expected)):
            system = next(one for one in found.parts[0].systems if one.system == name)
            held[place] += system.low <= expected[name] <= system.high
    shares = held / 300
    assert ((shares >= 0.90) & (shares <= 0.99)).all(), shares
