"""CLIP's tokenizer: byte-level pair encoding of lower-cased text, from the vocabulary file that CLIP publishes.

References: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021, and its
`simple_tokenizer.py`; Hugging Face's `CLIPTokenizer`, whose cleaning is followed: Unicode NFC, runs of white space as
one space, lower case. OpenAI's own also repairs mis-encoded and curly-quoted text (ftfy) and unescapes HTML; ordinary
captions do not show the difference.
"""

import functools
import itertools
import json
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32, UInt8

from jaxeval.errors import InputError, WeightsError

MERGES = 48_894  # of the published vocabulary: the file goes on, but CLIP stops at 49,408 tokens
_END_OF_WORD = "</w>"
_START, _END = "<|startoftext|>", "<|endoftext|>"
_CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
# The Unicode property White_Space; `str.isspace` also counts four control characters.
_SPACE = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}
_MAX_TEXT_BYTES = 32 * 2**20  # the published file unpacks to 3 MB

Merge = tuple[str, str]


class ClipTokenizer:
    """Turns text into token numbers.

    Args:
        merges: pairs of symbols in order of rank, as `read_vocabulary` gives them. Tokens are numbered as CLIP does:
            the 256 bytes, the same at the end of a word, one for each merge, start of text, end of text.

    Attributes:
        size: number of tokens.
        start, end: numbers of the tokens that stand around a text.
    """

    def __init__(self, merges: Sequence[Merge]):
        self._bytes = _printable_bytes()
        tokens = _numbered(merges)
        self._numbers = {token: number for number, token in enumerate(tokens)}
        self._ranks = {merge: rank for rank, merge in enumerate(merges)}
        self._word = functools.lru_cache(65_536)(self._encode_word)
        self.size = len(tokens)
        self.start, self.end = self._numbers[_START], self._numbers[_END]

    def encode(self, text: str) -> list[int]:
        """Token numbers of a text, without those that stand around it."""
        text = unicodedata.normalize("NFC", text)
        # Character by character: Python would write a capital sigma differently at the end of a word.
        text = "".join(character.lower() for character in text)
        return [number for word in _words(text) for number in self._word(word)]

    def __call__(
        self, texts: Sequence[Any], *, context: int = 77, truncate: bool = False
    ) -> Int32[np.ndarray, "n {context}"]:
        """Token numbers of several texts, `[N, context]`: start, text, end, then zeros, which no text is read past.

        Args:
            texts: any number of strings.
            context: tokens that the network takes.
            truncate: whether to cut off what does not fit; otherwise that is an error.

        Raises:
            InputError: a text is too long, or is no string (a missing caption, perhaps).
        """
        rows = np.zeros((len(texts), context), np.int32)
        for number, (row, text) in enumerate(zip(rows, texts, strict=True), 1):
            if not isinstance(text, str):
                raise InputError(f"text {number} of {len(texts)} is no string, but {text!r}")
            numbers = self.encode(text)
            if len(numbers) > context - 2 and not truncate:
                raise InputError(
                    f"the text {_shortened(text)!r} has {len(numbers)} tokens, and CLIP reads {context - 2}: shorten "
                    "it, or let it be cut off with truncate=True"
                )
            numbers = [self.start, *numbers[: context - 2], self.end]
            row[: len(numbers)] = numbers
        return rows

    def _encode_word(self, word: str) -> tuple[int, ...]:
        if word in (_START, _END):
            return (self._numbers[word],)
        symbols = [self._bytes[byte] for byte in word.encode()]
        symbols[-1] += _END_OF_WORD
        while len(symbols) > 1:
            pairs = set(itertools.pairwise(symbols))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            symbols = list(_joined(symbols, best))
        return tuple(self._numbers[symbol] for symbol in symbols)


def read_vocabulary(content: bytes, source: str) -> tuple[Merge, ...]:
    """The merges of a vocabulary file.

    Args:
        content: OpenAI's `bpe_simple_vocab_16e6.txt`, packed with gzip or not; Hugging Face's `merges.txt` or
            `tokenizer.json`.
        source: the file's name, for messages.

    Raises:
        WeightsError: none of these, damaged, or with tokens numbered otherwise than CLIP does.
    """
    if content[:2] == b"\x1f\x8b":
        content = _unpacked(content, source)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise WeightsError(f"{source}: not a vocabulary: it is not UTF-8 text") from error
    merges = _from_json(text, source) if text.lstrip()[:1] == "{" else _from_lines(text, source)
    if not merges:
        raise WeightsError(f"{source}: not a vocabulary: it has no merges")
    return tuple(merges)


def stored_merges(content: bytes, source: str) -> dict[str, UInt8[np.ndarray, " n"]]:
    """`read_vocabulary`, as the one tensor that the weights folder keeps: UTF-8 text, a merge a line."""
    text = "\n".join(" ".join(merge) for merge in read_vocabulary(content, source))
    return {"merges": np.frombuffer(text.encode(), np.uint8)}


def _from_lines(text: str, source: str) -> list[Merge]:
    lines = text.split("\n")
    start = int("#version" in lines[0])
    merges = []
    for number, line in enumerate(lines[start : start + MERGES], start + 1):
        parts = line.split()
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
        elif parts:
            raise WeightsError(f"{source}: not a vocabulary: line {number} is not a pair of symbols")
    return merges


def _from_json(text: str, source: str) -> list[Merge]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{source}: damaged JSON: get the file again") from error
    model = document.get("model") if isinstance(document, dict) else None
    if not isinstance(model, dict) or "merges" not in model:
        raise WeightsError(f"{source}: no merges in it: import the merges.txt that belongs to it, or tokenizer.json")
    pairs, numbers = model["merges"], model.get("vocab")
    if not isinstance(pairs, list) or not isinstance(numbers, dict):
        raise WeightsError(f"{source}: not a vocabulary of byte pairs")
    merges = []
    for pair in pairs:
        parts = pair.split(" ") if isinstance(pair, str) else pair
        if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
            raise WeightsError(f"{source}: not a vocabulary: {_shortened(str(pair))!r} is not a pair of symbols")
        merges.append((parts[0], parts[1]))
    for number, token in enumerate(_numbered(merges)):
        if numbers.get(token) != number:
            raise WeightsError(f"{source}: token {token!r} is number {numbers.get(token)}, where CLIP has {number}")
    return merges


def _unpacked(content: bytes, source: str) -> bytes:
    decoder = zlib.decompressobj(wbits=31)
    try:
        text = decoder.decompress(content, _MAX_TEXT_BYTES)
    except zlib.error as error:
        raise WeightsError(f"{source}: damaged gzip file ({error}): get the file again") from error
    if decoder.unconsumed_tail:
        raise WeightsError(f"{source}: refused, because it unpacks to more than {_MAX_TEXT_BYTES} bytes")
    if not decoder.eof:
        raise WeightsError(f"{source}: cut short: get the file again")
    return text


def _numbered(merges: Sequence[Merge]) -> list[str]:
    """The number of every token, in CLIP's order."""
    symbols = sorted(_printable_bytes(), key=lambda symbol: (ord(symbol) > 255, ord(symbol)))
    return [*symbols, *(symbol + _END_OF_WORD for symbol in symbols), *map("".join, merges), _START, _END]


@functools.cache
def _printable_bytes() -> tuple[str, ...]:
    """A visible character for each byte: itself where Latin-1 has one, else one from U+0100 on."""
    visible = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return tuple(chr(byte) if byte in visible else chr(next(others)) for byte in range(256))


def _words(text: str) -> Iterator[str]:
    """What is encoded on its own: contractions, runs of letters, single digits, runs of anything else but space."""
    start = 0
    while start < len(text):
        whole = next((word for word in (_START, _END, *_CONTRACTIONS) if text.startswith(word, start)), None)
        kind = _kind(text[start])
        if whole is not None:
            stop = start + len(whole)
        else:
            stop = start + 1
            while kind != "number" and stop < len(text) and _kind(text[stop]) == kind:
                stop += 1
        if whole is not None or kind != "space":
            yield text[start:stop]
        start = stop


def _kind(character: str) -> str:
    if character in _SPACE:
        return "space"
    return {"L": "letter", "N": "number"}.get(unicodedata.category(character)[0], "other")


def _joined(symbols: list[str], pair: Merge) -> Iterator[str]:
    index = 0
    while index < len(symbols):
        if index + 1 < len(symbols) and (symbols[index], symbols[index + 1]) == pair:
            yield symbols[index] + symbols[index + 1]
            index += 2
        else:
            yield symbols[index]
            index += 1


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
