"""Random closes, errors, cancellations and timeouts on every side of a channel; each item is accounted for.

A round has one to three producers and consumers, each a thread, a loop of its own or a task of a shared loop. Every
producer numbers its items and notes how many went in; what the consumers took and what is left must be just those, and
each consumer must have seen each producer's in order. ``STREAMCORE_STRESS_SECONDS`` makes it run that long on each
backend; ``STREAMCORE_STRESS_SEED`` starts at a round that failed.
"""

from __future__ import annotations

import asyncio
import faulthandler
import itertools
import os
import random
import threading
from time import monotonic

import pytest

from streamcore.errors import ChannelClosed, StreamTimeout

SECONDS = float(os.environ.get("STREAMCORE_STRESS_SECONDS", "0"))
SEED = int(os.environ.get("STREAMCORE_STRESS_SEED", "0"))
ROUNDS = 60
LONG = 120  # seconds until a round that hangs fails
ITEMS = 150


class Boom(Exception):
    pass


class Side:
    """What producers and consumers share: their dice, and when they close."""

    def __init__(self, channel, seed):
        self.channel = channel
        self.dice = random.Random(seed)
        self.gives_up_after = self.dice.choice([None, None, self.dice.randrange(ITEMS)])
        self.error = self.dice.choice([None, Boom("given up")])

    def timeout(self):
        return self.dice.choice([None, None, 0, 0.0001, 0.001])

    async def maybe_cancelled(self, coroutine):
        """Run ``coroutine`` as a task that may be cancelled after a while."""
        task = asyncio.create_task(coroutine)
        if self.dice.random() < 0.4:
            for _ in range(self.dice.randrange(5)):
                await asyncio.sleep(self.dice.choice([0, 0, 0, 0.0002]))
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return


class Producer(Side):
    def __init__(self, channel, seed, name):
        super().__init__(channel, seed)
        self.name, self.sent = name, 0

    def next_items(self):
        count = min(self.dice.choice([1, 1, 2, 5, 70]), ITEMS - self.sent)
        items = [(self.name, number) for number in range(self.sent, self.sent + count)]
        return self.dice.choice([items, iter(items)]) if count > 1 else items

    def is_done(self):
        if self.gives_up_after is not None and self.sent >= self.gives_up_after:
            self.channel.close(self.error)
            return True
        return self.sent == ITEMS

    def run(self):
        while not self.is_done():
            items, timeout = self.next_items(), self.timeout()
            try:
                if isinstance(items, list) and len(items) == 1:
                    self.channel.put(items[0], timeout)
                    self.sent += 1
                else:
                    self.sent += self.channel.put_many(items, timeout)
            except StreamTimeout as error:
                self.sent += error.items_put
            except (ChannelClosed, Boom) as error:
                self.sent += error.items_put
                return

    async def arun(self):
        while not self.is_done():
            ended = []
            await self.maybe_cancelled(self.attempt(self.next_items(), ended))
            if ended:
                return

    async def attempt(self, items, ended):
        try:
            if isinstance(items, list) and len(items) == 1:
                await self.channel.aput(items[0], self.timeout())
                self.sent += 1
            else:
                self.sent += await self.channel.aput_many(items, self.timeout())
        except (StreamTimeout, asyncio.CancelledError) as error:
            self.sent += error.items_put
        except (ChannelClosed, Boom) as error:
            self.sent += error.items_put
            ended.append(True)


class Consumer(Side):
    def __init__(self, channel, seed):
        super().__init__(channel, seed)
        self.received = []

    def is_done(self):
        if self.gives_up_after is not None and len(self.received) >= self.gives_up_after:
            self.channel.close(self.error)
            return True
        return False

    def run(self):
        while not self.is_done():
            try:
                how = self.dice.randrange(3)
                if how == 0:
                    self.received.append(self.channel.get(self.timeout()))
                elif how == 1:
                    limit = self.dice.choice([None, 1, 10])
                    self.received.extend(self.channel.get_many(limit, self.timeout()))
                else:
                    for item in self.channel:
                        self.received.append(item)
                        if self.dice.random() < 0.2:
                            break
                    else:
                        return
            except StreamTimeout:
                continue
            except (ChannelClosed, Boom):
                return

    async def arun(self):
        while not self.is_done():
            ended = []
            await self.maybe_cancelled(self.attempt(ended))
            if ended:
                return

    async def attempt(self, ended):
        try:
            how = self.dice.randrange(3)
            if how == 0:
                self.received.append(await self.channel.aget(self.timeout()))
            elif how == 1:
                limit = self.dice.choice([None, 1, 10])
                self.received.extend(await self.channel.aget_many(limit, self.timeout()))
            else:
                async for item in self.channel:
                    self.received.append(item)
                    if self.dice.random() < 0.2:
                        break
                else:
                    ended.append(True)
        except StreamTimeout:
            pass
        except (ChannelClosed, Boom):
            ended.append(True)


async def together(sides):
    await asyncio.gather(*(side.arun() for side in sides))


def start(sides, dice, failures):
    """Give each side a thread, a loop of its own, or a place on the shared loop; return the threads."""
    shared, calls = [], []
    for side in sides:
        how = dice.randrange(3)
        if how == 0:
            calls.append(side.run)
        elif how == 1:
            calls.append(lambda side=side: asyncio.run(side.arun()))
        else:
            shared.append(side)
    if shared:
        calls.append(lambda: asyncio.run(together(shared)))

    def guarded(call):
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised by the test
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    return threads


def join(threads, seed):
    until = monotonic() + LONG
    for thread in threads:
        thread.join(max(0, until - monotonic()))
        if thread.is_alive():
            faulthandler.dump_traceback(all_threads=True)
            pytest.fail(f"round {seed} hangs")


def play_round(make_channel, seed):
    dice = random.Random(seed)
    capacity = dice.choice([1, 2, 3, 64, 100])
    sized = dice.random() < 0.3
    channel = make_channel(capacity, size=(lambda item: item[1] % 7) if sized else None)
    producers = [Producer(channel, dice.random(), name) for name in range(dice.choice([1, 1, 2, 3]))]
    consumers = [Consumer(channel, dice.random()) for _ in range(dice.choice([1, 1, 2, 3]))]
    if len(producers) > 1:  # one error object cannot tell several producers how far each came
        for side in (*producers, *consumers):
            side.error = None
    if all(consumer.gives_up_after is not None for consumer in consumers):
        consumers[0].gives_up_after = dice.choice([None, 0, 30])
    failures = []
    threads = start([*producers, *consumers], dice, failures)
    ending = threading.Thread(target=close_after, args=(channel, producers, threads), daemon=True)
    ending.start()
    join([*threads, ending], seed)
    for failure in failures:
        raise failure
    left = []
    while len(channel):
        left += channel.get_many()
    check(producers, consumers, left, seed)


def close_after(channel, producers, threads):
    """Close once every producer is done, so that the consumers end."""
    until = monotonic() + LONG
    while any(not done(producer) for producer in producers) and not channel.closed:
        if monotonic() > until or not any(thread.is_alive() for thread in threads):
            break
        threads[0].join(0.001)
    channel.close()


def done(producer):
    return producer.sent == ITEMS


def check(producers, consumers, left, seed):
    everything = list(itertools.chain(left, *(consumer.received for consumer in consumers)))
    for producer in producers:
        mine = sorted(number for name, number in everything if name == producer.name)
        assert mine == list(range(producer.sent)), f"round {seed}: not what producer {producer.name} put"
    for items in [left, *(consumer.received for consumer in consumers)]:
        for producer in producers:
            mine = [number for name, number in items if name == producer.name]
            assert mine == sorted(mine), f"round {seed}: out of order"


def test_every_item_is_accounted_for(backend):
    until = monotonic() + SECONDS
    for seed in itertools.count(SEED):
        play_round(backend.Channel, seed)
        if seed >= SEED + ROUNDS - 1 and monotonic() >= until:
            print(f"{seed + 1 - SEED} rounds")
            break
