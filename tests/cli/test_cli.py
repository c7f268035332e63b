"""The command line, run as a user runs it: in a process of its own, on both backends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

pytest.importorskip("click")

SAMPLE = files("streamcore").joinpath("cli/sample.txt").read_bytes()
TEXT = b"one river\r\nmany cuts\n\nno end"


@pytest.fixture
def streamcore(command_line, tmp_path):
    """``streamcore(*arguments, stdin=b"")`` runs the command line in ``tmp_path``."""

    def run(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return command_line.run([*map(str, arguments)], tmp_path, stdin)

    run.environment = command_line.environment
    return run


def succeeds(run: subprocess.CompletedProcess[bytes]) -> bytes:
    assert (run.returncode, run.stderr) == (0, b"")
    return run.stdout


def fails(run: subprocess.CompletedProcess[bytes]) -> str:
    message = run.stderr.decode()
    assert run.returncode == 2, message
    assert "Traceback" not in message
    return message


# ---- what comes out ----


def test_words_without_a_file_cuts_the_sample(streamcore) -> None:
    assert succeeds(streamcore("words")).splitlines() == SAMPLE.split()


def test_lines_without_a_file_cuts_the_sample(streamcore) -> None:
    assert succeeds(streamcore("lines")) == SAMPLE


def test_lines_of_standard_input_end_in_lf(streamcore) -> None:
    assert succeeds(streamcore("lines", "-", stdin=TEXT)) == b"one river\nmany cuts\n\nno end\n"


def test_keepends_leaves_the_bytes_as_they_are(streamcore) -> None:
    assert succeeds(streamcore("lines", "-", "--keepends", stdin=TEXT)) == TEXT


@pytest.mark.parametrize(
    ("newline", "expected"), [("lf", b"a\rb\nc\r\nd\r\n"), ("universal", b"a\nb\nc\n\nd\n")]
)
def test_newline_decides_about_a_lone_cr(streamcore, newline: str, expected: bytes) -> None:
    run = streamcore("lines", "-", "--newline", newline, stdin=b"a\rb\r\nc\r\r\nd\r")
    assert succeeds(run) == expected


def test_words_can_keep_what_follows_them(streamcore) -> None:
    text = b"  one\ttwo \n three"
    assert succeeds(streamcore("words", "-", stdin=text)) == b"one\ntwo\nthree\n"
    assert succeeds(streamcore("words", "-", "--keep", "trailing", stdin=text)) == text


def test_jsonl_is_one_string_a_line(streamcore) -> None:
    text = 'one "quoted"\nback\\slash\ttab\nÇa 😀\n\nend'.encode()
    output = succeeds(streamcore("lines", "-", "-f", "jsonl", stdin=text))
    assert [json.loads(line) for line in output.splitlines()] == text.decode().split("\n")
    words = succeeds(streamcore("words", "-", "-f", "jsonl", stdin=text))
    assert [json.loads(line) for line in words.splitlines()] == text.decode().split()


@pytest.mark.parametrize("command", ["lines", "words"])
def test_npy_holds_where_each_item_starts(streamcore, tmp_path: Path, command: str) -> None:
    numpy = pytest.importorskip("numpy")
    (tmp_path / "in.txt").write_bytes(TEXT)
    succeeds(streamcore(command, "in.txt", "-o", "out.npy"))
    offsets = numpy.load(tmp_path / "out.npy")
    assert offsets.dtype == numpy.int64
    expected = {"lines": [0, 11, 21, 22, 28], "words": [0, 4, 11, 16, 22, 25, 28]}
    assert offsets.tolist() == expected[command]


@pytest.mark.parametrize("name", ["out.txt", "out", "out.jsonl", "out.ndjson", "out.npy"])
def test_the_suffix_chooses_the_format(streamcore, tmp_path: Path, name: str) -> None:
    succeeds(streamcore("words", "-", "-o", name, stdin=b"a b\n"))
    start = {
        ".txt": b"a\nb\n",
        "": b"a\nb\n",
        ".jsonl": b'"a"\n"b"\n',
        ".ndjson": b'"a"\n"b"\n',
        ".npy": b"\x93NUMPY",
    }
    assert (tmp_path / name).read_bytes().startswith(start[Path(name).suffix])


def test_any_suffix_will_do_with_a_format(streamcore, tmp_path: Path) -> None:
    succeeds(streamcore("words", "-", "-f", "text", "-o", "out.csv", stdin=b"a b\n"))
    assert (tmp_path / "out.csv").read_bytes() == b"a\nb\n"


def test_without_arguments_three_lines_help(streamcore) -> None:
    run = streamcore()
    assert (run.returncode, run.stderr) == (0, b"")
    assert len(run.stdout.splitlines()) == 3
    assert b"streamcore words " in run.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [("doctor",), ("--help",), ("--version",), ()])
def test_help_to_a_full_device(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "streamcore", *arguments]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 2
    assert run.stderr == b"streamcore: standard output: cannot be written: No space left on device\n"


@pytest.mark.parametrize("format_", ["text", "jsonl"])
@pytest.mark.parametrize("command", ["lines", "words"])
def test_empty_input_gives_empty_output(streamcore, tmp_path: Path, command: str, format_: str) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert succeeds(streamcore(command, "empty", "-f", format_)) == b""
    succeeds(streamcore(command, "empty", "-o", "out.npy"))
    assert (tmp_path / "out.npy").read_bytes()[128:] == bytes(8)


def test_binary_garbage_is_only_bytes(streamcore) -> None:
    garbage = bytes(range(256)) * 20
    assert succeeds(streamcore("lines", "-", stdin=garbage)) == garbage + b"\n"
    assert succeeds(streamcore("words", "-", stdin=garbage)).split(b"\n")[:-1] == garbage.split()


# ---- limits ----


def test_an_item_over_the_limit_is_an_error_with_its_place(streamcore, tmp_path: Path) -> None:
    run = streamcore("lines", "-", "--max-size", "4", "-o", "out", stdin=b"ab\nabcdefgh\n")
    assert "standard input: item at offset 3 has at least 5 bytes, --max-size is 4" in fails(run)
    assert list(tmp_path.iterdir()) == []


def test_skipped_items_make_exit_code_1(streamcore) -> None:
    arguments = ("-", "--max-size", "4", "--on-oversize", "skip")
    run = streamcore("lines", *arguments, stdin=b"ab\nabcdefgh\ncd\n")
    assert (run.returncode, run.stdout) == (1, b"ab\ncd\n")
    assert run.stderr == b"streamcore: standard input: 1 line too large, skipped\n"


def test_truncated_items_are_cut(streamcore) -> None:
    arguments = ("-", "--max-size", "4", "--on-oversize", "truncate")
    assert succeeds(streamcore("lines", *arguments, stdin=b"ab\nabcdefgh\ncd\n")) == b"ab\nabcd\ncd\n"


@pytest.mark.parametrize("size", ["8", "8B", "8.0"])
def test_sizes_that_are_numbers(streamcore, size: str) -> None:
    assert succeeds(streamcore("lines", "-", "--max-size", size, stdin=b"abcdefgh\n")) == b"abcdefgh\n"


@pytest.mark.parametrize("size", ["1KiB", "1kb", "1K", "none"])
def test_sizes_with_units(streamcore, size: str) -> None:
    line = b"a" * 1024 + b"\n"
    assert succeeds(streamcore("lines", "-", "--max-size", size, stdin=line)) == line


@pytest.mark.parametrize("size", ["0", "-1", "many", "", "nan", "inf", "1e400", "K"])
def test_sizes_that_are_not(streamcore, size: str) -> None:
    assert "--max-size" in fails(streamcore("lines", "-", "--max-size", size))


# ---- what goes wrong ----


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "No such command"),
        (["lines", "--nowhere"], "No such option"),
        (["lines", "a", "b"], "a run writes to a directory: -o DIR"),
        (["lines", "-f", "xml"], "'xml' is not one of"),
        (["lines", "missing"], "streamcore: missing: cannot be opened: No such file or directory"),
        (["lines", "."], "streamcore: .: is a directory"),
        (["lines", "-o", "."], "streamcore: .: is a directory"),
        (["lines", "-o", "missing/out"], "streamcore: missing/out: cannot be written: No such file"),
        (["lines", "-o", "out.gz"], "compressed output is not supported"),
        (
            ["sse", "-", "-o", "out.npy"],
            "out.npy: give -f, .npy is no format of this command: it writes text, jsonl",
        ),
        (
            ["lines", "-o", "out.parquet"],
            "give -f, .parquet is no format of this command: it writes text, jsonl",
        ),
        (
            ["tokens", "-o", "out.csv"],
            "give -f, .csv is no format of this command: it writes text, jsonl, npy, bin",
        ),
        (["tokens", "--special", "--decode", "-"], "--special is about text, --decode about ids"),
        (["lines", "a\x1b[31m\nb"], r"streamcore: a\x1b[31m\nb: cannot be opened"),
        (["lines", "-o", "no\x1b/b"], r"streamcore: no\x1b/b: cannot be written"),
        (["cdc", "a", "e\x1b[31mf"], r"Got unexpected extra argument (e\x1b[31mf)"),
        (["lines", "a", "b", "-o", "no\x1b/b/c"], r"a: no such file"),
        (["lines", "--max-size", "3"], ", --max-size is 3"),
        (["cdc", "--algorithm", "ram", "--seed", "1"], "--seed means nothing with --algorithm ram"),
        (
            ["cdc", "--algorithm", "ram", "--normalization", "1"],
            "--normalization means nothing with --algorithm",
        ),
        (["cdc", "--avg-size", "1"], "--avg-size must be"),
        (["bench", "--list", "--quick"], "--list measures nothing"),
        (["lines", "-f", "npy"], "npy needs a file"),
        (["lines", "-f", "npy", "-o", "-"], "npy needs a file"),
        (["lines", "-o", "out.npy", "--on-oversize", "skip"], "no item may be skipped"),
    ],
)
def test_wrong_usage_and_input_is_exit_code_2(streamcore, tmp_path: Path, arguments, message: str) -> None:
    assert message in fails(streamcore(*arguments))
    assert list(tmp_path.iterdir()) == []


def test_invalid_utf8_is_named_with_its_offset(streamcore) -> None:
    run = streamcore("lines", "-", "-f", "jsonl", stdin=b"good\nb\xffd\n")
    assert "at offset 6" in fails(run)
    assert run.stdout == b'"good"\n'


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_to(streamcore, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "cannot be written: Permission denied" in fails(streamcore("words", "-o", "locked/out"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_an_error(streamcore) -> None:
    assert "cannot be written: No space left" in fails(streamcore("words", "-o", "/dev/full"))


def test_without_click_the_message_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['click'] = None; from streamcore.cli import main; sys.exit(main(['words']))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr == "streamcore: the command line needs click: pip install 'pystreamcore[cli]'\n"


def test_a_demand_that_cannot_be_met() -> None:
    environment = {**os.environ, "STREAMCORE_BACKEND": "none such"}
    command = [sys.executable, "-m", "streamcore", "doctor"]
    message = "streamcore: STREAMCORE_BACKEND must be auto, native or pure, got 'none such'\n"
    assert fails(subprocess.run(command, capture_output=True, env=environment)) == message


def test_a_process_that_a_user_starts(streamcore, tmp_path: Path) -> None:
    """The other tests fork theirs."""
    process = started(streamcore, "words", "-", cwd=tmp_path)
    assert process.communicate(b"a b") == (b"a\nb\n", b"")
    assert process.returncode == 0
    process = started(streamcore, "nonsense", cwd=tmp_path)
    assert b"nonsense" in process.communicate()[1]
    assert process.returncode == 2


# ---- the output file ----


def test_an_existing_file_is_replaced_and_keeps_its_mode(streamcore, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("old")
    target.chmod(0o640)
    succeeds(streamcore("words", "-", "-o", "out", stdin=b"new"))
    assert target.read_text() == "new\n"
    if os.name == "posix":
        assert target.stat().st_mode & 0o777 == 0o640


def test_an_error_leaves_the_old_file_and_nothing_else(streamcore, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("old")
    fails(streamcore("lines", "-", "-o", "out", "-f", "jsonl", stdin=b"good\n\xff"))
    assert (tmp_path / "out").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights on Windows")
def test_a_symbolic_link_stays_one(streamcore, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    succeeds(streamcore("words", "-", "-o", "link", stdin=b"a"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"a\n"


def test_a_device_is_written_to_and_stays(streamcore) -> None:
    succeeds(streamcore("words", "-o", os.devnull))
    assert not os.path.isfile(os.devnull)


# ---- pipes and signals ----

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and pipes of POSIX")


def started(streamcore, *arguments: str, cwd: Path, **pipes: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "streamcore", *arguments]
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
    return subprocess.Popen(command, cwd=cwd, env=streamcore.environment, bufsize=0, **options)


@posix_only
def test_a_closed_pipe_ends_an_endless_stream_quietly(streamcore, tmp_path: Path) -> None:
    process = started(streamcore, "lines", "-", cwd=tmp_path)
    process.stdin.write(b"first\n")
    assert process.stdout.read(6) == b"first\n"
    process.stdout.close()
    try:
        while True:
            process.stdin.write(b"more\n" * 1000)
    except BrokenPipeError:
        pass
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


@posix_only
def test_a_line_is_passed_on_when_it_is_there(streamcore, tmp_path: Path) -> None:
    """Each answer is awaited before the next line is sent: a buffer in between would hang here."""
    with started(streamcore, "lines", "-", cwd=tmp_path) as process:
        for number in range(3):
            line = b"line %d\n" % number
            process.stdin.write(line)
            assert process.stdout.read(len(line)) == line
        process.stdin.close()
        assert process.wait() == 0


@posix_only
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_no_file(streamcore, tmp_path: Path, number: int, code: int) -> None:
    with started(streamcore, "lines", "-", "-o", "out", cwd=tmp_path) as process:
        process.stdin.write(b"a line\n")
        while not any(path.stat().st_size for path in tmp_path.iterdir()):
            assert process.poll() is None
        assert not (tmp_path / "out").exists()
        process.send_signal(number)
        assert process.wait(timeout=60) == code
        assert b"Traceback" not in process.stderr.read()
    assert list(tmp_path.iterdir()) == []


# ---- memory ----


@posix_only
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitizer keeps freed memory")
@pytest.mark.parametrize("command", ["lines", "words"])
def test_memory_does_not_grow_with_the_input(streamcore, tmp_path: Path, command: str) -> None:
    """30 MB may need 4 MB more than 1 MB does, in the highest resident size of the process."""

    def highest(megabytes: int) -> int:
        process = started(streamcore, command, "-", cwd=tmp_path, stdout=subprocess.DEVNULL)
        for _ in range(megabytes):
            process.stdin.write(block)
        process.stdin.close()
        process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    block = SAMPLE * (1_000_000 // len(SAMPLE))
    assert highest(30) - highest(1) < 4_000_000
