"""A process that parses documents, as what is in them may be made to harm whoever reads it."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.knowledge.errors import UnreadableDocument
from agent.knowledge.parser import READY, REPLIES, REQUESTS, Reply, Request
from agent.settings import PROJECT_ROOT

MEMORY_BYTES = 1 << 30
"""Of address space, the interpreter's and the libraries' own included."""
TIMEOUT_S = 60.0
START_TIMEOUT_S = 30.0
_MAX_REPLY_BYTES = 64 * 2**20
_READ_BYTES = 1 << 16


class ParserProcess:
    """Parses files in a process of its own, which is started when the first one comes.

    A file on which it hangs, dies or runs out of memory is reported, and the next one gets a new
    process. For one thread.
    """

    def __init__(self, *, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._timeout_s = timeout_s
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

        `known` is the hash of a content that need not be parsed again.
        """
        request = REQUESTS.dump_json(Request(str(path), filename, known)) + b"\n"
        try:
            process = self._running()
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            os.write(process.stdin.fileno(), request)  # shorter than a pipe holds
            return REPLIES.validate_json(self._line(process, self._timeout_s))
        except TimeoutError:
            self._kill()
            return Reply(problem=f"took longer than {self._timeout_s:.0f} s to read")
        except (EOFError, BrokenPipeError):
            self._kill()
            return Reply(problem="needs more memory to read than a document may")
        except UnreadableDocument as error:
            self._kill()
            return Reply(problem=str(error))

    def close(self) -> None:
        """End the process."""
        self._kill()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-B", "-m", "agent.knowledge.parser", str(self._memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=PROJECT_ROOT,
                # none of our secrets
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
            )
            if self._line(self._process, START_TIMEOUT_S) != READY:
                raise EOFError
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
