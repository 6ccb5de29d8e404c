"""Agreement: of raters with each other, and of metrics with people.

Numbers that are reported are float64 on the host; bootstraps weigh rows by how often they are drawn, in float32 on the
device where what they sum is counted. What a public function returns depends on its arguments and seed alone.

- Raters: `cohen_kappa`, `fleiss_kappa`, `krippendorff_alpha`, `kendall_w`, each of which gives a `RaterAgreement`.
- A metric against people: `pearson`, `spearman`, `kendall_tau`, each of which gives an `Estimate`; `pairwise_accuracy`,
  `PairwiseAccuracy`; `fit_logistic`, `LogisticFit`; `prediction_errors`, `PredictionErrors`.
- Two metrics against the same people: `meng_test`, `williams_test`, `CorrelationTest`; `paired_difference`,
  `PairedDifference`.
"""

from jaxeval.ops.agreement._draws import Estimate
from jaxeval.ops.agreement._ratings import RaterAgreement
from jaxeval.ops.agreement.comparisons import (
    CorrelationTest,
    PairedDifference,
    meng_test,
    paired_difference,
    williams_test,
)
from jaxeval.ops.agreement.concordance import kendall_w
from jaxeval.ops.agreement.correlations import kendall_tau, pearson, spearman
from jaxeval.ops.agreement.kappas import cohen_kappa, fleiss_kappa
from jaxeval.ops.agreement.krippendorff import krippendorff_alpha
from jaxeval.ops.agreement.logistic import LogisticFit, PredictionErrors, fit_logistic, prediction_errors
from jaxeval.ops.agreement.pair_accuracy import PairwiseAccuracy, pairwise_accuracy

__all__ = [
    "CorrelationTest",
    "Estimate",
    "LogisticFit",
    "PairedDifference",
    "PairwiseAccuracy",
    "PredictionErrors",
    "RaterAgreement",
    "cohen_kappa",
    "fit_logistic",
    "fleiss_kappa",
    "kendall_tau",
    "kendall_w",
    "krippendorff_alpha",
    "meng_test",
    "paired_difference",
    "pairwise_accuracy",
    "pearson",
    "prediction_errors",
    "spearman",
    "williams_test",
]
