"""The exceptions that jaxeval raises on purpose.

Each message is one sentence that names the offending file or value and says what to do; the command line prints it
as it stands.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxeval.evaluation import Evaluation

__all__ = ["InputError", "JaxevalError", "PreemptedError", "WeightsError", "WeightsMissingError"]


class JaxevalError(Exception):
    """Base of every error that a user can mend.

    Attributes:
      exit_code: the command line's.
      partial: what an evaluation had finished before the error, if anything.
      said_elsewhere: whether another process of the same run tells the user.
    """

    exit_code: int = 2
    partial: "Evaluation | None" = None
    said_elsewhere: bool = False


class InputError(JaxevalError, ValueError):
    """Data, a file or an argument is not what was expected."""


class PreemptedError(JaxevalError):
    """The run was told to end, has saved what it had, and goes on from there when it is started again."""

    exit_code = 75  # EX_TEMPFAIL, which schedulers take for "try again"


class WeightsError(JaxevalError):
    """A weights file is not what it claims to be: wrong checksum, names, shapes or format."""


class WeightsMissingError(WeightsError):
    """An extractor's weights are not in the cache folder."""

    exit_code = 3
