"""Channel between threads: waiting, waking, closing, signals, fork. No test relies on who comes first."""

from __future__ import annotations

import faulthandler
import gc
import itertools
import os
import random
import subprocess
import sys
import sysconfig
import threading
from collections import Counter

import pytest

from streamcore.errors import ChannelClosed, StreamTimeout

LONG = 60  # seconds until a test that hangs fails
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


class Worker(threading.Thread):
    """A thread that hands on what its function returns or raises, and that no test waits for in vain."""

    def __init__(self, function, *args):
        super().__init__(daemon=True)
        self.function, self.args, self.error, self.value = function, args, None, None
        self.start()

    def run(self):
        try:
            self.value = self.function(*self.args)
        except BaseException as error:  # noqa: BLE001 - whatever it is, result() raises it
            self.error = error

    def result(self):
        self.join(LONG)
        if self.is_alive():
            faulthandler.dump_traceback()
            pytest.fail("a thread still waits")
        if self.error is not None:
            raise self.error
        return self.value


def run_script(body, backend):
    """Run ``body`` in an interpreter of its own, with ``Channel`` imported; return what it printed."""
    script = f"from streamcore._{backend.name}.channel.channel import Channel\n{body}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-X", "faulthandler", "-c", script],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(autouse=True)
def _native_is_there(backend):
    assert backend.Channel  # skips where the extension is not built, before a script would fail


@pytest.mark.parametrize("capacity", [1, 2, 64, 1000])
@pytest.mark.parametrize(("batch", "limit"), [(None, None), (1, 1), (7, None), (150, 40)])
def test_every_item_arrives_once_and_in_order(backend, capacity, batch, limit):
    count = 3000
    channel = backend.Channel(capacity)

    def produce():
        if batch is None:
            for number in range(count):
                channel.put(number)
        else:
            for start in range(0, count, batch):
                channel.put_many(list(range(start, min(start + batch, count))))
        channel.close()

    producer = Worker(produce)
    received = []
    if limit is None and batch is None:
        received.extend(channel)
    else:
        with pytest.raises(ChannelClosed):
            while True:
                received.extend(channel.get_many(limit))
    producer.result()
    assert received == list(range(count))


def test_never_holds_more_than_its_capacity(backend):
    channel = backend.Channel(100, size=lambda item: item)
    sizes = [random.Random(5).randrange(0, 130) for _ in range(2000)]
    inside = []

    def produce():
        for size in sizes:
            channel.put(size)
            inside.append(len(channel))
        channel.close()

    producer = Worker(produce)
    assert list(channel) == sizes
    producer.result()
    assert max(inside) <= 100


def test_several_producers_and_consumers_share_one_channel(backend):
    channel = backend.Channel(5)
    producers = [
        Worker(lambda first: [channel.put((first, number)) for number in range(300)], first)
        for first in range(4)
    ]
    consumers = [Worker(lambda: list(channel)) for _ in range(4)]
    for producer in producers:
        producer.result()
    channel.close()
    received = [consumer.result() for consumer in consumers]
    expected = Counter((first, number) for first in range(4) for number in range(300))
    assert Counter(itertools.chain(*received)) == expected
    for items in received:
        for first in range(4):
            mine = [number for one, number in items if one == first]
            assert mine == sorted(mine)


def test_producers_of_large_and_small_items_all_come_through(backend):
    channel = backend.Channel(10, size=lambda item: item)
    producers = [Worker(lambda size: channel.put_many([size] * 200), size) for size in (1, 3, 10, 50, 7)]
    received = Counter(channel.get() for _ in range(1000))
    assert received == dict.fromkeys((1, 3, 10, 50, 7), 200)
    for producer in producers:
        assert producer.result() == 200


class TestWaiting:
    def test_a_put_waits_for_room_and_a_get_for_an_item(self, backend):
        channel = backend.Channel(1)
        for number in range(300):
            putter = Worker(lambda number=number: (channel.put(number), channel.put(-number)))
            assert channel.get() == number
            assert channel.get() == -number
            putter.result()

    def test_one_get_lets_a_waiting_put_in(self, backend):
        channel = backend.Channel(4)
        channel.put_many([1, 2, 3, 4])
        putter = Worker(channel.put, 5)
        assert channel.get() == 1
        putter.result()
        assert channel.get_many() == [2, 3, 4, 5]

    @pytest.mark.parametrize("timeout", [0, 0.001, 0.02])
    def test_timeouts(self, backend, timeout):
        channel = backend.Channel(2)
        for take in (channel.get, lambda timeout: channel.get_many(None, timeout)):
            with pytest.raises(StreamTimeout, match=rf"^no item within {timeout} s$"):
                take(timeout=timeout)
        channel.put_many("ab")
        with pytest.raises(StreamTimeout, match=rf"^no room within {timeout} s$") as caught:
            channel.put("c", timeout=timeout)
        assert (caught.value.items_put, caught.value.unsent) == (0, ["c"])
        assert channel.get_many() == ["a", "b"]

    def test_a_timeout_that_meets_an_item_loses_nothing(self, backend):
        channel = backend.Channel(1)
        count = 300

        def produce():
            sent = 0
            while sent < count:
                try:
                    channel.put(sent, timeout=0.0005)
                except StreamTimeout as error:
                    sent += error.items_put
                else:
                    sent += 1

        producer = Worker(produce)
        received = []
        while len(received) < count:
            try:
                received.append(channel.get(timeout=0.0005))
            except StreamTimeout:
                continue
        producer.result()
        assert received == list(range(count))


class TestHandOff:
    """EDGE_CASES "Hand-off", threads."""

    @pytest.mark.parametrize("error", [None, LookupError("gone")])
    def test_close_wakes_every_waiting_consumer(self, backend, error):
        """aio-libs/janus#2, #237, #294, #715: the other side slept on."""
        """janus #237, #294, #715, #2."""
        for _ in range(50):
            channel = backend.Channel(1)
            consumers = [Worker(channel.get), Worker(channel.get_many), Worker(list, channel)]
            channel.close(error)
            for consumer in consumers[:2]:
                with pytest.raises(ChannelClosed if error is None else LookupError):
                    consumer.result()
            if error is None:
                assert consumers[2].result() == []
            else:
                with pytest.raises(LookupError):
                    consumers[2].result()

    @pytest.mark.parametrize("error", [None, LookupError("gone")])
    def test_close_wakes_every_waiting_producer(self, backend, error):
        for _ in range(50):
            channel = backend.Channel(1)
            channel.put("first")
            producers = [Worker(channel.put, "late"), Worker(channel.put_many, ["late", "later"])]
            channel.close(error)
            for producer in producers:
                with pytest.raises(ChannelClosed if error is None else LookupError):
                    producer.result()
            assert channel.get() == "first"
            assert len(channel) == 0

    def test_a_timed_out_get_leaves_no_thread_behind_that_takes_an_item(self, backend):
        """dano/aioprocessing#21: a cancelled get went on waiting, and took what came next."""
        channel = backend.Channel(5)
        for _ in range(20):
            with pytest.raises(StreamTimeout):
                channel.get(timeout=0.001)
        channel.put(1)
        assert len(channel) == 1
        assert channel.get(timeout=0) == 1

    def test_a_wake_up_that_meets_a_timeout_is_passed_on(self, backend):
        """Of two waiting consumers one may leave just as it is rung; the other must not sleep on."""
        for round_ in range(200):
            channel = backend.Channel(4)
            hasty = Worker(lambda channel=channel: channel.get(timeout=0.0002))
            patient = Worker(channel.get)
            channel.put(round_)
            try:
                assert hasty.result() == round_
            except StreamTimeout:
                pass
            else:
                channel.put(round_)
            assert patient.result() == round_

    @pytest.mark.skipif(FREE_THREADED, reason="there is no GIL")
    def test_what_need_not_wait_does_not_let_go_of_the_gil(self, backend):
        """slaclab/rogue PR 1263: let go on every short call, 16 s instead of 0.05."""
        channel = backend.Channel(100)
        interval = sys.getswitchinterval()
        held, ran = threading.Lock(), []
        held.acquire()
        waiter = threading.Thread(target=lambda: (held.acquire(), ran.append(True)))
        waiter.start()
        try:
            sys.setswitchinterval(1000)  # seconds until a thread that wants the GIL may insist on it
            held.release()
            for number in range(5000):
                channel.put(number)
                channel.put_many([number, number])
                channel.get()
                assert channel.get_many() == [number, number]
            assert not ran
        finally:
            sys.setswitchinterval(interval)
            waiter.join(LONG)

    def test_every_method_from_many_threads_at_once(self, backend):
        """python/cpython#132551, #129107, #130977: crashes of containers shared by free-threaded code."""
        channel = backend.Channel(16)
        put, taken = [], []

        def churn(seed):
            choose = random.Random(seed)
            for number in range(300):
                try:
                    match choose.randrange(6):
                        case 0 | 1:
                            channel.put((seed, number), timeout=0)
                            put.append((seed, number))
                        case 2:
                            taken.append(channel.get(timeout=0))
                        case 3:
                            taken.extend(channel.get_many(choose.randrange(1, 20), timeout=0))
                        case 4:
                            put.extend([(seed, number)] * channel.put_many([(seed, number)] * 3, timeout=0))
                        case 5:
                            assert "16" in repr(channel)
                            assert 0 <= len(channel) <= channel.capacity
                            gc.collect(0)
                except StreamTimeout as error:
                    put.extend([(seed, number)] * getattr(error, "items_put", 0))

        threads = [Worker(churn, seed) for seed in range(6)]
        for thread in threads:
            thread.result()
        while len(channel):
            taken.extend(channel.get_many())
        assert sorted(taken) == sorted(put)

    def test_a_producer_that_raises_ends_the_consumer_at_once(self, backend):
        channel = backend.Channel(3)

        def produce():
            try:
                channel.put("before")
                raise LookupError("producer")
            except LookupError as error:
                channel.close(error)

        producer = Worker(produce)
        assert channel.get() == "before"
        with pytest.raises(LookupError, match="producer"):
            channel.get()
        producer.result()

    def test_a_consumer_that_goes_away_ends_the_producer_at_once(self, backend):
        channel = backend.Channel(3)
        producer = Worker(channel.put_many, itertools.count())
        assert [channel.get() for _ in range(5)] == [0, 1, 2, 3, 4]
        channel.close()
        with pytest.raises(ChannelClosed) as caught:
            producer.result()
        left = channel.get_many() if len(channel) else []
        assert [*range(5), *left] == list(range(caught.value.items_put))
        assert caught.value.unsent in ([], [caught.value.items_put])

    def test_many_short_streams_of_threads(self, backend):
        """Lifetimes: a channel may die as soon as both sides have returned."""
        for _ in range(200):
            channel = backend.Channel(1)
            producer = Worker(channel.put_many, [1, 2, 3])
            assert [channel.get() for _ in range(3)] == [1, 2, 3]
            producer.result()


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
needs_timer = pytest.mark.skipif(sys.platform == "win32", reason="no interval timer here")

FORK = """
import os, asyncio
channel = Channel(3)
channel.put(1)
child = os.fork()
if child == 0:
    said = []
    for act in (channel.get, lambda: channel.put(2), channel.get_many, lambda: channel.put_many([2]),
                lambda: next(channel), lambda: asyncio.run(channel.aget()), lambda: channel.get(timeout=1)):
        try:
            act()
        except RuntimeError as error:
            said.append("made before a fork" in str(error))
    channel.close()
    new = Channel(1)
    new.put(3)
    os._exit(0 if said == [True] * 7 and new.get() == 3 and len(channel) == 1 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), channel.get(), channel.closed)
"""

FORK_WITH_WAITERS = """
import os, threading
channel = Channel(3)
got = []
consumer = threading.Thread(target=lambda: got.append(channel.get()))
consumer.start()
child = os.fork()
if child == 0:
    channel.close(ValueError("child"))
    os._exit(0)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
channel.put("parent")
consumer.join()
print(status, got[0])
"""

INTERRUPT = """
import signal
def raise_(*args): raise KeyboardInterrupt
signal.signal(signal.SIGALRM, raise_)
channel = Channel(2)
interrupted = 0
def expect(act):
    global interrupted
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        act()
    except KeyboardInterrupt as error:
        interrupted += 1
        return error
for act in (channel.get, channel.get_many, lambda: next(channel), lambda: channel.get(timeout=1000)):
    expect(act)
channel.put_many([1, 2])
error = expect(lambda: channel.put(3))
assert (error.items_put, error.unsent) == (0, [3])
error = expect(lambda: channel.put_many(iter([3, 4, 5])))
assert (error.items_put, error.unsent) == (0, [3])
print(interrupted, channel.get_many() == [1, 2])
"""

INTERRUPT_MAIN = """
import _thread, threading
channel = Channel(1)
go = threading.Event()
threading.Thread(target=lambda: (go.wait(), _thread.interrupt_main()), daemon=True).start()
try:
    go.set()
    channel.get()
except KeyboardInterrupt:
    print("interrupted")
"""

STORM = """
import signal, threading
count = 4000
channel = Channel(3)
def consume(received):
    for item in channel:
        received += (item,)
def raise_(signum, frame):
    if frame.f_code is consume.__code__ or "channel" in frame.f_code.co_filename:
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, raise_)
interrupts = sent = 0
def produce():
    global sent
    while sent < count or interrupts < 5:  # counted, not hoped for
        channel.put(sent)
        sent += 1
    channel.close()
producer = threading.Thread(target=produce)
producer.start()
received = []
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
while True:
    try:
        consume(received)
    except KeyboardInterrupt:
        interrupts += 1
    else:
        break
signal.setitimer(signal.ITIMER_REAL, 0)
producer.join()
print(received == list(range(sent)))
"""

# An interrupt may come before the call or, as after any C function, between its end and the next line: then it says
# nothing of the put, and where it was raised tells which of the two.
STORM_PUT = """
import signal, threading
count = 3000
channel = Channel(3)
def send(items, called):
    called += (True,)
    return channel.put_many(items)
def raise_(signum, frame):
    if frame.f_code is send.__code__ or "channel" in frame.f_code.co_filename:
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, raise_)
received = []
consumer = threading.Thread(target=lambda: received.extend(channel))
consumer.start()
sent = interrupts = 0
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
while sent < count or interrupts < 5:  # counted, not hoped for
    items = list(range(sent, sent + 10))
    called = []
    try:
        sent += send(items, called)
    except KeyboardInterrupt as error:
        interrupts += 1
        trace = error.__traceback__
        while trace.tb_next.tb_frame.f_code is not raise_.__code__:
            trace = trace.tb_next
        if hasattr(error, "items_put"):
            assert items[error.items_put:] == error.unsent
            sent += error.items_put
        elif called and trace.tb_frame.f_code is send.__code__:
            sent += len(items)
signal.setitimer(signal.ITIMER_REAL, 0)
channel.close()
consumer.join()
print(received == list(range(sent)))
"""


class TestForkAndSignals:
    @needs_fork
    def test_a_child_process_is_told_that_the_channel_is_not_its_own(self, backend):
        assert run_script(FORK, backend) == ["0", "1", "False"]

    @needs_fork
    def test_closing_in_a_child_does_not_reach_the_waiters_of_the_parent(self, backend):
        assert run_script(FORK_WITH_WAITERS, backend) == ["0", "parent"]

    @needs_timer
    def test_a_signal_handler_may_raise_while_the_main_thread_waits(self, backend):
        assert run_script(INTERRUPT, backend) == ["6", "True"]

    def test_an_interrupt_without_a_system_signal_is_noticed(self, backend):
        assert run_script(INTERRUPT_MAIN, backend) == ["interrupted"]

    @needs_timer
    def test_a_storm_of_interrupts_loses_nothing_in_a_for_loop(self, backend):
        assert run_script(STORM, backend) == ["True"]

    @needs_timer
    def test_a_storm_of_interrupts_tells_what_was_put(self, backend):
        assert run_script(STORM_PUT, backend) == ["True"]
