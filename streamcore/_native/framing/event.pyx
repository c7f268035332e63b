# cython: language_level=3, freethreading_compatible=True
"""``Event``: what a server sent (twin: ``_pure.framing.event``)."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t

from streamcore._native.kernels.utf8_text cimport decode_span, NO_CHARACTER

from streamcore._shared.events import checked_event, encode_event, restore_event


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Event:
    """Event(event='message', data='', id='', retry=None)\n--\n\n\
    A server-sent event. ``id`` is the last event id when it was dispatched, ``retry`` the milliseconds that its
    block set. It cannot be changed. An empty ``event`` means ``"message"``, as in a stream.
    """

    __match_args__ = ("event", "data", "id", "retry")

    def __init__(self, event="message", data="", id="", retry=None):
        if self.made:
            raise TypeError("Event is made already and does not change")
        checked = checked_event(event, data, id, retry)
        if self.made:  # by foreign code meanwhile
            raise TypeError("Event is made already and does not change")
        self.name, self.held, self.last_id, self.milliseconds = checked
        self.made = True

    @property
    def event(self):
        """The name of the event."""
        return "message" if self.name is None else self.name

    @property
    @cython.critical_section
    def data(self):
        """Its data lines, joined by LF; bytes that are not UTF-8 are U+FFFD."""
        if self.held is None:
            return ""
        if PyBytes_CheckExact(self.held):
            self.held = decoded(self.held)
        return self.held

    @property
    def id(self):
        """The last event id when the event was dispatched."""
        return "" if self.last_id is None else self.last_id

    @property
    def retry(self):
        """The reconnection time in milliseconds that was set in the event's block, else None."""
        return self.milliseconds

    def encode(self):
        """The event as a server writes it; ValueError where a field cannot be written."""
        return encode_event(self.event, self.data, self.id, self.retry)

    def __repr__(self):
        return f"Event(event={self.event!r}, data={self.data!r}, id={self.id!r}, retry={self.retry!r})"

    def __hash__(self):
        return hash((self.event, self.data, self.id, self.retry))

    def __eq__(self, other):
        if not isinstance(other, Event):
            return NotImplemented
        cdef Event second = <Event> other
        return (self.data == second.data and self.event == second.event and self.id == second.id
                and self.retry == second.retry)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return restore_event, (self.event, self.data, self.id, self.retry)


cdef object decoded(bytes data):
    cdef Py_ssize_t used = 0, size = PyBytes_GET_SIZE(data)
    text = decode_span(<const uint8_t *> PyBytes_AS_STRING(data), size, NO_CHARACTER, False, 0, &used)
    if used < size:
        return data.decode("utf-8", "replace")
    return "" if text is None else text
