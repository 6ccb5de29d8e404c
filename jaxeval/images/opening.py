"""From what a user writes to a source of images."""

import glob
import inspect
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast, get_args
from urllib.parse import parse_qsl

import numpy as np
from PIL import Image

from jaxeval import _arguments
from jaxeval._packages import object_at
from jaxeval.errors import InputError
from jaxeval.files import local_name, local_path
from jaxeval.images import report
from jaxeval.images.array_files import ArrayFileSource
from jaxeval.images.arrays import ArraySource, Layout, check_out_of_range, check_own_range, check_range
from jaxeval.images.files import FileSource, FolderSource, is_pipe_or_device, printable
from jaxeval.images.generators import GeneratorSource
from jaxeval.images.lists import ListSource, describe, is_image, is_image_file
from jaxeval.images.report import ReadReport
from jaxeval.images.source import OutOfRange, Source, ValueRange, classify_name, no_images
from jaxeval.images.tars import TAR_SUFFIXES, TarSource
from jaxeval.images.tfds import TfdsSource
from jaxeval.images.zips import ZipSource

FILE_SOURCES: dict[str, Callable[[str, Path], Source]] = {
    ".zip": ZipSource,
}
"""What reads a single file that holds many images, by how its name ends, in lower case; called with the name for
messages and the path. A further kind of file is one more entry."""

_ARRAY_OPTIONS = ("key", "layout", "range")
_TFDS_OPTIONS = ("data_dir", "image_key", "layout", "range")
_MOST_NAMES = 1_000_000


def open_source(
    spec: Any,
    *,
    num_samples: int | None = None,
    value_range: ValueRange | None = None,
    seed: int = 0,
    name: str | None = None,
    layout: Layout | None = None,
    out_of_range: str = "fail",
    as_stored: bool = False,
) -> Source:
    """A source of images from whatever the user has.

    Args:
      spec: one of
        - a folder (recursive), one image file, or a glob of image files;
        - a `.zip`, or a `.tar`, `.tar.gz` or `.tgz`;
        - a glob, a brace pattern (`shard-{000..127}.tar`) or a folder of tar archives;
        - a `.npy` or `.npz`, with options after the name: `samples.npz?key=images&layout=NCHW&range=-1,1`;
        - `tfds:NAME:SPLIT`, with options: `tfds:fashion_mnist:test?data_dir=FOLDER&image_key=NAME`;
        - an array [N, H, W, C], [N, C, H, W] or [N, H, W];
        - a list or tuple of images of one size or of many: arrays [H, W], [H, W, C] or [C, H, W], Pillow's images,
          names of image files;
        - a function `(num_images, seed) -> array`;
        - `call:MODULE:FUNCTION`, such a function by its name, which is imported with the current folder first in the
          path; `call:MODULE:FUNCTION?key=value&...` calls FUNCTION once with these texts, and it returns the function;
        - a `Source`, which is returned as it is.
      num_samples: how many images a function makes; other sources have their own length.
      value_range: the values that mean black and white in arrays that are not uint8. Files and uint8 arrays have ranges
        of their own: there it is not applied, which the notes of a reading say for arrays; the same after the name of
        one file (`?range=`) is an error.
      seed: for a function.
      name: for messages and tables; by default the text given, or the function's name.
      layout: for arrays whose shape can be read in two ways: NHWC, NCHW, or NHW for gray images that could be one image
        with channels.
      out_of_range: what values of arrays outside the range do: `fail` by the image's name, or `clip` to the nearer
        bound and be noted. What rounding explains (1e-5 of the range, or one unit in the last place of the array's
        type) is taken for the bound itself, and values that are not finite fail always.
      as_stored: whether images are wanted as they are stored, for `decode_exact`: EXR files are images too, and files
        of arrays of uint8, uint16 or floats need no range and have none; items of archives and array files last, and
        can be read in any order. For what a path names.

    Raises:
      InputError: nothing is there, or it is not what it should be; the message names it.

    Example:
      >>> import numpy as np
      >>> from jaxeval.images import open_source
      >>> source = open_source(np.zeros((10, 8, 8, 3), np.uint8), name="black")
      >>> source.name, len(source)
      ('black', 10)
    """
    beyond = check_out_of_range(out_of_range)
    if value_range is not None:
        value_range = check_range(value_range, name or "these images")
    if num_samples is not None:
        num_samples = _arguments.whole_number("num_samples", num_samples, 1, enforce=False)
    seed = _arguments.whole_number("seed", seed, 0, enforce=False)
    if isinstance(spec, Source):
        return spec
    if isinstance(spec, str | os.PathLike):
        text = os.fspath(spec)
        if not isinstance(text, str) or not text:
            raise InputError("the name of a data set must be a text that is not empty")
        if text.startswith("call:"):
            return _open_call(text, name or printable(text), num_samples, seed, value_range, layout, beyond)
        return _open_text(local_name(spec), name or printable(text), value_range, layout, beyond, as_stored)
    if isinstance(spec, Image.Image):
        raise InputError(
            f"{name or describe(spec)} is a single image and no set of images; for a set of one give [image]"
        )
    if isinstance(spec, list | tuple):
        return _open_list(spec, name, value_range, layout, beyond)
    if hasattr(spec, "__array__"):
        shape = list(getattr(spec, "shape", ()))
        if len(shape) == 1 and np.dtype(getattr(spec, "dtype", None)).kind in "OUS":
            raise InputError(f"{name or f'array {shape}'} is an array of names or objects; give a list, array.tolist()")
        return ArraySource(
            spec, name=name or f"array {shape}", value_range=value_range, layout=layout, out_of_range=beyond
        )
    if callable(spec):
        return GeneratorSource(
            cast("Callable[[int, int], Any]", spec),
            num_samples=num_samples,
            name=name or _function_name(spec),
            seed=seed,
            value_range=value_range,
            layout=layout,
            out_of_range=beyond,
        )
    if isinstance(spec, Iterator) and not hasattr(spec, "read"):  # a file is an iterator too
        raise InputError(
            f"{name or describe(spec)} can be read only once, and images are read several times; give a list of them, "
            "or a function (num_images, seed) -> array"
        )
    raise InputError(
        f"cannot read images from {describe(spec)}; give a path, an array, a list of images, a function or a Source"
    )


def _open_list(
    spec: Sequence[Any],
    name: str | None,
    value_range: ValueRange | None,
    layout: Layout | None,
    out_of_range: OutOfRange,
) -> Source:
    if not spec:
        raise InputError(f"{name or 'an empty list'} holds no images")
    places = [is_image(thing, layout) for thing in spec]
    if not all(places):
        wrong, whole = places.index(False), name or f"a list of {len(spec)}"
        mixed = f", but item {places.index(True)}, {describe(spec[places.index(True)])}, is one" if any(places) else ""
        raise InputError(
            f"item {wrong} of {whole}, {describe(spec[wrong])}, is not an image{mixed}; a list that is one set holds "
            "images alone: arrays [H, W] or [H, W, C], Pillow's images, or image files"
        )
    if all(map(is_image_file, spec)):
        paths = [_existing(local_path(thing)) for thing in spec]
        if len({path.is_absolute() for path in paths}) > 1 or any(".." in path.parts for path in paths):
            paths = [Path(os.path.abspath(path)) for path in paths]
        root = Path(os.path.commonpath([path.parent for path in paths]))
        label = name or f"{printable(str(root))} ({len(paths)} file{'s'[: len(paths) != 1]})"
        return _open_files(paths, label, root)
    label = name or f"list of {len(spec)} image{'s'[: len(spec) != 1]}"
    return ListSource(spec, name=label, value_range=value_range, layout=layout, out_of_range=out_of_range)


def _function_name(function: Any) -> str:
    named = function if inspect.isroutine(function) else type(function)
    return f"function {named.__qualname__}"


def _open_call(
    text: str,
    name: str,
    num_samples: int | None,
    seed: int,
    value_range: ValueRange | None,
    layout: Layout | None,
    out_of_range: OutOfRange,
) -> Source:
    match = re.fullmatch(r"call:([\w.]+):(\w+)(\?(.*))?", text, re.DOTALL)
    if match is None:
        raise InputError(f"{text!r} must be call:MODULE:FUNCTION?key=value, for instance call:my_model:draw")
    function = object_at(match[1], match[2], name)
    if match[3] is not None:
        function = _called(function, dict(parse_qsl(match[4], keep_blank_values=True)), name)
    if not callable(function):
        raise InputError(f"{name} gives a {type(function).__name__}; a function (num_images, seed) -> array is needed")
    return GeneratorSource(
        function,
        num_samples=num_samples,
        name=name,
        seed=seed,
        value_range=value_range,
        layout=layout,
        out_of_range=out_of_range,
    )


def _called(function: Any, options: dict[str, str], name: str) -> Any:
    try:
        return function(**options)
    except InputError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise InputError(f"{name} cannot be called with these options ({_sentence(error)})") from error


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _open_text(
    text: str,
    name: str,
    value_range: ValueRange | None,
    layout: Layout | None,
    out_of_range: OutOfRange,
    as_stored: bool,
) -> Source:
    if text.startswith("tfds:"):
        dataset, split, options = _parse_tfds(text)
        own_range = _parse_range(options, text)
        data_set = TfdsSource(
            dataset,
            split,
            name=name,
            data_dir=options.get("data_dir"),
            image_key=options.get("image_key"),
            value_range=own_range or value_range,
            layout=_parse_layout(options, text) or layout,
            out_of_range=out_of_range,
        )
        if own_range is not None:
            check_own_range(data_set.dtype, own_range, name)
        return data_set
    path = Path(os.path.expanduser(text))
    array_file = re.fullmatch(r"(.+\.np[yz])(?:\?([^?]*=[^?]*))?", text, re.IGNORECASE)
    if array_file and not path.is_dir():
        options = _parse_options(array_file[2] or "", _ARRAY_OPTIONS, text)
        path = _existing(Path(os.path.expanduser(array_file[1])))
        own_range = _parse_range(options, text)
        if as_stored and own_range is not None:
            raise InputError(f"{name}: values are taken as they are stored; leave range= out")
        array = ArrayFileSource(
            path,
            name=name,
            key=options.get("key"),
            value_range=own_range or value_range,
            layout=_parse_layout(options, text) or layout,
            out_of_range=out_of_range,
            as_stored=as_stored,
        )
        if own_range is not None:
            check_own_range(array.dtype, own_range, name)
        return array
    if os.path.lexists(path):
        if path.is_dir():
            return _open_folder(path, name, as_stored)
        return _open_files([path], name, path.parent, as_stored)
    if re.search(r"[*?\[]|\{.*\}", text):
        return _open_pattern(str(path), name, as_stored)
    _existing(path)
    raise AssertionError("unreachable: a path that does not exist was refused")


def _existing(path: Path) -> Path:
    if not os.path.lexists(path):
        raise InputError(f"{printable(str(path))} does not exist")
    return path


def _open_folder(path: Path, name: str, as_stored: bool) -> Source:
    found = glob.glob(os.path.join(glob.escape(str(path)), "*"))  # none where the folder cannot be listed
    shards = [Path(entry) for entry in sorted(found, key=os.fsencode) if _is_tar(Path(entry))]
    try:
        folder = FolderSource(name, path, as_stored=as_stored)
    except InputError:
        if not shards:
            raise
        return TarSource(name, shards, as_stored=as_stored)
    if shards:
        raise InputError(f"{name} holds images and the archive {shards[0].name}; name the one or the other")
    return folder


def matching_files(pattern: str) -> list[Path]:
    """The files that a pattern names, `*` and `{a,b}` and `{00..99}` expanded, in order.

    Raises:
      InputError: a part of the pattern matches nothing.
    """
    paths: set[str] = set()
    for expanded in _expand_braces(pattern):
        matches = glob.glob(expanded, recursive=True) if glob.has_magic(expanded) else [expanded]
        if not matches or not os.path.lexists(matches[0]):
            raise InputError(f"nothing matches {printable(expanded)}")
        paths.update(matches)
    return [Path(path) for path in sorted(paths, key=os.fsencode) if not os.path.isdir(path)]


def _open_pattern(pattern: str, name: str, as_stored: bool) -> Source:
    files = matching_files(pattern)
    if not files:
        raise InputError(f"{name} matches only folders; give one folder, or end the pattern with /*.png")
    root = Path(os.path.commonpath([file.parent for file in files]))
    return _open_files(files, name, root, as_stored)


def _open_files(files: list[Path], name: str, root: Path, as_stored: bool = False) -> Source:
    opener = _file_source(files[0])
    if opener is not None and len(files) == 1:
        return ZipSource(name, files[0], as_stored=as_stored) if opener is ZipSource else opener(name, files[0])
    if opener is not None or any(_is_tar(file) for file in files):
        if all(_is_tar(file) for file in files):
            return TarSource(name, files, as_stored=as_stored)
        whole = " or ".join(ending.removeprefix(".") for ending in FILE_SOURCES)
        raise InputError(
            f"{name} matches files of several kinds; give one {whole}, tar archives alone, or images alone"
        )
    tally = ReadReport()
    images = []
    for file in files:
        irregular = report.NOT_REGULAR if is_pipe_or_device(str(file)) else None
        reason = classify_name(file.name, as_stored=as_stored) or irregular
        if reason:
            tally.note(reason)
        else:
            images.append((printable(file.relative_to(root).as_posix()), str(file)))
    if not images:
        raise no_images(name, tally.notes)
    return FileSource(name, images, tally.notes)


def _file_source(path: Path) -> Callable[[str, Path], Source] | None:
    name = path.name.lower()
    return next((opener for ending, opener in FILE_SOURCES.items() if name.endswith(ending)), None)


def _is_tar(path: Path) -> bool:
    return path.name.lower().endswith(TAR_SUFFIXES)


def _expand_braces(pattern: str) -> Iterator[str]:
    """`a{00..02}b{x,y}` as the shell expands it, leftmost first."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if match is None:
        yield pattern
        return
    span = re.fullmatch(r"(\d+)\.\.(\d+)", match[1])
    if span:
        first, last = int(span[1]), int(span[2])
        if not 0 <= last - first < _MOST_NAMES:
            raise InputError(f"{match[0]} must count upwards, and to less than {_MOST_NAMES} names")
        choices: Any = (f"{number:0{len(span[1])}d}" for number in range(first, last + 1))
    elif "," in match[1]:
        choices = match[1].split(",")
    else:
        raise InputError(f"{match[0]} is neither a range {{00..99}} nor a list {{a,b}}")
    for choice in choices:
        yield from _expand_braces(f"{pattern[: match.start()]}{choice}{pattern[match.end() :]}")


def _parse_tfds(text: str) -> tuple[str, str, dict[str, str]]:
    body, _, query = text.removeprefix("tfds:").partition("?")
    # The split may hold colons (train[:100]), and so may the data set (name:1.0.0).
    match = re.fullmatch(r"(.+):([^:\[\]]+(?:\[[^\]]*\])?(?:\+[^:\[\]]+(?:\[[^\]]*\])?)*)", body)
    if match is None:
        raise InputError(f"{text!r} must be tfds:NAME:SPLIT, for instance tfds:fashion_mnist:test")
    return match[1], match[2], _parse_options(query, _TFDS_OPTIONS, text)


def _parse_options(query: str, known: tuple[str, ...], text: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for option in options:
        if option not in known:
            raise InputError(f"{text!r}: unknown option {option!r}; choose from {', '.join(known)}")
    return options


def _parse_range(options: dict[str, str], text: str) -> ValueRange | None:
    if "range" not in options:
        return None
    try:
        low, high = (float(value) for value in options["range"].split(","))
    except ValueError as error:
        raise InputError(f"{text!r}: range must be two numbers, as in range=-1,1") from error
    return low, high


def _parse_layout(options: dict[str, str], text: str) -> Layout | None:
    layout = options.get("layout")
    if layout is not None and layout not in get_args(Layout):
        raise InputError(f"{text!r}: layout must be one of {', '.join(get_args(Layout))}")
    return cast("Layout | None", layout)
