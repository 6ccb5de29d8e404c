"""Only results on stdout, and only sentences of ours on stderr where JAX's runtime complains of a lost process."""

import subprocess
import sys

import pytest

NATIVE = """
import os, sys, threading
from jaxeval.cli.native_output import NativeOutput
FATAL = (
    b"F1127 16:05:31.147193   15742 client.h:80] Terminating process because ...\\nRPC: /xla\\n"
    b"*** Check failure stack trace: ***\\n    @     0x7fc335840634  absl::lts\\n"
)
with NativeOutput(quiet={quiet}) as output:
    print("result")
    print("sentence", file=sys.stderr)
    os.write(1, b"[Gloo] Rank 0 is connected to 1 peer ranks\\n")
    os.write(2, b"E1127 16:00:59.1 1 coordination_service.cc:1520] Shutdown barrier\\nwhich goes on\\n")
    os.write(2, b"W1127 16:00:59.1 1 cuda_executor.cc:1] of another library\\n")
    os.write(2, FATAL)
{more}
print("after")
"""


DROPPED = ["[Gloo]", "E1127", "which", "F1127", "RPC:", "***", "    @"]
# As at an abort that no process is to blame for: the pipe is closed first, so that all of it has come.
RELEASED = """
    for descriptor in (1, 2):
        os.dup2(output._originals[1], descriptor)
    output._thread.join()
    output.release()
"""


@pytest.mark.parametrize(
    ("quiet", "more", "err"),
    [
        (True, "", ["sentence", "W1127"]),
        (False, "", ["sentence", "[Gloo]", "W1127"]),
        (True, RELEASED, ["sentence", "W1127", *DROPPED]),
    ],
)
def test_what_libraries_write_is_kept_from_results_and_sentences(quiet, more, err):
    program = NATIVE.replace("{quiet}", str(quiet)).replace("{more}", more)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "result\nafter\n"
    lines = done.stderr.splitlines()
    assert sorted(line.split(" ")[0] if not line.startswith("    @") else "    @" for line in lines) == sorted(err)
