"""What every file of results has: how it is kept, and on what and with which packages its numbers were made."""

import abc
import importlib.metadata
import json
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import jax

from jaxeval._version import __version__
from jaxeval.files import check_writable, local_path, write_atomically

__all__ = ["Document", "device_name", "finite_values", "versions"]


class Document(abc.ABC):
    """What a call gives back as a whole, and how it is kept.

    Attributes:
      file_name: under which a folder keeps it.
      manifest: how the numbers were found.
    """

    file_name: ClassVar[str]
    manifest: Mapping[str, Any]

    @property
    def not_computed(self) -> tuple[str, ...]:
        """What was asked for and could not be had, with the reason; a sentence each."""
        return tuple(str(one["sentence"]) for one in self.manifest["not_computed"])

    @property
    def missing(self) -> tuple[str, ...]:
        """Those of `not_computed` that were asked for by name, or that a fault cost."""
        return tuple(str(one["sentence"]) for one in self.manifest["not_computed"] if one["missing"])

    @abc.abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The JSON document as a dictionary of plain values."""

    def to_json(self) -> str:
        """The JSON document as text; every number in it is finite."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def save(self, folder: str | Path) -> Path:
        """Writes the document into a folder, which is made if need be, and returns its path.

        Raises:
          InputError: the folder cannot be written.
        """
        path = local_path(folder) / self.file_name
        check_writable(path.parent)
        write_atomically(path, (self.to_json() + "\n").encode())
        return path


def device_name() -> str:
    """The kind of device that computes, for the record."""
    device = jax.local_devices()[0]
    return device.platform if device.device_kind == device.platform else f"{device.platform} ({device.device_kind})"


def versions() -> dict[str, str]:
    """Versions of the packages that take part in a number."""
    packages = ("jax", "jaxlib", "flax", "numpy", "scipy", "pillow")
    found = {package: importlib.metadata.version(package) for package in packages}
    return {"jaxeval": __version__, "python": platform.python_version(), **found}


def finite_values(value: Any) -> Any:
    """Plain values as JSON can hold them: numbers that are not finite become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: finite_values(one) for name, one in value.items()}
    return [finite_values(one) for one in value] if isinstance(value, list | tuple) else value
