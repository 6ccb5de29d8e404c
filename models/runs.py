"""A run's folder: its configuration, weights, checkpoints, curves and sample grids.

config.json            everything the run is made of
metrics.csv            losses and evaluations by step; curves.png shows them
samples/STEP.png       the same latents at every evaluation; reconstructions/STEP.png of an autoencoder
weights/STEP.safetensors   what is sampled from, at every evaluation; best.json names the best
checkpoints/           the whole state, by Orbax, to go on from
report.json, report.md what came of it
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from jaxeval.errors import InputError
from jaxeval.files import local_path, replace_file
from models.functional import from_bytes, to_bytes
from models.training_config import RunConfig, run_config

_MOST_JSON = 2**20


class Run:
    """A folder and what is known of it.

    Args:
      folder: where.
      config: of the run.
    """

    def __init__(self, folder: Path, config: RunConfig):
        self.folder, self.config = folder, config
        self.rows: list[dict[str, float]] = []

    @classmethod
    def create(cls, folder: str | Path, config: RunConfig) -> "Run":
        """A new run, or the one of the same configuration that was begun there.

        Raises:
          InputError: the folder cannot be written, or holds another run.
        """
        folder = local_path(folder)
        if (folder / "config.json").exists():
            run = cls.open(folder)
            if run.config != config:
                raise InputError(
                    f"{str(folder)!r} holds a run of another configuration ({_difference(run.config, config)}); "
                    "name another folder, or give the same arguments to go on with it"
                )
            return run
        run = cls(folder, config)
        run.write("config.json", json.dumps(config.to_dict(), indent=1).encode() + b"\n")
        return run

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """A run that exists.

        Raises:
          InputError: there is none, or its configuration cannot be read.
        """
        folder = local_path(folder)
        if not (folder / "config.json").is_file():
            raise InputError(f"{str(folder)!r} holds no run: it has no config.json; name a folder that training wrote")
        return cls(folder, run_config(_read_json(folder / "config.json")))

    def write(self, name: str, content: bytes) -> None:
        """Writes one of the run's files, all or nothing.

        Raises:
          InputError: it cannot be written.
        """
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
        except OSError as error:
            raise InputError(f"cannot write {str(path)!r} ({error.strerror}); choose another folder") from error

    def write_grid(self, name: str, images: UInt8[np.ndarray, "n h w c"]) -> None:
        """Writes images side by side as a PNG."""
        stream = io.BytesIO()
        image_grid(images).save(stream, "PNG", optimize=True)
        self.write(name, stream.getvalue())

    def restore_rows(self, step: int) -> None:
        """Takes up the metrics that were written up to a step."""
        path = self.folder / "metrics.csv"
        self.rows = []
        if path.is_file():
            with open(path, newline="", encoding="utf-8") as stream:
                for row in csv.DictReader(stream):
                    values = {name: float(value) for name, value in row.items() if value}
                    if values["step"] <= step:
                        self.rows.append(values)

    def add_row(self, step: int, values: Mapping[str, float]) -> None:
        """Adds what was found at a step; `write_rows` writes it."""
        if self.rows and self.rows[-1]["step"] == step:
            self.rows[-1].update(values)
        else:
            self.rows.append({"step": float(step), **values})

    def write_rows(self) -> None:
        """Writes metrics.csv."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        stream = io.StringIO()
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _text(name, value) for name, value in row.items()} for row in self.rows)
        self.write("metrics.csv", stream.getvalue().encode())

    def save_weights(self, step: int, weights: Any) -> None:
        """Keeps the weights of a step."""
        self.write(f"weights/{step}.safetensors", to_bytes(weights))

    def steps(self) -> Sequence[int]:
        """The steps whose weights were kept."""
        names = [path.stem for path in (self.folder / "weights").glob("*.safetensors")]
        return sorted(int(name) for name in names if re.fullmatch(r"[0-9]+", name))

    def step_of(self, checkpoint: str) -> int:
        """The step that "best", "last" or a number means.

        Raises:
          InputError: there is no such one.
        """
        steps = self.steps()
        step = -1
        if checkpoint == "best":
            best = _read_json(self.folder / "best.json") if (self.folder / "best.json").is_file() else {}
            step = best.get("step", -1)
        elif checkpoint == "last":
            step = steps[-1] if steps else -1
        elif re.fullmatch(r"[0-9]{1,12}", checkpoint):
            step = int(checkpoint)
        if step not in steps:
            kept = ", ".join(map(str, steps)) or "none yet"
            raise InputError(
                f"{str(self.folder)!r} has no weights of checkpoint {checkpoint!r}; choose best, last or one of the "
                f"steps kept ({kept})"
            )
        return step

    def weights(self, checkpoint: str, *, like: Any) -> Any:
        """The weights of a checkpoint, as host arrays.

        Raises:
          InputError: there is no such one, or it is damaged.
        """
        path = self.folder / "weights" / f"{self.step_of(checkpoint)}.safetensors"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {str(path)!r} ({error.strerror})") from error
        return from_bytes(content, like, where=f"the checkpoint {str(path)!r}")


def image_grid(images: UInt8[np.ndarray, "n h w c"], *, columns: int = 10, zoom: int = 2) -> Image.Image:
    """Images side by side, row by row, enlarged."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, height, width, channels), np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    pixels = sheet.reshape(rows * height, columns * width, channels)
    picture = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)


def _text(name: str, value: float) -> str:
    return str(int(value)) if name == "step" else repr(float(value))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_JSON:
            raise ValueError("it is too large")
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read ({error}); it is not what training wrote") from error
    return found


def _difference(one: RunConfig, other: RunConfig) -> str:
    a, b = one.to_dict(), other.to_dict()
    parts = []
    for key, value in a.items():
        if value != b[key]:
            inner = [k for k in value if value[k] != b[key].get(k)] if isinstance(value, dict) else []
            parts += [f"{key}.{name}" for name in inner] or [key]
    return ", ".join(parts)
