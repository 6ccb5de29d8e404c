"""How far arrays are apart, for tests that hold two implementations against one another."""

from typing import Any

import numpy as np


def relative(actual: Any, expected: Any) -> float:
    """The largest difference as a share of the largest expected value."""
    return np.abs(np.asarray(actual, np.float64) - np.asarray(expected, np.float64)).max() / np.abs(expected).max()
