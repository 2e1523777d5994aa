"""A process that parses documents, as what is in them may be made to harm whoever reads it."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.knowledge.errors import IndexUnavailable, UnreadableDocument
from agent.knowledge.parser import REPLIES, REQUESTS, Reply, Request
from agent.settings import PROJECT_ROOT

MEMORY_BYTES = 1 << 30
"""Of address space, the interpreter's and the libraries' own included."""
CPU_S = 60
"""Of processor time, so that a busy machine fails no file."""
TIMEOUT_S = 600.0
"""By the clock: for what waits and does not work."""
START_TIMEOUT_S = 300.0
_MAX_REPLY_BYTES = 64 * 2**20
_READ_BYTES = 1 << 16
_TOO_LONG = "takes too long to read"


class ParserProcess:
    """Parses files in a process of its own, which is started when the first one comes.

    A file on which it hangs, dies or runs out of memory is reported, and the next one gets a new
    process. For one thread.
    """

    def __init__(
        self,
        *,
        cpu_s: int = CPU_S,
        timeout_s: float = TIMEOUT_S,
        start_timeout_s: float = START_TIMEOUT_S,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._cpu_s = cpu_s
        self._timeout_s = timeout_s
        self._start_timeout_s = start_timeout_s
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the process, where there is one."""
        return None if self._process is None else self._process.pid

    def parse(self, path: Path, filename: str, *, known: str = "") -> Reply:
        """The document in the file at `path`, or why there is none.

        `known` is the hash of a content that need not be parsed again. Raises `IndexUnavailable`
        where the process does not start: that says nothing of the file.
        """
        request = REQUESTS.dump_json(Request(str(path), filename, known)) + b"\n"
        process = self._running()
        try:
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            os.write(process.stdin.fileno(), request)  # shorter than a pipe holds
            return REPLIES.validate_json(self._line(process, self._timeout_s))
        except TimeoutError:
            self._kill()
            return Reply(problem=_TOO_LONG)
        except (EOFError, BrokenPipeError):
            code = process.wait()
            self._kill()
            too_much = "needs more memory to read than a document may"
            return Reply(problem=_TOO_LONG if code == -signal.SIGXCPU else too_much)
        except UnreadableDocument as error:
            self._kill()
            return Reply(problem=str(error))

    def close(self) -> None:
        """End the process."""
        self._kill()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            limits = (str(self._memory_bytes), str(self._cpu_s))
            self._process = subprocess.Popen(
                [sys.executable, "-B", "-m", "agent.knowledge.parser", *limits],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=PROJECT_ROOT,
                # none of our secrets
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
            )
            try:
                self._line(self._process, self._start_timeout_s)
            except (TimeoutError, EOFError) as error:
                self._kill()
                raise IndexUnavailable("the process that parses does not start") from error
        return self._process

    def _line(self, process: "subprocess.Popen[bytes]", timeout_s: float) -> bytes:
        """The next line of its output. Raises `TimeoutError`, `EOFError`, `UnreadableDocument`."""
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        descriptor = process.stdout.fileno()
        readable = select.poll()
        readable.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + timeout_s
        line = bytearray()
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not readable.poll(left * 1000):
                raise TimeoutError
            data = os.read(descriptor, _READ_BYTES)
            if not data:
                raise EOFError
            line += data
            if len(line) > _MAX_REPLY_BYTES:
                raise UnreadableDocument("too much text")
        return bytes(line)

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
