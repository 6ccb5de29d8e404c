"""Inception score by each reference implementation's rule for splitting.

Reference: Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import log_softmax, xlogy

from jaxeval._arrays import Numbers
from jaxeval._door import takes_arrays
from jaxeval.errors import InputError
from jaxeval.ops._features import feature_rows
from jaxeval.ops.split_rules import SplitRule, split_rows


class InceptionScore(NamedTuple):
    """Mean and standard deviation of the score over the splits, from 1 to the number of classes.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> logits = 3 * np.random.default_rng(0).normal(size=(100, 10))
      >>> score = ops.inception_score(logits=logits, splits=5)
      >>> round(score.mean, 2), round(score.std, 2)
      (3.51, 0.25)
    """

    mean: float
    std: float


@takes_arrays
def inception_score(
    *,
    logits: Numbers | None = None,
    probabilities: Numbers | None = None,
    splits: int = 10,
    seed: int = 2020,
    rule: SplitRule | str = "torch-fidelity",
) -> InceptionScore:
    """Inception score: exp of the mean over samples of KL(p(class | sample) || p(class)), for each split.

    Computed in float64 on the host. The rules:

    - "torch-fidelity": shuffled by `RandomState(seed)`; split i from i N // splits to (i + 1) N // splits;
    - "torchmetrics": shuffled as torch does after `torch.manual_seed(seed)`; splits of ceil(N / splits) rows, which may
      be fewer than asked for (6 for N = 12 and 10 splits); standard deviation with ddof 1;
    - "stylegan3": as torch-fidelity, not shuffled;
    - "dgm-eval": shuffled as torch-fidelity; splits of N // splits rows, the remainder dropped (as iMF has it too);
    - "adm": not shuffled; splits of 5,000 rows, the last with what is left; `splits` is not used.

    The standard deviation is over splits of one sample, with ddof 0 unless said otherwise: it is not a standard error.

    Args:
      logits: shape [N, C]; for the FID Inception network its 1008 logits without the bias. Give these or probabilities.
      probabilities: shape [N, C], each row not negative and of sum 1 (to 1e-3; rows are used as they are).
      splits: number of splits.
      seed: seeds the shuffle.
      rule: the implementation whose splits are made.

    Raises:
      InputError: both or neither input, a wrong shape, dtype or value, fewer rows than splits, or an unknown rule.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> certain = np.eye(4)[np.arange(40) % 4]
      >>> round(ops.inception_score(probabilities=certain, splits=1).mean, 6)
      4.0
      >>> undecided = np.full((40, 4), 0.25)
      >>> round(ops.inception_score(probabilities=undecided, splits=1).mean, 6)
      1.0
    """
    if (logits is None) == (probabilities is None):
        raise InputError("give either logits or probabilities")
    if logits is not None:
        rows = feature_rows("logits", logits)
        parts = split_rows(len(rows), splits, seed, rule)
        scores = np.array([_score_of_logits(rows[part].astype(np.float64)) for part in parts])
    else:
        rows = _checked_probabilities(probabilities)
        parts = split_rows(len(rows), splits, seed, rule)
        scores = np.array([_score_of_probabilities(rows[part].astype(np.float64)) for part in parts])
    ddof = 1 if rule == "torchmetrics" else 0
    return InceptionScore(float(scores.mean()), float(scores.std(ddof=ddof)) if len(scores) > ddof else float("nan"))


@takes_arrays
def inception_score_error(*, logits: Numbers) -> float:
    """Standard error of the logarithm of an Inception score, over the choice of images.

    The score's logarithm is a mean over images of KL(p(class | image) || p(class)); the mean p(class) moves with the
    images too, but to first order not the score (the delta method).

    Args:
      logits: shape [N, C].

    Raises:
      InputError: a wrong shape, dtype or value, or fewer than two rows.

    Example:
      >>> import numpy as np
      >>> from jaxeval import ops
      >>> logits = 3 * np.random.default_rng(0).normal(size=(100, 10))
      >>> score = ops.inception_score(logits=logits, splits=1).mean
      >>> error = score * ops.inception_score_error(logits=logits)
      >>> round(score, 2), round(error, 2)
      (3.76, 0.16)
    """
    rows = feature_rows("logits", logits)
    if len(rows) < 2:
        raise InputError(f"logits has {len(rows)} rows; a standard error needs at least 2")
    log_p = log_softmax(rows.astype(np.float64), axis=1)
    p = np.exp(log_p)
    mean = p.mean(0)
    divergence = np.where(p > 0, p * log_p, 0).sum(1) - (p * np.log(np.where(mean > 0, mean, 1))).sum(1)
    return float(divergence.std(ddof=1) / np.sqrt(len(rows)))


def _score_of_logits(logits: Float[np.ndarray, "n c"]) -> float:
    log_p = log_softmax(logits, axis=1)
    p = np.exp(log_p)
    # log p from the logits keeps its digits where p rounds to 1; where p is 0, so is p log p.
    return _score(np.where(p > 0, p * log_p, 0), p)


def _score_of_probabilities(p: Float[np.ndarray, "n c"]) -> float:
    return _score(xlogy(p, p), p)


def _score(p_log_p: Float[np.ndarray, "n c"], p: Float[np.ndarray, "n c"]) -> float:
    """Exp of the mean of sum_c p log p - p log q, with q the mean of p."""
    mean = p.mean(0)
    return float(np.exp(p_log_p.sum(1).mean() - xlogy(mean, mean).sum()))


def _checked_probabilities(probabilities: Numbers | None) -> np.ndarray:
    rows = feature_rows("probabilities", np.asarray(probabilities))
    sums = rows.sum(1, dtype=np.float64)
    if rows.min() < 0 or np.abs(sums - 1).max() > 1e-3:
        worst = int(np.argmax(np.abs(sums - 1)))
        raise InputError(
            f"probabilities has negative values or rows that do not sum to 1 (row {worst} sums to {sums[worst]:.4g}); "
            "pass logits as logits"
        )
    return rows
