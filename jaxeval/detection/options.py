"""Options of detectors as texts, as they stand behind the question mark of `onnx:FILE?key=value`."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from jaxeval.errors import InputError

_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


class Options:
    """Options of one detector, each taken once by name; what nobody took is not known.

    Args:
      whose: how messages call the detector.
      given: the texts by name.

    Example:
      >>> from jaxeval.detection.options import Options
      >>> options = Options("the detector ocr", {"text_score": "0.25"})
      >>> options.number("text_score", 0.5, 0, 1), options.flag("upright", True)
      (0.25, True)
    """

    def __init__(self, whose: str, given: Mapping[str, str]):
        self._whose = whose
        self._given = dict(given)
        self._taken: set[str] = set()

    def text(self, name: str, default: str | None = None) -> str | None:
        """A text, or the default."""
        self._taken.add(name)
        return self._given.get(name, default)

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """A number within a range."""
        given = self.text(name)
        if given is None:
            return default
        try:
            found = float(given)
        except ValueError:
            found = float("nan")
        if not least <= found <= most:
            raise InputError(f"{self._whose} has {name}={given[:40]}; give a number from {least:g} to {most:g}")
        return found

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within a range."""
        found = self.number(name, default, least, most)
        if found != int(found):
            raise InputError(f"{self._whose} has {name}={found:g}; give a whole number from {least} to {most}")
        return int(found)

    def flag(self, name: str, default: bool) -> bool:
        """Yes or no."""
        given = self.text(name)
        if given is None:
            return default
        if given.lower() not in (*_YES, *_NO):
            raise InputError(f"{self._whose} has {name}={given[:40]}; give yes or no")
        return given.lower() in _YES

    def check_all_taken(self) -> None:
        """Refuses options that nobody took.

        Raises:
          InputError: there is one.
        """
        unknown = sorted(set(self._given) - self._taken)
        if unknown:
            known = ", ".join(sorted(self._taken))
            raise InputError(f"{self._whose} has no option {unknown[0]!r}; it has {known}")


def parts_of(spec: str) -> tuple[str, dict[str, str]]:
    """What stands before the question mark, and the options behind it.

    Raises:
      InputError: an option is not `key=value`, or stands twice.
    """
    place, _, query = spec.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) != len(pairs) or (query and not all("=" in part for part in query.split("&"))):
        raise InputError(f"the detector {spec!r} has options that are not key=value, each once, with & between")
    return place, options
