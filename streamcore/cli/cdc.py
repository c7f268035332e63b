"""``streamcore cdc``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import click

from .._shared.content_chunks import ALGORITHMS
from . import formats, job
from .given import in_options, is_given
from .inputs import open_input
from .outputs import open_output
from .progress import Report


@click.command("cdc")
@click.argument("file", required=False)
@click.option("-o", "--output", metavar="OUT", help="Write to OUT, which appears when it is complete.")
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(["text", "jsonl", "npy"]),
    help="Default: by the suffix of OUT.",
)
@click.option("--avg-size", callback=job.size_or_none, default="16KiB", show_default=True, help="Usual size.")
@click.option(
    "--min-size", callback=job.size_or_none, default="none", help="Least size; default: a quarter of it."
)
@click.option(
    "--max-size", callback=job.size_or_none, default="none", help="Largest size; default: four times it."
)
@click.option(
    "--algorithm",
    type=click.Choice(ALGORITHMS),
    default=ALGORITHMS[0],
    show_default=True,
    help="How cuts are found.",
)
@click.option(
    "--normalization",
    type=int,
    default=1,
    show_default=True,
    help="0 to 3: how close sizes are to the usual.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="XORed into the table of fastcdc2020.")
@click.option("--digest", default="sha256", show_default=True, help="Of hashlib, or none.")
@click.option("--progress/--no-progress", default=None, help="Default: where it does not disturb the data.")
def command(
    file: str | None,
    output: str | None,
    format_: str | None,
    digest: str,
    progress: bool | None,
    **options: Any,
) -> int:
    """Cut FILE into chunks by their content and write what they are, not what they hold.

    text writes offset, size and digest of a chunk per line; jsonl an object of these; npy where each chunk starts in
    the input, and the input's length: int64, n + 1 values.
    """
    from ..stages.chunks import ContentDefined

    form = formats.choose(format_, output, ("text", "jsonl", "npy"))
    if form == "npy":
        job.check_npy(output, {"on_oversize": "raise"})
        digest = "none"
    if options["avg_size"] is None:
        raise click.UsageError("--avg-size must be a size")
    if options["algorithm"] == "ram" and is_given("normalization"):
        raise click.UsageError("--normalization means nothing with --algorithm ram")
    made = digester(digest)
    try:
        stage: Any = ContentDefined(digest=made, **options)
    except ValueError as error:
        raise click.UsageError(in_options(str(error))) from error
    if form == "npy":
        return job.run(stage, file, output, formats.NPY, "chunks", progress)
    lines = ChunkLines(form, made is not None)
    with closing(open_input(file)) as source, open_output(output, source) as out:
        report = Report(source, "chunks", progress, out.on_terminal())
        try:
            for chunks in job.pieces(stage.engine(), source):
                out.write(lines(chunks))
                report.add(len(chunks))
        finally:
            report.close()
    return 0


def digester(name: str) -> Callable[[Any], Any] | None:
    """What makes the digest of a chunk, tried once: OpenSSL may refuse what it lists, and some need a length."""
    if name == "none":
        return None
    try:
        hashlib.new(name).digest()
    except (ValueError, TypeError) as error:
        fit = sorted(each for each in hashlib.algorithms_guaranteed if not each.startswith("shake"))
        raise click.UsageError(
            f"hashlib has no digest {name!r} of one size; it has {', '.join(fit)}"
        ) from error
    return lambda data: hashlib.new(name, data)


class ChunkLines:
    """Lines of the output for chunks, one after another; knows where in the input it is."""

    def __init__(self, form: str, digests: bool) -> None:
        self.form, self.digests = form, digests
        self.position = 0

    def __call__(self, chunks: list[Any]) -> bytes:
        return "".join(map(self.line, chunks)).encode()

    def line(self, chunk: Any) -> str:
        at, size = self.position, len(chunk.data if self.digests else chunk)
        self.position += size
        digest = chunk.digest.hex() if self.digests else None
        if self.form == "jsonl":
            return json.dumps({"offset": at, "size": size, "digest": digest}) + "\n"
        return f"{at} {size}\n" if digest is None else f"{at} {size} {digest}\n"
