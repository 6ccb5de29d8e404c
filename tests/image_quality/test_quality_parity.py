"""The metrics against piq, pytorch-msssim and torchmetrics, on photographs with distortions of four kinds."""

import functools
import importlib

import numpy as np
import pytest
from parity_stub import torchvision_stub
from photographs import DISTORTIONS, pairs, photograph

import jaxeval.ops.image_quality as iq

pytestmark = [pytest.mark.parity, pytest.mark.slow]

# Ours, piq's name, options of piq's, tolerance (docs/precision.md). piq runs in float64 where its float32 is the
# coarser side.
CASES = {
    "gmsd": (iq.gmsd, "gmsd", {}, 1e-5),
    "ms_gmsd": (iq.ms_gmsd, "multi_scale_gmsd", {"chromatic": False}, 1e-5),
    "haarpsi": (iq.haarpsi, "haarpsi", {}, 2e-5),
    "mdsi": (iq.mdsi, "mdsi", {}, 1e-4),
    "dss": (iq.dss, "dss", {}, 1e-5),
    "vifp": (iq.vifp, "vif_p", {}, 1e-4),
    "fsim": (iq.fsim, "fsim", {}, 1e-5),
    "sr_sim": (iq.sr_sim, "srsim", {}, 1e-5),
    "vsi": (iq.vsi, "vsi", {}, 1e-5),
    "iw_ssim": (iq.iw_ssim, "information_weighted_ssim", {}, 1e-5),
}
DOUBLE = ("vifp", "dss")


@pytest.mark.parametrize("name", CASES)
def test_values_are_piqs(name):
    torchvision_stub()
    piq = importlib.import_module("piq")
    import torch

    ours, theirs, options, tolerance = CASES[name]
    dtype = torch.float64 if name in DOUBLE else torch.float32
    names = ("astronaut", "chelsea")
    for label, reference, distorted in pairs((180, 203), names):
        x, y = (torch.from_numpy(i.transpose(2, 0, 1)[None].copy()).to(dtype) for i in (distorted, reference))
        expected = float(getattr(piq, theirs)(x, y, data_range=255, reduction="none", **options))
        value = float(ours(distorted[None], reference[None], data_range=255)[0])
        assert abs(value - expected) < tolerance, (label, value, expected)


def test_total_variation_is_piqs():
    import torch

    torchvision_stub()
    piq = importlib.import_module("piq")

    for label, _, image in pairs((61, 84), ("astronaut",)):
        x = torch.from_numpy(image.transpose(2, 0, 1)[None].copy()).double()
        for norm, theirs in (("l1", "l1"), ("l2", "l2"), ("l2-squared", "l2_squared")):
            expected = float(piq.total_variation(x, reduction="none", norm_type=theirs))
            value = iq.total_variation(image[None], data_range=255, norm=norm)
            np.testing.assert_allclose(value, [expected], rtol=1e-6, err_msg=f"{label} {norm}")


def _as_torch(torch, image):
    return torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float64))


def _window(torch, x):
    """pytorch-msssim's own window is of float32, whose weights do not sum to 1: 1e-5 of SSIM on the smallest images."""
    at = np.arange(11) - 5
    taps = np.exp(-(at**2) / (2 * 1.5**2))
    return torch.from_numpy(taps / taps.sum()).repeat(x.shape[1], 1, 1, 1)


def _pytorch_msssim(name, x, y, peak):
    import torch

    peer = getattr(importlib.import_module("pytorch_msssim"), name)
    return peer(x, y, data_range=peak, size_average=False, win=_window(torch, x))


def _torchmetrics(name, x, y, peak):
    peer = getattr(importlib.import_module("torchmetrics.functional.image"), name)
    return peer(x, y, data_range=peak, reduction="none")


def _piq(name, x, y, peak):
    return getattr(importlib.import_module("piq"), name)(x, y, data_range=peak, reduction="none")


# The peers' functions of (x, y, data range), which run in float64, by the name of our convention.
SSIM = {
    "pytorch-msssim": functools.partial(_pytorch_msssim, "ssim"),
    "torchmetrics": functools.partial(_torchmetrics, "structural_similarity_index_measure"),
    "piq": functools.partial(_piq, "ssim"),
}
MS_SSIM = {
    "pytorch-msssim": functools.partial(_pytorch_msssim, "ms_ssim"),
    "torchmetrics": functools.partial(_torchmetrics, "multiscale_structural_similarity_index_measure"),
    "piq": functools.partial(_piq, "multi_scale_ssim"),
}


@pytest.mark.parametrize("convention", SSIM)
def test_ssim_is_that_of_the_package_its_convention_names(convention):
    import torch

    torchvision_stub()
    # Odd, as small as the window, and (for piq, which halves it first) of more than 384 pixels; colour and gray.
    for size, names in (((101, 88), ("astronaut", "camera")), ((11, 12), ("coffee",)), ((395, 402), ("coffee",))):
        for label, reference, distorted in pairs(size, names):
            x, y = _as_torch(torch, distorted), _as_torch(torch, reference)
            expected = SSIM[convention](x, y, 255.0).flatten()
            value = iq.ssim(distorted[None], reference[None], data_range=255, convention=convention)
            assert value.shape == (1,)
            assert abs(float(value[0]) - float(expected[0])) < 1e-5, (label, size)


@pytest.mark.parametrize("convention", MS_SSIM)
def test_ms_ssim_is_that_of_the_package_its_convention_names(convention):
    import torch

    torchvision_stub()
    for label, reference, distorted in pairs((177, 214), ("astronaut",)):
        x, y = _as_torch(torch, distorted), _as_torch(torch, reference)
        expected = MS_SSIM[convention](x, y, 255.0).flatten()
        value = iq.ms_ssim(distorted[None], reference[None], data_range=255, convention=convention)
        assert abs(float(value[0]) - float(expected[0])) < 1e-5, label


def test_every_strength_and_every_range_of_values():
    import torch

    torchvision_stub()
    reference = photograph("coffee", 75, 94)
    for kind, distort in DISTORTIONS.items():
        for strength in (1, 2, 3, 4, 5):
            distorted = distort(reference, strength)
            x, y = _as_torch(torch, distorted), _as_torch(torch, reference)
            expected = float(SSIM["pytorch-msssim"](x, y, 255.0)[0])
            images = {
                255: (distorted, reference),
                1.0: tuple((i / 255).astype(np.float32) for i in (distorted, reference)),
                65535: tuple(i.astype(np.uint16) * 257 for i in (distorted, reference)),
            }
            for peak, (a, b) in images.items():
                value = float(iq.ssim(a[None], b[None], data_range=peak)[0])
                assert abs(value - expected) < 1e-5, (kind, strength, peak)
