"""Kernel distance over subsets: draws and values of the reference implementations."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS

from jaxeval.errors import InputError
from jaxeval.ops import _kid as ops_kid
from jaxeval.ops import kid, kid_full
from jaxeval.ops._kid import subset_indices


def features(n, d=32, seed=0, scale=1.0):
    # Non-negative with a mean as large as the spread, like pooled activations.
    return (scale * np.abs(np.random.default_rng(seed).standard_normal((n, d)))).astype(np.float32)


def unbiased(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    xx, yy, xy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    m = len(x)
    return (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (m * (m - 1)) - 2 * xy.mean()


@pytest.mark.parametrize("size", [2, 37, 250, 300])
def test_subsets_equal_numpy(size):
    x, y = features(320), features(310, seed=1, scale=1.1)
    result = kid(reference=x, generated=y, subsets=3, subset_size=size)
    draws = subset_indices(320, 310, 3, size, 2020, "torch-fidelity")
    values = [unbiased(x[i], y[j]) for i, j in draws]
    assert result == pytest.approx((np.mean(values), np.std(values)), rel=1e-4, abs=2e-7)


@pytest.mark.parametrize("kernel", ["polynomial", "rbf"])
@pytest.mark.parametrize(("n", "m", "size"), [(100, 90, 60), (130, 65, 65), (7, 200, 7)])
def test_all_pairs_once_give_what_each_subset_gives(n, m, size, kernel, monkeypatch):
    monkeypatch.setattr(ops_kid, "square_block", lambda: 64)
    x, y = features(n), features(m, seed=1, scale=1.1)
    options = {"subsets": 9, "subset_size": size, "kernel": kernel}
    found = []
    for less in (False, True):
        monkeypatch.setattr(ops_kid, "_all_pairs_are_less", lambda *_, less=less: less)
        found.append(kid(reference=x, generated=y, **options))
    assert found[1] == pytest.approx(found[0], rel=1e-5, abs=1e-7)
    if kernel == "polynomial":
        values = [unbiased(x[i], y[j]) for i, j in subset_indices(n, m, 9, size, 2020, "torch-fidelity")]
        assert found[1] == pytest.approx((np.mean(values), np.std(values)), rel=1e-4, abs=2e-7)


def test_the_cheaper_way_is_taken():
    def less(n, m, subsets, size, width=2048):
        draws = subset_indices(n, m, 1, size, 0, "torch-fidelity") * subsets
        return ops_kid._all_pairs_are_less(np.zeros((n, width)), np.zeros((m, width)), draws)

    assert less(1000, 1000, 100, 1000)
    assert less(10000, 10000, 100, 1000)
    assert not less(20000, 20000, 100, 1000)
    assert not less(1000, 1000, 1, 500)
    # Of sets of unequal size the larger one's pairs with itself are most of the work, whichever it is.
    assert not less(20000, 2000, 100, 1000)
    assert not less(2000, 20000, 100, 1000)
    assert less(6000, 2000, 100, 1000)


def test_torch_fidelity_draws_generated_first():
    state = np.random.RandomState(7)
    for reference, generated in subset_indices(50, 40, 4, 10, 7, "torch-fidelity"):
        np.testing.assert_array_equal(generated, state.choice(40, 10, replace=False))
        np.testing.assert_array_equal(reference, state.choice(50, 10, replace=False))


def test_dgm_eval_draws_reference_first_and_shrinks():
    state = np.random.RandomState(7)
    for reference, generated in subset_indices(50, 40, 4, 1000, 7, "dgm-eval"):
        np.testing.assert_array_equal(reference, state.choice(50, 40, replace=False))
        np.testing.assert_array_equal(generated, state.choice(40, 40, replace=False))


@pytest.mark.parametrize("rule", ["torch-fidelity", "clean-fid", "dgm-eval", "torchmetrics"])
def test_subsets_have_no_duplicates_and_a_seed_repeats(rule):
    first, again, other = (subset_indices(30, 20, 5, 15, seed, rule) for seed in (1, 1, 2))
    for reference, generated in first:
        assert len(set(reference)) == len(set(generated)) == 15
        assert reference.max() < 30
        assert generated.max() < 20
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_whole_sets_as_one_subset_are_the_full_estimate():
    x, y = features(60), features(60, seed=1, scale=1.2)
    one = kid(reference=x, generated=y, subsets=1, subset_size=60)
    assert one.mean == pytest.approx(kid_full(reference=x, generated=y).value, rel=1e-5)
    assert one.std == 0


def test_mean_over_subsets_agrees_with_the_full_estimate():
    x, y = features(2000), features(2000, seed=1, scale=1.1)
    full = kid_full(reference=x, generated=y)
    subsets = kid(reference=x, generated=y, subsets=100, subset_size=200)
    assert abs(subsets.mean - full.value) < 4 * subsets.std / 10 + full.standard_error


@defaults_of(DEFAULTS, "kid")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "subset_size is 1000, but reference has 6 rows and generated 5"),
        ({"rule": "torchmetrics"}, "subset_size is 1000"),
        ({"subset_size": 1}, "at least 1 subset of 2 rows"),
        ({"subsets": 0}, "at least 1 subset"),
        ({"rule": "mine"}, "mine"),
        ({"kernel": "cubic"}, "cubic"),
        ({"rule": "clean-fid", "generated": np.ones((1, 4))}, "more samples"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    valid = {"reference": features(6, 4), "generated": features(5, 4)}
    with pytest.raises(InputError, match=message):
        kid(**(valid | arguments))


# --- parity ---


@pytest.fixture
def torch_libraries():
    from parity_stub import torchvision_stub

    torchvision_stub()
    import torch

    return torch


@pytest.mark.parity
@pytest.mark.parametrize("kernel", ["polynomial", "rbf"])
def test_torch_fidelity(torch_libraries, kernel):
    from torch_fidelity.metric_kid import kid_features_to_metric

    x, y = features(400, 256), features(300, 256, seed=1, scale=1.05)
    theirs = kid_features_to_metric(
        torch_libraries.from_numpy(y),
        torch_libraries.from_numpy(x),
        kid_subsets=20,
        kid_subset_size=100,
        kid_kernel="poly" if kernel == "polynomial" else "rbf",
        kid_kernel_poly_degree=3,
        kid_kernel_poly_gamma=None,
        kid_kernel_poly_coef0=1,
        kid_kernel_rbf_sigma=10.0,
        rng_seed=2020,
        verbose=False,
    )
    ours = kid(reference=x, generated=y, subsets=20, subset_size=100, kernel=kernel)
    # torch-fidelity sums 1e4 float32 values of size k <= 4.5: 4.5 * 2^-24 * 4 roundings of a row sum.
    assert ours.mean == pytest.approx(theirs["kernel_inception_distance_mean"], abs=1e-6)
    assert ours.std == pytest.approx(theirs["kernel_inception_distance_std"], abs=1e-6)


@pytest.mark.parity
def test_clean_fid(torch_libraries):
    from cleanfid.fid import kernel_distance

    x, y = features(400, 256), features(300, 256, seed=1, scale=1.05)
    before = np.random.get_state()
    np.random.seed(5)
    theirs = kernel_distance(x, y, num_subsets=20, max_subset_size=100)
    np.random.set_state(before)
    ours = kid(reference=x, generated=y, subsets=20, subset_size=100, seed=5, rule="clean-fid")
    assert ours.mean == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parity
def test_torchmetrics(torch_libraries):
    from torchmetrics.image.kid import KernelInceptionDistance

    torch = torch_libraries
    x, y = features(400, 256), features(300, 256, seed=1, scale=1.05)
    metric = KernelInceptionDistance(feature=torch.nn.Identity(), subsets=20, subset_size=100)
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)
    torch.manual_seed(11)
    mean, std = metric.compute()
    ours = kid(reference=x, generated=y, subsets=20, subset_size=100, seed=11, rule="torchmetrics")
    assert ours.mean == pytest.approx(mean.item(), abs=1e-6)
    assert ours.std == pytest.approx(std.item(), abs=1e-6)
