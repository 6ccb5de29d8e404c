"""What an option that names a file or folder takes: paths of this machine, and nothing that only looks like one."""

import os
from typing import Any

import click

from jaxeval.errors import InputError
from jaxeval.files import local_name


class _LocalPath(click.ParamType):
    """A path or a `file://` URL, which becomes the path that it means; other URLs are refused before any work."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path as text.

        Raises:
          InputError: as `local_name`, with the option's name.
        """
        try:
            return os.path.expanduser(local_name(value))
        except InputError as error:
            option = "" if param is None else f"{param.opts[-1]} " if param.opts[-1].startswith("-") else ""
            raise InputError(f"{option}{error}") from error


LOCAL_PATH = _LocalPath()
