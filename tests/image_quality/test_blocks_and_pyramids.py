"""PSNR-HVS(-M), NLPD, CW-SSIM and GMSM against their definitions written out in float64 with SciPy."""

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import scipy.signal
from photographs import DISTORTIONS, pairs, photograph

from jaxeval.ops.image_quality import NlpdConvention, cw_ssim, fsim, gms, nlpd, psnr_hvs, psnr_hvs_m

LUMA = np.array([0.299, 0.587, 0.114])
# From the authors' psnrhvsm.m.
CSF = """1.608443 2.339554 2.573509 1.608443 1.072295 0.643377 0.504610 0.421887
2.144591 2.144591 1.838221 1.354478 0.989811 0.443708 0.428918 0.467911
1.838221 1.979622 1.608443 1.072295 0.643377 0.451493 0.372972 0.459555
1.838221 1.513829 1.169777 0.887417 0.504610 0.295806 0.321689 0.415082
1.429727 1.169777 0.695543 0.459555 0.378457 0.236102 0.249855 0.334222
1.072295 0.735288 0.467911 0.402111 0.317717 0.247453 0.227744 0.279729
0.525206 0.402111 0.329937 0.295806 0.249855 0.212687 0.214459 0.254803
0.357432 0.279729 0.270896 0.262603 0.229778 0.257351 0.249855 0.259950"""
MASK = """0.390625 0.826446 1.000000 0.390625 0.173611 0.062500 0.038447 0.026874
0.694444 0.694444 0.510204 0.277008 0.147929 0.029727 0.027778 0.033058
0.510204 0.591716 0.390625 0.173611 0.062500 0.030779 0.021004 0.031888
0.510204 0.346021 0.206612 0.118906 0.038447 0.013212 0.015625 0.026015
0.308642 0.206612 0.073046 0.031888 0.021626 0.008417 0.009426 0.016866
0.173611 0.081633 0.033058 0.024414 0.015242 0.009246 0.007831 0.011815
0.041649 0.024414 0.016437 0.013212 0.009426 0.006830 0.006944 0.009803
0.019290 0.011815 0.011080 0.010412 0.007972 0.010000 0.009426 0.010203"""


def luma(image):
    return image.astype(float) @ LUMA if image.shape[-1] == 3 else image[..., 0].astype(float)


def _psnr_hvs(x, y):
    """Both values, block by block."""
    csf, mask = (np.array(table.split(), float).reshape(8, 8) for table in (CSF, MASK))

    def variation(block):
        return np.var(block, ddof=1) * block.size

    def masking(block, cosines):
        energy = (cosines**2 * mask).sum() - cosines[0, 0] ** 2 * mask[0, 0]
        whole = variation(block)
        if whole:
            whole = sum(variation(block[i : i + 4, j : j + 4]) for i in (0, 4) for j in (0, 4)) / whole
        return np.sqrt(energy * whole) / 32

    plain, masked, count = 0.0, 0.0, 0
    for i in range(0, x.shape[0] - 7, 8):
        for j in range(0, x.shape[1] - 7, 8):
            blocks = [image[i : i + 8, j : j + 8] for image in (x, y)]
            cosines = [np.asarray(scipy.fft.dctn(block, norm="ortho")) for block in blocks]
            threshold = max(masking(b, c) for b, c in zip(blocks, cosines, strict=True))
            difference = np.abs(np.subtract(*cosines))
            beyond = np.maximum(difference - threshold / mask, 0)
            beyond[0, 0] = difference[0, 0]
            plain += ((difference * csf) ** 2).sum()
            masked += ((beyond * csf) ** 2).sum()
            count += 64
    return 10 * np.log10(255**2 * count / plain), 10 * np.log10(255**2 * count / masked)


def test_psnr_hvs_is_the_authors():
    for label, x, y in pairs((37, 50), ("astronaut", "camera")):
        expected = _psnr_hvs(luma(x), luma(y))
        values = [float(op(y[None], x[None], data_range=255)[0]) for op in (psnr_hvs, psnr_hvs_m)]
        np.testing.assert_allclose(values, expected, atol=1e-4, err_msg=label)


def test_gms_is_the_papers():
    for label, x, y in pairs((36, 50), ("astronaut", "camera")):
        edges = []
        for image in (x, y):
            plane = luma(image).reshape(18, 2, 25, 2).mean((1, 3))
            edges.append(np.hypot(*(scipy.ndimage.prewitt(plane, axis, mode="constant") / 3 for axis in (0, 1))))
        a, b = edges
        expected = ((2 * a * b + 170) / (a * a + b * b + 170)).mean()
        np.testing.assert_allclose(gms(y[None], x[None], data_range=255), [expected], atol=1e-6, err_msg=label)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "square"), [((641, 700), 3), ((640, 645), 3), ((385, 420), 2)])
def test_large_images_are_averaged_for_fsim_as_matlab_does(size, square):
    reference = np.pad(photograph("astronaut"), [(0, 200), (0, 200), (0, 0)], mode="reflect")[: size[0], : size[1]]
    distorted = DISTORTIONS["jpeg"](reference, 4)
    small = []
    for image in (distorted, reference):
        means = [scipy.signal.convolve2d(image[..., c], np.full((square, square), square**-2)) for c in range(3)]
        # MATLAB's "same" begins at half a window, rounded down; SciPy's one pixel before that for even windows.
        same = np.stack(means, -1)[square // 2 :, square // 2 :][: size[0], : size[1]]
        small.append(same[::square, ::square].astype(np.float32)[None])
    expected = fsim(*small, data_range=255, convention="authors")  # too small to be averaged again
    found = fsim(distorted[None], reference[None], data_range=255, convention="authors")
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert abs(float(fsim(distorted[None], reference[None], data_range=255)[0]) - float(expected[0])) > 2e-5


# The authors' NLP_dist.m: constants of the bands, and of each the weights above, left, right and below. The finest has
# a fifth, two columns to the right, which ports of three columns drop.
NLPD_CONSTANTS = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)
NLPD_CROSSES = """0.1011 0.1493 0.1460 0.1015
0.0757 0.1986 0.1846 0.0837
0.0477 0.2138 0.2243 0.0467
0 0.2503 0.2616 0
0 0.2598 0.2552 0
0 0.2215 0.0717 0"""
NLPD_FIFTHS: dict[NlpdConvention, float] = {"authors": 0.0072, "pyiqa": 0.0}


def _nlpd_weights(level, fifth):
    weights = np.zeros((5, 5))
    weights[1, 2], weights[2, 1], weights[2, 3], weights[3, 2] = map(float, NLPD_CROSSES.splitlines()[level].split())
    weights[2, 4] = fifth if level == 0 else 0
    return weights


def _nlpd(x, y, fifth):
    taps = np.array([0.05, 0.25, 0.4, 0.25, 0.05])
    kernel = np.outer(taps, taps)

    def bands(plane):
        for level in range(6):
            band, low = plane, plane
            if level < 5:
                low = scipy.ndimage.correlate(plane, kernel, mode="reflect")[::2, ::2]
                padded = np.pad(low, 1, mode="edge")
                sparse = np.zeros((2 * padded.shape[0], 2 * padded.shape[1]))
                sparse[::2, ::2] = 4 * padded
                grown = scipy.ndimage.correlate(sparse, kernel, mode="constant")[2:-2, 2:-2]
                band = plane - grown[: plane.shape[0], : plane.shape[1]]
            masking = scipy.signal.convolve2d(np.abs(band), _nlpd_weights(level, fifth), mode="same")
            yield band / (NLPD_CONSTANTS[level] + masking)
            plane = low

    return np.mean([np.sqrt(((a - b) ** 2).mean()) for a, b in zip(bands(x), bands(y), strict=True)])


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 80), (45, 33)])
def test_nlpd_is_that_of_its_convention(size):
    apart = []
    for label, x, y in pairs(size, ("astronaut", "camera")):
        planes = luma(x) / 255, luma(y) / 255
        expected: dict[NlpdConvention, float] = {
            name: float(_nlpd(*planes, fifth)) for name, fifth in NLPD_FIFTHS.items()
        }
        apart.append(abs(expected["authors"] - expected["pyiqa"]))
        for name, value in expected.items():
            found = nlpd(y[None], x[None], data_range=255, convention=name)
            np.testing.assert_allclose(found, [value], atol=2e-6, err_msg=f"{label} {name}")
    assert max(apart) > 1e-4  # the tolerance tells the conventions apart


def _coarsest_bands(plane):
    """The coarsest of four levels of a complex steerable pyramid of eight orientations, level by level."""
    spectrum = np.fft.fftshift(np.fft.fft2(plane))
    down, right = np.meshgrid(*((np.arange(n) - n // 2) / (n / 2) for n in plane.shape), indexing="ij")
    angle, radius = np.arctan2(down, right), np.hypot(down, right)
    radius[plane.shape[0] // 2, plane.shape[1] // 2] = radius[plane.shape[0] // 2, plane.shape[1] // 2 - 1]
    octave = np.log2(radius)

    def low(shift):
        return np.sin(np.pi / 2 * np.clip(-(octave + shift), 0, 1))

    spectrum = spectrum * low(0)
    for level in range(1, 4):
        height, width = spectrum.shape
        size = [int(np.ceil((n - 0.5) / 2)) for n in (height, width)]
        first = [n // 2 - s // 2 for n, s in zip((height, width), size, strict=True)]
        inner = tuple(slice(f, f + s) for f, s in zip(first, size, strict=True))
        spectrum, angle, octave = spectrum[inner], angle[inner], octave[inner]
        spectrum = spectrum * low(level)
    high = np.cos(np.pi / 2 * np.clip(-(octave + 4), 0, 1))
    for orientation in range(8):
        turned = np.angle(np.exp(1j * (angle - np.pi * orientation / 8)))
        oriented = np.cos(turned) ** 7 * (np.abs(turned) < np.pi / 2)
        yield np.fft.ifft2(np.fft.ifftshift(spectrum * high * oriented))


def _cw_ssim(x, y):
    scores = []
    for a, b in zip(_coarsest_bands(x), _coarsest_bands(y), strict=True):
        window = np.ones((7, 7))
        correlation = np.abs(scipy.signal.convolve2d(a * b.conj(), window, mode="valid"))
        energy = scipy.signal.convolve2d(np.abs(a) ** 2 + np.abs(b) ** 2, window, mode="valid")
        at = [np.arange(n) - (n - 1) / 2 for n in energy.shape]
        weights = np.exp(-(at[0][:, None] ** 2 + at[1] ** 2) / (2 * (a.shape[0] / 4) ** 2))
        scores.append((2 * correlation / energy * weights).sum() / weights.sum())
    return np.mean(scores)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 80), (101, 97)])
def test_cw_ssim_is_that_of_a_steerable_pyramid(size):
    for label, x, y in pairs(size, ("astronaut", "camera")):
        expected = _cw_ssim(luma(x), luma(y))
        np.testing.assert_allclose(cw_ssim(y[None], x[None], data_range=255), [expected], atol=1e-5, err_msg=label)
