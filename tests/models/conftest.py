"""Set-up for the models' tests: they compile large training programs and run each a few times."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def every_module_is(quickly_compiled: None) -> None:
    """Compiled quickly."""
