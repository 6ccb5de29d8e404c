"""A small search over settings at one budget: `python -m models.sweep gan --out FOLDER --vary learning_rate=1e-4,1e-3`.

Every trial sees the same number of images, is judged by the same held-out ones, and is ranked with its interval.
"""

import dataclasses
import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

import jaxeval
from jaxeval.errors import InputError, JaxevalError
from jaxeval.files import local_path, replace_file
from models.config import GanConfig, VaeConfig
from models.data import load_splits
from models.runs import Run
from models.sampling import from_run
from models.training import DivergedError, train
from models.training_config import EvaluationConfig, GanTraining, RunConfig, VaeTraining

Settings = dict[str, Any]
_MOST_TRIALS = 1000


@dataclasses.dataclass(frozen=True)
class Trial:
    """One combination of settings and what came of it.

    Attributes:
      settings: what was varied.
      folder: of its run.
      value: of the metric; None where training diverged.
      interval: of it, 95%.
      gap: the Fréchet distance from held-out images less that from images learned from, in the loop's features.
      images_per_second: of training.
    """

    settings: Mapping[str, Any]
    folder: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    gap: float | None = None
    images_per_second: float | None = None


def trials_of(choices: Mapping[str, Sequence[Any]], *, random: int | None = None, seed: int = 0) -> list[Settings]:
    """The combinations of a grid, or so many of them at random.

    Raises:
      InputError: more combinations than anybody would train.
    """
    count = int(np.prod([len(values) for values in choices.values()], dtype=np.int64))
    if not 1 <= count <= _MOST_TRIALS:
        raise InputError(f"these choices make {count:,} combinations; up to {_MOST_TRIALS:,} can be searched")
    grid = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
    if random is None or random >= len(grid):
        return grid
    picked = np.random.default_rng(seed).choice(len(grid), random, replace=False)
    return [grid[number] for number in sorted(picked)]


def sweep(
    kind: str,
    folder: str | Path,
    choices: Mapping[str, Sequence[Any]],
    *,
    fixed: Mapping[str, Any] | None = None,
    budget: int = 20_000,
    data: str = "fashion-mnist",
    limit: int | None = None,
    metric: str = "fd",
    extractor: str = "random-conv",
    random: int | None = None,
    seed: int = 0,
) -> list[Trial]:
    """Trains and judges every combination, best first, and writes sweep.json and sweep.md.

    Args:
      kind: "gan" or "vae".
      folder: where; a trial that is finished there is not trained again.
      choices: values by the name of a setting of the network, the training or the evaluation.
      fixed: other settings that are not the default.
      budget: images that each trial's training sees: its steps follow from its batch, or its batch from its steps.
      data: as `models.data.load_splits` takes it.
      limit: at most so many images to learn from.
      metric: of `jaxeval.evaluate`, smaller is better.
      extractor: of the metric.
      random: so many combinations at random; None for all.
      seed: of that choice.

    Raises:
      InputError: an unknown setting, or one that does not fit.
    """
    folder = local_path(folder)
    found, ranked = [], []
    for settings in trials_of(choices, random=random, seed=seed):
        config = _configured(kind, {**(fixed or {}), **settings}, budget, data, limit)
        name = ",".join(f"{key}={value}" for key, value in settings.items()).replace("/", "_")
        found.append(_trial(config, settings, folder / name, metric, extractor))
        # Written after each: a long search that is ended has what it has.
        ranked = sorted(found, key=lambda trial: float("inf") if trial.value is None else trial.value)
        _write(folder, ranked, kind, metric, extractor, budget)
    return ranked


def _trial(config: RunConfig, settings: Settings, folder: Path, metric: str, extractor: str) -> Trial:
    run, part = Run.create(folder, config), config.evaluation
    splits = load_splits(
        config.data,
        validation=part.validation,
        held_out=part.held_out,
        limit=config.limit,
        image_size=None if config.data == "fashion-mnist" else config.network.image_shape[:2],
    )
    finished = run.folder / "report.json"
    try:
        report = json.loads(finished.read_text()) if finished.exists() else train(run, splits)
    except DivergedError:
        return Trial(settings, str(folder))
    count = min(part.images, len(splits.held_out))
    evaluation = jaxeval.evaluate(
        splits.held_out.images[:count],
        from_run(run=folder),
        metrics=metric,
        extractor=extractor,
        num_samples=count,
    )
    result = evaluation.results[0]
    gap, speed = report["best"]["fd_gap"], report["images_per_second"]
    return Trial(settings, str(folder), result.value, result.interval, gap, speed)


def _configured(kind: str, settings: Settings, budget: int, data: str, limit: int | None) -> RunConfig:
    if kind not in ("gan", "vae"):
        raise InputError(f"kind is {kind!r}; choose gan or vae")
    kinds = (GanConfig, GanTraining) if kind == "gan" else (VaeConfig, VaeTraining)
    parts: list[Any] = [*kinds, EvaluationConfig]
    known = {field.name for part in parts for field in dataclasses.fields(part)}
    for name in settings:
        if name not in known:
            raise InputError(f"a {kind} has no setting {name!r}; it has {', '.join(sorted(known))}")
    players = settings.get("discriminator_steps", 1)
    if "steps" in settings:
        settings = {"batch_size": max(1, budget // (settings["steps"] * players)), **settings}
    else:
        batch = settings.get("batch_size", kinds[1]().batch_size)
        settings = {**settings, "steps": max(1, budget // (batch * players))}
    settings = {"every": max(1, settings["steps"] // 4), **settings}
    network, training, evaluation = (
        part(**{field.name: settings[field.name] for field in dataclasses.fields(part) if field.name in settings})
        for part in parts
    )
    return RunConfig(network, training, data, limit, evaluation)


def _write(folder: Path, ranked: list[Trial], kind: str, metric: str, extractor: str, budget: int) -> None:
    table = {
        "kind": kind,
        "metric": metric,
        "extractor": extractor,
        "budget": budget,
        "trials": [dataclasses.asdict(trial) for trial in ranked],
    }
    replace_file(folder / "sweep.json", json.dumps(table, indent=1).encode() + b"\n")
    replace_file(folder / "sweep.md", _as_markdown(ranked, kind, metric, extractor, budget).encode())


def _as_markdown(ranked: list[Trial], kind: str, metric: str, extractor: str, budget: int) -> str:
    names = list(ranked[0].settings)
    best = ranked[0]
    lines = [
        f"# {kind}: {len(ranked)} trials of {budget:,} images each, by {metric} over {extractor}, held-out images",
        "",
        f"| rank | {' | '.join(names)} | {metric} [95%] | over-fitting gap | images/s |",
        "|---|" + "---|" * (len(names) + 3),
    ]
    for rank, trial in enumerate(ranked, 1):
        values = " | ".join(str(trial.settings[name]) for name in names)
        if trial.value is None:
            lines.append(f"| {rank} | {values} | diverged | | |")
            continue
        interval = "" if trial.interval is None else f" [{trial.interval[0]:.4g}, {trial.interval[1]:.4g}]"
        # Overlapping intervals leave the order open.
        tied = trial is not best and best.interval and trial.interval and trial.interval[0] <= best.interval[1]
        speed = trial.images_per_second
        lines.append(
            f"| {rank} | {values} | {trial.value:.4g}{interval}{' (a tie with the first)' if tied else ''} | "
            f"{trial.gap:+.3g} | {speed:,.0f} |"
        )
    return "\n".join([*lines, ""])


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("kind", type=click.Choice(["gan", "vae"]))
@click.option("--out", required=True, metavar="DIR", help="Where every run and the table are written.")
@click.option("--vary", multiple=True, required=True, metavar="NAME=A,B,...", help="A setting and its values; repeat.")
@click.option("--set", "fixed", multiple=True, metavar="NAME=VALUE", help="A setting of every trial; repeat.")
@click.option("--budget", default=20_000, show_default=True, metavar="N", help="Images each trial sees.")
@click.option("--random", type=int, metavar="N", help="N combinations at random. [default: all]")
@click.option("--seed", default=0, show_default=True, metavar="N", help="Of that choice.")
@click.option("--metric", default="fd", show_default=True, metavar="NAME", help="See `jaxeval metrics`.")
@click.option("--extractor", default="random-conv", show_default=True, metavar="NAME", help="Of the metric.")
@click.option("--data", default="fashion-mnist", show_default=True, metavar="DATA", help="To learn from.")
@click.option("--limit", type=int, metavar="N", help="Learn from N images at most.")
def app(kind: str, out: str, vary: tuple[str, ...], fixed: tuple[str, ...], **options: Any) -> None:
    """Compare settings at one budget, best first."""
    choices = {name: [_value(text) for text in values.split(",")] for name, values in map(_pair, vary)}
    settings = {name: _value(text) for name, text in map(_pair, fixed)}
    sweep(kind, out, choices, fixed=settings, **options)
    click.echo((local_path(out) / "sweep.md").read_text())


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name or not value:
        raise InputError(f"{text!r} must be NAME=VALUE, for instance learning_rate=1e-4")
    return name.replace("-", "_"), value


def _value(text: str) -> Any:
    """A number, a truth value, or the text itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0 done, 2 bad usage or input."""
    try:
        app.main(None if arguments is None else list(arguments), "models.sweep", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except JaxevalError as error:
        print(f"models.sweep: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
