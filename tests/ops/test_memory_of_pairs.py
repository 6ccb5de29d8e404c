"""Memory of all-pairs metrics at 20,000 x 2,048 against 20,000 x 2,048: at most 1.5 GiB beyond the features."""

import json

import pytest
from peak_memory import printed_by, reads_proc

pytestmark = pytest.mark.slow

PROGRAM = """
import json, resource, sys
import numpy as np
from jaxeval import ops

rng = np.random.default_rng(0)
# Rectified, with a mean, as pooled activations are; drawn as float32, so that nothing larger ever was in memory.
x, y = (np.maximum(rng.standard_normal((20_000, 2_048), np.float32) + 0.3, 0) for _ in range(2))
getattr(ops, sys.argv[1])(reference=x[:300], generated=y[:300], **json.loads(sys.argv[2]))
with open("/proc/self/statm") as statm:
    before = int(statm.read().split()[1]) * resource.getpagesize()
value = getattr(ops, sys.argv[1])(reference=x, generated=y)
print(json.dumps([peak() - before, list(map(float, value))]))
"""


@reads_proc
@pytest.mark.parametrize(("op", "warm_up"), [("prdc", {}), ("kid", {"subset_size": 100}), ("mmd", {})])
def test_peak_memory(op, warm_up):
    added, values = printed_by(PROGRAM, op, json.dumps(warm_up))
    assert all(value == value for value in values)
    assert added < 1.5 * 2**30, f"{added / 2**30:.2f} GiB"
