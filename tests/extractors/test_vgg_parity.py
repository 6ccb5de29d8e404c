"""VGG against torchvision and torch-fidelity: narrow trunks at every map, the whole network once, the preparation."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from array_differences import relative

from jaxeval.extractors import WeightsStore, load_extractor
from jaxeval.extractors.vgg import VGG16, VGG19, VGGPlan, VGGTrunk
from jaxeval.images import Preparation
from jaxeval.images.preparation import prepare
from jaxeval.tensor_files import read_tensors

pytestmark = pytest.mark.parity

TOLERANCE = 1e-5  # max |difference| over max |value|; docs/precision.md


def pictures(*size, count=2, seed=0):
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 150, size[0])[None, :, None, None] * rng.random((count, 1, 1, 3))
    return (ramp + 100 * rng.random((count, *size, 3))).astype(np.uint8)


def lively(torch, module):
    """He weights and biases that matter, so that nothing dies on the way."""
    for parameter in module.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 0, 0.2)
        else:
            torch.nn.init.kaiming_normal_(parameter)
    return module.eval()


@pytest.mark.parametrize("plan", [VGG16, VGG19], ids=["vgg16", "vgg19"])
def test_the_table_of_tensors_is_torchvisions(torch, plan):
    from torchvision import models

    with torch.device("meta"):
        network = models.vgg16() if plan is VGG16 else models.vgg19()
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert plan.shapes() == shapes


@pytest.mark.parametrize("whole", [VGG16, VGG19], ids=["vgg16", "vgg19"])
def test_a_narrow_trunk_at_every_map(torch, whole, tmp_path):
    from torchvision.models.vgg import make_layers

    plan = VGGPlan(whole.convolutions, (8, 8, 12, 12, 16))
    layers = []
    for width, count in zip(plan.channels, plan.convolutions, strict=True):
        layers += [width] * count + ["M"]
    torch.manual_seed(1)
    network = lively(torch, torch.nn.Sequential())
    network.features = lively(torch, make_layers(layers))
    torch.save(network.state_dict(), tmp_path / "trunk.pth")
    trunk = VGGTrunk(read_tensors((tmp_path / "trunk.pth").read_bytes(), "trunk.pth"), plan)
    images = np.random.default_rng(2).normal(size=(2, 70, 53, 3)).astype(np.float32)
    x, convolutions, expected = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), iter(plan.maps), {}
    with torch.inference_mode():
        for module in network.features:
            x = module(x)
            if isinstance(module, torch.nn.ReLU):
                expected[next(convolutions)] = x.permute(0, 2, 3, 1).numpy().copy()
    maps = trunk(jnp.asarray(images), plan.maps)
    assert maps.keys() == expected.keys() == plan.maps.keys()
    for name, values in maps.items():
        assert relative(values, expected[name]) < TOLERANCE, name


@pytest.mark.slow
def test_the_whole_of_vgg16_as_torch_fidelity_runs_it(torch, tmp_path):
    from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16
    from torchvision import models

    torch.manual_seed(3)
    network = lively(torch, models.vgg16())
    path = tmp_path / "vgg16.pth"
    torch.save(network.state_dict(), path)
    theirs = FeatureExtractorVGG16("vgg16", ["fc2", "fc2_relu"], feature_extractor_weights_path=str(path))
    images = pictures(100, 150)
    with torch.inference_mode():
        expected = [feature.numpy() for feature in theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))]
    WeightsStore(tmp_path / "weights").import_file("vgg16", path, unverified=True)
    ours = load_extractor("vgg16", weights_dir=tmp_path / "weights")
    assert ours.image_size is not None
    preparation = Preparation(size=ours.image_size, resize="tf1-bilinear")
    assert preparation.resize == ours.resize
    prepared = np.stack([prepare(image, preparation) for image in images])
    features = ours(prepared, taps=["fc2", "fc2_relu", "logits"])
    for tap, values in zip(("fc2", "fc2_relu"), expected, strict=True):
        assert values.std(0).max() > 0.1
        assert relative(features[tap], values) < TOLERANCE, tap
    with torch.inference_mode():
        logits = network.classifier[6](torch.from_numpy(expected[1])).numpy()
    assert relative(features["logits"], logits) < TOLERANCE


@pytest.mark.parametrize("size", [(300, 451), (451, 300), (97, 64), (256, 256), (257, 258), (1000, 333)])
def test_prepared_images_are_torchvisions(torch, size):
    from PIL import Image
    from torchvision import transforms

    from jaxeval.extractors import ShortSideCrop
    from jaxeval.extractors.networks import NETWORKS

    image = pictures(*size, count=1)[0]
    own: Any = NETWORKS["vgg16"].prepare
    for crop, mode in (
        (own, transforms.InterpolationMode.BILINEAR),
        (ShortSideCrop(224, 224, "bicubic"), transforms.InterpolationMode.BICUBIC),
    ):
        theirs = transforms.Compose([transforms.Resize(crop.short_side, mode), transforms.CenterCrop(crop.size)])
        np.testing.assert_array_equal(crop(image), np.asarray(theirs(Image.fromarray(image))))


def test_vgg16s_preparation_is_torchvisions_own(torch):
    from torchvision.models import VGG16_Weights

    from jaxeval.extractors.networks import NETWORKS

    theirs = VGG16_Weights.IMAGENET1K_V1.transforms()
    network = NETWORKS["vgg16"]
    prepare: Any = network.prepare
    assert (theirs.resize_size, theirs.crop_size) == ([prepare.short_side], [prepare.size])
    offsets, scales = network.normalisation.offset, network.normalisation.scale
    np.testing.assert_allclose(offsets, 255 * np.array(theirs.mean), rtol=1e-15)
    np.testing.assert_allclose(scales, 1 / (255 * np.array(theirs.std)), rtol=1e-15)
