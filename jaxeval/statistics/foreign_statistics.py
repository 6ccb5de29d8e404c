"""Statistics and features that other tools keep: their formats, told apart by what a file holds.

A `.npz` of ADM, pytorch-fid, clean-fid, dgm-eval, iMF or TensorFlow's tools, the pickles of EDM2 and of the StyleGAN
metrics, torch-fidelity's `.pt`, a `.npy` of features or of a dictionary. None of them says how its features were made,
beyond what the format itself tells. Nothing is unpickled (`jaxeval.tensor_files`).
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxeval._npy import ArrayHeader, read_header
from jaxeval.errors import InputError, WeightsError
from jaxeval.files import local_path
from jaxeval.statistics.array_archives import read_array_headers, read_arrays
from jaxeval.statistics.feature_statistics import (
    FeatureStatistics,
    checked_statistics,
    load_statistics,
    statistics_of_features,
)
from jaxeval.tensor_files import read_saved

_PICKLES = (".pkl", ".pickle", ".pt", ".pth")
KEPT_SUFFIXES = (".npz", ".npy", *_PICKLES)
"""How the names of files with statistics or features end."""

_FEATURE_KEYS = ("pool_3", "reps", "feats", "features")
_IMAGE_KEYS = ("arr_0", "images", "samples")  # as `jaxeval.images` has them
_GAUSSIAN, _SPATIAL, _RAW = ("mu", "sigma"), ("mu_s", "sigma_s"), ("raw_mean", "raw_cov")
_REFERENCE = ("ref_mu", "ref_sigma")  # of iMF, MeanFlow and drifting


@dataclasses.dataclass(frozen=True)
class Tool:
    """Who writes files of a format.

    Attributes:
      name: of the tool; empty where several do.
      protocols: of jaxeval that numbers from such a file can follow, the likeliest first.
    """

    name: str = ""
    protocols: tuple[str, ...] = ()


_ADM, _EDM2, _STYLEGAN = Tool("ADM", ("adm",)), Tool("EDM2", ("edm2",)), Tool("StyleGAN", ("stylegan3",))
_TORCH_FIDELITY, _CLEAN_FID = Tool("torch-fidelity", ("torch-fidelity",)), Tool("clean-fid", ("clean-fid",))
_DGM_EVAL, _TENSORFLOW = Tool("dgm-eval"), Tool("tools of the TensorFlow graph", ("adm",))
# Several tools write mu and sigma alone. numpy.mean keeps the dtype of float32 features, numpy.cov does not; only
# pytorch-fid's features are float64 before.
_PYTORCH_FID = Tool("", ("pytorch-fid", "edm2"))
_MEAN_IN_FLOAT32 = Tool("", ("clean-fid", "adm", "torch-fidelity", "jax-fid"))
_IMF = Tool("iMF and MeanFlow", ("imf", "drifting"))
# What EDM2 calls its networks, and the length of their features.
_DETECTORS = {"fid": ("inception", 2048), "fd_dinov2": ("dinov2-vit-l-14", 1024)}


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """Statistics or features of one layer.

    Attributes:
      label: what the file calls it.
      statistics: mean and covariance; None where only features are kept.
      rows: features, shape [N, d], float32 or float64; None where only statistics are kept.
      spatial: whether they are of the layer of sFID.
      extractor: the name of the network, where the file says.
    """

    label: str
    statistics: FeatureStatistics | None = None
    rows: Float[np.ndarray, "n d"] | None = None
    spatial: bool = False
    extractor: str | None = None

    @property
    def feature_size(self) -> int:
        """Length of the feature vectors."""
        if self.statistics is not None:
            return self.statistics.feature_size
        assert self.rows is not None
        return self.rows.shape[1]


@dataclasses.dataclass(frozen=True, eq=False)
class FileContent:
    """What a file holds in the place of images.

    Attributes:
      parts: at least one.
      tool: who writes such files.
      identity: how the features were made; None for files that do not say.
      image_key: the array of the file that holds the images themselves, if one does.
    """

    parts: tuple[Part, ...]
    tool: Tool = Tool()
    identity: Mapping[str, Any] | None = None
    image_key: str | None = None


def read_kept(path: Path, key: str | None = None) -> FileContent | None:
    """The statistics or features of a file; None where it holds none.

    Args:
      path: a file; the end of its name is one of `KEPT_SUFFIXES`.
      key: which of its arrays or detectors, where it has several.

    Raises:
      InputError: the file is damaged, or asks for code to be run, or its arrays are not what they should be.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _read_npz(path, key)
    if suffix == ".npy":
        return _read_npy(path, key)
    tool = _TORCH_FIDELITY if suffix in (".pt", ".pth") else Tool()
    return _content_of_object(path, _saved(path, _bytes_of(path)), key, tool)


def statistics_in(path: str | os.PathLike[str], feature_size: int) -> FeatureStatistics:
    """The mean and covariance of so many features in a file of statistics or of features.

    Args:
      path: of a file as `read_kept` takes it.
      feature_size: how many features; of several layers in the file, the first of them counts that is not sFID's.

    Raises:
      InputError: as `read_kept`, or there are none.
    """
    file = local_path(path)
    if not file.is_file():
        raise InputError(f"{str(path)!r} is no file; give a file of statistics or of features (docs/statistics.md)")
    content = read_kept(file)
    if content is None:
        raise InputError(f"{str(path)!r} holds neither statistics nor features (docs/statistics.md)")
    parts = sorted((part for part in content.parts if part.feature_size == feature_size), key=lambda p: p.spatial)
    if not parts:
        sizes = " and ".join(f"{part.feature_size:,}" for part in content.parts)
        raise InputError(f"{str(path)!r} is of {sizes} features; {feature_size:,} are expected")
    if parts[0].statistics is not None:
        return parts[0].statistics
    assert parts[0].rows is not None  # a part has the one or the other
    return statistics_of_features(parts[0].rows, str(path))


def _read_npz(path: Path, key: str | None) -> FileContent | None:
    headers = read_array_headers(path, {*_GAUSSIAN, *_SPATIAL, *_REFERENCE, *_FEATURE_KEYS, "metadata"})
    if headers is None:
        return None  # whoever reads it as images says what is wrong with it
    if key is not None:
        if key not in headers or not _has_rows(headers[key]):
            return None
        return FileContent((_features(path, key, read_arrays(path, {key})[key]),))
    if {"metadata", *_GAUSSIAN} <= headers.keys():
        statistics, identity = load_statistics(path)
        return FileContent((Part("mu, sigma", statistics, statistics.features),), identity=identity)
    image_key = next((name for name in _IMAGE_KEYS if name in headers and _has_images(headers[name])), None)
    pairs = [pair for pair in (_GAUSSIAN, _SPATIAL, _REFERENCE) if set(pair) <= headers.keys()]
    named = [name for name in _FEATURE_KEYS if name in headers and _has_rows(headers[name])]
    if not pairs and not named and len(headers) == 1 and all(map(_has_rows, headers.values())):
        named = list(headers)
    if not pairs and not named:
        return None
    arrays = read_arrays(path, {*(name for pair in pairs for name in pair), *named})
    parts = [Part(", ".join(pair), _gaussian(path, arrays, pair), spatial=pair == _SPATIAL) for pair in pairs]
    parts += [_features(path, name, arrays[name]) for name in named]
    return FileContent(tuple(parts), _tool_of_npz(headers, pairs, named, image_key), None, image_key)


def _tool_of_npz(
    headers: Mapping[str, ArrayHeader], pairs: Sequence[tuple[str, str]], named: Sequence[str], image_key: str | None
) -> Tool:
    if _SPATIAL in pairs or (pairs and image_key is not None):
        return _ADM
    if _REFERENCE in pairs:
        return _IMF
    if pairs:
        mean, covariance = (headers[name].dtype for name in _GAUSSIAN)
        if covariance != np.float64:
            return Tool()
        return _PYTORCH_FID if mean == np.float64 else _MEAN_IN_FLOAT32
    return {"pool_3": _TENSORFLOW, "reps": _DGM_EVAL, "feats": _CLEAN_FID}.get(named[0], Tool())


def _read_npy(path: Path, key: str | None) -> FileContent | None:
    try:
        with path.open("rb") as stream:
            header, start = read_header(stream), stream.tell()
    except (OSError, ValueError, EOFError):
        return None  # whoever reads it as images says what is wrong with it
    if header.dtype.hasobject:
        return _content_of_object(path, _saved(path, _bytes_of(path)[start:]), key, Tool())
    if not _has_rows(header):
        return None
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the features in {str(path)!r} ({error}); write the file again") from error
    return FileContent((_features(path, "the array", rows),))


def _content_of_object(path: Path, value: Any, key: str | None, tool: Tool) -> FileContent:
    name = str(path)
    if isinstance(value, dict) and key is not None:
        if key not in value:
            raise InputError(f"{name!r} holds no {key!r}; choose from {', '.join(map(str, value)) or 'nothing'}")
        value = {key: value[key]}
    if isinstance(value, np.ndarray):
        return FileContent((_features(path, "the tensor", value),), tool)
    if not isinstance(value, dict):
        raise InputError(f"{name!r} holds neither statistics nor features; arrays by the names of a tool are expected")
    if {*_RAW, "num_items"} <= value.keys() or {"all_features", "num_items"} <= value.keys():
        return FileContent((_stylegan(path, value),), _STYLEGAN)
    for pair, whose in ((_GAUSSIAN, tool), (_REFERENCE, _IMF)):
        if set(pair) <= value.keys():
            return FileContent((Part(", ".join(pair), _gaussian(path, value, pair)),), whose)
    detectors = {
        str(detector): found
        for detector, found in value.items()
        if isinstance(found, dict) and set(_GAUSSIAN) <= found.keys()
    }
    if detectors:
        count = _count(path, "num_images", value["num_images"]) if "num_images" in value else None
        known = bool(detectors.keys() & _DETECTORS.keys())
        return FileContent(
            tuple(_of_detector(path, detector, found, count) for detector, found in detectors.items()),
            _EDM2 if known else Tool(),
        )
    named = [one for one in _FEATURE_KEYS if isinstance(value.get(one), np.ndarray)]
    named = named or ([key] if key is not None and isinstance(value[key], np.ndarray) else [])
    if named:
        return FileContent(tuple(_features(path, one, value[one]) for one in named), tool)
    raise InputError(
        f"{name!r} holds {', '.join(map(str, list(value)[:8])) or 'nothing'}; mu and sigma, or features named "
        f"{', '.join(_FEATURE_KEYS)}, are expected"
    )


def _of_detector(path: Path, detector: str, found: Mapping[str, Any], count: int | None) -> Part:
    statistics = _gaussian(path, found, _GAUSSIAN, prefix=f"{detector}: ", count=count)
    extractor, size = _DETECTORS.get(detector, (None, None))
    return Part(detector, statistics, extractor=extractor if statistics.feature_size == size else None)


def _stylegan(path: Path, value: Mapping[str, Any]) -> Part:
    """`raw_mean` and `raw_cov` are sums over the images; both are zeros where only features were captured."""
    name, count = str(path), _count(path, "num_items", value["num_items"])
    rows = statistics = None
    captured = value.get("all_features")
    if isinstance(captured, np.ndarray) or captured:
        batches = [captured] if isinstance(captured, np.ndarray) else captured
        if not all(isinstance(one, np.ndarray) and one.ndim == 2 for one in batches):
            raise InputError(f"all_features in {name!r} are no arrays of features; compute them again")
        if len({one.shape[1] for one in batches}) > 1:
            raise InputError(f"all_features in {name!r} are of different lengths; compute them again")
        rows = _checked_rows(path, "all_features", np.concatenate(batches))
        if len(rows) != count:
            raise InputError(f"{name!r} holds {len(rows):,} features and says num_items {count:,}; compute it again")
    sums = [_as_array(path, key, value.get(key)) for key in _RAW] if value.get("raw_mean") is not None else []
    if sums and value.get("capture_mean_cov", True):
        if not all(jnp.issubdtype(one.dtype, jnp.floating) for one in sums) or sums[1].shape != sums[0].shape * 2:
            raise InputError(f"raw_mean and raw_cov in {name!r} are not a mean [d] and a covariance [d, d]")
        mean, squares = (one.astype(np.float64) / count for one in sums)
        matrix = squares - np.outer(mean, mean)
        statistics = checked_statistics(name, mean, matrix, count=count, ddof=0, keys=_RAW)
    if rows is None and statistics is None:
        raise InputError(f"{name!r} holds neither features nor their mean and covariance; compute it again")
    return Part("raw_mean, raw_cov" if rows is None else "all_features", statistics, rows)


def _gaussian(
    path: Path, arrays: Mapping[str, Any], pair: tuple[str, str], *, prefix: str = "", count: int | None = None
) -> FeatureStatistics:
    mean, covariance = (_as_array(path, prefix + key, arrays[key]) for key in pair)
    keys = (prefix + pair[0], prefix + pair[1])
    return checked_statistics(str(path), mean, covariance, count=count, keys=keys)


def _features(path: Path, label: str, values: np.ndarray) -> Part:
    return Part(label, rows=_checked_rows(path, label, values))


def _checked_rows(path: Path, label: str, values: np.ndarray) -> Float[np.ndarray, "n d"]:
    name = str(path)
    if not _has_rows(ArrayHeader(values.shape, values.dtype, False)):
        raise InputError(
            f"{label} in {name!r} is {values.dtype}{list(values.shape)}; features of shape [N, d] and a floating type "
            "are expected"
        )
    rows = np.asarray(values)
    rows = rows.astype(np.float64 if rows.dtype.itemsize > 4 else np.float32, copy=False)
    finite = np.isfinite(rows).all(1)
    if not finite.all():
        raise InputError(
            f"{label} in {name!r} has values that are not finite, the first in row {int((~finite).argmax())}; compute "
            "the features again"
        )
    return rows


def _has_rows(header: ArrayHeader) -> bool:
    return len(header.shape) == 2 and min(header.shape) > 0 and bool(jnp.issubdtype(header.dtype, jnp.floating))


def _has_images(header: ArrayHeader) -> bool:
    return len(header.shape) in (3, 4) and min(header.shape) > 0 and header.dtype == np.uint8


def _as_array(path: Path, key: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise InputError(f"{key} in {str(path)!r} is no array; compute the statistics again")
    return value


def _count(path: Path, key: str, value: Any) -> int:
    """A number of images: an integer, or an array of one."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 2:
        raise InputError(f"{key} in {str(path)!r} is not a number of images of 2 or more; compute the statistics again")
    return int(value)


def _saved(path: Path, content: bytes) -> Any:
    try:
        return read_saved(content, repr(str(path)))
    except WeightsError as error:
        raise InputError(str(error)) from error


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, MemoryError) as error:
        raise InputError(f"cannot read {str(path)!r} ({error})") from error
