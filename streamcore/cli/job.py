"""What every command that cuts a stream does: input, stage, output, progress, exit code."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .._shared.sizes import size_in_bytes
from ..errors import StreamcoreError
from . import corpus
from .failure import Failure, counted
from .given import in_options
from .inputs import Input, open_input
from .outputs import Output, open_output
from .progress import Report

if TYPE_CHECKING:
    from ..stages.stage import Stage
    from .formats import Writer

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def size_or_none(_context: click.Context, _parameter: click.Parameter, value: str) -> int | None:
    """4096, 64KiB, 1.5G; ``none`` is no limit."""
    if value.strip().lower() == "none":
        return None
    try:
        return size_in_bytes(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r}; wanted is a positive size such as 4096 or 64KiB, or none"
        ) from None


def shared_options(
    *formats: str, oversize: tuple[str, ...] = ("raise", "skip", "truncate"), many: bool = False
) -> Callable[[Decorated], Decorated]:
    """FILE, -o, -f, --max-size, --on-oversize and --progress, as every cutting command has them.

    ``many``: PATHS and the options of runs too.
    """
    options = [
        click.argument("paths", metavar="[FILE]...", nargs=-1)
        if many
        else click.argument("file", required=False),
        click.option(
            "-o", "--output", metavar="OUT", help="Write to OUT, which appears when it is complete."
        ),
        click.option(
            "-f",
            "--format",
            "format_",
            type=click.Choice(with_runs(formats) if many else formats),
            help="Default: by the suffix of OUT, of runs parquet."
            if many
            else "Default: by the suffix of OUT.",
        ),
        click.option(
            "--max-size",
            callback=size_or_none,
            metavar="SIZE",
            default="64MiB",
            show_default=True,
            help="Largest item in bytes, or none.",
        ),
        click.option(
            "--on-oversize",
            type=click.Choice(oversize),
            default="raise",
            show_default=True,
            help="What happens to a larger one.",
        ),
        click.option(
            "--progress/--no-progress", default=None, help="Default: where it does not disturb the data."
        ),
    ]

    def decorate(function: Decorated) -> Decorated:
        if many:
            function = corpus.options(function)
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def with_runs(formats: tuple[str, ...]) -> tuple[str, ...]:
    """The formats of a verb, and those of runs."""
    return tuple(dict.fromkeys((*formats, *corpus.FORMATS)))


def run(
    stage: Stage,
    file: str | None,
    output: str | None,
    writer: Callable[[Output], Writer],
    unit: str,
    progress: bool | None,
) -> int:
    """Cut the input by the stage, write all items, and return the exit code."""
    with closing(open_input(file)) as source, open_output(output, source) as out:
        report = Report(source, unit, progress, out.on_terminal())
        engine = stage.engine()
        try:
            cut(engine, source, writer(out), report)
        finally:
            report.close()
    return skipped(source, engine.skipped, unit)


def skipped(source: Input, count: int, unit: str) -> int:
    """Say how many items were too large, if any were; the exit code."""
    if count:
        click.echo(f"streamcore: {source.name}: {counted(count, unit)} too large, skipped", err=True)
    return 1 if count else 0


def check_npy(output: str | None, limits: dict[str, Any]) -> None:
    """The count of values stands at the start of the file and is known at its end; items must tile the input."""
    if output is None or output == "-" or (os.path.exists(output) and not os.path.isfile(output)):
        raise click.UsageError("npy needs a file: -o OUT.npy")
    if limits["on_oversize"] != "raise":
        raise click.UsageError("npy holds places in the input, so no item may be skipped or truncated")


def cut(engine: Any, source: Input, writer: Writer, report: Report) -> None:
    try:
        for batch in engine.batches(source.fragments()):
            writer.write(batch)
            report.add(len(batch))
    except StreamcoreError as error:
        raise Failure(explain(source, error)) from error
    writer.finish()


def pieces(engine: Any, source: Input) -> Generator[list[Any], None, None]:
    """The items that each fragment completes: what a slow pipe brought is passed on."""
    try:
        for fragment in source.fragments():
            yield engine.feed(fragment)
        yield engine.finish()
        if engine.error is not None:
            engine.finish()
    except (ValueError, EOFError, RecursionError) as error:
        raise Failure(explain(source, error)) from error


def explain(source: Input, error: Exception) -> str:
    """One line: the input, what is wrong, and where, unless the error says so itself."""
    says = hasattr(error, "offset") or " at position " in str(error)
    places = [] if says else [note.partition(", ")[2] or note for note in getattr(error, "__notes__", ())]
    return f"{source.name}: {in_options(str(error))}{''.join(f' ({place})' for place in places)}"
