"""The scores of single images as files: CSV, JSON and, where pyarrow is installed, Parquet."""

import csv
import importlib.util
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxeval.files import check_writable, local_path, write_atomically
from jaxeval.pairs.results import PairScores, plain_number

_FIELDS = ("set", "image", "height", "width", "channels", "bits")


def save_scores(scores: Sequence[PairScores], folder: str | Path) -> tuple[list[Path], str | None]:
    """Writes `scores.csv`, `scores.json` and `scores.parquet`, a row an image, into a folder, which is made if need be.

    Values have all digits of float32. Infinite ones are `inf` in CSV and in Parquet, "inf" in JSON; a measure that a
    row does not have is empty, null, null. Where a video says the times of its frames there is a column `time`.

    Returns:
      The paths, and a sentence if there is no Parquet file because pyarrow is not installed.

    Raises:
      InputError: the folder cannot be written.
    """
    folder = local_path(folder)
    check_writable(folder)
    names = list(dict.fromkeys(name for score in scores for name in score.values))
    timed = any(score.time is not None for score in scores)
    fields = (*_FIELDS, *(("time",) if timed else ()))
    rows = [_row(score, fields, names) for score in scores]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*fields, *names], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
    plain = [
        {key: plain_number(value) if isinstance(value, float) else value for key, value in r.items()} for r in rows
    ]
    contents = {
        "scores.csv": text.getvalue().encode(),
        "scores.json": (json.dumps(plain, indent=1, allow_nan=False) + "\n").encode(),
    }
    missing = None
    if importlib.util.find_spec("pyarrow") is None:
        missing = "scores.parquet is not written, as pyarrow is not installed (pip install pyarrow)"
    else:
        contents["scores.parquet"] = _parquet(rows, names)
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return [folder / name for name in contents], missing


def _row(score: PairScores, fields: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    return {field: getattr(score, field) for field in fields} | {name: score.values.get(name) for name in names}


def _parquet(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    types = {"set": pyarrow.string(), "image": pyarrow.string()} | dict.fromkeys(_FIELDS[2:], pyarrow.int32())
    numbers = [*(["time"] if "time" in rows[0] else []), *names]
    schema = pyarrow.schema(list((types | dict.fromkeys(numbers, pyarrow.float64())).items()))
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), sink)
    return sink.getvalue()
