"""The end of a job: parts are joined where the format wants it, and ``meta.json`` says that all is there."""

from __future__ import annotations

import errno
import json
import os
import uuid
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from .. import __version__
from .documents import encoder_of
from .manifest import encoded
from .outputs import Format, MergedFormat, output
from .outputs.files import JOINED, PartFiles, Written, joined_stem
from .places import Place, place_of
from .vocabulary import vocabulary_hash

if TYPE_CHECKING:
    from .outputs.joining import Parts
    from .task import Job, Receipt

META: Final = "meta.json"
VERSION: Final = 1


def close(
    job: Job,
    receipts: Sequence[Receipt],
    *,
    seconds: float | None = None,
    failed: Iterable[Any] = (),
    digest: str | None = None,
) -> tuple[str, ...]:
    """Write what stands for the whole job, ``meta.json`` last; the names of the files of documents, in order.

    ``failed`` are parts that may be missing. ``receipts`` are those of all others, in their order, and are gone through
    a few times, never held. Files without a document are not among the names. May be called again at any time, also
    after a death half-way or by two at once: the result is the same, and what a death left is cleared away. Files are
    checked by size, those that are joined also by their CRC. ``digest``: that of the receipts, if it is known.
    """
    format = output(job.format, job.pipeline, job.eod)
    digest = digest or digest_of(receipts)
    sizes = job.place.sizes()
    meta = finished(job.place, sizes)
    if meta is None or meta["receipts"] != digest:
        try:
            check_sizes(job.place, sizes, (file for each in receipts for file in each.files))
            joined = write(job, format, receipts, digest, seconds, [str(each) for each in failed])
        except FileNotFoundError:
            meta = finished(job.place)  # by another one, who removed the parts
            if meta is None or meta["receipts"] != digest:
                raise
            joined = joined_files(meta)
    else:
        joined = joined_files(meta)
    clear(job, sizes, receipts, joined)
    return document_files(receipts) if joined is None else first_of_each(joined)


def document_files(receipts: Iterable[Receipt]) -> tuple[str, ...]:
    """The files of the parts' documents, in order, also those with empty ones alone."""
    return tuple(each.files[0].name for each in receipts if each.records)


def joined_files(meta: Mapping[str, Any]) -> list[str] | None:
    """What the parts were joined to; None if they were not."""
    return [name for name, _, _ in meta["files"]] if meta.get("joined") else None


def first_of_each(names: Iterable[str]) -> tuple[str, ...]:
    """Of files that go together the one with the documents."""
    return tuple(next(group) for _, group in groupby(names, lambda name: name.partition(".")[0]))


def finished(
    folder: str | os.PathLike[str] | Place, sizes: Mapping[str, int] | None = None
) -> dict[str, Any] | None:
    """What ``meta.json`` says, if it is there and all its files are there with their sizes; else None.

    ``sizes``: what is there, where that is known already.
    """
    place = place_of(folder)
    if sizes is None:
        sizes = place.sizes()
    meta = read_meta(place, sizes)
    return meta if meta is not None and whole(meta, sizes) else None


def read_meta(place: Place, sizes: Mapping[str, int]) -> dict[str, Any] | None:
    """What ``meta.json`` says, if it is there."""
    if META not in sizes:
        return None
    try:
        meta: Any = json.loads(place.read(META))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{place.join(META)} is not what a run wrote: {error}") from error
    if not isinstance(meta, dict) or meta.get("meta") != VERSION or not meta.keys() >= {"files", "receipts"}:
        raise ValueError(f"{place.join(META)} is not what a run wrote, or not of version {VERSION}")
    return meta


def whole(meta: Mapping[str, Any], sizes: Mapping[str, int]) -> bool:
    """Whether all files are there with their sizes."""
    return all(sizes.get(name) == size for name, size, _ in meta["files"])


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
) -> list[str] | None:
    """The names of the files that the parts were joined to; None if they were not."""
    attempt = f"{uuid.uuid4().hex[:12]}.closing"
    joins = job.join is not None or isinstance(format, MergedFormat)
    written: Iterable[Written] = (file for each in receipts for file in each.files)
    if joins:
        written = list(joined(job, format, receipts, attempt))
    head = {
        **head_of(job, format, receipts),
        "joined": joins,
        "failed": failed,
        "receipts": digest,
        "seconds": seconds,
    }
    with PartFiles(job.place, "meta", attempt) as files:
        out = files.create(".json")
        for text in meta_text(job, head, written):
            out.write(encoded(text))
    return [each.name for each in written] if joins else None


def joined(job: Job, format: Format, receipts: Iterable[Receipt], attempt: str) -> Iterator[Written]:
    """Write the files of parts to larger ones."""
    if job.join is None:
        assert isinstance(format, MergedFormat)
        groups: Iterable[tuple[str, Parts]] = [(format.stem, lambda: (each.files for each in receipts))]
    else:
        groups = (
            (joined_stem(number), partial(iter, parts))
            for number, parts in enumerate(grouped(receipts, job.join))
        )
    for stem, parts in groups:
        with PartFiles(job.place, stem, attempt) as files:
            format.join(files, job.place, parts)
        yield from files.written


def grouped(receipts: Iterable[Receipt], limit: int) -> Iterator[list[tuple[Written, ...]]]:
    """The files of parts that follow each other, those of documents together up to ``limit`` bytes."""
    group: list[tuple[Written, ...]] = []
    size = 0
    for each in receipts:
        if each.records:
            length = each.files[0].size
            if group and size + length > limit:
                yield group
                group, size = [], 0
            group.append(each.files)
            size += length
    if group:
        yield group


def check_sizes(place: Place, sizes: Mapping[str, int], files: Iterable[Written]) -> None:
    """What is there must be what the receipts say."""
    for name, size, _ in files:
        found = sizes.get(name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), place.join(name))
        if found != size:
            raise ValueError(f"{place.join(name)} has {found} bytes, its receipt says {size}")


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


def clear(
    job: Job, sizes: Mapping[str, int], receipts: Iterable[Receipt], joined: Collection[str] | None
) -> None:
    """Remove the parts that were joined, and what a death at closing left."""
    if job.place.local is not None:
        job.place.remove([name for name in sizes if name.endswith(".closing.tmp")])
    if joined is not None:
        names = [file.name for each in receipts for file in each.files if file.name in sizes]
        if job.join is not None:
            names += [name for name in sizes if JOINED.fullmatch(name) and name not in joined]
        job.place.remove(names)


def remove_meta(place: Place, sizes: Mapping[str, int], meta: Mapping[str, Any] | None) -> None:
    """From here on the output is not whole, and what its parts were joined to, as ``meta`` says, is nothing."""
    names = [name for name, _, _ in meta["files"]] if meta else []
    place.remove([*(name for name in names if JOINED.fullmatch(name) and name in sizes), META])
