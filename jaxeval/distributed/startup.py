"""Joining the processes of a run: JAX's own runtime, started with arguments or from the cluster's environment."""

import dataclasses

import jax

from jaxeval.errors import InputError

__all__ = ["Processes", "current_processes", "start"]


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
        """Whether this process writes the report."""
        return self.index == 0


def start(coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None) -> Processes:
    """Joins the other processes; to be called before anything else touches a device.

    Without arguments JAX detects the cluster: Cloud TPU pods, SLURM, Open MPI, Kubernetes.

    Args:
      coordinator: address and port of process 0, as `host:1234`.
      num_processes: how many there are.
      process_id: which one this is, from 0.

    Raises:
      InputError: some of the three are given and some not, they contradict each other, or no cluster was detected.
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
    try:
        jax.distributed.initialize(coordinator, num_processes, process_id)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        advice = (
            "give --coordinator, --num-processes and --process-id"
            if coordinator is None
            else "check that process 0 runs and that the address can be reached"
        )
        raise InputError(f"the processes of the run could not be joined ({reason}); {advice}") from error
    return current_processes()


def current_processes() -> Processes:
    """This process and how many there are, as JAX's runtime knows them."""
    return Processes(jax.process_index(), jax.process_count())
