"""Packages that only a part of jaxeval needs: it is imported without them, and they are named where they are needed."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

import jaxeval
from jaxeval._packages import needed
from jaxeval.errors import InputError
from jaxeval.extractors import ShortSideCrop, WeightsStore
from jaxeval.tensor_files import read_tensors

LATER = {"PIL", "platformdirs", "safetensors", "tensorflow_datasets", "array_record"}
MODULES = [
    path
    for path in sorted(Path(jaxeval.__file__).parent.rglob("*.py"))
    if path.parent.name not in ("images", "report")  # images are read and drawn with Pillow
]


def test_no_module_imports_them_when_it_is_imported():
    assert len(MODULES) > 100
    for path in MODULES:
        for statement in ast.parse(path.read_text()).body:
            names = [name.name for name in statement.names] if isinstance(statement, ast.Import) else []
            names += [statement.module or ""] if isinstance(statement, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & LATER, path


def test_what_is_missing_is_named_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.delenv("JAXEVAL_WEIGHTS", raising=False)
    for module in ("platformdirs", "safetensors", "safetensors.numpy", "PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match="the weights folder needs the package platformdirs; install it: pip install"):
        WeightsStore()
    assert WeightsStore(tmp_path).folder == tmp_path  # a folder that is named needs nothing
    with pytest.raises(InputError, match="needs the package safetensors"):
        read_tensors(b"12345678{}", "a file")
    with pytest.raises(ImportError, match="pip install pillow"):
        ShortSideCrop(8, 8, "bicubic")(np.zeros((9, 9, 3), np.uint8))


def test_what_a_package_itself_misses_is_not_taken_for_the_package(monkeypatch, tmp_path):
    (tmp_path / "half_a_package.py").write_text("import what_it_needs")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_needs") as caught:
        needed("half_a_package", "this")
    assert not isinstance(caught.value, InputError)
