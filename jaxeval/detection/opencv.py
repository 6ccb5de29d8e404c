"""OpenCV, which text and faces are found with: imported where it is needed."""

from typing import Any

from jaxeval._packages import needed
from jaxeval.errors import InputError, MissingPackageError, said_by


def opencv(whose: str, extra: str) -> Any:
    """The module `cv2`.

    Args:
      whose: what needs it, the beginning of messages.
      extra: of jaxeval's optional requirements, the one that has it.

    Raises:
      InputError: it is there and cannot be loaded, as where a library for windows is not.
      MissingPackageError: it is not installed.
    """
    try:
        return needed("cv2", whose, package=f"'jaxeval[{extra}]'")
    except MissingPackageError:
        raise
    except ImportError as error:
        raise InputError(
            f"{whose} needs OpenCV, which cannot be loaded ({said_by(error)[:200]}); on a machine without a display "
            "put another build in its place: pip install --force-reinstall --no-deps 'opencv-python-headless<5'"
        ) from error
