"""Hold a Runnable to the laws of a stream: for the tests of those who write their own, and for ours.

``check_laws(runnable, samples)`` runs the samples through the Runnable in many ways and raises ``LawViolation`` at the
first difference, with the law, the sample and the cut that show it::

    def test_my_splitter_keeps_the_laws():
        check_laws(MySplitter(), ["", "one", "two words", "  blanks  "])

What it checks, and on what:

- completeness: ``invoke(x) == collect(stream(x))``; ``ainvoke``, ``astream``, for text ``transform`` give the same;
- independence: a second call gives the same, also after a stream that was left, and two streams pulled in turns;
- fragmentation: a Runnable with ``transform`` gives the same for every way to cut a ``str`` or ``bytes`` sample: all of
  them up to 10 elements, else every cut in two, single elements, empty fragments and ``cuts`` random ones; so does
  ``atransform``, for some of them;
- order: ``batch`` and ``abatch`` give their outputs in the order of the inputs;
- eagerness: an item comes when no continuation out of the elements of the samples can change it, and not before (short
  samples only; the continuations are a choice, so a stage with a long lookahead needs samples that show it); the same
  on an event loop, while the source waits with the next element;
- cost: the samples over and over, four times as many, are four times the work: counted as the elements that methods of
  ``str`` and ``bytes`` look at; else timed, but judged only where it is long, and three times. An item that never ends
  is not tried;
- memory: of the same no more is held at 4n than at n, as traced; what other threads allocate is left out;
- cleanup: the source is closed exactly once when the stream is exhausted, closed at once, closed half-way, dropped, or
  ended by an exception, before the call that ended it returns; in an async stream also when it is cancelled, at each
  of the first turns of the loop, and then the task ends as cancelled;
- errors: what was complete before the source raised is delivered first, and the exception arrives as it is, sync and
  async;
- twins: a stage of this package gives the same on the native and the pure backend, errors included.

A ``transform`` that is a plain generator function cannot close a source that it never pulled: it is held to cleanup and
errors as a stage of a chain, which closes the source; it may close it too. Text samples of an operator of
``streamcore.ops`` are taken item by item. One that reads ahead, as ``ops.buffer`` does, is not held to eagerness.
"""

from .fragmentations import cut_at, fragmentations
from .laws import check_laws
from .report import LAWS, LawReport, LawViolation
from .sources import RecordingSource

__all__ = ["LAWS", "LawReport", "LawViolation", "RecordingSource", "check_laws", "cut_at", "fragmentations"]

# Their place is this package: what a traceback shows, and a pickle names.
for _public in (LawReport, LawViolation, RecordingSource, check_laws, cut_at, fragmentations):
    _public.__module__ = __name__
del _public
