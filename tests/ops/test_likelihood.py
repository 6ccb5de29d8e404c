"""Feature likelihood divergence against its published procedure in float64, and known behaviour."""

import numpy as np
import pytest
from default_values import assert_default, defaults_of
from ops_defaults import DEFAULTS
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

import jaxeval.ops.likelihood as likelihood
from jaxeval.errors import InputError
from jaxeval.ops.likelihood import fld


def log_densities(log_variances, squares, d):
    return -squares / (2 * np.exp(log_variances)) - d / 2 * (log_variances + np.log(2 * np.pi))


def fit(centres, x, state, batch=10_000):
    """Adam by hand on analytic gradients."""
    d, mean = x.shape[1], x.mean(0)
    x = x[state.choice(len(x), len(x), replace=False)]
    squares, origin = cdist(x, centres, "sqeuclidean"), 0.81 * ((x - mean) ** 2).sum(1)
    parameters = np.append(np.log((squares.min(0) + 1e-3) / d), 0.0)
    first, second, steps = 0.0, 0.0, 0
    for _ in range(50):
        for start in range(0, len(x), batch):
            part, own = squares[start : start + batch], origin[start : start + batch]
            logs = log_densities(parameters[:-1], part, d) - np.log(len(centres))
            logs = np.column_stack([logs, log_densities(parameters[-1], own, d)])
            weights = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
            slopes = np.column_stack([part, own]) / (2 * np.exp(parameters)) - d / 2
            gradient = -(weights * slopes).mean(0) / d
            steps += 1
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            parameters = parameters - 0.5 * (first / (1 - 0.9**steps)) / (np.sqrt(second / (1 - 0.999**steps)) + 1e-8)
            parameters[:-1] = np.clip(parameters[:-1], -40, 20)
    return parameters[:-1]


def nll(x, centres, log_variances):
    logs = log_densities(log_variances, cdist(x, centres, "sqeuclidean"), x.shape[1])
    return -(logsumexp(logs, axis=1) - np.log(len(centres))) / x.shape[1]


def published(train, test, made, seed=0, at_most=10_000, batch=10_000):
    state = np.random.RandomState(seed)
    if len(made) > at_most:
        made = made[state.choice(len(made), at_most, replace=False)]
    mean, deviation = test.mean(0), test.std(0, ddof=1)
    train, test, made = ((rows - mean) / deviation for rows in (train, test, made))
    variances = fit(made, train, state, batch)
    value, train_value = nll(test, made, variances).mean(), nll(train, made, variances).mean()
    train = train[state.choice(len(train), len(train), replace=False)]
    half = min(len(made), len(train) // 2)
    baseline = nll(test, train[:half], fit(train[:half], train[half:], state, batch)).mean()
    return 100 * (value - baseline), 100 * (train_value - value)


def gaussians(sizes, d, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, d)) * 3 + 7 for n in sizes]


@pytest.mark.parametrize("kept", [True, False])
def test_equals_the_published_procedure(monkeypatch, kept):
    if not kept:
        monkeypatch.setattr(likelihood, "_KEPT_ELEMENTS", 0)
    train, test, made = gaussians((90, 60, 75), 12)
    made[:5] = train[:5]
    made[5] = train[5] + 1e-4
    found = fld(reference=train, held_out=test, generated=made, at_most=70, seed=3)
    # Adam divides by the size of gradients: where one is nothing but float32's rounding, its Gaussian takes steps of
    # the learning rate in a direction of its own. Those that matter have gradients that are not.
    assert (found.value, found.gap) == pytest.approx(published(train, test, made, 3, 70), abs=1e-2)
    assert found.nll.shape == (60,)
    assert 100 * (found.nll.mean() - found.baseline_nll) == pytest.approx(found.value, abs=1e-9)


def test_batches_of_the_fit(monkeypatch):
    monkeypatch.setattr(likelihood, "_BATCH", 25)
    train, test, made = gaussians((60, 30, 40), 6, seed=1)
    found = fld(reference=train, held_out=test, generated=made)
    assert (found.value, found.gap) == pytest.approx(published(train, test, made, batch=25), abs=1e-2)


def test_good_copied_bad_and_collapsed_samples():
    train, test, made = gaussians((400, 300, 400), 8, seed=2)
    good, copied, bad, collapsed = (
        fld(reference=train, held_out=test, generated=rows)
        for rows in (made, train.copy(), made + 6, np.tile(made[:4], (100, 1)))
    )
    assert abs(good.value) < 4
    assert -8 < good.gap < 4  # the widths were fitted to the training set
    assert copied.value > 100
    assert copied.gap < -100
    assert bad.value > good.value + 15
    assert collapsed.value > good.value + 2


def test_units_that_never_fire_are_left_out():
    train, test, made = gaussians((60, 50, 40), 4)
    dead = [np.column_stack([rows[:, :2], np.full(len(rows), 0.3), rows[:, 2:]]) for rows in (train, test, made)]
    dead[2][3, 2] = 5.0  # it fires once, for a generated sample: the held-out set does not say how much that is
    found = fld(reference=dead[0], held_out=dead[1], generated=dead[2])
    plain = fld(reference=train, held_out=test, generated=made)
    assert found.value == pytest.approx(plain.value, rel=1e-5)


@defaults_of(DEFAULTS, "fld")
def test_default_values_are_the_documented_ones(example, parameter):
    assert_default(example, parameter)


def test_wrong_arguments_are_named():
    train, test, made = gaussians((9, 8, 7), 3)
    test[:] = 2
    with pytest.raises(InputError, match="same features in every sample"):
        fld(reference=train, held_out=test, generated=made)
    test[1] = 3
    with pytest.raises(InputError, match="3, 3, 2 features"):
        fld(reference=train, held_out=test, generated=made[:, :2])
    with pytest.raises(InputError, match="held_out 1"):
        fld(reference=train, held_out=test[:1], generated=made)


@pytest.mark.parity
def test_torch_fits_the_same_mixture():
    import torch

    def torch_fit(centres, x, state):
        centres, x = torch.tensor(centres), torch.tensor(x)
        mean = x.mean(0, keepdim=True)
        x = x[state.choice(len(x), len(x), replace=False)]
        squares, origin = torch.cdist(x, centres) ** 2, 0.81 * torch.cdist(x, mean) ** 2
        variances = torch.log((squares.min(0).values + 1e-3) / x.shape[1]).requires_grad_()
        background = torch.zeros((), dtype=x.dtype, requires_grad=True)
        adam = torch.optim.Adam([variances, background], lr=0.5)
        for _ in range(50):
            adam.zero_grad()
            logs = [
                -0.5 * part / torch.exp(v) - x.shape[1] / 2 * (v + np.log(2 * np.pi))
                for part, v in ((squares, variances), (origin, background))
            ]
            (
                -torch.logsumexp(torch.cat([logs[0] - np.log(len(centres)), logs[1]], 1), 1).mean() / x.shape[1]
            ).backward()
            adam.step()
            with torch.no_grad():
                variances.clamp_(-40, 20)
        return variances.detach().numpy()

    train, test, made = gaussians((300, 200, 250), 24, seed=4)
    mean, deviation = test.mean(0), test.std(0, ddof=1)
    scaled = [(rows - mean) / deviation for rows in (train, test, made)]
    state = np.random.RandomState(0)
    expected = nll(scaled[1], scaled[2], torch_fit(scaled[2], scaled[0], state))
    found = fld(reference=train, held_out=test, generated=made)
    np.testing.assert_allclose(found.nll.mean(), expected.mean(), atol=1e-4)
    np.testing.assert_allclose(found.nll, expected, atol=1e-3)
