"""``streamcore split``."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from ..errors import StreamcoreError
from . import formats, job
from .failure import Failure
from .given import in_options, is_given
from .inputs import open_input
from .outputs import Output, open_output
from .progress import Report

if TYPE_CHECKING:
    from ..batch import Batch

PRESETS = ("plain", "markdown", "python", "sentences")


class Records(formats.Writer):
    """One JSON object per chunk: its text, and where in the input it starts and stops, in characters."""

    def write(self, batch: Batch) -> None:
        self.out.write(
            b"".join(
                json.dumps(
                    {"text": chunk.text, "start": chunk.start, "stop": chunk.stop}, ensure_ascii=False
                ).encode()
                + b"\n"
                for chunk in batch
            )
        )


class Strings(formats.Writer):
    """One JSON string per chunk."""

    def write(self, batch: Batch) -> None:
        self.out.write(
            b"".join(json.dumps(chunk.text, ensure_ascii=False).encode() + b"\n" for chunk in batch)
        )


@click.command("split")
@click.argument("file", required=False)
@click.option("--size", type=click.IntRange(1), default=1000, show_default=True, help="Most of a chunk.")
@click.option("--overlap", type=click.IntRange(0), default=0, show_default=True, help="Most of it twice.")
@click.option(
    "--length",
    type=click.Choice(["chars", "bytes", "tokens"]),
    default="chars",
    show_default=True,
    help="What both count.",
)
@click.option(
    "--vocab",
    default="gpt2",
    show_default=True,
    metavar="NAME|PATH",
    help="With --length tokens, as for tokens.",
)
@click.option(
    "--kind", type=click.Choice(PRESETS), default="plain", show_default=True, help="Where to divide."
)
@click.option("-o", "--output", metavar="OUT", help="Write to OUT, which appears when it is complete.")
@click.option(
    "-f", "--format", "format_", type=click.Choice(["jsonl", "text"]), help="Default: by the suffix of OUT."
)
@click.option("--progress/--no-progress", default=None, help="Default: where it does not disturb the data.")
def command(
    file: str | None,
    size: int,
    overlap: int,
    length: str,
    vocab: str,
    kind: str,
    output: str | None,
    format_: str | None,
    progress: bool | None,
) -> int:
    """Split the UTF-8 text in FILE into chunks.

    jsonl writes one object per chunk, with its text and where it starts and stops in the input, in characters; text
    one JSON string per line.
    """
    from ..stages.splitter import TextSplitter
    from ..stages.text import UTF8

    if overlap >= size:
        raise click.UsageError(f"--overlap must be smaller than --size, {size}, got {overlap}")
    if length != "tokens" and is_given("vocab"):
        raise click.UsageError(f"--vocab means nothing with --length {length}: give --length tokens")
    measure: Any = length
    if length == "tokens":
        from .tokens import load

        measure = load(vocab, None)
    make: Any = TextSplitter if kind == "plain" else getattr(TextSplitter, kind)
    try:
        splitter = make(size, overlap=overlap, length=measure)
    except ValueError as error:
        raise click.UsageError(in_options(str(error))) from error
    form = formats.choose(format_, output, ("jsonl", "text"))
    with closing(open_input(file)) as source, open_output(output, source) as out:
        report = Report(source, "chunks", progress, out.on_terminal())
        try:
            text = UTF8().engine().iterate(source.fragments())
            write(splitter.engine().batches(text), writer(form, out), report)
        except StreamcoreError as error:
            raise Failure(job.explain(source, error)) from error
        finally:
            report.close()
    return 0


def writer(form: str, out: Output) -> formats.Writer:
    return Records(out) if form == "jsonl" else Strings(out)


def write(batches: Any, writer: formats.Writer, report: Report) -> None:
    with closing(batches):
        for batch in batches:
            writer.write(batch)
            report.add(len(batch))
    writer.finish()
