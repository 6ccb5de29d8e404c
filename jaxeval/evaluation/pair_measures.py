"""The measures of `jaxeval pairs` by name: whose op each is, which options it takes, and what it needs."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from jaxeval.errors import InputError
from jaxeval.ops import image_quality as iq

__all__ = ["PAIR_MEASURES", "PairMeasure", "pair_measures"]

Op = Callable[..., Any]
Better = Literal["lower", "higher"]


@dataclasses.dataclass(frozen=True)
class PairMeasure:
    """One number of a pair of images, or of an image by itself.

    Attributes:
      name: what `--metrics` takes, and the column's name in files.
      label: as it is printed.
      load: gives the op: `op(distorted, reference, data_range=..., **options)` on batches [N, H, W, C], one value an
        image; called once, and only if the measure is wanted, so that it may read weights.
      better: which direction is, if either.
      definition: whose number it is, in words.
      conventions: those that the op's `convention` takes, its default first; empty if it has none.
      takes_channels: whether the op takes `channels`; others choose their own colours.
      least_side: least height and width, after the border is cropped.
      least_sides: the same under conventions where it differs.
      colours: the numbers of channels that it takes.
      alone: whether it is of one image, without a reference: `op(image, data_range=...)`.
      unit: of the number; empty for none.
      in_levels: whether it grows with the data range, so that images of 8 and of 16 bits are not to be averaged.
    """

    name: str
    label: str
    load: Callable[[], Op]
    better: Better | None
    definition: str
    conventions: tuple[str, ...] = ()
    takes_channels: bool = False
    least_side: int = 1
    least_sides: tuple[tuple[str, int], ...] = ()
    colours: tuple[int, ...] = (1, 3)
    alone: bool = False
    unit: str = ""
    in_levels: bool = False

    def smallest(self, convention: str | None) -> int:
        """Least height and width under a convention."""
        return dict(self.least_sides).get(convention or "", self.least_side)


def _exposure(part: str) -> Op:
    def op(x: Any, *, data_range: float) -> Any:
        return getattr(iq.exposure(x, data_range=data_range), part)

    return op


_ALL = (
    PairMeasure("psnr", "PSNR", lambda: iq.psnr, "higher", "10 log10(range^2 / MSE)", takes_channels=True, unit="dB"),
    PairMeasure(
        "ssim",
        "SSIM",
        lambda: iq.ssim,
        "higher",
        "Wang et al. 2004; by the convention's windows, borders and variance",
        get_args(iq.SsimConvention),
        takes_channels=True,
        least_side=11,
        least_sides=(("torchmetrics", 6), ("scikit-image-default", 7)),
    ),
    PairMeasure(
        "ms-ssim",
        "MS-SSIM",
        lambda: iq.ms_ssim,
        "higher",
        "Wang et al. 2003, five scales; by the convention's pooling and order of means",
        get_args(iq.MsSsimConvention),
        takes_channels=True,
        least_side=161,
        least_sides=(("torchmetrics", 176),),
    ),
    PairMeasure("mse", "MSE", lambda: iq.mse, "lower", "in squared levels", takes_channels=True, in_levels=True),
    PairMeasure("rmse", "RMSE", lambda: iq.rmse, "lower", "in levels", takes_channels=True, in_levels=True),
    PairMeasure("mae", "MAE", lambda: iq.mae, "lower", "in levels", takes_channels=True, in_levels=True),
    PairMeasure(
        "psnr-hvs",
        "PSNR-HVS",
        lambda: iq.psnr_hvs,
        "higher",
        "the authors' psnrhvsm.m on the luma",
        least_side=8,
        unit="dB",
    ),
    PairMeasure(
        "psnr-hvs-m",
        "PSNR-HVS-M",
        lambda: iq.psnr_hvs_m,
        "higher",
        "the authors' psnrhvsm.m on the luma, with masking",
        least_side=8,
        unit="dB",
    ),
    PairMeasure("cw-ssim", "CW-SSIM", lambda: iq.cw_ssim, "higher", "pyiqa's, luma not rounded", least_side=64),
    PairMeasure("iw-ssim", "IW-SSIM", lambda: iq.iw_ssim, "higher", "piq's", least_side=161),
    PairMeasure("vif", "VIF", lambda: iq.vif, "higher", "piq's vif_p, pixel domain", least_side=41),
    PairMeasure("fsim", "FSIMc", lambda: iq.fsim, "higher", "piq's, with colour", least_side=4, colours=(3,)),
    PairMeasure("sr-sim", "SR-SIM", lambda: iq.sr_sim, "higher", "piq's, one image at a time", least_side=37),
    PairMeasure("vsi", "VSI", lambda: iq.vsi, "higher", "piq's", least_side=2),
    PairMeasure("gms", "GMS", lambda: iq.gms, "higher", "mean of the gradient similarity (GMSM)", least_side=2),
    PairMeasure("gmsd", "GMSD", lambda: iq.gmsd, "lower", "piq's", least_side=2),
    PairMeasure("ms-gmsd", "MS-GMSD", lambda: iq.ms_gmsd, "lower", "piq's, of the luma", least_side=17),
    PairMeasure("mdsi", "MDSI", lambda: iq.mdsi, "lower", "piq's"),
    PairMeasure("haarpsi", "HaarPSI", lambda: iq.haarpsi, "higher", "piq's", least_side=16),
    PairMeasure("nlpd", "NLPD", lambda: iq.nlpd, "lower", "the authors' NLP_dist.m", least_side=32),
    PairMeasure(
        "sharpness",
        "Sharpness",
        lambda: iq.sharpness,
        None,
        "variance of the Laplacian of the luma in 0..255",
        least_side=2,
        alone=True,
    ),
    PairMeasure(
        "colourfulness",
        "Colourfulness",
        lambda: iq.colourfulness,
        None,
        "Hasler and Suesstrunk 2003",
        colours=(3,),
        alone=True,
    ),
    PairMeasure(
        "entropy", "Entropy", lambda: iq.entropy, None, "of the luma's 256 codes, in bits", alone=True, unit="bits"
    ),
    PairMeasure(
        "total-variation",
        "Total variation",
        lambda: iq.total_variation,
        None,
        "sum of absolute differences of neighbours, in levels",
        alone=True,
        in_levels=True,
    ),
    PairMeasure(
        "brightness", "Brightness", lambda: _exposure("mean"), None, "mean luma over the data range", alone=True
    ),
    PairMeasure(
        "contrast",
        "Contrast",
        lambda: _exposure("deviation"),
        None,
        "standard deviation of the luma over the data range",
        alone=True,
    ),
    PairMeasure("clipped-black", "Clipped black", lambda: _exposure("black"), None, "share of pixels at 0", alone=True),
    PairMeasure(
        "clipped-white",
        "Clipped white",
        lambda: _exposure("white"),
        None,
        "share of pixels at the data range",
        alone=True,
    ),
)

PAIR_MEASURES: dict[str, PairMeasure] = {measure.name: measure for measure in _ALL}
"""By name, in the order in which results come. A further op is one more entry."""

GROUPS = {
    "all": tuple(PAIR_MEASURES),
    "full-reference": tuple(name for name, measure in PAIR_MEASURES.items() if not measure.alone),
    "no-reference": tuple(name for name, measure in PAIR_MEASURES.items() if measure.alone),
}


def pair_measures(names: str | Sequence[str]) -> tuple[tuple[PairMeasure, ...], frozenset[str]]:
    """Measures by name, in the given order, and the names of those that were asked for only as part of a group.

    Args:
      names: one, several, or a comma-separated text; `all`, `full-reference` and `no-reference` name groups, of which
        what cannot be had is left out and said.

    Raises:
      InputError: a name is not known; the message lists those that are.
    """
    parts = names.split(",") if isinstance(names, str) else [part for name in names for part in name.split(",")]
    found: dict[str, PairMeasure] = {}
    by_name: set[str] = set()
    for part in filter(None, (part.strip() for part in parts)):
        name = part.replace("_", "-")
        if name not in PAIR_MEASURES and name not in GROUPS:
            known = ", ".join([*PAIR_MEASURES, *GROUPS])
            raise InputError(f"metric {part!r} of pairs is not known; choose from {known}")
        chosen = GROUPS.get(name, (name,))
        by_name.update(chosen if name in PAIR_MEASURES else ())
        found.update({one: PAIR_MEASURES[one] for one in chosen})
    if not found:
        raise InputError(f"no metric was given; choose from {', '.join([*PAIR_MEASURES, *GROUPS])}")
    return tuple(found.values()), frozenset(found) - by_name
