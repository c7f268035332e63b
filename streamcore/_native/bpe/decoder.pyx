# cython: language_level=3, freethreading_compatible=True
"""Streaming byte-pair decoder (twin: ``_pure.bpe.decoder``).

Goals: a model gives one id at a time, and most ids are whole text by themselves: such an id costs the look into a table
and the list around the str. Whole arrays go at the speed of copying their bytes and of Python's UTF-8 decoder.
Plan: ``TokenTexts`` has the str of each token that is valid UTF-8, made when it first comes up, for all streams of a
vocabulary. Everything else goes through ``take()``: the bytes of the ids (ids.h) behind those held back, then
decoded. Where a stop string may begin, ``StopFinder`` of the twin takes over.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_DecodeUTF8, PyUnicode_DecodeUTF8Stateful
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from streamcore._native.bpe.core cimport BPECore, bpe_decoder, bpe_valid_utf8
from streamcore._native.streams.closing cimport Stream
from streamcore._native.bpe.id_bytes cimport (
    SMALL,
    Output,
    begin_output,
    copy_tokens,
    free_output,
    reserve_output,
)
from streamcore._native.kernels.stack cimport STREAMCORE_FOR_CLOSE, STREAMCORE_FOR_NEXT, streamcore_check_stack
from streamcore._native.bpe.stop_strings cimport StopFinder

from streamcore._shared.driving import driven, executing
from streamcore._shared.notes import add_note, make_room, place, shown
from streamcore._shared.text_input import check_errors, invalid_utf8
from streamcore._shared.eager_utf8 import unfinished
from streamcore._shared.token_ids import id_list, unknown_id

cdef extern from "bpe/ids.h" nogil:
    int bpe_single_character(const uint8_t *p, size_t n)

cdef extern from "kernels/utf8_char.h" nogil:
    size_t utf8_held(const uint8_t *p, size_t n, int surrogates)

cdef extern from "bpe/id_lists.h":
    PyObject *bpe_slot_get(PyObject **slot)
    int bpe_slot_set(PyObject **slot, PyObject *object)
    bint bpe_list_idle(PyObject *last)  # no object: the call itself would hold a reference
    void bpe_list_set(PyObject *last, PyObject *item)

cdef extern from *:
    """
    static inline PyObject *sc_steal(PyObject *item) { return item; }
    """
    object sc_steal(PyObject *item)  # the reference is handed over
    PyObject *PyIter_Next(object iterator) except? NULL
    bint PyLong_CheckExact(object number)
    object PyUnicode_FromOrdinal(int ordinal)
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1

cdef enum:
    HELD = 4      # more bytes than an unfinished character has
    SHORT = 32    # bytes of a token that may be decoded the short way

cdef object NO_TEXT = None
cdef str NAME = "BPEDecoder"


cdef struct Progress:
    long long offset     # ids taken in
    long long decoded    # with "strict", bytes that became text; negative for those that the prompt left
    uint8_t held[HELD]   # of a character that is not whole
    int held_size


cdef list new_list():
    """An empty list with room for one item."""
    cdef list made = [None]
    bpe_list_set(<PyObject *>made, NULL)
    return made


@cython.final
cdef class TokenTexts:
    """The str of each id whose token is valid UTF-8, else NO_TEXT; a place is filled when its id first comes up."""

    cdef PyObject **texts
    cdef uint32_t size

    def __cinit__(self, BPECore core):
        self.texts = <PyObject **>PyMem_RawCalloc(core.decoder.size, sizeof(PyObject *))
        if self.texts == NULL:
            raise MemoryError
        self.size = core.decoder.size

    def __dealloc__(self):
        cdef uint32_t i
        if self.texts != NULL:
            for i in range(self.size):
                Py_XDECREF(self.texts[i])
            PyMem_RawFree(self.texts)

    cdef PyObject *fill(self, const bpe_decoder *d, uint32_t number) except NULL:
        """The str, or NO_TEXT, of an id that came up for the first time; the table owns it."""
        cdef uint32_t start = d.starts[number], size = d.starts[number + 1] - start
        text = NO_TEXT
        if size and bpe_valid_utf8(d.bytes + start, size):
            text = PyUnicode_DecodeUTF8(<const char *>d.bytes + start, size, NULL)
        if bpe_slot_set(&self.texts[number], <PyObject *>text):
            Py_INCREF(text)
        return bpe_slot_get(&self.texts[number])


cdef TokenTexts texts_of(BPECore core):
    """The table of a vocabulary, made for its first stream; None where the ids are far apart."""
    if core.texts is None and core.decoder.size:
        core.texts = TokenTexts(core)
    return core.texts


@cython.final
cdef class BPEDecoder:
    """BPEDecoder(core, *, errors='replace', prompt=(), stop=())\n--\n\n\
Engine that turns ids into text: ``feed(ids)`` takes an int, a list or an array and gives a list of str (one, or
    none).

    A character whose bytes have not all come is held back and nothing else is; bytes that are no UTF-8 are treated as
    ``errors`` says (``"strict"``, ``"replace"`` or ``"ignore"``). ``prompt`` are ids whose text was shown before: they
    give no text, but a character that they leave unfinished is completed. At the first of the strings ``stop`` the text
    ends before it, ``stopped`` is that string, and further ids are ignored. An id that is not in the vocabulary raises
    ValueError with its position, after the text before it.
    """

    cdef readonly object error   # what stopped the engine, else None
    cdef BPECore core
    cdef TokenTexts texts        # None where the ids are far apart
    cdef StopFinder stop
    cdef bytes errors
    cdef Progress progress, start
    cdef const bpe_decoder *tokens
    cdef PyObject **known        # the table of texts
    cdef bint strict
    cdef list last               # what feed() gave last
    cdef bint ended
    cdef bint busy               # a call is at work: whatever code it runs may not call the engine
    cdef bint driven             # an iterator has it, until that is exhausted, closed or dropped
    cdef bint ready              # whether one id may go the short way: the table is there, and nothing ended or failed

    def __cinit__(self, BPECore core not None, *, errors="replace", prompt=(), stop=()):
        cdef str handler = check_errors(errors)
        cdef bytes left
        self.core = core
        self.errors = handler.encode()
        self.stop = StopFinder(stop)
        self.strict = handler == "strict"
        self.tokens = &core.decoder
        self.texts = texts_of(core)
        self.known = NULL if self.texts is None else self.texts.texts
        left = unfinished(core.bytes_of(id_list(prompt, "prompt")))
        self.start.offset = 0
        self.start.decoded = -PyBytes_GET_SIZE(left)
        self.start.held_size = <int>PyBytes_GET_SIZE(left)
        memcpy(self.start.held, PyBytes_AS_STRING(left), self.start.held_size)
        self.clear()

    cdef int clear(self) except -1:
        self.stop.clear()
        self.error = None
        self.ended = False
        self.progress = self.start
        return self.settle()

    cdef int settle(self) except -1:
        """Find out whether the next id may go the short way."""
        self.ready = (
            self.texts is not None and self.error is None and not self.ended and self.stop.found is None
        )
        return 0

    # ---- the public face ----

    @property
    def offset(self):
        return self.progress.offset

    @property
    def stopped(self):
        """The stop string that ended the text."""
        return self.stop.found

    @cython.critical_section
    def feed(self, fragment):
        """Take in one fragment and give the list of items that are final now.

        An error in the input is raised once every item before it was given, and by every further call until
        ``reset()``. When anything else is raised (TypeError for a wrong fragment), nothing was taken in; or, where an
        encoder or a twin was stopped in the middle, every further call raises RuntimeError until ``reset()``.
        """
        cdef list items
        cdef PyObject *text = NULL
        if not bpe_list_idle(<PyObject *>self.last):
            self.last = new_list()  # before the state is looked at: a collection may run finalizers
        if self.ready and not self.driven and not self.busy and PyLong_CheckExact(fragment):
            if self.step(fragment, &text):
                bpe_list_set(<PyObject *>self.last, text)
                return self.last
        self.check_open("feed")
        self.busy = True
        try:
            items = self.take(fragment)
        finally:
            self.busy = False
        if self.error is not None and not items:
            raise self.error.with_traceback(None)
        return items

    @cython.critical_section
    def finish(self):
        """End the input and give the list of items that this completes; a second call gives an empty list."""
        cdef list items
        self.check_idle()
        if self.ended and self.error is None:
            return []
        self.check_open("finish")
        self.busy = True
        try:
            items = self.end()
        finally:
            self.busy = False
        if self.error is not None and not items:
            raise self.error.with_traceback(None)
        return items

    @cython.critical_section
    def reset(self):
        """Back to new: nothing taken in, no error."""
        self.check_idle()
        self.clear()

    @cython.critical_section
    def iterate(self, fragments):
        """Iterator of the items in ``fragments``, which it owns and closes exactly once, however it ends.

        Until it ends nothing else may drive the engine: ``feed``, ``finish``, ``reset`` and a second iterator are a
        ValueError. Closed or dropped midway, or after an exception of ``fragments``, it goes on from ``offset``.
        """
        return new_pieces(self, fragments)

    cdef int check_idle(self) except -1:
        if self.busy:
            raise executing(NAME)
        if self.driven:
            raise driven(NAME)
        return 0

    cdef int check_open(self, str call) except -1:
        self.check_idle()
        if self.error is not None:
            raise self.error.with_traceback(None)
        if self.ended:
            raise ValueError(f"{call}() after finish(): call reset() first")
        return 0

    # ---- one id ----

    cdef inline bint step(self, object number, PyObject **text) except -1:
        """Take in an id whose token is valid UTF-8, or becomes it with what is held or comes next; False if it is not.

        ``text`` is a new reference to what it gives, or stays NULL.
        """
        cdef int overflow = 0
        cdef long long value = PyLong_AsLongLongAndOverflow(number, &overflow)
        cdef const bpe_decoder *d = self.tokens
        cdef PyObject *found
        if value < 0 or value >= d.size:  # -1 also after an overflow
            return False
        if not self.progress.held_size:
            found = bpe_slot_get(&self.known[value])
            if found == NULL:
                found = self.texts.fill(d, <uint32_t>value)
            if found != <PyObject *>NO_TEXT:
                if self.stop.stops and not self.stop.passes(<object>found):
                    return False
                if self.strict:
                    self.progress.decoded += d.starts[value + 1] - d.starts[value]
                self.progress.offset += 1
                Py_INCREF(<object>found)
                text[0] = found
                return True
        return self.step_inside(<uint32_t>value, text)

    cdef bint step_inside(self, uint32_t number, PyObject **text) except -1:
        """As ``step`` for an id that begins or ends inside a character."""
        cdef const bpe_decoder *d = self.tokens
        cdef uint8_t data[SHORT + HELD]
        cdef size_t held = self.progress.held_size, size = d.starts[number + 1] - d.starts[number], left
        cdef int single
        if size == 0 or size > SHORT:
            return False
        memcpy(data, self.progress.held, HELD)
        memcpy(data + held, d.bytes + d.starts[number], size)
        size += held
        left = utf8_held(data, size, False)
        if left < size:
            if not bpe_valid_utf8(data, size - left):
                return False
            single = bpe_single_character(data, size - left)
            if single:  # saves 10 of 60 ns
                found = PyUnicode_FromOrdinal(single)
            else:
                found = PyUnicode_DecodeUTF8(<const char *>data, size - left, NULL)
            if self.stop.stops and not self.stop.passes(found):
                return False
            Py_INCREF(found)
            text[0] = <PyObject *>found
            if self.strict:
                self.progress.decoded += size - left
        memcpy(self.progress.held, data + size - left, left)
        self.progress.held_size = <int>left
        self.progress.offset += 1
        return True

    # ---- anything else ----

    cdef list take(self, object fragment):
        """What a fragment makes final; nothing is changed if this raises."""
        cdef uint8_t small[SMALL]
        cdef Output out
        cdef size_t known = 0, count
        cdef bint whole
        cdef object unknown = None
        cdef list ids
        begin_output(&out, small)
        try:
            whole = self.take_quickly(fragment, &known, &out)
            count = known
            if not whole:
                ids = id_list(fragment, NAME)
                count = len(ids)
                whole = self.take_quickly(ids, &known, &out)
                if not whole:
                    unknown = self.take_slowly(ids, &known, &out)
            return self.give(&out, known, count, unknown)
        finally:
            free_output(&out)

    cdef bint take_quickly(self, object ids, size_t *known, Output *out) except -1:
        """The bytes of ids behind those held, where ``copy_tokens`` knows them all."""
        if self.texts is None:
            return False
        self.begin(known, out)
        return copy_tokens(self.tokens, ids, known, out)

    cdef int begin(self, size_t *known, Output *out) noexcept:
        known[0] = 0
        memcpy(out.data, self.progress.held, HELD)
        out.made = self.progress.held_size
        return 0

    cdef object take_slowly(self, list ids, size_t *known, Output *out):
        """The same for ids far apart, and up to the first one that is unknown: the error for it, or None."""
        cdef size_t size
        self.begin(known, out)
        for number in ids:
            token = self.core.token(number)
            if token is None:
                return unknown_id(number, self.progress.offset + <long long>known[0])
            size = PyBytes_GET_SIZE(token)
            reserve_output(out, size)
            memcpy(out.data + out.made, PyBytes_AS_STRING(token), size)
            out.made += size
            known[0] += 1
        return None

    # ---- text ----

    cdef list give(self, Output *out, size_t known, size_t all_, object unknown):
        """The text of what was made of ``known`` of ``all_`` ids, before the error ``unknown`` if there is one."""
        cdef Progress saved = self.progress
        cdef list items = [None]
        cdef str text
        if self.stop.found is not None:
            items.clear()
            self.progress.offset += all_
            return items
        try:
            self.progress.offset += known
            text = self.decode(out.data, out.made, False)
            if unknown is not None and self.error is None:
                # what is held is shown as it is, as in front of any error
                text += self.decode(self.progress.held, self.progress.held_size, True)
                self.fail(unknown)
            return self.stopped_text(items, text, self.error is not None, saved.offset + <long long>all_)
        except BaseException:
            self.undo(&saved)
            raise

    cdef list end(self):
        """What the end of the input completes; nothing is changed if this raises."""
        cdef Progress saved = self.progress
        cdef list items = [None]
        cdef str text
        if self.stop.found is not None:
            items.clear()
            self.ended = True
            return items
        try:
            self.ended = True
            text = self.decode(self.progress.held, self.progress.held_size, True)
            return self.stopped_text(items, text, True, saved.offset)
        except BaseException:
            self.ended = False
            self.undo(&saved)
            raise

    cdef list stopped_text(self, list items, str text, bint final, long long offset):
        """``items`` with what the stop strings leave of ``text``. It changes their state after the last thing that can
        fail, so it is called last."""
        if not self.stop.passes(text):
            text = self.stop.cut(text, final)
            if self.stop.found is not None:  # what came after the stop string does not matter
                self.progress.offset = offset
                self.error = None
        if text:
            items[0] = text
        else:
            items.clear()
        self.settle()
        return items

    cdef int undo(self, Progress *saved) except -1:
        self.progress = saved[0]
        self.error = None
        return self.settle()

    cdef str decode(self, const uint8_t *data, size_t n, bint final):
        """The text of bytes that begin with those held; what may begin a character is held unless ``final``."""
        cdef Py_ssize_t used = n
        cdef str text
        try:
            text = PyUnicode_DecodeUTF8Stateful(<const char *>data, n, self.errors, NULL if final else &used)
        except UnicodeDecodeError as error:
            self.progress.held_size = 0
            self.fail(invalid_utf8(error, self.progress.decoded))
            return data[:error.start].decode()
        if used < <Py_ssize_t>n and not utf8_held(data + used, n - used, False):
            return self.decode(data, n, True)  # Python waits after ED A0, which only begins a surrogate
        if self.strict:
            self.progress.decoded += used
        self.progress.held_size = <int>(n - used)
        memcpy(self.progress.held, data + used, n - used)
        return text

    # ---- errors ----

    cdef int fail(self, object error) except -1:
        """Stop the engine: ``error`` is raised after the items already cut, and ever after."""
        self.annotate(error)
        self.error = error
        return 0

    cdef int annotate(self, object error) except -1:
        """Say where, unless a stage further up did."""
        place(error, f"BPEDecoder, at id {self.progress.offset} of its input")
        return 0


cdef Pieces new_pieces(BPEDecoder decoder, object fragments):
    cdef Pieces pieces = Pieces.__new__(Pieces)  # first: a collection may run finalizers
    decoder.check_open("iterate")
    decoder.busy = True
    try:
        pieces.source = iter(fragments)
        pieces.decoder = decoder
        decoder.driven = True
    finally:
        decoder.busy = False
    return pieces


@cython.final
cdef class Pieces(Stream):
    """Iterator of the text that a decoder makes of fragments of ids; owns and closes the fragments."""

    cdef BPEDecoder decoder
    cdef object pulled     # a fragment that there was no memory for; None otherwise
    cdef bint over         # the decoder has ended

    @cython.critical_section
    def __next__(self):
        if self.running:
            raise ValueError("generator already executing")
        if self.source is None:
            raise StopIteration
        streamcore_check_stack(STREAMCORE_FOR_NEXT)
        self.running = self.decoder.busy = True
        try:
            text = self.next_text()
        finally:
            self.running = False
            if self.source is not None:  # else the end has set the decoder free, for whoever uses it now
                self.decoder.busy = False
        if text is None:
            raise StopIteration
        return text

    @cython.critical_section
    def close(self):
        """Close the fragments and end the iteration; further calls do nothing."""
        if self.running:
            raise ValueError("generator already executing")
        streamcore_check_stack(STREAMCORE_FOR_CLOSE)
        self.end(None)

    def __del__(self):
        if not self.running:  # called by name, from code that runs within a call
            self.end(None)

    cdef list detach(self, error):
        self.decoder.busy = True
        owned = [self.source]
        self.source = self.pulled = None
        return owned

    cdef int let_go(self) noexcept:
        """After that the decoder is free."""
        self.running = self.decoder.busy = self.decoder.driven = False
        return 0

    cdef int shut_after(self, object error) except -1:
        """Close the source because of ``error``, which must not be lost to a second one."""
        self.decoder.annotate(error)
        make_room()
        try:
            self.end(None)
        except Exception as second:
            add_note(error, f"closing its source failed too: {shown(second)}")
        return 0

    cdef object next_text(self):
        """Pull fragments until there is text; None at the end, when the source has been closed.

        A MemoryError of the decoder leaves the stream as it was, so that ``next()`` can be tried again.
        """
        cdef BPEDecoder decoder = self.decoder
        cdef PyObject *text = NULL
        cdef list items
        while True:
            if self.over or decoder.error is not None:
                error = decoder.error
                if error is None:
                    self.end(None)
                    return None
                self.shut_after(error)
                raise error.with_traceback(None)
            if self.pulled is None and not self.pull_fragment():
                items = self.last()
            else:
                if decoder.ready and PyLong_CheckExact(self.pulled) and decoder.step(self.pulled, &text):
                    self.pulled = None
                    if text == NULL:
                        continue
                    return sc_steal(text)
                items = self.take()
            if items:
                return items[0]

    cdef bint pull_fragment(self) except -1:
        """Get the next fragment; False if no more is wanted, or there is none."""
        cdef PyObject *fragment
        try:
            PyErr_CheckSignals()
            if self.decoder.stop.found is not None:
                return False
            fragment = PyIter_Next(self.source)
        except BaseException as error:
            self.shut_after(error)
            raise
        if fragment == NULL:
            return False
        self.pulled = sc_steal(fragment)
        return True

    cdef list take(self):
        """Give the decoder its fragment."""
        cdef list items
        try:
            items = self.decoder.take(self.pulled)
        except MemoryError:
            raise
        except BaseException as error:
            self.shut_after(error)
            raise
        self.pulled = None
        return items

    cdef list last(self):
        cdef list items
        try:
            items = self.decoder.end()
        except MemoryError:
            raise
        except BaseException as error:
            self.shut_after(error)
            raise
        self.over = True
        return items
