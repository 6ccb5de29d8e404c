"""Trains the quickstart's generators and ranks their images among real and spoilt ones.

    python -m scripts.train_and_rank FOLDER [--full | --quick]

FOLDER/images is what `scripts.prepare_data` wrote. A dense VAE and a convolutional GAN are trained for about a minute
each, `--full` for an hour or two, `--quick` for a tenth of the steps; then images of an early and of the last step are
compared with the reference, beside real ones.
"""

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

import jaxeval
from jaxeval.report import output_console, print_results, progress_for
from models.config import GanConfig, VaeConfig
from models.data import load_splits
from models.runs import Run
from models.training import train
from models.training_config import EvaluationConfig, GanTraining, RunConfig, VaeTraining

# Steps of the VAE and of the GAN, and images by which a training is watched.
_LENGTHS = {"quick": (100, 50, 100), "minute": (1000, 500, 300), "full": (16_000, 3000, 2000)}


def configurations(images: Path, length: str) -> dict[str, RunConfig]:
    """What is trained, by name; for a length of `_LENGTHS`."""
    described = json.loads((images / "sets.json").read_text())
    real = described["data"] == "Fashion-MNIST"
    data = "fashion-mnist" if real else str(images / "train.npy")
    shape = tuple(described["shape"])
    unseen = {"validation": 5000, "held_out": 5000} if real else {"validation": 100, "held_out": 100}
    vae, gan, watching = _LENGTHS[length]
    full = length == "full"
    watched: dict[str, Any] = {"images": watching, **unseen}
    return {
        "VAE": RunConfig(
            VaeConfig("dense", shape, latent_size=40),
            VaeTraining(steps=vae, batch_size=128, ema=0.995, schedule="cosine"),
            data,
            evaluation=EvaluationConfig(every=vae // 10, **watched),
        ),
        "GAN": RunConfig(
            GanConfig("convolutional", shape, width=16 if full else 8, spectral_norm=True),
            GanTraining(steps=gan, learning_rate=4e-4 if full else 1e-3, ema=0.995 if full else 0.98),
            data,
            evaluation=EvaluationConfig(every=gan // 10, **watched),
        ),
    }


def train_all(folder: Path, length: str) -> dict[str, str]:
    """Trains what is not trained yet; by name, sources of early and late images."""
    sources = {}
    for name, config in configurations(folder / "images", length).items():
        run = Run.create(folder / (name.lower() if length == "minute" else f"{name.lower()}-{length}"), config)
        if not (run.folder / "report.json").exists():
            part, steps = config.evaluation, config.training.steps
            print(f"training the {name} for {steps:,} steps of {config.training.batch_size} images ...", flush=True)
            splits = load_splits(config.data, validation=part.validation, held_out=part.held_out)
            seconds = train(run, splits)["training_seconds"]
            print(f"  {seconds:.0f} s; curves and samples in {run.folder}")
        early, late = config.evaluation.every, config.training.steps
        for moment, step in (("early", early), ("late", late)):
            sources[f"{name}, {moment} (step {step:,})"] = (
                f"call:models.sampling:from_run?run={run.folder}&checkpoint={step}"
            )
    return sources


def main() -> None:
    """Trains, evaluates, and prints the table, best first."""
    folder, options = Path(sys.argv[1]), sys.argv[2:]
    length = "full" if "--full" in options else "quick" if "--quick" in options else "minute"
    images = folder / "images"
    sets = {
        "real, held out": str(images / "held-out"),
        "real, blurred": str(images / "blurred"),
        "real, noisy": str(images / "noisy"),
        "real, one class only": str(images / "one-class"),
        **train_all(folder, length),
    }
    count = json.loads((images / "sets.json").read_text())["images"]["reference"]
    progress = progress_for(Console(stderr=True))
    try:
        evaluation = jaxeval.evaluate(
            images / "reference",
            sets,
            metrics="fd,kd-full",
            extractor="lite0",
            num_samples=count,
            cache=folder / "cache",
            progress=progress,
        )
    finally:
        progress.close()
    written = evaluation.save(folder)
    distances = {result.generated: result.value for result in evaluation.results if result.metric == "fd-lite0"}
    ranked = sorted(evaluation.results, key=lambda result: distances[result.generated])
    print()
    print_results(ranked, output_console())
    print()
    print(f"images    {images} (a few of each: {images / 'samples.png'})")
    print(f"training  {folder}/vae*, {folder}/gan*: samples/, curves.png, report.md")
    print(f"results   {written}")


if __name__ == "__main__":
    main()
