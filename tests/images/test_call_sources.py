"""Functions named on the command line as sources of images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxeval.errors import InputError
from jaxeval.images import open_source

MODULE = """
import numpy as np

def draw(num_images, seed):
    return np.random.default_rng(seed).integers(0, 256, (num_images, 8, 8, 3)).astype(np.uint8)

def plain(level):
    return lambda num_images, seed: np.full((num_images, 8, 8, 3), int(level), np.uint8)

def number(level):
    return int(level)

broken = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "called_module.py").write_text(MODULE)
    (tmp_path / "unimportable.py").write_text("raise RuntimeError('no licence\\nfor this')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def pixels(spec: str, **options: Any) -> np.ndarray:
    return np.stack([np.asarray(item.read()) for item in open_source(spec, **options).items()])


def test_a_function_by_its_name() -> None:
    found = pixels("call:called_module:draw", num_samples=70, seed=3)
    assert found.shape == (70, 8, 8, 3)
    assert len(np.unique(found.reshape(70, -1), axis=0)) == 70  # chunks have seeds of their own
    np.testing.assert_array_equal(found, pixels("call:called_module:draw", num_samples=70, seed=3))
    assert (found != pixels("call:called_module:draw", num_samples=70, seed=4)).any()


def test_options_make_the_function() -> None:
    assert (pixels("call:called_module:plain?level=7", num_samples=2) == 7).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("call:called_module", "must be call:MODULE:FUNCTION"),
        ("call:called_module:absent", "module called_module has no absent"),
        ("call:no_such_module_here:draw", "cannot be imported .ModuleNotFoundError"),
        ("call:unimportable:draw", "cannot be imported .RuntimeError: no licence.$|RuntimeError: no licence"),
        ("call:called_module:broken", "gives a int"),
        ("call:called_module:number?level=7", "gives a int"),
        ("call:called_module:plain?colour=7", "cannot be called with these options .TypeError"),
    ],
)
def test_what_cannot_be_called(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_source(spec, num_samples=2)
    assert "\n" not in str(caught.value)


def test_the_count_is_needed() -> None:
    with pytest.raises(InputError, match="num_samples=N"):
        open_source("call:called_module:draw")
