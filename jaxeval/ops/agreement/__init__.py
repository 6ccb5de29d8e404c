"""Draft."""

from jaxeval.ops.agreement._draws import Estimate
from jaxeval.ops.agreement._ratings import RaterAgreement
from jaxeval.ops.agreement.kappas import cohen_kappa, fleiss_kappa
from jaxeval.ops.agreement.krippendorff import krippendorff_alpha
from jaxeval.ops.agreement.concordance import kendall_w
