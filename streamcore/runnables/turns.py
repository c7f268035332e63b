"""Branches that take turns over one input: each gets all of it, and the order of their chunks is always the same.

The rules, in sync and in async streams alike:

1. In key order each branch gives one chunk; one that has ended is passed over.
2. Where the branch in turn asks for input and none is held for it, the source is pulled once, and what it gives is held
   for each other branch until that takes it.
3. Where another branch has ``capacity`` chunks held already, the first such one in key order goes instead: it gives a
   chunk, and then it is the turn of the branch that asked again.
4. A branch that waits for its whole input is not begun before that has come: it is its input that is held. Where one of
   its later steps waits, what the steps before that make of the input is gathered meanwhile, and held in its place.
5. An error of the source reaches each branch at its place and is raised once all have ended; an error of a branch is
   raised after the chunks before it.
6. Where the first branch goes on, as in ``RunnableAssign``, it is its turn until it has ended; where that is by an
   error of the source, that is raised at once.

In a sync stream the branch that asks cannot stand still while the consumer gets a chunk: what goes instead of it is
pulled from within its pull and given out before its chunk. So a single pull that takes more than ``capacity`` chunks
holds back what the others make of these. Two branches of which each takes that many in one pull, one within the other,
hold what they need beyond ``capacity``: the outer one cannot go on before the inner one has. A branch may pull its
input from a thread of its own, as ``ops.buffer`` does; so each look at what is held is under a lock, each pull is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from .._backend import close_all
from .addable import AddableDict
from .bridge.changes import Changes

__all__ = ["Branch", "Gathering", "Side", "Turns"]


class Branch:
    """A branch in a stream: what it gives, and its side of the input, None where it has an input of its own."""

    __slots__ = ("busy", "gathering", "key", "over", "side", "stream", "waits")

    def __init__(self, key: str | None, side: Side | None, waits: bool) -> None:
        self.key = key  # None where its chunks are mappings already
        self.side = side
        self.waits = waits  # for its whole input
        self.stream: Any = None
        self.gathering: Gathering | None = None  # the input of its first step that waits
        self.over = False
        self.busy = False  # pulled


class Gathering:
    """The input of a step that waits for all of it: what has been gathered before the step begins, then the rest."""

    __slots__ = ("error", "held", "over", "stream")

    def __init__(self, stream: Iterator[Any]) -> None:
        self.stream = stream  # of the steps before
        self.held: deque[Any] = deque()
        self.over = False
        self.error: BaseException | None = None  # of those

    def gather(self) -> bool:
        """Pull one chunk and hold it; False at the end, or after an error, which is raised in its place."""
        try:
            self.held.append(next(self.stream))
        except StopIteration:
            self.over = True
        except BaseException as error:  # noqa: BLE001 - kept: raised where the step takes it
            self.over, self.error = True, error
        return not self.over

    def __iter__(self) -> Gathering:
        return self

    def __next__(self) -> Any:
        if not self.held and not self.over:
            return next(self.stream)
        if not self.held and self.error is not None:
            error, self.error = self.error, None
            try:
                raise error
            finally:
                del error  # no cycle through its traceback
        if not self.held:
            raise StopIteration
        return self.held.popleft()

    def close(self) -> None:
        """Close the steps before."""
        self.held.clear()
        self.error = None
        close_all((self.stream,), None)


class Side:
    """The input of one branch."""

    __slots__ = ("advancing", "held", "open", "turns")

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.held: deque[Any] = deque()
        self.open = True
        self.advancing = False  # its pull stands still until another branch has given a chunk

    def __iter__(self) -> Side:
        return self

    def __next__(self) -> Any:
        return self.turns.take(self)

    def close(self) -> None:
        """It counts no more."""
        with self.turns.changes.lock:
            self.open = False
            self.held.clear()
            self.turns.changes.tell()


class Turns:
    """The branches of one sync stream over ``source``; ``None`` where each has an input of its own."""

    def __init__(self, source: Iterator[Any] | None, capacity: int, *, first_goes_on: bool = False) -> None:
        self.branches: list[Branch] = []
        self.changes = Changes()
        self._source = source
        self._capacity = capacity
        self._first_goes_on = first_goes_on
        self._ended = source is None
        self._error: Exception | None = None  # of the source
        self._fetching = False
        self._failed: BaseException | None = None  # what a branch raised
        self._given: deque[tuple[str | None, Any]] = deque()

    def add(self, key: str | None, *, waits: bool) -> Branch:
        """A further branch, whose stream is still to be set."""
        side = None if self._source is None else Side(self)
        self.branches.append(Branch(key, side, waits and side is not None))
        return self.branches[-1]

    # -- the consumer's side

    def chunks(self) -> Iterator[AddableDict[str, Any]]:
        """What the branches give, in turn."""
        try:
            while self.branches:
                for branch in self.branches:
                    while not branch.over:
                        went = self._go(branch)
                        while self._given:
                            key, chunk = self._given.popleft()
                            if key is not None:
                                yield AddableDict({key: chunk})
                            elif chunk:
                                yield chunk
                        if self._failed is not None:
                            raise self._failed
                        if went and not (self._first_goes_on and branch is self.branches[0]):
                            break
                    if self._first_goes_on and self._error is not None:
                        raise self._error
                if all(branch.over for branch in self.branches):
                    break
            if self._error is not None:
                raise self._error
        finally:
            self._failed = self._error = None  # no cycle through their traceback
            self._end()

    def _end(self) -> None:
        with self.changes.lock:
            self._ended = True
            for branch in self.branches:
                if branch.side is not None:
                    branch.side.open = False
                    branch.side.held.clear()
            self.changes.tell()

    def _go(self, branch: Branch) -> bool:
        """One step on the turn of ``branch``; whether it has had its turn."""
        side = branch.side
        holds = branch.waits and not self._ended and side is not None and side.open
        if not holds and self._advance(branch):
            return True
        if self._given:  # what went instead, from within
            return False
        assert side is not None  # it asks for input
        with self.changes.lock:
            while self._fetching:
                self.changes.wait()
            if self._ended:
                return False
            full = self._first_full(side)
            if full is None and holds:
                self._fetching = True
        if full is not None:
            self._advance(full)
        elif holds:
            self._pull()
        else:
            return self._advance(branch, asks=True)
        return False

    def _advance(self, branch: Branch, *, asks: bool = False) -> bool:
        """Pull one chunk of ``branch``; errors are kept for the consumer. False where it only gathers."""
        with self.changes.lock:
            while branch.busy:
                self.changes.wait()
            if branch.over:
                return True
            branch.busy = True
        over = True
        try:
            if not self._ended and self._gathers(branch, asks):
                over = False
                return False
            chunk = next(branch.stream)
            over = False
            if self._failed is None:
                self._given.append((branch.key, chunk))
        except StopIteration:
            pass
        except BaseException as error:  # noqa: BLE001 - kept: raised in its turn
            if error is not self._error and self._failed is None:
                self._failed = error
        finally:
            with self.changes.lock:
                branch.busy = False
                if over:
                    branch.over = True
                    if branch.side is not None:
                        branch.side.open = False
                        branch.side.held.clear()
                self.changes.tell()
        return True

    def _gathers(self, branch: Branch, asks: bool) -> bool:
        """Gather what ``branch`` makes of its input so far, if one of its steps waits; whether that waits for more.

        ``asks``: pull once though nothing is held, which asks for input unless the steps before give something
        without, or end.
        """
        gathering, side = branch.gathering, branch.side
        if gathering is None or gathering.over:
            return False
        assert side is not None
        pulls = asks or bool(side.held)
        while pulls:
            if not gathering.gather():
                return False
            pulls = bool(side.held) and not self._given
        return True

    # -- the branches' side

    def take(self, side: Side) -> Any:
        """The next chunk of the input for ``side``."""
        while True:
            with self.changes.lock:
                if side.held:
                    chunk = side.held.popleft()
                    self.changes.tell()
                    return chunk
                if self._failed is not None:  # it has been pulled from within this one
                    raise self._failed
                if self._ended or not side.open:
                    break
                if self._fetching:
                    self.changes.wait()
                    continue
                full = self._first_full(side)
                if full is None:
                    self._fetching = True
                elif full.busy:
                    self.changes.wait()
                    continue
                else:
                    side.advancing = True
            if full is None:
                self._pull()
            else:
                try:
                    self._advance(full)
                finally:
                    side.advancing = False
        if self._error is not None and side.open:
            raise self._error
        raise StopIteration

    def _first_full(self, asking: Side) -> Branch | None:
        """The first branch whose input has no room for one more, and which can make room."""
        for branch in self.branches:
            side = branch.side
            if side is None or side is asking or not side.open or branch.over:
                continue
            if len(side.held) >= self._capacity and not branch.waits and not side.advancing:
                return branch
        return None

    def _pull(self) -> None:
        """Pull the source once, for all; ``_fetching`` is set."""
        chunk = error = None
        came = False
        try:
            assert self._source is not None
            chunk = next(self._source)
            came = True
        except StopIteration:
            pass
        except Exception as failure:  # noqa: BLE001 - reaches each branch at its place
            error = failure
        finally:
            with self.changes.lock:
                self._fetching = False
                if not came:
                    self._ended = True
                    self._error = error
                else:
                    for branch in self.branches:
                        if branch.side is not None and branch.side.open:
                            branch.side.held.append(chunk)
                self.changes.tell()
