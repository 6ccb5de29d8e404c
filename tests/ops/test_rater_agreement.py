"""Agreement of raters against published examples, other implementations, closed forms and enumeration."""

import math
from typing import Any

import numpy as np
import pytest
from default_values import Default, Example, assert_complete, assert_default, defaults_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from jaxeval.errors import InputError
from jaxeval.ops import agreement
from jaxeval.ops.agreement._draws import draws_of

OPS: Any = agreement  # lists become arrays at the door of an op, which its annotations do not say
cohen_kappa, fleiss_kappa, kendall_w = OPS.cohen_kappa, OPS.fleiss_kappa, OPS.kendall_w
krippendorff_alpha = OPS.krippendorff_alpha
LEVELS = ("nominal", "ordinal", "interval", "ratio")
GAP = np.nan
# Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011, section C: four observers of twelve units.
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
        [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
    ]
).T
# Fleiss, 1971, table 1: thirty patients, five diagnoses, six psychiatrists.
PATIENTS = [
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555",
    "144444 124444 222333 144444 224445 333335 111455 111112 224444 133555",
    "555555 244444 224555 114444 144445 222224 111155 224444 133333 555555",
]
DIAGNOSES = np.array([[row.count(str(k)) for k in range(1, 6)] for line in PATIENTS for row in line.split()])
# Fleiss, Levin, Paik, 2003, table 18.7: how many raters 25 subjects had, and how many of them said yes.
RATERS = np.array([2, 2, 3, 4, 3, 4, 3, 5, 2, 4, 5, 3, 4, 4, 2, 2, 3, 2, 4, 5, 3, 4, 3, 3, 2])
YES = np.array([2, 0, 2, 3, 3, 1, 0, 0, 0, 4, 5, 3, 4, 3, 0, 2, 1, 1, 1, 4, 2, 0, 0, 3, 2])


def answers(table: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """The two raters' answers of which a table counts the pairs."""
    counts = np.array(table)
    pairs = np.repeat(np.argwhere(counts >= 0), counts.reshape(-1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def panel(items: int = 40, raters: int = 5, *, seed: int = 0, noise: float = 0.8, gaps: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table = np.clip(np.round(3 + rng.normal(size=(items, 1)) + noise * rng.normal(size=(items, raters))), 1, 5)
    table[rng.random(table.shape) < gaps] = GAP
    return table


@pytest.mark.parametrize(
    ("table", "weights", "published"),
    [
        ([[88, 14, 18], [10, 40, 10], [2, 6, 12]], "none", 0.492),  # Cohen, 1960, table 2
        ([[0, 4, 1], [0, 8, 0], [0, 1, 5]], "none", 0.4842),  # SAS, proc freq
        ([[0, 4, 1], [0, 8, 0], [0, 1, 5]], "linear", 0.4701),
    ],
)
def test_published_kappas_of_two_raters(table, weights, published):
    assert cohen_kappa(*answers(table), weights=weights).value == pytest.approx(
        published, abs=6e-4 if published == 0.492 else 6e-5
    )


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_is_scikit_learns(weights):
    table = panel(300, 2)
    expected = cohen_kappa_score(table[:, 0], table[:, 1], weights=None if weights == "none" else weights)
    assert cohen_kappa(table[:, 0], table[:, 1], weights=weights).value == pytest.approx(expected, rel=1e-12)


def test_categories_that_nobody_used_count_in_weights():
    first, second = np.array([1, 1, 5, 5, 1, 5]), np.array([1, 5, 5, 5, 1, 1])
    expected = cohen_kappa_score(first, second, labels=[1, 2, 3, 4, 5], weights="quadratic")
    found = cohen_kappa(first, second, weights="quadratic", categories=[1, 2, 3, 4, 5])
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert found.disagreement == pytest.approx(2 / 6)


def test_items_without_an_answer_of_both_are_left_out():
    table = panel(60, 2, gaps=0.2)
    both = ~np.isnan(table).any(1)
    found = cohen_kappa(*table.T)
    assert found.items == both.sum() < 60
    assert found.value == pytest.approx(cohen_kappa_score(*table[both].T), rel=1e-12)


def test_published_kappas_of_many_raters():
    assert DIAGNOSES.sum(1).tolist() == [6] * 30
    assert fleiss_kappa(DIAGNOSES).value == pytest.approx(0.430, abs=5e-4)  # Fleiss, 1971
    found = fleiss_kappa(np.column_stack([YES, RATERS - YES]))
    assert found.value == pytest.approx(0.5415, abs=5e-5)  # Stata's manual, kappa, of the book's data


def test_unequal_numbers_of_raters_are_the_anova_estimate():
    """Fleiss and Cuzick: kappa is 1 - W / (p q), W the mean square within items."""
    table = np.column_stack([YES, RATERS - YES])
    long = [np.repeat([1.0, 0.0], row) for row in table]
    within = sum(((one - one.mean()) ** 2).sum() for one in long) / sum(len(one) - 1 for one in long)
    everything = np.concatenate(long)
    assert fleiss_kappa(table).value == pytest.approx(1 - within / everything.var(), rel=1e-12)


def test_an_item_of_one_rating_tells_of_the_shares_alone():
    table = np.array([[2, 0], [1, 1], [0, 3], [1, 0]])
    p = 4 / 8
    expected = 1 - (0 + 0.5 + 0 + 0) * 2 / (4 * (2 - 1) * 2 * p * (1 - p))
    assert fleiss_kappa(table).value == pytest.approx(expected, rel=1e-12)
    assert fleiss_kappa(np.vstack([table, [0, 0]])).items == 4


@pytest.mark.parity
def test_kappas_are_statsmodels():
    from statsmodels.stats import inter_rater

    assert fleiss_kappa(DIAGNOSES).value == pytest.approx(inter_rater.fleiss_kappa(DIAGNOSES), rel=1e-12)
    table = panel(2000, 2)
    counts = inter_rater.to_table(table.astype(int))[0]
    for weights in ("none", "linear", "quadratic"):
        theirs: Any = inter_rater.cohens_kappa(counts, wt=None if weights == "none" else weights)
        ours = cohen_kappa(*table.T, weights=weights)
        assert ours.value == pytest.approx(theirs.kappa, rel=1e-12)
        # A closed form of Fleiss, Cohen, Everitt; 1,000 repeats know a deviation to 2.2%.
        assert ours.standard_error == pytest.approx(theirs.std_kappa, rel=0.1)


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_published_alphas(level, published):
    found = krippendorff_alpha(OBSERVERS, level=level)
    assert found.value == pytest.approx(published, abs=5e-4)
    assert (found.items, found.ratings) == (11, 40)


def test_published_alphas_of_two_observers():
    """Krippendorff, 2011, sections A and B."""
    binary = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
    assert krippendorff_alpha(np.transpose(binary)).value == pytest.approx(0.095, abs=5e-4)
    codes = np.array([[ord(letter) for letter in row] for row in ("aabbdcccedda", "babbbccceddd")], float)
    assert krippendorff_alpha(codes.T).value == pytest.approx(0.692, abs=5e-4)


@pytest.mark.parity
@pytest.mark.parametrize("level", LEVELS)
def test_alpha_is_the_packages(level):
    import krippendorff

    for gaps, table in ((0.0, panel()), (0.3, panel(60, 12, gaps=0.3)), (0.0, np.exp(panel(30, 4) / 7))):
        theirs = krippendorff.alpha(table.T, level_of_measurement=level)
        assert krippendorff_alpha(table, level=level).value == pytest.approx(theirs, rel=1e-10), gaps
    values = np.random.default_rng(0).gamma(2, size=(25, 1)) * np.exp(np.random.default_rng(1).normal(size=(25, 4)) / 3)
    theirs = krippendorff.alpha(values.T, level_of_measurement=level)
    assert krippendorff_alpha(values, level=level).value == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("raters", [2, 6])
def test_concordance_is_friedmans(raters):
    table = panel(15, raters)
    statistic = stats.friedmanchisquare(*table)[0]
    assert kendall_w(table).value == pytest.approx(statistic / (raters * 14), rel=1e-12)


def test_concordance_is_the_mean_rank_correlation():
    table = np.random.default_rng(0).normal(size=(20, 4)) + np.arange(20)[:, None] / 4
    matrix = np.asarray(stats.spearmanr(table)[0])
    mean = (matrix.sum() - 4) / 12
    assert kendall_w(table).value == pytest.approx((1 + 3 * mean) / 4, rel=1e-12)


def test_items_that_some_rater_left_out_are_not_ranked():
    table = panel(30, 3, gaps=0.1)
    complete = table[~np.isnan(table).any(1)]
    found = kendall_w(table)
    assert found.items == len(complete) < 30
    assert found.value == kendall_w(complete).value


# --- the bootstrap


def statistics() -> dict[str, tuple[Any, np.ndarray]]:
    """Coefficients of a table of items, of which rows can be repeated."""
    table = panel(25, 4)
    counts = np.stack([(table == k).sum(1) for k in range(1, 6)], axis=1)
    found: dict[str, tuple[Any, np.ndarray]] = {
        f"alpha {level}": (lambda rows, level=level: krippendorff_alpha(rows, level=level, repeats=1), table)
        for level in LEVELS
    }
    found["fleiss"] = (lambda rows: fleiss_kappa(rows, repeats=1), counts)
    found["w"] = (lambda rows: kendall_w(rows, repeats=1), table)
    return found


@pytest.mark.parametrize("name", statistics())
def test_a_repeat_is_the_coefficient_of_the_items_drawn(name, monkeypatch):
    """The interval of one repeat that is given is that coefficient, computed in float64 from the rows themselves."""
    function, table = statistics()[name]
    drawn = np.random.default_rng(3).integers(len(table), size=len(table))
    weights = np.bincount(drawn, minlength=len(table)).astype(np.float32)
    expected = function(table[drawn]).value
    monkeypatch.setattr("jaxeval.ops.agreement._draws.Draws._one", lambda *_: weights)
    module = {"f": "kappas", "w": "concordance"}.get(name[0], "krippendorff")
    seen = []
    monkeypatch.setattr(
        f"jaxeval.ops.agreement.{module}.spread", lambda _, replicates, __: seen.append(replicates) or ((0.0, 0.0), 0.0)
    )
    function(table)
    # Sums of float32, of some hundred terms.
    np.testing.assert_allclose(seen[0], [expected], rtol=0, atol=2e-6)


def test_a_repeat_of_two_raters_draws_the_table():
    """Drawing items is drawing their pairs of answers: the deviations agree with those of drawn items."""
    first, second = panel(50, 2).T
    rng = np.random.default_rng(0)
    plain = [cohen_kappa_score(first[i], second[i]) for i in rng.integers(50, size=(2000, 50))]
    found = cohen_kappa(first, second, repeats=2000)
    assert found.standard_error == pytest.approx(np.std(plain), rel=0.08)  # five times what 2,000 know


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cohen", "fleiss", "alpha", "w"])
def test_intervals_cover_what_many_items_have(name):
    """95% of 200 draws of 60 items, to within 4.5 standard deviations of a share: 88% and more."""

    def table(items: int, seed: int) -> np.ndarray:
        return panel(items, 4, seed=seed)

    functions = {
        "cohen": lambda rows, repeats: cohen_kappa(rows[:, 0], rows[:, 1], weights="linear", repeats=repeats),
        "fleiss": lambda rows, repeats: fleiss_kappa(
            np.stack([(rows == k).sum(1) for k in range(1, 6)], axis=1), repeats=repeats
        ),
        "alpha": lambda rows, repeats: krippendorff_alpha(rows, level="ordinal", repeats=repeats),
        "w": lambda rows, repeats: kendall_w(rows, repeats=repeats),
    }
    truth = functions[name](table(40_000, 99_999), 1).value
    found = [functions[name](table(60, seed), 400).interval for seed in range(200)]
    share = np.mean([low <= truth <= high for low, high in found])
    assert 0.88 <= share <= 0.995


def test_leaving_raters_out_is_students_interval_of_the_jackknife():
    table = panel(30, 5)
    left = [krippendorff_alpha(np.delete(table, one, axis=1), level="interval", repeats=1).value for one in range(5)]
    found = krippendorff_alpha(table, level="interval", repeats=1)
    error = math.sqrt(4 / 5 * np.square(np.array(left) - np.mean(left)).sum())
    reach = stats.t.ppf(0.975, 4) * error
    assert found.over_raters == pytest.approx((found.value - reach, min(1, found.value + reach)), rel=1e-9)


def test_raters_who_are_few_or_unknown_have_no_interval():
    assert krippendorff_alpha(panel(20, 2)).over_raters is None
    assert cohen_kappa(*panel(20, 2).T).over_raters is None
    assert fleiss_kappa(DIAGNOSES).over_raters is None
    assert kendall_w(panel(20, 3)).over_raters is not None


# --- laws


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(LEVELS))
def test_order_of_items_and_of_raters_does_not_matter(seed, level):
    table = panel(12, 4, seed=seed, gaps=0.2)
    rng = np.random.default_rng(seed)
    shuffled = table[rng.permutation(12)][:, rng.permutation(4)]
    ours, theirs = (krippendorff_alpha(rows, level=level, repeats=1).value for rows in (table, shuffled))
    assert theirs == pytest.approx(ours, rel=1e-9, abs=1e-12, nan_ok=True)


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_scales_that_do_not_matter(seed):
    table = panel(15, 4, seed=seed, gaps=0.1)

    def alpha(rows, level):
        return krippendorff_alpha(rows, level=level, repeats=1).value

    assert alpha(table**3, "ordinal") == pytest.approx(alpha(table, "ordinal"), rel=1e-9, nan_ok=True)
    assert alpha(-table, "nominal") == pytest.approx(alpha(table, "nominal"), rel=1e-9, nan_ok=True)
    assert alpha(7 - 3 * table, "interval") == pytest.approx(alpha(table, "interval"), rel=1e-9, nan_ok=True)
    assert alpha(9 * table, "ratio") == pytest.approx(alpha(table, "ratio"), rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("level", LEVELS)
def test_full_agreement_is_1(level):
    table = np.repeat(panel(12, 1), 3, axis=1)
    found = krippendorff_alpha(table, level=level)
    assert found.value == 1
    assert found.interval == pytest.approx((1, 1))
    assert kendall_w(table).value == 1
    assert cohen_kappa(*table.T[:2], weights="quadratic").value == 1


def test_opposite_orders_have_no_concordance():
    assert kendall_w(np.column_stack([np.arange(6), -np.arange(6)])).value == pytest.approx(0, abs=1e-15)


# --- what is not defined


@pytest.mark.parametrize(
    "function",
    [
        lambda: cohen_kappa([2, 2, 2], [2, 2, 2]),
        lambda: fleiss_kappa([[3, 0], [3, 0]]),
        lambda: fleiss_kappa([[1, 0], [0, 1]]),
        *(lambda level=level: krippendorff_alpha(np.full((4, 3), 2), level=level) for level in LEVELS),
        lambda: krippendorff_alpha(np.zeros((4, 3)), level="ratio"),
        lambda: kendall_w(np.ones((4, 3))),
    ],
)
def test_one_answer_everywhere_is_not_a_number(function):
    found = function()
    assert math.isnan(found.value)
    assert all(map(math.isnan, (*found.interval, found.standard_error)))
    assert found.over_raters is None
    assert found.undefined == 1000


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda: cohen_kappa([1, 2], [1, 2, 3]), "first has 2 answers and second 3"),
        (lambda: cohen_kappa([1, GAP], [GAP, 2]), "no item has an answer of both raters"),
        (lambda: cohen_kappa([1, 2], [1, 2], weights="cubic"), "weights 'cubic' is not known"),
        (lambda: cohen_kappa([1, 7], [1, 2], categories=[1, 2]), "first has the answer 7, which is not among"),
        (lambda: cohen_kappa([1, 2], [1, 2], categories=[1, 2, 2]), "categories has none, or one twice"),
        (lambda: cohen_kappa([1, np.inf], [1, 2]), r"first has an infinite value at \[1\]"),
        (lambda: fleiss_kappa([[1.5, 2]]), r"counts has 1.5 at \[0, 0\]"),
        (lambda: fleiss_kappa([[-1, 2]]), r"counts has -1 at \[0, 0\]"),
        (lambda: fleiss_kappa([[0, 0]]), "counts has no rating"),
        (lambda: fleiss_kappa([1, 2]), "counts has 1 dimensions; expected 2"),
        (lambda: krippendorff_alpha([[1], [2]]), "no item of ratings has two of them"),
        (lambda: krippendorff_alpha([[1, 2]], level="best"), "level 'best' is not known"),
        (lambda: krippendorff_alpha([[1, -2]], level="ratio"), "ratings has negative values"),
        (lambda: kendall_w([[1], [2]]), "ratings has 1 raters and 2 items"),
        (lambda: kendall_w([[1, GAP], [2, 1]]), "ratings has 2 raters and 1 items"),
        (lambda: kendall_w([[1, 2], [2, 1]], repeats=0), "repeats is 0"),
        (lambda: kendall_w([[1, 2], [2, 1]], confidence=1.0), "confidence is 1.0"),
        (lambda: kendall_w([[1, 2], [2, 1]], seed=-1), "seed is -1"),
    ],
)
def test_what_does_not_fit_is_said(function, sentence):
    with pytest.raises(InputError, match=sentence):
        function()


def test_many_items_and_raters_are_counted_not_paired():
    """10,000 items of 50 raters: what the bootstrap holds is a few times the weights, never items by items."""
    draws = draws_of(10_000, None, 1000, 0.95, 0)
    assert max(weights.size for weights in draws.batches()) <= 1 << 24
    table = panel(10_000, 50, gaps=0.3)
    found = krippendorff_alpha(table, level="ordinal", repeats=50)
    assert found.interval.low < found.value < found.interval.high


# --- defaults

BOOTSTRAP = {"repeats": Default(1000, (999, 1001)), "confidence": Default(0.95, (0.9,)), "seed": Default(0, (1,))}
DEFAULTS = {
    "cohen_kappa": Example(
        cohen_kappa,
        {"first": panel(30, 2)[:, 0], "second": panel(30, 2)[:, 1]},
        {
            "weights": Default("none", ("linear", "quadratic")),
            "categories": Default(None, (np.array([1.0, 2, 3, 4, 6, 5]),), {"weights": "linear"}),
            **BOOTSTRAP,
        },
    ),
    "fleiss_kappa": Example(fleiss_kappa, {"counts": DIAGNOSES}, BOOTSTRAP),
    "kendall_w": Example(kendall_w, {"ratings": panel(20, 4)}, BOOTSTRAP),
    "krippendorff_alpha": Example(
        krippendorff_alpha,
        {"ratings": panel(20, 4)},
        {"level": Default("nominal", ("ordinal", "interval", "ratio")), **BOOTSTRAP},
    ),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_default_is_in_the_table(name):
    assert DEFAULTS[name].function is getattr(agreement, name)
    assert_complete(name, DEFAULTS[name])


@defaults_of(DEFAULTS, *DEFAULTS)
def test_defaults_are_what_the_documentation_says(example, parameter):
    assert_default(example, parameter)
