"""The probes for what CPython itself does not survive: a child that dies is noticed, one that does not is not."""

from __future__ import annotations

import interpreter_faults
import pytest


@pytest.mark.parametrize(
    ("program", "dies"),
    [("import os; os.abort()", True), ("raise SystemError", True), ("import sys; sys.exit()", False)],
)
def test_a_child_that_dies_is_noticed(monkeypatch, program, dies):
    interpreter_faults.crashes.cache_clear()
    monkeypatch.setitem(interpreter_faults.FAULTS, "tried here", ("a fault", program))
    assert interpreter_faults.crashes("tried here") is dies
    if dies:
        with pytest.raises(pytest.skip.Exception, match=r"CPython 3\.\S+ itself crashes here.*: a fault"):
            interpreter_faults.skip_where_python_crashes("tried here")
