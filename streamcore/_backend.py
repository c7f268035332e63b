"""Picks the native core or its pure-Python twin, once, at import; the only file that knows there are two.

``STREAMCORE_BACKEND`` = ``auto`` (native where its extensions import, else pure), ``native`` or ``pure``. A named value
is a demand: ``native`` without extensions is an ImportError, and so is any other value.
"""

import os

WANTED = os.environ.get("STREAMCORE_BACKEND", "auto")
if WANTED not in ("auto", "native", "pure"):
    raise ImportError(f"STREAMCORE_BACKEND must be auto, native or pure, got {WANTED!r}")

BACKEND = "pure"
REASON = "no native part exists yet"
