"""`python -m benchmarks.page`: writes docs/benchmarks.md from the figures that are kept in benchmarks/results/.

    python -m benchmarks --peers --sizes paper --json benchmarks/results/kernels.json
    python -m benchmarks.growth
    python -m benchmarks.page

Figures of other machines, in files named kernels-NAME.json beside the first, get a table each.

The sentences about goals that were not reached are in benchmarks/results/notes.json, by kernel; a row without one that
misses its goal is an error, so that no miss goes unexplained.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.kernel import OURS
from benchmarks.results import achieved, disagreement, ratio, reached
from benchmarks.timing import median, spread
from jaxeval.files import local_path

_ROOT = Path(__file__).parents[1]
RESULTS = _ROOT / "benchmarks" / "results"


def page(
    document: Mapping[str, Any],
    notes: Mapping[str, str],
    *,
    others: Sequence[Mapping[str, Any]] = (),
    modes: Mapping[str, Any] | None = None,
    growth: Mapping[str, Any] | None = None,
) -> str:
    """The page as Markdown.

    Args:
      document: what `python -m benchmarks --json` wrote.
      notes: what bounds a kernel, by name; and what else is to say of an accelerator, as `accelerator`.
      others: what it wrote on other machines.
      modes: what `python -m benchmarks.modes --json` wrote, if it was run on an accelerator.
      growth: what `python -m benchmarks.growth` wrote.

    Raises:
      ValueError: a goal was not reached and no note says why.
    """
    rows = document["rows"]
    unexplained = [name for name, row in rows.items() if reached(row) is False and name not in notes]
    if unexplained:
        raise ValueError(f"no note says what bounds {', '.join(unexplained)}; add it to benchmarks/results/notes.json")
    parts = [_HEAD, _machine(document), _table(rows)]
    bounded = [f"- **{row['title']}**: {notes[name]}" for name, row in rows.items() if name in notes]
    if bounded:
        parts.append("## What bounds them\n\n" + "\n".join(bounded))
    parts.append(_all_figures(rows))
    for other in others:
        parts += ["## The same on another machine", _machine(other), _table(other["rows"])]
    parts += [_modes(modes, notes.get("accelerator")), _growth(growth)]
    return "\n\n".join(part for part in parts if part) + "\n"


_HEAD = """# Benchmarks

<!-- Made by `python -m benchmarks.page` from benchmarks/results/; change those, not this. -->

```bash
python -m benchmarks --peers                                                # seconds a kernel
python -m benchmarks --peers --sizes paper --json benchmarks/results/kernels.json
python -m benchmarks.growth                                                 # the curves below
python -m benchmarks.modes --json benchmarks/results/modes.json             # on an accelerator
scripts/device-check out/device-check                                       # on an accelerator, all of it in minutes
python -m benchmarks.page                                                   # this page
python -m benchmarks.regression OLD.json NEW.json                           # fails where something became slower
```

Each contender runs in a process of its own, and they take turns, so that whatever else the machine does hits all
alike: trust the ratios, not the seconds. The machine's own rates (a product of two square matrices through XLA in
float32, through NumPy in float64, and a copy, counted as read and written) are measured before every turn. A turn is
as many calls as fill half a second; times are medians of the turns, in seconds a call, after one call that compiles;
± is half the distance between the quartiles (half the range, for fewer than four turns). Memory is what a process
takes beyond its inputs. Jaxeval runs with the allocator's settings that its command
line makes."""


def _machine(document: Mapping[str, Any]) -> str:
    about = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    peers = {
        figures["version"]
        for row in document["rows"].values()
        for figures in row["contenders"].values()
        if figures["version"]
    }
    text = f"{about['device']}: {about['processor']}, {about['cores']} cores; Python {about['python']}, {versions}; "
    text += f"{', '.join(sorted(peers))}. {document['when'][:10]}, {document['sizes']} sizes."
    rates = {name: [rate for row in document["rows"].values() for rate in row["rates"][name]] for name in _RATES}
    text += " Rates over the run: " + ", ".join(
        f"{title} {median(rates[name]) / 1e9:,.0f} {unit} (±{spread(rates[name]):.0%})"
        for name, (title, unit) in _RATES.items()
        if rates[name]
    )
    return text + "."


_RATES = {
    "gemm_f32": ("float32 product", "GFLOP/s"),
    "gemm_f64": ("float64 product", "GFLOP/s"),
    "copy": ("copy", "GB/s"),
}


def _table(rows: Mapping[str, Any]) -> str:
    lines = ["| work | time | of the machine's rate | beside the best peer | goal | |", "|---|---|---|---|---|---|"]
    for row in rows.values():
        seconds = row["contenders"][OURS]["seconds"]
        peers = [name for name in row["contenders"] if not name.startswith(OURS)]
        best = min(peers, key=lambda name: median(row["contenders"][name]["seconds"]), default=None)
        beside = "-" if best is None else f"{ratio(row, best):.1f}x {best}"
        state = {True: "reached", False: "**not reached**", None: ""}[reached(row)]
        cells = [row["title"], f"{_seconds(median(seconds))} ±{spread(seconds):.0%}", f"{achieved(row)[1]:.0%}", beside]
        lines.append(f"| {' | '.join([*cells, _goal(row), state])} |")
    return "\n".join(lines)


def _goal(row: Mapping[str, Any]) -> str:
    goal, parts = row["goal"], []
    if goal["ratio"] is not None:
        found = ratio(row, goal["peer"])
        parts.append(f"{goal['ratio']:.3g}x {goal['peer']}" + ("" if found is None else f" (is {found:.1f}x)"))
    if goal["share"] is not None:
        parts.append(f"{goal['share']:.0%} of the rate")
    return ", ".join(parts) or "-"


def _all_figures(rows: Mapping[str, Any]) -> str:
    lines = ["## All figures", ""]
    lines.append("| work | who | time | rate | images/s | memory | compiled in | we are | differs by |")
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for row in rows.values():
        unit = "GB/s" if row["rate"] == "copy" else "GFLOP/s"
        for number, (name, figures) in enumerate(row["contenders"].items()):
            rate, share = achieved(row, name)
            middle = median(figures["seconds"])
            images = "" if row["images"] is None else f"{row['images'] / middle:,.1f}"
            held = figures["peak_bytes"]
            memory = "" if held is None else f"{(held - figures['input_bytes']) / 2**20:,.0f} MB"
            compiled = f"{figures['compile_seconds']:.1f} s" if figures["compilations"] else ""
            other = "" if name == OURS else f"{ratio(row, name):.2f}x"
            off = None if name == OURS else disagreement(row, name)
            cells = [row["title"] if number == 0 else "", name, f"{_seconds(middle)} ±{spread(figures['seconds']):.0%}"]
            cells += [f"{rate / 1e9:,.1f} {unit} ({share:.0%})", images, memory, compiled, other]
            lines.append(f"| {' | '.join([*cells, '' if off is None else f'{off:.0e}'])} |")
        for name, reason in row["skipped"].items():
            lines.append(f"| | {name} | not here: {reason} | | | | | | |")
    remarks = [f"- {row['title']}: {row['remark']}." for row in rows.values() if row["remark"]]
    return "\n".join(lines) + "\n\n" + "\n".join(remarks)


def _modes(modes: Mapping[str, Any] | None, note: str | None) -> str:
    head = (
        "## Accelerators\n\n"
        "`scripts/device-check OUT_DIR` checks a machine in one command of less than eight minutes, which needs no "
        "installed jaxeval and says which packages it lacks: every streaming metric, device op and network beside its "
        "value in float64, in every way of running that the devices allow; the error of each precision mode; speed "
        "beside the peers that are there; peak memory. It writes one JSON and one log as it goes; a part that runs out "
        "of its time is ended, and what it had measured is kept. The exit status is 1 if a value does not hold.\n\n"
    )
    if modes is None:
        return head + (
            "No accelerator was at hand for these figures. `python -m benchmarks` and `python -m benchmarks.modes` "
            "run on one as they are: the former on the device, the latter with float32 products at full precision "
            "(what jaxeval asks for) and in the tensor cores' modes, with the error of each mode in the Fréchet "
            "distance against float64 on the host."
        )
    lines = [f"{modes['machine']['device']}, jax {modes['machine']['versions']['jax']}.", ""]
    lines += [
        "| mode | product | network, images/s | distance | error against float64 on the host |",
        "|---|---|---|---|---|",
    ]
    for name, mode in modes["modes"].items():
        cells = [name, f"{mode['gemm'] / 1e12:,.1f} TFLOP/s", f"{mode['images_per_second']:,.0f}"]
        cells += [f"{mode['distance']:.6f}", f"{mode['distance_error']:.1e}"]
        lines.append(f"| {' | '.join(cells)} |")
    return head + "\n".join(lines) + (f"\n\n{note}" if note else "")


def _growth(growth: Mapping[str, Any] | None) -> str:
    if growth is None:
        return ""
    text = "## Growth\n\n![Time against size](images/growth.png)\n\n"
    text += "Exponents of the last doublings (time grows as size to this power): "
    return text + ", ".join(f"{name} {curve['exponent']:.2f}" for name, curve in growth["curves"].items()) + "."


def _seconds(value: float) -> str:
    return f"{value * 1e3:.1f} ms" if value < 0.1 else f"{value:.2f} s"


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--results", type=local_path, default=RESULTS, metavar="DIR", help="default: benchmarks/results"
    )
    parser.add_argument("--out", type=local_path, default=_ROOT / "docs" / "benchmarks.md", metavar="FILE")
    options = parser.parse_args(arguments)

    def found(name: str) -> Any:
        path = options.results / name
        return json.loads(path.read_text()) if path.exists() else None

    text = page(
        found("kernels.json"),
        found("notes.json") or {},
        others=[found(path.name) for path in sorted(options.results.glob("kernels-*.json"))],
        modes=found("modes.json"),
        growth=found("growth.json"),
    )
    options.out.write_text(text)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
