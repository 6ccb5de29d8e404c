"""Rows of results: what is kept in JSON, and what is read off it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from benchmarks.kernel import OURS, Kernel, Size
from benchmarks.timing import Measured, median, spread


def row_of(
    kernel: Kernel,
    size: Size,
    measured: Mapping[str, Measured],
    skipped: Mapping[str, str],
    rates: Mapping[str, list[float]],
) -> dict[str, Any]:
    """A kernel's figures as plain values."""
    return {
        "title": kernel.describe(size),
        "size": dict(size),
        "contenders": {name: dataclasses.asdict(figures) for name, figures in measured.items()},
        "skipped": dict(skipped),
        "rates": {name: list(found) for name, found in rates.items()},
        "rate": kernel.rate,
        "work": kernel.work(size),
        "images": None if kernel.images is None else kernel.images(size),
        "goal": dataclasses.asdict(kernel.goal),
        "goal_applies": dict(size) == dict(kernel.sizes["paper"]),
        "alike": kernel.alike,
        "remark": kernel.remark,
    }


def achieved(row: Mapping[str, Any], name: str = OURS) -> tuple[float, float]:
    """Operations or bytes a second, and the same as a share of the machine's rate."""
    rate = row["work"] / median(row["contenders"][name]["seconds"])
    return rate, rate / median(row["rates"][row["rate"]])


def ratio(row: Mapping[str, Any], peer: str) -> float | None:
    """How many times as fast as a peer we are, by medians; None where the peer was not run."""
    if peer not in row["contenders"]:
        return None
    return median(row["contenders"][peer]["seconds"]) / median(row["contenders"][OURS]["seconds"])


def reached(row: Mapping[str, Any]) -> bool | None:
    """Whether the goal was; None where there is none, or it cannot be judged from this run."""
    goal, judged = row["goal"], []
    if goal["ratio"] is not None:
        found = ratio(row, goal["peer"])
        if found is None:
            return None
        judged.append(found >= goal["ratio"])
    if goal["share"] is not None:
        judged.append(achieved(row)[1] >= goal["share"])
    return all(judged) if judged and row["goal_applies"] else None


def disagreement(row: Mapping[str, Any], name: str) -> float | None:
    """Relative difference of a contender's number from ours; None where they are not to be compared."""
    ours, theirs = (row["contenders"][one]["value"] for one in (OURS, name))
    if row["alike"] is None or theirs is None or ours is None:
        return None
    return abs(theirs - ours) / max(abs(ours), 1e-300)


def lines(row: Mapping[str, Any]) -> list[str]:
    """A row as text: a line a contender, who was left out, and whether the goal was reached."""
    text = [_line(row, name) for name in row["contenders"]]
    text += [f"{name} left out: {reason}" for name, reason in row["skipped"].items()]
    return text + ([verdict(row)] if verdict(row) else [])


def _line(row: Mapping[str, Any], name: str) -> str:
    """One contender's figures in a line of text."""
    figures = row["contenders"][name]
    rate, share = achieved(row, name)
    unit = "GB/s" if row["rate"] == "copy" else "GFLOP/s"
    parts = [f"{name:<30}{median(figures['seconds']):>9.4f} s ±{spread(figures['seconds']):>4.0%}"]
    parts.append(f"{rate / 1e9:>8.1f} {unit:<7} {share:>5.0%}")
    if row["images"] is not None:
        parts.append(f"{row['images'] / median(figures['seconds']):>8.1f} img/s")
    if figures["peak_bytes"] is not None:
        parts.append(f"{(figures['peak_bytes'] - figures['input_bytes']) / 2**20:>7.0f} MB")
    parts.append(f"compile {figures['compile_seconds']:.1f} s" if figures["compilations"] else "")
    if name != OURS:
        parts.append(f"we: {ratio(row, name):.2f}x")
    difference = None if name == OURS else disagreement(row, name)
    if difference is not None:
        parts.append(f"differs by {difference:.0e}" + ("" if difference <= row["alike"] else ": TOO MUCH"))
    return "  ".join(part for part in parts if part)


def verdict(row: Mapping[str, Any]) -> str:
    """Whether the goal was reached, in words; empty where there is nothing to judge."""
    found, goal = reached(row), row["goal"]
    if found is None:
        return ""
    wanted = [] if goal["ratio"] is None else [f"{goal['ratio']:.3g}x {goal['peer']}"]
    wanted += [] if goal["share"] is None else [f"{goal['share']:.0%} of the machine's rate"]
    return f"goal: {' and '.join(wanted)}: {'reached' if found else 'NOT reached'}"
