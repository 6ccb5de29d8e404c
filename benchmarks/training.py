"""Training throughput of the reference generators on 1 and on 4 devices: `python -m benchmarks.training [NAME ...]`.

Whole steps are timed as a run makes them: batches drawn, copied and split by the prefetching thread, both players'
updates, the averaged weights. Device counts take turns, so that load on the machine hits all alike, and compilation
is apart, in the first step. The spread is half the distance between the quartiles, the share the rate over that of one
device. Simulated devices share the processors of one machine: the share that 4 of them reach tells what dividing a
step costs, not what more hardware would bring.
"""

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from benchmarks import machine
from benchmarks.timing import median, spread
from jaxeval.distributed import batch_mesh
from jaxeval.files import local_path
from models.config import GanConfig, VaeConfig
from models.data import Batches, DataSet, prefetch
from models.training import make_trainer
from models.training_config import GanTraining, RunConfig, VaeTraining

DEVICES = (1, 4)
_BATCH = 64
_DATA = "noise of Fashion-MNIST's shape"
CONFIGS = {
    "dense-vae": RunConfig(VaeConfig("dense"), VaeTraining(batch_size=_BATCH), _DATA),
    "convolutional-vae": RunConfig(VaeConfig(), VaeTraining(batch_size=_BATCH), _DATA),
    "dense-gan": RunConfig(GanConfig("dense"), GanTraining(batch_size=_BATCH), _DATA),
    "convolutional-gan": RunConfig(GanConfig(width=16, spectral_norm=True), GanTraining(batch_size=_BATCH), _DATA),
    "r3gan": RunConfig(
        GanConfig("r3gan", width=16), GanTraining(batch_size=_BATCH, loss="relativistic", r1=1.0, r2=1.0), _DATA
    ),
}


class Throughput:
    """A trainer on so many devices, stepped for as long as it is asked to.

    Attributes:
      first_seconds: of the first step, compilation included.
      rates: images/s of every stretch of steps.
    """

    def __init__(self, config: RunConfig, devices: int):
        mesh = batch_mesh(jax.devices()[:devices])
        self._trainer = make_trainer(config, mesh)
        images = np.random.default_rng(0).integers(0, 256, (4096, *config.network.image_shape), np.uint8)
        batches = Batches(DataSet("noise", images, None), self._trainer.images_per_step, seed=0)
        self._batches: Iterator[Any] = iter(prefetch(batches, mesh, 0, 1 << 30))
        self._state = self._trainer.init()
        self.rates: list[float] = []
        self.first_seconds = self._seconds(1)

    def run(self, steps: int) -> None:
        """Times these steps."""
        self.rates.append(steps * self._trainer.images_per_step / self._seconds(steps))

    def _seconds(self, steps: int) -> float:
        begun = time.perf_counter()
        for batch in itertools.islice(self._batches, steps):
            self._state, _ = self._trainer.step(self._state, batch)
        jax.block_until_ready(self._state)
        return time.perf_counter() - begun


def measure(config: RunConfig, *, steps: int, repeats: int) -> dict[int, Throughput]:
    """The trainer on each number of devices, which take turns.

    Args:
      config: what to train.
      steps: in one stretch.
      repeats: stretches on each number of devices.

    Returns:
      By the number of devices.
    """
    found = {devices: Throughput(config, devices) for devices in DEVICES}
    for _ in range(repeats):
        for one in found.values():
            one.run(steps)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Prints the table, and writes it where it is told to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CONFIGS)}; all by default")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="in one stretch; default: 20")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="stretches of each; default: 5")
    parser.add_argument("--json", type=local_path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in CONFIGS]:
        parser.error(f"there is no {unknown[0]!r}; choose from {', '.join(CONFIGS)}")
    if min(options.steps, options.repeats) < 1:
        parser.error("--steps and --repeats are 1 or more")
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", max(DEVICES))
    about = machine.describe()
    print(f"{about['processor']}, {about['cores']} cores; batches of {_BATCH} images")
    print(f"{'training':<20}{'devices':>8}{'images/s':>10}{'spread':>8}{'share':>7}{'first step':>12}", flush=True)
    rows: dict[str, Any] = {}
    for name in options.names or CONFIGS:
        found = measure(CONFIGS[name], steps=options.steps, repeats=options.repeats)
        alone = median(found[1].rates)
        rows[name] = {devices: {"rates": one.rates, "first": one.first_seconds} for devices, one in found.items()}
        for devices, one in found.items():
            rate = median(one.rates)
            print(
                f"{name if devices == 1 else '':<20}{devices:>8}{rate:>10,.0f}"
                f"{spread(one.rates):>8.0%}{rate / alone:>7.2f}{one.first_seconds:>10.1f} s",
                flush=True,
            )
    if options.json is not None:
        document = {"machine": about, "batch_size": _BATCH, "images_per_second": rows}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
