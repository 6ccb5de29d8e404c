"""How far is each op from the numbers that authors' code gave? `python -m benchmarks.image_quality_published FOLDER`.

IQA-PyTorch keeps what the authors' code (MATLAB, mostly) gives on five pairs of TID2013 beside the images: FOLDER is
its `ResultsCalibra`, with `ref_dir` and `dist_dir`. The images are not part of jaxeval, the numbers are in this file.
Colour images are seen as gray as there, by MATLAB's rgb2gray in whole numbers, by the ops whose original takes gray.
NIQE, IL-NIQE, NRQM, PI and BRISQUE need `jaxeval weights download niqe-authors`, `ilniqe`, `nrqm` and
`brisque-authors`, and are left out without. The page that this writes is kept as docs/image_quality_published.md; it
ends with benchmarks/results/image_quality_elsewhere.md, values of other images that were measured by hand.
"""

import argparse
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from jaxeval.errors import WeightsMissingError
from jaxeval.extractors import load_brisque, load_ilniqe, load_niqe, load_nrqm
from jaxeval.files import local_path
from jaxeval.ops import image_quality as iq

IMAGES = ("I03", "I04", "I06", "I08", "I19")

Picture = UInt8[np.ndarray, "h w c"]


class Published(NamedTuple):
    """What a reference gave.

    Attributes:
      op: called as `op(distorted, reference, data_range=255)`, or of the distorted image alone.
      call: as a reader would write it.
      source: whose code gave the numbers.
      values: of `IMAGES`.
      digits: behind the point, as they are published.
      gray: whether the code was given gray images.
      alone: whether it is of one image.
    """

    op: Callable[..., Any]
    call: str
    source: str
    values: tuple[float, ...]
    digits: int
    gray: bool = True
    alone: bool = False


def _niqe(x: Any, *, data_range: float, colour: iq.Colour) -> Any:
    return iq.niqe(x, model=load_niqe(convention="matlab"), data_range=data_range, colour=colour)


def _ilniqe(x: Any, *, data_range: float) -> Any:
    return iq.ilniqe(x, model=load_ilniqe(), data_range=data_range)


def _nrqm(x: Any, *, data_range: float) -> Any:
    return iq.nrqm(x, model=load_nrqm(), data_range=data_range)


def _perceptual_index(x: Any, *, data_range: float) -> Any:
    models = {"model": load_nrqm(), "niqe_model": load_niqe(convention="matlab")}
    return iq.perceptual_index(x, **models, data_range=data_range)


def _brisque(x: Any, *, data_range: float, colour: iq.Colour) -> Any:
    return iq.brisque(x, model=load_brisque(convention="matlab"), data_range=data_range, colour=colour)


PUBLISHED = (
    Published(iq.psnr, "psnr", "scikit-image", (21.11, 20.99, 27.01, 23.30, 21.62), 2, gray=False),
    Published(
        functools.partial(iq.ssim, convention="pytorch-msssim"),
        "ssim, pytorch-msssim",
        "Wang's ssim.m, not reduced",
        (0.6993, 0.9978, 0.9989, 0.9669, 0.6519),
        4,
    ),
    Published(iq.cw_ssim, "cw_ssim", "the authors' code", (0.2763, 0.9996, 1.0, 0.9068, 0.8658), 4),
    Published(
        iq.gmsd,
        "gmsd",
        "the authors' GMSD.m",
        (0.220347639470143, 0.000522058505050, 0.000448281481001, 0.134631933046914, 0.204996493556054),
        15,
    ),
    Published(
        functools.partial(iq.fsim, convention="authors"),
        "fsim, authors",
        "the authors' FeatureSIM.m",
        (0.6890, 0.9702, 0.9927, 0.9575, 0.8220),
        4,
        gray=False,
    ),
    Published(
        iq.nlpd,
        "nlpd, authors",
        "the authors' NLP_dist.m",
        (0.561610096893874, 0.019534798560102, 0.015915631543598, 0.302802106557736, 0.432604962261603),
        15,
    ),
    Published(iq.vif, "vif", "the authors' vifvec.m", (0.0172, 0.9891, 0.9924, 0.9103, 0.1745), 4),
    Published(
        _niqe,
        "niqe, matlab",
        "the authors' NIQE",
        (15.7536293917814, 3.65492152353770, 3.23547743716998, 3.18403333858339, 8.63519663862637),
        13,
        alone=True,
    ),
    Published(
        _ilniqe,
        "ilniqe",
        "the authors' IL-NIQE",
        (113.4801, 23.9968, 19.9750, 22.4493, 56.6721),
        4,
        gray=False,
        alone=True,
    ),
    Published(_nrqm, "nrqm", "the authors' NRQM", (1.3894, 8.9394, 8.9735, 6.8290, 6.3120), 4, gray=False, alone=True),
    Published(
        _perceptual_index,
        "perceptual_index",
        "the PIRM challenge's code",
        (11.9235, 3.0720, 2.6180, 2.8074, 6.7713),
        4,
        gray=False,
        alone=True,
    ),
    Published(
        _brisque,
        "brisque, matlab",
        "the authors' BRISQUE",
        (94.6421, -0.107618, 0.992889, 5.35827, 72.2617),
        4,
        alone=True,
    ),
)


def row_of(published: Published, distorted: Sequence[Picture], references: Sequence[Picture]) -> str:
    """The row of the table: what is published, what is computed, and the largest difference."""
    sides = [np.stack(own) for own in (distorted, references)][: 1 if published.alone else 2]
    colour = {"colour": "rgb2gray"} if published.gray else {}
    found = np.asarray(published.op(*sides, data_range=255, **colour), np.float64)
    digits = min(published.digits, 6)
    texts = [", ".join(f"{value:.{digits}f}" for value in own) for own in (published.values, found)]
    differences = np.abs(found - np.array(published.values))
    worst = int(differences.argmax())
    return (
        f"| `{published.call}` | {published.source} | {texts[0]} | {texts[1]} | "
        f"{differences[worst]:.2g} ({IMAGES[worst]}) |"
    )


def report(rows: Sequence[str]) -> str:
    """The page, as Markdown."""
    return "\n".join(
        [
            "# Against the authors' published numbers",
            "",
            "Written by `python -m benchmarks.image_quality_published ResultsCalibra`: what the authors' code gives on",
            "five pairs of TID2013, as IQA-PyTorch publishes it beside the images, and what jaxeval gives. Where the",
            "code takes gray images they are MATLAB's rgb2gray in whole numbers, as there (`colour=rgb2gray`). Four",
            "published digits are known to 5e-5.",
            "",
            f"| op | source | published ({', '.join(IMAGES)}) | jaxeval | largest difference |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "NIQE and BRISQUE of images with flat areas (I19 most) depend on the sign of rounding errors in MATLAB:",
            "see `flat_pixels` in [image_quality.md](image_quality.md).",
            "IL-NIQE depends on which way halves are rounded.",
            "",
            (Path(__file__).parent / "results" / "image_quality_elsewhere.md").read_text(encoding="utf-8"),
        ]
    )


def main(arguments: list[str] | None = None) -> None:
    """Prints the page, and writes it where it is told to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=local_path, metavar="FOLDER", help="with ref_dir and dist_dir")
    parser.add_argument("--out", type=local_path, metavar="FILE", help="also write the page to FILE")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    distorted, references = (
        [np.asarray(Image.open(folder / side / f"{name}.bmp").convert("RGB")) for name in IMAGES]
        for side in ("dist_dir", "ref_dir")
    )
    rows = []
    for published in PUBLISHED:
        try:
            rows.append(row_of(published, distorted, references))
        except WeightsMissingError as error:
            print(f"{published.call} is left out: {error}")
    text = report(rows)
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
