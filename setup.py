"""Build of the native core: compiled where a compiler and Python.h exist, left out where not.

``STREAMCORE_EXTENSIONS`` = ``auto`` (the default: compile, or fall back to a pure install), ``require`` (fail
instead of falling back) or ``off`` (a ``py3-none-any`` wheel). ``STREAMCORE_SANITIZE=address,undefined``
instruments the build.
``SOURCE_DATE_EPOCH`` is the time of all files in an sdist, which then is the same in each build, byte for byte. In a
workflow of GitHub the metadata link to its repository, and the links of README.md, which the package index shows, lead
there; elsewhere no address is known. Everything else about the package stands in ``pyproject.toml``.
"""

import gzip
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist
from setuptools.errors import BaseError, CCompilerError, CompileError

MODES = ("auto", "require", "off")
MODE = os.environ.get("STREAMCORE_EXTENSIONS", "auto")
if MODE not in MODES:
    sys.exit(f"STREAMCORE_EXTENSIONS must be one of {', '.join(MODES)}, got {MODE!r}")
# Whoever types `setup.py build_ext` wants extensions and must not overlook that they are missing.
DEMANDED = MODE == "require" or (MODE == "auto" and "build_ext" in sys.argv)
SANITIZERS = os.environ.get("STREAMCORE_SANITIZE", "")

# What a missing compiler, a missing Python.h, a failed compile and a failed Cython run raise. CCompilerError
# is no BaseError.
BUILD_ERRORS: tuple[type[Exception], ...] = (BaseError, CCompilerError, OSError)
CAN_TRANSLATE = find_spec("Cython") is not None

DIRECTIVES = {"auto_pickle": False, "autotestdict": False, "embedsignature": False}
SHARED = "streamcore._native._streamcore_utility"
"""The module of Cython's types, of which each extension would have a copy: 7 kB of the wheel, 14 to 26 kB on disk. Its
last name is in ``sys.modules`` by itself too, so it is one that nobody else has."""


# Symbols are kept for those who ask for them, CFLAGS=-g, and so is another level of optimization, CFLAGS=-O0.
CFLAGS = os.environ.get("CFLAGS", "").split()
DEBUG = bool(SANITIZERS) or "-g" in CFLAGS
LEVEL = [flag for flag in CFLAGS if flag.startswith("-O")][-1:]


SMALL = (
    "arrow", "bpe/arrow_list", "bpe/special_tokens", "buffers", "channel", "engine/joining", "framing/event",
    "streams/metering", "streams/sharing", "text/chunk_spans", "text/json_delta.", "text/marked", "text/sections",
    "text/splitter", "text/text_chunk",
)  # fmt: skip
"""What is as fast with -O2, and smaller: slices of a View 84 and 87 ns, TextSplitter 54 and 58 us for 60 kB."""


def compiler_flags(source: str) -> list[str]:
    """Compiler flags of the extension that is made of ``source``, a path from ``_native``."""
    if sys.platform == "win32":
        # gcc and clang default to C11 or later and to UTF-8 sources, MSVC to neither.
        return ["/O2", "/std:c11", "/utf-8"]
    warnings = ["-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-parameter"]
    flags = ["-O2" if source.startswith(SMALL) else "-O3", "-fvisibility=hidden", *warnings]
    if not DEBUG:
        # The -g of Python's own flags makes the wheel four times as large. Tables to unwind the stack are for
        # debuggers, and 8 % of it: nothing here throws.
        flags += ["-g0", "-fno-asynchronous-unwind-tables"]
    if SANITIZERS:
        flags += [
            f"-fsanitize={SANITIZERS}",
            "-fno-sanitize-recover=all",
            "-fno-omit-frame-pointer",
            "-g",
            "-O1",
        ]
    return flags + LEVEL


def linker_flags() -> list[str]:
    """Linker flags of every extension."""
    if SANITIZERS:
        return [f"-fsanitize={SANITIZERS}"]
    return ["-Wl,-s"] if sys.platform == "linux" and not DEBUG else []


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
            extra_compile_args=compiler_flags(source.relative_to(folder).as_posix()),
            extra_link_args=linker_flags(),
        )
        for source in sorted(folder.rglob("*.pyx"))
    ]


def shared_extension() -> Extension:
    """Without a source of ours: Cython makes it whole."""
    return Extension(SHARED, [], extra_compile_args=compiler_flags("buffers"), extra_link_args=linker_flags())


def translated(extension: Extension) -> Path:
    """The .c of an extension."""
    return Path(*extension.name.split(".")).with_suffix(".c")


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

    made = translated(extension)
    if not made.exists():
        return True
    with made.open(encoding="utf-8") as lines:
        made_by = lines.readline()
    declarations = [path for path in extension.depends if path.endswith(".pxd")]
    newest = max(os.path.getmtime(path) for path in [__file__, *extension.sources, *declarations])
    return f" Cython {__version__} " not in made_by or made.stat().st_mtime < newest


def repository() -> str | None:
    """The address of the repository whose workflow builds, or None."""
    name = os.environ.get("GITHUB_REPOSITORY")
    return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}" if name else None


def links() -> dict[str, str]:
    """The links of the package on its page of the index."""
    home = repository()
    if home is None:
        return {}
    pages = {
        "Documentation": "blob/main/docs/index.md",
        "Changelog": "blob/main/CHANGELOG.md",
        "Issues": "issues",
    }
    return {"Source": home} | {label: f"{home}/{page}" for label, page in pages.items()}


def readme() -> str:
    """README.md, its links to files of the checkout as absolute ones of this commit where its address is known."""
    text = Path("README.md").read_text(encoding="utf-8")
    home = repository()
    if home is None:
        return text
    commit = os.environ.get("GITHUB_SHA", "main")
    text = re.sub(r"(!\[[^]]*\]\()(?!https?:)", rf"\g<1>{home}/raw/{commit}/", text)
    return re.sub(r"(\]\()(?!https?:|#)", rf"\g<1>{home}/blob/{commit}/", text)


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
        """Run Cython where the .c is missing or stale: it takes more of a build than the compiler."""
        old = [extension for extension in self.extensions if self.force or is_stale(extension)]
        stale = [source for extension in old for source in extension.sources]
        stale.sort(key=os.path.getsize, reverse=True)
        if any(extension.name == SHARED for extension in old):
            cython("--generate-shared", str(Path(*SHARED.split(".")).with_suffix(".c")))
        jobs = max(1, int(self.parallel))
        with ThreadPoolExecutor(jobs) as pool:
            for _ in pool.map(run_cython, (stale[job::jobs] for job in range(jobs))):
                pass
        for extension in self.extensions:
            extension.sources = [str(translated(extension))]


def run_cython(sources: list[str]) -> None:
    """Translate ``sources`` in a process of its own, as Cython holds the GIL."""
    if sources:
        directives = ",".join(f"{name}={value}" for name, value in DIRECTIVES.items())
        cython("--directive", directives, "--shared", SHARED, *sources)


def cython(*arguments: str) -> None:
    """Run Cython."""
    if subprocess.run([sys.executable, "-m", "cython", *arguments], check=False).returncode:
        raise CompileError(f"Cython fails: cython {' '.join(arguments)}")


class SameSdist(sdist):
    """An sdist whose bytes depend on its files alone, where ``SOURCE_DATE_EPOCH`` names their time."""

    def make_archive(self, base_name: str, format: str, root_dir=None, base_dir=None, **owned) -> str:
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, **owned)

        def without_builder(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mtime = int(epoch)
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        path = f"{base_name}.tar.gz"
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with (
            open(path, "wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=int(epoch)) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(base_dir, filter=without_builder)  # a folder in the order of its names
        return path


setup(
    long_description=readme(),
    long_description_content_type="text/markdown",
    project_urls=links(),
    distclass=NativeOrPure,
    ext_modules=[shared_extension(), *native_extensions()] if MODE != "off" else [],
    cmdclass={"build_ext": BuildNative, "sdist": SameSdist},
)
