"""The databases that the tests of studies use."""

import os
from collections.abc import Iterator

import pytest
from postgres_server import Postgres, binaries


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    programs = binaries()
    if programs is None:
        said = "PostgreSQL is not installed (scripts/test-services installs it)"
        if os.environ.get("JAXEVAL_BROWSER") == "required":
            pytest.fail(said)
        pytest.skip(said)  # a contributor without it can still run the rest; CI always has it
    server = Postgres(programs)
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str | None:
    """The URL of a new database; None for SQLite in the study's folder."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres").database()
