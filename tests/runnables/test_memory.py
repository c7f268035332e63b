"""Memory is flat however long a stream is: through every class and operator, in both forms.

``STREAMCORE_TEST_SCALE`` multiplies the chunks, 300 for each stream; 3,400 makes a million of them, for hours.
"""

from __future__ import annotations

import os

from loops import run_script

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
COUNT = max(300, int(300 * SCALE))
MOST = 64 << 10

SCRIPT = """
import gc, tracemalloc
import long_streams

gc.freeze()  # what was imported: looked at no more
tracemalloc.start()
for name in long_streams.names():
    print(name.replace(" ", "_"), long_streams.run(name, {count}))
"""


def test_no_stream_grows_with_its_length(backend):
    shown = run_script(SCRIPT.format(count=COUNT), backend, seconds=max(60, COUNT / 2))
    grown = dict(zip(shown[::2], map(int, shown[1::2]), strict=True))
    assert len(grown) > 120
    assert {name: bytes for name, bytes in grown.items() if bytes > MOST} == {}
