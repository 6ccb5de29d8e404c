"""Packages that only a part of jaxeval needs: imported where it needs them, and named where they are missing."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from jaxeval.errors import InputError, MissingPackageError


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


def object_at(module: str, attribute: str, name: str) -> Any:
    """What a module of the user's own has under a name; modules in the working directory are found too.

    Args:
      module: its name, as in an import.
      attribute: of the module.
      name: what it is to be, the beginning of the sentence where it cannot be had.

    Raises:
      InputError: the module cannot be imported, or has no such attribute.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` has it, which an installed command has not
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError as error:
        raise InputError(f"{name}: module {module} has no {attribute}") from error
    except Exception as error:  # the user's own code may raise anything
        sentence = (str(error).splitlines() or [""])[0]
        raise InputError(f"{name}: {module} cannot be imported ({type(error).__name__}: {sentence})") from error


def user_cache_folder(purpose: str) -> Path:
    """Where this system keeps what jaxeval can make again for a user.

    Raises:
      MissingPackageError: the package that knows is not installed.
    """
    return needed("platformdirs", purpose).user_cache_path("jaxeval")
