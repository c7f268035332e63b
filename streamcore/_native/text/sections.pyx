# cython: language_level=3, freethreading_compatible=True
"""Engine that cuts text or bytes into named sections between markers (twin: ``_pure.text.sections``).

Plan: one automaton for outside, of all that begin a section, and one for each section, of what may end it. Behind a
marker the next one reads on, also over what the last one had looked at already.
"""

cimport cython
from cpython.object cimport PyObject, Py_EQ, Py_NE

from streamcore._native.cpython cimport own
from streamcore._native.engine.span_engine cimport RAISE_INCOMPLETE, EMIT_INCOMPLETE
from streamcore._native.text.marked cimport MarkedEngine, markers_restart

from streamcore._shared.markers import checked_section, section_markers
from streamcore._shared.options import flag_option
from streamcore.errors import IncompleteItem


@cython.final
@cython.freelist(64)
@cython.no_gc
cdef class Section:
    """Section(name, text, start=0, done=False)\n--\n\n\
    A piece of the section ``name``: ``text`` (str or bytes) lies at ``start`` of the stream; the last is done."""

    cdef readonly str name
    cdef readonly object text
    cdef readonly long long start
    cdef readonly bint done

    __match_args__ = ("name", "text", "start", "done")

    def __init__(self, name, text, start=0, done=False):
        checked = checked_section(name, text, start, done)
        if self.name is not None:
            raise TypeError("Section is made already and does not change")
        self.name, self.text, self.start, self.done = checked

    def __repr__(self):
        return f"Section(name={self.name!r}, text={self.text!r}, start={self.start}, done={self.done})"

    def __hash__(self):
        return hash((self.name, self.text, self.start, self.done))

    def __richcmp__(self, other, int op):
        cdef Section one
        if type(other) is not Section or op not in (Py_EQ, Py_NE):
            return NotImplemented
        one = <Section> other
        return (self.start == one.start and self.done == one.done and self.name == one.name
                and type(self.text) is type(one.text) and self.text == one.text) is (op == Py_EQ)

    def __reduce__(self):
        return Section, (self.name, self.text, self.start, self.done)


@cython.final
cdef class SectionsEngine(MarkedEngine):
    """SectionsEngine(markers, *, default='text', begin=None, nested=False, keep_markers=False, \
on_incomplete='emit')\n--\n\n\
    Cuts text or bytes into pieces of named sections between markers, ``Section(name, text, start, done)``.

    ``markers`` maps names to pairs: what a section begins and ends with. Outside, pieces bear the name ``default``; the
    marker that begins first counts, of those the longest. Inside, only the section's own end counts; with ``nested``
    its begin counts up. ``begin`` names the section that the stream starts in. The last piece of a section is ``done``,
    empty if need be. Where the input ends within a section, ``on_incomplete`` = ``"emit"`` ends it there, ``"drop"``
    leaves it without a last piece, and ``"raise"`` is an ``IncompleteItem``.
    """

    # progress.open: the section, 0 for outside and from 1 on, relative to the one that the stream starts in;
    # progress.state: how deep it is nested; progress.discarded: where it began
    cdef tuple names     # of outside and of all sections
    cdef int first       # the section that the stream starts in
    cdef bint keep_markers

    def __cinit__(self, markers, *, default="text", begin=None, nested=False, keep_markers=False,
                  on_incomplete="emit"):
        cdef bint deep = flag_option("nested", nested)
        cdef list names, groups
        self.configure("Sections", bytes, False, None, "raise", on_incomplete)
        self.keep_markers = flag_option("keep_markers", keep_markers)
        outside, sections, at = section_markers(markers, default, begin, deep)
        self.first = at
        names = [outside]
        groups = [[]]
        for name, first, last in sections:
            names.append(name)
            groups[0].append(first)
            groups.append([last, first] if deep else [last])
        self.names = tuple(names)
        self.set_markers(groups, True)
        self.begin()

    cdef inline Py_ssize_t inside(self) noexcept:
        return (self.progress.open + self.first) % len(self.names)

    cdef Py_ssize_t group(self) noexcept:
        return self.inside()

    cdef int enter(self, Py_ssize_t section) noexcept:
        self.progress.open = <int> ((section + len(self.names) - self.first) % len(self.names))
        return 0

    cdef PyObject *give(self, Py_ssize_t stop, bint done) except NULL:
        """The piece up to ``stop``; what comes after it is not given yet."""
        cdef Section piece = Section.__new__(Section)
        cdef Py_ssize_t start = self.progress.start
        piece.text = self.piece(start, stop)
        piece.name = <str> self.names[self.inside()]
        piece.start = self.base + start
        piece.done = done
        self.progress.start = stop
        return own(piece)

    cdef PyObject *take(self) except? NULL:
        cdef Py_ssize_t sure, section = self.inside()
        cdef PyObject *item
        while self.find():
            if section:
                item = self.end_section(section)
            else:
                item = NULL
                if self.progress.start < self.run.start:
                    return self.give(self.run.start, False)
                self.begin_section(self.run.match)
            section = self.inside()
            if item != NULL:
                return item
        sure = self.sure_with_marker() if section and self.keep_markers else self.sure()
        if self.ended and section:
            return self.end_inside(sure)
        if self.progress.start < sure:
            return self.give(sure, False)
        return NULL

    cdef int begin_section(self, Py_ssize_t section) except -1:
        """The marker that was found begins a section."""
        cdef Py_ssize_t stop = self.match_stop()
        self.look_for(section)
        self.progress.discarded = self.base + self.run.start
        if not self.keep_markers:
            self.progress.start = stop
        self.progress.state = 0
        self.enter(section)
        self.found = False
        markers_restart(&self.run, stop)
        return 0

    cdef PyObject *end_section(self, Py_ssize_t section) except? NULL:
        """The marker that was found ends the section, or is one of those within it."""
        cdef Py_ssize_t stop = self.match_stop()
        cdef PyObject *item = NULL
        if self.run.match == 2:
            self.progress.state += 1
        elif self.progress.state:
            self.progress.state -= 1
        else:
            item = self.give(stop if self.keep_markers else self.run.start, True)
            self.progress.start = stop
            self.enter(0)
            self.look_for(0)
        self.found = False
        markers_restart(&self.run, stop)
        return item

    cdef PyObject *end_inside(self, Py_ssize_t sure) except? NULL:
        """At the end of input, what on_incomplete makes of a section that lacks its end."""
        cdef PyObject *item = NULL
        if self.on_incomplete != EMIT_INCOMPLETE and self.progress.start < sure:
            return self.give(sure, False)  # what was held back was no marker
        if self.on_incomplete == RAISE_INCOMPLETE:
            self.fail(IncompleteItem(self.base - self.progress.discarded, self.progress.discarded), self.base)
            return NULL
        if self.on_incomplete == EMIT_INCOMPLETE:
            item = self.give(sure, True)
        self.progress.start = 0
        self.progress.flag = 0
        self.enter(0)
        self.look_for(0)
        markers_restart(&self.run, 0)
        return item

    cdef int clear(self) except -1:
        self.progress.discarded = self.base  # it may start in a section
        return MarkedEngine.clear(self)

    def batches(self, fragments):
        """Not for sections: TypeError."""
        raise TypeError("Sections has no batches(): use iterate()")
