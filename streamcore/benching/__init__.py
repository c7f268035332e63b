"""What ``streamcore bench`` and ``pytest benchmarks/bench_cases.py`` measure: one definition of each case.

A case (``case.Case``) has sides: the native core, its pure twin, what a user would take instead, and a floor: what
making the same objects, or copying the same bytes, costs alone. Families of cases are in ``framing``, ``text``,
``tokens``, ``passing`` and ``footprint``; all by name in ``catalogue``. Inputs are made from a seed (``inputs``).
``measuring`` times the sides of a case in turn; ``results`` holds, writes, reads and compares what came out, ``report``
and ``plot`` show it.
"""
