"""AlexNet and SqueezeNet against torchvision, LPIPS and DISTS against their packages, over seeded random trunks."""

import importlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_trunks import PLANS, keep

from jaxeval.extractors import load_dists, load_lpips
from jaxeval.extractors.alexnet import ALEXNET
from jaxeval.extractors.squeezenet import SQUEEZENET
from jaxeval.ops.image_quality import LpipsConvention
from jaxeval.tensor_files import read_tensors

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore::UserWarning:torchvision")]

TOLERANCE = 1e-5  # max |difference| over max |value|; docs/precision.md
TORCHVISION = {"alexnet": "alexnet", "squeezenet": "squeezenet1_1", "vgg16": "vgg16"}
MODULES = {"alexnet": (1, 4, 7, 9, 11), "squeezenet": (1, 4, 7, 9, 10, 11, 12)}  # whose outputs are the maps
LPIPS = {"alex": "alexnet", "vgg16": "vgg16", "squeeze": "squeezenet"}


@pytest.fixture(scope="module")
def trunks(torch):
    """torchvision's convolutions with He weights and biases that matter, so that nothing dies on the way."""
    models = importlib.import_module("torchvision.models")
    torch.manual_seed(1)
    found = {}
    for name, theirs in TORCHVISION.items():
        with torch.device("meta"):
            network = getattr(models, theirs)()
        network.features.to_empty(device="cpu")
        for parameter in network.features.parameters():
            if parameter.ndim == 1:
                torch.nn.init.normal_(parameter, 0, 0.2)
            else:
                torch.nn.init.kaiming_normal_(parameter)
        found[name] = network.eval()
    return found


@pytest.fixture(scope="module")
def weights_dir(trunks, tmp_path_factory):
    states = {
        name: {f"features.{k}": v.numpy() for k, v in network.features.state_dict().items()}
        for name, network in trunks.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        yield keep(tmp_path_factory.mktemp("perceptual"), patch, **states)


def pictures(*size, seed=0):
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 0.6, size[0])[None, :, None, None] * rng.random((2, 1, 1, 3))
    x = (ramp + 0.4 * rng.random((2, *size, 3))).astype(np.float32)
    y = np.clip(x + 0.1 * rng.standard_normal(x.shape), 0, 1).astype(np.float32)
    return x, y


def to_torch(torch, images):
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())


def copy_trunk(theirs, features):
    """The packages divide a trunk differently, and keep its order."""
    for parameter, value in zip(theirs.parameters(), features.parameters(), strict=True):
        parameter.data.copy_(value.data)


@pytest.mark.parametrize("plan", [ALEXNET, SQUEEZENET], ids=["alexnet", "squeezenet"])
def test_the_table_of_tensors_is_torchvisions(torch, plan):
    models = importlib.import_module("torchvision.models")
    with torch.device("meta"):
        network = models.alexnet() if plan is ALEXNET else models.squeezenet1_1()
    assert plan.shapes() == {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("size", [(67, 95), (32, 31), (40, 34)])
@pytest.mark.parametrize("name", ["alexnet", "squeezenet"])
def test_every_map_is_torchvisions_through_a_checkpoint(torch, trunks, tmp_path, name, size):
    network, plan = trunks[name], PLANS[name]
    state = {f"features.{k}": v for k, v in network.features.state_dict().items()}
    torch.save(state, tmp_path / "trunk.pth")
    trunk = plan.trunk(read_tensors((tmp_path / "trunk.pth").read_bytes(), "trunk.pth"))
    images = np.random.default_rng(2).normal(size=(2, *size, 3)).astype(np.float32)
    after = MODULES[name]
    x, expected = to_torch(torch, images), []
    with torch.inference_mode():
        for index, module in enumerate(network.features[: after[-1] + 1]):
            x = module(x)
            if index in after:
                expected.append(x.permute(0, 2, 3, 1).numpy().copy())
    maps = trunk(jnp.asarray(images), plan.maps)
    assert list(maps) == list(plan.maps)
    for (key, values), theirs in zip(maps.items(), expected, strict=True):
        assert values.shape == theirs.shape
        assert np.abs(np.asarray(values) - theirs).max() < TOLERANCE * np.abs(theirs).max(), key


@pytest.mark.parametrize("name", ["alexnet", "squeezenet"])
def test_the_least_sides_are_torchvisions(torch, trunks, name):
    plan = PLANS[name]
    after = dict(zip(plan.maps, MODULES[name], strict=True))
    for key, side in plan.least_sides.items():
        with torch.inference_mode():
            layers = trunks[name].features[: after[key] + 1]
            assert min(layers(torch.zeros(1, 3, side, side)).shape) >= 1
            with pytest.raises(RuntimeError):
                layers(torch.zeros(1, 3, side - 1, side - 1))


@pytest.mark.parametrize("network", LPIPS)
def test_lpips_is_that_of_both_packages(torch, trunks, weights_dir, network):
    package = importlib.import_module("lpips")
    torchmetrics = importlib.import_module("torchmetrics.functional.image.lpips")
    net = "vgg" if network == "vgg16" else network
    peers: list[tuple[LpipsConvention, Any, list[Any]]] = [
        ("lpips", lambda: package.LPIPS(net=net, pnet_rand=True, verbose=False), [((45, 71), 1), ((33, 32), 255)]),
        ("torchmetrics", lambda: torchmetrics._LPIPS(net=net, pnet_rand=True), [((45, 71), 1)]),
    ]
    for convention, build, cases in peers:
        theirs = build()
        copy_trunk(theirs.net, trunks[LPIPS[network]].features)
        ours = load_lpips(network, convention=convention, weights_dir=weights_dir)
        assert not ours.weights_published  # the trunk is not
        for size, peak in cases:
            x, y = pictures(*size)
            with torch.inference_mode():
                expected = theirs(to_torch(torch, x), to_torch(torch, y), normalize=True).flatten().numpy()
            assert expected.min() > 0.01
            found = ours(peak * x, peak * y, data_range=peak)
            np.testing.assert_allclose(found, expected, rtol=1e-4, err_msg=f"{convention} {size} {peak}")


def test_lpips_gradient_is_the_packages(torch, trunks, weights_dir):
    package = importlib.import_module("lpips")
    theirs = package.LPIPS(net="alex", pnet_rand=True, verbose=False)
    copy_trunk(theirs.net, trunks["alexnet"].features)
    ours = load_lpips("alex", weights_dir=weights_dir)
    x, y = pictures(48, 56)
    images = to_torch(torch, x).requires_grad_()
    theirs(images, to_torch(torch, y), normalize=True).sum().backward()
    expected = images.grad.permute(0, 2, 3, 1).numpy()
    found = jax.jit(jax.grad(lambda x: ours.apply(ours.params, x, y, data_range=1.0).sum()))(x)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_dists_is_that_of_the_package(torch, trunks, weights_dir, monkeypatch):
    package = importlib.import_module("DISTS_pytorch.DISTS_pt")
    monkeypatch.setattr(package.models, "vgg16", lambda pretrained: trunks["vgg16"])
    theirs = package.DISTS(load_weights=False)
    weights = torch.load(Path(str(package.__file__)).parent / "weights.pt", map_location="cpu")
    theirs.alpha.data, theirs.beta.data = weights["alpha"], weights["beta"]
    ours = load_dists(weights_dir=weights_dir)
    for size, peak in (((45, 71), 1), ((17, 16), 255)):
        x, y = pictures(*size)
        with torch.inference_mode():
            expected = theirs(to_torch(torch, x), to_torch(torch, y)).numpy()
        assert expected.min() > 0.002
        np.testing.assert_allclose(ours(peak * x, peak * y, data_range=peak), expected, atol=1e-5, err_msg=str(size))
