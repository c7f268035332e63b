# cython: language_level=3, freethreading_compatible=True
"""Streaming byte-pair decoder (twin: ``_pure.bpe_decoder``).

Goals: a model gives one id at a time, and most ids are whole text by themselves: such an id costs the look into a table
and the list around the str. Whole arrays go at the speed of copying their bytes and of Python's UTF-8 decoder.
Plan: ``TokenTexts`` has the str of each token that is valid UTF-8, made when it first comes up, for all streams of a
vocabulary. Everything else goes through ``take()``: the bytes of the ids (bpe_ids.h) behind those held back, then
decoded. Where a stop string may begin, ``StopFinder`` of the twin takes over.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_DecodeUTF8, PyUnicode_DecodeUTF8Stateful
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from streamcore._native.bpe cimport BPE_SLACK, BPECore, bpe_decoder, bpe_valid_utf8
from streamcore._native.closing cimport Stream
from streamcore._native.stack cimport STREAMCORE_FOR_CLOSE, STREAMCORE_FOR_NEXT, streamcore_check_stack
from streamcore._native.stop_strings cimport StopFinder

from streamcore._pure.bpe_decoder import as_list, unfinished
from streamcore._pure.bpe_input import check_errors, invalid_utf8

cdef extern from "bpe_ids.h" nogil:
    enum: BPE_IDS_DONE
    enum: BPE_IDS_UNKNOWN
    enum: BPE_IDS_FULL

    ctypedef struct bpe_ids:
        const char *data
        Py_ssize_t stride
        size_t n
        int size

    int bpe_copy_ids(const bpe_decoder *d, const bpe_ids *ids, size_t *pos, uint8_t *out, size_t room, size_t *made)
    int bpe_ids_size(const char *format, Py_ssize_t itemsize)
    size_t bpe_unfinished(const uint8_t *p, size_t n)
    int bpe_single_character(const uint8_t *p, size_t n)

cdef extern from "id_lists.h":
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
    SMALL = 512   # bytes of text that are made on the stack
    SHORT = 32    # bytes of a token that may be decoded the short way
    BLOCK = 512   # ids of a list that are turned into C integers at a time

cdef object NO_TEXT = None


cdef struct Progress:
    long long offset     # ids taken in
    long long decoded    # with "strict", bytes that became text; negative for those that the prompt left
    uint8_t held[HELD]   # of a character that is not whole
    int held_size


cdef struct Output:      # bytes that are made, those held first
    uint8_t *data
    size_t made, room
    bint own


cdef list new_list():
    """An empty list with room for one item."""
    cdef list made = [None]
    bpe_list_set(<PyObject *>made, NULL)
    return made


cdef int grow(Output *out) except -1:
    """Twice the room and more."""
    cdef size_t room = 2 * out.room + SMALL
    cdef void *grown
    if out.own:
        grown = PyMem_RawRealloc(out.data, room)
    else:
        grown = PyMem_RawMalloc(room)
        if grown != NULL:
            memcpy(grown, out.data, out.made)
    if grown == NULL:
        raise MemoryError
    out.data, out.room, out.own = <uint8_t *>grown, room, True
    return 0


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
    cdef bint ready              # whether one id may go the short way: the table is there, and nothing ended or failed

    def __cinit__(self, BPECore core not None, *, errors="replace", prompt=(), stop=()):
        check_errors(errors)
        self.core = core
        self.errors = errors.encode()
        self.stop = StopFinder(stop)
        self.strict = errors == "strict"
        self.tokens = &core.decoder
        self.texts = texts_of(core)
        self.known = NULL if self.texts is None else self.texts.texts
        left = unfinished(core.decode_bytes(prompt))
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
        ``reset()``. When anything else is raised (TypeError for a wrong fragment), nothing was taken in.
        """
        cdef list items
        cdef PyObject *text = NULL
        if self.ready and PyLong_CheckExact(fragment):
            if not bpe_list_idle(<PyObject *>self.last):
                self.last = new_list()  # before the id is taken in: it may fail
            if self.step(fragment, &text):
                bpe_list_set(<PyObject *>self.last, text)
                return self.last
        self.check_open("feed")
        items = self.take(fragment)
        if self.error is not None and not items:
            raise self.error.with_traceback(None)
        return items

    @cython.critical_section
    def finish(self):
        """End the input and give the list of items that this completes; a second call gives an empty list."""
        cdef list items
        if self.ended and self.error is None:
            return []
        self.check_open("finish")
        items = self.end()
        if self.error is not None and not items:
            raise self.error.with_traceback(None)
        return items

    @cython.critical_section
    def reset(self):
        """Back to new: nothing taken in, no error."""
        self.clear()

    def iterate(self, fragments):
        """Iterator of the items in ``fragments``, which it owns and closes exactly once, however it ends."""
        self.check_open("iterate")
        return new_pieces(self, fragments)

    cdef int check_open(self, str call) except -1:
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
        left = bpe_unfinished(data, size)
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
        cdef size_t known = 0
        cdef bint whole
        cdef object ids = fragment, unknown = None
        out.data, out.made, out.room, out.own = small, 0, SMALL, False
        try:
            whole = self.take_quickly(fragment, &known, &out)
            if not whole:
                ids = as_list(fragment)
                out.made = known = 0
                whole = self.take_quickly(ids, &known, &out)
            if not whole:
                out.made = known = 0
                unknown = self.take_slowly(ids, &known, &out)
            return self.give(&out, known, known if unknown is None else len(ids), unknown)
        finally:
            if out.own:
                PyMem_RawFree(out.data)

    cdef bint take_quickly(self, object fragment, size_t *known, Output *out) except -1:
        """The bytes of a list or tuple of exact ints, or of a row of integers in memory; False if it is neither, or if
        not all ids are known."""
        cdef Py_buffer view
        cdef bpe_ids ids
        cdef size_t pos = 0
        cdef bint done
        if self.texts is None:
            return False
        self.begin(out)
        if type(fragment) is list or type(fragment) is tuple:
            return self.copy_numbers(fragment, known, out)
        if type(fragment) is int:
            return self.copy_numbers((fragment,), known, out)
        if not PyObject_CheckBuffer(fragment) or not hasattr(fragment, "tolist"):
            return False
        try:
            PyObject_GetBuffer(fragment, &view, PyBUF_FORMAT | PyBUF_STRIDES)
        except (BufferError, TypeError, ValueError):  # released, or no such format: the twin's way says what is wrong
            return False
        try:
            ids.size = bpe_ids_size(view.format, view.itemsize)
            if view.ndim > 1 or not ids.size:
                return False
            ids.data = <const char *>view.buf
            ids.n = view.shape[0] if view.ndim else 1
            ids.stride = view.strides[0] if view.ndim else 0
            self.reserve(out, ids.n)
            done = self.copy(&ids, &pos, out)
        finally:
            PyBuffer_Release(&view)
        known[0] = pos
        return done

    cdef int begin(self, Output *out) noexcept:
        memcpy(out.data, self.progress.held, HELD)
        out.made = self.progress.held_size
        return 0

    cdef int reserve(self, Output *out, size_t n) except -1:
        """Room for what ``n`` ids have as a rule."""
        while out.room < 4 * n + BPE_SLACK:
            grow(out)
        return 0

    cdef bint copy(self, const bpe_ids *ids, size_t *pos, Output *out) except -1:
        """The bytes of ids from ``pos`` on; False at one that is unknown."""
        cdef int state
        while True:
            state = bpe_copy_ids(self.tokens, ids, pos, out.data, out.room, &out.made)
            if state != BPE_IDS_FULL:
                return state == BPE_IDS_DONE
            grow(out)

    cdef bint copy_numbers(self, object numbers, size_t *known, Output *out) except -1:
        cdef uint32_t block[BLOCK]
        cdef bpe_ids ids
        cdef size_t pos
        cdef Py_ssize_t n = len(numbers), i
        cdef long long value
        cdef int overflow = 0
        ids.data, ids.stride, ids.n, ids.size = <const char *>block, sizeof(uint32_t), 0, sizeof(uint32_t)
        for i in range(n):
            number = (<list>numbers)[i] if type(numbers) is list else (<tuple>numbers)[i]
            if not PyLong_CheckExact(number):
                return False
            value = PyLong_AsLongLongAndOverflow(number, &overflow)
            if value < 0 or value >= self.tokens.size:
                return False
            block[ids.n] = <uint32_t>value
            ids.n += 1
            if ids.n == BLOCK or i == n - 1:
                pos = 0
                if not self.copy(&ids, &pos, out):
                    return False
                known[0] += pos
                ids.n = 0
        return True

    cdef object take_slowly(self, list ids, size_t *known, Output *out):
        """The same for ids far apart, and up to the first one that is unknown: the error for it, or None."""
        cdef size_t size
        self.begin(out)
        for number in ids:
            token = self.token(number)
            if token is None:
                return ValueError(f"unknown id {number} at position {self.progress.offset + <long long>known[0]}")
            size = PyBytes_GET_SIZE(token)
            while out.room - out.made < size:
                grow(out)
            memcpy(out.data + out.made, PyBytes_AS_STRING(token), size)
            out.made += size
            known[0] += 1
        return None

    cdef bytes token(self, object number):
        """The bytes of an id, or None if there is no such id."""
        cdef const bpe_decoder *d = self.tokens
        cdef uint32_t i
        if self.texts is None:
            return self.core.sparse.get(number)
        if not 0 <= number < d.size:
            return None
        i = number
        return d.bytes[d.starts[i]:d.starts[i + 1]] or None

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
        for note in getattr(error, "__notes__", ()):
            if isinstance(note, str) and note.startswith("in "):
                return 0
        error.add_note(f"in BPEDecoder, at id {self.progress.offset} of its input")
        return 0


cdef Pieces new_pieces(BPEDecoder decoder, object fragments):
    cdef Pieces pieces = Pieces.__new__(Pieces)
    pieces.source = iter(fragments)
    pieces.decoder = decoder
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
        self.running = True
        try:
            text = self.next_text()
        finally:
            self.running = False
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
        self.end(None)

    cdef list detach(self, error):
        owned = [self.source]
        self.source = self.pulled = None
        return owned

    cdef int shut_after(self, object error) except -1:
        """Close the source because of ``error``, which must not be lost to a second one."""
        self.decoder.annotate(error)
        try:
            self.end(None)
        except Exception as second:
            error.add_note(f"closing its source failed too: {second!r}")
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
            self.decoder.check_open("feed")
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
            self.decoder.check_open("finish")
            items = self.decoder.end()
        except MemoryError:
            raise
        except BaseException as error:
            self.shut_after(error)
            raise
        self.over = True
        return items
