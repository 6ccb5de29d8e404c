"""A small vocabulary in CLIP's form, learned from a few sentences as byte-pair vocabularies are."""

import collections
import itertools

SENTENCES = (
    "a photo of a cat sitting on the mat",
    "a photo of two dogs playing in the snow near the old house",
    "an oil painting of a sunset over the sea, with sailing boats",
    "the cat's owner isn't here; they're at the station, and we've waited 25 minutes",
    "it's raining cats & dogs!!! (again...) #weather @home 3.14",
    "un café crème à la fenêtre, über den Dächern, naïve façade",
    "猫の写真です。 два кота на окне 🐱🐶 ½ ٣",
)


def byte_symbols():
    """The character for each byte, written out from the rule: visible Latin-1 as it is, the rest from 256 on."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = {byte: chr(byte) for byte in visible}
    for number, byte in enumerate(byte for byte in range(256) if byte not in visible):
        symbols[byte] = chr(256 + number)
    return symbols


def learned_merges(count):
    """The first `count` merges of byte-pair encoding on the words of `SENTENCES`, ties in order of appearance."""
    symbols = byte_symbols()
    words = collections.Counter()
    for sentence in SENTENCES:
        for word in sentence.lower().split():
            spelled = [symbols[byte] for byte in word.encode()]
            words[(*spelled[:-1], spelled[-1] + "</w>")] += 1
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, times in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += times
        if not pairs:
            break
        best = pairs.most_common(1)[0][0]
        merges.append(best)
        merged = collections.Counter()
        for word, times in words.items():
            joined = " ".join(word).replace(" ".join(best), "".join(best)) if best in itertools.pairwise(word) else None
            merged[tuple(joined.split(" ")) if joined else word] += times
        words = merged
    return merges


def numbered_tokens(merges):
    """Every token with its number, in CLIP's order."""
    symbols = list(byte_symbols().values())
    tokens = [*symbols, *(symbol + "</w>" for symbol in symbols), *map("".join, merges)]
    return {token: number for number, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}


def vocabulary_text(merges, header='"bpe_simple_vocab_16e6.txt#version: 0.2'):
    """The file that OpenAI publishes, or with another header Hugging Face's `merges.txt`."""
    return "\n".join([header, *(" ".join(merge) for merge in merges)]) + "\n"
