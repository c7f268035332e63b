"""Build of the native core: compiled where a compiler and Python.h exist, left out where not.

``STREAMCORE_EXTENSIONS`` = ``auto`` (the default: compile, or fall back to a pure install), ``require`` (fail instead
of falling back) or ``off`` (a ``py3-none-any`` wheel). ``STREAMCORE_SANITIZE=address,undefined`` instruments the build.
Everything else about the package stands in ``pyproject.toml``.
"""

import os
import sys
import tempfile
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError

MODES = ("auto", "require", "off")
MODE = os.environ.get("STREAMCORE_EXTENSIONS", "auto")
if MODE not in MODES:
    sys.exit(f"STREAMCORE_EXTENSIONS must be one of {', '.join(MODES)}, got {MODE!r}")
SANITIZERS = os.environ.get("STREAMCORE_SANITIZE", "")
WINDOWS = sys.platform == "win32"


def compile_flags() -> tuple[list[str], list[str]]:
    """Compiler and linker flags of every extension."""
    if WINDOWS:
        return ["/O2"], []
    flags = ["-O3", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-parameter"]
    if not SANITIZERS:
        return flags, []
    sanitize = [f"-fsanitize={SANITIZERS}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1"]
    return [*flags, *sanitize], [f"-fsanitize={SANITIZERS}"]


def can_compile() -> bool:
    """Whether this environment can build an extension: a compiler, a linker and Python.h."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <Python.h>\nPyMODINIT_FUNC PyInit_probe(void) { return NULL; }\n")
        probe = build_ext(Distribution({"ext_modules": [Extension("probe", [str(source)])]}))
        probe.build_temp = probe.build_lib = folder
        try:
            probe.ensure_finalized()
            probe.run()
        except (BaseError, OSError) as error:
            print(f"streamcore: no native core: {error}", file=sys.stderr)
            return False
    return True


def extensions() -> list[Extension]:
    """One extension a .pyx file, through Cython."""
    from Cython.Build import cythonize

    compile_args, link_args = compile_flags()
    headers = [str(path) for path in sorted(Path("streamcore/_native").glob("*.h"))]
    found = [
        Extension(
            f"streamcore._native.{path.stem}",
            [str(path)],
            include_dirs=["streamcore/_native"],
            depends=headers,
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
        for path in sorted(Path("streamcore/_native").glob("*.pyx"))
    ]
    directives = {"auto_pickle": False, "autotestdict": False, "embedsignature": False}
    return cythonize(found, compiler_directives=directives, show_all_warnings=False) if found else []


class BuildNative(build_ext):
    """``build_ext`` that gives up quietly under ``auto``: one broken compile leaves a pure install, not half a core."""

    def run(self) -> None:
        try:
            super().run()
        except (BaseError, OSError) as error:
            if MODE == "require":
                raise
            print(f"streamcore: no native core: {error}", file=sys.stderr)
            self.extensions = []


if MODE == "off":
    modules: list[Extension] = []
elif MODE == "require" or can_compile():
    modules = extensions()
else:
    modules = []
setup(ext_modules=modules, cmdclass={"build_ext": BuildNative})
