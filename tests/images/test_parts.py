"""Parts of a source: together they are the whole, each item in exactly one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxeval.errors import InputError
from jaxeval.images import Preparation, SourcePart, open_source, read_batches


def numbered(count: int):
    return open_source(np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 5, 6, 3), np.uint8))


def read(source) -> list[int]:
    batches = read_batches(source, [Preparation()], 4, threads=1)
    return [int(image[0, 0, 0]) for batch in batches for image in batch.images[0][batch.mask]]


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 45))
def test_processes_share_a_source(count, processes, limit):
    parts = [SourcePart(numbered(count), start=index, stop=limit, step=processes) for index in range(processes)]
    names = [[int(item.name) for item in part.items()] for part in parts]
    assert [len(part) for part in parts] == [len(one) for one in names]
    assert sorted(name for one in names for name in one) == list(range(min(count, limit)))
    assert max(map(len, names)) - min(map(len, names)) <= 1


def test_a_reading_goes_on_where_it_stopped():
    whole = read(numbered(11))
    assert read(SourcePart(numbered(11), start=8)) == whole[8:]
    assert read(SourcePart(SourcePart(numbered(11), start=1, step=2), start=2)) == whole[1::2][2:]


@pytest.mark.parametrize("arguments", [{"start": -1}, {"step": 0}])
def test_an_impossible_part_is_refused(arguments):
    with pytest.raises(InputError, match="cannot start at"):
        SourcePart(numbered(3), **arguments)
