"""Resumable accumulation: every process's state, saved together through Orbax and restored bit for bit.

A state is bytes that its process alone understands. All processes save at the same step; Orbax puts a step in place
when all of it is written, so that a kill leaves the step before. What is read back is verified against its checksum,
and against the configuration that wrote it.
"""

import dataclasses
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxeval.distributed._peers import exchange
from jaxeval.distributed.agreement import gather_bytes, largest, process_mesh
from jaxeval.errors import InputError, ProcessLostError
from jaxeval.files import local_path

_KEPT = 2  # the last one, and the one before in case that the last cannot be read
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Saved:
    """What a checkpoint has for a process.

    Attributes:
      states: its own alone; where another number of processes has written the checkpoint, those of all of them.
      processes: how many have written it.
    """

    states: tuple[bytes, ...]
    processes: int


class Checkpointer:
    """A folder of checkpoints of one run.

    Args:
      folder: on a file system that all processes see.
      configuration: plain values; a checkpoint of any other configuration is refused.

    Raises:
      InputError: the folder cannot be used.
    """

    def __init__(self, folder: str | Path, configuration: dict[str, Any]):
        import orbax.checkpoint as ocp

        # Orbax reports each step on the root logger at a level that training jobs often show.
        logging.getLogger("absl").setLevel(logging.ERROR)
        self._ocp = ocp
        self._folder = local_path(folder).absolute()
        self._configuration = json.loads(json.dumps(configuration, sort_keys=True))
        options = ocp.CheckpointManagerOptions(max_to_keep=_KEPT, enable_async_checkpointing=False, create=True)
        try:
            with exchange():
                self._manager = ocp.CheckpointManager(self._folder, options=options)
            newest = max(self._manager.all_steps(), default=-1)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot keep checkpoints in {str(self._folder)!r} ({error}); choose another") from error
        self._next = largest(newest + 1)

    def save(self, state: bytes) -> None:
        """Saves this process's state; called by all processes together."""
        length = largest(len(state))
        padded = np.zeros((1, max(4, -(-length // 4) * 4)), np.uint8)
        padded[0, : len(state)] = np.frombuffer(state, np.uint8)
        records = gather_bytes(hashlib.sha256(state).digest() + len(state).to_bytes(8, "little"))
        metadata = {
            "format": _FORMAT,
            "configuration": self._configuration,
            "processes": [
                {"sha256": record[:32].hex(), "bytes": int.from_bytes(record[32:], "little")} for record in records
            ],
        }
        array = jax.make_array_from_process_local_data(self._sharding(), padded.view(np.uint32))
        arguments = self._ocp.args.Composite(
            state=self._ocp.args.StandardSave({"state": array}), metadata=self._ocp.args.JsonSave(metadata)
        )
        with exchange():
            self._manager.save(self._next, args=arguments, force=True)
            self._manager.wait_until_finished()
        self._next += 1

    def restore(self) -> bytes | None:
        """This process's state in the newest checkpoint that is whole on every process; None where there is none.

        Raises:
          InputError: the checkpoints are those of another configuration, or of another number of processes.
        """
        saved = self.restore_saved()
        if saved is None:
            return None
        if saved.processes != jax.process_count():
            raise InputError(
                f"the checkpoint in {str(self._folder)!r} is of {saved.processes} processes, and there are "
                f"{jax.process_count()}; start as many again, or choose another folder"
            )
        return saved.states[0]

    def restore_saved(self) -> "Saved | None":
        """What the newest checkpoint that is whole has for this process; None where there is none.

        Raises:
          InputError: the checkpoints are those of another configuration.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            saved = self._read(step)
            if largest(0 if saved is not None else 1) == 0 and saved is not None:
                return saved
            logging.getLogger("jaxeval").warning("checkpoint %s in %s is not whole and was skipped", step, self._folder)
        return None

    def close(self) -> None:
        """Closes the folder of checkpoints; nothing can be saved afterwards."""
        self._manager.close()

    def _sharding(self) -> NamedSharding:
        mesh = process_mesh()
        return NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))

    def _read(self, step: int) -> "Saved | None":
        ocp = self._ocp
        try:
            found = self._manager.restore(step, args=ocp.args.Composite(metadata=ocp.args.JsonRestore()))
            metadata = found["metadata"]
            configuration, records = metadata["configuration"], metadata["processes"]
            known = metadata["format"] == _FORMAT
        except Exception:  # whatever Orbax raises on damaged files: the step before takes over
            return None
        if not known or configuration != self._configuration:
            raise InputError(
                f"the checkpoint in {str(self._folder)!r} is of another run ({self._difference(configuration)}); "
                "give the same arguments and data as then, or another folder"
            )
        width = max(4, -(-max(record["bytes"] for record in records) // 4) * 4) // 4
        own = len(records) == jax.process_count()
        # Where others have written it, every process gets all of it: nobody knows whose states it will need.
        sharding = self._sharding() if own else NamedSharding(process_mesh(), PartitionSpec())
        shape = jax.ShapeDtypeStruct((len(records), width), np.uint32, sharding=sharding)
        try:
            with exchange():
                restored = self._manager.restore(
                    step, args=ocp.args.Composite(state=ocp.args.StandardRestore({"state": shape}))
                )
                local = np.asarray(restored["state"]["state"].addressable_data(0))
        except ProcessLostError:
            raise
        except Exception:  # as above
            return None
        wanted = [records[jax.process_index()]] if own else records
        states = tuple(row.view(np.uint8)[: one["bytes"]].tobytes() for row, one in zip(local, wanted, strict=True))
        whole = all(
            hashlib.sha256(state).hexdigest() == one["sha256"] for state, one in zip(states, wanted, strict=True)
        )
        return Saved(states, len(records)) if whole else None

    def _difference(self, other: Any) -> str:
        if not isinstance(other, dict):
            return "its configuration cannot be read"
        keys = [key for key in sorted({*self._configuration, *other}) if self._configuration.get(key) != other.get(key)]
        return f"other {', '.join(keys)}" if keys else "written by another version"
