"""The command line as a user runs it, in a process of its own, but without the start of an interpreter for each run.

One process imports what the commands need, loads the embedded vocabulary and forks for each run: the child has its
own pipes, arguments and working directory, and ends as ``python -m streamcore`` does. Where there is no ``fork`` each
run starts an interpreter.
How a process starts, and signals, are for tests that start one by themselves.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["CommandLine"]

SERVER = """
import gc, json, os, socket, sys

def next_run(requests):
    # returns in the child of each run
    while True:
        request, fds, _, _ = socket.recv_fds(requests, 1 << 20, 3)
        if not request:
            os._exit(0)
        child = os.fork()
        if not child:
            requests.close()
            for number, fd in enumerate(fds):
                os.dup2(fd, number)
                os.close(fd)
            arguments, folder = json.loads(request)
            os.chdir(folder)
            return arguments
        for fd in fds:
            os.close(fd)
        requests.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

import numpy
from importlib import import_module
from streamcore.cli import commands, main
for name in commands.COMMANDS:
    import_module(f"streamcore.cli.{name}")
from streamcore import BPE
gpt2, from_tiktoken = BPE.gpt2(), BPE.from_tiktoken
gpt2.encoder().invoke("what is made when it is needed")
BPE.from_tiktoken = lambda name, pattern=None: (
    gpt2 if (name, pattern) == ("gpt2", None) else from_tiktoken(name, pattern=pattern)
)
gc.collect()
gc.freeze()  # the memory that the runs share stays as it is

arguments = next_run(socket.socket(fileno=int(sys.argv[1])))
sys.argv[:] = ["streamcore", *arguments]
sys.exit(main())
"""


class CommandLine:
    """Runs of the command line on one backend, in the environment ``environment``."""

    def __init__(self, backend: str) -> None:
        self.environment = {**os.environ, "STREAMCORE_BACKEND": backend, "NO_COLOR": "1"}
        self._server: subprocess.Popen[bytes] | None = None

    def run(
        self, arguments: Sequence[str], folder: Path, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        if not hasattr(os, "fork"):
            command = [sys.executable, "-m", "streamcore", *arguments]
            return subprocess.run(
                command, input=stdin, capture_output=True, cwd=folder, env=self.environment, check=False
            )
        if self._server is None:
            self._start()
        pipes = [os.pipe(), os.pipe(), os.pipe()]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        socket.send_fds(self._requests, [json.dumps([list(arguments), str(folder)]).encode()], theirs)
        for fd in theirs:
            os.close(fd)
        with ThreadPoolExecutor(2) as threads:
            threads.submit(written, pipes[0][1], stdin)
            errors = threads.submit(read, pipes[2][0])
            output = read(pipes[1][0])
        code = int(self._requests.recv(99))
        return subprocess.CompletedProcess(arguments, code, output, errors.result())

    def _start(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-c", SERVER, str(theirs.fileno())],
                stdin=subprocess.PIPE,  # what a run will have, as the streams of Python look what they are
                stdout=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env=self.environment,
            )

    def close(self) -> None:
        if self._server is not None:
            self._requests.close()
            self._server.communicate()


def written(fd: int, data: bytes) -> None:
    """Write all, as far as it is read."""
    with open(fd, "wb", buffering=0) as pipe:
        left = memoryview(data)
        while left:
            try:
                left = left[pipe.write(left) :]
            except BrokenPipeError:
                return


def read(fd: int) -> bytes:
    with open(fd, "rb", buffering=0) as pipe:
        return pipe.read()
