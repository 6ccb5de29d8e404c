"""Making a study from sets of images: matched by name, re-encoded under opaque names, and written as one folder."""

import contextlib
import dataclasses
import json
import math
import os
import random
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxeval import _arguments
from jaxeval.errors import InputError
from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.human.access import hashed_code
from jaxeval.human.designs import DESIGNS, check_design, places
from jaxeval.human.encoding import encode, same_pixels
from jaxeval.human.gathering import Gathered, check_sizes, gather
from jaxeval.human.known_trials import known_trials
from jaxeval.human.prompts import load_prompts
from jaxeval.human.study import STUDY_FILE, Study, StudyOptions
from jaxeval.images import PixelRules
from jaxeval.images.matching import named_sets, sets_given
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
_LONGEST_EXPOSURE = 60_000
_LONGEST = {"title": 200, "instructions": 20_000, "question": 300, "access code": 200}
_MOST_QUESTIONS = 20


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

    gathered = gather(design, named_sets(sets, "set"), reference, skip=unmatched == "skip")
    told = load_prompts(prompts, gathered.names) if prompts is not None else {}
    remarks = list(gathered.remarks)
    if told and len(told) < len(gathered.names):
        remarks.append(f"{len(gathered.names) - len(told):,} of {len(gathered.names):,} images have no prompt")
    options = _fitted(design, options, gathered, reference is not None)
    threads = threads or os.cpu_count() or 1
    check_writable(place.parent)
    if sizes == "equal":
        check_sizes(design, gathered, rules, threads)
    with _whole_or_nothing(place) as folder:
        images, items = encode(gathered, told, rules, folder, threads, progress)
        remarks += same_pixels(images, items, gathered.systems)
        draw = random.Random(f"jaxeval known {seed}")
        known = known_trials(design, options, items, gathered, rules, images, folder, draw)
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
        try:
            temporary.mkdir()
        except OSError as error:
            raise InputError(f"cannot make {str(place)!r} ({error.strerror}); choose another place") from error
        yield temporary
        try:
            os.rename(temporary, place)
        except OSError as error:
            raise InputError(f"cannot make {str(place)!r} ({error.strerror}); choose another place") from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


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


def _fitted(design: str, options: StudyOptions, gathered: Gathered, referenced: bool) -> StudyOptions:
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
