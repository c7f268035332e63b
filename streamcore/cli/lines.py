"""``streamcore lines``."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import click

from . import formats, job


@click.command("lines")
@job.shared_options("text", "jsonl", "npy")
@click.option("--keepends", is_flag=True, help="Keep line ends; without it text gets LF and jsonl none.")
@click.option(
    "--newline",
    type=click.Choice(["lf", "universal"]),
    default="lf",
    show_default=True,
    help="lf: LF and CRLF end a line; universal: a lone CR too.",
)
def command(
    file: str | None,
    output: str | None,
    format_: str | None,
    keepends: bool,
    newline: Literal["lf", "universal"],
    progress: bool | None,
    **limits: Any,
) -> int:
    """Cut FILE into lines.

    text writes one line per line; jsonl one JSON string per line (the input must be UTF-8); npy writes where each
    line starts in the input, and the input's length: int64, n + 1 values.
    """
    from ..stages.lines import Lines

    form = formats.choose(format_, output, ("text", "jsonl", "npy"))
    writer: Any = {"text": formats.Ended, "jsonl": formats.JSONL, "npy": formats.NPY}[form]
    if form == "text" and not keepends:
        # With their ends, lines lie in the batch as they lay in the input: nothing is done per line.
        if limits["on_oversize"] == "raise":
            keepends, writer = True, partial(formats.LF, universal=newline == "universal")
        else:
            writer = formats.Text
    if form == "npy":
        job.check_npy(output, limits)
        keepends = True
    stage = Lines(keepends=keepends, newline=newline, as_=str if form == "jsonl" else bytes, **limits)
    return job.run(stage, file, output, writer, "lines", progress)
