"""From what a caller gives as data to sets of images: which of it is one set, what it is called, how it is opened."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from jaxeval.errors import InputError
from jaxeval.evaluation.reading.kept import KeptSet, open_kept
from jaxeval.files import local_name
from jaxeval.images import Sampling, Source, open_source
from jaxeval.images.arrays import check_layout
from jaxeval.images.lists import describe, is_image


@dataclasses.dataclass(frozen=True)
class NamedSet:
    """What is to be opened as one set.

    Attributes:
      data: as the caller gave it.
      name: that the caller chose for it, if any.

    Raises:
      InputError: the data are on no file system of this machine.
    """

    data: Any
    name: str | None = None

    def __post_init__(self):
        if isinstance(self.data, str | os.PathLike):
            local_name(self.data)  # refused now, and not after the networks are loaded


@dataclasses.dataclass(frozen=True)
class SetOptions:
    """How sets are opened, and what is taken of them.

    Attributes:
      value_range: (lowest, highest) value of float images.
      out_of_range: what values outside it do.
      layout: of arrays, where their shape does not tell.
      num_samples: how many images to draw from a function.
      seed: for functions.
      sampling: which images of a set are taken.

    Raises:
      InputError: there is no such layout.
    """

    value_range: tuple[float, float] | None = None
    out_of_range: str = "fail"
    layout: str | None = None
    num_samples: int | None = None
    seed: int = 0
    sampling: Sampling = dataclasses.field(default_factory=Sampling)

    def __post_init__(self):
        check_layout(self.layout)

    def open(self, given: NamedSet) -> Source | KeptSet:
        """A set: its images, or what a file keeps in their place, or the sample of either that is wanted.

        Raises:
          InputError: it cannot be read as either.
        """
        kept = open_kept(given.data, name=given.name, open_images=self._images)
        return self._images(given.data, given.name) if kept is None else kept.sampled(self.sampling)

    def open_images(self, given: NamedSet) -> Source:
        """The images of a set, or the sample of them that is wanted.

        Raises:
          InputError: it cannot be read as images, or is a file of statistics or features.
        """
        kept = open_kept(given.data)
        if kept is not None:
            images = "" if kept.image_key is None else f"; its images are {given.data!s}?key={kept.image_key}"
            raise InputError(
                f"{str(given.data)!r} holds statistics or features, which `evaluate` takes as they are{images}"
            )
        return self._images(given.data, given.name)

    def _images(self, data: Any, name: str | None) -> Source:
        source = open_source(
            data,
            num_samples=self.num_samples,
            value_range=self.value_range,
            seed=self.seed,
            name=name,
            layout=check_layout(self.layout),
            out_of_range=self.out_of_range,
        )
        return self.sampling.of(source)

    def record(self) -> dict[str, Any]:
        """What was said of the sets, as plain values."""
        return {
            "value_range": None if self.value_range is None else [float(bound) for bound in self.value_range],
            "out_of_range": self.out_of_range,
            "layout": self.layout,
            "limit": self.sampling.limit,
            "limit_first": self.sampling.first,
        }


def one_set(data: Any, role: str) -> NamedSet:
    """What was given where one set belongs: the data, or a mapping from a name of the caller's choice to them.

    Raises:
      InputError: a mapping of no name or of several.
    """
    if not isinstance(data, Mapping):
        return NamedSet(data)
    if len(data) != 1:
        raise InputError(f"{role} is one set, but the mapping has {len(data)} names; give {{name: data}}")
    ((name, only),) = data.items()
    return NamedSet(only, str(name))


def named_sets(data: Any, layout: str | None = None) -> list[NamedSet]:
    """What was given where several sets may be: one set, a list of sets, or a mapping from names to sets.

    A list whose items are images is one set.

    Raises:
      InputError: nothing was given, or a list holds images beside sets.
    """
    if isinstance(data, Mapping):
        found = [NamedSet(one, str(name)) for name, one in data.items()]
    elif isinstance(data, list | tuple):
        images = [is_image(one, check_layout(layout)) for one in data]
        if all(images) and images:
            return [NamedSet(data)]
        if any(images):
            image, other = images.index(True), images.index(False)
            stacks = all(len(getattr(one, "shape", ())) == 3 for one in data)
            raise InputError(
                f"item {image} of the generated images, {describe(data[image])}, is an image, and item {other}, "
                f"{describe(data[other])}, is none; give a list of images, which is one set, or a list of sets"
                + (", and say layout='NHW' if all are sets of gray images" if stacks else "")
            )
        found = [named for one in data for named in (named_sets(one) if isinstance(one, Mapping) else [NamedSet(one)])]
    else:
        found = [NamedSet(data)]
    if not found:
        raise InputError("no generated images were given; name at least one set")
    return found
