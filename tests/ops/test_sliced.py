"""Sliced Wasserstein distances against SciPy, replication to equal counts, and closed forms."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from scipy.stats import wasserstein_distance

from jaxeval.errors import InputError
from jaxeval.ops._torch_random import torch_normal, torch_permutation
from jaxeval.ops.sliced import mind, sliced_costs, sliced_wasserstein


def directions(count, d, seed):
    draws = np.random.RandomState(seed).standard_normal((count, d))
    return draws / np.linalg.norm(draws, axis=1, keepdims=True)


def replicated_cost(a, b):
    """Mean squared difference of the sorted values after repeating both to one length."""
    length = np.lcm(len(a), len(b))
    return ((np.sort(np.repeat(a, length // len(a))) - np.sort(np.repeat(b, length // len(b)))) ** 2).mean()


@pytest.mark.parametrize(("n", "m"), [(50, 50), (30, 42), (7, 64)])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_both_orders_equal_their_definition(n, m, offset):
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal((n, 9)) + offset, 1.3 * rng.standard_normal((m, 9)) + 0.2 + offset
    lines = directions(150, 9, seed=4)  # more than one block, and a rest
    first = [wasserstein_distance(x @ line, y @ line) for line in lines]
    second = [replicated_cost(x @ line, y @ line) for line in lines]
    one, two = (sliced_wasserstein(reference=x, generated=y, p=p, projections=150, seed=4) for p in (1, 2))
    assert one.value == pytest.approx(np.mean(first), rel=1e-6)
    assert one.standard_error == pytest.approx(np.std(first, ddof=1) / np.sqrt(150), rel=1e-5)
    assert two.value == pytest.approx(np.sqrt(np.mean(second)), rel=1e-6)
    scaled = mind(reference=x, generated=y, projections=150, seed=4)
    assert scaled.value == pytest.approx(27 * np.mean(second), rel=2e-6)
    assert scaled.standard_error == pytest.approx(27 * np.std(second, ddof=1) / np.sqrt(150), rel=1e-5)


def test_the_error_of_a_root_is_that_of_directions_left_out():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((40, 5)), 1.4 * rng.standard_normal((30, 5)) + 0.3
    costs = np.array([replicated_cost(x @ line, y @ line) for line in directions(200, 5, seed=0)])
    found = sliced_wasserstein(reference=x, generated=y, projections=200)
    # The delta method's derivative of a root, by steps; and the jackknife over directions.
    slope = (np.sqrt(costs.mean() + 1e-6) - np.sqrt(costs.mean() - 1e-6)) / 2e-6
    assert found.standard_error == pytest.approx(slope * costs.std(ddof=1) / np.sqrt(200), rel=1e-5)
    left = np.sqrt((costs.sum() - costs) / 199)
    jackknife = np.sqrt(199 / 200 * np.square(left - left.mean()).sum())
    assert found.standard_error == pytest.approx(jackknife, rel=2e-3)
    for p in (1, 2):  # one direction has a cost and no error
        one = sliced_wasserstein(reference=x, generated=y, p=p, projections=1)
        assert one.value > 0
        assert np.isnan(one.standard_error)


def gaussians(seed, n, d=64):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((n, d))


def test_mind_of_a_shift_is_three_times_its_square():
    x, y = gaussians(0, 5000)
    # 64 x .25 x 3 = 48; 47.7 +- .9 with directions at random and .26 of floor.
    found = mind(reference=x, generated=y + 0.5, projections=600)
    assert found.value == pytest.approx(48, abs=4 * found.standard_error + 0.5)
    exact = mind(reference=x, generated=x + 0.5, projections=600)
    assert abs(exact.value - 48) < 4 * exact.standard_error


def test_mind_of_a_scale():
    x, _ = gaussians(1, 5000)
    assert mind(reference=x, generated=1.5 * x, projections=500).value == pytest.approx(3 * 64 * 0.25, rel=0.01)


@pytest.mark.parametrize(("n", "floor"), [(1000, 1.20), (5000, 0.26)])
def test_mind_of_one_distribution_has_a_floor(n, floor):
    values = [mind(reference=x, generated=y, projections=200).value for x, y in (gaussians(s, n) for s in range(3))]
    assert np.mean(values) == pytest.approx(floor, rel=0.1)


def test_copies_are_at_distance_zero_and_roles_swap():
    x, y = gaussians(2, 40, d=3)
    assert sliced_wasserstein(reference=x, generated=np.repeat(x, 3, axis=0)).value == pytest.approx(0, abs=1e-6)
    one, other = (sliced_wasserstein(reference=a, generated=b, p=1) for a, b in ((x, y), (y, x)))
    assert one == pytest.approx(other, rel=1e-6)


def test_a_seed_repeats():
    x, y = gaussians(3, 40, d=3)
    first, again, other = (mind(reference=x, generated=y, seed=s, projections=20).value for s in (1, 1, 2))
    assert first == again != other


@defaults_of(DEFAULTS, "mind", "sliced_costs", "sliced_wasserstein")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


def test_wrong_arguments_are_named():
    with pytest.raises(InputError, match="p is 3"):
        sliced_wasserstein(reference=np.eye(3), generated=np.eye(3), p=3)
    with pytest.raises(InputError, match="projections 0"):
        mind(reference=np.eye(3), generated=np.eye(3), projections=0)


@pytest.mark.parity
@pytest.mark.parametrize(("n", "m"), [(80, 80), (70, 96)])
def test_python_optimal_transport(n, m):
    import ot

    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((n, 12)), 1.2 * rng.standard_normal((m, 12)) + 0.3
    lines = directions(200, 12, seed=6)
    for p in (1, 2):
        theirs = ot.sliced_wasserstein_distance(x, y, projections=lines.T, p=p)
        ours = sliced_wasserstein(reference=x, generated=y, p=p, projections=200, seed=6).value
        # Projections are float32: 12 products of size 1 on distances of a tenth of that.
        assert ours == pytest.approx(theirs, rel=2e-6)


# What torch-fidelity's own `mind_features_to_metric` (0.5.0, before its release) gave for these draws, with torch 2.13.
PUBLISHED = {
    (60, 60, 12, 1000, 2020): 10.12498390674591,
    (50, 70, 12, 1000, 2020): 9.996944904327393,
    (70, 50, 12, 37, 5): 10.967318773269653,
    (200, 120, 100, 64, 2020): 54.20929044485092,
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_torch_fidelity_draws_these_directions_and_rows(case):
    n, m, d, projections, seed = case
    state = np.random.RandomState(7)
    x = state.standard_normal((n, d)).astype(np.float32)
    y = (1.2 * state.standard_normal((m, d)) + 0.3).astype(np.float32)
    found = mind(reference=x, generated=y, projections=projections, seed=seed, rule="torch-fidelity")
    # Its sums are float32; angles of its directions are off by 4e-7.
    assert found.value == pytest.approx(PUBLISHED[case], rel=2e-6)
    assert found.value != pytest.approx(mind(reference=x, generated=y, projections=projections, seed=seed).value, 1e-3)
    swapped = mind(reference=y, generated=x, projections=projections, seed=seed, rule="torch-fidelity")
    assert swapped.value == pytest.approx(found.value, rel=1e-6)


# `torch.randn(20)` after `torch.manual_seed(2020)`, torch 2.13: the last 16 are drawn a second time.
NORMAL = [
    -0.00866926, -0.32125342, -1.28986025, 0.16317698, -0.15833555, -1.19997120, -0.54816210, 0.98756576, -1.03840971,
    1.00367773, -0.04936625, 1.14428163, 0.33751869, 0.13029990, -1.74585927, -0.02125896, -0.55201274, 0.90013307,
    -0.31563985, 1.24114001,
]  # fmt: skip


def test_normal_numbers_are_torchs():
    assert torch_normal(np.random.RandomState(2020), 20) == pytest.approx(NORMAL, abs=2e-6)
    with pytest.raises(InputError, match="16 numbers and more, not for 15"):
        torch_normal(np.random.RandomState(0), 15)


@pytest.mark.parity
@pytest.mark.parametrize("count", [16, 17, 100, 7000])
def test_normal_numbers_are_torchs_however_many(count):
    import torch

    generator, state = torch.Generator().manual_seed(3), np.random.RandomState(3)
    assert (torch.randperm(50, generator=generator).numpy() == torch_permutation(state, 50)).all()
    for _ in range(2):  # the state moves on as torch's does
        theirs = torch.randn(count, generator=generator, dtype=torch.float32).numpy()
        assert torch_normal(state, count) == pytest.approx(theirs, abs=2e-6)


def test_the_error_of_the_directions_is_their_spread():
    """Of 40 seeds, whose deviation is known to 11%."""
    x, y = gaussians(4, 200, d=100)
    y = 0.5 * y * np.geomspace(4, 0.1, 100)
    for rule in ("quantiles", "torch-fidelity"):
        found = [mind(reference=x, generated=y, projections=50, seed=seed, rule=rule) for seed in range(40)]
        errors = [one.standard_error for one in found]
        assert np.mean(errors) == pytest.approx(np.std([one.value for one in found], ddof=1), rel=0.35)


def test_costs_are_those_of_single_directions():
    x, y = gaussians(5, 60, d=5)
    costs = sliced_costs(reference=x, generated=y, projections=140, seed=3)
    lines = directions(140, 5, seed=3)
    assert costs == pytest.approx([replicated_cost(x @ line, y @ line) for line in lines], rel=1e-5)
    with pytest.raises(InputError, match="rule is 'torch'; choose quantiles or torch-fidelity"):
        sliced_costs(reference=x, generated=y, rule="torch")
