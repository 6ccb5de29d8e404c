"""Set-up for the models' tests: they compile large training programs and run each a few times."""

from collections.abc import Iterator

import pytest
from compilation import quick_compilation


@pytest.fixture(autouse=True, scope="module")
def quickly_compiled() -> Iterator[None]:
    """None of these tests looks at the last bit of a sum."""
    with quick_compilation():
        yield
