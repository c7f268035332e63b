# cython: language_level=3, freethreading_compatible=True
"""Streaming byte-pair decoder (twin: ``_pure.bpe.decoder``).

Goals: a model gives one id at a time, and most ids are whole text by themselves: such an id costs the look into a table
and the list around the str. Whole arrays go at the speed of copying their bytes and of Python's UTF-8 decoder.
Plan: ``TokenTexts`` has the str of each token that is valid UTF-8, made when it first comes up, for all streams of a
vocabulary. Everything else goes through ``take()``: the bytes of the ids (ids.h) behind those held back, then
decoded. Where a stop string may begin, ``StopFinder`` of the twin takes over. Where a vocabulary has steps that make
text of tokens, these run in Python, and the table has the texts of tokens that come when they are at rest.
"""

from itertools import filterfalse

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_DecodeUTF8, PyUnicode_DecodeUTF8Stateful, PyUnicode_FromOrdinal
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from streamcore._native.bpe.core cimport BPECore, bpe_decoder
from streamcore._native.cpython cimport own
from streamcore._native.engine.engine cimport BaseEngine
from streamcore._native.bpe.id_bytes cimport (
    SMALL,
    Output,
    begin_output,
    copy_tokens,
    free_output,
    reserve_output,
)
from streamcore._native.bpe.stop_strings cimport StopFinder

from streamcore._shared.options import core_option
from streamcore._shared.text_input import check_errors, invalid_utf8
from streamcore._shared.eager_utf8 import unfinished
from streamcore._shared.token_ids import id_list, unknown_id
from streamcore.errors import InvalidEncoding

cdef extern from "bpe/ids.h" nogil:
    int bpe_single_character(const uint8_t *p, size_t n)

cdef extern from "kernels/utf8_char.h" nogil:
    size_t utf8_valid(const uint8_t *p, size_t n)
    size_t utf8_held(const uint8_t *p, size_t n, int surrogates)

cdef extern from "bpe/slots.h":
    PyObject *bpe_slot_get(PyObject **slot)
    int bpe_slot_set(PyObject **slot, PyObject *object)

cdef extern from "engine/lists.h":
    list streamcore_list_new()
    bint streamcore_list_idle(PyObject *last)  # no object: the call itself would hold a reference
    void streamcore_list_set(PyObject *last, PyObject *item)


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


@cython.final
cdef class TokenTexts:
    """The str of each id whose token is valid UTF-8, else NO_TEXT; a place is filled when its id first comes up."""

    cdef PyObject **texts
    cdef uint32_t size
    cdef object steps  # a TextDecoding, None where the text is that of the bytes

    def __cinit__(self, BPECore core):
        self.steps = core._texts
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
        if self.steps is not None:
            if size:
                text = self.steps.rest(number)
                text = NO_TEXT if text is None else text
        elif size and utf8_valid(d.bytes + start, size) == size:
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
cdef class BPEDecoder(BaseEngine):
    """BPEDecoder(core, *, errors='replace', prompt=(), stop=(), skip_special_tokens=False)\n--\n\n\
Engine that turns ids into text: ``feed(ids)`` takes an int, a list or an array and gives a list of str (one, or
    none).

    A character whose bytes have not all come is held back and nothing else is; bytes that are no UTF-8 are treated as
    ``errors`` says (``"strict"``, ``"replace"`` or ``"ignore"``). ``prompt`` are ids whose text was shown before: they
    give no text, but a character that they leave unfinished is completed. At the first of the strings ``stop`` the text
    ends before it, ``stopped`` is that string, and further ids are ignored. An id that is not in the vocabulary raises
    ValueError with its position, after the text before it. With ``skip_special_tokens``, special tokens give no text.
    """

    cdef BPECore core
    cdef TokenTexts texts        # None where the ids are far apart
    cdef StopFinder stop
    cdef bytes errors
    cdef Progress progress, start
    cdef const bpe_decoder *tokens
    cdef PyObject **known        # the table of texts
    cdef bint strict
    cdef list last               # what feed() gave last
    cdef PyObject *text          # what the fragment at hand made final, NULL for nothing
    cdef object run              # a TextRun, None where the text is that of the bytes
    cdef object hidden           # ids that give no text, None for none
    cdef list prompt
    cdef object halted           # what it raises once a step was broken off; made while there is memory

    def __cinit__(self, core, *, errors="replace", prompt=(), stop=(), skip_special_tokens=False):
        cdef BPECore known
        cdef str handler
        cdef bytes left
        core_option(core, BPECore)
        handler = check_errors(errors)
        self.name = NAME
        self.unit = "id"
        self.single = True
        known = self.core = <BPECore>core
        self.errors = handler.encode()
        self.stop = StopFinder(stop)
        self.strict = handler == "strict"
        self.tokens = &known.decoder
        self.texts = texts_of(known)
        self.known = NULL if self.texts is None else self.texts.texts
        self.hidden = known._hidden or None if skip_special_tokens else None
        self.prompt = self.shown(id_list(prompt, "prompt"))
        left = unfinished(known.bytes_of(self.prompt))
        self.start.offset = 0
        self.start.decoded = -PyBytes_GET_SIZE(left)
        self.start.held_size = <int>PyBytes_GET_SIZE(left)
        memcpy(self.start.held, PyBytes_AS_STRING(left), self.start.held_size)
        self.start_over()

    def __dealloc__(self):
        Py_XDECREF(self.text)

    @property
    def stopped(self):
        """The stop string that ended the text."""
        return self.stop.found

    # ---- driving ----

    cdef long long position(self) noexcept:
        return self.progress.offset

    cdef int start_over(self) except -1:
        self.stop.clear()
        self.progress = self.start
        self.ready = self.texts is not None
        steps = self.core._texts
        if steps is not None:
            self.halted = RuntimeError(
                f"{NAME} was stopped in the middle of a call, so that what follows may be wrong: call reset() first"
            )
            run = steps.run(self.errors.decode())
            run.begin_after(self.prompt)
            self.run = run
            self.progress.held_size = 0
            self.ready = self.ready and run.at_rest
        return 0

    cdef list shown(self, list ids):
        """The ids that give text."""
        if self.hidden is None or self.hidden.isdisjoint(ids):
            return ids
        return list(filterfalse(self.hidden.__contains__, ids))

    cdef list take_in(self, object fragment):
        cdef PyObject *text = NULL
        if not streamcore_list_idle(<PyObject *>self.last):
            self.last = streamcore_list_new()  # before the state is looked at: a collection may run finalizers
        if self.ready and not self.driven and not self.busy and self.at_once(fragment, &text):
            streamcore_list_set(<PyObject *>self.last, text)
            return self.last
        return BaseEngine.take_in(self, fragment)

    cdef bint at_once(self, object fragment, PyObject **item) except -1:
        if not PyLong_CheckExact(fragment):
            return False
        if self.hidden is not None and fragment in self.hidden:
            self.progress.offset += 1
            return True
        return self.step(fragment, item)

    cdef PyObject *take(self) except? NULL:
        cdef PyObject *text = self.text
        self.text = NULL
        return text

    cdef bint is_done(self) noexcept:
        return self.stop.found is not None

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
        return self.run is None and self.step_inside(<uint32_t>value, text)

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
            if utf8_valid(data, size - left) < size - left:
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

    cdef int open_fragment(self, object fragment) except -1:
        """Find what a fragment makes final; nothing is changed if this raises."""
        cdef uint8_t small[SMALL]
        cdef Output out
        cdef size_t known = 0, count
        cdef bint whole
        cdef object unknown = None
        cdef list ids
        if self.run is not None or self.hidden is not None:
            return self.take_by_rules(id_list(fragment, NAME))
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

    cdef int take_by_rules(self, list ids) except -1:
        """The same where special tokens are left out, or steps in Python make the text."""
        cdef uint8_t small[SMALL]
        cdef Output out
        cdef Progress saved = self.progress
        cdef size_t known = 0, count = len(ids), place = 0
        cdef object unknown = None
        for number in ids:
            if self.core.token(number) is None:
                unknown = unknown_id(number, self.progress.offset + <long long>place)
                ids = ids[:place]
                break
            place += 1
        ids = self.shown(ids)
        if self.run is not None:
            return self.give_by_steps(ids, place, count, unknown)
        begin_output(&out, small)
        try:
            if not self.take_quickly(ids, &known, &out):
                self.take_slowly(ids, &known, &out)
            return self.give(&out, place, count, unknown)
        except BaseException:
            self.back_to(&saved)
            raise
        finally:
            free_output(&out)

    cdef int give_by_steps(self, list ids, size_t known, size_t all_, object unknown) except -1:
        """As ``give`` for the text that the steps make; what breaks them off ends the stream."""
        cdef long long offset = self.progress.offset
        cdef str text = ""
        if self.stop.found is not None:
            self.progress.offset += all_
            return 0
        self.progress.offset += known
        try:
            try:
                text = self.run.feed(ids)
                if unknown is not None:
                    text += self.run.finish()
            except InvalidEncoding as error:
                self.fail(error, self.progress.offset)
            if unknown is not None and self.error is None:
                self.fail(unknown, self.progress.offset)
            self.give_until_stopped(text, self.error is not None, offset + <long long>all_)
        except BaseException:
            if self.error is None:
                self.error = self.halted
            raise
        return 0

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

    cdef int give(self, Output *out, size_t known, size_t all_, object unknown) except -1:
        """The text of what was made of ``known`` of ``all_`` ids, before the error ``unknown`` if there is one."""
        cdef Progress saved = self.progress
        cdef str text
        if self.stop.found is not None:
            self.progress.offset += all_
            return 0
        try:
            self.progress.offset += known
            text = self.decode(out.data, out.made, False)
            if unknown is not None and self.error is None:
                # what is held is shown as it is, as in front of any error
                text += self.decode(self.progress.held, self.progress.held_size, True)
                self.fail(unknown, self.progress.offset)
            return self.give_until_stopped(text, self.error is not None, saved.offset + <long long>all_)
        except BaseException:
            self.back_to(&saved)
            raise

    cdef int end(self) except -1:
        cdef Progress saved = self.progress
        cdef str text
        if self.stop.found is None and self.run is not None:
            self.end_steps()
        elif self.stop.found is None:
            try:
                text = self.decode(self.progress.held, self.progress.held_size, True)
                self.give_until_stopped(text, True, saved.offset)
            except BaseException:
                self.back_to(&saved)
                raise
        self.ready = False
        return 0

    cdef int end_steps(self) except -1:
        cdef str text = ""
        try:
            try:
                text = self.run.finish()
            except InvalidEncoding as error:
                self.fail(error, self.progress.offset)
            self.give_until_stopped(text, True, self.progress.offset)
        except BaseException:
            if self.error is None:
                self.error = self.halted
            raise
        return 0

    cdef int give_until_stopped(self, str text, bint final, long long offset) except -1:
        """Give what the stop strings leave of ``text``. It changes their state after the last thing that can fail, so
        it is called last."""
        if not self.stop.passes(text):
            text = self.stop.cut(text, final)
            if self.stop.found is not None:  # what came after the stop string does not matter
                self.progress.offset = offset
                self.error = None
        if text:
            self.text = own(text)
        self.ready = (
            self.texts is not None and self.error is None and self.stop.found is None
            and (self.run is None or self.run.at_rest)
        )
        return 0

    cdef int back_to(self, Progress *saved) except -1:
        self.progress = saved[0]
        self.error = None
        return 0

    cdef str decode(self, const uint8_t *data, size_t n, bint final):
        """The text of bytes that begin with those held; what may begin a character is held unless ``final``."""
        cdef Py_ssize_t used = n, bad = -1
        cdef str text
        try:
            text = PyUnicode_DecodeUTF8Stateful(<const char *>data, n, self.errors, NULL if final else &used)
        except UnicodeDecodeError as error:
            self.progress.held_size = 0
            self.fail(invalid_utf8(error, self.progress.decoded), self.progress.offset)
            bad = error.start
        if bad >= 0:
            return data[:bad].decode()
        if used < <Py_ssize_t>n and not utf8_held(data + used, n - used, False):
            return self.decode(data, n, True)  # Python waits after ED A0, which only begins a surrogate
        if self.strict:
            self.progress.decoded += used
        self.progress.held_size = <int>(n - used)
        memcpy(self.progress.held, data + used, n - used)
        return text
