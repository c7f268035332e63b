"""Foreign objects whose protocol methods run a hook in the middle of a call of ours.

``FORMS[kind]`` lists, for a kind of argument, how an object that stands for a value may run code: each makes one from
the value and the hook. Nothing here knows what is tested; ``native_classes`` says which method takes which kind.
"""

from __future__ import annotations

import ctypes
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import ref


class Hook:
    """Does ``action`` when it is called first; later calls do nothing."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.armed = True
        self.fired = False
        self.kept: object = None  # what has to live as long

    def __call__(self) -> None:
        if self.armed:
            self.armed, self.fired = False, True
            self.action()


# ---- buffers ----

if sys.version_info >= (3, 12):

    class Exporter:
        """Exports ``data`` and runs a hook when that is asked for, or given back."""

        def __init__(
            self, data: Any, *, get: Callable[[], None] = int, release: Callable[[], object] = int
        ) -> None:
            self.data, self.get, self.release = data, get, release

        def __buffer__(self, flags: int) -> memoryview:
            self.get()
            return memoryview(self.data)

        def __release_buffer__(self, view: memoryview) -> None:
            view.release()
            self.release()

else:

    class BufferSlots(ctypes.Structure):
        """``PyBufferProcs``: before 3.12 a class in Python could not fill them, C could."""

        GET = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p, ctypes.c_int)
        RELEASE = ctypes.PYFUNCTYPE(None, ctypes.py_object, ctypes.c_void_p)
        _fields_ = (("get", GET), ("release", RELEASE))

    class Exporter:
        """Exports ``data`` and runs a hook when that is asked for, or given back. (The hook cannot raise.)"""

        def __init__(
            self, data: Any, *, get: Callable[[], object] = int, release: Callable[[], object] = int
        ) -> None:
            self.data, self.get, self.release = data, get, release
            self.readonly = memoryview(data).readonly
            self.memory = (ctypes.c_char * max(len(data), 1)).from_buffer_copy(bytes(data) or b"\0")

    def _get(exporter: Exporter, view: int, flags: int) -> int:
        exporter.get()
        return ctypes.pythonapi.PyBuffer_FillInfo(
            ctypes.c_void_p(view),
            ctypes.py_object(exporter),
            ctypes.cast(exporter.memory, ctypes.c_void_p),
            ctypes.c_ssize_t(len(exporter.data)),
            ctypes.c_int(exporter.readonly),
            ctypes.c_int(flags),
        )

    def _release(exporter: Exporter, view: int) -> None:
        if not exporter.readonly:  # where a reader would look for what was written
            exporter.data[:] = exporter.memory.raw[: len(exporter.data)]
        exporter.release()

    # tp_as_buffer is the 18th pointer of a type object, which begins with three words of its own
    _slots = BufferSlots.from_address(ctypes.c_void_p.from_address(id(Exporter) + 20 * 8).value or 0)
    _kept = BufferSlots.GET(_get), BufferSlots.RELEASE(_release)  # as long as the class
    _slots.get, _slots.release = _kept


class Dying(bytearray):
    """Runs the hook when it is dropped."""

    hook: Callable[[], None]

    def __del__(self) -> None:
        self.hook()


def dying(data: bytes, hook: Hook) -> Dying:
    made = Dying(data)
    made.hook = hook
    return made


class Watched(bytearray):
    """Can be referred to weakly."""


def watched(data: bytes, hook: Hook) -> Watched:
    """Runs the hook as the callback of a weak reference, when it is dropped."""
    made = Watched(data)
    hook.kept = ref(made, lambda _: hook())
    return made


def overridden(base: type, *names: str) -> Callable[[Any, Hook], Any]:
    """Makes objects of a subclass of ``base`` whose methods run the hook, then do what they always did."""

    def method(name: str) -> Callable[..., Any]:
        def run(self: Any, *args: Any) -> Any:
            self.hook()
            return getattr(base, name)(self, *args)

        return run

    kind = type(f"Foreign{base.__name__}", (base,), {name: method(name) for name in names})

    def make(value: Any, hook: Hook) -> Any:
        made = kind(value)
        made.hook = hook
        return made

    return make


def readable(value: bytes, hook: Hook) -> Exporter:
    return Exporter(bytes(value), get=hook)


BUFFERS: dict[str, Callable[[Any, Hook], Any]] = {
    "__buffer__": readable,
    "__release_buffer__": lambda value, hook: Exporter(bytes(value), release=hook),
    "__release_buffer__ of what a memoryview shows": lambda value, hook: memoryview(
        Exporter(bytes(value), release=hook)
    ),
    "__buffer__ of writable memory": lambda value, hook: Exporter(bytearray(value), get=hook),
    "__release_buffer__ of writable memory": lambda value, hook: Exporter(bytearray(value), release=hook),
    "bytes": overridden(bytes, "__len__", "__iter__", "__getitem__", "__eq__", "__hash__", "find", "split"),
    "bytearray": overridden(bytearray, "__len__", "__iter__", "__getitem__", "__eq__"),
    "no buffer, but __bytes__": lambda value, hook: Bytes(value, hook),
}


class Bytes:
    def __init__(self, value: bytes, hook: Hook) -> None:
        self.value, self.hook = value, hook

    def __bytes__(self) -> bytes:
        self.hook()
        return self.value

    def __len__(self) -> int:
        self.hook()
        return len(self.value)

    def __repr__(self) -> str:
        self.hook()
        return "Bytes()"


# ---- numbers ----


class Number:
    """Stands for ``value`` by one method and runs the hook in it; in ``__repr__``, which errors use, as well."""

    def __init__(self, value: Any, hook: Hook) -> None:
        self.value, self.hook = value, hook

    def answer(self) -> Any:
        self.hook()
        return self.value

    def __repr__(self) -> str:
        self.hook()
        return f"{type(self).__name__}()"


class Index(Number):
    __index__ = Number.answer


class Float(Number):
    def __float__(self) -> float:
        return float(self.answer())


class Truth(Number):
    def __bool__(self) -> bool:
        return bool(self.answer())


class Named(Number):
    """Nothing but a name for messages."""


COMPARED = ("__index__", "__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__hash__", "__add__", "__sub__")
INTS: dict[str, Callable[[Any, Hook], Any]] = {
    "__index__": Index,
    "__float__": Float,
    "int": overridden(int, *COMPARED, "__bool__", "__int__"),
    "__repr__": Named,
}
SECONDS: dict[str, Callable[[Any, Hook], Any]] = {**INTS, "float": overridden(float, *COMPARED[1:])}

# ---- iterables ----


class Source:
    """An iterator that runs the hook in __iter__, close, __length_hint__ or the n-th __next__, as ``moment`` says."""

    def __init__(self, values: Any, hook: Hook, moment: Any) -> None:
        self.values, self.hook, self.moment = iter(list(values)), hook, moment
        self.pulls = 0
        self.closed = 0

    def at(self, moment: Any) -> None:
        if moment == self.moment:
            self.hook()

    def __iter__(self) -> Source:
        self.at("__iter__")
        return self

    def __next__(self) -> Any:
        self.pulls += 1
        self.at(self.pulls)
        return next(self.values)

    def __length_hint__(self) -> int:
        self.at("__length_hint__")
        return 1

    def close(self) -> None:
        self.closed += 1
        self.at("close")


def moment(which: Any) -> Callable[[Any, Hook], Source]:
    return lambda values, hook: Source(values, hook, which)


ITERABLES: dict[str, Callable[[Any, Hook], Any]] = {
    "__iter__": moment("__iter__"),
    "the first __next__": moment(1),
    "the second __next__": moment(2),
    "the __next__ that ends": moment(3),
    "close": moment("close"),
    "__length_hint__": moment("__length_hint__"),
    "list": overridden(list, "__iter__", "__len__", "__getitem__", "__eq__", "__bool__"),
}


def member(form: Callable[[Any, Hook], Any]) -> Callable[[Any, Hook], Any]:
    """An iterator (or list) whose first value is foreign."""

    def make(values: Any, hook: Hook) -> Source:
        values = list(values)
        return Source([form(values.pop(0), hook), *values], hook, None)

    return make


def members(forms: dict[str, Callable[[Any, Hook], Any]]) -> dict[str, Callable[[Any, Hook], Any]]:
    return {f"{name} of an item": member(form) for name, form in forms.items()}


class Ids:
    """Ids by ``tolist()``, as arrays have it."""

    def __init__(self, value: Any, hook: Hook, attribute: str) -> None:
        self.value, self.hook, self.attribute = list(value), hook, attribute

    def __getattr__(self, name: str) -> Any:
        if name == "tolist":
            if self.attribute == "getattr":
                self.hook()
            return self.made
        if name == "dtype" and self.attribute == "dtype":
            self.hook()
        raise AttributeError(name)

    def made(self) -> Any:
        if self.attribute != "getattr":
            self.hook()
        return tuple(self.value) if self.attribute == "tuple" else self.value

    def __repr__(self) -> str:
        return "Ids()"


def ids_by(attribute: str) -> Callable[[Any, Hook], Ids]:
    return lambda value, hook: Ids(value, hook, attribute)


def flat_array(value: Any, hook: Hook) -> Exporter:
    return Exporter(array("I", value).tobytes(), get=hook)


IDS: dict[str, Callable[[Any, Hook], Any]] = {
    **ITERABLES,
    **members({name: form for name, form in INTS.items() if name != "__repr__"}),
    "tolist": ids_by("tolist"),
    "tolist that gives no list": ids_by("tuple"),
    "__getattr__ for tolist": ids_by("getattr"),
    "__getattr__ for dtype": ids_by("dtype"),
    "__buffer__": flat_array,
}
SOURCES: dict[str, Callable[[Any, Hook], Any]] = {
    **ITERABLES,
    **members(BUFFERS),
    "__del__ of a fragment": member(dying),
    "weak reference to a fragment": member(watched),
    "__del__ of a fragment under a memoryview": member(lambda value, hook: memoryview(dying(value, hook))),
}


# ---- text and names ----

STRINGS = ("__len__", "__str__", "__iter__", "__getitem__", "__eq__", "__hash__", "encode", "isascii")
TEXTS: dict[str, Callable[[Any, Hook], Any]] = {
    "str": overridden(str, *STRINGS),
    **{name: lambda value, hook, form=form: form(value.encode(), hook) for name, form in BUFFERS.items()},
}
NAMES: dict[str, Callable[[Any, Hook], Any]] = {
    **ITERABLES,
    "set": overridden(set, "__iter__", "__contains__", "__len__", "__eq__", "__sub__", "__rsub__"),
    "frozenset": overridden(
        frozenset, "__iter__", "__contains__", "__len__", "__eq__", "__sub__", "__rsub__"
    ),
    "str of an item": member(overridden(str, *STRINGS)),
}


# ---- mappings, callables, anything ----


class Table(Mapping[Any, Any]):
    """A mapping that runs the hook in one of its methods."""

    def __init__(self, value: Any, hook: Hook, which: str) -> None:
        self.value, self.hook, self.which = dict(value), hook, which

    def at(self, which: str) -> None:
        if which == self.which:
            self.hook()

    def __getitem__(self, key: Any) -> Any:
        self.at("__getitem__")
        return self.value[key]

    def __iter__(self) -> Iterator[Any]:
        self.at("__iter__")
        return iter(self.value)

    def __len__(self) -> int:
        self.at("__len__")
        return len(self.value)

    def keys(self) -> Any:
        self.at("keys")
        return self.value.keys()

    def items(self) -> Any:
        self.at("items")
        return self.value.items()


def table_by(which: str) -> Callable[[Any, Hook], Table]:
    return lambda value, hook: Table(value, hook, which)


class Anything:
    """An item that runs the hook whatever is done with it."""

    def __init__(self, value: Any, hook: Hook) -> None:
        self.value, self.hook = value, hook

    def __eq__(self, other: object) -> bool:
        self.hook()
        return self is other

    def __hash__(self) -> int:
        self.hook()
        return 1

    def __bool__(self) -> bool:
        self.hook()
        return True

    def __len__(self) -> int:
        self.hook()
        return 1

    def __repr__(self) -> str:
        self.hook()
        return "Anything()"


def called(value: Callable[..., Any], hook: Hook) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        hook()
        return value(*args)

    return call


def result_is(form: Callable[[Any, Hook], Any]) -> Callable[[Any, Hook], Any]:
    return lambda value, hook: lambda *args: form(value(*args), hook)


FORMS: dict[str, dict[str, Callable[[Any, Hook], Any]]] = {
    "buffer": BUFFERS,
    "bytes": {},  # exactly those
    "space": {
        "__buffer__": lambda value, hook: Exporter(value, get=hook),
        "__release_buffer__": lambda value, hook: Exporter(value, release=hook),
        "bytearray": overridden(bytearray, "__len__", "__setitem__", "__getitem__"),
    },
    "int": INTS,
    "seconds": SECONDS,
    "flag": {"__bool__": Truth},
    "items": {**ITERABLES, **members({"anything": Anything})},
    "list": {"list": overridden(list, "append", "extend", "__len__", "__setitem__", "__iadd__")},
    "ids": IDS,
    "one id": INTS,
    "source": SOURCES,
    "sources of ids": {
        **ITERABLES,
        **members({name: form for name, form in IDS.items() if name not in ("close", "__repr__")}),
    },
    "sources of text": {**ITERABLES, **members(TEXTS)},
    "text": TEXTS,
    "str": {"str": overridden(str, *STRINGS)},
    "texts": {**ITERABLES, **members(TEXTS)},
    "names": NAMES,
    "mapping": {
        **{name: table_by(name) for name in ("keys", "__getitem__", "items", "__iter__", "__len__")},
        "dict": overridden(dict, "keys", "__getitem__", "items", "__iter__", "__len__"),
    },
    "callable": {"__call__": called, "__bool__ of the result": result_is(Truth)},
    "anything": {"anything": Anything},
}


class Oops(Exception):
    """What a hook raises."""


def may_raise(form: str) -> bool:
    """Whether what the hook raises gets anywhere: not from a destructor, nor before 3.12 from a buffer's slots."""
    dropped = any(way in form for way in ("__del__", "weak", "__release_buffer__"))
    return not dropped and (sys.version_info >= (3, 12) or "__buffer__" not in form)
