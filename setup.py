"""Build of the native core: compiled where a compiler and Python.h exist, left out where not.

``STREAMCORE_EXTENSIONS`` = ``auto`` (the default: compile, or fall back to a pure install), ``require`` (fail
instead of falling back) or ``off`` (a ``py3-none-any`` wheel). ``STREAMCORE_SANITIZE=address,undefined``
instruments the build. Everything else about the package stands in ``pyproject.toml``.
"""

import os
import sys
import tempfile
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

MODES = ("auto", "require", "off")
MODE = os.environ.get("STREAMCORE_EXTENSIONS", "auto")
if MODE not in MODES:
    sys.exit(f"STREAMCORE_EXTENSIONS must be one of {', '.join(MODES)}, got {MODE!r}")
# Whoever types `setup.py build_ext` wants extensions and must not overlook that they are missing.
DEMANDED = MODE == "require" or (MODE == "auto" and "build_ext" in sys.argv)
SANITIZERS = os.environ.get("STREAMCORE_SANITIZE", "")

# What a missing compiler, a missing Python.h, a failed compile and a failed Cython run raise. CCompilerError
# is no BaseError, and Cython's CompileError is neither.
BUILD_ERRORS: tuple[type[Exception], ...] = (BaseError, CCompilerError, OSError)
try:
    from Cython.Compiler.Errors import CompileError
except ImportError:
    CAN_TRANSLATE = False
else:
    CAN_TRANSLATE = True
    BUILD_ERRORS = (*BUILD_ERRORS, CompileError)

DIRECTIVES = {"auto_pickle": False, "autotestdict": False, "embedsignature": False}


def compiler_flags() -> list[str]:
    """Compiler flags of every extension."""
    if sys.platform == "win32":
        # gcc and clang default to C11 or later and to UTF-8 sources, MSVC to neither.
        return ["/O2", "/std:c11", "/utf-8"]
    warnings = ["-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-parameter"]
    flags = ["-O3", "-fvisibility=hidden", *warnings]
    if SANITIZERS:
        flags += [
            f"-fsanitize={SANITIZERS}",
            "-fno-sanitize-recover=all",
            "-fno-omit-frame-pointer",
            "-g",
            "-O1",
        ]
    return flags


def native_extensions() -> list[Extension]:
    """One extension for each .pyx file; a changed header or .pxd rebuilds all of them.

    Headers are included by their path from ``_native``: ``kernels/bits.h``.
    """
    folder = Path("streamcore", "_native")
    depends = [str(path) for pattern in ("*.h", "*.pxd") for path in sorted(folder.rglob(pattern))]
    return [
        Extension(
            ".".join(source.with_suffix("").parts),
            [str(source)],
            include_dirs=[str(folder)],
            depends=depends,
            extra_compile_args=compiler_flags(),
            extra_link_args=[f"-fsanitize={SANITIZERS}"] if SANITIZERS else [],
        )
        for source in sorted(folder.rglob("*.pyx"))
    ]


def why_not_native() -> str | None:
    """None where this environment can build an extension, else the reason; found by building an empty one."""
    if not CAN_TRANSLATE:
        return "Cython is not installed"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <Python.h>\nPyMODINIT_FUNC PyInit_probe(void) { return NULL; }\n")
        probe = build_ext(Distribution({"name": "probe", "ext_modules": [Extension("probe", [str(source)])]}))
        probe.build_temp = probe.build_lib = folder
        try:
            probe.ensure_finalized()
            probe.run()
        except BUILD_ERRORS as error:
            return str(error) or type(error).__name__
    return None


def is_stale(extension: Extension) -> bool:
    """Whether the .c of an extension is older than our sources, or made by another Cython.

    Cython's own check also looks at its .pxd files, which are new in each isolated build environment: every
    ``pip install`` of a checkout would compile all again.
    """
    from Cython import __version__

    translated = Path(extension.sources[0]).with_suffix(".c")
    if not translated.exists():
        return True
    with translated.open(encoding="utf-8") as lines:
        made_by = lines.readline()
    declarations = [path for path in extension.depends if path.endswith(".pxd")]
    newest = max(os.path.getmtime(path) for path in [__file__, *extension.sources, *declarations])
    return f" Cython {__version__} " not in made_by or translated.stat().st_mtime < newest


class NativeOrPure(Distribution):
    """A distribution that finds out only when a command asks whether it has extensions.

    ``bdist_wheel`` asks before it names the wheel: a fallback to a pure install is a ``py3-none-any`` wheel.
    """

    _decided = False

    def has_ext_modules(self) -> bool:
        if MODE == "auto" and not DEMANDED and not self._decided:
            self._decided = True
            reason = why_not_native()
            if reason is not None:
                print(f"streamcore: no native core, a pure install instead: {reason}", file=sys.stderr)
                self.ext_modules = []
        return bool(self.ext_modules)


class BuildNative(build_ext):
    """Translates the .pyx files when they are built, not when pip asks for metadata; then compiles."""

    def finalize_options(self) -> None:
        if self.distribution.has_ext_modules() and not CAN_TRANSLATE:
            sys.exit("streamcore: building the native core needs Cython")
        super().finalize_options()
        if self.parallel is None:
            self.parallel = os.cpu_count() or 1

    def run(self) -> None:
        """Build all or, under ``auto``, none: a source that does not compile must not leave half a core."""
        try:
            self.translate()
            super().run()
        except BUILD_ERRORS as error:
            if DEMANDED:
                raise
            print(f"streamcore: no native core, a pure install instead: {error}", file=sys.stderr)
            for extension in self.extensions:
                Path(self.build_lib, self.get_ext_filename(extension.name)).unlink(missing_ok=True)
            self.extensions = []

    def translate(self) -> None:
        """Run Cython where the .c is missing or stale."""
        from Cython.Build import cythonize

        for extension in self.extensions:
            if self.force or is_stale(extension):
                cythonize([extension], compiler_directives=DIRECTIVES, force=True)
            extension.sources = [str(Path(extension.sources[0]).with_suffix(".c"))]


setup(
    distclass=NativeOrPure,
    ext_modules=native_extensions() if MODE != "off" else [],
    cmdclass={"build_ext": BuildNative},
)
