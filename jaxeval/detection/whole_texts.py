"""Texts that files can keep: without halves of characters and without NULs, which arrays of texts lose."""

from collections.abc import Iterable


def fault_of(texts: Iterable[str]) -> str | None:
    r"""What is wrong with the first text that cannot be kept, in words; None where all can.

    Example:
      >>> from jaxeval.detection.whole_texts import fault_of
      >>> fault_of(["a cat"]) is None, fault_of(["a cat\0"])
      (True, 'a NUL character; leave it out')
    """
    for text in texts:
        if "\0" in text:
            return "a NUL character; leave it out"
        try:
            text.encode()
        except UnicodeEncodeError:
            return "half of a character (a lone surrogate); give it whole"
    return None
