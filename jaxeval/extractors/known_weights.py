"""What is known of published weights: where they come from, their checksum, and what must be in them."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

_LITE = "pip install 'jaxeval[lite]'"

Reader = Callable[[bytes, str], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Layout:
    """The same tensors as another publisher names and divides them.

    Attributes:
        marker: a tensor's name by which such a file is known.
        shapes: gives name and shape of every tensor in it.
        convert: from these tensors to those of `KnownWeights.shapes`.
    """

    marker: str
    shapes: Callable[[], Mapping[str, tuple[int, ...]]]
    convert: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]


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
        install: what installs that package, unless it is an extra of jaxeval's.
        layouts: other forms of the same tensors.
        unused: patterns of the names of tensors that may be in the file and have no use at inference.
        read: gives what is kept of a file that holds no tensors.
    """

    name: str
    description: str
    licence: str
    source: str
    sha256: str
    bytes: int
    shapes: Callable[[], Mapping[str, tuple[int, ...]]]
    package: tuple[str, str] | None = None
    install: str = ""
    layouts: tuple[Layout, ...] = ()
    unused: tuple[str, ...] = ()
    read: Reader | None = None

    @property
    def how_to_get(self) -> str:
        """The advice for a user who does not have the weights: which commands get them."""
        if self.package is not None:
            imported = f", or get its file {self.package[1]} on another machine and run " if self.install else ""
            return f"run `{self.install or _LITE}`" + (
                imported and f"{imported}`jaxeval weights import {self.name} FILE`"
            )
        return (
            f"run `jaxeval weights download {self.name}`, or get {self.source} on another machine and run "
            f"`jaxeval weights import {self.name} FILE`"
        )
