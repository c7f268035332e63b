"""Documents as batches of Arrow: ``uri``, ``offset``, and ``ids`` or ``items``."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from ..._backend import View
from ...token_batch import TokenBatch
from ..documents import Documents, encoder_of, last_of
from ..errors import BadRecord
from .ids import id_dtype, ids_and_ends

if TYPE_CHECKING:
    import numpy as np

LONGEST: Final = (1 << 31) - 1  # items of a list, and bytes of a batch of text: offsets are int32


def pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError(
            "format='parquet' and 'arrow' need pyarrow: pip install \"pystreamcore[arrow]\""
        ) from error
    return pyarrow


def column_dtype(pipeline: Any, eod: int | None, name: str) -> str | None:
    """The dtype of ids, or None if the documents have items."""
    pyarrow()
    encoder = encoder_of(pipeline)
    if encoder is not None:
        return id_dtype(encoder.bpe.n_vocab, eod)
    if eod is not None:
        raise ValueError(
            f"format={name!r}: eod is an id, but the pipeline does not end in BPE(...).encoder()"
        )
    return None


def guessed_kind(pipeline: Any) -> str:
    """The type of items, for files of documents that have none: what the last stage says, else text."""
    return "binary" if getattr(last_of(pipeline), "as_", str) in (bytes, "view") else "string"


class Groups:
    """Gathers documents into tables of about ``limit`` bytes, of one block of documents more at most.

    Lists and texts have offsets of 32 bits, which every reader has. ``uri`` is plain text: `datasets` takes no
    dictionaries.
    """

    def __init__(self, dtype: str | None, eod: int | None, kind: str, limit: int) -> None:
        self.limit = limit
        self.pa = pyarrow()
        self.dtype, self.eod, self.kind = dtype, eod, kind
        self.known = False  # whether an item has shown what ``kind`` is
        self.batches: list[Any] = []
        self.size = self.items = 0

    @property
    def schema(self) -> Any:
        pa = self.pa
        items = pa.from_numpy_dtype(self.dtype) if self.dtype else getattr(pa, self.kind)()
        name = "items" if self.dtype is None else "ids"
        return pa.schema([("uri", pa.string()), ("offset", pa.int64()), (name, pa.list_(items))])

    def add(self, documents: Documents) -> bool:
        """Whether a group is full."""
        pa = self.pa
        lists = self.lists_of_ids(documents) if self.dtype else self.lists_of_items(documents)
        columns = [pa.repeat(documents.name, len(lists)), pa.array(documents.offsets, pa.int64()), lists]
        self.batches.append(pa.record_batch(columns, schema=self.schema))
        self.size += lists.nbytes
        return self.size >= self.limit

    def take(self) -> Any:
        """What was gathered, as a table."""
        table = self.pa.Table.from_batches(self.batches, self.schema)
        self.batches, self.size = [], 0
        return table

    def lists_of_ids(self, documents: Documents) -> Any:
        import numpy as np

        ids, ends = ids_and_ends(documents, self.eod)
        self.items += len(ids)
        if len(ids) > LONGEST:
            raise BadRecord(
                documents.uri, documents.offsets[0], f"{len(ids)} ids: a list has {LONGEST} at most"
            )
        starts: np.ndarray[Any, Any] = np.zeros(len(ends) + 1, np.int32)
        starts[1:] = ends
        # arrays of numpy are taken as they are
        return self.pa.ListArray.from_arrays(starts, self.pa.array(ids.astype(self.dtype, copy=False)))

    def lists_of_items(self, documents: Documents) -> Any:
        contents = documents.contents
        assert not isinstance(contents, TokenBatch)
        types = set(map(type, chain.from_iterable(contents)))
        kinds = set(map(kind_of, types))
        if len(kinds) == 1 and not self.known and None not in kinds:
            self.settle(*filter(None, kinds))
        if not kinds <= {self.kind}:
            self.refuse(documents)
        if types - {str, bytes, bytearray}:
            contents = [[plain(item) for item in each] for each in contents]
        self.items += sum(map(len, contents))
        try:
            return self.pa.array(contents, self.schema.field("items").type)
        except (UnicodeEncodeError, self.pa.ArrowCapacityError) as error:
            raise BadRecord(
                documents.uri, documents.offsets[0], f"in the documents from here on: {error}"
            ) from error

    def settle(self, kind: str) -> None:
        """The first item shows the type; until then all lists were empty."""
        self.known = True
        if kind != self.kind:
            self.kind = kind
            self.batches = [each.cast(self.schema) for each in self.batches]

    def refuse(self, documents: Documents) -> None:
        """Names the document whose item does not fit."""
        for offset, items in zip(documents.offsets, documents.contents, strict=True):
            for item in items:
                kind = kind_of(type(item))
                if kind is None:
                    reason = f"an item is {type(item).__name__}, and columns hold str or bytes"
                elif self.known and kind != self.kind:
                    reason = f"an item is {type(item).__name__} after items of type {self.kind}"
                else:
                    self.settle(kind)
                    continue
                raise BadRecord(documents.uri, offset, f"{reason}; format='jsonl' takes what JSON has")


def kind_of(kind: type) -> str | None:
    """The column for items of a type, if there is one."""
    if issubclass(kind, str):
        return "string"
    return "binary" if issubclass(kind, (bytes, bytearray, memoryview)) or issubclass(kind, View) else None


def plain(item: Any) -> Any:
    """As pyarrow takes it."""
    return item if isinstance(item, str) else bytes(item)
