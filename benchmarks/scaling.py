"""Work per device when the same work is spread over 1, 2, 4 and 8 devices: `python -m benchmarks.scaling`.

Nothing is timed: simulated devices share the processors of one machine. Counted are the programs as XLA has compiled
them for one device: floating-point operations, from the compiler's own cost analysis; bytes that a device holds
(arguments, results, temporaries), from its memory analysis; and bytes that it sends, from its collectives. Loops count
as often as they run.
"""

import argparse
import functools
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxeval.distributed import batch_mesh, replicate_on
from jaxeval.extractors import load_extractor
from jaxeval.files import local_path
from jaxeval.metrics import FrechetDistance, KernelDistance, Manifold

DEVICES = (1, 2, 4, 8)
_AXIS = "batch"


class Work(NamedTuple):
    """What one device does and holds.

    Attributes:
      operations: floating-point operations.
      held: bytes of arguments, results and temporaries.
      sent: bytes handed to collectives.
    """

    operations: float
    held: int
    sent: int


def extractor_step(devices: int, batch: int = 64) -> Any:
    """Features of one batch whose images are divided over the devices."""
    mesh = batch_mesh(jax.devices()[:devices])
    network = load_extractor("random-conv", seed=0)
    height, width = network.image_size or (64, 64)
    images = _spread(mesh, (batch, height, width, 3))
    parameters = jax.tree.map(_shape, replicate_on(mesh, network.params))
    return jax.jit(functools.partial(network.apply, taps=(network.default_tap,))).lower(parameters, images)


def frechet_step(devices: int, rows: int = 1024, feature_size: int = 1024) -> Any:
    """One `accumulate` of a Fréchet distance's state: its rows divided, its sums on every device."""
    mesh, metric = batch_mesh(jax.devices()[:devices]), FrechetDistance(feature_size=feature_size)
    state = jax.tree.map(_shape, metric.init_on(mesh, _AXIS))
    features = _spread(mesh, (rows, feature_size))
    specs = metric.state_specs(_AXIS)

    def step(state: Any, features: jax.Array) -> Any:
        return metric.accumulate(state, axis_name=_AXIS, generated=features)

    mapped = jax.shard_map(step, mesh=mesh, in_specs=(specs, PartitionSpec(_AXIS)), out_specs=specs)
    return jax.jit(mapped).lower(state, features)


def kernel_distance(devices: int, rows: int = 8192, feature_size: int = 256) -> Any:
    """KID over all pairs of two buffers that are divided over the devices."""
    return _of_buffers(devices, KernelDistance(feature_size=feature_size, capacity=rows))


def manifold(devices: int, rows: int = 8192, feature_size: int = 256) -> Any:
    """Precision, recall, density and coverage of two buffers that are divided over the devices."""
    return _of_buffers(devices, Manifold(feature_size=feature_size, capacity=rows, k=5))


PROGRAMS: dict[str, Callable[[int], Any]] = {
    "extractor, 64 images": extractor_step,
    "Fréchet distance, update by 1,024 x 1,024": frechet_step,
    "KID, 8,192 x 256 on both sides": kernel_distance,
    "precision/recall, 8,192 x 256 on both sides": manifold,
}


def _of_buffers(devices: int, metric: Any) -> Any:
    mesh = batch_mesh(jax.devices()[:devices])
    state = jax.tree.map(_shape, metric.init_on(mesh, _AXIS))
    return jax.jit(functools.partial(metric.compute_on_device, axis_name=_AXIS, mesh=mesh)).lower(state)


def _spread(mesh: Mesh, shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32, sharding=NamedSharding(mesh, PartitionSpec(_AXIS)))


def _shape(array: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=array.sharding)


def measure(lowered: Any) -> Work:
    """What the compiled program makes one device do."""
    compiled = lowered.compile()
    memory = compiled.memory_analysis()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
    operations, sent = _Program(compiled.as_text()).count()
    return Work(operations, held, sent)


class _Program:
    """A compiled module's text, walked so that the body of a loop counts as often as it runs.

    The compiler's own cost analysis counts it once.
    """

    _HEADER = re.compile(r"^(?:ENTRY )?%([\w.\-]+) \(.*\{$")
    _INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%([\w.\-]+) = (.*?) ([a-z][\w\-]*)\((.*)$")
    _SHAPE = re.compile(r"(pred|[a-z]+(\d+))\[([\d,]*)\]")
    _COLLECTIVES = ("all-reduce", "all-gather", "collective-permute", "reduce-scatter", "all-to-all")

    def __init__(self, text: str):
        self._lines: dict[str, list[str]] = {}
        self._entry = ""
        name = ""
        for line in text.splitlines():
            if header := self._HEADER.match(line):
                name = header[1]
                self._lines[name] = []
                self._entry = name if line.startswith("ENTRY") else self._entry
            elif name:
                self._lines[name].append(line)
        self._counted: dict[str, tuple[int, int]] = {}

    def count(self) -> tuple[int, int]:
        """Operations in contractions, and bytes handed to collectives."""
        return self._count(self._entry)

    def _count(self, name: str) -> tuple[int, int]:
        if name not in self._counted:
            self._counted[name] = self._walk(name)
        return self._counted[name]

    def _walk(self, name: str) -> tuple[int, int]:
        shapes: dict[str, str] = {}
        operations = sent = 0
        for line in self._lines[name]:
            if not (found := self._INSTRUCTION.match(line)):
                continue
            target, shape, kind, rest = found.groups()
            shapes[target] = shape
            operands = [shapes.get(operand, "") for operand in re.findall(r"%([\w.\-]+)", rest.split("), ")[0])]
            times = 1
            if kind == "dot":
                operations += 2 * self._elements(shape) * self._contracted(operands[0], line)
            elif kind == "convolution":
                operations += 2 * self._elements(shape) * self._window(operands[1], line)
            elif kind.removesuffix("-start") in self._COLLECTIVES:
                sent += sum(map(self._bytes, operands))
            elif kind == "while":
                times = int(re.findall(r'"known_trip_count":\{"n":"(\d+)"', line)[0])
            for called in re.findall(r"(?:calls|body|to_apply)=%([\w.\-]+)", line):
                more, more_sent = self._count(called)
                operations += times * more
                sent += times * more_sent
        return operations, sent

    def _dimensions(self, shape: str) -> list[int]:
        found = self._SHAPE.search(shape)
        return [int(size) for size in found[3].split(",") if size] if found else []

    def _elements(self, shape: str) -> int:
        return int(np.prod(self._dimensions(shape), dtype=np.int64))

    def _bytes(self, shape: str) -> int:
        return sum(
            int(np.prod([int(size) for size in sizes.split(",") if size], dtype=np.int64)) * max(1, int(bits or 8) // 8)
            for _, bits, sizes in self._SHAPE.findall(shape)
        )

    def _contracted(self, left: str, line: str) -> int:
        axes = re.findall(r"lhs_contracting_dims=\{([\d,]*)\}", line)[0]
        sizes = self._dimensions(left)
        return int(np.prod([sizes[int(axis)] for axis in axes.split(",") if axis], dtype=np.int64))

    def _window(self, kernel: str, line: str) -> int:
        """Multiplications for one output value: the kernel's elements over its output channels."""
        labels = re.findall(r"dim_labels=\w+_(\w+)->", line)[0]
        sizes = self._dimensions(kernel)
        return self._elements(kernel) // sizes[labels.index("o")]


def main(arguments: list[str] | None = None) -> None:
    """Prints the table, and writes it where it is told to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--json", type=local_path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args(arguments)
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", DEVICES[-1])
    figures: dict[str, dict[int, Work]] = {}
    print(f"{'program':<46}{'devices':>8}{'GFLOP':>10}{'share':>8}{'MB held':>10}{'MB sent':>10}")
    for name, program in PROGRAMS.items():
        figures[name] = {devices: measure(program(devices)) for devices in DEVICES}
        whole = figures[name][1].operations
        for devices, work in figures[name].items():
            print(
                f"{name if devices == 1 else '':<46}{devices:>8}{work.operations / 1e9:>10.3f}"
                f"{work.operations / whole:>8.3f}{work.held / 1e6:>10.1f}{work.sent / 1e6:>10.2f}"
            )
    if options.json is not None:
        plain = {name: {str(key): work._asdict() for key, work in row.items()} for name, row in figures.items()}
        options.json.write_text(json.dumps({"jax": jax.__version__, "per_device": plain}, indent=1) + "\n")


if __name__ == "__main__":
    main()
