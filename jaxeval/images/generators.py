"""Images that a function of the user's draws, as a source."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jaxeval.errors import InputError
from jaxeval.images.arrays import Layout, array_item, array_layout, as_array, check_value_range
from jaxeval.images.source import Item, OutOfRange, Source, ValueRange

_CHUNK = 64


class GeneratorSource(Source):
    """Images from calls of `function(num_images, seed)`, in chunks of at most 64.

    The seed of each chunk comes from `seed` and the chunk's number alone: batch sizes and threads change nothing.

    Args:
      function: returns an array [num_images, H, W, C] (or another layout of `ArraySource`).
      num_samples: images in all.
      name: for messages.
      seed: a non-negative integer.
      value_range: the values that mean black and white; needed unless the function returns uint8.
      layout: needed only where the shape can be read in two ways.
      out_of_range: what values outside the range do.

    Raises:
      InputError: here, a missing count; while reading, an array that is not as above.
    """

    named_by_index = True
    sequential = True

    def __init__(
        self,
        function: Callable[[int, int], Any],
        *,
        num_samples: int | None,
        name: str,
        seed: int = 0,
        value_range: ValueRange | None = None,
        layout: Layout | None = None,
        out_of_range: OutOfRange = "fail",
    ):
        if num_samples is None or num_samples < 1:
            raise InputError(f"{name} is a function, which has no length; say num_samples=N with N of 1 or more")
        if seed < 0:
            raise InputError(f"seed {seed} for {name} must not be negative")
        self.name = name
        self.content_known = False  # what a function makes is known only by making it
        self._function = function
        self._count = num_samples
        self._seed = seed
        self._value_range = value_range
        self._layout: Layout | None = layout
        self._out_of_range: OutOfRange = out_of_range

    def __len__(self) -> int:
        return self._count

    def items(self) -> Iterator[Item]:
        """The images of one chunk after the other, named by index."""
        for chunk, start in enumerate(range(0, self._count, _CHUNK)):
            wanted = min(_CHUNK, self._count - start)
            seed = int(np.random.SeedSequence([self._seed, chunk]).generate_state(1)[0] >> 1)  # fits a signed int32
            images = as_array(self._function(wanted, seed), f"what {self.name} returned")
            layout = array_layout(images.shape, f"the array returned by {self.name}", self._layout, count=wanted)
            value_range = check_value_range(images.dtype, self._value_range, f"the array returned by {self.name}")
            if len(images) != wanted:
                raise InputError(f"{self.name} returned {len(images)} images where {wanted} were asked for")
            for offset, pixels in enumerate(images):
                yield array_item(pixels, start + offset, layout, value_range, self.name, self._out_of_range)
