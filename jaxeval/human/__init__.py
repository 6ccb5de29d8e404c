"""People as judges: studies that are made, served and exported."""

from jaxeval.human.creation import create_study
from jaxeval.human.study import Study, load_study

__all__ = ["Study", "create_study", "load_study"]
