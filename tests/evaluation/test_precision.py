"""`precision`: what the network's contractions are asked for, and where it is recorded.

A CPU multiplies in full float32 whatever is asked, so that what is traced is looked at here and not a value.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from image_sets import crops
from jaxpr_checks import contractions

import jaxeval
from jaxeval.cli import main
from jaxeval.errors import InputError
from jaxeval.evaluation import load_statistics
from jaxeval.extractors import PRECISIONS, from_function, load_extractor

REAL, FAKE = (crops(12, (8, 8), seed) for seed in (1, 2))
CONV = load_extractor("random-conv")


def asked(function, *arguments) -> set:
    """The precisions of all contractions."""
    found = set()
    for equation in contractions(jax.make_jaxpr(function)(*arguments)):
        precision = equation.params["precision"]
        found |= set(precision) if isinstance(precision, tuple) else {precision}
    assert found
    return found


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_contraction_of_a_network_is_traced_at_it(precision):
    images = jnp.zeros((1, 64, 64, 3))
    expected = {getattr(jax.lax.Precision, precision.upper())}
    assert asked(lambda x: CONV.apply(CONV.params, x, precision=precision), images) == expected
    mine = from_function(lambda x: x.reshape(len(x), -1)[:, :9] @ jnp.ones((9, 2)), name="mine")
    assert asked(lambda x: mine.apply(None, x, precision=precision), images) <= expected | {None}
    lowered = jax.jit(lambda x: CONV.apply(CONV.params, x, precision=precision)).lower(images).as_text()
    assert (f"precision {precision.upper()}" in lowered) or (f"precision = [{precision.upper()}" in lowered)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_parameters_of_16_bits_are_widened(dtype):
    """They take half the memory; the network computes in float32, from the values that they have."""
    images = crops(3, (64, 64), 5).astype(np.float32)
    short = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), CONV.params)
    rounded = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), short)
    found = CONV(images, params=short)["512"]
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, CONV(images, params=rounded)["512"])
    assert not np.array_equal(found, CONV(images)["512"])


def test_a_program_of_one_precision_does_not_serve_another():
    images = np.zeros((1, 64, 64, 3), np.float32)
    jitted: Any = CONV._jitted
    programs = {
        jitted.lower(CONV.params, images, taps=("512",), normalisation=None, precision=one, any_size=False).as_text()
        for one in PRECISIONS
    }
    assert len(programs) == len(PRECISIONS)
    for precision in PRECISIONS:
        assert CONV(images, precision=precision)["512"].shape == (1, 512)
    assert asked(lambda x: CONV.apply(CONV.params, x), jnp.asarray(images)) == {jax.lax.Precision.HIGHEST}


def only(evaluation):
    (result,) = evaluation.results
    return result


@pytest.mark.parametrize("precision", ["default", "high"])
def test_it_is_recorded_and_said(precision):
    found = jaxeval.evaluate(REAL, FAKE, extractor="random-conv", precision=precision)
    assert only(found).precision == found.manifest["precision"] == precision
    assert [one["precision"] for one in found.manifest["features"].values()] == [precision]
    said = f"precision {precision} was asked for; a CPU multiplies in full float32 whatever is asked"
    assert (said in only(found).warnings) == (jax.default_backend() == "cpu")
    plain = only(jaxeval.evaluate(REAL, FAKE, extractor="random-conv"))
    assert plain.precision == "highest"
    assert not any("precision" in text for text in plain.warnings)


def test_a_function_of_the_host_is_said_to_be_out_of_reach():
    network = from_function(lambda x: np.asarray(x).mean((1, 2)), name="host", jittable=False)
    found = only(jaxeval.evaluate(REAL, FAKE, extractor=network, precision="default"))
    assert "precision default does not reach host, a function that computes on the host" in found.warnings


def test_the_cache_tells_precisions_apart(tmp_path):
    def cached(precision):
        found = jaxeval.evaluate(REAL, FAKE, extractor="random-conv", cache=tmp_path, precision=precision)
        return found.manifest["reference"]["cached"]

    assert [cached(one) for one in ("highest", "default", "default", "highest")] == [False, False, True, True]


def test_statistics_are_of_one_precision(tmp_path, capsys):
    path = str(tmp_path / "real.npz")
    np.save(tmp_path / "real.npy", REAL)
    arguments = [str(tmp_path / "real.npy"), "--out", path, "--extractor", "random-conv", "--quiet"]
    assert main(["stats", *arguments, "--precision", "default"]) == 0
    _, identity = load_statistics(path)
    assert identity is not None
    assert identity["precision"] == "default"
    jaxeval.evaluate(path, FAKE, extractor="random-conv", precision="default")
    with pytest.raises(InputError, match=r"made with precision 'default'.*`jaxeval stats` without --precision"):
        jaxeval.evaluate(path, FAKE, extractor="random-conv")
    capsys.readouterr()
    assert main(["stats", *arguments, "--precision", "low"]) == 2
    assert "precision is 'low'; choose default, high or highest" in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["HIGHEST", 3, None, ""])
def test_others_are_refused(precision):
    with pytest.raises(InputError, match=r"precision is .*; choose default, high or highest"):
        jaxeval.evaluate(REAL, FAKE, extractor="random-conv", precision=precision)
