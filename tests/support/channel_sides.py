"""Both sides of a channel as coroutines."""

from __future__ import annotations

from streamcore.errors import ChannelClosed


async def send(channel, count, batch):
    if batch is None:
        for number in range(count):
            await channel.aput(number)
    else:
        for start in range(0, count, batch):
            part = range(start, min(start + batch, count))
            assert await channel.aput_many(list(part)) == len(part)
    channel.close()


async def receive(channel, limit):
    if limit == "for":
        return [item async for item in channel]
    received = []
    try:
        while True:
            if limit == "get":
                received.append(await channel.aget())
            else:
                received.extend(await channel.aget_many(limit))
    except ChannelClosed:
        return received
