"""`python -m benchmarks.modes`: what an accelerator's faster modes of float32 products cost in the Fréchet distance.

Jaxeval names `Precision.HIGHEST` in every product. Here the same network and the same distance run with that replaced
in the traced program, by `HIGH` (three products in the tensor cores' format) and `DEFAULT` (one), and each mode's
distance of two sets of images is compared with the one from the same network in float64 on the host. On a CPU all modes
are the same product; without an accelerator the program says so and ends.
"""

import argparse
import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from benchmarks.kernels_of_images import import_random_weights, pictures
from benchmarks.machine import describe
from jaxeval import ops
from jaxeval.errors import InputError
from jaxeval.extractors import Extractor, load_extractor
from jaxeval.files import local_path

MODES = {
    "highest": jax.lax.Precision.HIGHEST,
    "high": jax.lax.Precision.HIGH,
    "default": jax.lax.Precision.DEFAULT,
}


def with_precision(function: Callable[..., Any], precision: jax.lax.Precision) -> Callable[..., Any]:
    """`function` with every product and convolution in it at another precision than it asks for."""

    @functools.wraps(function)
    def changed(*arguments: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        closed = _rewritten(closed, precision)
        flat = core.jaxpr_as_fun(closed)(*jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shape), flat)

    return changed


def _rewritten(closed: core.ClosedJaxpr, precision: jax.lax.Precision) -> core.ClosedJaxpr:
    def parameter(name: str, value: Any) -> Any:
        if name == "precision":
            return (precision, precision)
        if isinstance(value, core.ClosedJaxpr):
            return _rewritten(value, precision)
        return value

    equations = [
        equation.replace(params={name: parameter(name, value) for name, value in equation.params.items()})
        for equation in closed.jaxpr.eqns
    ]
    return closed.replace(jaxpr=closed.jaxpr.replace(eqns=equations))


def features_in_float64(network: Extractor, images: np.ndarray, batch: int) -> np.ndarray:
    """The network's default features, all of it computed in float64 on the host."""
    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        wide = jax.tree.map(lambda part: jnp.asarray(np.asarray(part), jnp.float64), network.params)
        taps = (network.default_tap,)
        run = jax.jit(lambda pixels: network.forward(wide, network.normalisation(pixels), taps)[network.default_tap])
        parts = [run(jnp.asarray(part, jnp.float64)) for part in np.split(images, len(images) // batch)]
        return np.concatenate([np.asarray(part) for part in parts])


def measure(
    network: Extractor,
    sets: tuple[np.ndarray, np.ndarray],
    *,
    batch: int,
    side: int,
    told: Callable[[str, dict[str, Any]], None] = lambda name, figures: None,
) -> dict[str, Any]:
    """Speed, distance and error of every mode.

    Args:
      network: whose default features are compared.
      sets: two sets of images, [N, H, W, 3] uint8 levels, N a multiple of `batch`.
      batch: images at a time.
      side: of the square matrices whose product is timed.
      told: takes a mode's name and figures as soon as they are known, and again when its error is: float64, which
        takes the longest, comes last.
    """
    square = jax.random.normal(jax.random.key(0), (side, side))
    found = {}
    for name, precision in MODES.items():
        found[name] = _of_mode(network, sets, precision, square, batch)
        told(name, found[name])
    exact = ops.frechet_distance_from_features(
        reference=features_in_float64(network, sets[0], batch), generated=features_in_float64(network, sets[1], batch)
    )
    for name, figures in found.items():
        figures["distance_error"] = abs(figures["distance"] - exact)
        told(name, {**figures, "float64": exact})
    return {"float64": exact, "modes": found}


def _of_mode(
    network: Extractor,
    sets: tuple[np.ndarray, np.ndarray],
    precision: jax.lax.Precision,
    square: jax.Array,
    batch: int,
) -> dict[str, float]:
    product = jax.jit(with_precision(functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST), precision))
    forward = jax.jit(
        with_precision(lambda params, images: network.apply(params, images)[network.default_tap], precision)
    )
    seconds = _seconds(lambda: product(square, square))
    first = jnp.asarray(sets[0][:batch], jnp.float32)
    each = _seconds(lambda: forward(network.params, first))
    rows = [
        np.concatenate([
            np.asarray(forward(network.params, jnp.asarray(part, jnp.float32)))
            for part in np.split(images, len(images) // batch)
        ])
        for images in sets
    ]  # fmt: skip
    return {
        "gemm": 2.0 * len(square) ** 3 / seconds,
        "images_per_second": batch / each,
        "distance": ops.frechet_distance_from_features(reference=rows[0], generated=rows[1]),
    }


def inception_and_images(images: int) -> tuple[Extractor, tuple[np.ndarray, np.ndarray]]:
    """What `main` measures: FID Inception with random weights, and two sets of so many images.

    Raises:
      InputError: there is no CPU beside the accelerator, on which float64 is computed.
    """
    try:
        jax.devices("cpu")
    except RuntimeError as error:
        raise InputError(
            "float64 is computed on the CPU, which JAX_PLATFORMS leaves out; name it too, as in JAX_PLATFORMS=cuda,cpu"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        network = load_extractor("inception", weights_dir=import_random_weights("inception", Path(folder)))
    return network, (pictures(images, 299, 299, 0), pictures(images, 299, 299, 1))


def _seconds(run: Callable[[], Any], repeats: int = 5) -> float:
    jax.block_until_ready(run())
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        jax.block_until_ready(run())
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line a mode, and writes the figures where it is told to; 3 where no accelerator is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.modes", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--images", type=int, default=256, metavar="N", help="in each set; default: 256")
    parser.add_argument("--batch", type=int, default=32, metavar="N")
    parser.add_argument("--json", type=local_path, metavar="FILE")
    options = parser.parse_args(arguments)
    if jax.default_backend() == "cpu":
        print(
            "no accelerator is here: on a CPU every mode is the same float32 product, and there is nothing to compare"
        )
        return 3
    try:
        network, sets = inception_and_images(options.images)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    found = {"machine": describe(), **measure(network, sets, batch=options.batch, side=8192)}
    print(f"{found['machine']['device']}; in float64 on the host the distance is {found['float64']:.6f}")
    for name, mode in found["modes"].items():
        print(
            f"{name:<8} product {mode['gemm'] / 1e12:6.1f} TFLOP/s  {mode['images_per_second']:8.0f} img/s  "
            f"distance {mode['distance']:.6f}  error {mode['distance_error']:.1e}"
        )
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
