"""NNX modules as pure functions of their weights, averages of weights, and weights as verified bytes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int
from safetensors import SafetensorError
from safetensors.numpy import load, save

from jaxeval.errors import InputError


class Weights(NamedTuple):
    """What a module is made of, apart from its structure: a pytree.

    Attributes:
      params: what an optimiser changes.
      rest: what a call in training changes: running statistics, power iterations.
    """

    params: Any
    rest: Any


def split_module(module: nnx.Module) -> Weights:
    """A module's weights."""
    _, params, rest = nnx.split(module, nnx.Param, ...)
    return Weights(params, rest)


def structure(make: Callable[[], nnx.Module]) -> tuple[Any, Weights]:
    """The graph of a module and the shapes of its weights, which are not computed."""
    graph, params, rest = nnx.split(nnx.eval_shape(make), nnx.Param, ...)
    return graph, Weights(params, rest)


def call(graph: Any, weights: Weights, *arguments: Any, method: str = "__call__", **options: Any) -> tuple[Any, Any]:
    """What a module with these weights returns, and its `rest` after the call."""
    # Rebuilt: what a call changes has to belong to the trace, of `jax.grad` for instance, in which it is called.
    rest = jax.tree.map(lambda leaf: leaf, weights.rest)
    module = nnx.merge(graph, weights.params, rest)
    result = getattr(module, method)(*arguments, **options)
    return result, split_module(module).rest


def average_weights(average: Weights, new: Weights, *, decay: float, step: Int[Array, ""]) -> Weights:
    """The exponential moving average after one more step; early on it forgets faster: by (1 + step) / (10 + step).

    Args:
      average: before.
      new: the weights after this step.
      decay: what is kept; 0 gives `new`.
      step: counted from 0.
    """
    kept = jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(lambda old, fresh: kept * old + (1 - kept) * fresh, average, new)


def is_finite(*numbers: Float[Array, ""]) -> Bool[Array, ""]:
    """Whether all of these scalars are finite."""
    return jnp.isfinite(jnp.stack(numbers)).all()


def to_bytes(tree: Any) -> bytes:
    """The arrays of a pytree, under their paths, in the safetensors format."""
    leaves = jax.tree_util.tree_leaves_with_path(jax.device_get(tree))
    return save({jax.tree_util.keystr(path): np.asarray(leaf, order="C") for path, leaf in leaves})


def from_bytes(content: bytes, like: Any, *, where: str) -> Any:
    """The pytree of host arrays that `to_bytes` wrote; nothing in it is run.

    Args:
      content: what was written.
      like: a tree of the same structure, with arrays or their shapes for leaves.
      where: how messages call it.

    Raises:
      InputError: it is damaged, or of another network.
    """
    try:
        found = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{where} is damaged ({error}); train again, or take another checkpoint") from error
    paths, structure = jax.tree_util.tree_flatten_with_path(like)
    names = [jax.tree_util.keystr(path) for path, _ in paths]
    wrong = sorted(set(names) ^ set(found))
    for name, (_, leaf) in zip(names, paths, strict=True):
        if not wrong and (found[name].shape != tuple(leaf.shape) or found[name].dtype != leaf.dtype):
            wrong = [name]
    if wrong:
        raise InputError(f"{where} does not fit the run's configuration (at {wrong[0]}); it is of another network")
    if not all(np.isfinite(found[name]).all() for name in names):
        raise InputError(f"{where} holds numbers that are not finite; take an earlier checkpoint")
    return jax.tree.unflatten(structure, [found[name] for name in names])
