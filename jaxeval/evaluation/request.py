"""What a caller asks for: a frozen record for each public function, made from its keywords, each checked once.

The fields of a record are the keywords of its function, and their descriptions are those that `help` shows: each is
written here, and nowhere else.
"""

import dataclasses
import functools
import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, ParamSpec, TypeVar

import jax

from jaxeval import _arguments
from jaxeval._arguments import COMMON, Check, a_text, at_least, optional, several, shown
from jaxeval.distributed import Processes, current_processes
from jaxeval.errors import InputError
from jaxeval.evaluation.choices import Choices
from jaxeval.evaluation.measures import Metrics
from jaxeval.evaluation.measures.measure import Measure
from jaxeval.evaluation.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Protocol, get_protocols
from jaxeval.evaluation.reading.batches import ReadOptions
from jaxeval.evaluation.reading.sets import NamedSet, SetOptions, named_sets, one_set
from jaxeval.extractors import Extractor, Precision, check_precision
from jaxeval.files import local_path
from jaxeval.images import Sampling
from jaxeval.progress import Progress

_Parameters = ParamSpec("_Parameters")
_Request = TypeVar("_Request")
_Found = TypeVar("_Found")

Protocols = str | Protocol | Sequence[str | Protocol]


def asked_as(
    make: Callable[_Parameters, _Request],
) -> Callable[[Callable[[_Request], _Found]], Callable[_Parameters, _Found]]:
    """A decorator of public functions: one that takes a record becomes one that takes the record's fields.

    Args:
      make: the record's class. Its fields become the function's arguments, and what it says of them, the section
        `Args` of the function's documentation.
    """
    signature = _in_order(inspect.signature(make))
    checks: Mapping[str, Check] = {**_CHECKS, **vars(make).get("checks", {})}

    def decorate(function: Callable[[_Request], _Found]) -> Callable[_Parameters, _Found]:
        @functools.wraps(function)
        def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Found:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            for name in bound.arguments.keys() & checks.keys():
                bound.arguments[name] = checks[name](name, bound.arguments[name])
            return function(make(*bound.args, **bound.kwargs))

        returned = inspect.signature(function).return_annotation
        call.__signature__ = signature.replace(return_annotation=returned)  # pyright: ignore[reportAttributeAccessIssue]
        call.__doc__ = _with_arguments(function.__doc__, make, list(signature.parameters))
        return call

    return decorate


def _in_order(signature: inspect.Signature) -> inspect.Signature:
    """The arguments in the order of a reader's interest: sets, what is asked of them, how they are read."""
    reading = {field.name for field in dataclasses.fields(Saving)}
    parameters = signature.parameters.values()
    return signature.replace(parameters=sorted(parameters, key=lambda one: (one.kind, one.name in reading)))


def _with_arguments(text: str | None, record: Any, names: Sequence[str]) -> str | None:
    """A function's documentation with a section of its arguments, before that of what it returns."""
    if text is None:  # as under python -OO
        return None
    said = {name: words for cls in reversed(record.__mro__) for name, words in _attributes_of(cls).items()}
    section = "".join(f"  {name}: {said[name]}\n" for name in names)
    before, returns, after = inspect.cleandoc(text).partition("Returns:\n")
    return f"{before}Args:\n{section}\n{returns}{after}"


def _attributes_of(cls: type) -> dict[str, str]:
    """What a class says of its attributes, by name, without the indentation that Python 3.13 takes away itself."""
    _, _, section = inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("\nAttributes:\n")
    section = section.partition("\n\n")[0]
    return {match[1]: match[2].rstrip() for match in re.finditer(r"^ {2}(\w+): ((?:.|\n(?! {2}\w))*)", section, re.M)}


def _one_extractor(name: str, extractor: Any) -> Any:
    """Lets a name or an `Extractor` pass."""
    form = "an Extractor, or the name of one, such as 'inception' (`jaxeval weights list` has them)"
    if isinstance(extractor, str | Extractor):
        return extractor
    if callable(extractor):
        raise InputError(
            f"{name} is {shown(extractor)}; wrap it, jaxeval.extractors.from_function(function, name='mine'), or give "
            f"{form}"
        )
    raise InputError(f"{name} is {shown(extractor)}; give {form}")


def _one_protocol(name: str, protocol: Any) -> Any:
    """Lets a name or a `Protocol` pass."""
    if isinstance(protocol, str | Protocol):
        return protocol
    raise InputError(f"{name} is {shown(protocol)}; give a Protocol, or the name of one: {', '.join(PROTOCOLS)}")


def _captions(name: str, value: Any) -> Any:
    if isinstance(value, str | os.PathLike):
        local_path(value)  # refused now, and not after the networks are loaded
        return value
    if isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair):
        return value
    raise InputError(
        f"{name} is {shown(value)}; give a mapping from each image's name to its caption, or a file of them"
    )


def _metric(name: str, value: Any) -> Any:
    if isinstance(value, Measure) or (callable(value) and not isinstance(value, type)):
        return value
    return _arguments.text(
        name, value, "names, such as 'fd,prdc' or ['fd', 'prdc'], or 'all', or functions of features"
    )


def _folder(name: str, value: Any) -> Any:
    local_path(_arguments.path(name, value))  # refused now, and also where nothing will be kept in it
    return value


def _two_precisions(name: str, precision: Any) -> tuple[Precision, Precision]:
    given = precision.split(",") if isinstance(precision, str) else precision
    if not isinstance(given, list | tuple) or len(given) not in (1, 2):
        raise InputError(f"{name} is {shown(precision)}; give one, or two, as in 'default,highest'")
    given = [one.strip() if isinstance(one, str) else one for one in given]
    return check_precision(name, given[0]), check_precision(name, given[-1])


_CHECKS: Mapping[str, Check] = {
    **COMMON,
    "metrics": optional(several(_metric)),
    "extractor": several(_one_extractor),
    "protocol": several(_one_protocol),
    "protocols": several(_one_protocol),
    "captions": optional(_captions),
    "precision": check_precision,
    "tap": optional(a_text("the name of a layer of the extractor")),
    "path": _arguments.path,
    "kid_subset_size": optional(at_least(2)),
    "kid_subsets": optional(at_least(1)),
    "k": optional(at_least(1)),
    "is_splits": optional(at_least(1)),
    **dict.fromkeys(("cache", "checkpoint", "weights_dir"), optional(_folder)),
}
"""Of all fields of a name, but where a record has another check of its own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """How sets of images are opened and read.

    Attributes:
      batch_size: images at a time through the network, and no more than the largest set has: on each accelerator of
        this process, or on its processor, however many devices that counts as. `auto` is 32 on a processor, and 32 to
        256 on an accelerator, by its memory. The numbers do not depend on it.
      limit: at most so many images of each set: a sample of the set, drawn with `seed`, in the set's order. Of what is
        read as a stream (tar archives, functions) the first ones, with a warning if it is no function.
      limit_first: take the first images of every set instead.
      seed: of everything random: samples, random extractors, generating functions.
      value_range: the values that mean black and white in arrays that are not uint8. Files and uint8 arrays have ranges
        of their own; where another one is stated for a set of uint8, a warning says that it was not applied.
      out_of_range: what values of arrays outside that range do: `fail`, or `clip` to the nearer bound and be counted in
        a warning. What rounding explains counts as the bound itself; NaN and infinity fail always.
      layout: `NHWC`, `NCHW` or `NHW`, of arrays whose shape can be read in two ways; for arrays that differ in it give
        `jaxeval.images.open_source(array, layout=...)`.
      num_samples: how many images to draw from a generating function.
      exact_protocol: whether each protocol's reference is followed where jaxeval departs from it for the better: files
        of more than 8 bits a value become what Pillow's `convert("RGB")` gives, which clips gray at 255.
      on_error: `fail` at the first image that cannot be read, or `skip` it and say so in the result.
      threads: that decode images; None for one per processor.
      cache: a folder that keeps features and statistics from one run to the next.
      weights_dir: where weights are kept, if not in the usual place.
      progress: told how far the run has come.

    Raises:
      InputError: a value is not what it should be.
    """

    checks: ClassVar[Mapping[str, Check]] = {}
    """Of a record's own fields, in the place of those that all records have."""

    batch_size: int | Literal["auto"] = "auto"
    limit: int | None = None
    limit_first: bool = False
    seed: int = 0
    value_range: tuple[float, float] | None = None
    out_of_range: str = "fail"
    layout: str | None = None
    num_samples: int | None = None
    exact_protocol: bool = False
    on_error: str = "fail"
    threads: int | None = None
    cache: str | Path | None = None
    weights_dir: str | Path | None = None
    progress: Progress | None = None

    def __post_init__(self):
        _ = self.sets  # which refuses what it cannot do

    @functools.cached_property
    def sets(self) -> SetOptions:
        """How sets are opened."""
        sampling = Sampling(self.limit, self.limit_first, self.seed)
        return SetOptions(
            self.value_range, self.out_of_range, self.layout, self.num_samples, self.seed, sampling=sampling
        )

    @property
    def reading(self) -> ReadOptions:
        """How they are read, the size of a batch not yet fitted to them."""
        asked = None if self.batch_size == "auto" else self.batch_size
        return ReadOptions(on_error=self.on_error, threads=self.threads, asked=asked)

    def only_protocol(self, protocol: str | Protocol) -> Protocol:
        """The one protocol of a call that follows one.

        Raises:
          InputError: several are named.
        """
        protocols = get_protocols(protocol, exact=self.exact_protocol)
        if len(protocols) != 1:
            raise InputError(f"one protocol is needed here, not {', '.join(item.name for item in protocols)}")
        return protocols[0]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Saving(Reading):
    """Whether work is kept as it is done, and shared.

    Attributes:
      checkpoint: a folder, seen by all processes, from which the same call goes on after a kill to the same numbers.
      checkpoint_every: batches between two checkpoints.
      distributed: whether all processes of a multi-process JAX program make this call, each to read its share of the
        images; all of them get the same result. Without it a process evaluates alone.
      stop: asked after every batch whether to end early, as when the machine is about to be taken away; needs
        `checkpoint`.
    """

    checkpoint: str | Path | None = None
    checkpoint_every: int = 100
    distributed: bool = False
    stop: Callable[[], bool] | None = None

    def processes(self) -> Processes:
        """Those that share the work.

        Raises:
          InputError: two wishes exclude each other.
        """
        processes = current_processes() if self.distributed else Processes()
        if self.cache is not None and self.checkpoint is not None:
            raise InputError("--cache and --checkpoint cannot be combined: a checkpoint keeps what was finished too")
        if self.cache is not None and processes.count > 1:
            raise InputError("--cache is for runs of one process; give --checkpoint to keep what several have found")
        if self.checkpoint is not None and not self.distributed and jax.process_count() > 1:
            raise InputError("in a program of several processes a checkpoint needs all of them: pass distributed=True")
        if self.stop is not None and self.checkpoint is None:
            raise InputError("stop has a use only where there is a checkpoint to save to")
        return processes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Numbers(Saving):
    """Which numbers, by whose definition, over which features.

    Attributes:
      metrics: names of `jaxeval.evaluation.MEASURES` or of their numbers, or `all` that the extractors and the data
        permit (the manifest names the others); `fid` and `kid` are `fd` and `kd` over the FID Inception network and
        over no other. Measures and functions of your own too (`jaxeval.evaluation.own_measure`), also by name, as
        `module:function`. None, the default of `evaluate`, is the Fréchet distance, and against a reference file of
        ADM under its protocol the five numbers of ADM.
      extractor: a name (see `jaxeval.extractors.extractor_names`) or an `Extractor`, or several.
      protocol: whose definition to follow; several give several results from one reading of the images.
      held_out: real images that the generators have not seen, for `fld` and `c-t`, which are refused where most of them
        are images of the reference or of a generated set.
      captions: of the generated images by name, for `clip-score`; or a file of them (`load_captions`). Two sets have
        the same names.
      kid_subset_size: images of either set in each subset of `kd`, in the place of the protocol's number. This and the
        next three are for sets that are too small for a protocol's rules; the result says where it departs from them.
      kid_subsets: how many subsets. The interval of a difference of `kd` is over all pairs, whatever the subsets.
      k: which neighbour balls reach to, in the place of each metric's own: for `prdc`, `clipped`, `p-precision-recall`,
        `realism` and `rarity`.
      is_splits: of the Inception score; whatever the protocol, of about equally many images each. The interval of a
        difference is over all images at once.
      precision: of the networks' contractions: `highest`, which is full float32, or `high` or `default`, with which
        JAX code that names none ran on an accelerator; recorded in the result. A CPU has full float32 in any case.
    """

    metrics: Metrics | Sequence[Metrics] | None = None
    extractor: str | Extractor | Sequence[str | Extractor] = "inception"
    protocol: Protocols = DEFAULT_PROTOCOL
    held_out: Any = None
    captions: Mapping[str, str] | str | Path | None = None
    kid_subset_size: int | None = None
    kid_subsets: int | None = None
    k: int | None = None
    is_splits: int | None = None
    precision: Precision = "highest"

    @property
    def choices(self) -> Choices:
        """Numbers in the place of a protocol's own."""
        return Choices(self.kid_subset_size, self.kid_subsets, self.k, self.is_splits)

    @property
    def unseen(self) -> NamedSet | None:
        """The held-out set."""
        return None if self.held_out is None else one_set(self.held_out, "held_out")


@dataclasses.dataclass(frozen=True)
class Evaluating(Numbers):
    """What `evaluate` is asked.

    Attributes:
      reference: the real images: a folder, a zip, tar shards, `.npy`, `.npz`, `tfds:NAME:SPLIT`, an array
        [N, H, W, C], a list of images (arrays [H, W, C] or [H, W] of any sizes, Pillow's images, image files), a
        function `(num_images, seed) -> images`, a `Source`; or a file of statistics or features, or a pattern of files
        of features: those of `reference_statistics` and of other tools (docs/statistics.md). `{name: data}` names them.
      generated: the same; several sets as a list, or as a mapping from names of your choice. A list of images is one
        set.
    """

    reference: Any
    generated: Any

    @functools.cached_property
    def given(self) -> tuple[NamedSet, Sequence[NamedSet]]:
        """The reference, and the generated sets."""
        return one_set(self.reference, "reference"), named_sets(self.generated, self.layout)


@dataclasses.dataclass(frozen=True)
class Comparing(Numbers):
    """What `compare` is asked.

    Attributes:
      first: images of one generator, as `evaluate` takes a reference; `{name: data}` names them.
      second: images of the other.
      reference: the real images, or their statistics.
    """

    first: Any
    second: Any
    reference: Any = dataclasses.field(kw_only=True)
    metrics: Metrics | Sequence[Metrics] | None = dataclasses.field(default="fd,kd-full,prdc", kw_only=True)

    @functools.cached_property
    def given(self) -> tuple[NamedSet, Sequence[NamedSet]]:
        """The reference, and the two generated sets."""
        return one_set(self.reference, "reference"), [one_set(self.first, "first"), one_set(self.second, "second")]


@dataclasses.dataclass(frozen=True)
class Explaining(Saving):
    """What `explain` is asked.

    Attributes:
      reference: the real images, as for `evaluate`, or a file of their statistics, which then is the same at all steps.
      generated: one set of images.
      extractor: a name (see `jaxeval.extractors.extractor_names`) or an `Extractor`.
      protocols: two of them, the one to start from first; the same one twice only with two precisions.
      precision: of the network's contractions, for both; or two, for the first and the second number.
    """

    checks: ClassVar[Mapping[str, Check]] = {"extractor": _one_extractor, "precision": _two_precisions}

    reference: Any
    generated: Any
    protocols: Protocols = dataclasses.field(kw_only=True)
    extractor: str | Extractor = dataclasses.field(default="inception", kw_only=True)
    precision: str | Sequence[str] = dataclasses.field(default="highest", kw_only=True)

    @property
    def precisions(self) -> tuple[Precision, Precision]:
        """Those of the first and the second number."""
        return _two_precisions("precision", self.precision)

    metrics: ClassVar[str] = "fd"
    captions: ClassVar[None] = None
    unseen: ClassVar[None] = None
    choices: ClassVar[Choices] = Choices()

    @functools.cached_property
    def given(self) -> tuple[NamedSet, Sequence[NamedSet]]:
        """The reference, and the generated set."""
        return one_set(self.reference, "reference"), [one_set(self.generated, "generated")]


@dataclasses.dataclass(frozen=True)
class FeaturesOf(Reading):
    """What `features` is asked.

    Attributes:
      data: the images, as for `evaluate`.
      extractor: a name (see `jaxeval.extractors.extractor_names`) or an `Extractor`.
      tap: which of the extractor's layers; its default where none is named.
      protocol: whose preparation of the images to follow, one.
      precision: of the network's contractions, as for `evaluate`.
    """

    checks: ClassVar[Mapping[str, Check]] = {"extractor": _one_extractor, "protocol": _one_protocol}

    data: Any
    extractor: str | Extractor = dataclasses.field(default="inception", kw_only=True)
    tap: str | None = dataclasses.field(default=None, kw_only=True)
    protocol: str | Protocol = dataclasses.field(default=DEFAULT_PROTOCOL, kw_only=True)
    precision: Precision = dataclasses.field(default="highest", kw_only=True)


@dataclasses.dataclass(frozen=True)
class StatisticsOf(Saving):
    """What `reference_statistics` is asked.

    Attributes:
      data: the images, as for `evaluate`.
      path: of the file, which ends in `.npz`.
      features: whether every image's features and name are kept too. Statistics alone give the Fréchet distance; with
        features the file stands for the images in every metric over them, as reference, generated or held-out set.
      extractor: a name (see `jaxeval.extractors.extractor_names`) or an `Extractor`.
      protocol: whose definition to follow, one.
      precision: of the network's contractions; kept in the file, and refused where a run needs another.
    """

    checks: ClassVar[Mapping[str, Check]] = {"extractor": _one_extractor, "protocol": _one_protocol}

    data: Any
    path: str | Path
    features: bool = dataclasses.field(default=False, kw_only=True)
    extractor: str | Extractor = dataclasses.field(default="inception", kw_only=True)
    protocol: str | Protocol = dataclasses.field(default=DEFAULT_PROTOCOL, kw_only=True)
    precision: Precision = dataclasses.field(default="highest", kw_only=True)

    def __post_init__(self):
        super().__post_init__()
        if local_path(self.path).suffix.lower() != ".npz":
            raise InputError(
                f"statistics are written as .npz, which {str(self.path)!r} is not; give a name that ends in .npz"
            )
