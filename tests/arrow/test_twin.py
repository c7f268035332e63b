"""The pure core cannot do it, and says what to do instead."""

from __future__ import annotations

import re

import pytest


def test_pure_core_says_what_to_do_instead():
    from streamcore._pure.arrow import columns as pure

    for call in (lambda: pure.column_type((), False), lambda: pure.export_columns((), 0, 0, None, False)):
        with pytest.raises(NotImplementedError, match=re.escape("pyarrow.LargeBinaryArray.from_buffers")):
            call()
