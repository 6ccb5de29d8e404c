"""A study: what is shown to whom and asked, as a folder keeps it."""

import dataclasses
import hashlib
import hmac
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jaxeval.errors import InputError, said_by
from jaxeval.files import local_path
from jaxeval.human.blinding import NAME
from jaxeval.human.designs import DESIGNS, places
from jaxeval.progress import Progress

STUDY_FILE = "study.json"
IMAGE_FOLDER = "images"
FORMAT = "jaxeval human study"
VERSION = 1
DEGRADED = "(degraded) "
"""What the name of a system begins with whose image was spoilt for an attention check."""
NOISE = "(noise)"
"""The system of an image of noise, an attention check of "real-or-fake"."""


@dataclasses.dataclass(frozen=True)
class ImageFile:
    """What is known of an image file of a study.

    Attributes:
      sha256: of its bytes, in hexadecimal digits.
      bytes: their number.
      height, width: in pixels.
    """

    sha256: str
    bytes: int
    height: int
    width: int


@dataclasses.dataclass(frozen=True)
class StudyItem:
    """The images of one name.

    Attributes:
      name: relative to the sets, without extension.
      images: files by system.
      reference: the file of the reference; None for none.
      prompt: empty for none.
      category: of the prompt; empty for none.
    """

    name: str
    images: Mapping[str, str]
    reference: str | None = None
    prompt: str = ""
    category: str = ""


@dataclasses.dataclass(frozen=True)
class KnownTrial:
    """An attention check: a trial whose right answer is known.

    Attributes:
      item: whose images it has, by number.
      shown: systems and files.
      right: which of `shown` is the right choice; for "mos" and "real-or-fake" 0, as there is one image.
      expected: the right answer of "mos" ("1") and "real-or-fake" ("fake"); empty for others.
    """

    item: int
    shown: tuple[tuple[str, str], ...]
    right: int = 0
    expected: str = ""


@dataclasses.dataclass(frozen=True)
class StudyOptions:
    """What a session of a rater is made of.

    Attributes:
      ties: whether "2afc" has a tie among its answers.
      questions: asked of every comparison, one after the other; without any the page asks what the design asks.
      n: images at once of "best-of-n".
      exposures: milliseconds for which "real-or-fake" shows an image, None for as long as the rater wants.
      trials: comparisons (or images) of a session, each asked every question, without checks and repeats.
      repeats: share of them that is asked again.
      checks: share of them by which attention checks are added.
      break_every: after how many answers a break is offered; None for never.
      adaptive: share of them whose pair is the one of most expected information; others are drawn uniformly.
    """

    ties: bool = True
    questions: tuple[str, ...] = ()
    n: int = 3
    exposures: tuple[int | None, ...] = ()
    trials: int = 1
    repeats: float = 0.0
    checks: float = 0.0
    break_every: int | None = None
    adaptive: float = 0.0


@dataclasses.dataclass(frozen=True)
class Study:
    """What is shown to whom and asked.

    Attributes:
      folder: where it lies.
      id: random, tells it from all others.
      design: one of "2afc", "best-of-n", "mos" and "real-or-fake".
      systems: by the names that the user gave.
      reference: the name of the reference set; None for none. Of "real-or-fake" its images are the real ones, of others
        they are shown beside.
      items: in order of their names.
      images: what is known of each file, by its name in `images/`.
      known: attention checks.
      options: of a session.
      title: of the page.
      instructions: what raters are told, plain text.
      seed: of the schedule.
      access: salt and scrypt digest of the access code, in hexadecimal digits; None where joining needs none.
      remarks: sentences for whoever reads the study, on what was left out or changed.
      versions: of the packages that made it.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> from jaxeval.human import create_study, load_study
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     for system in ("early", "late"):
      ...         np.save(f"{folder}/{system}.npy", np.zeros((4, 8, 8, 3), np.uint8))
      ...     sets = {system: f"{folder}/{system}.npy" for system in ("early", "late")}
      ...     created = create_study(sets, f"{folder}/study", design="2afc")
      ...     study = load_study(f"{folder}/study")
      >>> study.systems, len(study.items), study == created
      (('early', 'late'), 4, True)
    """

    folder: Path
    id: str
    design: str
    systems: tuple[str, ...]
    reference: str | None
    items: tuple[StudyItem, ...]
    images: Mapping[str, ImageFile]
    known: tuple[KnownTrial, ...]
    options: StudyOptions
    title: str
    instructions: str
    seed: int
    access: tuple[str, str] | None
    remarks: tuple[str, ...]
    versions: Mapping[str, str]

    @property
    def places(self) -> int:
        """How many images are seen at once."""
        return places(self.design, self.options.n)

    @property
    def asked(self) -> int:
        """How many questions a comparison is asked; one that the page knows, where the study has none of its own."""
        return max(1, len(self.options.questions))

    @property
    def labels(self) -> tuple[str, ...]:
        """The systems, and of "real-or-fake" the reference behind them: what `shown` of a trial counts."""
        real = (self.reference,) if self.design == "real-or-fake" and self.reference is not None else ()
        return (*self.systems, *real)

    def file_of(self, item: int, label: int) -> str:
        """The file of an item's image by a system, or by the reference."""
        found = self.items[item]
        if label < len(self.systems):
            return found.images[self.systems[label]]
        if found.reference is None:
            raise KeyError(f"{found.name} has no reference")
        return found.reference

    def path(self, file: str) -> Path:
        """Where an image file lies."""
        return self.folder / IMAGE_FOLDER / file

    @property
    def digest(self) -> str:
        """SHA-256 of everything that `study.json` says, in hexadecimal digits."""
        return _digest(self._plain())

    @property
    def content(self) -> str:
        """SHA-256 of all but the random names: equal for studies of equal images, options and seed."""
        plain = self._plain()
        for random in ("id", "access", "versions"):
            del plain[random]
        images = plain.pop("images")
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
        named = NAME.sub(lambda match: images.get(match[0], {"sha256": match[0]})["sha256"], text)
        return _digest({"study": named, "images": sorted(image["sha256"] for image in images.values())})

    def to_dict(self) -> dict[str, Any]:
        """What `study.json` holds."""
        return self._plain() | {"content": self.content, "digest": self.digest}

    def _plain(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self)
        del plain["folder"]
        return json.loads(json.dumps({"format": FORMAT, "version": VERSION} | plain))


def _digest(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def load_study(folder: str | Path, *, progress: Progress | None = None) -> Study:
    """A study from its folder, once every file of it was found to be as it was made.

    Args:
      folder: of the study.
      progress: who is told how many images have been read.

    Raises:
      InputError: it is no study, is of another version, or `study.json` or an image is missing or was changed; the
        message names the file.

    Example:
      >>> from jaxeval.human import load_study
      >>> load_study("/no/such/study")
      Traceback (most recent call last):
      ...
      jaxeval.errors.InputError: '/no/such/study' is no study: it has no study.json; make one: jaxeval human collect
    """
    place = local_path(folder)
    file = place / STUDY_FILE
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            f"{str(folder)!r} is no study: it has no {STUDY_FILE}; make one: jaxeval human collect"
        ) from error
    except OSError as error:
        raise InputError(f"{str(file)!r} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{str(file)!r} is damaged: {said_by(error)}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{str(file)!r} is no study of jaxeval; make one: jaxeval human collect")
    if document.get("version") != VERSION:
        raise InputError(f"{str(file)!r} has version {document.get('version')!r}; this jaxeval reads version {VERSION}")
    stated = document.pop("digest", None)
    content = document.pop("content", None)
    if not isinstance(stated, str) or not hmac.compare_digest(_digest(document).encode(), stated.encode()):
        raise InputError(f"{str(file)!r} was changed since it was made; take the study from a copy that was not")
    try:
        study = _read(place, document)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(f"{str(file)!r} is damaged: {said_by(error)}") from error
    if content != study.content:
        raise InputError(f"{str(file)!r} was changed since it was made; take the study from a copy that was not")
    _check_images(study, progress)
    return study


def _read(folder: Path, document: dict[str, Any]) -> Study:
    wrong = next((file for file in document["images"] if not NAME.fullmatch(file)), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is not the name of an image of a study")
    options = document["options"]
    options["questions"], options["exposures"] = tuple(options["questions"]), tuple(options["exposures"])
    known = [
        KnownTrial(one["item"], tuple((label, file) for label, file in one["shown"]), one["right"], one["expected"])
        for one in document["known"]
    ]
    study = Study(
        folder=folder,
        id=document["id"],
        design=document["design"],
        systems=tuple(document["systems"]),
        reference=document["reference"],
        items=tuple(StudyItem(**item) for item in document["items"]),
        images={file: ImageFile(**image) for file, image in document["images"].items()},
        known=tuple(known),
        options=StudyOptions(**options),
        title=document["title"],
        instructions=document["instructions"],
        seed=document["seed"],
        access=None if document["access"] is None else (document["access"][0], document["access"][1]),
        remarks=tuple(document["remarks"]),
        versions=document["versions"],
    )
    used = {file for item in study.items for file in (*item.images.values(), item.reference) if file is not None}
    used |= {file for one in study.known for _, file in one.shown}
    if study.design not in DESIGNS or not used <= set(study.images):
        raise ValueError("it names a design or an image that there is not")
    return study


def _check_images(study: Study, progress: Progress | None) -> None:
    if progress is not None:
        progress.begin("checking images", len(study.images))
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(lambda file: read_image(study, file), study.images):
            if progress is not None:
                progress.advance(1)
    if progress is not None:
        progress.end()


def read_image(study: Study, file: str) -> bytes:
    """The bytes of an image of a study.

    Args:
      study: the study.
      file: a name among `study.images`.

    Raises:
      InputError: it is missing, or not what it was when the study was made.
    """
    path, known = study.path(file), study.images[file]
    try:
        with open(path, "rb") as stream:
            data = stream.read(known.bytes + 1)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    if not hmac.compare_digest(hashlib.sha256(data).hexdigest().encode(), known.sha256.encode()):
        raise InputError(f"{str(path)!r} was changed since the study was made; take it from a copy that was not")
    return data
