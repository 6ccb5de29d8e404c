"""What two texts are taken to be the same in spite of: named normalisations, each with whose it is.

Asked and read texts are normalised alike before they are compared. What a normalisation takes away costs nobody
anything, so that numbers of different normalisations are not to be compared.

References: "Unicode Normalization Forms", Unicode Standard Annex 15; Chen et al., "TextDiffuser: Diffusion Models as
Text Painters", 2023 (MARIO-Eval); Tuo et al., "AnyText: Multilingual Visual Text Generation and Editing", 2023; Zhao et
al., "LeX-Art: Rethinking Text Generation via Scalable High-Quality Data Synthesis", 2025; Wang et al., "TextAtlas5M: A
Large-scale Dataset for Dense Text Image Generation", 2025; Baek et al., "What Is Wrong With Scene Text Recognition
Model Comparisons? Dataset and Model Analysis", 2019.
"""

import dataclasses
import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping

from jaxeval._arguments import shown
from jaxeval.errors import InputError


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """A way to normalise text.

    Attributes:
      name: as users write it.
      definition: what it does and whose it is, in words.
      change: does it.

    Example:
      >>> from jaxeval.detection import text_normalisation
      >>> text_normalisation("words")("Don't  STOP!")
      'dont stop'
    """

    name: str
    definition: str
    change: Callable[[str], str]

    def __call__(self, text: str) -> str:
        """The text as it is compared."""
        return self.change(text)


def text_normalisation(name: str | Normalisation) -> Normalisation:
    """A normalisation by its name.

    Args:
      name: one of `text_normalisations()`, or a normalisation of the caller's own, which is given back.

    Raises:
      InputError: there is none of that name.

    Example:
      >>> from jaxeval.detection import text_normalisation
      >>> text_normalisation("casefold")("ＳＴＲＡßＥ")
      'strasse'
    """
    if isinstance(name, Normalisation):
        return name
    found = _KNOWN.get(name) if isinstance(name, str) else None
    if found is None:
        near = difflib.get_close_matches(str(name), _KNOWN, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"normalisation {shown(name)} is not known{hint}; choose from {', '.join(_KNOWN)}")
    return found


def text_normalisations() -> Mapping[str, str]:
    """What each named normalisation does, by its name.

    Example:
      >>> from jaxeval.detection import text_normalisations
      >>> sorted(text_normalisations())[:3]
      ['alphanumeric', 'anytext', 'casefold']
    """
    return {name: found.definition for name, found in _KNOWN.items()}


def _same(text: str) -> str:
    return text


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _compatible(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _casefold(text: str) -> str:
    """Folding may take letters apart, and composing may bring capitals back: both twice give what neither changes."""
    return _compatible(_compatible(unicodedata.normalize("NFD", text).casefold()).casefold())


def _words(text: str) -> str:
    letters = (letter for letter in _casefold(text) if not unicodedata.category(letter).startswith("P"))
    # An accent that stood behind what is left out may come to stand behind a letter.
    return " ".join(_compatible("".join(letters)).split())


def _letters(text: str) -> str:
    return _compatible("".join(_words(text).split()))


def _lower_words(text: str) -> str:
    return " ".join(text.lower().split())


def _alphanumeric(text: str) -> str:
    return re.sub("[^0-9a-z]", "", text.lower())


_KNOWN = {
    one.name: one
    for one in (
        Normalisation("exact", "the text as it is, code point by code point", _same),
        Normalisation("nfc", "Unicode's canonical composition (NFC): é is one letter, however it is stored", _composed),
        Normalisation(
            "nfkc", "Unicode's compatibility composition (NFKC): full-width letters, ligatures are plain", _compatible
        ),
        Normalisation("casefold", "NFKC, and Unicode's case folding: capitals and ß are as small letters", _casefold),
        Normalisation(
            "words",
            "NFKC, case folding, without punctuation (categories P of Unicode), one space between words",
            _words,
        ),
        Normalisation(
            "letters",
            "as `words`, without white space: for readers of text that miss spaces; there are no words in it",
            _letters,
        ),
        Normalisation(
            "alphanumeric",
            "small letters a to z and digits alone, as scene text recognition is compared (Baek et al., 2019); there "
            "are no words and no other scripts in it",
            _alphanumeric,
        ),
        Normalisation("anytext", "none: AnyText compares lines as they are (Sen. Acc and NED)", _same),
        Normalisation(
            "mario-eval", "small letters, words between white space, as TextDiffuser's MARIO-Eval", _lower_words
        ),
        Normalisation("lex-bench", "small letters, words between white space, as LeX-Bench", _lower_words),
        Normalisation(
            "textatlas", "small letters, words between white space, as TextAtlas compares words", _lower_words
        ),
    )
}
