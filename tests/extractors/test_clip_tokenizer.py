"""CLIP's tokenizer on small vocabularies: numbers worked out by hand, the forms of the file, and what is refused."""

import gzip
import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_vocabulary import SENTENCES, byte_symbols, learned_merges, numbered_tokens, vocabulary_text

from jaxeval.errors import InputError, WeightsError
from jaxeval.extractors import ClipTokenizer, WeightsStore
from jaxeval.extractors.clip_tokenizer import MERGES, read_vocabulary

BY_HAND = [("c", "a"), ("ca", "t</w>"), ("a", "t</w>"), ("ca", "t")]
MANY = learned_merges(120)


@pytest.fixture(scope="module")
def tokenizer():
    return ClipTokenizer(BY_HAND)


def number(symbol, *, last=True):
    """A byte's number: those below 256 stand inside a word, those from 256 on at its end."""
    return list(byte_symbols().values()).index(symbol) + 256 * last


def test_numbers_by_hand(tokenizer):
    assert tokenizer.size == 512 + 4 + 2
    assert (tokenizer.start, tokenizer.end) == (516, 517)
    assert number("!", last=False) == 0
    assert tokenizer.encode("cat") == [513]
    assert tokenizer.encode("Cats") == [515, number("s")]
    assert tokenizer.encode("  at\n\tCAT ") == [514, 513]
    assert tokenizer.encode("cat's") == [513, number("'", last=False), number("s")]
    assert tokenizer.encode("12!?") == [number("1"), number("2"), number("!", last=False), number("?")]
    assert tokenizer.encode("é") == [number("Ã", last=False), number("©")]
    assert tokenizer.encode("e\u0301") == tokenizer.encode("é")
    assert tokenizer.encode("") == []


def test_rows_hold_start_text_end_and_zeros(tokenizer):
    rows = tokenizer(["cat at", ""], context=6)
    assert rows.dtype == np.int32
    np.testing.assert_array_equal(rows, [[516, 513, 514, 517, 0, 0], [516, 517, 0, 0, 0, 0]])


def test_text_that_does_not_fit(tokenizer):
    with pytest.raises(
        InputError, match=r"'cat cat cat' has 3 tokens, and CLIP reads 2: shorten it, or .*truncate=True"
    ):
        tokenizer(["cat cat cat"], context=4)
    np.testing.assert_array_equal(tokenizer(["cat cat cat"], context=4, truncate=True), [[516, 513, 513, 517]])
    with pytest.raises(InputError, match="text 2 of 2 is no string, but nan"):
        tokenizer(["cat", float("nan")])


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=30), st.sampled_from(SENTENCES))
def test_tokens_spell_the_text(text, sentence):
    tokenizer, tokens = ClipTokenizer(MANY), list(numbered_tokens(MANY))
    text = f"{sentence} {text}".replace("<|", "<")
    spelled = "".join(tokens[number] for number in tokenizer.encode(text))
    backwards = {symbol: byte for byte, symbol in byte_symbols().items()}
    words = [bytes(backwards[symbol] for symbol in word).decode() for word in spelled.split("</w>")]
    expected = "".join(character.lower() for character in unicodedata.normalize("NFC", text))
    spaces = {c for c in expected if c.isspace() and c not in "\x1c\x1d\x1e\x1f"}
    assert "".join(words) == "".join(character for character in expected if character not in spaces)


def contents():
    numbers = numbered_tokens(MANY)
    openai = vocabulary_text(MANY).encode()
    return {
        "bpe_simple_vocab_16e6.txt.gz": gzip.compress(openai),
        "bpe_simple_vocab_16e6.txt": openai,
        "merges.txt": vocabulary_text(MANY, "#version: 0.2").encode(),
        "no header": vocabulary_text(MANY).split("\n", 1)[1].encode(),
        "tokenizer.json": json.dumps({"model": {"merges": [" ".join(m) for m in MANY], "vocab": numbers}}).encode(),
        "newer tokenizer.json": json.dumps({"model": {"merges": [list(m) for m in MANY], "vocab": numbers}}).encode(),
    }


@pytest.mark.parametrize("form", contents())
def test_every_form_of_the_file(form):
    assert read_vocabulary(contents()[form], form) == tuple(MANY)


def test_the_published_file_is_read_no_further_than_clip_does():
    lines = [f"{first}{second} x" for first in range(300) for second in range(200)]
    merges = read_vocabulary("\n".join(["#version", *lines]).encode(), "long")
    assert len(merges) == MERGES
    assert merges[-1] == tuple(lines[MERGES - 1].split())
    assert ClipTokenizer(merges).size == 49_408


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "x: not a vocabulary: it is not UTF-8"),
        (b"", "it has no merges"),
        (b"#version\na b\na b c\n", "line 3 is not a pair of symbols"),
        (b"{", "damaged JSON"),
        (b'{"!": 0, "a": 1}', "no merges in it: import the merges.txt that belongs to it"),
        (b'{"model": {"merges": ["a b"], "vocab": {"a": 0}}}', "token '!' is number None, where CLIP has 0"),
        (b'{"model": {"merges": ["ab"], "vocab": {}}}', "'ab' is not a pair of symbols"),
        (b'{"model": {"merges": 3, "vocab": {}}}', "not a vocabulary of byte pairs"),
        # Without a time: the bytes name the test, and two workers must find the same names.
        (gzip.compress(b"#version\na b\n", mtime=0)[:-9], "cut short"),
        (b"\x1f\x8bxxxx", "damaged gzip"),
        (gzip.compress(bytes(40 * 2**20), mtime=0), "refused, because it unpacks to more than"),
    ],
)
def test_what_is_no_vocabulary_is_refused(content, message):
    with pytest.raises(WeightsError, match=message):
        read_vocabulary(content, "x")


def test_a_vocabulary_is_imported_like_weights(tmp_path):
    path = tmp_path / "merges.txt"
    path.write_bytes(contents()["merges.txt"])
    store = WeightsStore(tmp_path / "weights")
    with pytest.raises(
        WeightsError, match=r"that of the published 'clip-vocabulary' weights is 924691ac.*--unverified"
    ):
        store.import_file("clip-vocabulary", path)
    row = store.import_file("clip-vocabulary", path, unverified=True)
    assert (row.state, row.description) == ("custom", "your own weights of clip-vocabulary, from merges.txt")
    kept = store.load("clip-vocabulary")["merges"].tobytes()
    assert read_vocabulary(kept, "kept") == tuple(MANY)
    assert {entry.name: entry.state for entry in store.verify()}["clip-vocabulary"] == "custom"
