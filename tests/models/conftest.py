"""Set-up for the models' tests: they compile large training programs and run each a few times."""

from collections.abc import Iterator

import pytest
from compilation import quick_compilation


@pytest.fixture(autouse=True, scope="module")
def quickly_compiled() -> Iterator[None]:
    """Where these tests compare bits, both sides are compiled alike."""
    with quick_compilation():
        yield
