"""``streamcore words``."""

from __future__ import annotations

from typing import Any, Literal

import click

from . import formats, job


@click.command("words")
@job.shared_options("text", "jsonl", "npy")
@click.option(
    "--keep",
    type=click.Choice(["none", "trailing"]),
    default="none",
    show_default=True,
    help="trailing: each word with the whitespace after it, so that joined they are the input.",
)
def command(
    file: str | None,
    output: str | None,
    format_: str | None,
    keep: Literal["trailing", "none"],
    progress: bool | None,
    **limits: Any,
) -> int:
    """Cut FILE into words: what ASCII whitespace separates.

    text writes one word per line (with --keep trailing the words as they are, which is the input); jsonl one
    JSON string per line (the input must be UTF-8); npy writes where each word starts in the input, and the
    input's length: int64, n + 1 values.
    """
    from ..stages.text import Words

    form = formats.choose(format_, output, ("text", "jsonl", "npy"))
    if form == "npy":
        job.check_npy(output, limits)
        keep = "trailing"
    writer = {
        "text": formats.Text if keep == "none" else formats.Ended,
        "jsonl": formats.JSONL,
        "npy": formats.NPY,
    }[form]
    stage = Words(keep=keep, as_=str if form == "jsonl" else bytes, **limits)
    return job.run(stage, file, output, writer, "words", progress)
