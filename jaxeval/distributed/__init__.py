"""Several devices and several hosts: JAX's multi-controller runtime, with what a metric needs around it."""

from jaxeval.distributed._peers import exchange, peers
from jaxeval.distributed.agreement import (
    agree_on,
    any_process,
    gather_bytes,
    gather_rows,
    largest,
    sum_over_processes,
    together,
)
from jaxeval.distributed.checkpoint import Checkpointer, Saved
from jaxeval.distributed.mesh import batch_mesh, pad_batch, replicate_on, shard_batch
from jaxeval.distributed.preemption import preemption_notice
from jaxeval.distributed.startup import Processes, current_processes, start

__all__ = [
    "Checkpointer",
    "Processes",
    "Saved",
    "agree_on",
    "any_process",
    "batch_mesh",
    "current_processes",
    "exchange",
    "gather_bytes",
    "gather_rows",
    "largest",
    "pad_batch",
    "peers",
    "preemption_notice",
    "replicate_on",
    "shard_batch",
    "start",
    "sum_over_processes",
    "together",
]
