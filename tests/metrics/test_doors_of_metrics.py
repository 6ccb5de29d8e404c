"""What metrics are given by any maker of arrays, and under JAX's strictest settings."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxeval import metrics
from jaxeval.errors import InputError
from jaxeval.extractors import from_function


def _squares(reference: Any, generated: Any) -> Any:
    return ((reference - generated) ** 2).mean(1)


_MEANS = from_function(lambda images: images.mean((1, 2)) / 100, name="means", feature_size=3)
_RNG = np.random.default_rng(0)
_REFERENCE, _GENERATED = _RNG.standard_normal((2, 12, 4)).astype(np.float32)
_X, _Y = _RNG.random((2, 3, 12, 13, 3)).astype(np.float32)
_SHARES = np.exp(_GENERATED) / np.exp(_GENERATED).sum(1, keepdims=True)
FEATURES = {"reference": _REFERENCE, "generated": _GENERATED}
IMAGES = {"reference": _X, "generated": _Y}
CASES: dict[str, tuple[Any, dict[str, np.ndarray]]] = {
    "frechet distance": (metrics.FrechetDistance(4), FEATURES),
    "inception score": (metrics.InceptionScore(4, splits=2), {"generated": _GENERATED, "index": np.arange(12)}),
    "kernel distance": (metrics.KernelDistance(4, 40), FEATURES),
    "manifold": (metrics.Manifold(4, 40), FEATURES),
    "mean": (metrics.Mean("loss"), {"loss": _GENERATED[:, 0]}),
    "mean of a function": (metrics.Mean("error", _squares, ("reference", "generated")), FEATURES),
    "psnr": (metrics.PSNR(data_range=1.0), IMAGES),
    "pooled psnr": (metrics.PooledPSNR(data_range=1.0), IMAGES),
    "ssim": (metrics.SSIM(data_range=1.0, convention="torchmetrics"), IMAGES),
    "probabilities": (metrics.InceptionScore(4, probabilities=True), {"generated": _SHARES}),
    "collection": (metrics.Collection({"psnr": metrics.PSNR(data_range=1.0)}), IMAGES),
    "collection of features": (
        metrics.Collection({"fd": metrics.FrechetDistance(3)}, extractor=_MEANS, value_range=(0, 1)),
        {"reference_images": _X, "images": _Y, "generated": _GENERATED[:3, :3]},
    ),
}


class Foreign:
    """As a torch tensor on the CPU."""

    def __init__(self, values: np.ndarray):
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        del copy
        return np.asarray(self.values, dtype)


def value_of(metric: Any, inputs: dict[str, Any]) -> list[np.ndarray]:
    return [np.asarray(v) for v in jax.tree.leaves(metric.compute_on_device(metric.update(metric.init(), **inputs)))]


@pytest.mark.parametrize("name", CASES)
def test_arrays_of_any_maker_count_as_the_same_values(name: str) -> None:
    metric, inputs = CASES[name]
    expected = value_of(metric, inputs)  # compiles what would take other bytes for its own
    for made in (lambda a: a.astype(a.dtype.newbyteorder("S")), Foreign, lambda a: a.tolist()):
        found = value_of(metric, {key: made(array) for key, array in inputs.items()})
        for ours, there in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, there, rtol=1e-6)


@pytest.mark.parity
@pytest.mark.parametrize("name", CASES)
def test_torchs_tensors_count_as_their_values(name: str) -> None:
    import torch

    metric, inputs = CASES[name]
    expected = value_of(metric, inputs)
    found = value_of(metric, {key: torch.from_numpy(array.copy()) for key, array in inputs.items()})
    for ours, there in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, there, rtol=1e-6)
    trained = {key: torch.from_numpy(array.astype(np.float32)).requires_grad_() for key, array in inputs.items()}
    with pytest.raises(InputError, match="Tensor, which NumPy cannot read"):
        value_of(metric, trained)


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_promoted(name: str) -> None:
    metric, inputs = CASES[name]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):

        def twice(**inputs: Any) -> Any:
            state = metric.update(metric.init(), **inputs)
            state = metric.merge(state, metric.update(state, **inputs, mask=jnp.ones(len(inputs["generated"]), bool)))
            return state, metric.compute_on_device(state)

        traced = {key: jnp.asarray(array, jnp.int32 if key == "index" else None) for key, array in inputs.items()}
        if "generated" not in traced:
            traced["generated"] = traced["loss"]
        state, value = jax.eval_shape(twice, **traced)
    assert {leaf.dtype for leaf in jax.tree.leaves(value)} == {jnp.dtype("float32")}
    assert jnp.dtype("float64") not in {leaf.dtype for leaf in jax.tree.leaves(state)}
