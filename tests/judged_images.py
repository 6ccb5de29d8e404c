"""Files of metrics and of people's values of the same images, for tests of their agreement."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

SYSTEMS = ("jpeg", "blur", "net")


def judged(items: int = 30, *, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of images of three systems: a good metric, a worse one of which less is better, and people's value."""
    rng = np.random.default_rng(seed)
    rows = []
    for item in range(items):
        hard = rng.normal()
        for system, shift in zip(SYSTEMS, (0.0, -0.8, 1.2), strict=True):
            quality = float(shift + hard + rng.normal() / 2)
            rows.append(
                {
                    "item": f"image-{item:03}",
                    "system": system,
                    "good": round(30 + 4 * quality + rng.normal(), 3),
                    "error": round(0.5 - 0.1 * quality + rng.normal() / 10, 4),
                    "mos": round(float(3 + 1.5 * np.tanh(quality / 2) + rng.normal() / 5), 3),
                    "std": 0.8,
                    "n": 12,
                }
            )
    return rows


def write_table(path: Path, rows: list[dict[str, Any]], names: tuple[str, ...]) -> Path:
    """Some columns of rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_judged(folder: Path, rows: list[dict[str, Any]] | None = None) -> tuple[Path, Path]:
    """A table of scores, and one of people's values with their deviations."""
    rows = judged() if rows is None else rows
    scores = write_table(folder / "scores.csv", rows, ("item", "system", "good", "error"))
    return scores, write_table(folder / "mos.csv", rows, ("item", "system", "mos", "std", "n"))


def write_analysis(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The part of an `analysis.json` that is compared with metrics."""
    items = [
        {"question": "", "item": row["item"], "system": row["system"], "value": row["mos"], "low": row["mos"] - 0.5}
        | {"high": row["mos"] + 0.5, "n": 12}
        for row in rows
    ]
    means = {system: float(np.mean([row["mos"] for row in rows if row["system"] == system])) for system in SYSTEMS}
    systems = [
        {"question": "", "system": system, "value": value, "low": value - 0.1, "high": value + 0.1, "rank": 1}
        for system, value in means.items()
    ]
    path.write_text(json.dumps({"schema_version": 1, "design": "mos", "systems": systems, "items": items}))
    return path
