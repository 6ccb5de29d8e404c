"""Where XLA's programs are kept from one process of the tests, and one run, to the next."""

import hashlib
import importlib.metadata
import platform
import re
import time
from pathlib import Path

import platformdirs

_UNREAD_SECONDS = 14 * 24 * 3600


def kept_programs() -> Path:
    """The folder of this jaxlib, for this processor.

    jaxlib does not look at what a processor can do when it looks for a program, and one of another may stop on an
    unknown instruction.
    """
    try:
        kind = re.search(r"^(flags|Features).*$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        kind = None
    about = platform.machine() + (kind.group() if kind else platform.processor())
    own = f"{importlib.metadata.version('jaxlib')}-{hashlib.sha256(about.encode()).hexdigest()[:12]}"
    return platformdirs.user_cache_path("jaxeval-tests") / own


def forget_old_programs() -> None:
    """Removes what nothing has read for two weeks: every change of a program leaves its old one behind."""
    for path in kept_programs().parent.rglob("*-cache"):
        if time.time() - path.stat().st_atime > _UNREAD_SECONDS:
            path.unlink(missing_ok=True)
