"""The whole path, from files to the number, beside each reference's own loader, resizer, network and distance.

All run the FID Inception network with the same seeded random weights, since the published ones cannot be shipped.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from image_sets import crops
from parity_stub import torchvision_stub
from PIL import Image, ImageFilter
from random_inception import random_inception_for_both

from jaxeval.cli import main

pytestmark = [pytest.mark.parity, pytest.mark.slow]

_IMAGES = 8


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return random_inception_for_both(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module", params=[(48, 64), (300, 310)], ids=["enlarged", "reduced"])
def folders(request, tmp_path_factory):
    """PNG and JPEG files of real photographs, and the same blurred."""
    base = tmp_path_factory.mktemp("sets")
    made = []
    for name, seed in (("real", 1), ("blurred", 2)):
        folder = base / name
        folder.mkdir()
        for number, image in enumerate(crops(_IMAGES, request.param, seed)):
            picture = Image.fromarray(image)
            if name == "blurred":
                picture = picture.filter(ImageFilter.GaussianBlur(2.0))
            picture.save(folder / f"{number:03d}{'.png' if number % 2 else '.jpg'}")
        made.append(str(folder))
    return made


@pytest.fixture(scope="module")
def ours(folders, weights):
    """Our numbers, all protocols from one run of the command line."""

    def run(protocols: str, capfd) -> dict[str, float]:
        arguments = [*folders, "--protocol", protocols, "--weights-dir", str(weights[1]), "--batch-size", "8"]
        assert main(["evaluate", *arguments, "--metrics", "fid", "--json", "--quiet"]) == 0
        return {result["protocol"]: result["value"] for result in json.loads(capfd.readouterr().out)["results"]}

    return run


def test_every_protocol_gives_its_references_own_number(folders, weights, ours, capfd, monkeypatch):
    monkeypatch.setattr(scipy.linalg, "sqrtm", _root_with_the_trace)
    found = ours("torch-fidelity,pytorch-fid,clean-fid,torchmetrics-1.7,torchmetrics-1.8", capfd)
    expected = {
        "torch-fidelity": _torch_fidelity(folders, weights[0]),
        "pytorch-fid": _pytorch_fid(folders, weights[0], monkeypatch),
        "clean-fid": _clean_fid(folders, weights[0]),
        "torchmetrics-1.7": _torchmetrics(folders, weights[0], antialias=False),
        "torchmetrics-1.8": _torchmetrics(folders, weights[0], antialias=True),
    }
    capfd.readouterr()
    for protocol, value in expected.items():
        assert found[protocol] == pytest.approx(value, rel=1e-4), protocol
    # The definitions differ by far more than the tolerance, so that none can pass for another.
    assert abs(found["clean-fid"] / found["torch-fidelity"] - 1) > 1e-3
    assert abs(found["pytorch-fid"] / found["torch-fidelity"] - 1) > 1e-3
    assert abs(found["torchmetrics-1.8"] / found["torchmetrics-1.7"] - 1) > 1e-3


def _root_with_the_trace(product: np.ndarray, disp: bool = True) -> Any:
    """A diagonal matrix with the trace of the square root, which is all that the references read of it.

    SciPy's takes 20 s at 2048 x 2048, twice where it is singular; distances have parity tests of their own with it.
    Eight images have covariances of rank 7, so that the eigenvalues other than 0 are those in a space of 16.
    """
    space, _ = np.linalg.qr(product @ np.random.default_rng(0).standard_normal((len(product), 2 * _IMAGES)))
    within = space.T @ product
    assert np.linalg.norm(product - space @ within) < 1e-10 * np.linalg.norm(product)
    roots = np.diag(np.sqrt(np.linalg.eigvals(within @ space).astype(np.complex128)))
    return roots if disp else (roots, 0.0)


def _torch_fidelity(folders, checkpoint) -> float:
    torchvision_stub()
    import torch_fidelity

    metrics = torch_fidelity.calculate_metrics(
        input1=folders[0],
        input2=folders[1],
        fid=True,
        cuda=False,
        cache=False,
        verbose=False,
        batch_size=8,
        feature_extractor_weights_path=str(checkpoint),
    )
    return metrics["frechet_inception_distance"]


def _pytorch_fid(folders, checkpoint, monkeypatch) -> float:
    torchvision_stub()
    import pytorch_fid.fid_score
    import pytorch_fid.inception
    import torch

    state = torch.load(checkpoint, weights_only=True)
    monkeypatch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *arguments, **more: state)
    return pytorch_fid.fid_score.calculate_fid_given_paths(folders, 8, torch.device("cpu"), 2048, num_workers=0)


def _clean_fid(folders, checkpoint) -> float:
    torchvision_stub()
    import torch
    from cleanfid import fid
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(checkpoint))

    def features(batch):  # clean-fid's resizer has made it 299 x 299 floats in 0..255, where the network's is identity
        assert batch.dtype == torch.float32
        assert batch.shape[2:] == (299, 299)
        return _taps_after_resize(network, batch)

    return fid.compute_fid(
        *folders,
        mode="clean",
        num_workers=0,
        batch_size=8,
        device=torch.device("cpu"),
        custom_feat_extractor=features,
        use_dataparallel=False,
        verbose=False,
    )


def _taps_after_resize(network, batch):
    """torch-fidelity's network insists on uint8 input; this runs its layers on floats that are already resized."""
    import torch

    x = (batch - 128) / 128
    for name in (
        *(
            "Conv2d_1a_3x3",
            "Conv2d_2a_3x3",
            "Conv2d_2b_3x3",
            "MaxPool_1",
            "Conv2d_3b_1x1",
            "Conv2d_4a_3x3",
            "MaxPool_2",
        ),
        *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
        *("Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"),
    ):
        x = getattr(network, name)(x)
    return torch.flatten(x, 1)


def _torchmetrics(folders, checkpoint, *, antialias: bool) -> float:
    torchvision_stub()
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=2048, feature_extractor_weights_path=str(checkpoint), antialias=antialias)
    for folder, real in zip(folders, (True, False), strict=True):
        paths = sorted(Path(folder).iterdir())
        for start in range(0, len(paths), 8):
            batch = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths[start : start + 8]])
            metric.update(torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous(), real=real)
    return float(metric.compute())
