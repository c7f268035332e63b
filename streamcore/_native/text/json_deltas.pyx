# cython: language_level=3, freethreading_compatible=True
"""Engine that reads one JSON document as it grows (twin: ``_pure.text.json_deltas``); scanning in json_text.h.

Goals: each unit is looked at once, however the input is cut; nothing of the document is kept but the path and what a
value, key or escape has not come to its end of. Plan: a machine whose state is ``Parse``, the levels that are open, and
``pieces`` of a key or number that is unfinished. A failed call is undone: ``Parse`` is kept from the beginning of the
fragment, and levels that it changes are copied before. Snapshots are changed in place and cannot be undone: then the
engine refuses until ``reset()``.
"""

cimport cython
from cpython.float cimport PyFloat_FromDouble
from cpython.list cimport PyList_GET_SIZE
from cpython.long cimport PyLong_FromLongLong, PyLong_FromSsize_t
from cpython.mem cimport PyMem_RawFree, PyMem_RawRealloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF, Py_XINCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_FromOrdinal, PyUnicode_Substring
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from streamcore._native.cpython cimport own, steal
from streamcore._native.kernels.utf8_text cimport text_of
from streamcore._native.text.json_delta cimport delta
from streamcore._native.text.units cimport UnitEngine

from streamcore._shared import json_text
from streamcore._shared.json_text import delta_options, halted, number, too_deep, unexpected
from streamcore._shared.options import DEFAULT_MAX_SIZE, flag_option
from streamcore.errors import IncompleteItem, InvalidEncoding, ItemTooLarge

cdef extern from "text/json_text.h" nogil:
    enum:
        JSON_MINUS
        JSON_ZERO
        JSON_INT
        JSON_POINT
        JSON_E

    ptrdiff_t json_plain(const void *p, int width, ptrdiff_t i, ptrdiff_t n, int strict) noexcept
    uint32_t json_unit(const void *p, int width, ptrdiff_t i) noexcept
    int json_number(int at, uint32_t c) noexcept
    int json_number_is_whole(int at) noexcept
    int json_hex(uint32_t c) noexcept
    uint32_t json_escape(uint32_t c) noexcept

cdef extern from "kernels/utf8.h" nogil:
    int utf8_match(const uint8_t *p, size_t n, int surrogates, int *need) noexcept
    uint32_t utf8_code_point(const uint8_t *p, int length) noexcept
    size_t utf8_held(const uint8_t *p, size_t n, int surrogates) noexcept
    int utf8_bad_length(const uint8_t *p, size_t n) noexcept

cdef extern from *:
    """
    static inline int json_append(PyObject **left, PyObject *right) {
        PyUnicode_Append(left, right);
        return *left == NULL ? -1 : 0;
    }
    """
    int append_text "json_append"(PyObject **left, object right) except -1  # left is let go of where it fails
    double PyOS_string_to_double(const char *text, char **end, void *overflow) except? -1.0

cdef enum Mode:
    START      # nothing came yet
    BOM        # of a byte-order mark, `matched` bytes
    FENCE      # before the document: `matched` backticks, 3: up to the end of the line
    VALUE
    FIRST_ITEM
    FIRST_KEY
    KEY
    COLON
    AFTER
    STRING
    NUMBER
    LITERAL
    END

cdef enum:
    SHORT = 18  # digits of an int that is made without a str

cdef float_type = float
cdef tuple NAMES = tuple(json_text.LITERALS)
cdef tuple VALUES = tuple(json_text.LITERALS.values())


cdef struct Level:
    PyObject *key     # of the value that is read, or was last
    PyObject *path    # of the array or object; NULL without deltas
    Py_ssize_t index  # in an array
    int array


cdef struct Parse:
    Mode mode
    Py_ssize_t depth
    bint in_key       # the string is one
    bint comma        # a comma came last
    bint fenced       # backticks stand before the document
    bint given        # a piece of the string, or its place in the snapshot
    int escape        # 0 none, 1 after the backslash, 2 to 5 before a digit
    uint32_t digits[4]
    uint32_t code
    uint32_t high     # a first surrogate by escape, whose second one may come
    uint8_t held[4]   # of a character that is not whole
    int held_size
    int number        # how far it has come: JSON_MINUS ...
    bint floating
    int literal
    int matched
    long long token   # stream offset of the key, string or number


@cython.final
cdef class JSONDeltasEngine(UnitEngine):
    """Reads one JSON document as it grows, from str or UTF-8: ``JSONDelta(path, value, done)``, or snapshots.

    Strings come in pieces, or with ``whole_strings`` once. ``as_="snapshot"`` gives after each fragment that changed it
    the value so far, one object changed in place. ``max_size`` bounds a key, a number and a whole string. Not
    ``strict``, it takes backticks around the document, trailing commas, control characters in strings, unknown escapes
    (as they are written), an end too early, and text after the end (``rest``).
    """

    cdef bint strict, snapshots, whole_strings
    cdef Py_ssize_t max_depth
    cdef object parse_float
    cdef Parse s, saved
    cdef Level *levels
    cdef Py_ssize_t capacity
    cdef Level *undo          # levels as they were when the fragment began, from the top one down to `floor`
    cdef Py_ssize_t undo_size, undo_capacity, floor
    cdef bint changing        # a fragment is in work
    cdef tuple path, saved_path  # of the string that is open
    cdef list pieces, saved_list  # of a key, number or whole string that began in an earlier fragment
    cdef Py_ssize_t saved_pieces
    cdef list after           # pieces of the text after the end
    cdef Py_ssize_t saved_after
    cdef long long after_size, saved_after_size
    cdef list containers      # of the snapshot, those that are open
    cdef object root          # the snapshot
    cdef object halt          # the error where a change of it was stopped midway
    cdef object growing       # the string of it that is open
    cdef bint changed         # since it was given
    cdef long long began      # stream offset of the document
    # What a part of take_string() tells besides its result.
    cdef str part, wrong
    cdef object failure
    cdef int right            # bytes before it of a character that then is none

    def __cinit__(self, *, strict=True, max_depth=512, max_size=DEFAULT_MAX_SIZE, as_="delta", whole_strings=False,
                  parse_float=float):
        self.strict = flag_option("strict", strict)
        self.whole_strings = flag_option("whole_strings", whole_strings)
        self.max_depth, size, self.snapshots, self.parse_float = delta_options(
            max_depth, max_size, as_, parse_float)
        self.configure("JSONDeltas", bytes, False, size, "raise", "emit")
        self.pieces = []
        self.after = []
        self.containers = []
        self.halt = halted()

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.s.depth):
            drop_level(&self.levels[i])
        for i in range(self.undo_size):
            drop_level(&self.undo[i])
        PyMem_RawFree(self.levels)
        PyMem_RawFree(self.undo)

    @property
    def rest(self):
        """Not ``strict``: the text after the document, without the backticks that belong to those before it."""
        cdef object blank = " \t\r\n" if self.text else b" \t\r\n"
        text = ("" if self.text else b"").join(self.after).lstrip(blank)
        if self.s.fenced and text.startswith("```" if self.text else b"```"):
            text = text[3:].lstrip(blank)
        return text

    def batches(self, fragments):
        """Not for deltas: TypeError."""
        raise TypeError("JSONDeltas has no batches(): use iterate()")

    # ---- what a fragment changes, and how that is undone ----

    cdef int begin(self) except -1:
        if self.changing:
            self.changing = False
            self.roll_back()
        if self.owner is not None:
            self.start_change()
        return 0

    cdef int start_change(self) noexcept:
        self.saved = self.s
        self.saved_path = self.path
        self.saved_list = self.pieces
        self.saved_pieces = PyList_GET_SIZE(self.pieces)
        self.saved_after = PyList_GET_SIZE(self.after)
        self.saved_after_size = self.after_size
        self.floor = self.s.depth
        self.changing = True
        return 0

    cdef int settle(self) except -1:
        self.take_kind()
        self.commit()
        self.progress.start = 0
        return 0

    cdef int end(self) except -1:
        self.start_change()
        return 0

    cdef int commit(self) noexcept:
        self.changing = False
        while self.undo_size:
            self.undo_size -= 1
            drop_level(&self.undo[self.undo_size])
        return 0

    cdef int roll_back(self) except -1:
        if self.error is not None:
            self.commit()
            return 0
        if self.snapshots:
            self.commit()
            self.error = self.halt
            return 0
        while self.s.depth > self.floor:
            self.s.depth -= 1
            drop_level(&self.levels[self.s.depth])
        while self.undo_size:
            self.undo_size -= 1
            self.levels[self.s.depth] = self.undo[self.undo_size]
            self.s.depth += 1
        self.s = self.saved
        self.path = self.saved_path
        self.pieces = self.saved_list
        del self.pieces[self.saved_pieces:]
        del self.after[self.saved_after:]
        self.after_size = self.saved_after_size
        return 0

    cdef int touch(self) except -1:
        """The top level is about to change."""
        cdef Level *level
        cdef void *grown
        if self.s.depth > self.floor or self.snapshots:
            return 0
        if self.undo_size == self.undo_capacity:
            grown = PyMem_RawRealloc(self.undo, (self.undo_capacity + 16) * sizeof(Level))
            if grown == NULL:
                raise MemoryError()
            self.undo = <Level *> grown
            self.undo_capacity += 16
        level = &self.levels[self.s.depth - 1]
        self.undo[self.undo_size] = level[0]
        Py_XINCREF(level.key)
        Py_XINCREF(level.path)
        self.undo_size += 1
        self.floor = self.s.depth - 1
        return 0

    cdef int clear(self) except -1:
        cdef Parse new
        if self.error is not None and self.owner is not None:  # an iterator ends; nothing goes on before reset()
            return 0
        UnitEngine.clear(self)
        self.commit()
        while self.s.depth:
            self.s.depth -= 1
            drop_level(&self.levels[self.s.depth])
        new.mode = START
        new.depth = 0
        new.in_key = new.comma = new.fenced = new.given = new.floating = False
        new.escape = new.held_size = new.number = new.literal = new.matched = 0
        new.code = new.high = 0
        new.token = 0
        self.s = new
        self.path = None
        self.pieces = []
        self.after = []
        self.after_size = 0
        self.containers = []
        self.root = self.growing = None
        self.changed = False
        self.began = self.base
        return 0

    # ---- what is given ----

    cdef tuple path_here(self):
        """The path of the value that is read."""
        cdef Py_ssize_t i, depth = self.s.depth
        cdef tuple made = PyTuple_New(depth)
        for i in range(depth):
            key = <object> self.levels[i].key
            Py_INCREF(key)
            PyTuple_SET_ITEM(made, i, key)
        return made

    cdef tuple path_around(self):
        """The path of the array or object that is open."""
        return self.path_here()[:-1]

    cdef PyObject *scalar(self, object value) except? NULL:
        """A value that is whole; NULL without deltas."""
        cdef PyObject *item = NULL
        if self.snapshots:
            self.put(value)
        else:
            item = delta(self.path_here(), value, True)
        self.after_value()
        return item

    cdef int after_value(self) noexcept:
        self.s.mode = AFTER if self.s.depth else END
        return 0

    cdef int put(self, object value) except -1:
        """Set the value that is read in the snapshot."""
        cdef Level *level
        if not self.s.depth:
            self.root = value
        else:
            level = &self.levels[self.s.depth - 1]
            container = self.containers[self.s.depth - 1]
            if not level.array:
                (<dict> container)[<object> level.key] = value
            elif level.index < PyList_GET_SIZE(container):
                (<list> container)[level.index] = value
            else:
                (<list> container).append(value)
        self.changed = True
        return 0

    cdef int grow(self, object text) except -1:
        """Add to the open string of the snapshot. While nothing else has it, its memory grows in place: what comes a
        few characters at a time costs no copy of what is there."""
        cdef PyObject *grown
        if not self.s.given:
            self.growing = text
            self.s.given = True
            return self.put(text)
        if not text:
            return 0
        self.error = self.halt  # until it is whole again
        self.put(None)
        grown = own(self.growing)
        self.growing = None
        append_text(&grown, text)
        self.growing = steal(grown)
        self.put(self.growing)
        self.error = None
        return 0

    cdef PyObject *open(self, bint array) except? NULL:
        """An array or object begins at ``progress.start``."""
        cdef Level *level
        cdef void *grown
        cdef PyObject *item = NULL
        cdef tuple path = None
        if self.s.depth == self.max_depth:
            self.stop(too_deep(self.max_depth, self.base + self.progress.start, self.path_here()))
            return NULL
        if self.s.depth == self.capacity:
            grown = PyMem_RawRealloc(self.levels, (2 * self.capacity + 8) * sizeof(Level))
            if grown == NULL:
                raise MemoryError()
            self.levels = <Level *> grown
            self.capacity = 2 * self.capacity + 8
        value = [] if array else {}
        if self.snapshots:
            self.put(value)
            self.containers.append(value)
        else:
            path = self.path_here()
            item = delta(path, value, False)
        level = &self.levels[self.s.depth]
        level.key = own(0)  # replaced before it shows in an object
        level.path = NULL if path is None else own(path)
        level.index = 0
        level.array = array
        self.s.depth += 1
        self.s.mode = FIRST_ITEM if array else FIRST_KEY
        self.progress.start += 1
        return item

    cdef PyObject *close(self) except? NULL:
        """The array or object ends."""
        cdef Level *level = &self.levels[self.s.depth - 1]
        cdef PyObject *item = NULL
        self.touch()
        if self.snapshots:
            self.containers.pop()
        else:
            item = delta(<tuple> level.path, [] if level.array else {}, True)
        self.s.depth -= 1
        drop_level(level)
        self.after_value()
        self.progress.start += 1
        return item

    # ---- errors ----

    cdef int stop(self, object error) except -1:
        self.fail(error, error.offset)
        return 0

    cdef int refuse(self, str expected, bint around) except -1:
        self.stop(unexpected(
            expected, self.base + self.progress.start, self.path_around() if around else self.path_here()))
        return 0

    cdef int refuse_structure(self) except -1:
        """Something else stands here than what the mode asks for."""
        cdef Mode mode = self.s.mode
        if mode == FIRST_ITEM:
            return self.refuse(json_text.FIRST_ITEM, True)
        if mode == FIRST_KEY:
            return self.refuse(json_text.FIRST_KEY, True)
        if mode == KEY:
            return self.refuse(json_text.KEY, True)
        if mode == COLON:
            return self.refuse(json_text.COLON, False)
        if mode == AFTER:
            if self.levels[self.s.depth - 1].array:
                return self.refuse(json_text.AFTER_ITEM, True)
            return self.refuse(json_text.AFTER_MEMBER, True)
        if mode == END:
            return self.refuse(json_text.END, False)
        if mode == FENCE:
            return self.refuse(json_text.FENCE, False)
        return self.refuse(json_text.VALUE, False)

    cdef Py_ssize_t most(self) noexcept:
        """Up to where the key, number or whole string may reach."""
        cdef long long room = self.s.token - self.base
        if self.max_size >= self.length - room:
            return self.length
        return <Py_ssize_t> room + self.max_size

    cdef int too_large(self, Py_ssize_t at) except -1:
        self.progress.start = at
        return self.stop(ItemTooLarge(self.max_size + 1, self.max_size, self.s.token))

    # ---- the machine ----

    cdef PyObject *take(self) except? NULL:
        cdef PyObject *item
        if self.ended:
            item = self.take_end()
        else:
            item = self.take_next()
        if item == NULL and self.changed:
            self.changed = False
            return own(self.root)
        return item

    cdef PyObject *take_next(self) except? NULL:
        """The next delta, NULL where the fragment ends or an error stands."""
        cdef PyObject *item
        cdef Mode mode
        cdef uint32_t c
        while self.progress.start < self.length and self.error is None:
            mode = self.s.mode
            if mode == STRING:
                item = self.take_string()
            elif mode == NUMBER:
                item = self.take_number()
            elif mode == LITERAL:
                item = self.take_literal()
            elif mode < VALUE and self.take_start():
                continue
            else:
                c = json_unit(self.ptr, self.width, self.progress.start)
                if (c == 32 or c == 10 or c == 13 or c == 9) and not self.after_size:
                    self.progress.start += 1
                    continue
                if mode == END:
                    self.take_after()
                    continue
                item = self.take_structure(c)
            if item != NULL:
                return item
        return NULL

    cdef bint take_start(self) except -1:
        """What may stand before the document; False where the document begins."""
        cdef uint32_t c = json_unit(self.ptr, self.width, self.progress.start)
        cdef bint first = self.base + self.progress.start == self.began
        if self.s.mode == BOM:
            if c != (0xBB if self.s.matched == 1 else 0xBF):
                self.refuse(json_text.VALUE, False)
                return True
            self.s.matched += 1
            if self.s.matched == 3:
                self.s.mode = VALUE if self.strict else START
        elif self.s.mode == FENCE:
            if self.s.matched == 3:
                if c == 10:
                    self.s.mode = VALUE
            elif c == 96:
                self.s.matched += 1
                self.s.fenced = True
            else:
                self.refuse_structure()
                return True
        elif first and not self.text and c == 0xEF:
            self.s.mode, self.s.matched = BOM, 1
        elif not self.strict and first and self.text and c == 0xFEFF:
            pass
        elif not self.strict and c == 96:
            self.s.mode, self.s.matched = FENCE, 1
        elif c == 32 or c == 10 or c == 13 or c == 9:
            pass
        else:
            self.s.mode = VALUE
            return True
        self.progress.start += 1
        return True

    cdef int take_after(self) except -1:
        """Something stands behind the document."""
        cdef Py_ssize_t start = self.progress.start
        if self.strict:
            return self.refuse_structure()
        if not self.after_size:
            self.s.token = self.base + start
        if self.after_size + self.length - start > self.max_size:
            return self.too_large(start)
        self.after.append(self.units(start, self.length))
        self.after_size += self.length - start
        self.progress.start = self.length
        return 0

    cdef PyObject *take_structure(self, uint32_t c) except? NULL:
        cdef Mode mode = self.s.mode
        cdef Level *level = NULL
        if self.s.depth:
            level = &self.levels[self.s.depth - 1]
        if mode == AFTER:
            if c == 44:  # ,
                if level.array:
                    index = PyLong_FromSsize_t(level.index + 1)
                    self.touch()
                    replace(&level.key, index)
                    level.index += 1
                    self.s.mode = VALUE
                else:
                    self.s.mode = KEY
                self.s.comma = True
                self.progress.start += 1
                return NULL
            if c == (93 if level.array else 125):
                return self.close()
        elif mode == COLON:
            if c == 58:
                self.s.mode = VALUE
                self.s.comma = False
                self.progress.start += 1
                return NULL
        elif mode == KEY or mode == FIRST_KEY:
            if c == 34:
                self.s.in_key = True
                self.begin_string()
                return NULL
            if c == 125 and (mode == FIRST_KEY or not self.strict):
                return self.close()
        elif c == 34:
            self.s.in_key = False
            if self.snapshots:
                if not self.whole_strings:
                    self.s.given = False
                    self.grow("")
            else:
                self.path = self.path_here()
            self.begin_string()
            return NULL
        elif c == 123 or c == 91:
            return self.open(c == 91)
        elif c == 93 and (mode == FIRST_ITEM or (self.s.comma and not self.strict)):
            return self.close()
        elif c == 45 or c - 48 < 10:
            self.s.mode = NUMBER
            self.s.number = JSON_MINUS if c == 45 else json_number(JSON_MINUS, c)
            self.s.floating = False
            self.s.token = self.base + self.progress.start
            return self.take_number()
        elif self.begin_literal(c):
            return NULL
        self.refuse_structure()
        return NULL

    cdef int begin_string(self) noexcept:
        self.progress.start += 1
        self.s.mode = STRING
        self.s.token = self.base + self.progress.start
        return 0

    # ---- numbers and literals ----

    cdef bint begin_literal(self, uint32_t c) noexcept:
        self.s.literal = (
            0 if c == 116 else 1 if c == 102 else 2 if c == 110 else 3 if c == 78 else 4 if c == 73 else -1)
        if self.s.literal < 0:
            return False
        self.s.mode = LITERAL
        self.s.matched = 1
        self.progress.start += 1
        return True

    cdef PyObject *take_literal(self) except? NULL:
        cdef str name = <str> NAMES[self.s.literal]
        cdef Py_ssize_t size = len(name)
        while self.s.matched < size:
            if self.progress.start == self.length:
                return NULL
            if json_unit(self.ptr, self.width, self.progress.start) != <uint32_t> name[self.s.matched]:
                self.refuse(f"the literal {name}", False)
                return NULL
            if self.s.matched + 1 == size:
                break
            self.s.matched += 1
            self.progress.start += 1
        cdef PyObject *item = self.scalar(VALUES[self.s.literal])
        self.progress.start += 1
        return item

    cdef PyObject *take_number(self) except? NULL:
        cdef Py_ssize_t start = self.progress.start, i = start, most = self.most()
        cdef int at = self.s.number, next_
        cdef bint floating = self.s.floating
        cdef PyObject *item
        cdef uint32_t c = 0
        if self.base + i == self.s.token:
            i += 1
        while i < self.length:
            c = json_unit(self.ptr, self.width, i)
            next_ = json_number(at, c)
            if not next_:
                break
            floating |= next_ == JSON_POINT or next_ == JSON_E
            at = next_
            i += 1
        if i > most:
            self.too_large(most)
            return NULL
        if i == self.length or not json_number_is_whole(at):
            if i < self.length and at == JSON_MINUS and c == 73:
                self.s.mode, self.s.literal, self.s.matched = LITERAL, 5, 1
                self.pieces = []
                self.progress.start = i
                return NULL
            if i < self.length:
                self.progress.start = i
                self.refuse(json_text.DIGIT, False)
                return NULL
            self.pieces.append(self.text_between(start, i))
            self.s.number, self.s.floating = at, floating
            self.progress.start = i
            return NULL
        value = self.number_between(start, i, floating)
        if self.error is not None:
            return NULL
        fresh = [] if PyList_GET_SIZE(self.pieces) else self.pieces
        item = self.scalar(value)
        self.pieces = fresh
        self.progress.start = i
        return item

    cdef object number_between(self, Py_ssize_t start, Py_ssize_t stop, bint floating):
        """The value of the number that ends at ``stop``."""
        cdef long long value = 0
        cdef Py_ssize_t i
        cdef char copy[64]
        if not PyList_GET_SIZE(self.pieces) and stop - start <= SHORT and not floating:
            for i in range(start, stop):
                if i > start or json_unit(self.ptr, self.width, i) != 45:
                    value = 10 * value + <long long> (json_unit(self.ptr, self.width, i) - 48)
            return PyLong_FromLongLong(-value if json_unit(self.ptr, self.width, start) == 45 else value)
        if (floating and self.parse_float is float_type and self.width == 1 and stop - start < 64
                and not PyList_GET_SIZE(self.pieces)):
            memcpy(copy, self.ptr + start, stop - start)
            copy[stop - start] = 0
            return PyFloat_FromDouble(PyOS_string_to_double(copy, NULL, NULL))
        text = "".join([*self.pieces, self.text_between(start, stop)])
        try:
            return number(text, floating, self.parse_float)
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            self.fail(error, self.s.token)
        return None

    cdef str text_between(self, Py_ssize_t start, Py_ssize_t stop):
        if self.text:
            return PyUnicode_Substring(self.owner, start, stop)
        return text_of(self.ptr + start, stop - start)

    # ---- strings ----

    cdef PyObject *take_string(self) except? NULL:
        """Read on in a string or key; NULL also where a key ends, or nothing is certain yet."""
        cdef Parse s = self.s  # what it becomes
        cdef Py_ssize_t i = self.progress.start, n = self.length, most = n
        cdef bint counts = s.in_key or self.whole_strings, closed = False
        cdef str text = None
        cdef list parts = None
        cdef uint32_t c
        self.wrong = None
        self.failure = None
        self.right = 0
        if counts:
            most = self.most()
        while i < n:
            self.part = None
            if s.held_size:
                i = self.complete(&s, i)
            else:
                c = json_unit(self.ptr, self.width, i)
                if s.escape:
                    i += self.escape(&s, c)
                elif s.high and c != 92:
                    self.part = character(s.high)
                    s.high = 0
                elif c == 34:
                    closed = True
                    i += 1
                    break
                elif c == 92:
                    s.escape = 1
                    i += 1
                elif c < 32 and self.strict:
                    self.wrong = json_text.CONTROL
                else:
                    i = self.plain(&s, i, json_plain(self.ptr, self.width, i, n, self.strict))
            if self.part is not None:
                if text is None:
                    text = self.part
                else:
                    if parts is None:
                        parts = [text]
                    parts.append(self.part)
            if i + self.right > most or self.wrong is not None or self.failure is not None:
                break
        if parts is not None:
            text = "".join(parts)
        if closed:
            return self.end_string(&s, text, i)
        if i + self.right > most:
            self.too_large(most)
            return NULL
        if (self.wrong is not None or self.failure is not None) and (counts or not text):
            self.progress.start = i
            if self.failure is not None:
                self.stop(self.failure)
            else:
                self.refuse(self.wrong, s.in_key)
            return NULL
        if counts:
            if text:
                self.pieces.append(text)
            self.s = s
            self.progress.start = i
            return NULL
        return self.give_piece(&s, text, i)

    cdef PyObject *give_piece(self, Parse *s, str text, Py_ssize_t stop) except? NULL:
        """What came of a string that goes on."""
        cdef PyObject *item = NULL
        if text:
            if self.snapshots:
                self.grow(text)
                s.given = True
            else:
                item = delta(self.path, text, False)
        self.s = s[0]
        self.progress.start = stop
        return item

    cdef PyObject *end_string(self, Parse *s, str text, Py_ssize_t stop) except? NULL:
        """The string or key has come to its end."""
        cdef PyObject *item = NULL
        cdef list fresh = self.pieces
        if text is None:
            text = ""
        if PyList_GET_SIZE(self.pieces):
            text = "".join([*self.pieces, text])
            fresh = []
        if s.in_key:
            self.touch()
            replace(&self.levels[self.s.depth - 1].key, text)
            s.mode = COLON
        else:
            if not self.snapshots:
                item = delta(self.path, text, True)
            elif self.whole_strings:
                self.put(text)
            else:
                self.grow(text)
                self.growing = None
            s.mode = AFTER if s.depth else END
        self.pieces = fresh
        self.s = s[0]
        self.progress.start = stop
        return item

    cdef Py_ssize_t plain(self, Parse *s, Py_ssize_t start, Py_ssize_t stop) except -1:
        """The text [start, stop), without an unfinished character at the end of the fragment, which is held.

        Returns how far that goes.
        """
        cdef Py_ssize_t held = 0, used = -1
        if self.text:
            self.part = PyUnicode_Substring(self.owner, start, stop)
            return stop
        if stop == self.length:
            held = <Py_ssize_t> utf8_held(self.ptr + start, stop - start, True)
        if stop - held > start:
            try:
                self.part = text_of(self.ptr + start, stop - held - start)
            except UnicodeDecodeError:
                used = self.odd_text(start, stop - held)
            if used >= 0 and self.failure is not None:
                return used
        memcpy(s.held, self.ptr + stop - held, held)
        s.held_size = <int> held
        return stop

    cdef Py_ssize_t odd_text(self, Py_ssize_t start, Py_ssize_t stop) except -1:
        """As ``plain()``, of bytes with surrogates, which ``json.loads`` takes, or that are no UTF-8."""
        cdef Py_ssize_t i = start
        cdef int need = 0, size = 0, right
        while i < stop:
            right = utf8_match(self.ptr + i, stop - i, True, &need)
            if right != need or not need:
                self.right = right if need else 0
                size = utf8_bad_length(self.ptr + i, stop - i)
                break
            i += need
        if i < stop:
            bad = self.ptr[i:i + size]
            reason = "invalid continuation byte" if need else "invalid start byte"
            self.failure = InvalidEncoding("utf-8", bad, 0, size, reason, self.base + i)
        if i > start:
            self.part = self.ptr[start:i].decode("utf-8", "surrogatepass")
        return i

    cdef Py_ssize_t complete(self, Parse *s, Py_ssize_t start) except -1:
        """The character that earlier fragments began, with the bytes from ``start`` on; returns where those after it
        are."""
        cdef uint8_t data[8]
        cdef int held = s.held_size, need = 0, right
        cdef Py_ssize_t more = min(<Py_ssize_t> 4 - held, self.length - start)
        memcpy(data, s.held, held)
        memcpy(data + held, self.ptr + start, more)
        right = utf8_match(data, held + more, True, &need)
        if right == need:
            self.part = character(utf8_code_point(data, need))
            s.held_size = 0
            return start + need - held
        if right == held + more:
            memcpy(s.held, data, right)
            s.held_size = right
            return self.length
        self.right = right - held
        right = utf8_bad_length(data, held + more)
        self.failure = InvalidEncoding(
            "utf-8", data[:right], 0, right, "invalid continuation byte", self.base + start - held)
        return start

    cdef int escape(self, Parse *s, uint32_t c) except -1:
        """One unit of an escape; returns 1, or 0 where the unit is looked at once more."""
        cdef int digit
        cdef uint32_t simple
        if s.escape == 1:
            if c == 117:  # u
                s.escape = 2
                s.code = 0
                return 1
            simple = json_escape(c)
            if s.high:
                self.part = character(s.high)
                s.high = 0
                return 0
            if simple:
                self.part = character(simple)
                s.escape = 0
                return 1
            if self.strict:
                self.wrong = json_text.ESCAPE
            else:
                self.part = "\\"
                s.escape = 0
            return 0
        digit = json_hex(c)
        if digit < 0:
            if s.high:
                self.part = character(s.high)
                s.high = 0
            elif self.strict:
                self.wrong = json_text.HEX
            else:
                self.part = self.as_written(s)
                s.escape = 0
            return 0
        s.digits[s.escape - 2] = c
        s.code = 16 * s.code + <uint32_t> digit
        s.escape += 1
        if s.escape < 6:
            return 1
        s.escape = 0
        if s.high and 0xDC00 <= s.code < 0xE000:
            self.part = character(0x10000 + ((s.high - 0xD800) << 10) + s.code - 0xDC00)
            s.high = 0
            return 1
        if s.high:
            self.part = character(s.high)
            s.high = 0
        if 0xD800 <= s.code < 0xDC00:
            s.high = s.code
        else:
            self.part = character(s.code) if self.part is None else self.part + character(s.code)
        return 1

    cdef str as_written(self, Parse *s):
        """The escape that turned out to be none."""
        cdef int i
        text = "\\u"
        for i in range(s.escape - 2):
            text += character(s.digits[i])
        return text

    # ---- the end of the input ----

    cdef PyObject *take_end(self) except? NULL:
        """What the end of the input makes of what is open."""
        cdef PyObject *item
        while self.error is None and self.s.mode != END:
            if self.s.mode == NUMBER and not self.s.depth and json_number_is_whole(self.s.number):
                item = self.end_number()
            elif self.strict or not (self.s.depth or self.s.mode == STRING or self.shows_number()):
                self.stop(IncompleteItem(self.base - self.began, self.began))
                break
            elif self.s.mode == STRING and not self.s.in_key:
                item = self.end_open_string()
            elif self.s.mode == NUMBER and self.shows_number():
                item = self.end_number()
            else:
                self.pieces = []
                item = self.close()
                self.progress.start = 0
            if item != NULL:
                return item
        self.commit()
        return NULL

    cdef bint shows_number(self) noexcept:
        """Whether the number that is open is one without its end."""
        return self.s.mode == NUMBER and self.s.number != JSON_MINUS

    cdef PyObject *end_number(self) except? NULL:
        cdef PyObject *item
        cdef str text = "".join(self.pieces)
        cdef bint floating = self.s.floating, failed = False
        if not json_number_is_whole(self.s.number):
            text = text.rstrip("+-").rstrip("eE").rstrip(".")
            floating = "." in text or "e" in text or "E" in text
        try:
            value = number(text, floating, self.parse_float)
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            self.fail(error, self.s.token)
            failed = True
        if failed:
            return NULL
        fresh = []
        item = self.scalar(value)
        self.pieces = fresh
        return item

    cdef PyObject *end_open_string(self) except? NULL:
        cdef Parse s = self.s
        cdef str text = ""
        if s.high:
            text = character(s.high)
        s.escape = s.held_size = 0
        s.high = 0
        return self.end_string(&s, text, 0)


cdef inline str character(uint32_t code):
    return PyUnicode_FromOrdinal(<int> code)


cdef void drop_level(Level *level) noexcept:
    Py_XDECREF(level.key)
    Py_XDECREF(level.path)
    level.key = level.path = NULL


cdef void replace(PyObject **slot, object value) noexcept:
    cdef PyObject *before = slot[0]
    slot[0] = own(value)
    Py_XDECREF(before)
