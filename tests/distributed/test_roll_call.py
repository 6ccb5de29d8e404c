"""The roll call before a run of several processes, and the watch after it: threads here stand for processes."""

import queue
import socket
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import pytest

from jaxeval.distributed._peers import Peers
from jaxeval.distributed.roll_call import LostProcess, Watch, roll_call
from jaxeval.errors import InputError, JaxevalError, ProcessLostError


class Run:
    """Processes that come to one address when they are told to."""

    def __init__(self, count: int):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.count = count
        self.said: list[queue.Queue[str]] = [queue.Queue() for _ in range(count)]
        self.pool = ThreadPoolExecutor(count + 1)

    def come(self, index: int, *, timeout: float = 20.0, count: int | None = None) -> "Future[Watch]":
        say = self.said[index].put
        return self.pool.submit(roll_call, self.address, count or self.count, index, timeout=timeout, say=say)


def test_all_come_and_the_port_is_free_again():
    run = Run(3)
    watches = [one.result() for one in [run.come(index) for index in range(3)]]
    with socket.create_server(("127.0.0.1", int(run.address.split(":")[1]))):
        pass
    for watch in watches:
        assert watch.lost is None
        watch.end()


@pytest.mark.parametrize("late", [0, 1])
def test_a_late_process_is_waited_for_and_named_at_once(late):
    run = Run(2)
    first = run.come(1 - late)
    assert run.said[1 - late].get(timeout=20) == f"waiting for 1 of 2 processes at {run.address} (process {late})"
    assert not first.done()
    second = run.come(late)
    assert (first.result().lost, second.result().lost) == (None, None)


def test_the_missing_are_named_when_the_time_is_over_on_all_that_have_come():
    run = Run(4)
    there = [run.come(2), run.come(0, timeout=1.0)]
    assert run.said[0].get(timeout=20) == f"waiting for 3 of 4 processes at {run.address} (processes 1, 2 and 3)"
    sentence = f"2 of 4 processes did not come to {run.address} within [0-9.]+ seconds .processes 1 and 3.; start all"
    for one in there:
        with pytest.raises(InputError, match=sentence):
            one.result()


def test_a_missing_coordinator_is_named():
    run = Run(2)
    with pytest.raises(InputError, match=r"1 of 2 processes did not come to .* within 0.2 seconds \(process 0, "):
        run.come(1, timeout=0.2).result()


def test_processes_that_contradict_one_another_are_refused_and_the_run_goes_on():
    run = Run(3)
    begun = run.come(0)
    assert run.said[0].get(timeout=20)
    with pytest.raises(InputError, match="process 2 of 4 came to a run of 3; give all processes the same"):
        run.come(2, count=4).result()
    twice = {run.come(1), run.come(1)}
    refused, admitted = wait(twice, return_when=FIRST_COMPLETED)
    with pytest.raises(InputError, match="process 1 of 3 is there already"):
        refused.pop().result()
    assert [one.result().lost for one in (begun, run.come(2), *admitted)] == [None] * 3


def test_strangers_at_the_door_are_let_stand():
    run = Run(2)
    begun = run.come(0)
    assert run.said[0].get(timeout=20)
    host, port = run.address.split(":")
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(9000))
        assert run.come(1).result().lost is None
    assert begun.result().lost is None


def test_an_address_that_is_taken_is_named():
    with socket.create_server(("", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError, match=rf"cannot listen at {address} \(.*\); choose another port"):
            roll_call(address, 2, 0, timeout=1.0)


def gone(watch: Watch) -> None:
    """What the kernel does with the connections of a process that is killed, which tells nobody what it sees of it."""
    watch._ended.set()
    for line in watch._lines.values():
        line.socket.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_all_others_learn_who_has_gone(index):
    run = Run(3)
    watches = [one.result() for one in [run.come(number) for number in range(3)]]
    gone(watches[index])
    for number, watch in enumerate(watches):
        if number != index:
            lost = watch.wait(20)
            assert lost == LostProcess(index, 3, socket.gethostname())
            assert str(lost).startswith(f"process {index} of 3 (on ")


def test_who_has_said_that_it_is_done_is_not_lost():
    run = Run(3)
    watches = [one.result() for one in [run.come(number) for number in range(3)]]
    watches[1].end()
    gone(watches[1])
    gone(watches[2])
    assert [watches[index].wait(20) for index in (0,)] == [LostProcess(2, 3, socket.gethostname())]


@pytest.mark.parametrize("lost", [False, True])
def test_who_is_done_waits_for_process_0_to_be_done_or_lost(lost):
    """Its loss is known before leave is taken, after which none is noted."""
    run = Run(2)
    first, second = [one.result() for one in [run.come(number) for number in range(2)]]
    first.wait_for_first()  # waits for nobody
    waiting = run.pool.submit(second.wait_for_first)
    assert not waiting.done()
    if not lost:
        first.end()
    gone(first)
    waiting.result(20)
    assert second.lost == (LostProcess(0, 2, socket.gethostname()) if lost else None)


def test_an_exchange_that_breaks_says_whose_fault_it_was_and_what_is_saved():
    run = Run(2)
    mine, other = (one.result() for one in [run.come(0), run.come(1)])
    peers = Peers(mine)
    broken = threading.Event()

    def fail() -> None:
        with peers.during_exchange():
            broken.wait(20)
            raise ValueError("UNKNOWN: Gloo AllGather failed: Connection closed by peer [127.0.0.1]:1")

    failing = run.pool.submit(fail)
    broken.set()
    gone(other)
    with pytest.raises(ProcessLostError, match=r"process 1 of 2 \(on .*\) went away, and nothing is saved") as caught:
        failing.result()
    assert (caught.value.exit_code, peers.waiting) == (69, 0)
    peers.saved = "12 images of 'real' are saved in 'ckpt'"
    with (
        pytest.raises(ProcessLostError, match="12 images of 'real' are saved in 'ckpt'; give the same") as caught,
        peers.during_exchange(),
    ):
        pytest.fail("an exchange with a process that has gone was begun")
    assert caught.value.exit_code == 75


def test_errors_of_an_exchange_that_have_another_cause_are_left_alone():
    peers = Peers()
    for error in (ValueError("shapes differ"), KeyError("connection"), JaxevalError("the connection is bad")):
        with pytest.raises(type(error)) as caught, peers.during_exchange():
            raise error
        assert caught.value is error
    with pytest.raises(ProcessLostError, match="another process of the run went away"), peers.during_exchange():
        raise RuntimeError("NCCL operation failed")
