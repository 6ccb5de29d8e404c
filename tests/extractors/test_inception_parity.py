"""The FID Inception network and the checkpoint reader against torch, torch-fidelity and pytorch-fid themselves."""

import numpy as np
import pytest
from array_differences import relative
from random_inception import random_inception_state_dict

from jaxeval.errors import WeightsError
from jaxeval.extractors import Normalisation, WeightsStore, load_extractor
from jaxeval.tensor_files import read_tensors

pytestmark = [pytest.mark.parity, pytest.mark.slow]

TOLERANCE = 1e-5  # max |difference| over max |value|; docs/precision.md
SEED = 11
FIDELITY_TAPS = ["64", "192", "768", "2048", "logits_unbiased", "logits"]


@pytest.fixture(scope="module", params=["zip", "legacy"])
def checkpoint(request, torch, tmp_path_factory):
    """A checkpoint as torch writes it, with the counters of training batches that newer versions add."""
    path = tmp_path_factory.mktemp(request.param) / "inception.pth"
    state = random_inception_state_dict(SEED, batches_tracked=request.param == "zip")
    tensors = {name: torch.from_numpy(array) for name, array in state.items()}
    torch.save(tensors, path, _use_new_zipfile_serialization=request.param == "zip")
    return path


@pytest.fixture(scope="module")
def ours(checkpoint):
    store = WeightsStore(checkpoint.parent / "weights")
    assert store.import_file("inception", checkpoint, unverified=True).state == "custom"
    return load_extractor("inception", weights_dir=store.folder)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(5)
    ramp = np.linspace(0, 150, 299)[None, :, None, None] * rng.random((3, 1, 1, 3))
    return (ramp + 100 * rng.random((3, 299, 299, 3))).astype(np.uint8)


def test_torch_fidelity_at_every_tap(torch, checkpoint, ours, images):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("theirs", FIDELITY_TAPS, feature_extractor_weights_path=str(checkpoint))
    spatial = []
    network.Mixed_6d.branch1x1.register_forward_hook(lambda module, inputs, output: spatial.append(output))
    with torch.inference_mode():
        features = network(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    theirs = dict(zip(FIDELITY_TAPS, (feature.numpy() for feature in features), strict=True))
    theirs["sfid"] = spatial[0].permute(0, 2, 3, 1)[..., :7].reshape(len(images), -1).numpy()
    assert theirs.keys() == ours.taps.keys()
    for tap, feature in ours(images, taps=ours.taps).items():
        assert theirs[tap].std(0).max() > 0.1, "features that do not depend on the image prove nothing"
        assert feature.shape == theirs[tap].shape
        assert relative(feature, theirs[tap]) < TOLERANCE, tap


def test_pytorch_fid_at_every_block(torch, checkpoint, ours, images, monkeypatch):
    from pytorch_fid import inception

    state = torch.load(checkpoint, weights_only=True)
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: state)
    network = inception.InceptionV3([0, 1, 2, 3], resize_input=False).eval()
    with torch.inference_mode():
        blocks = network(torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 255))
    taps = ["64", "192", "768", "2048"]
    features = ours(images, taps=taps, normalisation=Normalisation(127.5, 1 / 127.5))
    for tap, block in zip(taps, blocks, strict=True):
        assert relative(features[tap], block.mean((2, 3)).numpy()) < TOLERANCE, tap


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_whatever_torch_writes_is_read(torch, tmp_path, zipped, protocol):
    base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    state = {
        "whole": base,
        "shared": base[1],
        "transposed": base.permute(2, 0, 1),
        "offset": base[:, 1:3, ::2],
        "parameter": torch.nn.Parameter(base[0].clone()),
        "half": base.half(),
        "bfloat16": base.bfloat16(),
        "double": base.double() / 3,
        "long": torch.tensor(2**40),
        "empty": torch.zeros(0, 4),
    }
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    for tensors in (state, module.state_dict()):
        path = tmp_path / "checkpoint.pth"
        torch.save(tensors, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
        arrays = read_tensors(path.read_bytes(), str(path))
        assert arrays.keys() == tensors.keys()
        for name, tensor in tensors.items():
            expected = tensor.detach()
            expected = expected.float().numpy() if expected.dtype == torch.bfloat16 else expected.numpy()
            assert arrays[name].dtype.name == str(tensor.dtype).removeprefix("torch.")
            np.testing.assert_array_equal(arrays[name].astype(expected.dtype), expected)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_saved_module_is_refused(torch, tmp_path, zipped):
    path = tmp_path / "module.pth"
    torch.save(torch.nn.Linear(2, 3), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="asks for"):
        read_tensors(path.read_bytes(), str(path))
