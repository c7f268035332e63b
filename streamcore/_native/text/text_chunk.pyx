# cython: language_level=3, freethreading_compatible=True
"""``TextChunk``: a part of a text and where it lies (twin: ``_pure.text.text_chunk``)."""

cimport cython

from streamcore._shared.options import shown


cdef TextChunk new_chunk(str text, long long start, long long stop):
    cdef TextChunk made = TextChunk.__new__(TextChunk)
    made._text = text
    made._start = start
    made._stop = stop
    return made


cdef long long place(str name, object value) except -1:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    if not 0 <= value < 1 << 63:
        raise ValueError(f"{name} must be from 0 to {(1 << 63) - 1}, got {shown(value)}")
    return value


@cython.final
@cython.freelist(32)
cdef class TextChunk:
    """TextChunk(text, start, stop)
    --

    A part of a text: ``text`` is ``source[start:stop]``, in code points of the whole stream. It cannot be changed.
    """

    __match_args__ = ("text", "start", "stop")

    def __init__(self, text, start, stop):
        cdef long long first, last
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        plain = text if type(text) is str else str.__str__(text)
        first = place("start", start)
        last = place("stop", stop)
        if self._text is not None:
            raise TypeError("TextChunk is made already and does not change")
        self._text = plain
        self._start = first
        self._stop = last

    @property
    def text(self):
        return self._text

    @property
    def start(self):
        return self._start

    @property
    def stop(self):
        return self._stop

    def __setattr__(self, name, value):
        raise AttributeError("a TextChunk cannot be changed")

    def __delattr__(self, name):
        raise AttributeError("a TextChunk cannot be changed")

    def __eq__(self, other):
        if not isinstance(other, TextChunk):
            return NotImplemented
        cdef TextChunk second = <TextChunk> other
        return self._start == second._start and self._stop == second._stop and self._text == second._text

    def __hash__(self):
        return hash((self._text, self._start, self._stop))

    def __reduce__(self):
        return TextChunk, (self._text, self._start, self._stop)

    def __repr__(self):
        return f"TextChunk(text={self._text!r}, start={self._start}, stop={self._stop})"
