"""Set-up for the models' tests: they compile large training programs and run each a few times."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def quick_compilation() -> Iterator[None]:
    """Machine code without optimisation, which halves these tests; none of them looks at the last bit of a sum."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
