"""The metrics against piq, on photographs with distortions of four kinds."""

import importlib

import numpy as np
import pytest
from parity_stub import torchvision_stub
from photographs import pairs

import jaxeval.ops.image_quality as iq

pytestmark = [pytest.mark.parity, pytest.mark.slow]

# Ours, piq's name, options of piq's, tolerance (docs/precision.md). piq runs in float64 where its float32 is the
# coarser side.
CASES = {
    "gmsd": (iq.gmsd, "gmsd", {}, 1e-5),
    "ms_gmsd": (iq.ms_gmsd, "multi_scale_gmsd", {"chromatic": False}, 1e-5),
    "haarpsi": (iq.haarpsi, "haarpsi", {}, 2e-5),
    "mdsi": (iq.mdsi, "mdsi", {}, 1e-4),
    "vif": (iq.vif, "vif_p", {}, 1e-4),
    "fsim": (iq.fsim, "fsim", {}, 1e-5),
    "sr_sim": (iq.sr_sim, "srsim", {}, 1e-5),
    "vsi": (iq.vsi, "vsi", {}, 1e-5),
    "iw_ssim": (iq.iw_ssim, "information_weighted_ssim", {}, 1e-5),
}
DOUBLE = ("vif",)


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
