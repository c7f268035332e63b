"""The forms of a call, sync and async: ``invoke``, ``stream``, and ``transform`` of the input as one chunk."""

from __future__ import annotations

from recorder import AsyncSource, listed

__all__ = ["FORMS", "acalled", "called"]

FORMS = ["invoke", "stream", "transform"]


def called(stage, form, x, config):
    if form == "invoke":
        return stage.invoke(x, config)
    return list(stage.stream(x, config) if form == "stream" else stage.transform(iter([x]), config))


async def acalled(stage, form, x, config):
    if form == "invoke":
        return await stage.ainvoke(x, config)
    if form == "stream":
        return await listed(stage.astream(x, config))
    return await listed(stage.atransform(AsyncSource([x]), config))
