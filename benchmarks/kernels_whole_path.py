"""Reading, and the whole path: two folders in, FID, KID and precision/recall out, commands in their own processes."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kernel import OURS, Goal, Kernel, Run, Size
from benchmarks.kernels_of_images import import_random_weights, pictures, random_weights
from benchmarks.peers import FidelityCommand, save_torch_checkpoint


def _folders(size: Size, base: Path) -> tuple[Path, Path]:
    from PIL import Image

    made = []
    for seed, name in enumerate(("reference", "generated")):
        folder = base / name
        folder.mkdir()
        for number, image in enumerate(pictures(size["n"], size["side"], size["side"], seed)):
            Image.fromarray(image).save(folder / f"{number:05d}.png")
        made.append(folder)
    return made[0], made[1]


class _Command:
    """Runs a command; remembers the most memory that it took."""

    def __init__(self, arguments: list[str], folder: Any, key: str | None):
        self._arguments, self._key = arguments, key
        self._folder = folder  # lives as long as the command may run
        self.peak_bytes = 0

    def __call__(self) -> float:
        process = subprocess.Popen(self._arguments, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=os.environ)
        assert process.stdout is not None
        with process.stdout as out:
            printed = out.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(self._arguments[:4])} ... ended with {process.returncode}")
        self.peak_bytes = max(self.peak_bytes, usage.ru_maxrss * 1024)
        document = json.loads(printed)
        if self._key is not None:
            return document[self._key]
        return next(result["value"] for result in document["results"] if result["metric"] == "fid")


def _reading(size: Size) -> Run:
    from jaxeval.images import Preparation, open_source, read_batches

    holder = tempfile.TemporaryDirectory()
    folder, _ = _folders(size, Path(holder.name))
    preparation = Preparation((299, 299), "bilinear")

    def run(_: object = holder) -> float:  # the folder lives as long as what reads it
        total = 0.0
        for batch in read_batches(open_source(folder), [preparation], size["batch"]):
            total += float(batch.images[0][batch.mask].sum(dtype=np.float64))
        return total / size["n"]

    return run


def _reading_by_pillow(size: Size) -> Run:
    from PIL import Image

    holder = tempfile.TemporaryDirectory()
    folder, _ = _folders(size, Path(holder.name))
    paths = sorted(folder.iterdir())

    def run(_: object = holder) -> None:
        for path in paths:
            with Image.open(path) as image:
                np.asarray(image.convert("RGB").resize((299, 299), Image.Resampling.BILINEAR))

    return run


def _ours(size: Size) -> Run:
    holder = tempfile.TemporaryDirectory()
    base = Path(holder.name)
    reference, generated = _folders(size, base)
    weights = import_random_weights("inception", base)
    # The command's own cache of compiled programs, in a place of its own: the first run compiles, the others do not.
    os.environ["JAXEVAL_COMPILATION_CACHE"] = str(base / "compiled")
    metrics = "fd,kd-full,prdc" if size["subset"] == size["n"] else "fd,kd,prdc"
    options = ["--metrics", metrics, "--batch-size", str(size["batch"]), "--weights-dir", str(weights), "--json"]
    arguments = [sys.executable, "-m", "jaxeval", "evaluate", str(reference), str(generated), *options, "--quiet"]
    return _Command(arguments, holder, None)


def _fidelity(size: Size) -> Run:
    holder = tempfile.TemporaryDirectory()
    base = Path(holder.name)
    reference, generated = _folders(size, base)
    weights = save_torch_checkpoint(random_weights("inception", 0), base / "random.pth")
    subsets = 1 if size["subset"] == size["n"] else 100
    command = FidelityCommand(weights, generated, reference, size["subset"], size["batch"], subsets)
    return _Command(command.arguments, holder, "frechet_inception_distance")


KERNELS = (
    Kernel(
        name="reading",
        title="a folder of {n} PNG {side} x {side} -> batches of {batch} images 299 x 299",
        sizes={"small": {"n": 48, "side": 256, "batch": 16}, "paper": {"n": 1000, "side": 256, "batch": 32}},
        contenders={OURS: _reading, "Pillow": _reading_by_pillow},
        work=lambda size: 3.0 * size["n"] * (size["side"] ** 2 + 4 * 299**2),  # levels read, float32 written
        rate="copy",
        images=lambda size: size["n"],
        remark="Pillow: a loop over its own files, one thread, images not kept",
    ),
    Kernel(
        name="end-to-end",
        title="two folders of {n} PNG {side} x {side} -> FID, KID, precision, recall",
        sizes={
            "small": {"n": 48, "side": 256, "subset": 48, "batch": 16},
            "paper": {"n": 250, "side": 256, "subset": 250, "batch": 32},
        },
        contenders={OURS: _ours, "torch-fidelity": _fidelity},
        work=lambda size: 2 * 11.4e9 * size["n"],
        rate="gemm_f32",
        goal=Goal(ratio=2, peer="torch-fidelity"),
        images=lambda size: 2 * size["n"],
        alike=1e-4,
        remark="whole commands, start of the interpreter included; ours adds density, coverage and 95% intervals",
    ),
)
