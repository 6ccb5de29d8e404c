"""The ranking of distortions: what is drawn, counted and reported, on one photograph."""

import numpy as np

from benchmarks import image_quality_ranking
from benchmarks.image_quality_ranking import DISTORTIONS, Row, distorted, rank, report
from jaxeval.pairs import PAIR_MEASURES


def test_psnr_orders_every_distortion_of_a_photograph():
    rows = list(rank([PAIR_MEASURES["psnr"], PAIR_MEASURES["mae"]], ["chelsea"], size=48))
    assert [row.distortion for row in rows] == 2 * list(DISTORTIONS)
    assert all(all(row.worse) and len(row.scores) == 6 for row in rows)
    text = report(rows, 48)
    assert "| PSNR | 1 | 1 | 1 | 1 | 1 |" in text
    assert text.endswith("None.\n")


def test_strengths_grow_and_a_shift_moves_the_window():
    reference, made = distorted("camera", 40)
    for images in made.values():
        errors = [np.square(image.astype(float) - reference).mean() for image in images]
        assert errors == sorted(errors)
        assert errors[0] > 0
    np.testing.assert_array_equal(made["shift"][2][:, :-3], reference[:, 3:])


def test_exceptions_are_listed_with_their_scores():
    ordered = Row("psnr", "JPEG", "moon", (9.0, 8.0, 7.0, 6.0, 5.0, 4.0), (True,) * 5)
    wrong = Row("psnr", "blur", "moon", (9.0, 8.0, 8.5, 6.0, 5.0, 4.0), (True, False, True, True, True))
    text = report([ordered, wrong], 40)
    assert "| PSNR | 1 | 0 | - | - | - |" in text
    assert "- PSNR: blur (moon 2 to 3: 8 to 8.5)." in text


def test_many_exceptions_are_counted():
    wrong = [
        Row("psnr", "blur", name, (9.0, 8.0, 8.5, 6.0, 7.0, 4.0), (True, False, True, False, True))
        for name in ("moon", "camera", "grass", "retina")
    ]
    assert "- PSNR: blur (moon, camera, grass, retina: 8 of 20 steps)." in report(wrong, 40)


def test_a_measure_of_single_images_sees_enough_patches(monkeypatch):
    sizes, made = [], image_quality_ranking.distorted
    monkeypatch.setattr(image_quality_ranking, "distorted", lambda name, size: sizes.append(size) or made(name, size))
    list(rank([PAIR_MEASURES["total-variation"], PAIR_MEASURES["mae"]], ["chelsea"], size=48))
    assert sizes == [512, 48]


def test_a_measure_of_single_images_is_not_asked_about_shifts():
    rows = list(rank([PAIR_MEASURES["total-variation"]], ["chelsea"], size=48))
    assert [row.distortion for row in rows] == ["JPEG", "blur", "noise", "contrast"]
    (line,) = (line for line in report(rows, 48).splitlines() if line.startswith("| Total variation |"))
    assert line.endswith("| - |")


def test_without_weights_a_measure_is_left_out_and_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("JAXEVAL_WEIGHTS", str(tmp_path))
    image_quality_ranking.main(["--metrics", "lpips-alex", "--size", "48"])
    assert "LPIPS alex  left out: its weights are not here" in capsys.readouterr().out
