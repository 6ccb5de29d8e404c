"""DINOv2 against transformers' `Dinov2Model`, with the positions of DINOv2's own code and of transformers."""

import jax
import numpy as np
import pytest
from array_differences import relative

from jaxeval.extractors import WeightsStore, load_extractor
from jaxeval.extractors.catalogue import CATALOGUE, check_tensors
from jaxeval.extractors.dinov2 import DINOV2_B14, DINOV2_L14, DINOv2, DINOv2Plan, from_hugging_face, resample_positions
from jaxeval.tensor_files import read_tensors

pytestmark = pytest.mark.parity

TOLERANCE = 1e-5  # max |difference| over max |value|; docs/precision.md
SMALL = DINOv2Plan(width=48, blocks=4, heads=6, grid=7)


def random_model(torch, plan, seed):
    """Hugging Face's network with tensors of the size that training gives them: at its own start, scales are 1."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=plan.width,
        num_hidden_layers=plan.blocks,
        num_attention_heads=plan.heads,
        image_size=plan.grid * plan.patch,
        patch_size=plan.patch,
    )
    torch.manual_seed(seed)
    model = Dinov2Model(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lambda1" in name:
                torch.nn.init.uniform_(parameter, 0.05, 0.5)
            elif name.endswith("position_embeddings"):
                torch.nn.init.normal_(parameter, 0, 0.3)
            elif name.endswith(".bias"):
                torch.nn.init.normal_(parameter, 0, 0.1)
            elif "norm" in name:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
            elif parameter.ndim > 1:
                torch.nn.init.normal_(parameter, 0, parameter[0].numel() ** -0.5)
    return model


def facebooks_positions(torch, model, size):
    """The interpolation of DINOv2's own code, after facebookresearch/dinov2, `interpolate_pos_encoding`, offset 0.1."""
    table = model.embeddings.position_embeddings.detach()
    side = round((table.shape[1] - 1) ** 0.5)
    grid = table[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    scale = float(size + 0.1) / side
    grid = torch.nn.functional.interpolate(grid, mode="bicubic", antialias=False, scale_factor=(scale, scale))
    assert grid.shape[2:] == (size, size)
    return torch.cat([table[:, :1], grid.permute(0, 2, 3, 1).reshape(1, size * size, -1)], 1)


def converted(model, plan, folder):
    """Its tensors as `save_pretrained` writes them, read and renamed."""
    model.save_pretrained(folder)
    path = folder / "model.safetensors"
    tensors = read_tensors(path.read_bytes(), str(path))
    tensors = {name: array for name, array in tensors.items() if "mask_token" not in name}
    assert {name: array.shape for name, array in tensors.items()} == plan.hugging_face_shapes()
    return from_hugging_face(tensors, plan)


@pytest.mark.parametrize("size", [16, 5, 20, 37])
def test_positions_are_torchs(torch, size):
    table = np.random.default_rng(1).normal(size=(37 * 37, 6)).astype(np.float32)
    grid = torch.from_numpy(table).reshape(1, 37, 37, -1).permute(0, 3, 1, 2)
    for offset, options in (
        (0.1, {"scale_factor": (float(size + 0.1) / 37,) * 2}),
        (0.0, {"size": (size, size)}),
    ):
        theirs = torch.nn.functional.interpolate(grid, mode="bicubic", align_corners=False, **options)
        expected = theirs.permute(0, 2, 3, 1).reshape(size * size, -1).numpy()
        assert relative(resample_positions(table, (size, size), offset=offset), expected) < TOLERANCE


@pytest.mark.parametrize("whose", ["facebook", "hugging face"])
def test_a_small_network(torch, whose, tmp_path, monkeypatch):
    model = random_model(torch, SMALL, 2)
    ours = DINOv2(converted(model, SMALL, tmp_path), SMALL, size=(56, 56), offset=0.1 if whose == "facebook" else 0.0)
    if whose == "facebook":
        positions = facebooks_positions(torch, model, 4)
        monkeypatch.setattr(model.embeddings, "interpolate_pos_encoding", lambda *_: positions)
    images = np.random.default_rng(3).normal(size=(3, 56, 56, 3)).astype(np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).pooler_output.numpy()
    assert expected.std(0).max() > 0.1
    assert relative(jax.jit(lambda x: ours(x, ("cls",))["cls"])(images), expected) < TOLERANCE


@pytest.mark.parametrize(("plan", "name"), [(DINOV2_B14, "dinov2-vit-b-14"), (DINOV2_L14, "dinov2-vit-l-14")])
def test_the_tables_of_tensors(torch, plan, name):
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=plan.width, num_hidden_layers=plan.blocks, num_attention_heads=plan.heads, image_size=518
    )
    with torch.device("meta"):
        model = Dinov2Model(config)
    theirs = sorted(tuple(parameter.shape) for key, parameter in model.named_parameters() if "mask_token" not in key)
    assert theirs == sorted(plan.hugging_face_shapes().values())
    assert CATALOGUE[name].shapes() == plan.shapes()


@pytest.mark.slow
def test_the_whole_of_vit_b_14(torch, tmp_path, monkeypatch):
    from PIL import Image
    from torchvision.transforms import functional

    model = random_model(torch, DINOV2_B14, 4)
    model.save_pretrained(tmp_path)
    store = WeightsStore(tmp_path / "weights")
    store.import_file("dinov2-vit-b-14", tmp_path / "model.safetensors", unverified=True)
    ours = load_extractor("dinov2-vit-b-14", weights_dir=store.folder)
    positions = facebooks_positions(torch, model, 16)
    monkeypatch.setattr(model.embeddings, "interpolate_pos_encoding", lambda *_: positions)
    picture = np.random.default_rng(5).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    resized = np.asarray(Image.fromarray(picture).resize((224, 224), Image.Resampling.BICUBIC))  # dgm-eval's
    images = np.stack([resized, resized[::-1] // 2])
    x = functional.normalize(
        torch.from_numpy(images.transpose(0, 3, 1, 2) / np.float32(255)), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    )
    with torch.inference_mode():
        expected = model(x).pooler_output.numpy()
    assert expected.std(0).max() > 0.1
    assert relative(ours(images)["cls"], expected) < TOLERANCE


def test_files_of_facebooks_own_network_are_read(torch, tmp_path):
    known = CATALOGUE["dinov2-vit-b-14"]
    state = {name: torch.zeros(shape, dtype=torch.float16) for name, shape in known.shapes().items()}
    torch.save(state | {"mask_token": torch.zeros(1, 768)}, tmp_path / "own.pth")
    tensors = read_tensors((tmp_path / "own.pth").read_bytes(), "own.pth")
    assert check_tensors(known, tensors, "own.pth").keys() == state.keys()
