"""The roll call before JAX's runtime starts, and the watch that stays: who has not come, and who has gone.

JAX's runtime says neither. It waits for all processes without a word and then ends the program, and when one of them
has gone the others find a broken connection, or are ended, without being told whose it was. So all processes meet at
the coordinator's address first: process 0 listens there until every other one has given its number, and only then is
the port handed to JAX. The connections of that meeting stay open. The kernel closes those of a process that is killed,
whatever killed it, and process 0 tells the others; a host that vanishes is missed by the probes of TCP.

Every message is one line of JSON.
"""

import contextlib
import dataclasses
import json
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from jaxeval.errors import InputError

Say = Callable[[str], None]

_REPEAT = 30.0  # seconds between two sentences about who is missing
_RETRY = 0.1  # seconds between two attempts to reach process 0
_LONGEST = 4096  # bytes of a greeting; whoever sends more is no process of ours
# Seconds until a silent host is probed, between two probes, and how many may stay unanswered.
_PROBES = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 6))


@dataclasses.dataclass(frozen=True)
class LostProcess:
    """A process of the run that has gone.

    Attributes:
      index: which one.
      count: how many there were.
      host: the name of its machine.
    """

    index: int
    count: int
    host: str

    def __str__(self) -> str:
        return f"process {self.index} of {self.count} (on {self.host}) went away"


def roll_call(coordinator: str, count: int, index: int, *, timeout: float, say: Say | None = None) -> "Watch":
    """Waits until all processes of a run are there.

    Args:
      coordinator: address and port of process 0, as `host:1234`; free for JAX's runtime afterwards.
      count: how many processes there are, two or more.
      index: which one this is.
      timeout: seconds after which the wait ends.
      say: told who is missing, at once and every 30 seconds.

    Raises:
      InputError: a process has not come in time, on all that have; this one contradicts another; or the address cannot
        be listened at.
    """
    meeting = _Meeting(coordinator, count, index, timeout, say or (lambda sentence: None))
    return meeting.held() if index == 0 else meeting.attended()


class Watch:
    """Notices when a process of the run goes away.

    Args:
      lines: connections by the number of the process at the other end: all others on process 0, process 0 elsewhere.
      hosts: of all processes.
      index: which one this is.
    """

    def __init__(self, lines: "dict[int, _Line]", hosts: Sequence[str], index: int):
        self._lines = lines
        self._hosts = list(hosts)
        self._index = index
        self._lost: LostProcess | None = None
        self._noticed = threading.Event()
        self._first_over = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._listen, name="jaxeval-watch", daemon=True).start()

    @property
    def lost(self) -> LostProcess | None:
        """The first process that went away; None while all are there, or have said that they are done."""
        return self._lost

    def wait(self, timeout: float | None = None) -> LostProcess | None:
        """Waits for a process to go away, and gives it; None if none has when the time is over."""
        self._noticed.wait(timeout)
        return self._lost

    def wait_for_first(self) -> None:
        """Waits until process 0, which writes the results, is done or lost; process 0 itself waits for nobody."""
        if 0 in self._lines:
            self._first_over.wait()

    def end(self) -> None:
        """Tells the others that this process is done, so that its leaving is no loss."""
        if not self._ended.is_set():
            self._ended.set()
            for line in self._lines.values():
                line.send({"done": True})

    @property
    def ended(self) -> bool:
        """Whether this process has said that it is done."""
        return self._ended.is_set()

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            for index, line in self._lines.items():
                line.socket.setblocking(False)
                selector.register(line.socket, selectors.EVENT_READ, index)
            while selector.get_map():
                for key, _ in selector.select():
                    index = key.data
                    messages, closed = self._lines[index].received()
                    done = any("done" in message for message in messages)
                    for message in messages:
                        if "lost" in message:
                            self._note(int(message["lost"]))
                    if done or closed:
                        selector.unregister(key.fileobj)
                    if closed and not done:
                        self._note(index)
                    if index == 0 and (done or closed):
                        self._first_over.set()

    def _note(self, index: int) -> None:
        if self._lost is not None or self._ended.is_set():
            return
        self._lost = LostProcess(index, len(self._hosts), self._hosts[index])
        self._noticed.set()
        if self._index == 0:
            for other, line in self._lines.items():
                if other != index:
                    line.send({"lost": index})


class _Line:
    """A connection to another process, which carries messages of JSON."""

    def __init__(self, connection: socket.socket):
        self.socket = connection
        self._rest = b""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _PROBES:
            if hasattr(socket, name):  # not on every system
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message, if there is still someone to receive it."""
        with contextlib.suppress(OSError):
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def received(self) -> tuple[list[dict[str, Any]], bool]:
        """Messages that have come, after waiting as the socket is set to, and whether the connection has ended."""
        try:
            content = self.socket.recv(65536)
        except (BlockingIOError, TimeoutError):
            return [], False
        except OSError:
            return [], True
        *whole, self._rest = (self._rest + content).split(b"\n")
        try:
            messages = [json.loads(line) for line in whole]
        except ValueError:
            return [], True
        if len(self._rest) > _LONGEST or not all(isinstance(message, dict) for message in messages):
            return [], True  # a stranger
        return messages, not content


@dataclasses.dataclass
class _Meeting:
    coordinator: str
    count: int
    index: int
    timeout: float
    say: Say

    def __post_init__(self):
        host, _, port = self.coordinator.rpartition(":")
        self.host = host.strip("[]")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise InputError(f"coordinator {self.coordinator!r} has no port; give it as host:port")
        self.port = int(port)
        self.begun = time.monotonic()
        self.next_sentence = self.begun

    def held(self) -> Watch:
        """Waits, on process 0, until all other processes have come, and starts to watch them."""
        lines: dict[int, _Line] = {}
        hosts = {0: socket.gethostname()}
        with self._listener() as listener, selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while len(hosts) < self.count:
                missing = [index for index in range(self.count) if index not in hosts]
                if self._time_for_a_sentence():
                    self.say(self._waiting(missing))
                    for line in lines.values():
                        line.send({"missing": missing})
                if self._left() <= 0:
                    for line in lines.values():
                        line.send({"absent": missing})
                    raise self._absent(missing)
                for key, _ in selector.select(self._pause()):
                    if key.fileobj is listener:
                        with contextlib.suppress(OSError):
                            line = _Line(listener.accept()[0])
                            line.socket.setblocking(False)
                            selector.register(line.socket, selectors.EVENT_READ, line)
                    else:
                        self._hear(key.data, lines, hosts, selector)
        # The port is free for JAX before anyone is told to go there.
        for line in lines.values():
            line.socket.setblocking(True)
            line.send({"hosts": [hosts[index] for index in range(self.count)]})
        return Watch(lines, [hosts[index] for index in range(self.count)], 0)

    def _hear(
        self, line: _Line, lines: dict[int, _Line], hosts: dict[int, str], selector: selectors.BaseSelector
    ) -> None:
        messages, closed = line.received()
        for message in messages:
            index, count = message.get("index"), message.get("count")
            if count != self.count or not isinstance(index, int) or not 0 < index < self.count:
                line.send({"refused": f"process {index} of {count} came to a run of {self.count}"})
            elif index in hosts:
                line.send({"refused": f"process {index} of {count} is there already"})
            else:
                lines[index], hosts[index] = line, str(message.get("host"))
        if closed:  # gone before the run began: whoever takes its place is welcome
            selector.unregister(line.socket)
            line.socket.close()
            for index in [index for index, known in lines.items() if known is line]:
                del lines[index], hosts[index]

    def attended(self) -> Watch:
        """Goes, on a process other than 0, to process 0, and starts to watch it."""
        line = self._reached()
        while True:
            line.socket.settimeout(max(self._left(), 0.01))
            messages, closed = line.received()
            for message in messages:
                if "hosts" in message:
                    line.socket.settimeout(None)
                    return Watch({0: line}, message["hosts"], self.index)
                if "refused" in message:
                    raise InputError(
                        f"{message['refused']}; give all processes the same --num-processes, and each its --process-id"
                    )
                if "absent" in message:
                    raise self._absent(message["absent"])
                if "missing" in message and time.monotonic() - self.begun > _REPEAT:
                    self.say(self._waiting(message["missing"]))
            if closed:
                line = self._reached()
            elif self._left() <= 0:
                raise InputError(
                    f"not all {self.count} processes came to {self.coordinator} within {self.timeout:g} seconds; "
                    f"{_ADVICE}"
                )

    def _reached(self) -> _Line:
        """The connection to process 0, on which this process has given its number."""
        while True:
            try:
                line = _Line(socket.create_connection((self.host, self.port), max(self._left(), 1.0)))
                line.send({"index": self.index, "count": self.count, "host": socket.gethostname()})
                return line
            except OSError as error:
                reason = error.strerror or str(error)
            if self._time_for_a_sentence():
                self.say(self._waiting([0]))
            if self._left() <= 0:
                raise self._absent([0], f", {reason}")
            threading.Event().wait(min(_RETRY, max(self._left(), 0.0)))

    def _listener(self) -> socket.socket:
        try:
            if socket.has_dualstack_ipv6():
                return socket.create_server(
                    ("", self.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=self.count
                )
            return socket.create_server(("", self.port), backlog=self.count)
        except OSError as error:
            raise InputError(
                f"process 0 cannot listen at {self.coordinator} ({error.strerror}); choose another port"
            ) from error

    def _left(self) -> float:
        return self.begun + self.timeout - time.monotonic()

    def _pause(self) -> float:
        return max(0.0, min(self._left(), self.next_sentence - time.monotonic()))

    def _time_for_a_sentence(self) -> bool:
        if time.monotonic() < self.next_sentence:
            return False
        self.next_sentence += _REPEAT
        return True

    def _waiting(self, missing: Sequence[int]) -> str:
        return f"waiting for {len(missing)} of {self.count} processes at {self.coordinator} ({_numbers(missing)})"

    def _absent(self, missing: Sequence[int], reason: str = "") -> InputError:
        return InputError(
            f"{len(missing)} of {self.count} processes did not come to {self.coordinator} within {self.timeout:g} "
            f"seconds ({_numbers(missing)}{reason}); {_ADVICE}"
        )


_ADVICE = "start all of them with the same command, or wait longer with --start-timeout"


def _numbers(processes: Sequence[int]) -> str:
    """The processes' numbers as text; of many only the first eight."""
    shown = [f"{index}" for index in processes[:8]]
    more = [f"{len(processes) - 8} more"] if len(processes) > 8 else []
    *before, last = [*shown, *more]
    return ("process " if len(processes) == 1 else "processes ") + (
        f"{', '.join(before)} and {last}" if before else last
    )
