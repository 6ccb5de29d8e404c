"""Set-up for every test: simulated devices, run-time shape checks, and torchvision's missing operators."""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from jaxtyping import install_import_hook

with install_import_hook("jaxeval", "beartype.beartype"):
    import jaxeval  # noqa: F401  (the hook checks the shapes and types of whatever jaxeval module is imported under it)
