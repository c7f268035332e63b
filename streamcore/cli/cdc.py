"""``streamcore cdc``."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from typing import Any

import click

from .._shared.content_chunks import ALGORITHMS
from ..errors import StreamcoreError
from . import formats, job
from .failure import Failure
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
@click.option(
    "--avg-size", callback=job.size_in_bytes, default="16KiB", show_default=True, help="Usual size."
)
@click.option(
    "--min-size", callback=job.size_in_bytes, default="none", help="Least size; default: a quarter of it."
)
@click.option(
    "--max-size", callback=job.size_in_bytes, default="none", help="Largest size; default: four times it."
)
@click.option("--algorithm", type=click.Choice(ALGORITHMS), default=ALGORITHMS[0], show_default=True)
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
    if digest != "none" and digest not in hashlib.algorithms_available:
        raise click.UsageError(f"hashlib knows no {digest!r}")
    made = None if digest == "none" else lambda data: hashlib.new(digest, data)
    try:
        stage: Any = ContentDefined(digest=made, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if form == "npy":
        return job.run(stage, file, output, formats.NPY, "chunks", progress)
    with closing(open_input(file)) as source, open_output(output) as out:
        report = Report(source, "chunks", progress, out.on_terminal())
        try:
            at = 0
            for item in stage.engine().iterate(source.fragments()):
                size = len(item if made is None else item.data)
                found = None if made is None else item.digest.hex()
                if form == "jsonl":
                    line = json.dumps({"offset": at, "size": size, "digest": found})
                else:
                    line = f"{at} {size}" if found is None else f"{at} {size} {found}"
                out.write(f"{line}\n".encode())
                at += size
                report.add(1)
        except StreamcoreError as error:
            raise Failure(job.explain(source, error)) from error
        finally:
            report.close()
    return 0
