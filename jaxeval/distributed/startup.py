"""Joining the processes of a run: JAX's own runtime, started with arguments or from the cluster's environment."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import jax

from jaxeval.distributed._peers import peers
from jaxeval.distributed.roll_call import roll_call
from jaxeval.errors import InputError

_JOINING = 60  # seconds that JAX's runtime has to start once all processes are there


@dataclasses.dataclass(frozen=True)
class Processes:
    """This process among those of the run.

    Attributes:
      index: from 0; process 0 alone writes.
      count: 1 where the run is not distributed.
    """

    index: int = 0
    count: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes the report."""
        return self.index == 0


def start(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    timeout: float = 300.0,
    say: Callable[[str], None] | None = None,
) -> Processes:
    """Joins the other processes, all of which call this; to be called before anything else touches a device.

    Without arguments JAX detects the cluster: Cloud TPU pods, SLURM, Open MPI, Kubernetes.

    Args:
      coordinator: address and port of process 0, as `host:1234`.
      num_processes: how many there are.
      process_id: which one this is, from 0.
      timeout: seconds to wait for the others.
      say: told which processes are missing, at once and every 30 seconds.

    Raises:
      InputError: some of the three are given and some not, they contradict each other, no cluster was detected, or a
        process has not come in time.
    """
    given = {"coordinator": coordinator, "num_processes": num_processes, "process_id": process_id}
    missing = [name for name, value in given.items() if value is None]
    if missing and len(missing) < 3:
        raise InputError(f"{', '.join(missing)} must be given too; coordinator, num_processes, process_id go together")
    if coordinator is not None and num_processes is not None and process_id is not None:
        if num_processes < 1 or not 0 <= process_id < num_processes:
            raise InputError(f"process_id {process_id} of num_processes {num_processes} is not possible; count from 0")
        if ":" not in coordinator:
            raise InputError(f"coordinator {coordinator!r} has no port; give it as host:port")
    if not timeout > 0:
        raise InputError(f"a wait of {timeout:g} seconds for the other processes is not possible; give more than 0")
    place = _Place(coordinator, num_processes, process_id) if coordinator is not None else _detected(timeout)
    if place.coordinator is not None and place.count is not None and place.index is not None and place.count > 1:
        peers.watch = roll_call(place.coordinator, place.count, place.index, timeout=timeout, say=say)
    try:
        with peers.during_exchange():
            jax.distributed.initialize(
                place.coordinator,
                place.count,
                place.index,
                place.devices,
                initialization_timeout=math.ceil(timeout) if peers.watch is None else max(_JOINING, math.ceil(timeout)),
            )
            return current_processes()  # the first use of a device, for which the processes exchange what they have
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        advice = (
            "give --coordinator, --num-processes and --process-id"
            if coordinator is None
            else "check that process 0 runs and that the address can be reached"
        )
        raise InputError(f"the processes of the run could not be joined ({reason}); {advice}") from error


def current_processes() -> Processes:
    """This process and how many there are, as JAX's runtime knows them."""
    return Processes(jax.process_index(), jax.process_count())


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where this process stands among the others, as far as that is known before JAX's runtime starts."""

    coordinator: str | None = None
    count: int | None = None
    index: int | None = None
    devices: Sequence[int] | None = None


def _detected(timeout: float) -> _Place:
    """What JAX finds in the cluster's environment; nothing where it cannot be asked apart from `initialize`."""
    try:
        from jax._src.clusters import ClusterEnv

        found = ClusterEnv.auto_detect_unset_distributed_params(None, None, None, None, None, math.ceil(timeout))
        return _Place(*found)
    except Exception:  # not public: `initialize` asks again, and says what is wrong
        return _Place()
