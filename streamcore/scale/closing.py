"""The end of a job: parts are joined where the format wants it, and ``meta.json`` says that all is there."""

from __future__ import annotations

import json
import os
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from .. import __version__
from .documents import encoder_of
from .manifest import encoded
from .outputs import Format, MergedFormat, output
from .outputs.files import PartFiles, Written
from .vocabulary import vocabulary_hash

if TYPE_CHECKING:
    from .task import Job, Receipt

META: Final = "meta.json"
VERSION: Final = 1


def close(
    job: Job, receipts: Sequence[Receipt], *, seconds: float | None = None, failed: Iterable[Any] = ()
) -> tuple[str, ...]:
    """Write what stands for the whole job, ``meta.json`` last; the names of the files of documents, in order.

    ``failed`` are parts that may be missing. ``receipts`` are those of all others, in their order, and are gone through
    a few times, never held. Files without a document are not among the names. May be called again at any time, also
    after a death half-way or by two at once: the result is the same, and what a death left is cleared away. Files are
    checked by size, those that are joined also by their CRC.
    """
    format = output(job.format, job.pipeline, job.eod)
    digest = digest_of(receipts)
    meta = finished(job.folder)
    if meta is None or meta["receipts"] != digest:
        try:
            write(job, format, receipts, digest, seconds, [str(each) for each in failed])
        except FileNotFoundError:
            meta = finished(job.folder)  # by another one, who removed the parts
            if meta is None or meta["receipts"] != digest:
                raise
    clear(job.folder, format, receipts)
    return document_files(format, receipts, whole=True)


def document_files(format: Format, receipts: Iterable[Receipt], *, whole: bool) -> tuple[str, ...]:
    """The files of documents, in order, also those with empty ones alone; or at the end what they were joined to."""
    if whole and isinstance(format, MergedFormat):
        return (f"{format.stem}.bin",)
    return tuple(each.files[0].name for each in receipts if each.records)


def finished(folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What ``meta.json`` says, if it is there and all its files are there with their sizes; else None."""
    folder = os.fspath(folder)
    path = os.path.join(folder, META)
    try:
        with open(path, "rb") as file:
            meta: Any = json.loads(file.read())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is not what a run wrote: {error}") from error
    if not isinstance(meta, dict) or meta.get("meta") != VERSION or not meta.keys() >= {"files", "receipts"}:
        raise ValueError(f"{path} is not what a run wrote, or not of version {VERSION}")
    for name, size, _ in meta["files"]:
        try:
            if os.stat(os.path.join(folder, name)).st_size != size:
                return None
        except FileNotFoundError:
            return None
    found: dict[str, Any] = meta
    return found


def digest_of(receipts: Iterable[Receipt]) -> str:
    """Changes with any file of any part."""
    found = count = 0
    for each in receipts:
        count += 1
        line = [each.part, each.records, each.items, [list(file) for file in each.files]]
        found = zlib.crc32(json.dumps(line).encode(), found)
    return f"{count} {found:08x}"


def write(
    job: Job,
    format: Format,
    receipts: Sequence[Receipt],
    digest: str,
    seconds: float | None,
    failed: list[str],
) -> None:
    attempt = f"{uuid.uuid4().hex[:12]}.closing"
    written: Iterable[Written] = (file for each in receipts for file in each.files)
    if isinstance(format, MergedFormat):
        with PartFiles(job.folder, format.stem, attempt) as files:
            format.merge(files, job.folder, lambda: (each.files for each in receipts))
        written = files.written
    else:
        check_sizes(job.folder, written)
        written = (file for each in receipts for file in each.files)
    head = {**head_of(job, format, receipts), "failed": failed, "receipts": digest, "seconds": seconds}
    with PartFiles(job.folder, "meta", attempt) as files:
        out = files.create(".json")
        for text in meta_text(job, head, written):
            out.write(encoded(text))


def check_sizes(folder: str, files: Iterable[Written]) -> None:
    for name, size, _ in files:
        path = os.path.join(folder, name)
        found = os.stat(path).st_size
        if found != size:
            raise ValueError(f"{path} has {found} bytes, its receipt says {size}")


def head_of(job: Job, format: Format, receipts: Iterable[Receipt]) -> dict[str, Any]:
    documents = items = size = 0
    for each in receipts:
        documents, items, size = documents + each.records, items + each.items, size + each.bytes_in
    head: dict[str, Any] = {"meta": VERSION, "streamcore": __version__, "format": format.name}
    encoder = encoder_of(job.pipeline)
    if encoder is None:
        head |= {"documents": documents, "items": items}
    else:
        head |= {
            "dtype": format.dtype,
            "vocabulary_size": encoder.bpe.n_vocab,
            "vocabulary_hash": vocabulary_hash(encoder.bpe),
            "eod": format.eod,
            "documents": documents,
            "tokens": items,
        }
    split = job.plan.split
    return head | {
        "bytes_in": size,
        "split": {"separator": split.decode("latin-1")} if isinstance(split, bytes) else split,
        "key": job.plan.key,
    }


def meta_text(job: Job, head: dict[str, Any], files: Iterable[Written]) -> Iterator[str]:
    """One object, a line for each entry and for each file of it; never held as a whole."""
    yield json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}")
    yield from listed("files", map(list, files))
    yield from listed("sources", map(asdict, job.plan.inputs))
    yield "\n}\n"


def listed(name: str, values: Iterable[Any]) -> Iterator[str]:
    """``name`` and its list: of a file its name, size and CRC-32; of a source uri, size and version."""
    yield f',\n "{name}": ['
    comma = ""
    for value in values:
        yield f"{comma}\n  {json.dumps(value, ensure_ascii=False)}"
        comma = ","
    yield "\n ]"


def clear(folder: str, format: Format, receipts: Iterable[Receipt]) -> None:
    """Remove the parts that were joined, and what a death at closing left."""
    for entry in os.scandir(folder):
        if entry.name.endswith(".closing.tmp"):
            with suppress(FileNotFoundError):
                os.unlink(entry.path)
    if isinstance(format, MergedFormat):
        for file in (file for each in receipts for file in each.files):
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, file.name))
