"""Protocols: whose definition a number follows, pinned to the last default.

The references disagree with one another under the same metric name. A `Protocol` is a frozen value that names one of
them and holds everything in which they differ, so that each number can be traced to one definition and several can be
computed from one reading of the images.
"""

import dataclasses
import re
from typing import Literal

from jaxeval._arguments import shown
from jaxeval.errors import InputError
from jaxeval.extractors import Extractor, Normalisation
from jaxeval.extractors.inception import INCEPTION_SIZE
from jaxeval.images import Preparation, ResizeKind
from jaxeval.ops.reference_roots import RootRule

_UNIT_128 = Normalisation(offset=128.0, scale=1 / 128)  # y = (x - 128) / 128, as in the 2015 TensorFlow graph
_UNIT_127 = Normalisation(offset=127.5, scale=1 / 127.5)  # y = 2 (x / 255) - 1, as in torchvision's Inception

# What the fields' values mean, in the words of `jaxeval protocols` and of the docs' tables. Levels are of x in -1 to 1.
_LEVELS = {"round": "127.5 x + 128, clipped, cut", "truncate": "127.5 (x + 1), clipped, cut"}
_ROOTS: dict[RootRule, str] = {
    "sqrtm": "SciPy's, real part",
    "sqrtm-offset": "SciPy's, offset if not finite",
    "eigenvalues": "of eigenvalues",
    "eigenvalues-float32": "of eigenvalues, rounded to float32",
}
_SPLITS = {
    "torch-fidelity": "{} splits, shuffled by seed 2020",
    "torchmetrics": "{} of torch's chunks, shuffled by its seed 2020; deviation over N - 1",
    "stylegan3": "{} splits, not shuffled",
    "dgm-eval": "{0} splits of floor(N / {0}), shuffled by seed 2020, the remainder left out",
    "adm": "splits of 5,000, not shuffled",
}


@dataclasses.dataclass(frozen=True)
class SubsetRule:
    """How a reference draws the subsets of a kernel distance.

    Attributes:
      rule: of `jaxeval.ops.kid`.
      subsets: how many.
      size: images of either set in each.
      departs: in words, how a user's choice departs from the protocol; nothing if it does not.
    """

    rule: str
    subsets: int = 100
    size: int = 1000
    departs: str = ""

    @property
    def needs_size(self) -> bool:
        """Whether a set smaller than a subset is an error; the others shrink the subsets."""
        return self.rule != "clean-fid"

    @property
    def words(self) -> str:
        """The rule in words."""
        shrinking = "" if self.needs_size else "; smaller sets shrink them"
        return f"{self.subsets:,} subsets of {self.size:,}, drawn as by {self.rule}{shrinking}"


@dataclasses.dataclass(frozen=True)
class SplitRule:
    """How a reference splits the images of an Inception score.

    Attributes:
      rule: of `jaxeval.ops.inception_score`.
      splits: how many; without a meaning for the rule "adm".
      departs: in words, how a user's choice departs from the protocol; nothing if it does not.
    """

    rule: str
    splits: int = 10
    departs: str = ""

    @property
    def words(self) -> str:
        """The rule in words."""
        return _SPLITS[self.rule].format(self.splits)


@dataclasses.dataclass(frozen=True)
class ManifoldRule:
    """A reference's precision and recall.

    Attributes:
      k: balls reach to the k-th neighbour.
      tie: whether their surface is inside, "inclusive", or outside, "exclusive".
      of: whose rule it is, if not the protocol's own.
      departs: in words, how a user's choice departs from it; nothing if it does not.
    """

    k: int
    tie: str
    of: str = ""
    departs: str = ""

    @property
    def words(self) -> str:
        """The rule in words."""
        surface = {"inclusive": "inside", "exclusive": "outside"}[self.tie]
        return f"k = {self.k}, surface {surface}" + (f" ({self.of})" if self.of else "")


DEFAULT_SPLITS = SplitRule("torch-fidelity")
"""For protocols that have no Inception score of their own."""

PRDC_MANIFOLD = ManifoldRule(5, "exclusive", of="the package prdc")
"""For protocols that have no precision and recall of their own."""


@dataclasses.dataclass(frozen=True)
class DirectionRule:
    """A reference's random directions of MIND.

    Attributes:
      rule: of `jaxeval.ops.mind`.
      projections: how many directions.
      seed: of its draws; None for the run's.
    """

    rule: str
    projections: int = 1000
    seed: int | None = None


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One reference's definition of its metrics and of the image preparation before them.

    Attributes:
      name: what `--protocol` takes.
      follows: the reference implementation.
      resize: how images reach the FID Inception network's 299 x 299 pixels.
      networks: families of networks (`Extractor.family`) before which the reference resizes so; others use their
        own resizing. Any network if empty.
      quantise: how float images become the uint8 values that every reference starts from.
      normalisation: what the FID Inception network receives, from 0..255.
      ddof: subtracted from the count in the covariance's denominator.
      subsets: its kernel distance; None where it has none, and all pairs are used.
      splits: its Inception score; None where it has none, and torch-fidelity's rule is used.
      manifold: its precision and recall; None where it has none, and those of the package prdc are used.
      neighbours: the k of every metric of neighbours that has one, where the user chose it; None for each one's own.
      directions: its MIND; None where it has none, and the paper's definition is used.
      size: what images are resized to before the FID Inception network: its own size, `network`; `own` for images as
        they are; or a height and width.
      whole_batches: images at a time in the reference, where it drops an incomplete last batch; None where all count.
      mean: in what the reference has the mean of features: `float64`, or `float32`, to which it is rounded.
      root: how the reference finds the root of the covariances' product; jaxeval's number has the exact one, and
        `jaxeval explain` tells the difference.
      difference: what the reference does that cannot be seen in its number beyond rounding, and jaxeval leaves out.
      by_pillow: whether the reference reads image files as Pillow's `convert("RGB")` gives them, which clips gray of
        more than 8 bits at 255; the others take arrays of 8 bits, or refuse such files.
      remark: what else a reader should know of the reference, or of how it was read.
      exact: whether it is followed where jaxeval departs from that for the better, scaling such files to 8 bits.

    Example:
      >>> from jaxeval.evaluation import get_protocols
      >>> protocol, *_ = get_protocols("clean-fid")
      >>> protocol.name, protocol.ddof, protocol.quantise
      ('clean-fid', 1, 'round')
    """

    name: str
    follows: str
    resize: ResizeKind
    normalisation: Normalisation = _UNIT_128
    networks: tuple[str, ...] = ("inception",)
    quantise: str = "round"
    ddof: int = 1
    subsets: SubsetRule | None = None
    splits: SplitRule | None = None
    manifold: ManifoldRule | None = None
    neighbours: int | None = None
    directions: DirectionRule | None = None
    size: tuple[int, int] | Literal["network", "own"] = "network"
    whole_batches: int | None = None
    mean: Literal["float64", "float32"] = "float64"
    root: RootRule = "sqrtm"
    difference: str = ""
    by_pillow: bool = False
    remark: str = ""
    exact: bool = False

    @property
    def words(self) -> dict[str, str]:
        """What it pins, in words, by the headings of `jaxeval protocols` and of the docs' tables."""
        splits = self.splits or DEFAULT_SPLITS
        divisor = f"over N - {self.ddof}" if self.ddof else "over N"
        return {
            "protocol": self.name,
            "follows": self.follows,
            "levels of x in -1 to 1": _LEVELS[self.quantise],
            "resize": self._resize(),
            "resize of": ", ".join(self.networks) or "all networks",
            "Inception's input": self._input(),
            "images": "all" if self.whole_batches is None else f"whole batches of {self.whole_batches}",
            "covariance": divisor if self.mean == "float64" else f"{divisor}, mean in {self.mean}",
            "root": _ROOTS[self.root],
            "remarks": "; ".join(filter(None, (self.remark, self.difference))),
            "kernel distance": "all pairs" if self.subsets is None else self.subsets.words,
            "Inception score": splits.words if self.splits else f"{splits.words} ({splits.rule}'s)",
            "precision, recall": (self.manifold or PRDC_MANIFOLD).words,
        }

    def _resize(self) -> str:
        if self.size == "own":
            return f"none ({self.name}@HEIGHTxWIDTH: {self.resize})"
        height, width = INCEPTION_SIZE if self.size == "network" else self.size
        return f"{self.resize} to {height} x {width}"

    def _input(self) -> str:
        offset, scale = self.normalisation.offset, self.normalisation.scale
        if isinstance(offset, tuple) or isinstance(scale, tuple):
            return "by channel"
        return f"(level - {offset:g}) / {1 / scale:g}"

    def preparation(self, extractor: Extractor) -> Preparation:
        """How an image becomes the extractor's input under this protocol."""
        own = bool(self.networks) and extractor.family not in self.networks
        size = extractor.image_size
        if extractor.family == "inception" and self.size != "network":
            size = None if self.size == "own" else self.size
        return Preparation(
            size=size,
            resize=extractor.resize if own else self.resize,  # pyright: ignore[reportArgumentType]
            quantise=self.quantise,  # pyright: ignore[reportArgumentType]
            reduction="pillow" if self.exact and self.by_pillow else "scale",
        )

    def normalisation_for(self, extractor: Extractor) -> Normalisation:
        """What the extractor's network receives: the protocol's rule for the FID Inception, else the network's own."""
        return self.normalisation if extractor.family == "inception" else extractor.normalisation


_ALL = (
    Protocol(
        name="torch-fidelity",
        follows="torch-fidelity 0.3 and 0.4",
        subsets=SubsetRule("torch-fidelity"),
        splits=SplitRule("torch-fidelity"),
        manifold=ManifoldRule(3, "inclusive"),
        directions=DirectionRule("torch-fidelity", seed=2020),
        networks=("inception", "vgg16", "dinov2", "clip"),
        resize="tf1-bilinear",
        by_pillow=True,
        root="eigenvalues",
        difference="its mean is summed in float32 (5e-9 relative at 50,000 images)",
    ),
    Protocol(
        name="clean-fid",
        follows="clean-fid 0.1.35, mode 'clean'",
        subsets=SubsetRule("clean-fid"),
        resize="pil-bicubic-float",
        networks=(),
        by_pillow=True,
        root="sqrtm-offset",
        difference="its mean is in float32, and a product that is not finite gets 1e-6 on the diagonal",
    ),
    Protocol(
        name="pytorch-fid",
        follows="pytorch-fid 0.3.0",
        resize="bilinear",
        normalisation=_UNIT_127,
        by_pillow=True,
        root="sqrtm-offset",
        difference="a product that is not finite gets 1e-6 on the diagonal",
    ),
    Protocol(
        name="adm",
        follows="ADM, guided-diffusion's evaluator.py, after the original TTUR code",
        splits=SplitRule("adm"),
        manifold=ManifoldRule(3, "inclusive"),
        resize="tf1-bilinear",
        quantise="truncate",
        root="sqrtm-offset",
        difference="its mean is in float32, and a product that is not finite gets 1e-6 on the diagonal",
    ),
    Protocol(
        name="stylegan3",
        follows="StyleGAN3, metric fid50k_full",
        subsets=SubsetRule("clean-fid"),
        splits=SplitRule("stylegan3"),
        manifold=ManifoldRule(3, "inclusive"),
        resize="tf1-bilinear",
        ddof=0,
    ),
    Protocol(
        name="edm2",
        follows="EDM2, calculate_metrics.py",
        resize="tf1-bilinear",
    ),
    Protocol(
        name="torchmetrics-1.7",
        follows="torchmetrics up to 1.7, FrechetInceptionDistance",
        subsets=SubsetRule("torchmetrics"),
        splits=SplitRule("torchmetrics"),
        resize="tf1-bilinear",
        quantise="truncate",
        root="eigenvalues-float32",
        difference="its value is rounded to float32",
    ),
    Protocol(
        name="torchmetrics-1.8",
        follows="torchmetrics from 1.8, FrechetInceptionDistance",
        subsets=SubsetRule("torchmetrics"),
        splits=SplitRule("torchmetrics"),
        resize="antialiased-bilinear",
        quantise="truncate",
        root="eigenvalues-float32",
        difference="its value is rounded to float32",
    ),
    Protocol(
        name="imf",
        follows="iMF (imeanflow) and MeanFlow, utils/jax_fid",
        splits=SplitRule("dgm-eval"),
        resize="grid-bilinear",
        root="eigenvalues",
        difference="its Inception score adds 1e-10 in logarithms (below 1e-6 relative)",
    ),
    Protocol(
        name="drifting",
        follows="Drifting (drifting), utils/jax_fid",
        splits=SplitRule("dgm-eval"),
        manifold=ManifoldRule(3, "inclusive"),
        resize="grid-bilinear",
        quantise="truncate",
        root="sqrtm-offset",
        difference="its Inception score adds 1e-10 in logarithms (below 1e-6 relative)",
        remark="takes values of 0 to 1, as 255 x; its root was not seen, SciPy's is assumed",
    ),
    Protocol(
        name="jax-fid",
        follows="jax-fid (matthias-wright)",
        resize="pil-bilinear-uint8",
        size="own",
        normalisation=_UNIT_127,
        whole_batches=50,
        mean="float32",
        root="sqrtm-offset",
        remark="reads files only: float images are rounded here",
        difference="its mean is summed in float32 too; a product that is not finite gets 1e-6 on the diagonal",
    ),
)

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ALL}
DEFAULT_PROTOCOL = "torch-fidelity"


def get_protocols(
    names: "str | Protocol | list[str | Protocol] | tuple[str | Protocol, ...]", *, exact: bool = False
) -> tuple[Protocol, ...]:
    """Protocols by name: one, several, or a comma-separated text; a repeated name counts once.

    Args:
      names: of `PROTOCOLS`, or protocols; `jax-fid@HEIGHTxWIDTH` has images resized.
      exact: whether each is followed where jaxeval would depart from it (`Protocol.exact`).

    Raises:
      InputError: a name is not known; the message lists those that are.

    Example:
      >>> from jaxeval.evaluation import get_protocols
      >>> [protocol.name for protocol in get_protocols("adm,clean-fid")]
      ['adm', 'clean-fid']
    """
    parts = names if isinstance(names, list | tuple) else [names]
    found: dict[str, Protocol] = {}
    for part in parts:
        if not isinstance(part, str | Protocol):
            raise InputError(f"protocol is {shown(part)}; give a Protocol, or the name of one: {', '.join(PROTOCOLS)}")
        if isinstance(part, Protocol):
            found[part.name] = part
            continue
        for name in filter(None, (piece.strip() for piece in part.split(","))):
            found[name] = _named(name)
    if not found:
        raise InputError(f"no protocol was given; choose from {', '.join(PROTOCOLS)}")
    return tuple(dataclasses.replace(one, exact=True) if exact else one for one in found.values())


def _named(text: str) -> Protocol:
    """The protocol of a name, which may be followed by the size that images are resized to."""
    name, _, size = text.partition("@")
    if name not in PROTOCOLS:
        raise InputError(f"protocol {text!r} is not known; choose from {', '.join(PROTOCOLS)}")
    protocol = PROTOCOLS[name]
    if "@" not in text:
        return protocol
    if protocol.size == "network":
        raise InputError(f"protocol {text!r}: {name} resizes to the network's own size; leave '@{size}' out")
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size)
    if match is None:
        raise InputError(f"protocol {text!r}: give the height and the width in pixels, as in {name}@299x299")
    return dataclasses.replace(protocol, name=text, size=(int(match[1]), int(match[2])))
