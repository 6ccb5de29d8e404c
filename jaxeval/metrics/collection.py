"""Several metrics from one batch: features are extracted once, and what metrics share is kept once."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import jax
from jax.sharding import Mesh, PartitionSpec

from jaxeval._arguments import shown
from jaxeval.errors import InputError
from jaxeval.metrics.keywords import check_spelling, keywords_of, own_input, renamed
from jaxeval.metrics.metric import AxisName, Metric, copied, emptied, on_device, on_host, placed, vary_over
from jaxeval.metrics.value import MetricValue
from jaxeval.metrics.value_range import (
    SeenRange,
    checked_value_range,
    merge_ranges,
    no_range,
    reduce_range,
    seen_range,
    to_extractor_range,
    value_range_doubt,
)

_IMAGES = {"reference": "reference_images", "generated": "images"}
_RANGES = "image_ranges"  # in the states, the range of each side's pixels
States = dict[str, Any]


@runtime_checkable
class FeatureExtractor(Protocol):
    """What a collection needs of an extractor, such as those of `jaxeval.extractors`."""

    @property
    def default_tap(self) -> str:
        """The tap that is used where none is named."""
        ...

    def apply(self, params: Any, images: Any, *, taps: Sequence[str]) -> Mapping[str, Any]:
        """`{tap: features}` of a batch of images, pure."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Collection(Metric[States]):
    """Metrics by name, updated together.

    With an extractor, features of `images` (generated) and `reference_images` are computed once and go to every metric
    that takes `generated` and `reference`. Metrics that would accumulate the same, such as two buffered metrics with
    equal buffers over the same tap, share one state. A metric whose inputs a batch does not bring is left as it is.

    Attributes:
      metrics: the metrics by name.
      extractor: an extractor of `jaxeval.extractors`, or anything like one.
      taps: for a metric's name, which of the extractor's taps it takes; the default tap where none is named.
      names: for a metric's name, by which keywords of the batch its inputs go, `{"psnr": {"generated": "images"}}`.
      value_range: the values of black and white in `images` and `reference_images`, such as (-1, 1), which are brought
        to the extractor's; None if they have its range, 0 to 255, already. The state holds the range of the values that
        came, and `compute` warns where they do not look like those of the range.
      precision: precision of the extractor's products: "highest", full float32; or "high" or "default", which on an
        accelerator are products of bfloat16 or TF32, several times as fast, for watching: `compute` says so with every
        number.

    Raises:
      InputError: there is no metric, or something else in the place of one, of the extractor or of a mapping; or `taps`
        or `names` is about a metric that is not there; or the value range or the precision is none, or is given
        without an extractor.

    Example:
      >>> import numpy as np
      >>> from jaxeval import metrics
      >>> collection = metrics.Collection({"fid": metrics.FrechetDistance(4), "loss": metrics.Mean("loss")})
      >>> reference, generated = np.random.default_rng(0).normal(size=(2, 100, 4))
      >>> state = collection.update(collection.init(), reference=reference, generated=generated, loss=np.ones(100))
      >>> {name: round(value.value, 2) for name, value in collection.compute(state).items()}
      {'fid': 0.09, 'loss': 1.0}
    """

    # Left open, as a mapping that was forgotten has to reach the user as an InputError.
    metrics: Mapping[str, Metric] | Any
    extractor: FeatureExtractor | Any | None = None
    taps: Mapping[str, str] | Any = dataclasses.field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] | Any = dataclasses.field(default_factory=dict)
    name: str = "collection"
    value_range: tuple[float, float] | Any | None = None
    precision: str = "highest"

    def __post_init__(self):
        self._check_types()
        for field in ("metrics", "taps", "names"):
            object.__setattr__(self, field, MappingProxyType(dict(getattr(self, field))))
        if not self.metrics:
            raise InputError("a collection needs at least one metric")
        unknown = [name for name in (*self.taps, *self.names) if name not in self.metrics]
        if unknown:
            raise InputError(f"the collection has no metric {unknown[0]!r}; it has {', '.join(self.metrics)}")
        if self.taps and self.extractor is None:
            raise InputError("taps are an extractor's: give the collection one")
        if self.value_range is not None:
            if self.extractor is None:
                raise InputError("value_range is of images for an extractor: give the collection one")
            object.__setattr__(self, "value_range", checked_value_range(self.value_range))
        if self.precision not in ("default", "high", "highest"):
            raise InputError(f"precision is {shown(self.precision)}; choose 'default', 'high' or 'highest'")
        if self.precision != "highest" and self.extractor is None:
            raise InputError("precision is of an extractor: give the collection one")
        if self.extractor is not None and _RANGES in self.metrics:
            raise InputError(
                f"{_RANGES!r} is what the states call the ranges of the images; give the metric another name"
            )
        inputs = dict.fromkeys(key for name, metric in self.metrics.items() for key in self._keywords(name, metric))
        object.__setattr__(self, "inputs", tuple(inputs))

    def _check_types(self):
        forms = {
            "metrics": "{'fid': FrechetDistance(2048)}",
            "taps": "{'fid': '2048'}",
            "names": "{'psnr': {'generated': 'images'}}",
        }
        for field, form in forms.items():
            value = getattr(self, field)
            if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
                raise InputError(
                    f"{field} is {shown(value)}; give a mapping from the names of the metrics, such as {form}"
                )
        for name, metric in self.metrics.items():
            if not isinstance(metric, Metric):
                made = f"; call it, {metric.__name__}(...)" if isinstance(metric, type) else ""
                raise InputError(f"metric {name!r} is {shown(metric)}; give a metric of jaxeval.metrics{made}")
        for name, tap in self.taps.items():
            if not isinstance(tap, str):
                raise InputError(f"the tap of {name!r} is {shown(tap)}; give the name of one of the extractor's taps")
        for name, renaming in self.names.items():
            if not isinstance(renaming, Mapping):
                raise InputError(
                    f"the names of {name!r} are {shown(renaming)}; give a mapping such as {forms['names']}"
                )
        if self.extractor is not None and (
            isinstance(self.extractor, type) or not isinstance(self.extractor, FeatureExtractor)
        ):
            raise InputError(
                f"extractor is {shown(self.extractor)}; give an extractor: jaxeval.extractors.load_extractor(name), or "
                "jaxeval.extractors.from_function(function, name='mine') of a function of your own"
            )

    def _keywords(self, name: str, metric: Metric) -> list[str]:
        """What a batch calls the inputs of one metric."""
        names = self.names.get(name, {})
        keywords = [names.get(key, key) for key in metric.inputs]
        if self.extractor is not None:
            keywords += [_IMAGES[key] for key in metric.inputs if key in _IMAGES and key not in names]
        return keywords

    def _known(self, name: str, metric: Metric) -> list[str]:
        """Every keyword of a batch that one metric takes, by the batch's names."""
        names = self.names.get(name, {})
        return [*self._keywords(name, metric), *(names.get(key, key) for key in keywords_of(metric.inputs))]

    def _key(self) -> tuple[Any, ...]:
        names = tuple((name, *sorted(names.items())) for name, names in sorted(self.names.items()))
        taps = tuple(sorted(self.taps.items()))
        return tuple(self.metrics.items()), self.extractor, taps, names, self.name, self.value_range, self.precision

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Collection) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _owners(self) -> dict[str, str]:
        """For each metric, the first that accumulates the same from the same inputs: whose state it is."""
        first: dict[Any, str] = {}
        owners = {}
        for name, metric in self.metrics.items():
            key = (metric.accumulates, self.taps.get(name), tuple(sorted(self.names.get(name, {}).items())))
            owners[name] = first.setdefault(key, name)
        return owners

    def _own(self) -> dict[str, Metric]:
        """The metrics that have a state of their own."""
        return {name: self.metrics[name] for name, owner in self._owners().items() if name == owner}

    def init(self, *, shards: int = 1, axis_name: AxisName | None = None) -> States:
        """The states of no data, by the name of the first metric that each belongs to."""
        states = {name: metric.init(shards=shards, axis_name=axis_name) for name, metric in self._own().items()}
        return states | self._ranges(lambda: vary_over(self._no_ranges(), axis_name))

    def init_on(self, mesh: Mesh, axis_name: AxisName) -> States:
        """The states of no data, placed on a mesh."""
        states = {name: metric.init_on(mesh, axis_name) for name, metric in self._own().items()}
        specs = self.state_specs(axis_name)
        return states | self._ranges(lambda: placed(self._no_ranges(), mesh, specs[_RANGES]))

    def _ranges(self, make: Any) -> dict[str, Any]:
        """What the states hold of the images' ranges: nothing without an extractor."""
        return {} if self.extractor is None else {_RANGES: make()}

    def _no_ranges(self) -> dict[str, SeenRange]:
        return {side: no_range() for side in _IMAGES}

    def update(self, state: States, *, params: Any = None, **inputs: Any) -> States:
        """The states with one batch added.

        Args:
          state: before.
          params: the extractor's parameters, an argument of your jitted function too: captured in it they would
            become constants of the executable.
          inputs: everything that the metrics take; `images` and `reference_images`, [B, H, W, 3] as the extractor
            takes them, in the place of `generated` and `reference`; masks and indices as the metrics take them.

        Raises:
          InputError: the batch has no input of any metric, images come without `params`, or as the metrics say.
        """
        given = self._given(params, inputs)
        states = {
            name: metric.update(state[name], **given[name]) if name in given else state[name]
            for name, metric in self._own().items()
        }
        return states | self._ranges(lambda: self._merged_ranges(state[_RANGES], self._seen(inputs)))

    def accumulate(self, state: States, *, axis_name: AxisName, params: Any = None, **inputs: Any) -> States:
        """`update` inside `shard_map` or `pmap`, from whole states to whole states."""
        given = self._given(params, inputs)
        states = {
            name: metric.accumulate(state[name], axis_name=axis_name, **given[name]) if name in given else state[name]
            for name, metric in self._own().items()
        }

        def ranges() -> Any:
            seen = {side: reduce_range(found, axis_name) for side, found in self._seen(inputs).items()}
            return self._merged_ranges(state[_RANGES], seen)

        return states | self._ranges(ranges)

    def _seen(self, inputs: dict[str, Any]) -> dict[str, SeenRange]:
        """The range of each side's images in a batch."""
        given = {side: inputs[key] for side, key in _IMAGES.items() if inputs.get(key) is not None}
        return {side: seen_range(images, own_input(side, "mask", inputs)) for side, images in given.items()}

    def _merged_ranges(self, before: Any, seen: Mapping[str, SeenRange]) -> Any:
        before = on_device(before)
        return {side: merge_ranges(found, seen[side]) if side in seen else found for side, found in before.items()}

    def _given(self, params: Any, inputs: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """What each metric with a state of its own gets from a batch; nothing for those that the batch is not for."""
        keywords = {name: self._known(name, metric) for name, metric in self._own().items()}
        everyone = tuple(dict.fromkeys(key for known in keywords.values() for key in known))
        check_spelling(self.name, everyone, inputs)
        features = self._features(params, inputs)
        found = {}
        for name, metric in self._own().items():
            names = self.names.get(name, {})
            # What only other metrics know could be taken for a slip by this one.
            foreign = set(everyone) - set(keywords[name])
            # A side has only the taps that the metrics of that side asked for.
            by_tap = {side: taps.get(self._tap(name)) for side, taps in features.items() if side not in names}
            own = {key: value for key, value in {**inputs, **by_tap}.items() if key not in foreign}
            given = renamed(own, names)
            if any(given.get(key) is not None for key in metric.inputs):
                found[name] = given
        if not found:
            raise InputError(f"the batch is for none of the metrics: they take {', '.join(self.inputs)}")
        return found

    def _tap(self, name: str) -> str:
        assert self.extractor is not None  # only asked for where it has made features
        return self.taps.get(name, self.extractor.default_tap)

    def _features(self, params: Any, inputs: dict[str, Any]) -> dict[str, Mapping[str, Any]]:
        if self.extractor is None:
            return {}
        sides = {side: keyword for side, keyword in _IMAGES.items() if inputs.get(keyword) is not None}
        if sides and params is None:
            own = getattr(self.extractor, "params", None)
            # A function without parameters has none to capture; those of a network would become constants.
            if jax.tree.leaves(own) or not hasattr(self.extractor, "params"):
                raise InputError("images need params=: pass the extractor's params through your jitted function")
            params = own
        found = {}
        for side, keyword in sides.items():
            takers = [name for name, metric in self._own().items() if side in metric.inputs]
            takers = [name for name in takers if side not in self.names.get(name, {})]
            if takers:
                taps = tuple(dict.fromkeys(map(self._tap, takers)))
                images, wanted = inputs[keyword], self._wanted_range()
                if self.value_range is not None and wanted is not None:
                    images = to_extractor_range(images, self.value_range, wanted, keyword)
                faster = {} if self.precision == "highest" else {"precision": self.precision}
                found[side] = self.extractor.apply(params, images, taps=taps, **faster)
        return found

    def _wanted_range(self) -> tuple[float, float] | None:
        """The range of values that the extractor takes images in; None where it does not say."""
        return getattr(self.extractor, "value_range", None)

    def merge(self, a: States, b: States) -> States:
        """The states of both sets of data together."""
        states = {name: metric.merge(a[name], b[name]) for name, metric in self._own().items()}
        return states | self._ranges(lambda: self._merged_ranges(a[_RANGES], on_device(b[_RANGES])))

    def reduce(self, state: States, axis_name: AxisName) -> States:
        """The states of all devices together, inside `shard_map` or `pmap`."""
        states = {name: metric.reduce(state[name], axis_name) for name, metric in self._own().items()}
        return states | self._ranges(
            lambda: {side: reduce_range(seen, axis_name) for side, seen in state[_RANGES].items()}
        )

    def keep_reference(self, state: States) -> States:
        """The states with their reference sides alone, copies; of metrics that have none, of no data."""
        states = {name: metric.keep_reference(state[name]) for name, metric in self._own().items()}

        def ranges() -> Any:
            seen = state[_RANGES]
            return {**emptied(self._no_ranges(), seen), "reference": copied(seen["reference"])}

        return states | self._ranges(ranges)

    def resharded(self, state: States, mesh: Mesh | None = None, axis_name: AxisName = "data") -> States:
        """Whole states for another mesh; see `Metric.resharded`."""
        states = {name: metric.resharded(state[name], mesh, axis_name) for name, metric in self._own().items()}
        specs = self.state_specs(axis_name)
        return states | self._ranges(lambda: placed(on_host(state[_RANGES]), mesh, specs[_RANGES]))

    def state_specs(self, axis_name: AxisName) -> States:
        """How every state lies on a mesh; see `Metric.state_specs`."""
        states = {name: metric.state_specs(axis_name) for name, metric in self._own().items()}
        return states | self._ranges(lambda: jax.tree.map(lambda _: PartitionSpec(), self._no_ranges()))

    def compute(self, state: States) -> Mapping[str, MetricValue]:
        """Each metric's value on the host, by name.

        Raises:
          InputError: as the metrics say; the message names the metric.
        """
        return {name: self._one(name, state) for name in self.metrics}

    def _one(self, name: str, state: States) -> Any:
        try:
            value = self.metrics[name].compute(state[self._owners()[name]])
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        doubts = self._doubts(name, state)
        if not doubts or not isinstance(value, MetricValue):
            return value
        return dataclasses.replace(value, warnings=(*value.warnings, *doubts))

    def _doubts(self, name: str, state: States) -> tuple[str, ...]:
        """What is said of how one metric's features were made, and of the ranges of the images that they are of."""
        names, sides = self.names.get(name, {}), self.metrics[name].inputs
        taken = [side for side in _IMAGES if side in sides and side not in names]
        if self.extractor is None or not taken:
            return ()
        faster = f"features at precision={self.precision!r}, for watching; report what precision='highest' gives"
        said = () if self.precision == "highest" else (faster,)
        wanted = self._wanted_range()
        if wanted is None:
            return said
        found = (value_range_doubt(state[_RANGES][side], self.value_range, wanted, _IMAGES[side]) for side in taken)
        return (*said, *(doubt for doubt in found if doubt))

    def compute_on_device(
        self, state: States, *, axis_name: AxisName | None = None, mesh: Mesh | None = None
    ) -> dict[str, Any]:
        """Each metric's value on the device, by name."""
        owners = self._owners()
        return {
            name: metric.compute_on_device(state[owners[name]], axis_name=axis_name, mesh=mesh)
            for name, metric in self.metrics.items()
        }
