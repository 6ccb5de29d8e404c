"""Scores of texts against a plain table of distances, their laws, and the published definitions by hand."""

import itertools
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxeval.detection import text_normalisation, text_normalisations
from jaxeval.detection.text_scores import (
    best_lines,
    character_error_rate,
    close_words,
    common_subsequence,
    edit_distance,
    normalised_edit_distance,
    pned,
    same_words,
    similar_words,
    word_counts,
    word_error_rate,
)
from jaxeval.errors import InputError

TEXTS = st.text("ab é字", max_size=9)
CONVENTIONS = ["longer", "yujian-bo", "indel"]


def table(first: str, second: str, replacing: int) -> int:
    """Wagner and Fischer's: the distance cell by cell."""
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        before, row = row, [i]
        for j, other in enumerate(second, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other) * replacing))
    return row[-1]


@given(TEXTS, TEXTS)
def test_the_distance_is_that_of_the_table(first, second):
    assert edit_distance(first, second) == table(first, second, 1)
    assert len(first) + len(second) - 2 * common_subsequence(first, second) == table(first, second, 2)


def test_long_texts_have_the_tables_distance():
    state = np.random.default_rng(0)
    first, second = ("".join(state.choice(list("abcdef"), size)) for size in (150, 190))
    assert edit_distance(first, second) == table(first, second, 1)
    assert edit_distance(list(first), tuple(second)) == table(first, second, 1)


@given(TEXTS, TEXTS, TEXTS)
def test_the_distance_is_a_metric(first, second, third):
    assert edit_distance(first, second) == edit_distance(second, first)
    assert (edit_distance(first, second) == 0) == (first == second)
    assert edit_distance(first, third) <= edit_distance(first, second) + edit_distance(second, third)
    assert abs(len(first) - len(second)) <= edit_distance(first, second) <= max(len(first), len(second))


@pytest.mark.parametrize("convention", CONVENTIONS)
@given(first=TEXTS, second=TEXTS)
def test_normalised_distances_are_from_0_to_1_and_symmetric(convention, first, second):
    found = normalised_edit_distance(first, second, convention=convention)
    assert found == normalised_edit_distance(second, first, convention=convention)
    assert 0 <= found <= 1
    assert (found == 0) == (first == second)


@given(TEXTS, TEXTS, TEXTS)
def test_yujian_and_bos_distance_has_the_triangle_inequality(first, second, third):
    apart = [
        normalised_edit_distance(*pair, convention="yujian-bo")
        for pair in itertools.combinations((first, second, third), 2)
    ]
    assert apart[1] <= apart[0] + apart[2] + 1e-15


def test_the_one_by_the_longer_has_not():
    assert normalised_edit_distance("ab", "ba") > sum(normalised_edit_distance(one, "aba") for one in ("ab", "ba"))


@given(st.text(min_size=1))
def test_equal_texts_have_no_errors(text):
    assert character_error_rate(text, text) == 0
    assert character_error_rate(text, "") == 1
    if text.split():
        assert word_error_rate(text, text) == 0
        assert word_counts(text, text).f_measure == 1
        assert pned(text.split(), text.split()) == 0


def test_rates_can_be_above_one():
    assert character_error_rate("a", "abcd") == 3
    assert word_error_rate("now", "not now but then") == 3


def test_letters_are_code_points():
    composed, apart = "é", unicodedata.normalize("NFD", "é")
    assert edit_distance(composed, apart) == 2
    assert text_normalisation("nfc")(apart) == composed


def test_words_are_counted_one_for_one():
    counts = word_counts("the cat the dog", "the dog the dog dog")
    assert (counts.asked, counts.read, counts.both) == (4, 5, 3)
    assert (counts.precision, counts.recall) == (3 / 5, 3 / 4)
    assert counts.f_measure == pytest.approx(2 * (3 / 5) * (3 / 4) / (3 / 5 + 3 / 4))
    nothing = word_counts("the cat", "")
    assert (nothing.precision, nothing.recall, nothing.f_measure) == (0, 0, 0)


def test_same_words_are_those_of_mario_eval():
    assert same_words("a b b", "b a b")
    assert not same_words("a b", "a b b")
    assert same_words("ab c", "a bc")  # as there, what stands between sorted words is left out


def test_pned_pairs_words_as_well_as_can_be():
    """By hand over all pairings."""
    asked, read = ["sale", "summer", "now"], ["sumer", "sail"]
    cost = [[normalised_edit_distance(word, one) for one in read] for word in asked]
    wanted = min(
        sum(cost[row][column] for column, row in enumerate(rows)) for rows in itertools.permutations(range(3), 2)
    )
    assert pned(asked, read) == pytest.approx(wanted + 1)
    assert pned(asked, []) == 3
    assert pned([], []) == 0


def test_close_words_are_taken_once():
    assert close_words(["summer", "summer"], ["sumer"]) == 0.5
    assert close_words(["abcdefghij"], ["abcdefgxyz"]) == 1  # 3 of 10: at most 0.3
    assert close_words(["abc"], ["abx"]) == 0


def test_similar_words_are_taken_once():
    assert similar_words(["summer", "summer"], ["sumer", "summr", "summer"]) == 2
    assert similar_words(["spot"], ["stop"]) == 0  # 75 of 100
    assert similar_words(["happy"], ["hapy"]) == 1  # 89 of 100


def test_each_line_has_a_partner_of_its_own():
    assert best_lines(["sale", "sale"], ["sale", "shop"]).tolist() in ([0, 1], [1, 0])
    assert best_lines(["sale", "now"], ["sale"]).tolist() == [0, -1]
    assert best_lines(["xyz"], ["abc"]).tolist() == [-1]
    assert best_lines(["a"], []).tolist() == [-1]
    assert best_lines([], ["a"]).tolist() == []


@pytest.mark.parametrize("name", sorted(text_normalisations()))
@given(text=st.text(max_size=12))
def test_normalising_twice_changes_nothing(name, text):
    change = text_normalisation(name)
    assert change(change(text)) == change(text)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("exact", " A  b", " A  b"),
        ("anytext", "A b", "A b"),
        ("nfc", "ﬁ", "ﬁ"),
        ("nfkc", "ﬁＡ①", "fiA1"),
        ("casefold", "Straße İ", "strasse i̇"),
        ("words", "  «Don't» STOP—now!  $5.00 ", "dont stopnow $500"),
        ("words", "!!! ...", ""),
        ("letters", "A\u00b4", "á"),
        ("letters", "SUMMER sale, 50% off", "summersale50off"),
        ("alphanumeric", "Café No. 7", "cafno7"),
        ("mario-eval", " Happy  BIRTHDAY! ", "happy birthday!"),
        ("lex-bench", "É B", "é b"),
        ("textatlas", "A\n B", "a b"),
    ],
)
def test_normalisations_do_what_they_say(name, text, wanted):
    assert text_normalisation(name)(text) == wanted


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: character_error_rate("", "a"), "no letter was asked for"),
        (lambda: word_error_rate(" ", "a"), "no word was asked for"),
        (lambda: close_words([], ["a"]), "no word was asked for"),
        (
            lambda: normalised_edit_distance("a", "b", convention="max"),
            "convention 'max' is not known; choose from longer",
        ),
        (lambda: text_normalisation("word"), "normalisation 'word' is not known; did you mean 'words'"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parity
@given(TEXTS, TEXTS)
def test_distances_are_those_of_other_packages(first, second):
    rapidfuzz, levenshtein = pytest.importorskip("rapidfuzz"), pytest.importorskip("Levenshtein")
    editdistance = pytest.importorskip("editdistance")
    assert edit_distance(first, second) == levenshtein.distance(first, second) == editdistance.eval(first, second)
    similar = 100 - 100 * normalised_edit_distance(first, second, convention="indel")
    assert similar == pytest.approx(rapidfuzz.fuzz.ratio(first, second), abs=1e-10)
    wanted = rapidfuzz.distance.Levenshtein.normalized_distance(first, second)
    assert normalised_edit_distance(first, second) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parity
def test_error_rates_are_jiwers_and_torchmetrics(torch):
    jiwer = pytest.importorskip("jiwer")
    state = np.random.default_rng(0)
    texts = [" ".join(state.choice(["now", "sale", "shop", "a", "new"], state.integers(1, 7))) for _ in range(40)]
    read = [texts[0], "", *(" ".join(state.permutation(text.split())[:4]) for text in texts[2:])]
    for one, other in zip(texts, read, strict=True):
        assert character_error_rate(one, other) == pytest.approx(jiwer.cer(one, other), abs=1e-12)
        assert word_error_rate(one, other) == pytest.approx(jiwer.wer(one, other), abs=1e-12)
    letters = sum(map(edit_distance, texts, read)) / sum(map(len, texts))
    assert letters == pytest.approx(jiwer.cer(texts, read), abs=1e-12)
    assert torch is not None  # before torchmetrics, which asks for torchvision
    functional = pytest.importorskip("torchmetrics.functional.text")
    assert letters == pytest.approx(float(functional.char_error_rate(read, texts)), abs=1e-6)  # float32 there
