"""Hold a Runnable to the laws of a stream: for the tests of those who write their own, and for ours.

``check_laws(runnable, samples)`` runs the samples through the Runnable in many ways and raises ``LawViolation`` at the
first difference, with the law, the sample and the cut that show it::

    def test_my_splitter_keeps_the_laws():
        check_laws(MySplitter(), ["", "one", "two words", "  blanks  "])

What it checks, and on what:

- completeness: ``invoke(x) == collect(stream(x))``, and ``ainvoke`` and ``astream`` give the same;
- fragmentation: a Runnable with ``transform`` gives the same for every way to cut a ``str`` or ``bytes`` sample: all of
  them up to 10 elements, else every cut in two, single elements, empty fragments and ``cuts`` random ones;
- order: ``batch`` gives its outputs in the order of the inputs;
- eagerness: an item comes when no continuation out of the elements of the samples can change it, and not before (short
  samples only; the continuations are a choice, so a stage with a long lookahead needs samples that show it); the same
  on an event loop, while the source waits with the next element;
- cleanup: the source is closed exactly once when the stream is exhausted, closed at once, closed half-way, dropped, or
  ended by an exception, before the call that ended it returns; in an async stream also when it is cancelled;
- errors: what was complete before the source raised is delivered first, and the exception arrives as it is;
- twins: a stage of this package gives the same on the native and the pure backend, errors included.
"""

from .laws import LAWS, LawReport, LawViolation, RecordingSource, check_laws, cut_at, fragmentations

__all__ = ["LAWS", "LawReport", "LawViolation", "RecordingSource", "check_laws", "cut_at", "fragmentations"]

# Their place is this package: what a traceback shows, and a pickle names.
for _public in (LawReport, LawViolation, RecordingSource, check_laws, cut_at, fragmentations):
    _public.__module__ = __name__
del _public
