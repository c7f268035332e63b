"""``streamcore sse``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from . import formats, job

if TYPE_CHECKING:
    from ..batch import Batch


class Events(formats.Writer):
    """One JSON object per event."""

    def write(self, batch: Batch) -> None:
        self.out.write(b"".join(map(line, batch)))


def line(event: Any) -> bytes:
    fields = {"event": event.event, "data": event.data, "id": event.id, "retry": event.retry}
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


@click.command("sse")
@job.shared_options("text", "jsonl")
@click.option("--stop", metavar="TEXT", help="End before the first event with this data, such as [DONE].")
@click.option(
    "--on-incomplete",
    type=click.Choice(["drop", "emit", "raise"]),
    default="drop",
    show_default=True,
    help="What happens to a last event that no blank line ends.",
)
def command(
    file: str | None, output: str | None, format_: str | None, progress: bool | None, **options: Any
) -> int:
    """Cut FILE, an event stream (text/event-stream), into events.

    text writes the data of each event, ended by LF (data may have lines); jsonl an object per event: event, data, id
    and retry. What is not UTF-8 becomes U+FFFD.
    """
    from ..stages.events import ServerSentEvents

    if file is None:
        raise click.UsageError("sse needs a FILE, or - for standard input")
    form = formats.choose(format_, output, ("text", "jsonl"))
    stage: Any = ServerSentEvents(as_=str if form == "text" else "event", **options)
    return job.run(stage, file, output, formats.Text if form == "text" else Events, "events", progress)
