"""Every op on images and every loss, in every way of running it, beside itself in float64 on the host."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.comparison import WAYS, Comparison, Finding, rows_for_devices
from benchmarks.kernels_of_images import pictures
from benchmarks.wide import in_float64
from jaxeval.ops import image_quality as quality
from jaxeval.ops import losses
from jaxeval.pairs import PAIR_MEASURES

_AGAINST = "the op in float64 on the host"


class _Op(NamedTuple):
    """An op of one or two images of the smallest sensible side, and how far a value may be off, of it or of 1."""

    op: Callable[..., Any]
    side: int
    allowed: float = 1e-5
    images: int = 2


def _of(op: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return functools.partial(op, data_range=1.0, **options)


_OPS: dict[str, _Op] = {
    "mse": _Op(_of(quality.mse), 9),
    "mae": _Op(_of(quality.mae), 9),
    "rmse": _Op(_of(quality.rmse), 9),
    "psnr": _Op(_of(quality.psnr), 9),
    "ssim": _Op(_of(quality.ssim), 24),
    "ms_ssim": _Op(_of(quality.ms_ssim, weights=(0.4, 0.6)), 24),
    "gms": _Op(_of(quality.gms), 17),
    "gmsd": _Op(_of(quality.gmsd), 17),
    "ms_gmsd": _Op(_of(quality.ms_gmsd), 24),
    "mdsi": _Op(_of(quality.mdsi), 17),
    "haarpsi": _Op(_of(quality.haarpsi), 24, 2e-5),
    "dss": _Op(_of(quality.dss), 24),
    "flip": _Op(_of(quality.flip), 24),
    "hdr_flip": _Op(quality.hdr_flip, 24),
    "mad": _Op(_of(quality.mad), 96, 2e-5),
    "nlpd": _Op(_of(quality.nlpd), 32),
    "vif": _Op(_of(quality.vif), 65),
    "vifp": _Op(_of(quality.vifp), 41),
    "fsim": _Op(_of(quality.fsim), 24),
    "vsi": _Op(_of(quality.vsi), 24),
    "sr_sim": _Op(_of(quality.sr_sim), 40),
    "psnr_hvs": _Op(_of(quality.psnr_hvs), 16, 1e-4),
    "psnr_hvs_m": _Op(_of(quality.psnr_hvs_m), 16, 1e-4),
    "cw_ssim": _Op(_of(quality.cw_ssim), 64),
    "structure_loss": _Op(_of(losses.structure_loss), 24),
    "total_variation": _Op(_of(quality.total_variation), 24, 5e-6, 1),
    "sharpness": _Op(_of(quality.sharpness), 24, 5e-6, 1),
    "colourfulness": _Op(_of(quality.colourfulness), 24, 5e-6, 1),
    "piqe": _Op(_of(quality.piqe), 48, 1e-5, 1),
    # A shape of the fitted distribution may fall to the next entry of its table.
    "brisque_features": _Op(_of(quality.brisque_features), 64, 2e-3, 1),
    "niqe_features": _Op(_of(quality.niqe_features), 193, 2e-3, 1),
    "ilniqe_features": _Op(_of(quality.ilniqe_features), 193, 2e-3, 1),
    "nrqm_features": _Op(_of(quality.nrqm_features), 84, 2e-3, 1),
    "iw_ssim": _Op(_of(quality.iw_ssim), 161),
}
_OPS |= {
    name: _Op(_of(measure.load()), max(9, measure.least_side), images=1 if measure.alone else 2)
    for measure in PAIR_MEASURES.values()
    if not measure.weights and (name := measure.name.replace("-", "_")) in quality.__all__ and name not in _OPS
}

_SLOW = ("brisque_features", "ilniqe_features", "iw_ssim", "niqe_features", "nrqm_features")  # to compile


def comparisons(scale: str) -> Iterator[Comparison]:
    """All ops compiled, the losses among them, then all ops in the other ways; what takes the longest comes last."""
    quick = [name for name in _OPS if name not in _SLOW]
    for name in quick:
        yield Comparison(name, "jit", functools.partial(_of_images, _OPS[name], "jit"))
    for name, loss in _losses().items():
        for way in ("jit", "eager"):
            yield Comparison(name, way, functools.partial(_of_loss, *loss, way))
    for name in _SLOW:
        yield Comparison(name, "jit", functools.partial(_of_images, _OPS[name], "jit"))
    for names in (quick, _SLOW):
        for way in WAYS:
            for name in names:
                if way != "jit":
                    yield Comparison(name, way, functools.partial(_of_images, _OPS[name], way))


@functools.cache
def _images(side: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = (pictures(count, side, side + 5, seed).astype(np.float32) / 255 for seed in (0, 1))
    noise = 0.05 * np.random.default_rng(2).standard_normal(x.shape)
    return np.clip(x + noise, 0, 1).astype(np.float32), (0.8 * x + 0.2 * y).astype(np.float32)


def _as_function(op: _Op) -> Callable[..., Any]:
    """As every way takes it; a loss that is one number of a batch has one for each row of it."""

    def function(_: Any, *images: Any) -> Any:
        found = op.op(*images)
        return jax.vmap(lambda *one: op.op(*(part[None] for part in one)))(*images) if found.ndim == 0 else found

    return function


# One value serves all ways.
@functools.cache
def _expected(op: _Op) -> Any:
    return in_float64(_as_function(op), None, *_images(op.side, rows_for_devices(2))[: op.images])


def _of_images(op: _Op, way: str) -> Iterator[Finding]:
    rows = _images(op.side, rows_for_devices(2))[: op.images]
    expected = _expected(op)
    found = np.asarray(WAYS[way](_as_function(op), None, rows))
    yield Finding("", found, expected, op.allowed * np.maximum(1, np.abs(expected)), _AGAINST)


def _losses() -> dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]]:
    """Losses of arrays, and the arrays."""
    rng = np.random.default_rng(0)
    x, y, z = (rng.normal(size=(8, 12)).astype(np.float32) for _ in range(3))
    levels = rng.uniform(size=(8, 12)).astype(np.float32)
    maps = [tuple(rng.normal(size=(2, side, side, 4)).astype(np.float32) for side in (9, 5)) for _ in range(2)]
    of_maps: list[np.ndarray] = [*maps[0], *maps[1]]

    def both(loss: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        return lambda a, b, c, d: loss({"a": a, "b": b}, {"a": c, "b": d}, **options)

    def discriminator(images: Any) -> Any:
        return jnp.tanh(images).sum(tuple(range(1, images.ndim))) ** 2

    weights = {"a": 1.0, "b": 0.5}
    return {
        "bernoulli_nll": (lambda a, b: losses.bernoulli_nll(logits=a, targets=b), (x, levels)),
        "gaussian_kl": (lambda a, b: losses.gaussian_kl(mean=a, log_variance=b), (x, y)),
        "gaussian_nll": (lambda a, b, c: losses.gaussian_nll(mean=a, log_variance=b, targets=c), (x, y, z)),
        "gaussian_log_density": (
            lambda a, b, c: losses.gaussian_log_density(values=a, mean=b, log_variance=c),
            (x, y, z),
        ),
        "l1_error": (lambda a, b: losses.l1_error(outputs=a, targets=b), (x, y)),
        "elbo": (lambda a, b: losses.elbo(reconstruction_nll=a, kl=b), (x[:, 0], levels)),
        "free_bits": (lambda a: losses.free_bits(a, nats=0.5), (levels,)),
        "importance_weighted_bound": (losses.importance_weighted_bound, (x,)),
        "gram_matrix": (losses.gram_matrix, (maps[0][0],)),
        "content_loss": (both(losses.content_loss, weights=weights), tuple(of_maps)),
        "style_loss": (both(losses.style_loss, weights=weights), tuple(of_maps)),
        "r1_penalty": (lambda a: losses.r1_penalty(discriminator, a), (x,)),
        "r2_penalty": (lambda a: losses.r2_penalty(discriminator, a), (x,)),
        **{
            f"adversarial {name}": (lambda a, b, loss=loss: jnp.stack(loss(real=a, fake=b)), (x[:, 0], y[:, 0]))
            for name, loss in losses.ADVERSARIAL_LOSSES.items()
        },
    }


def _of_loss(loss: Callable[..., Any], arrays: tuple[np.ndarray, ...], way: str) -> Iterator[Finding]:
    expected = in_float64(loss, *arrays)
    run = jax.jit(loss) if way == "jit" else loss
    found = run(*map(jnp.asarray, arrays))
    yield Finding("", found, expected, 1e-5 * np.maximum(1, np.abs(expected)), _AGAINST)
