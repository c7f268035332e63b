"""``streamcore words``."""

from __future__ import annotations

from typing import Any, Literal

import click

from . import corpus, formats, job


@click.command("words")
@job.shared_options("text", "jsonl", "npy", many=True)
@click.option(
    "--keep",
    type=click.Choice(["none", "trailing"]),
    default="none",
    show_default=True,
    help="trailing: each word with the whitespace after it, so that joined they are the input.",
)
def command(
    paths: tuple[str, ...],
    output: str | None,
    format_: str | None,
    keep: Literal["trailing", "none"],
    progress: bool | None,
    many: dict[str, Any],
    **limits: Any,
) -> int:
    """Cut FILE, or each document of many files, into words: what ASCII whitespace separates.

    text writes one word per line (with --keep trailing the words as they are, which is the input); jsonl one
    JSON string per line (the input must be UTF-8); npy writes where each word starts in the input, and the
    input's length: int64, n + 1 values.
    """
    from ..stages.text import Words

    if corpus.wanted(paths, output, many):
        return corpus.run(Words(keep=keep, as_=str, **limits), paths, output, format_, many, progress)
    offered = ("text", "jsonl", "npy")
    form = formats.choose(corpus.single_format(format_, offered), output, offered)
    if form == "npy":
        job.check_npy(output, limits)
        keep = "trailing"
    writer = {
        "text": formats.Text if keep == "none" else formats.Ended,
        "jsonl": formats.JSONL,
        "npy": formats.NPY,
    }[form]
    stage = Words(keep=keep, as_=str if form == "jsonl" else bytes, **limits)
    return job.run(stage, corpus.only(paths), output, writer, "words", progress)
