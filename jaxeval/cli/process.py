"""What the command line sets for its own process, and an import of the library must not.

Both are settings of a whole process, so that they belong to whoever owns it.
"""

import ctypes
import sys

__all__ = ["keep_freed_memory"]


# glibc's mallopt parameters, of <malloc.h>.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -2, -3, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Makes glibc keep large freed blocks for the next allocation instead of giving them back to the kernel.

    XLA takes its temporaries from malloc in every call; each block that comes fresh from the kernel costs a page fault
    for every 4 KB, which was a third of a network's run time. Returns whether the allocator took the settings; another
    C library has no such function and is left alone.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(mallopt(*setting) for setting in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER)))
