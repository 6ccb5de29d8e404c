"""Packages that only a part of jaxeval needs: imported where it needs them, and named where they are missing."""

import importlib
from pathlib import Path
from typing import Any

from jaxeval.errors import MissingPackageError

__all__ = ["needed", "user_cache_folder"]


def needed(module: str, purpose: str, *, package: str | None = None) -> Any:
    """A module that is imported when it is first used.

    Args:
      module: its name, as in an import.
      purpose: what needs it, the beginning of the sentence where it is missing.
      package: what installs it, where that has another name.

    Raises:
      MissingPackageError: its package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != top:
            raise  # it is there, and something that it imports itself is not
        package = package or top
        raise MissingPackageError(
            f"{purpose} needs the package {package}; install it: pip install {package}", name=top
        ) from error


def user_cache_folder(purpose: str) -> Path:
    """Where this system keeps what jaxeval can make again for a user.

    Raises:
      MissingPackageError: the package that knows is not installed.
    """
    return needed("platformdirs", purpose).user_cache_path("jaxeval")
