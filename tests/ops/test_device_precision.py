"""Every contraction of every device op states full precision, forward and in reverse."""

import jax
import jax.numpy as jnp
import pytest
from jaxpr_checks import assert_full_precision, contractions

from jaxeval.ops import covariance, feature_moments, frechet_distance_on_device, matrix_sqrt, merge_moments

X, Y, WIDE = jnp.ones((6, 4)), jnp.ones((5, 4)), jnp.ones((3, 4))
A = jnp.eye(4)


def _root(method):
    return lambda a: matrix_sqrt(a, method=method).root.sum()


def _distance(x, y):
    return frechet_distance_on_device(reference=x, generated=y)


def _distance_of_moments(x, y):
    return _distance(feature_moments(x), feature_moments(y))


OPS = {
    "feature_moments": (lambda x: covariance(feature_moments(x)).sum(), (X,)),
    "merge_moments": (lambda x, y: merge_moments(feature_moments(x), feature_moments(y)).scatter.sum(), (X, Y)),
    "matrix_sqrt eigh": (_root("eigh"), (A,)),
    "matrix_sqrt newton-schulz": (_root("newton-schulz"), (A,)),
    "frechet_distance_on_device tall": (_distance, (X, Y)),
    "frechet_distance_on_device wide": (_distance, (WIDE, WIDE)),
    "frechet_distance_on_device moments": (_distance_of_moments, (X, Y)),
}


@pytest.mark.parametrize("name", OPS)
def test_every_contraction_is_at_full_precision(name):
    function, arguments = OPS[name]
    assert_full_precision(function, *arguments)
    assert_full_precision(jax.grad(function), *arguments, at_least=2)


def test_the_check_sees_into_loops_branches_and_calls():
    def loop(a):
        body = lambda state: (state[0] @ state[0], state[1] + 1)  # noqa: E731 (as short as a loop can be)
        return jax.lax.while_loop(lambda state: state[1] < 3, body, (a, 0))[0]

    def branch(a):
        return jax.lax.cond(a[0, 0] > 0, lambda b: b @ b, lambda b: b, a)

    for function in (loop, branch, jax.jit(lambda a: a @ a), jax.checkpoint(lambda a: a @ a)):
        assert len(contractions(jax.make_jaxpr(function)(A))) == 1
        with pytest.raises(AssertionError, match="precision"):
            assert_full_precision(function, A)
