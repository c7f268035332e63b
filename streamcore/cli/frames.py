"""``streamcore frames``."""

from __future__ import annotations

from typing import Any

import click

from .._shared.length_prefixes import PREFIXES
from . import formats, job
from .given import in_options


@click.command("frames")
@job.shared_options("text", "bin", "jsonl", "npy")
@click.option(
    "--prefix", type=click.Choice(PREFIXES), default="u32be", show_default=True, help="The length field."
)
@click.option("--offset", type=int, default=0, show_default=True, help="Bytes before the length field.")
@click.option(
    "--adjust", type=int, default=0, show_default=True, help="Added to the length to get the body's size."
)
@click.option("--includes-prefix", is_flag=True, help="The length counts its own field.")
@click.option("--keep-head", is_flag=True, help="Write whole frames instead of their bodies.")
def command(
    file: str | None, output: str | None, format_: str | None, progress: bool | None, **options: Any
) -> int:
    """Cut FILE into frames that begin with their length.

    text writes one body per line; bin the bodies one after another; jsonl one JSON string per line (bodies must be
    UTF-8); npy writes where each frame starts in the input, and the input's length: int64, n + 1 values.
    """
    from ..stages.frames import LengthPrefixed

    if file is None:
        raise click.UsageError("frames needs a FILE, or - for standard input")
    form = formats.choose(format_, output, ("text", "bin", "jsonl", "npy"))
    if form == "npy":
        job.check_npy(output, options)
        options["keep_head"] = True
    writer: Any = {"text": formats.Text, "bin": formats.Ended, "jsonl": formats.JSONL, "npy": formats.NPY}[
        form
    ]
    try:
        stage = LengthPrefixed(as_=str if form == "jsonl" else bytes, **options)
    except ValueError as error:
        raise click.UsageError(in_options(str(error))) from error
    return job.run(stage, file, output, writer, "frames", progress)
