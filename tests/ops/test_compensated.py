"""Sums in two float32 parts, against exact sums."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxeval.ops._error_free import settled
from jaxeval.ops.compensated import CompensatedSum, add_terms, empty_sum, merge_sums, reduce_sum, sum_on_host

FLOATS = st.floats(-1e6, 1e6, width=32)


@jax.jit
def streamed(terms: Any) -> CompensatedSum:
    return jax.lax.scan(lambda state, term: (add_terms(state, term), None), empty_sum(), terms)[0]


@given(st.lists(FLOATS, min_size=64, max_size=64))
@settings(max_examples=30, deadline=None)
def test_a_stream_of_terms_is_summed_to_twice_the_digits(terms: list[float]):
    found = sum_on_host(streamed(np.array(terms, np.float32)))
    size = math.fsum(map(abs, terms))
    # The rest is rounded 64 times, and is itself a rounding of the sum.
    assert float(found) == pytest.approx(math.fsum(terms), rel=0, abs=64 * 2.0**-48 * size)


def test_a_million_terms_keep_ten_digits():
    terms = (1000 + np.random.default_rng(0).random(1_000_000)).astype(np.float32)
    assert float(sum_on_host(streamed(terms))) == pytest.approx(math.fsum(terms), rel=1e-10)


def test_products_that_were_settled_are_summed_as_they_are():
    """A compiler that merged a product into the sum would leave a rest that belongs to another total."""
    factors = np.random.default_rng(0).normal(size=(2, 4096)).astype(np.float32)

    @jax.jit
    def run(a: Any, b: Any) -> Any:
        def step(state: Any, pair: Any) -> Any:
            product = settled(pair[0] * pair[1])
            return add_terms(state, product), product

        return jax.lax.scan(step, empty_sum(), (a, b))

    state, products = run(*factors)
    assert float(sum_on_host(state)) == pytest.approx(math.fsum(np.asarray(products)), rel=1e-11)


def test_any_association_and_order_of_merges_gives_the_same():
    parts = [streamed(part) for part in np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32)]
    a, b, c = parts
    exact = sum(float(sum_on_host(part)) for part in parts)
    for merged in (merge_sums(merge_sums(a, b), c), merge_sums(a, merge_sums(c, b)), merge_sums(c, merge_sums(b, a))):
        assert float(sum_on_host(merged)) == pytest.approx(exact, rel=1e-12)
    assert sum_on_host(merge_sums(a, empty_sum())) == sum_on_host(a)


def test_a_sum_over_devices_is_rounded_once_a_device():
    terms = (1000 + np.random.default_rng(0).random((8, 1000))).astype(np.float32)
    over_devices = jax.pmap(lambda part: reduce_sum(streamed(part), "devices"), "devices")(terms)
    found = sum_on_host(over_devices)
    assert (found == found[0]).all()
    assert float(found[0]) == pytest.approx(math.fsum(terms.ravel()), rel=8 * 2.0**-24)
    assert jnp.shape(over_devices.total) == (8,)
