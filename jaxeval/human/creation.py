"""Making a study from sets of images: matched by name, re-encoded under opaque names, and written as one folder."""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import random
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxeval import _arguments
from jaxeval.errors import InputError
from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.human.access import hashed_code
from jaxeval.human.blinding import degraded, display_pixels, noise, opaque_name, png
from jaxeval.human.designs import DESIGNS, check_design, places
from jaxeval.human.prompts import Prompt, load_prompts
from jaxeval.human.study import (
    DEGRADED,
    IMAGE_FOLDER,
    NOISE,
    STUDY_FILE,
    ImageFile,
    KnownTrial,
    Study,
    StudyItem,
    StudyOptions,
)
from jaxeval.images import Item, PixelRules, stored_image
from jaxeval.images.matching import ImageSet, match_pairs, named_sets, open_images, sets_given, with_names
from jaxeval.progress import Progress
from jaxeval.records import versions

Sets = str | Path | Sequence[str | Path] | Mapping[str, str | Path]

TITLES = {
    "2afc": "Which image is better?",
    "best-of-n": "Which image is best, and which is worst?",
    "mos": "How good is this image?",
    "real-or-fake": "Is this image real or fake?",
}
DEFAULT_TRIALS = 50
DEFAULT_EXPOSURES = (100, 250, 500, 1000, None)
MOST_TRIALS = 2_000
_MOST_KNOWN = 30  # items of which attention checks are made
_LONGEST_EXPOSURE = 60_000
_LONGEST = {"title": 200, "instructions": 20_000, "question": 300, "name": 500, "access code": 200}
_MOST_QUESTIONS = 20
_MOST_SYSTEMS = 1_000
_NAMED = 3  # in messages


def _list_of(one: _arguments.Check, form: str) -> _arguments.Check:
    """A check of a list or tuple, and of each of its members."""

    def check(name: str, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise InputError(f"{name} is {_arguments.shown(value)}; give {form}")
        return [one(name, member) for member in value]

    return check


@_arguments.checked(
    sets=sets_given,
    out=_arguments.path,
    design=_arguments.a_text(f"one of {', '.join(DESIGNS)}"),
    reference=_arguments.optional(_arguments.path),
    prompts=_arguments.optional(_arguments.path),
    title=_arguments.optional(_arguments.a_text("a text")),
    questions=_list_of(_arguments.a_text("a text"), "a list of texts"),
    exposures=_arguments.optional(
        _list_of(
            _arguments.optional(_arguments.at_least(1, _LONGEST_EXPOSURE)),
            "a list of milliseconds, and None for without limit",
        )
    ),
)
def create_study(
    sets: Sets,
    out: str | Path,
    *,
    design: str,
    reference: str | Path | None = None,
    prompts: str | Path | None = None,
    title: str | None = None,
    instructions: str = "",
    questions: Sequence[str] = (),
    ties: bool = True,
    n: int = 3,
    exposures: Sequence[int | None] | None = None,
    trials: int | None = None,
    repeats: float = 0.1,
    checks: float = 0.05,
    break_every: int | None = 50,
    adaptive: float = 0.0,
    access_code: str | None = None,
    seed: int = 0,
    sizes: str = "equal",
    unmatched: str = "error",
    alpha: str = "white",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Study:
    """Makes a study: a folder of images under opaque names, and `study.json` with everything that serving it takes.

    Images become 8-bit PNGs without metadata, turned as their EXIF orientation says. Equal calls make equal studies but
    for the random names of files: `Study.content` is the same.

    Args:
      sets: one set of images for each system, perhaps by name; a set is a folder, an archive or an array file. Images
        are matched by their relative names without extension; in "real-or-fake" they need not be.
      out: the folder to make; it must not exist.
      design: "2afc", which of two is better; "best-of-n", the best and the worst of three or four; "mos", a score from
        1 to 5; or "real-or-fake".
      reference: a set that is shown beside the others; of "real-or-fake" the real images.
      prompts: a .csv, .jsonl or .txt file of name, prompt and perhaps category.
      title: of the page; by default what the design asks.
      instructions: what raters are told, plain text.
      questions: each is asked of every comparison; without any the page asks what the design asks.
      ties: whether "2afc" has a tie among its answers.
      n: images at once of "best-of-n", 3 or 4.
      exposures: milliseconds for which "real-or-fake" shows an image, None for without limit.
      trials: comparisons (or images) of a session; by default all there are, at most 50.
      repeats: share of them, at most half, that is asked again, for the rater's own consistency.
      checks: share of them by which attention checks are added, whose answer is known: an image beside a spoilt copy
        ("2afc"), one image of n that is not spoilt ("best-of-n"), a spoilt image ("mos"), noise ("real-or-fake").
      break_every: after how many answers a break is offered; None for never.
      adaptive: share of the pairs of "2afc" that are chosen by expected information; the others are drawn uniformly.
      access_code: what raters have to know to join by themselves.
      seed: of the schedule.
      sizes: "equal", images of an item (of "real-or-fake" all images) have one size; or "any".
      unmatched: what an image without a partner is: an "error", or left out and said ("skip").
      alpha: as for `score_pairs`: "drop" it, or lay the image over "white" or "black".
      threads: how many encode; by default one for each processor.
      progress: who is told how far it has come.

    Raises:
      InputError: an argument is wrong, `out` exists, sets do not match, an image cannot be read or has another size, or
        there are too few images for the session; nothing is left behind.

    Reference: ITU-R BT.500-15 and ITU-T P.910 (opinion scores); Zhou and others, "HYPE: A Benchmark for Human eYe
    Perceptual Evaluation of Generative Models", NeurIPS 2019 (real or fake).

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> from jaxeval.human import create_study
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     for system in ("early", "late"):
      ...         np.save(f"{folder}/{system}.npy", np.zeros((4, 8, 8, 3), np.uint8))
      ...     sets = {system: f"{folder}/{system}.npy" for system in ("early", "late")}
      ...     study = create_study(sets, f"{folder}/study", design="2afc")
      >>> study.options.trials, [item.name for item in study.items]
      (4, ['000000', '000001', '000002', '000003'])
    """
    options = _options(
        check_design(design), ties, questions, n, exposures, trials, repeats, checks, break_every, adaptive
    )
    title = TITLES[design] if title is None else title
    for name, text in (("title", title), ("instructions", instructions), *(("question", one) for one in questions)):
        _check_text(name, text)
    if sizes not in ("equal", "any"):
        raise InputError(f"sizes {sizes!r} is not known; choose 'equal' or 'any'")
    if unmatched not in ("error", "skip"):
        raise InputError(f"unmatched {unmatched!r} must be 'error' or 'skip'")
    access = None
    if access_code is not None:
        _check_text("access code", access_code)
        if not access_code.strip():
            raise InputError("the access code is empty; give one, or leave it out")
        access = hashed_code(access_code)
    rules = PixelRules(alpha=alpha, exif="apply")
    place = local_path(out)
    if os.path.lexists(place):
        raise InputError(f"{str(out)!r} exists; give the study a folder of its own, which is made")

    gathered = _gather(design, named_sets(sets, "set"), reference, skip=unmatched == "skip")
    told = load_prompts(prompts, gathered.names) if prompts is not None else {}
    remarks = list(gathered.remarks)
    if told and len(told) < len(gathered.names):
        remarks.append(f"{len(gathered.names) - len(told):,} of {len(gathered.names):,} images have no prompt")
    options = _fitted(design, options, gathered, reference is not None)
    threads = threads or os.cpu_count() or 1
    check_writable(place.parent)
    if sizes == "equal":
        _check_sizes(design, gathered, rules, threads)
    with _whole_or_nothing(place) as folder:
        images, items = _encode(gathered, told, rules, folder, threads, progress)
        remarks += _same_pixels(images, items, gathered.systems)
        draw = random.Random(f"jaxeval known {seed}")
        known = _known(design, options, items, gathered, rules, images, folder, draw)
        study = Study(
            folder=place,
            id=secrets.token_hex(16),
            design=design,
            systems=tuple(gathered.systems),
            reference=None if reference is None else str(reference),
            items=tuple(items),
            images=dict(sorted(images.items())),
            known=tuple(known),
            options=options,
            title=title,
            instructions=instructions,
            seed=seed,
            access=access,
            remarks=tuple(remarks),
            versions=versions(),
        )
        text = json.dumps(study.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(folder / STUDY_FILE, (text + "\n").encode())
    return study


@contextlib.contextmanager
def _whole_or_nothing(place: Path) -> Iterator[Path]:
    """A folder to write into, which gets its name once all is written, and is removed where that fails."""
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir()
        yield temporary
        try:
            os.rename(temporary, place)
        except OSError as error:
            raise InputError(f"cannot make {str(place)!r} ({error.strerror}); choose another place") from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@dataclasses.dataclass(frozen=True)
class _Gathered:
    """The images of a study before they are encoded.

    Attributes:
      names: of the items, in order.
      systems: images by name, by system.
      reference: images by name; empty for none.
      remarks: sentences on what was left out or renamed.
    """

    names: list[str]
    systems: Mapping[str, Mapping[str, Item]]
    reference: Mapping[str, Item]
    remarks: tuple[str, ...]


def _options(
    design: str,
    ties: bool,
    questions: Sequence[str],
    n: int,
    exposures: Sequence[int | None] | None,
    trials: int | None,
    repeats: float,
    checks: float,
    break_every: int | None,
    adaptive: float,
) -> StudyOptions:
    """The options as far as they can be checked before any image is seen; `trials` is 0 where it was not given."""
    if len(questions) > _MOST_QUESTIONS or len(set(questions)) < len(questions):
        raise InputError(f"give at most {_MOST_QUESTIONS} questions, each once")
    if n not in (3, 4):
        raise InputError(f"n is {_arguments.shown(n)}; best-of-n shows 3 or 4 images at once")
    for name, share, most in (("repeats", repeats, 0.5), ("checks", checks, 1), ("adaptive", adaptive, 1)):
        if not 0 <= float(_arguments.number(name, share)) <= most:
            raise InputError(f"{name} is {share}; give a share from 0 to {most}")
    if adaptive and design != "2afc":
        raise InputError(f"pairs are chosen adaptively in 2afc, not in {design}; leave adaptive out")
    if exposures is not None and design != "real-or-fake":
        raise InputError(f"exposures are of real-or-fake, not of {design}; leave them out")
    timed = tuple(DEFAULT_EXPOSURES if exposures is None else exposures) if design == "real-or-fake" else ()
    if (design == "real-or-fake" and not timed) or len(set(timed)) < len(timed):
        raise InputError("give each exposure once, and at least one: milliseconds, or None for without limit")
    if break_every is not None:
        _arguments.whole_number("break_every", break_every, 1)
    given = 0 if trials is None else _arguments.whole_number("trials", trials, 1, MOST_TRIALS)
    return StudyOptions(
        bool(ties), tuple(questions), n, timed, given, float(repeats), float(checks), break_every, float(adaptive)
    )


def _check_text(name: str, value: str) -> None:
    text = _arguments.text(name, value, "a text")
    if len(text) > _LONGEST[name]:
        raise InputError(f"the {name} has {len(text):,} characters; the most are {_LONGEST[name]:,}")
    if "\0" in text:
        raise InputError(f"the {name} has a zero byte in it; leave it out")


def _gather(design: str, sets: Sequence[tuple[str, Path]], reference: str | Path | None, *, skip: bool) -> _Gathered:
    """Opens the sets and finds out which images belong together."""
    own = None if reference is None else str(reference)
    places_of: dict[str, str] = {}
    for name, path in (*sets, *([] if reference is None or own is None else [(own, local_path(reference))])):
        if len(name) > _LONGEST["name"] or name.startswith((DEGRADED, NOISE)) or not name.strip():
            raise InputError(f"a set cannot be called {name[:60]!r}; give it a shorter name, or another one")
        real = os.path.realpath(path)
        if real in places_of or name in places_of.values():
            raise InputError(f"{name!r} is given twice, also as {places_of.get(real, name)!r}; give other sets")
        places_of[real] = name
    if len(sets) > _MOST_SYSTEMS:
        raise InputError(f"{len(sets):,} sets are more than a study takes; the most are {_MOST_SYSTEMS:,}")
    if design == "2afc" and len(sets) < 2:
        raise InputError("2afc compares two images; give two sets or more")
    if design == "real-or-fake" and reference is None:
        raise InputError("real-or-fake needs real images; give them as the reference")
    opened = {name: open_images(path) for name, path in sets}
    if reference is not None and own is not None:
        opened[own] = open_images(local_path(reference))
    if design == "real-or-fake":
        return _unmatched_sets(opened, own)
    opened, said = with_names(opened)
    first, *others = opened
    matchings = [match_pairs(first, opened[first], other, opened[other], skip=skip) for other in others]
    remarks = [*said, *(sentence for matching in matchings for sentence in matching.unmatched)]
    names = sorted(set(opened[first]).intersection(*(matching.pairs for matching in matchings)))
    if not names:
        raise InputError(f"no name is in all of {', '.join(map(repr, opened))}; images are matched by their names")
    found: dict[str, dict[str, Item]] = {}
    if matchings:
        found[first] = {name: matchings[0].pairs[name][0] for name in names}
        found |= {one.name: {name: one.pairs[name][1] for name in names} for one in matchings}
    else:
        found[first] = {name: opened[first][name] for name in names}
    _check_names(names)
    beside = found.pop(own) if own is not None else {}
    return _Gathered(names, found, beside, tuple(remarks))


def _unmatched_sets(opened: Mapping[str, ImageSet], reference: str | None) -> _Gathered:
    """Sets whose images have nothing to do with one another; equal names are one item all the same."""
    names = sorted({name for images in opened.values() for name in images})
    _check_names(names)
    systems = {name: images for name, images in opened.items() if name != reference}
    return _Gathered(names, systems, opened[reference] if reference is not None else {}, ())


def _check_names(names: Sequence[str]) -> None:
    long = next((name for name in names if len(name) > _LONGEST["name"]), None)
    if long is not None:
        raise InputError(f"the name {long[:60]!r}... has {len(long)} characters; the most are {_LONGEST['name']}")


def _fitted(design: str, options: StudyOptions, gathered: _Gathered, referenced: bool) -> StudyOptions:
    """The options with the number of trials, once there are enough images for them."""
    shown, systems = places(design, options.n), len(gathered.systems)
    if systems < shown:
        raise InputError(f"{design} shows {shown} images at once; there are {systems} sets, so give more")
    if design == "real-or-fake" and referenced:
        # Half of a session is real, and of the other half each system has its part.
        smallest = min(len(images) for images in gathered.systems.values())
        most = min(2 * len(gathered.reference), 2 * systems * smallest)
    else:
        most = math.comb(systems, shown) * len(gathered.names)
    trials = options.trials or min(most, DEFAULT_TRIALS)
    if trials > most:
        raise InputError(
            f"{trials:,} trials for a rater are more than the {most:,} different ones that these images make; lower "
            "trials, or give more images"
        )
    return dataclasses.replace(options, trials=trials)


def _check_sizes(design: str, gathered: _Gathered, rules: PixelRules, threads: int) -> None:
    """Refuses images whose size tells them apart."""
    flat = [
        (name, item) for images in (*gathered.systems.values(), gathered.reference) for name, item in images.items()
    ]
    with ThreadPoolExecutor(threads) as pool:
        layouts = list(pool.map(lambda one: stored_image(one[1], rules).layout, flat))
    first: dict[str, tuple[tuple[int, int], str]] = {}
    for (name, item), layout in zip(flat, layouts, strict=True):
        key, size = "" if design == "real-or-fake" else name, (layout.height, layout.width)
        other, where = first.setdefault(key, (size, item.where))
        if other != size:
            raise InputError(
                f"{item.where} is {size[0]} x {size[1]} and {where} {other[0]} x {other[1]} pixels; a size tells "
                "systems apart, so make them equal, or allow it (--sizes any)"
            )


def _encode(
    gathered: _Gathered,
    told: Mapping[str, Prompt],
    rules: PixelRules,
    folder: Path,
    threads: int,
    progress: Progress | None,
) -> tuple[dict[str, ImageFile], list[StudyItem]]:
    (folder / IMAGE_FOLDER).mkdir()
    images: dict[str, ImageFile] = {}
    flat = [
        (system, name, item)
        for system, own in ((None, gathered.reference), *gathered.systems.items())
        for name, item in own.items()
    ]
    if progress is not None:
        progress.begin("encoding", len(flat))
    files: dict[tuple[str | None, str], str] = {}
    with ThreadPoolExecutor(threads) as pool:  # which ends, also after an error, before the folder is removed
        done = pool.map(lambda one: _write(display_pixels(one[2], rules), folder), flat)
        for (system, name, _), (file, known) in zip(flat, done, strict=True):
            images[file] = known
            files[system, name] = file
            if progress is not None:
                progress.advance(1)
    if progress is not None:
        progress.end()
    items = [
        StudyItem(
            name,
            {system: files[system, name] for system in gathered.systems if (system, name) in files},
            files.get((None, name)),
            *told.get(name, ("", "")),
        )
        for name in gathered.names
    ]
    return images, items


def _write(pixels: UInt8[np.ndarray, "h w c"], folder: Path) -> tuple[str, ImageFile]:
    """Writes an image under a new name."""
    data, file = png(pixels), opaque_name()
    try:
        with open(folder / IMAGE_FOLDER / file, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise InputError(f"cannot write in {str(folder.parent)!r} ({error.strerror}); choose another place") from error
    return file, ImageFile(hashlib.sha256(data).hexdigest(), len(data), *pixels.shape[:2])


def _same_pixels(
    images: Mapping[str, ImageFile], items: Sequence[StudyItem], systems: Mapping[str, Mapping[str, Item]]
) -> list[str]:
    """What to say of images that nobody can tell apart."""
    same = [
        item.name
        for item in items
        if len({images[file].sha256 for file in item.images.values()}) < len(item.images) > 1
    ]
    if not same or len(systems) < 2:
        return []
    more = f" and {len(same) - _NAMED:,} more" if len(same) > _NAMED else ""
    return [f"systems have the same pixels for {', '.join(map(repr, same[:_NAMED]))}{more}"]


def _known(
    design: str,
    options: StudyOptions,
    items: Sequence[StudyItem],
    gathered: _Gathered,
    rules: PixelRules,
    images: dict[str, ImageFile],
    folder: Path,
    draw: random.Random,
) -> list[KnownTrial]:
    """Makes attention checks of some items, and their images."""
    if not options.checks:
        return []
    found = []
    for item in sorted(draw.sample(range(len(items)), min(_MOST_KNOWN, len(items)))):
        own = items[item]
        names = list(own.images) or list(gathered.systems)[:1]
        picked = draw.sample(names, min(options.n, len(names)) if design == "best-of-n" else 1)

        def spoilt(system: str, name: str = own.name) -> tuple[str, str]:
            pixels = display_pixels(gathered.systems[system][name], rules)
            file, known = _write(degraded(pixels, draw.getrandbits(32)), folder)
            images[file] = known
            return f"{DEGRADED}{system}", file

        if design == "real-or-fake":
            size = images[next(iter((*own.images.values(), own.reference)))]  # pyright: ignore[reportArgumentType]
            file, known = _write(noise(size.height, size.width, draw.getrandbits(32)), folder)
            images[file] = known
            found.append(KnownTrial(item, ((NOISE, file),), expected="fake"))
        elif design == "mos":
            found.append(KnownTrial(item, (spoilt(picked[0]),), expected="1"))
        else:
            whole = picked[0]
            worse = [spoilt(system) for system in (picked[1:] if design == "best-of-n" else picked)]
            found.append(KnownTrial(item, ((whole, own.images[whole]), *worse)))
    return found
