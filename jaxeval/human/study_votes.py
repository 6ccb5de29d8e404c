"""The votes of a study, as its database has them."""

from pathlib import Path

from jaxeval.human.export import rows_of_study
from jaxeval.human.vote_files import votes_of_table
from jaxeval.human.votes import Votes
from jaxeval.tables import table_of_rows


def read_study_votes(folder: str | Path, *, database: str | None = None) -> Votes:
    """The answers to a study that stand, also while it is served.

    Args:
      folder: of the study.
      database: as for serving; by default the one in the folder.

    Raises:
      InputError: the study or its database cannot be read, or there is no answer yet.
    """
    study, columns, rows = rows_of_study(folder, database)
    return votes_of_table(table_of_rows(str(folder), columns, rows), systems=study.systems)
