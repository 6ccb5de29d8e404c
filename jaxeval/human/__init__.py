"""Judgements of people: studies that are made and served, votes that are read, fitted and compared with metrics."""

from jaxeval.human.analysis import analyse
from jaxeval.human.correlating import correlate
from jaxeval.human.correlation import (
    Agreeing,
    CurveAgreement,
    CurvePoints,
    HumanCorrelation,
    MetricAgreement,
    MetricComparison,
    TiedAccuracy,
)
from jaxeval.human.creation import create_study
from jaxeval.human.results import (
    Finding,
    HumanAnalysis,
    ItemValue,
    PairOfSystems,
    Part,
    RaterReport,
    SystemValue,
    VotesNeeded,
)
from jaxeval.human.study import Study, load_study
from jaxeval.human.vote_files import read_votes
from jaxeval.human.votes import ChoiceAnswers, OpinionAnswers, PairAnswers, RealnessAnswers, Votes

__all__ = [
    "Agreeing",
    "ChoiceAnswers",
    "CurveAgreement",
    "CurvePoints",
    "Finding",
    "HumanAnalysis",
    "HumanCorrelation",
    "ItemValue",
    "MetricAgreement",
    "MetricComparison",
    "OpinionAnswers",
    "PairAnswers",
    "PairOfSystems",
    "Part",
    "RaterReport",
    "RealnessAnswers",
    "Study",
    "SystemValue",
    "TiedAccuracy",
    "Votes",
    "VotesNeeded",
    "analyse",
    "correlate",
    "create_study",
    "load_study",
    "read_votes",
]
