"""Which image belongs to which prompt or layout: by its name, by its folder, or by a pattern."""

import dataclasses
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from jaxeval import _arguments
from jaxeval._arguments import first_of
from jaxeval.errors import InputError
from jaxeval.images.formats import STORED_EXTENSIONS

_NAMED = 3  # in messages
_NUMBER = "[0-9]+"
_WAYS = "STEM.png, STEM_0.png, STEM/0.png or STEM/samples/0.png"


@dataclasses.dataclass(frozen=True)
class Pairing:
    """Images beside the prompts that they were made from.

    Attributes:
      prompt_of_image: of each image, the place of its prompt; -1 of images without one.
      images_per_prompt: of each prompt, how many images it has.
      unmatched: sentences on what was left out.

    Example:
      >>> from jaxeval.detection.pairing import paired
      >>> paired(["cat", "dog"], ["cat_0.png", "cat_1.png", "dog.png"])
      Pairing(prompt_of_image=(0, 0, 1), images_per_prompt=(2, 1), unmatched=())
    """

    prompt_of_image: tuple[int, ...]
    images_per_prompt: tuple[int, ...]
    unmatched: tuple[str, ...] = ()


def paired(
    stems: Sequence[str],
    images: Sequence[str],
    *,
    pattern: str | None = None,
    unmatched: str = "error",
    name: str = "the images",
    what: str = "prompt",
) -> Pairing:
    """Finds the prompt of each image.

    Of a prompt that is called `cat`, these are images, whatever the extension: `cat.png`, `cat_0.png`, `cat/0.png` and,
    as GenEval lays them out, `cat/samples/0.png`, with any number in the place of 0. A prompt may also be called as a
    file is, with its extension. Where all images lie in one folder that no prompt is called by, as in an archive, that
    folder is left out. Letters are compared as Unicode has them composed.

    Args:
      stems: what the prompts are called; unique.
      images: relative names of the images, with `/` between folders.
      pattern: what the images are called if otherwise, with `*` for the prompt's name and `#` for any number, as in
        `seed#/*`. With no extension of images at its end it says nothing of the extension.
      unmatched: `error`, or `skip` to leave out images without a prompt and prompts without an image, and to say so.
      name: what messages call the images.
      what: what messages call a prompt.

    Raises:
      InputError: two prompts have one name; an image fits two prompts; there is an image without a prompt or a prompt
        without an image; or, also with `skip`, no image has a prompt.

    Example:
      >>> from jaxeval.detection.pairing import paired
      >>> paired(["00000", "00001"], ["00001/samples/0000.png", "00000/samples/0000.png"]).prompt_of_image
      (1, 0)
      >>> paired(["cat", "dog"], ["seed7/dog.png"], pattern="seed#/*", unmatched="skip").prompt_of_image
      (1,)
    """
    if unmatched not in ("error", "skip"):
        raise InputError(f"unmatched is {_arguments.shown(unmatched)}; choose 'error' or 'skip'")
    places = _places(stems, what)
    composed = [_composed(image) for image in images]
    if pattern is None:
        found, said = _by_name(places, composed, stems, what)
    else:
        found, said = _by_pattern(places, composed, pattern), []
    counts = [0] * len(stems)
    for place in found:
        if place >= 0:
            counts[place] += 1
    if not any(counts):
        how = f"by the pattern {pattern!r}" if pattern is not None else f"by name: {_WAYS}"
        raise InputError(
            f"no image of {name} belongs to a {what} ({first_of(images) or 'there are none'} against "
            f"{first_of(stems) or f'no {what}s'}); they are matched {how}"
        )
    lonely = []
    without = [image for image, place in zip(images, found, strict=True) if place < 0]
    if without:
        lonely.append(f"{len(without):,} of {len(images):,} images of {name} have no {what}: {first_of(without)}")
    empty = [stem for stem, count in zip(stems, counts, strict=True) if not count]
    if empty:
        lonely.append(f"{len(empty):,} of {len(stems):,} {what}s have no image in {name}: {first_of(empty)}")
    if lonely and unmatched == "error":
        raise InputError(
            f"{'; '.join(lonely)}; complete them, say what the images are called with a pattern, or have such left "
            "out (--unmatched skip)"
        )
    said += [f"{sentence} (left out)" for sentence in lonely]
    return Pairing(tuple(found), tuple(counts), tuple(said))


def _places(stems: Sequence[str], what: str) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, stem in enumerate(stems):
        if places.setdefault(_composed(stem), place) != place:
            raise InputError(f"two {what}s are called {stem!r}; give each a name of its own")
    return places


def _by_name(
    places: dict[str, int], images: Sequence[str], stems: Sequence[str], what: str
) -> tuple[list[int], list[str]]:
    """The prompt of each image, and what to say of names that were changed."""
    by_stem: dict[str, list[int]] = {}
    for stem, place in places.items():
        by_stem.setdefault(_without_extension(stem), []).append(place)
    found = [_exact(places, by_stem, image) for image in images]
    # Where every image is called as a prompt, `cat_1` is the prompt of that name and not the second image of `cat`.
    if not all(len(one) == 1 for one in found):
        found = [
            list(dict.fromkeys([*one, *_numbered(by_stem, image)])) for one, image in zip(found, images, strict=True)
        ]
    for image, one in zip(images, found, strict=True):
        if len(one) > 1:
            names = " or ".join(repr(stems[place]) for place in one[:_NAMED])
            raise InputError(
                f"the image {image!r} can be of the {what} {names}; say which with a pattern, such as '*' or '*_#'"
            )
    tops = {image.partition("/")[0] if "/" in image else "" for image in images}
    if not any(found) and len(tops) == 1 and (top := tops.pop()):
        inner, said = _by_name(places, [image.removeprefix(f"{top}/") for image in images], stems, what)
        if any(place >= 0 for place in inner):
            return inner, [f"the images all lie in {top!r}, which was left out of their names", *said]
    return [one[0] if one else -1 for one in found], []


def _exact(places: dict[str, int], by_stem: dict[str, list[int]], image: str) -> list[int]:
    """The prompts that are called as an image, with its extension or without."""
    return [places[image]] if image in places else by_stem.get(_without_extension(image), [])


def _numbered(by_stem: dict[str, list[int]], image: str) -> Iterator[int]:
    """The prompts of which an image can be one of several by its number."""
    stem = _without_extension(image)
    for ending in (f"_{_NUMBER}", f"/{_NUMBER}", f"/samples/{_NUMBER}"):
        match = re.fullmatch(f"(.+){ending}", stem, re.DOTALL)
        if match is not None:
            yield from by_stem.get(match[1], [])


def _by_pattern(places: dict[str, int], images: Sequence[str], pattern: str) -> list[int]:
    if pattern.count("*") != 1:
        raise InputError(
            f"pattern {pattern!r} must have one *, which stands for the prompt's name, as in '*_#' or "
            "'seed#/*'; # stands for any number"
        )
    written = _composed(pattern)
    named = _without_extension(written) != written
    parts = {"*": "(.+)", "#": _NUMBER}
    shape = re.compile("".join(parts.get(part) or re.escape(part) for part in re.split("([*#])", written)), re.DOTALL)
    by_stem = {_without_extension(stem): place for stem, place in reversed(places.items())}
    found = []
    for image in images:
        match = shape.fullmatch(image if named else _without_extension(image))
        stem = match[1] if match else ""
        found.append(places.get(stem, by_stem.get(stem, -1)))
    return found


def _without_extension(name: str) -> str:
    """The name without an extension of images; a dot in a prompt's name begins none."""
    path = PurePosixPath(name)
    return name[: -len(path.suffix)] if path.suffix.lower() in STORED_EXTENSIONS else name


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
