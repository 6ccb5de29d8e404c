"""Every public op of `jaxeval.ops`, also those that run on the host: what the programs that it compiles contain."""

import functools
import inspect
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxpr_checks import equations

from jaxeval import ops
from jaxeval.ops import kernels, kth_neighbours, neighbours


def sides(rows: int) -> dict[str, np.ndarray]:
    rng, width = np.random.default_rng(rows), rows // 2
    return {
        "reference": rng.normal(size=(rows, width)).astype(np.float32),
        "generated": rng.normal(size=(rows + 1, width)).astype(np.float32),
    }


def on_device(rows: int) -> dict[str, Any]:
    return {side: jnp.asarray(values) for side, values in sides(rows).items()}


def of_both(name: str, **options: Any) -> Callable[[int], Any]:
    return lambda rows: getattr(ops, name)(**sides(rows), **options)


def of_reference(name: str, **options: Any) -> Callable[[int], Any]:
    return lambda rows: getattr(ops, name)(sides(rows)["reference"], **options)


def of_three(name: str, **options: Any) -> Callable[[int], Any]:
    return lambda rows: getattr(ops, name)(**sides(rows), held_out=sides(rows)["generated"][:-2] + 1, **options)


def of_classes(name: str, **options: Any) -> Callable[[int], Any]:
    def call(rows: int) -> Any:
        labels = {f"{side}_labels": np.arange(len(values)) % 2 for side, values in sides(rows).items()}
        return getattr(ops, name)(**sides(rows), **labels, **options)

    return call


def of_generators(name: str, **options: Any) -> Callable[[int], Any]:
    def call(rows: int) -> Any:
        reference, first = sides(rows).values()
        return getattr(ops, name)(reference=reference, first=first, second=first[::-1] + 1, permutations=9, **options)

    return call


def moments(rows: int) -> ops.Moments:
    return ops.feature_moments(on_device(rows)["reference"])


def host_moments(rows: int) -> ops.Moments:
    return ops.feature_moments(sides(rows)["reference"])


def gaussians(rows: int) -> dict[str, Any]:
    return {side: ops.gaussian_from_features(values) for side, values in sides(rows).items()}


def reduced(rows: int) -> Any:
    parts = jnp.asarray(np.random.default_rng(0).normal(size=(2, rows, 5)), jnp.float32)
    return jax.pmap(lambda part: ops.reduce_moments(ops.feature_moments(part), "parts"), "parts")(parts)


def curve() -> ops.PRDCurve:
    return ops.prd_curve(reference=np.array([1.0, 2.0]), generated=np.array([2.0, 1.0]))


def uncertainty(rows: int) -> Any:
    rows_of: dict[str, Any] = {f"{side}_rows": values.astype(np.float64) for side, values in sides(rows).items()}
    return ops.frechet_uncertainty(**gaussians(rows), **rows_of, n_reference=rows, n_generated=rows + 1)


# An op on `rows` rows. What is under HOST multiplies no matrices on a device: BLAS does in float64, or nothing does.
DEVICE: dict[str, Callable[[int], Any]] = {
    "alpha_precision": of_both("alpha_precision"),
    "authenticity": of_both("authenticity"),
    "c_t_score": of_three("c_t_score", cells=1),
    "clipped_density_coverage": of_both("clipped_density_coverage"),
    "cmmd": of_both("cmmd"),
    "cmmd_difference": of_generators("cmmd_difference"),
    "covariance": lambda rows: ops.covariance(moments(rows)),
    "feature_moments": moments,
    "fld": of_three("fld"),
    "frechet_distance_on_device": lambda rows: ops.frechet_distance_on_device(**on_device(rows)),
    "gaussian_from_moments": lambda rows: ops.gaussian_from_moments(ops.moments_on_host(moments(rows))),
    "kid": of_both("kid", subsets=2, subset_size=20),
    "kid_full": of_both("kid_full"),
    "matrix_sqrt": lambda rows: ops.matrix_sqrt(jnp.eye(rows)),
    "membership": of_both("membership"),
    "memorisation_distance": of_both("memorisation_distance"),
    "merge_moments": lambda rows: ops.merge_moments(moments(rows), moments(rows)),
    "mifid": of_both("mifid"),
    "mind": of_both("mind", projections=10),
    "mmd": of_both("mmd"),
    "msid": of_both("msid"),
    "mmd_difference": of_generators("mmd_difference"),
    "moments_on_host": lambda rows: ops.moments_on_host(moments(rows)),
    "own_neighbours": of_reference("own_neighbours", ks=(2, 3)),
    "prdc": of_both("prdc"),
    "prdc_difference": of_generators("prdc_difference", k=1),
    "precision_recall_distribution": of_both("precision_recall_distribution", clusters=3, runs=1, angles=11),
    "probabilistic_precision_recall": of_both("probabilistic_precision_recall"),
    "rarity": of_both("rarity"),
    "realism": of_both("realism"),
    "reduce_moments": reduced,
    "rke": of_reference("rke", bandwidth=1.0),
    "sliced_costs": of_both("sliced_costs", projections=10),
    "sliced_wasserstein": of_both("sliced_wasserstein", projections=10),
}
HOST: dict[str, Callable[[int], Any]] = {
    "class_diversity": lambda rows: ops.class_diversity(sides(rows)["reference"], np.arange(rows) % 2),
    "class_frechet": of_classes("class_frechet"),
    "classification_accuracy_score": of_classes("classification_accuracy_score"),
    "clip_score": lambda rows: ops.clip_score(images=sides(rows)["reference"], texts=sides(rows)["reference"]),
    "clustered_mean": lambda rows: ops.clustered_mean(np.arange(rows), np.arange(rows) // 2),
    "clustered_ratio": lambda rows: ops.clustered_ratio(np.arange(rows), np.arange(rows), np.arange(rows) // 2),
    "empty_moments": lambda rows: ops.empty_moments(rows),
    "fd_infinity": of_both("fd_infinity"),
    "geometry_score": of_both("geometry_score", draws=2),
    "relative_living_times": lambda rows: ops.relative_living_times(sides(rows)["reference"], draws=2),
    "frechet_difference": of_generators("frechet_difference", groups=3),
    "frechet_distance": lambda rows: ops.frechet_distance(
        mean_x=np.zeros(rows), cov_x=np.eye(rows), mean_y=np.zeros(rows), cov_y=np.eye(rows)
    ),
    "frechet_distance_between": lambda rows: ops.frechet_distance_between(*gaussians(rows).values()),
    "frechet_distance_from_features": of_both("frechet_distance_from_features"),
    "frechet_jackknife": of_both("frechet_jackknife", groups=3),
    "frechet_jackknife_of_groups": lambda rows: ops.frechet_jackknife_of_groups(
        reference=[host_moments(rows)] * 2, generated=[host_moments(rows)] * 2
    ),
    "frechet_uncertainty": uncertainty,
    "frechet_witness": lambda rows: ops.frechet_witness(
        reference=gaussians(rows)["reference"], first=sides(rows)["reference"], second=sides(rows)["generated"]
    ),
    "gaussian_from_features": of_reference("gaussian_from_features"),
    "group_numbers": lambda rows: ops.group_numbers(rows, 3),
    "inception_score": lambda rows: ops.inception_score(logits=sides(rows)["reference"], splits=2),
    "inception_score_difference": lambda rows: ops.inception_score_difference(
        first=sides(rows)["reference"], second=sides(rows)["generated"], permutations=9
    ),
    "inception_score_error": lambda rows: ops.inception_score_error(logits=sides(rows)["reference"]),
    "interval": lambda rows: ops.interval(0.0, 1.0, degrees=rows),
    "jackknife": lambda rows: ops.jackknife(lambda x: x.mean(), {"x": rows}),
    "mean_difference": lambda rows: ops.mean_difference(first=np.arange(rows), second=np.arange(rows), permutations=9),
    "mean_interval": lambda rows: ops.mean_interval(np.arange(rows)),
    "median_distance": of_both("median_distance"),
    "moments_on_device": lambda rows: ops.moments_on_device(ops.feature_moments(sides(rows)["reference"])),
    "paired_clustered_difference": lambda rows: ops.paired_clustered_difference(
        np.arange(rows), np.arange(rows), np.arange(rows), np.arange(rows)[::-1], exchanges=9
    ),
    "permutation_p_value": lambda rows: ops.permutation_p_value(np.arange(rows), np.arange(rows), permutations=9),
    "prd_curve": lambda rows: curve(),
    "prd_f_scores": lambda rows: ops.prd_f_scores(curve()),
    "share_interval": lambda rows: ops.share_interval(0.5, rows),
    "subsampling": lambda rows: ops.subsampling(lambda x: x.mean(), {"x": rows}),
    "two_sided_p_value": lambda rows: ops.two_sided_p_value(1.0, 1.0, rows),
    "vendi_score": of_reference("vendi_score"),
    "vendi_score_of_similarities": lambda rows: ops.vendi_score_of_similarities(np.eye(rows)),
}


def of_two_sets() -> Iterator[str]:
    """The ops that are not above and need two sets of features and nothing else."""
    for name in sorted({*ops.__all__} - {*DEVICE, *HOST}):
        op = getattr(ops, name)
        if inspect.isfunction(op):
            parameters = inspect.signature(op).parameters.values()
            if {one.name for one in parameters if one.default is one.empty} == {"reference", "generated"}:
                yield name


OTHERS = {name: of_both(name) for name in of_two_sets()}
OPS = {**DEVICE, **HOST, **OTHERS}


def test_every_public_op_is_here():
    public = {name for name in ops.__all__ if not inspect.isclass(getattr(ops, name))}
    assert sorted(public - set(OPS)) == [], "each public op needs a call in this file"
    assert sorted(set(OPS) - public) == []


@pytest.fixture
def programs(tmp_path: Path):
    """The StableHLO of everything that is lowered while a test runs, once it asks."""
    jax.config.update("jax_dump_ir_to", str(tmp_path))
    yield lambda: [path.read_text() for path in tmp_path.rglob("*.mlir")]
    jax.config.update("jax_dump_ir_to", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", OPS)
def test_every_contraction_is_at_full_precision(name: str, programs: Callable[[], list[str]]):
    OPS[name](29 + 2 * list(OPS).index(name))  # of a size of its own, so that nothing is taken from a cache
    found = [
        line
        for text in programs()
        for line in text.splitlines()
        if "stablehlo.dot_general" in line or "stablehlo.convolution" in line
    ]
    assert name in OTHERS or bool(found) == (name in DEVICE)
    for line in found:
        assert len(re.findall(r"HIGHEST", line)) == 2, line


def largest(jaxpr: Any) -> int:
    return max(math.prod(variable.aval.shape) for equation in equations(jaxpr) for variable in equation.outvars)


class _TracedError(Exception):
    """Stops an op after its first program."""


MANY = 50_000


@pytest.mark.parametrize("search", ["nearest", "kth_squared_distances", "ball_counts"])
def test_neighbours_of_many_rows_are_searched_in_strips(search: str, monkeypatch: pytest.MonkeyPatch):
    """50,000 x 50,000 distances would take 10 GB; no array of a strip's program comes near to that."""
    found = []

    def trace(rows: neighbours.PreparedRows, compute: Callable[..., Any], *_: Any) -> Iterator[Any]:
        found.append(jax.make_jaxpr(functools.partial(compute, block=rows.strip))(np.int32(0)))
        yield from ()
        raise _TracedError

    monkeypatch.setattr(neighbours, "pair_strips", trace)
    monkeypatch.setattr(kth_neighbours, "pair_strips", trace)
    x, y = neighbours.prepare_rows(*np.random.default_rng(0).normal(size=(2, MANY, 2)))
    searches: dict[str, Callable[[], Any]] = {
        "nearest": lambda: neighbours.nearest(x, y, 5),
        "kth_squared_distances": lambda: kth_neighbours.kth_squared_distances(x, 5),
        "ball_counts": lambda: neighbours.ball_counts(x, y, centre_radii=np.ones(MANY), tie="inclusive"),
    }
    with pytest.raises(_TracedError):
        searches[search]()
    assert largest(found[0]) >= MANY
    assert largest(found[0]) < MANY**2 / 250


def test_fellows_of_many_wide_rows_are_searched_in_tiles(monkeypatch: pytest.MonkeyPatch):
    """A tile of pairs is the largest array that its program makes."""
    compute, found = kth_neighbours._absorb_tiles, []

    def trace(*arrays: Any, side: int) -> Any:
        found.append(jax.make_jaxpr(functools.partial(compute, side=side))(*arrays))
        raise _TracedError

    monkeypatch.setattr(kth_neighbours, "_absorb_tiles", trace)
    (x,) = neighbours.prepare_rows(np.random.default_rng(0).normal(size=(MANY // 5, 256)))
    with pytest.raises(_TracedError):
        kth_neighbours.kth_squared_distances(x, 5)
    assert 0.9 * kth_neighbours._TILE_ROWS**2 < largest(found[0]) <= kth_neighbours._TILE_ROWS**2


def test_kernels_of_many_rows_are_summed_in_blocks(monkeypatch: pytest.MonkeyPatch):
    compute, found = kernels._block_sums, []

    def trace(form: str, block: int, *arrays: Any) -> Any:
        found.append(jax.make_jaxpr(functools.partial(compute, form, block))(*arrays))
        raise _TracedError

    monkeypatch.setattr(kernels, "_block_sums", trace)
    features = np.random.default_rng(0).normal(size=(2, MANY, 2))
    with pytest.raises(_TracedError):
        ops.kid_full(reference=features[0], generated=features[1])
    assert MANY < largest(found[0]) < MANY**2 / 250
