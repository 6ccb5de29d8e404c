"""A TFDS data set, read through its ArrayRecord files without importing TensorFlow."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from jaxeval.errors import InputError, said_by
from jaxeval.files import local_path
from jaxeval.images.arrays import Layout, array_item, array_layout, check_value_range
from jaxeval.images.source import Item, OutOfRange, Source, ValueRange

_CHUNK = 64
# For a side that differs from image to image: not a number of channels.
_UNKNOWN = 64


class TfdsSource(Source):
    """One split of a prepared TFDS data set, in the order in which it is stored.

    Image features are taken as encoded and decoded like any other file; tensor features are pixels.

    Args:
      dataset: as TFDS names it: `fashion_mnist`, `name/config`, `name:1.0.0`.
      split: as TFDS names it: `test`, `train[:1000]`.
      name: for messages.
      data_dir: where data sets are; TFDS's own default otherwise.
      image_key: the feature; by default the only image feature, or the one named `image`.
      value_range: the values that mean black and white; needed for a tensor feature that is not uint8.
      layout: needed only for a tensor feature whose shape can be read in two ways.
      out_of_range: what values outside the range do.

    Attributes:
      dtype: of a tensor feature; None for images that are stored as files.

    Raises:
      InputError: the data set is not prepared, not as ArrayRecord, or has no such split or feature.
    """

    named_by_index = True

    def __init__(
        self,
        dataset: str,
        split: str,
        *,
        name: str,
        data_dir: str | None = None,
        image_key: str | None = None,
        value_range: ValueRange | None = None,
        layout: Layout | None = None,
        out_of_range: OutOfRange = "fail",
    ):
        self.name = name
        builder = _builder(dataset, data_dir, name)
        self._key, encoded = _image_feature(builder.info.features, image_key, name)
        self._records = _data_source(builder, split, self._key, encoded, name)
        if not len(self._records):
            raise InputError(f"{name} is an empty split")
        self._range: ValueRange | None = None
        self._out_of_range: OutOfRange = out_of_range
        self.dtype: np.dtype | None = None
        self._layout: Layout = "NHWC"
        if not encoded:
            feature = builder.info.features[self._key]
            shape = (len(self._records), *(_UNKNOWN if side is None else side for side in feature.shape))
            gray = len(feature.shape) == 2  # here the first axis is no image's
            self._layout = array_layout(shape, name, layout or ("NHW" if gray else None))
            self.dtype = np.dtype(feature.np_dtype)
            self._range = check_value_range(self.dtype, value_range, name)

    def __len__(self) -> int:
        return len(self._records)

    def items(self) -> Iterator[Item]:
        """The records in stored order, named by index."""
        return self._read(range(len(self)))

    def select(self, places: Int[np.ndarray, " n"]) -> Iterator[Item]:
        """The records at these places, which alone are read."""
        return self._read(places.tolist())

    def _read(self, places: Sequence[int]) -> Iterator[Item]:
        for start in range(0, len(places), _CHUNK):
            indices = places[start : start + _CHUNK]
            try:
                records = self._records.__getitems__(list(indices))
            except Exception as error:  # ArrayRecord's readers raise types of their own
                raise InputError(
                    f"{self.name}: records from {indices[0]} on cannot be read: {said_by(error)}"
                ) from error
            for index, record in zip(indices, records, strict=True):
                content = record[self._key]
                if isinstance(content, bytes):
                    yield Item(str(index), content, where=f"image {index} of {self.name}")
                else:
                    pixels = np.asarray(content)
                    yield array_item(pixels, index, self._layout, self._range, self.name, self._out_of_range)


@functools.cache
def _tfds() -> Any:
    import tensorflow_datasets  # seconds to import: only for who reads such a data set

    return tensorflow_datasets


def _builder(dataset: str, data_dir: str | None, name: str) -> Any:
    tfds = _tfds()
    data_dir = data_dir and str(local_path(data_dir))
    try:
        return tfds.core.read_only_builder.builder_from_files(dataset, data_dir=data_dir)
    except Exception as error:  # not found, several versions, damaged metadata: TFDS raises many types
        where = data_dir or tfds.core.constants.DATA_DIR
        raise InputError(
            f"{name}: TFDS has no prepared data set {dataset!r} in {where}; prepare it with "
            f"tensorflow_datasets.builder({dataset!r}, file_format='array_record').download_and_prepare(), "
            "or say where it is with ?data_dir=FOLDER"
        ) from error


def _image_feature(features: Any, image_key: str | None, name: str) -> tuple[str, bool]:
    """The feature that holds the images, and whether it is stored encoded."""
    image_type, tensor_type = _tfds().features.Image, _tfds().features.Tensor
    images: list[str] = [key for key, feature in features.items() if isinstance(feature, image_type)]
    tensors: list[str] = [
        key for key, feature in features.items() if type(feature) is tensor_type and len(feature.shape) >= 2
    ]
    if image_key is None:
        candidates = images or tensors
        if len(candidates) != 1 and "image" not in candidates:
            raise InputError(
                f"{name} has the features {', '.join(sorted(features))}; say which are the images: ?image_key=NAME"
            )
        image_key = "image" if "image" in candidates else candidates[0]
    if image_key not in images and image_key not in tensors:
        raise InputError(f"{name} has no image feature {image_key!r}; it has {', '.join(sorted(features))}")
    if image_key in images and features[image_key].np_dtype == np.float32:
        raise InputError(f"{name}: float images are stored as packed bytes, which only TFDS can read")
    return image_key, image_key in images


def _data_source(builder: Any, split: str, key: str, encoded: bool, name: str) -> Any:
    decoders = {key: _tfds().decode.SkipDecoding()} if encoded else None
    try:
        return builder.as_data_source(split, decoders=decoders)
    except NotImplementedError as error:
        raise InputError(
            f"{name} is stored as {builder.info.file_format.value}, not as ArrayRecord; prepare it again with "
            "file_format='array_record'"
        ) from error
    except Exception as error:  # an unknown split or missing shards: TFDS raises many types
        raise InputError(
            f"{name}: split {split!r} cannot be read ({said_by(error)}); "
            f"the splits are {', '.join(sorted(builder.info.splits))}"
        ) from error
