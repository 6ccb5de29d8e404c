"""What the command line sets for its own process, and an import of the library must not: allocator, compiled programs.

Both belong to a whole process, and so to whoever owns it.
"""

import contextlib
import ctypes
import glob
import hashlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxeval.errors import InputError
from jaxeval.files import local_path

# Parameters of glibc's mallopt, from <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_NEVER = 2**31 - 1

# Of NVIDIA's (under Windows' kernel the last), AMD's and Google's devices.
_ACCELERATOR_NODES = ("/dev/nvidia[0-9]*", "/dev/kfd", "/dev/accel[0-9]*", "/dev/vfio/[0-9]*", "/dev/dxg")

_OFF = "off"
# Programs of networks take longer than this, but for the smallest on a fast machine; loading one takes a tenth of it.
_LEAST_SECONDS = 0.1


def keep_freed_memory() -> bool:
    """Makes glibc keep large freed blocks for the next allocation instead of giving them back to the kernel.

    XLA takes its temporaries from malloc in every call, and a block that comes fresh from the kernel costs a page fault
    for every 4 KB. One arena for all threads, since only the first can hold blocks of any size; it grows and never
    shrinks. Where an accelerator computes, XLA's temporaries are elsewhere, and one arena would only make the threads
    that decode images wait for one another.

    Returns whether the allocator took the settings; other C libraries are left alone.
    """
    if sys.platform != "linux" or not cpu_computes():
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_ARENA_MAX, 1))
    return min(mallopt(*setting) for setting in settings) == 1


def cpu_computes() -> bool:
    """Whether JAX will find no accelerator, told before it is loaded, when the allocator can still be set up.

    The platforms that the user names decide; otherwise whether there is both a plugin for an accelerator and a device
    node of one.
    """
    named = os.environ.get("JAX_PLATFORMS") or os.environ.get("JAX_PLATFORM_NAME")
    if named:
        return named.split(",")[0].strip().lower() == "cpu"
    return not (_accelerator_plugins() and any(glob.glob(pattern) for pattern in _ACCELERATOR_NODES))


def _accelerator_plugins() -> bool:
    """Whether a package is installed by which JAX finds devices other than processors."""
    if importlib.util.find_spec("libtpu") is not None or importlib.metadata.entry_points(group="jax_plugins"):
        return True
    namespace = importlib.util.find_spec("jax_plugins")
    places = None if namespace is None else namespace.submodule_search_locations
    return places is not None and any(True for _ in pkgutil.iter_modules(places))


@contextlib.contextmanager
def compiled_programs(folder: str | None) -> Iterator[None]:
    """Keeps XLA's compiled programs in a folder from one run to the next, for as long as the context lasts.

    Args:
      folder: where, in a folder for each kind of processor; "off" for nowhere; None for the user's cache folder,
        unless JAX was told of one already.

    Raises:
      InputError: the folder cannot be made.
    """
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    given = folder is not None
    if folder == _OFF or (not given and _setting("jax_compilation_cache_dir") is not None):
        yield
        return
    path = (_user_folder() if folder is None else local_path(folder)) / _processor()
    try:
        path.mkdir(parents=True, exist_ok=True)
        usable = os.access(path, os.W_OK)
    except OSError:
        usable = False
    if not usable:
        if given:
            raise InputError(f"compiled programs cannot be kept in {str(path)!r}; name a folder that can be written")
        yield  # a home that cannot be written is no reason to fail
        return
    wanted = {
        "jax_compilation_cache_dir": str(path),
        "jax_persistent_cache_min_compile_time_secs": _LEAST_SECONDS,
    }
    before = {name: _setting(name) for name in wanted}
    try:
        for name, value in wanted.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()  # JAX looks at its settings once, when it first compiles
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


def _setting(name: str) -> Any:
    import jax

    return getattr(jax.config, name)


def _user_folder() -> Path:
    from jaxeval._packages import user_cache_folder

    return user_cache_folder("the folder of compiled programs") / "compiled"


def _processor() -> str:
    """A name for this kind of processor: a program compiled for another may stop on an unknown instruction."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    kinds = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))]
    about = "\n".join(sorted(set(kinds))) or platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(about.encode()).hexdigest()[:12]}"
