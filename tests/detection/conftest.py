"""Pictures that several modules look at."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from planted_rectangles import GREEN, RED


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Seven images of different sizes, the i-th with a red rectangle and every other one with a green one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(7):
        pixels = np.full((20 + number, 30 + number, 3), number, np.uint8)
        pixels[2 : 5 + number, 3 : 9 + number] = RED
        if number % 2:
            pixels[15:18, 20:30] = GREEN
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder
