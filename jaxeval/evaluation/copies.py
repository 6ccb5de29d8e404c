"""Images that occur twice: in two sets of a run, or in one of them.

Where the images of both sets were read, their pixels are compared as they are decoded, before any resizing; where only
features are known of one of them, features of one kind, bit for bit. Only digests are kept and sorted: 16 bytes an
image, so that sets of millions take seconds.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from jaxeval.errors import InputError
from jaxeval.images import DIGEST_BYTES

Role = Literal["reference", "held out", "generated"]
What = Literal["pixels", "features", "content"]

_NAMED = 3  # so many copies
_MOST_COPIES = 0.5  # a held-out set is of no use where more than this share of the images are copies

# By what is equal and whether within one set: what one image does, what several do.
_VERBS: dict[tuple[What, bool], tuple[str, str]] = {
    ("pixels", False): ("is an image of {}", "are images of {}"),
    ("pixels", True): ("repeats an earlier one of them", "repeat earlier ones of them"),
    ("features", False): ("has the features of an image of {}", "have the features of images of {}"),
    ("features", True): ("has the features of an earlier one of them", "have the features of earlier ones of them"),
}
_EXACTLY = {"pixels": "pixel for pixel", "features": "bit for bit"}


class _Index(NamedTuple):
    """Digests in order, each once."""

    values: Any  # [u], texts of bytes, which NumPy sorts fast
    firsts: Int[np.ndarray, " u"]  # the image that has it first
    inverse: Int[np.ndarray, " n"]  # of each image, which value is its own
    places: Int[np.ndarray, " n"]  # of each image in what was read, skipped items counted


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSet:
    """One set of a run, as copies are looked for in it.

    Attributes:
      name: as the user gave it.
      role: what it is in the run.
      pixels: a digest of each item's pixels, zero for those that were skipped; None where the pixels are not known.
      rows: features by what they are features of; for sets whose pixels are not known.
      names: gives the names of the items at some places; None where they have none.
      fingerprint: of the whole content, for sets of which neither is known.
    """

    name: str
    role: Role
    pixels: UInt8[np.ndarray, "m 16"] | None = None
    rows: Mapping[Any, Float[np.ndarray, "n d"]] = dataclasses.field(default_factory=dict)
    names: Callable[[Collection[int]], Sequence[str]] | None = None
    fingerprint: str | None = None

    def __str__(self) -> str:
        """What a sentence calls the set, its role included."""
        return {"reference": "the reference ", "held out": "the held-out set ", "generated": ""}[self.role] + self.name

    @functools.cached_property
    def by_pixels(self) -> _Index | None:
        """Its images by their pixels."""
        if self.pixels is None:
            return None
        places = np.flatnonzero(self.pixels.any(1))
        return _index(self.pixels[places], places)

    @functools.cached_property
    def _by_features(self) -> dict[Hashable, _Index]:
        return {}

    def by_features(self, kind: Hashable) -> _Index:
        """Its images by their features of one kind."""
        if kind not in self._by_features:
            rows = self.rows[kind]
            self._by_features[kind] = _index(_row_digests(rows), np.arange(len(rows)))
        return self._by_features[kind]

    def names_at(self, places: Sequence[int]) -> list[str | None]:
        """Names of some of its images."""
        if self.names is None:
            return [None] * len(places)
        wanted = sorted(set(places))
        found = dict(zip(wanted, self.names(wanted), strict=True))
        return [found[place] for place in places]


@dataclasses.dataclass(frozen=True)
class Copies:
    """Images of one set that occur in another one, or earlier in the same.

    Attributes:
      images: the set whose images are counted.
      among: the set that they occur in; the same one for those that repeat an earlier image of it.
      what: `pixels` or `features` are equal; `content` where only fingerprints say so.
      count: how many.
      total: images of the set.
      originals: how many images of the other set they are.
      among_total: images of the other set.
      first: names of the first few, and of the first image that each one equals; None where they have none.
      same: whether both sets hold the same images, each as often.
    """

    images: ImageSet
    among: ImageSet
    what: What
    count: int
    total: int
    originals: int
    among_total: int
    first: tuple[tuple[str | None, str | None], ...] = ()
    same: bool = False

    @property
    def most(self) -> bool:
        """Whether so many images of either set are copies that one set tells nothing new about the other."""
        return self.same or max(self.count / self.total, self.originals / self.among_total) > _MOST_COPIES

    @property
    def roles(self) -> tuple[Role, Role]:
        """The roles of both sets in the run."""
        return self.images.role, self.among.role

    def __str__(self) -> str:
        """The sentence that a reader is told."""
        return self._fact() + ("" if self.same else self._consequence())

    def to_dict(self) -> dict[str, Any]:
        """The record of the copies for the manifest, as plain values."""
        return {
            "images": self.images.name,
            "among": self.among.name,
            "what": self.what,
            "count": self.count,
            "total": self.total,
            "originals": self.originals,
            "among_total": self.among_total,
            "same": self.same,
            "first": [list(pair) for pair in self.first],
            "sentence": str(self),
        }

    def refusal(self, needs: str) -> str:
        """Why a measure that needs held-out images cannot be had with so many copies."""
        fact = self._fact()
        if not self.same and self.originals / self.among_total > self.count / self.total:
            share = _share(self.originals, self.among_total, self.among)
            fact = f"{share} {_VERBS[self.what, False][self.originals > 1].format(self.images)}, {_EXACTLY[self.what]}"
        return (
            f"{fact}: {needs} needs other held-out images, which the generator has not seen; give such with --held-out"
        )

    def _fact(self) -> str:
        if self.same and self.images.name == self.among.name and self.roles == ("generated", "generated"):
            return f"{self.images} is given twice"
        if self.same:
            return f"{self.images} and {self.among} hold the same images"
        verb = _VERBS[self.what, self.images is self.among][self.count > 1].format(self.among)
        return f"{_share(self.count, self.total, self.images)} {verb}, {_EXACTLY[self.what]}{self._named()}"

    def _named(self) -> str:
        pairs = ([_called(name) for name in pair if name is not None] for pair in self.first)
        words = [" is ".join(pair) for pair in pairs if pair]
        return f" ({', '.join(words)}{', ...' * (self.count > len(words))})" if words else ""

    def _consequence(self) -> str:
        if self.images is self.among:
            return ": copies count twice, and no interval knows it"
        consequences = {
            frozenset(("held out", "reference")): ": FLD and C_T need held-out images that are not in the reference",
            frozenset(("held out", "generated")): ": FLD and C_T take them for new images, and look better by them",
            frozenset(("reference", "generated")): ": such copies make most numbers better, and no interval knows it",
        }
        return consequences.get(frozenset(self.roles), "")


class CopyFinder:
    """Looks for copies among all sets of a run, as they come."""

    def __init__(self):
        self._sets: list[ImageSet] = []
        self._found: list[Copies] = []

    def add(self, images: ImageSet) -> None:
        """Takes one more set, and looks for its images in itself and in all sets before it."""
        found = [_within(images), *(_between(images, other) for other in self._sets)]
        self._sets.append(images)
        self._found += [copies for copies in found if copies is not None]

    def all(self) -> tuple[Copies, ...]:
        """Whatever was found, in the order in which the sets came."""
        return tuple(self._found)

    def sentences(self, generated: ImageSet, *, held_out: bool) -> list[str]:
        """What a reader of a generated set's numbers should know.

        Args:
          generated: one of the sets.
          held_out: whether the held-out set decides the numbers.
        """
        found = [copies for copies in self._concerning(generated) if held_out or "held out" not in copies.roles]
        shared = [copies for copies in found if copies.roles == ("generated",) * 2 and copies.images != copies.among]
        # Many generated sets may share, for instance, a black image: one of them is named for all.
        most = max(shared, key=lambda copies: copies.count, default=None)
        said = [str(copies) for copies in found if copies is most or copies not in shared]
        if len(shared) > 1:
            said.append(f"{generated} shares images with {len(shared) - 1} more of the generated sets")
        return said

    def check_held_out(self, generated: ImageSet, needs: str) -> None:
        """Makes sure that the held-out set is one for a generated set.

        Args:
          generated: one of the sets.
          needs: name of the measure that needs it.

        Raises:
          InputError: most of the generated images are held-out ones, most of these occur among the generated ones, or
            the same of the held-out set and the reference.
        """
        for copies in self._concerning(generated):
            if copies.most and copies.roles in (("generated", "held out"), ("held out", "reference")):
                raise InputError(copies.refusal(needs))

    def _concerning(self, generated: ImageSet) -> list[Copies]:
        """What was found of a generated set, and of those that it is compared with."""
        return [
            copies
            for copies in self._found
            if generated in (copies.images, copies.among) or "generated" not in copies.roles
        ]


def _within(images: ImageSet) -> Copies | None:
    """Images of a set that occur in it before."""
    what: What = "pixels"
    index = images.by_pixels
    if index is None:
        what, index = "features", next((images.by_features(kind) for kind in images.rows), None)
    if index is None or len(index.values) == len(index.inverse):
        return None
    originals = index.firsts[index.inverse]
    return _copies(images, images, what, originals != np.arange(len(originals)), originals, index, index, same=False)


def _between(images: ImageSet, other: ImageSet) -> Copies | None:
    """Images of a set that occur in another one."""
    what: What = "pixels"
    mine, theirs = images.by_pixels, other.by_pixels
    if mine is None or theirs is None:
        kind = next((kind for kind in images.rows if kind in other.rows), None)
        if kind is None:
            same = images.fingerprint is not None and images.fingerprint == other.fingerprint
            return Copies(images, other, "content", 0, 0, 0, 0, same=True) if same else None
        what, mine, theirs = "features", images.by_features(kind), other.by_features(kind)
    if not len(theirs.values):
        return None
    position = np.minimum(np.searchsorted(theirs.values, mine.values), len(theirs.values) - 1)
    hit = theirs.values[position] == mine.values
    originals = theirs.firsts[position][mine.inverse]
    same = bool(hit.all()) and np.array_equal(np.bincount(mine.inverse), np.bincount(theirs.inverse))
    return _copies(images, other, what, hit[mine.inverse], originals, mine, theirs, same=same)


def _copies(
    images: ImageSet,
    among: ImageSet,
    what: What,
    copied: Bool[np.ndarray, " n"],
    originals: Int[np.ndarray, " n"],
    mine: _Index,
    theirs: _Index,
    *,
    same: bool,
) -> Copies | None:
    """The record of those images that are copies of `originals`; None where there are none."""
    chosen = np.flatnonzero(copied)
    if not len(chosen):
        return None
    first = chosen[:_NAMED]
    names = images.names_at(mine.places[first].tolist())
    others = among.names_at(theirs.places[originals[first]].tolist())
    # The originals are the first of their kind: others that equal them count too.
    used = int(np.isin(theirs.inverse, theirs.inverse[originals[chosen]]).sum())
    return Copies(
        images,
        among,
        what,
        len(chosen),
        len(copied),
        used,
        len(theirs.inverse),
        tuple(zip(names, others, strict=True)),
        same,
    )


def _index(digests: UInt8[np.ndarray, "n 16"], places: Int[np.ndarray, " n"]) -> _Index:
    # All are equally long, so that zeros at the end, which such texts lose, make no two of them equal.
    keys = np.ascontiguousarray(digests).view(f"S{DIGEST_BYTES}")[:, 0]
    values, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return _Index(values, firsts, inverse, places)


def _row_digests(rows: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n 16"]:
    found = b"".join(hashlib.sha256(np.ascontiguousarray(row).data).digest()[:DIGEST_BYTES] for row in rows)
    return np.frombuffer(found, np.uint8).reshape(-1, DIGEST_BYTES)


def _share(count: int, total: int, images: ImageSet) -> str:
    return f"{count:,} of {total:,} images of {images} ({100 * count / total:.3g}%)"


def _called(name: str) -> str:
    return f"image {name}" if name.isdecimal() else name
