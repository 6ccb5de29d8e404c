"""Float32 accumulation over a million rows, against float64 over the same rows."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest
from metric_cases import frechet_by_scipy

from jaxeval.metrics import FrechetDistance, InceptionScore, Mean

SIZE, BATCH = 32, 4096


def batches(rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features whose mean is 100 times their spread, correlated, slightly apart."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(SIZE, SIZE)) / np.sqrt(SIZE)
    other = mix + 0.02 * rng.normal(size=(SIZE, SIZE)) / np.sqrt(SIZE)
    for start in range(0, rows, BATCH):
        count = min(BATCH, rows - start)
        for_both = rng.normal(size=(2, count, SIZE))
        yield (
            (100 + for_both[0] @ mix).astype(np.float32),
            (100.02 + for_both[1] @ other).astype(np.float32),
        )


class Reference:
    """Statistics in float64 about a fixed centre, which takes no digits from a mean of 100."""

    def __init__(self):
        self.count, self.total, self.products = 0, np.zeros(SIZE), np.zeros((SIZE, SIZE))

    def add(self, rows: np.ndarray) -> None:
        offsets = rows.astype(np.float64) - 100
        self.count += len(rows)
        self.total += offsets.sum(0)
        self.products += offsets.T @ offsets

    def mean_and_covariance(self) -> tuple[np.ndarray, np.ndarray]:
        mean = self.total / self.count
        return mean, (self.products - self.count * np.outer(mean, mean)) / (self.count - 1)


@pytest.mark.slow
def test_a_million_rows_keep_the_distance_within_one_in_a_hundred_thousand():
    metric = FrechetDistance(SIZE)
    update = jax.jit(metric.update, donate_argnums=0)
    state = metric.init()
    references = Reference(), Reference()
    rows = 1_000_000
    for batch in batches(rows):
        padded = [np.pad(side, ((0, BATCH - len(side)), (0, 0))) for side in batch]
        state = update(state, reference=padded[0], generated=padded[1], mask=np.arange(BATCH) < len(batch[0]))
        for reference, side in zip(references, batch, strict=True):
            reference.add(side)
    (mean_x, cov_x), (mean_y, cov_y) = (reference.mean_and_covariance() for reference in references)
    expected = _distance(mean_x, cov_x, mean_y, cov_y)
    assert expected < 0.1  # a small distance: one hundred-thousandth of it is 3e-8 of the covariances' trace
    found = metric.compute(state)
    assert found.n_reference == found.n_generated == rows
    assert found.value == pytest.approx(expected, rel=1e-5)


def _distance(mean_x: np.ndarray, cov_x: np.ndarray, mean_y: np.ndarray, cov_y: np.ndarray) -> float:
    values, vectors = np.linalg.eigh(cov_x)
    root = (vectors * np.sqrt(values)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ cov_y @ root)).sum()
    return float(np.square(mean_x - mean_y).sum() + np.trace(cov_x) + np.trace(cov_y) - 2 * cross)


def test_the_oracle_agrees_with_scipy():
    x, y = next(batches(2000))
    sides = [Reference(), Reference()]
    for side, rows in zip(sides, (x, y), strict=True):
        side.add(rows)
    (mean_x, cov_x), (mean_y, cov_y) = (side.mean_and_covariance() for side in sides)
    expected = frechet_by_scipy(x.astype(np.float64), y.astype(np.float64))
    assert _distance(mean_x, cov_x, mean_y, cov_y) == pytest.approx(expected, rel=1e-9)


def test_sums_of_very_many_batches_keep_their_digits():
    """Forty thousand additions to one float32 sum would lose four of seven digits."""
    steps = 40_000
    mean, score = Mean("loss"), InceptionScore(3)
    rng = np.random.default_rng(0)
    loss = (1000 + rng.random((steps, 4))).astype(np.float32)
    logits = rng.normal(size=(steps, 4, 3)).astype(np.float32)

    @jax.jit
    def run(loss: Any, logits: Any) -> Any:
        def step(states: Any, batch: Any) -> Any:
            return (mean.update(states[0], loss=batch[0]), score.update(states[1], generated=batch[1])), None

        return jax.lax.scan(step, (mean.init(), score.init()), (loss, logits))[0]

    states = run(loss, logits)
    assert mean.compute(states[0]).value == pytest.approx(loss.astype(np.float64).mean(), rel=1e-9)
    exact = logits.astype(np.float64).reshape(-1, 3)
    p = np.exp(exact) / np.exp(exact).sum(1, keepdims=True)
    expected = np.exp((p * np.log(p / p.mean(0))).sum(1).mean())
    assert score.compute(states[1]).value == pytest.approx(expected, rel=1e-7)
    naive = functools.reduce(np.add, loss.sum(1), np.float32(0)) / np.float32(loss.size)
    assert abs(naive / loss.astype(np.float64).mean() - 1) > 1e-7  # the test can tell
