"""Boxes of words become lines, whatever the order they come in."""

import numpy as np
import pytest

from jaxeval.detection.reading_order import joined, read_lines, reading_order


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float64).reshape(-1, 4)


def test_lines_are_from_above_and_from_the_left():
    places = boxes((70, 12, 40, 20), (5, 60, 90, 20), (10, 10, 40, 22), (120, 8, 30, 24))
    texts = ["birthday", "dear Ann", "happy", "!"]
    assert read_lines(places, texts) == ("happy birthday !", "dear Ann")
    for order in np.random.default_rng(0).permuted(np.tile(np.arange(4), (10, 1)), axis=1):
        assert read_lines(places[order], [texts[place] for place in order]) == ("happy birthday !", "dear Ann")


def test_what_overlaps_by_less_than_half_is_another_line():
    assert len(reading_order(boxes((0, 0, 10, 10), (20, 5, 10, 10)), ["a", "b"])) == 1
    assert len(reading_order(boxes((0, 0, 10, 10), (20, 5.1, 10, 10)), ["a", "b"])) == 2
    # A small word beside a large one is of its line.
    assert reading_order(boxes((0, 0, 50, 40), (60, 30, 10, 8)), ["BIG", "small"]) == [[0, 1]]


def test_slanted_words_do_not_draw_two_lines_into_one():
    first = [(20.0 * place, 3.0 * place, 18.0, 10.0) for place in range(4)]
    second = [(20.0 * place, 20 + 3.0 * place, 18.0, 10.0) for place in range(4)]
    found = reading_order(boxes(*first, *second), ["a"] * 8)
    assert all(not {0, 1, 2, 3} & set(line) or not {4, 5, 6, 7} & set(line) for line in found)


def test_hebrew_and_arabic_are_read_from_the_right():
    places = boxes((0, 0, 40, 10), (50, 0, 40, 10), (0, 20, 40, 10), (50, 20, 40, 10))
    assert read_lines(places, ["עולם", "שלום", "hello", "world"]) == ("שלום עולם", "hello world")
    assert read_lines(places[:2], ["بالعالم", "مرحبا"]) == ("مرحبا بالعالم",)


def test_scripts_without_spaces_have_none():
    assert joined(["生日", "快乐", "2024", "年"]) == "生日快乐 2024 年"
    assert joined(["", "a", "", "b"]) == "a b"
    assert read_lines(boxes((0, 0, 10, 10), (20, 0, 10, 10)), ["こんにち", "は"]) == ("こんにちは",)


@pytest.mark.parametrize("height", [0.0, 1e-9])
def test_boxes_without_height_have_a_place(height):
    assert reading_order(boxes((0, 5, 10, height), (20, 0, 10, 10)), ["a", "b"]) == [[0, 1]]
    assert reading_order(boxes((0, 5, 10, height), (20, 5, 10, height)), ["a", "b"]) == [[0, 1]]
    assert reading_order(boxes((0, 5, 10, height), (20, 7, 10, height)), ["a", "b"]) == [[0], [1]]


def test_nothing_is_no_line():
    assert reading_order(boxes(), []) == []
    assert read_lines(boxes((0, 0, 1, 1)), ["  "]) == ()
