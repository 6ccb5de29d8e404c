"""Off the CPU a batch is computed in blocks of bounded memory. Here the blocks run on the CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxeval.ops.image_quality import batches, mse


@pytest.fixture
def off_the_cpu(monkeypatch: pytest.MonkeyPatch):
    """Chooses what other platforms run, in blocks of at most two small images."""
    monkeypatch.setattr(lax, "platform_dependent", lambda *given, default, **_: default(*given))
    monkeypatch.setattr(batches, "_LEAST_VALUES", 1)
    monkeypatch.setattr(batches, "_BLOCK_VALUES", 2 * 6 * 7 * 3)
    jax.clear_caches()
    yield
    jax.clear_caches()


def batch(count: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.random.default_rng(count).random((2, count, 6, 7, 3)).astype(np.float32)
    return x, y


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8])
def test_blocks_give_the_values_and_gradients_of_each_image(count: int, off_the_cpu: None) -> None:
    x, y = batch(count)
    weights = np.arange(1, count + 1, dtype=np.float32)
    values, gradient = jax.jit(
        lambda x: (mse(x, y, data_range=1.0), jax.grad(lambda x: (weights * mse(x, y, data_range=1.0)).sum())(x))
    )(x)
    np.testing.assert_allclose(values, ((x - y) ** 2).mean((1, 2, 3)), rtol=1e-5)
    expected = 2 * weights[:, None, None, None] * (x - y) / (6 * 7 * 3)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)


def test_memory_grows_with_the_batch_by_its_images_alone(off_the_cpu: None) -> None:
    """Of a function whose gradient keeps thirty maps, no more than a block's are there at a time."""

    def one(x):
        return lax.fori_loop(0, 30, lambda _, x: jnp.sin(x) * jnp.cos(x), x).sum()

    def maps(count: int) -> float:
        gradient = jax.jit(jax.grad(lambda x: batches._in_blocks(one, x).sum()))
        used = gradient.lower(jax.ShapeDtypeStruct((count, 6, 7, 3), jnp.float32)).compile().memory_analysis()
        assert used is not None
        return used.temp_size_in_bytes / (6 * 7 * 3 * 4)

    assert maps(2) > 2 * 30
    assert maps(40) < maps(2) + 4 * 40


def test_images_that_an_op_makes_larger_count_as_more(off_the_cpu: None) -> None:
    x = jnp.zeros((4, 6, 7, 3))
    assert "length=2" in str(jax.make_jaxpr(lambda x: batches.each_image(jnp.sum, x))(x))
    assert "length=4" in str(jax.make_jaxpr(lambda x: batches.each_enlarged(jnp.sum, 2 * 6 * 7 * 3, x))(x))


def test_small_batches_are_one_block() -> None:
    text = str(jax.make_jaxpr(lambda x: batches._in_blocks(lambda x: x.sum(), x))(jnp.zeros((4, 6, 7, 3))))
    assert "scan" not in text
