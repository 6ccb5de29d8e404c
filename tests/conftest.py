"""Set-up for every test: simulated devices and run-time checks of every shape and type in jaxeval's signatures."""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAXEVAL_COMPILATION_CACHE"] = "off"  # tests neither fill the user's cache nor profit from it

from jaxtyping import install_import_hook

# Left in place, not used as a context: jaxeval's rooms are imported when they are first used.
install_import_hook("jaxeval", "type_checks.checked")
