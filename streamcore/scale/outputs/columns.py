"""Documents as batches of Arrow: ``uri``, ``offset``, and ``ids`` or ``items``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..._backend import View
from ..documents import Documents, LongIds, encoder_of, last_of
from ..errors import BadRecord
from .files import PartFiles, TalliedFile, Written
from .ids import id_dtype, ids_and_ends
from .joining import Parts

if TYPE_CHECKING:
    import numpy as np

    from ..places import Place

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


@dataclass(frozen=True)
class ColumnFormat(ABC):
    """``dtype`` is that of ids, None where documents have items, which are of ``kind``."""

    dtype: str | None
    eod: int | None
    kind: str
    name: ClassVar[str]

    @abstractmethod
    def opened(self, file: TalliedFile, schema: Any) -> Any:
        """pyarrow's writer on a file."""

    @abstractmethod
    def tables(self, place: Place, source: Written, files: PartFiles) -> Generator[Any, None, None]:
        """The groups of a file, one at a time; ValueError where it is not what was written."""

    @abstractmethod
    def schema_of(self, place: Place, source: Written, files: PartFiles) -> Any: ...

    def join(self, files: PartFiles, place: Place, parts: Parts) -> None:
        """Groups stay as they are. Text is bytes where parts have the one and the other."""
        schema = schema_of(self.dtype, self.kind)
        if self.dtype is None:
            schemas = [self.schema_of(place, file, files) for (file,) in parts()]
            same = all(each.equals(schemas[0]) for each in schemas)
            schema = schemas[0] if same else schema_of(None, "binary")
        writer = self.opened(files.create(f".{self.name}", sum(file.size for (file,) in parts())), schema)
        for (file,) in parts():
            with closing(self.tables(place, file, files)) as tables:
                for table in tables:
                    writer.write_table(table.cast(schema), max(len(table), 1))
        writer.close()


def schema_of(dtype: str | None, kind: str) -> Any:
    pa = pyarrow()
    item = pa.from_numpy_dtype(dtype) if dtype else getattr(pa, kind)()
    name = "items" if dtype is None else "ids"
    return pa.schema([("uri", pa.string()), ("offset", pa.int64()), (name, pa.list_(item))])


class ColumnWriter(ABC):
    """Gathers documents to groups; a format says how a group is written.

    Not closed unless all is written: pyarrow's writers write their footer when they are closed.
    """

    def __init__(self, files: PartFiles, format: ColumnFormat, group: int) -> None:
        self.format = format
        self.file = files.create(f".{format.name}")
        self.groups = Groups(format.dtype, format.eod, format.kind, group)
        self.writer: Any = None

    @property
    def items(self) -> int:
        return self.groups.items

    def write(self, documents: Documents) -> None:
        if self.groups.add(documents):
            self.flush()

    def flush(self) -> None:
        table = self.groups.take()
        if self.writer is None:
            self.writer = self.format.opened(self.file, table.schema)
        self.put(table)

    def finish(self) -> None:
        self.flush()
        self.writer.close()

    @abstractmethod
    def put(self, table: Any) -> None:
        """Write a group."""


class Groups:
    """Gathers documents into tables of about ``limit`` bytes, of one block of documents more at most.

    Lists and texts have offsets of 32 bits, which every reader has. ``uri`` is plain text: `datasets` takes no
    dictionaries. Arrays are made of buffers: ``pa.array`` and ``pa.repeat`` import pandas where it is installed, which
    takes 58 MB and half a second.
    """

    def __init__(self, dtype: str | None, eod: int | None, kind: str, limit: int) -> None:
        self.limit = limit
        self.pa = pyarrow()
        self.dtype, self.eod, self.kind = dtype, eod, kind
        self.known = False  # whether an item has shown what ``kind`` is
        self.batches: list[Any] = []
        self.size = self.items = 0

    @property
    def item_type(self) -> Any:
        return self.pa.from_numpy_dtype(self.dtype) if self.dtype else getattr(self.pa, self.kind)()

    @property
    def schema(self) -> Any:
        return schema_of(self.dtype, self.kind)

    def add(self, documents: Documents) -> bool:
        """Whether a group is full."""
        import numpy as np

        pa = self.pa
        lists = self.lists_of_ids(documents) if self.dtype else self.lists_of_items(documents)
        count, name = len(lists), documents.name.encode()
        names = np.arange(count + 1) * len(name)
        columns = [
            self.array(pa.string(), count, names.astype(np.int32), name * count),
            self.array(pa.int64(), count, np.array(documents.offsets, np.int64)),
            lists,
        ]
        self.batches.append(pa.RecordBatch.from_arrays(columns, schema=self.schema))
        self.size += lists.nbytes
        return self.size >= self.limit

    def array(self, type: Any, count: int, *buffers: Any, children: Any = None) -> Any:
        """Without nulls; arrays of numpy and bytes are taken as they are."""
        held = [None, *map(self.pa.py_buffer, buffers)]
        return self.pa.Array.from_buffers(type, count, held, children=children)

    def lists(self, ends: Any, values: Any) -> Any:
        """The values cut at ``ends``."""
        import numpy as np

        starts: np.ndarray[Any, Any] = np.zeros(len(ends) + 1, np.int32)
        starts[1:] = ends
        return self.array(self.pa.list_(values.type), len(ends), starts, children=[values])

    def take(self) -> Any:
        """What was gathered, as a table."""
        table = self.pa.Table.from_batches(self.batches, self.schema)
        self.batches, self.size = [], 0
        return table

    def lists_of_ids(self, documents: Documents) -> Any:
        import numpy as np

        assert self.dtype
        if isinstance(documents.contents, LongIds):
            ids, ends = self.gathered(documents)
        else:
            ((ids, ends),) = ids_and_ends(documents, self.eod)
        self.items += len(ids)
        return self.lists(ends, self.array(self.item_type, len(ids), np.ascontiguousarray(ids, self.dtype)))

    def gathered(self, documents: Documents) -> tuple[Any, Any]:
        """The ids of a long document in one array, which grows in place, and their number."""
        import numpy as np

        ids: Any = np.empty(1 << 20, self.dtype)
        count = 0
        for each, _ in ids_and_ends(documents, self.eod):
            end = count + len(each)
            if end > LONGEST:
                raise BadRecord(
                    documents.uri, documents.offsets[0], f"more ids than a list has at most, {LONGEST}"
                )
            if end > len(ids):
                ids.resize(max(end, len(ids) // 2 * 3), refcheck=False)
            ids[count:end] = each
            count = end
        ids.resize(count, refcheck=False)
        return ids, np.array([count])

    def lists_of_items(self, documents: Documents) -> Any:
        contents = documents.contents
        assert isinstance(contents, list)
        items = list(chain.from_iterable(contents))
        types = set(map(type, items))
        kinds = set(map(kind_of, types))
        if len(kinds) == 1 and not self.known and None not in kinds:
            self.settle(*filter(None, kinds))
        if not kinds <= {self.kind}:
            self.refuse(documents)
        if types - {str, bytes, bytearray}:
            items = [plain(item) for item in items]
        self.items += len(items)
        try:
            return self.lists(list(accumulate(map(len, contents))), self.texts(items))
        except (UnicodeEncodeError, OverflowError) as error:
            raise BadRecord(
                documents.uri, documents.offsets[0], f"in the documents from here on: {error}"
            ) from error

    def texts(self, items: list[Any]) -> Any:
        import numpy as np

        if self.kind == "string":
            text = "".join(items)
            data = text.encode()
            sizes = map(len, items if len(data) == len(text) else map(str.encode, items))
        else:
            data, sizes = b"".join(items), map(len, items)
        if max(len(data), len(items)) > LONGEST:
            raise OverflowError(f"{len(items)} items of {len(data)} bytes: a batch has {LONGEST} at most")
        ends: np.ndarray[Any, Any] = np.zeros(len(items) + 1, np.int32)
        np.cumsum(np.fromiter(sizes, np.int32, len(items)), dtype=np.int32, out=ends[1:])
        return self.array(self.item_type, len(items), ends, data)

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
