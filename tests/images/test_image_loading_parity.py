"""A folder read by us and by the reference implementations' own loaders: same order, same pixels, same resize."""

from pathlib import Path

import numpy as np
import pytest
from image_samples import encode, noise, read_all, smooth, write_folder
from parity_stub import torchvision_stub
from PIL import Image

from jaxeval.images import Preparation

pytestmark = pytest.mark.parity

SIZE = (299, 299)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    exif = Image.Exif()
    exif[0x0112] = 8
    files = {
        "10.png": encode(noise(32, 40, 3), "PNG"),
        "9.jpg": encode(smooth(301, 200), "JPEG", quality=85),
        "B.png": encode(noise(32, 32), "PNG"),
        "a.png": encode(noise(64, 31, 4), "PNG"),
        "b.jpg": encode(Image.fromarray(noise(50, 60, 4), "CMYK"), "JPEG"),
        "c.jpeg": encode(smooth(90, 41), "JPEG", exif=exif),
        "d.png": encode(Image.fromarray(smooth(70, 70)).quantize(32), "PNG", transparency=1),
        "é.png": encode(noise(299, 299, 3), "PNG"),
    }
    return write_folder(tmp_path_factory.mktemp("folder"), files)


def test_torch_fidelity(folder):
    torchvision_stub()
    from torch_fidelity.datasets import ImagesPathDataset
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
    from torch_fidelity.utils import glob_samples_paths

    files = glob_samples_paths(str(folder), False, "png,jpg,jpeg", verbose=False)
    ours = read_all(folder, preparation=Preparation(SIZE, "tf1-bilinear"))
    assert list(ours) == [Path(file).name for file in files]
    theirs = ImagesPathDataset(files)
    for index, image in enumerate(ours.values()):
        resized = interpolate_bilinear_2d_like_tensorflow1x(theirs[index][None].float(), SIZE, align_corners=False)
        np.testing.assert_array_equal(image, resized[0].permute(1, 2, 0).numpy())


def test_clean_fid(folder):
    torchvision_stub()
    from cleanfid.utils import ResizeDataset

    ours = read_all(folder, preparation=Preparation(SIZE, "pil-bicubic-float"))
    theirs = ResizeDataset([str(folder / name) for name in ours], mode="clean")
    for index, image in enumerate(ours.values()):
        np.testing.assert_array_equal(image, theirs[index].permute(1, 2, 0).numpy())


def test_pytorch_fid(folder):
    torchvision_stub()
    import torch
    from pytorch_fid.fid_score import IMAGE_EXTENSIONS, ImagePathDataset
    from torchvision.transforms import ToTensor

    files = sorted(file for extension in IMAGE_EXTENSIONS for file in folder.glob(f"*.{extension}"))
    ours = read_all(folder, preparation=Preparation(SIZE, "bilinear"))
    assert list(ours) == [file.name for file in files]
    theirs = ImagePathDataset(files, transforms=ToTensor())
    for index, image in enumerate(ours.values()):
        resized = torch.nn.functional.interpolate(
            torch.as_tensor(theirs[index])[None], SIZE, mode="bilinear", align_corners=False
        )
        # pytorch-fid interpolates levels / 255: two more roundings than test_image_resizing_parity allows for.
        np.testing.assert_allclose(image, resized[0].permute(1, 2, 0).numpy() * 255, atol=1.5e-4, rtol=0)
