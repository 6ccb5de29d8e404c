"""Images of an array file as they are stored: their shape and type are known at once, their pixels when wanted."""

import dataclasses
import threading
from collections.abc import Callable, Iterator

import numpy as np

from jaxeval.errors import InputError

_KEPT_BYTES = 256 * 2**20


@dataclasses.dataclass(frozen=True)
class StoredPixels:
    """The content of an item whose pixels are read when it is called.

    Attributes:
      shape: [H, W] or [H, W, C].
      dtype: of the pixels.
      read: reads them.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]

    def __call__(self) -> np.ndarray:
        """The pixels, [H, W] or [H, W, C]."""
        return self.read()


class InOrder:
    """Images by their places, read from a stream that is begun again for what it has passed.

    Threads that ask for images in nearly the order of the file, in which an archive has to be unpacked, share one pass:
    images that were passed over are kept for a while, in bounded memory.

    Args:
      images: gives the images from a place on.
      image_bytes: of one image.
    """

    def __init__(self, images: Callable[[int], Iterator[np.ndarray]], image_bytes: int):
        self._images = images
        self._most = max(1, min(64, _KEPT_BYTES // max(1, image_bytes)))
        self._lock = threading.Lock()
        self._stream: Iterator[np.ndarray] | None = None
        self._next = 0
        self._passed: dict[int, np.ndarray] = {}

    def read(self, place: int) -> np.ndarray:
        """The image at a place.

        Raises:
          InputError: the file cannot be read so far.
        """
        with self._lock:
            if place in self._passed:
                return self._passed.pop(place)
            if self._stream is None or not 0 <= place - self._next <= self._most:
                self._stream, self._next = self._images(place), place
            stream, self._stream = self._stream, None  # an error ends it
            for found in stream:
                at, self._next = self._next, self._next + 1
                if at == place:
                    self._stream = stream
                    return found
                self._passed[at] = found
                if len(self._passed) > self._most:
                    del self._passed[next(iter(self._passed))]
        raise InputError(f"there is no image {place}: the file has changed since it was opened")


def check_stored_type(dtype: np.dtype, name: str) -> None:
    """Refuses arrays whose values are no pixels as they are stored.

    Raises:
      InputError: another type than uint8, uint16 or floats of 16, 32 or 64 bits.
    """
    if not (dtype.kind == "u" and dtype.itemsize <= 2) and not (dtype.kind == "f" and dtype.itemsize <= 8):
        raise InputError(
            f"{name} has dtype {dtype}; images as they are stored are uint8, uint16 or floats of 16, 32 or 64 bits"
        )
