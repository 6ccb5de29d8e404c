"""The command line of training: `python -m models.train gan|vae --run FOLDER`, or `scripts/train`."""

import dataclasses
import functools
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jaxeval.errors import JaxevalError
from models.config import GanConfig, VaeConfig
from models.training_config import EvaluationConfig, GanTraining, RunConfig, VaeTraining

_HELP = {
    "architecture": "dense, convolutional, or for a GAN r3gan.",
    "image_shape": "Height, width and channels.",
    "latent_size": "Dimensions of the latents.",
    "width": "Channels at full resolution.",
    "classes": "Classes to be told, as many as the data has; 0 for none.",
    "spectral_norm": "Divide the discriminator's layers by their largest singular value.",
    "likelihood": "bernoulli or gaussian.",
    "steps": "Of the optimiser.",
    "batch_size": "Images a step.",
    "learning_rate": "At its largest.",
    "schedule": "constant, cosine or linear.",
    "warmup": "Steps in which the rate rises.",
    "clip": "Largest length of the gradient; 0 for no limit.",
    "seed": "Of everything random.",
    "ema": "Decay of the averaged weights; 0 for none.",
    "loss": "hinge, least-squares, minimax, non-saturating, relativistic or wasserstein.",
    "discriminator_steps": "Before each step of the generator.",
    "discriminator_rate": "Its learning rate over the generator's.",
    "r1": "Weight of the penalty at real images.",
    "r2": "Weight of the penalty at generated images.",
    "gradient_penalty": "Weight of the penalty between both; 10 for Wasserstein.",
    "beta1": "Of Adam.",
    "beta2": "Of Adam.",
    "beta": "Weight of the KL divergence.",
    "free_bits": "Nats of each code dimension that cost nothing.",
    "binarise": "Make images black and white at random at every step.",
    "extractor": "Whose features the evaluations compare; random-conv needs no weights.",
    "images": "Of each side at each evaluation.",
    "every": "Steps between two evaluations, which keep weights and samples.",
    "manifold_every": "Evaluations between two of precision and recall.",
    "metric": "fd or kd: by which the best weights are chosen.",
    "validation": "Images to choose by, not learned from.",
    "held_out": "Images to report on, not learned from or chosen by.",
    "log_every": "Steps between two rows of losses.",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def app() -> None:
    """Train a reference generator; the folder of a run that was ended goes on where it was."""


def _options(*configs: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option for every field of these configurations."""
    found = []
    for field in (field for config in configs for field in dataclasses.fields(config)):
        name, kind = f"--{field.name.replace('_', '-')}", type(field.default)
        more: dict[str, Any] = {"default": field.default, "show_default": True, "help": _HELP[field.name]}
        if kind is bool:
            more["is_flag"] = True
        elif kind is tuple:
            more |= {"nargs": 3, "type": int}
        else:
            more |= {"type": kind, "metavar": "TEXT" if kind is str else "N"}
        found.append(click.option(name, **more))
    found += [
        click.option("--run", "folder", required=True, metavar="DIR", help="Where everything is written."),
        click.option("--data", default="fashion-mnist", show_default=True, metavar="DATA", help="To learn from."),
        click.option("--limit", type=int, metavar="N", help="Learn from N images at most."),
        click.option("--quiet", is_flag=True, help="No progress on stderr."),
    ]
    return lambda command: functools.reduce(lambda wrapped, option: option(wrapped), reversed(found), command)


@app.command()
@_options(GanConfig, GanTraining, EvaluationConfig)
def gan(**options: Any) -> None:
    """A generator against a discriminator."""
    _train(GanConfig, GanTraining, options)


@app.command()
@_options(VaeConfig, VaeTraining, EvaluationConfig)
def vae(**options: Any) -> None:
    """A variational autoencoder."""
    _train(VaeConfig, VaeTraining, options)


@app.command()
@click.option("--run", "folder", required=True, metavar="DIR", help="An autoencoder's.")
@click.option("--checkpoint", default="best", show_default=True, metavar="NAME", help="best, last or a step.")
@click.option("--draws", default=100, show_default=True, metavar="N", help="Of each image's code.")
@click.option("--limit", type=int, metavar="N", help="At most N images. [default: all that were held out]")
def bound(folder: str, checkpoint: str, draws: int, limit: int | None) -> None:
    """An autoencoder's bounds of log p(image) on held-out images."""
    from models.bounds import bounds_of_run

    found = bounds_of_run(folder, checkpoint=checkpoint, draws=draws, limit=limit)
    click.echo(f"{folder}, {checkpoint}: {found.images:,} held-out images, {found.draws:,} draws each, in nats")
    click.echo(f"  ELBO                      {found.elbo:.2f} ± {found.elbo_error:.2f}")
    click.echo(f"  importance-weighted bound {found.importance_weighted:.2f} ± {found.importance_weighted_error:.2f}")


def _train(network_type: type, training_type: type, options: dict[str, Any]) -> None:
    from models.data import load_splits
    from models.runs import Run
    from models.training import train

    def part(kind: type) -> Any:
        return kind(**{field.name: options[field.name] for field in dataclasses.fields(kind)})

    network, training, evaluation = part(network_type), part(training_type), part(EvaluationConfig)
    config = RunConfig(network, training, options["data"], options["limit"], evaluation)
    run = Run.create(options["folder"], config)
    splits = load_splits(
        config.data,
        validation=evaluation.validation,
        held_out=evaluation.held_out,
        seed=training.seed,
        limit=config.limit,
        image_size=None if config.data == "fashion-mnist" else network.image_shape[:2],
    )
    with _Watch(options["quiet"], options["folder"], training.steps) as watch:
        report = train(run, splits, listener=watch)
    best = report["best"]
    click.echo(f"{options['folder']}: best at step {best['step']:,}; see report.md, curves.png and samples/ there")
    for name in ("fd_held_out", "fd_gap", "kd_held_out", "precision", "recall", "elbo_held_out", "ssim_held_out"):
        if name in best:
            click.echo(f"  {name:<14} {best[name]:.5g}")


class _Watch:
    """Progress on stderr: a bar on a terminal, and a line at each evaluation."""

    def __init__(self, quiet: bool, name: str, steps: int):
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=steps, loss="")

    def __enter__(self) -> "_Watch":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, step: int, numbers: dict[str, float]) -> None:
        if "fd_validation" in numbers:
            wanted = ("fd_validation", "fd_gap", "kd_validation", "precision", "recall", "elbo_validation")
            text = ", ".join(f"{name} {numbers[name]:.4g}" for name in wanted if name in numbers)
            self._bar.console.print(f"step {step:,}: {text}", soft_wrap=True, markup=False)
        else:
            losses = [f"{name} {value:.3g}" for name, value in numbers.items() if name.endswith(("loss", "elbo"))]
            self._bar.update(self._task, completed=step, loss=", ".join(losses))


def main(arguments: typing.Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0 done, 1 diverged, 2 bad usage or input."""
    try:
        app.main(None if arguments is None else list(arguments), "models.train", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except JaxevalError as error:
        print(f"models.train: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("models.train: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
