"""The speed benchmark: what it times, in turns, and what it says of peers that are missing."""

import json

import numpy as np

from benchmarks import image_quality
from benchmarks.image_quality import images, main, peers_of, timed


def test_calls_take_turns_and_the_first_is_apart():
    order = []
    found = timed({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=3)
    assert order == ["a", "b"] * 4
    assert all(timing.median > 0 and timing.first >= 0 and timing.spread >= 0 for timing in found.values())


def test_images_are_photographs_of_the_asked_size():
    x, y = images(4, 30, 600)
    assert x.shape == y.shape == (4, 30, 600, 3)
    assert 0.02 < np.abs(x - y).mean() < 0.06
    assert min(x.min(), y.min()) >= 0
    assert max(x.max(), y.max()) <= 1


def test_missing_peers_are_said(monkeypatch):
    def absent(x, y):
        raise ImportError("No module named 'piq'", name="piq")

    monkeypatch.setitem(image_quality.PEERS, "psnr", {"piq": absent, "here": lambda x, y: lambda: None})
    calls, missing = peers_of("psnr", *images(1, 8, 8))
    assert list(calls) == ["here"]
    assert missing == {"piq": "not installed (piq)"}


def test_the_table_has_a_row_a_package_and_a_side(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(image_quality.PEERS, "mae", {"numpy": lambda x, y: lambda: np.abs(x - y).mean()})
    arguments = ["--metrics", "mae", "--count", "2", "--side", "16", "--repeats", "2"]
    main([*arguments, "--growth", "mae", "--largest", "64", "--json", str(tmp_path / "a.json")])
    printed = capsys.readouterr().out
    assert "MAE         jaxeval" in printed
    assert "numpy" in printed
    figures = json.loads((tmp_path / "a.json").read_text())
    assert set(figures["batch"]["mae"]) == {"jaxeval", "jaxeval, in jit", "numpy"}
    assert list(figures["growth"]["mae"]) == ["64"]
