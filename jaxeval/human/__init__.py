"""Judgements of people: studies that are made and served, votes that are read, fitted and compared with metrics."""

from jaxeval.human.analysis import analyse as analyse
from jaxeval.human.correlating import correlate as correlate
from jaxeval.human.correlation import Agreeing as Agreeing
from jaxeval.human.correlation import CurveAgreement as CurveAgreement
from jaxeval.human.correlation import CurvePoints as CurvePoints
from jaxeval.human.correlation import HumanCorrelation as HumanCorrelation
from jaxeval.human.correlation import MetricAgreement as MetricAgreement
from jaxeval.human.correlation import MetricComparison as MetricComparison
from jaxeval.human.correlation import TiedAccuracy as TiedAccuracy
from jaxeval.human.creation import create_study as create_study
from jaxeval.human.results import Finding as Finding
from jaxeval.human.results import HumanAnalysis as HumanAnalysis
from jaxeval.human.results import ItemValue as ItemValue
from jaxeval.human.results import PairOfSystems as PairOfSystems
from jaxeval.human.results import Part as Part
from jaxeval.human.results import RaterReport as RaterReport
from jaxeval.human.results import SystemValue as SystemValue
from jaxeval.human.results import VotesNeeded as VotesNeeded
from jaxeval.human.study import Study as Study
from jaxeval.human.study import load_study as load_study
from jaxeval.human.votes import ChoiceAnswers as ChoiceAnswers
from jaxeval.human.votes import OpinionAnswers as OpinionAnswers
from jaxeval.human.votes import PairAnswers as PairAnswers
from jaxeval.human.votes import RealnessAnswers as RealnessAnswers
from jaxeval.human.votes import Votes as Votes
from jaxeval.human.votes import read_votes as read_votes
