"""``streamcore lines``."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import click

from . import corpus, formats, job


@click.command("lines")
@job.shared_options("text", "jsonl", "npy", many=True)
@click.option("--keepends", is_flag=True, help="Keep line ends; without it text gets LF and jsonl none.")
@click.option(
    "--newline",
    type=click.Choice(["lf", "universal"]),
    default="lf",
    show_default=True,
    help="lf: LF and CRLF end a line; universal: a lone CR too.",
)
def command(
    paths: tuple[str, ...],
    output: str | None,
    format_: str | None,
    keepends: bool,
    newline: Literal["lf", "universal"],
    progress: bool | None,
    many: dict[str, Any],
    **limits: Any,
) -> int:
    """Cut FILE, or each document of many files, into lines.

    text writes one line per line; jsonl one JSON string per line (the input must be UTF-8); npy writes where each
    line starts in the input, and the input's length: int64, n + 1 values.
    """
    from ..stages.lines import Lines

    if corpus.wanted(paths, output, many):
        lines = Lines(keepends=keepends, newline=newline, as_=str, **limits)
        return corpus.run(lines, paths, output, format_, many, progress)
    offered = ("text", "jsonl", "npy")
    form = formats.choose(corpus.single_format(format_, offered), output, offered)
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
    return job.run(stage, corpus.only(paths), output, writer, "lines", progress)
