"""The parameters of GMSD, MS-GMSD, HaarPSI, VIF and SR-SIM are piq's, by their own names."""

import functools
from typing import Any

import numpy as np
import pytest
from photographs import pairs

import jaxeval.ops.image_quality as iq
from jaxeval.errors import InputError

pytestmark = pytest.mark.usefixtures("quickly_compiled")

WEIGHTS = (0.2, 0.5, 0.3)


def of_piq(torch) -> dict[str, tuple[Any, Any]]:
    """By name: ours and piq's, with the same settings."""
    import piq

    scales = torch.tensor(WEIGHTS, dtype=torch.float64)
    return {
        "gmsd": (functools.partial(iq.gmsd, stability=400.0), functools.partial(piq.gmsd, t=400.0 / 255**2)),
        "ms_gmsd": (
            functools.partial(iq.ms_gmsd, stability=90.0, scale_weights=WEIGHTS, masking=0.2),
            functools.partial(piq.multi_scale_gmsd, t=90.0, scale_weights=scales, alpha=0.2),
        ),
        "haarpsi": (
            functools.partial(iq.haarpsi, stability=10.0, alpha=5.8, halved=False),
            functools.partial(piq.haarpsi, c=10.0, alpha=5.8, subsample=False),
        ),
        "vifp": (functools.partial(iq.vifp, noise=0.5), functools.partial(piq.vif_p, sigma_n_sq=0.5)),
        "sr_sim": (
            functools.partial(iq.sr_sim, scale=0.5, kernel_size=5, sigma=2.0, gaussian_size=7),
            functools.partial(piq.srsim, scale=0.5, kernel_size=5, sigma=2.0, gaussian_size=7),
        ),
        "sr_sim with an even window": (
            functools.partial(iq.sr_sim, scale=0.3, kernel_size=4, gaussian_size=6, chromatic=True),
            functools.partial(piq.srsim, scale=0.3, kernel_size=4, gaussian_size=6, chromatic=True),
        ),
    }


@pytest.mark.parity
@pytest.mark.parametrize("name", ["gmsd", "ms_gmsd", "haarpsi", "vifp", "sr_sim", "sr_sim with an even window"])
def test_settings_are_piqs(torch, name):
    ours, theirs = of_piq(torch)[name]
    for label, x, y in pairs((96, 112), ("astronaut",)):
        a, b = (torch.from_numpy(i.transpose(2, 0, 1)[None].astype(np.float64)) for i in (y, x))
        np.testing.assert_allclose(
            ours(y[None], x[None], data_range=255), [float(theirs(a, b, data_range=255.0))], atol=1e-5, err_msg=label
        )


@pytest.mark.slow
def test_noise_of_wavelet_vif_is_that_of_the_gaussian_model():
    """The more visual noise, the less of the reference is seen, and the less is lost of what is left."""
    _, x, y = next(iter(pairs((96, 112), ("astronaut",))))
    found = [float(iq.vif(y[None], x[None], data_range=255, noise=noise)[0]) for noise in (0.1, 0.4, 4.0)]
    assert found[1] == float(iq.vif(y[None], x[None], data_range=255)[0])
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    ("op", "settings", "said"),
    [
        (iq.gmsd, {"stability": 0.0}, "gmsd: stability=0.0 is not a positive number"),
        (iq.gms, {"stability": -1.0}, "gms: stability=-1.0 is not a positive number"),
        (iq.ms_gmsd, {"scale_weights": ()}, "ms_gmsd: scale_weights=.* must be positive numbers"),
        (iq.ms_gmsd, {"masking": 2.0}, "ms_gmsd: masking=2.0 is not a number from 0 to below 2"),
        (iq.haarpsi, {"alpha": float("inf")}, "haarpsi: alpha=inf is not a positive number"),
        (iq.vif, {"noise": 0.0}, "vif: noise=0.0 is not a positive number"),
        (iq.vifp, {"noise": 0.0}, "vifp: noise=0.0 is not a positive number"),
        (iq.sr_sim, {"scale": 1.5}, "sr_sim: scale=1.5 is above 1"),
        (iq.sr_sim, {"kernel_size": 0}, "sr_sim: kernel_size=0 is not a whole number of 1 or more pixels"),
        (iq.sr_sim, {"gaussian_size": 40}, "at least 157 x 157 are needed"),
    ],
)
def test_settings_out_of_range_are_refused(op, settings, said):
    images = np.zeros((1, 96, 96, 3))
    with pytest.raises(InputError, match=said):
        op(images, images, data_range=1.0, **settings)


def test_fewer_scales_take_smaller_images():
    images = np.random.default_rng(0).uniform(size=(1, 5, 6, 3))
    np.testing.assert_array_equal(iq.ms_gmsd(images, images, data_range=1.0, scale_weights=(0.5, 0.5)), [0.0])
