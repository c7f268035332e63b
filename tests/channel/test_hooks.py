"""Foreign code that a channel calls may call the channel again: no deadlock, no fault, the same on both backends."""

from __future__ import annotations

import asyncio

import pytest

from streamcore._pure.channel import channel as pure


def stepped(coroutine):
    """The result of a coroutine that need not wait."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    finally:
        coroutine.close()
    return "waits"


ACTIONS = {
    "put": lambda channel: channel.put("in", timeout=0),
    "get": lambda channel: channel.get(timeout=0),
    "put_many": lambda channel: channel.put_many(["in", "in"], timeout=0),
    "put_many of an iterator": lambda channel: channel.put_many(iter(["in", "in"]), timeout=0),
    "get_many": lambda channel: channel.get_many(timeout=0),
    "get_many of one": lambda channel: channel.get_many(1, timeout=0),
    "get_many into a list": lambda channel: channel.get_many(timeout=0, into=["mine"]),
    "next": lambda channel: next(channel) if len(channel) else "empty",
    "aput": lambda channel: stepped(channel.aput("in", timeout=0)),
    "aget": lambda channel: stepped(channel.aget(timeout=0)),
    "aput_many": lambda channel: stepped(channel.aput_many(["in"], timeout=0)),
    "aget_many": lambda channel: stepped(channel.aget_many(timeout=0)),
    "close": lambda channel: channel.close(),
    "close with an error": lambda channel: channel.close(LookupError("closed in the hook")),
    "what it is": lambda channel: (len(channel), repr(channel), channel.closed, channel.capacity),
    "raise": lambda channel: 1 // 0,
}


class Log(list):
    """What was called, and what came of it; ``hook`` runs ``action`` once on the channel."""

    def __init__(self, action):
        super().__init__()
        self.action = ACTIONS[action]
        self.begun = False
        self.channel = None

    def hook(self):
        if not self.begun:
            self.begun = True
            try:
                self.append(("hook", self.action(self.channel)))
            except ZeroDivisionError:
                raise
            except Exception as error:  # noqa: BLE001 - compared with the twin's
                self.told("hook", error)

    def told(self, name, error):
        self.append((name, type(error).__name__, str(error), getattr(error, "items_put", None)))

    def calls(self, name, call):
        try:
            self.append((name, str(call())))
        except Exception as error:  # noqa: BLE001 - compared with the twin's
            self.told(name, error)


class Asked:
    """An item whose size is asked."""

    def __init__(self, log):
        self.log = log

    def __str__(self):
        return "asked"

    __repr__ = __str__

    @property
    def nbytes(self):
        self.log.hook()
        return 3


class Dropped:
    """An item that the channel's taker drops."""

    def __init__(self, log):
        self.log = log

    def __str__(self):
        return "dropped"

    def __del__(self):
        try:
            self.log.hook()
        except ZeroDivisionError:
            self.log.append("raised in a finalizer")


class Index:
    def __init__(self, log):
        self.log = log

    def __index__(self):
        self.log.hook()
        return 2


def drawn(log):
    yield "first"
    log.hook()
    yield "second"
    yield "third"


def sized(log):
    def size(item):
        log.hook()
        return 2

    return size


def play(channel_class, form, action):
    log = Log(action)
    size = sized(log) if form.startswith("size") else None
    channel = log.channel = channel_class(7, size=size)
    if size is None:
        channel.put_many(["a", "b"])
    put = {
        "size, put": lambda: channel.put("x", timeout=0),
        "size, put_many": lambda: channel.put_many(["x", "y"], timeout=0),
        "size, aput_many": lambda: stepped(channel.aput_many(["x", "y"], timeout=0)),
        "nbytes, put": lambda: channel.put(Asked(log), timeout=0),
        "nbytes, put_many": lambda: channel.put_many(["x", Asked(log), "y"], timeout=0),
        "nbytes, in a list": lambda: channel.put_many(["x", ["z", Asked(log)], "y"], timeout=0),
        "nbytes, aput": lambda: stepped(channel.aput(Asked(log), timeout=0)),
        "an iterator": lambda: channel.put_many(drawn(log), timeout=0),
        "an iterator, aput_many": lambda: stepped(channel.aput_many(drawn(log), timeout=0)),
        "an index": lambda: channel.get_many(Index(log), timeout=0),
        "a finalizer": lambda: channel.put(Dropped(log), timeout=0),
    }[form]
    log.calls("put", put)
    for _ in range(20):
        if not len(channel):
            break
        log.calls("get", lambda: channel.get(timeout=0))
    log.calls("closed", lambda: channel.closed)
    log.channel = None
    return list(log)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "form",
    [
        "size, put",
        "size, put_many",
        "size, aput_many",
        "nbytes, put",
        "nbytes, put_many",
        "nbytes, in a list",
        "nbytes, aput",
        "an iterator",
        "an iterator, aput_many",
        "an index",
        "a finalizer",
    ],
)
def test_every_method_from_every_hook(backend, form, action):
    log = play(backend.Channel, form, action)
    assert log == play(pure.Channel, form, action)
    assert any(entry[0] == "hook" for entry in log) or action == "raise"


@pytest.mark.parametrize("action", [name for name in ACTIONS if name != "raise"])
def test_every_method_from_the_loop_that_is_rung(backend, action):
    """``call_soon_threadsafe`` is the loop's own code: a get has taken an item when it is called."""
    log = Log(action)
    channel = log.channel = backend.Channel(2)
    channel.put_many([1, 2])
    loop = asyncio.new_event_loop()
    plain = loop.call_soon_threadsafe
    task = loop.create_task(channel.aput(3))
    loop.run_until_complete(asyncio.sleep(0))
    loop.call_soon_threadsafe = lambda *args: (log.hook(), plain(*args))[1]
    try:
        assert channel.get() == 1
        assert len(log) == 1
        while len(channel):
            channel.get_many()
        done, _ = loop.run_until_complete(asyncio.wait([task], timeout=60))
        assert done
        task.exception()
    finally:
        loop.close()
