"""`python -m agent.knowledge.parser`: reads and parses one file after the other, with little power.

It takes a `Request` a line on standard input and answers each with a `Reply` a line. It may write
no file, and use no more memory in all (bytes) and processor time for one file (seconds) than its
arguments say: the kernel ends it then. Whoever started it starts another.
"""

import ctypes
import hashlib
import math
import os
import resource
import signal
import stat
import sys
from pathlib import Path

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from agent.knowledge.documents import FORMATS, MAX_BYTES, parse, suffix_of
from agent.knowledge.errors import UnreadableDocument
from agent.knowledge.sections import Document

_PR_SET_PDEATHSIG = 1
_MOST_FILES = 64
READY = b"ready\n"


@dataclass(frozen=True, slots=True)
class Request:
    """One file to parse."""

    path: str
    filename: str
    """What it is called in its collection."""
    known: str
    """The hash of the content that need not be parsed again."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of it."""

    sha256: str = ""
    """Empty where it could not be read."""
    document: Document | None = None
    """None where the content is the known one, or has a problem."""
    problem: str = ""


REQUESTS: TypeAdapter[Request] = TypeAdapter(Request)
REPLIES: TypeAdapter[Reply] = TypeAdapter(Reply)


def answer(request: Request) -> Reply:
    """Read and parse one file. Raises MemoryError."""
    sha256 = ""
    try:
        content = _read(Path(request.path), _max_bytes(request.filename))
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 == request.known:
            return Reply(sha256)
        return Reply(sha256, parse(content, request.filename))
    except UnreadableDocument as error:
        return Reply(sha256, problem=str(error))
    except OSError as error:
        return Reply(problem=error.strerror or type(error).__name__)
    except RecursionError:
        return Reply(sha256, problem="nested too deeply")
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - the edge: a broken file can raise anything in a library
        return Reply(sha256, problem="damaged, or not what its name says")


def _max_bytes(filename: str) -> int:
    known = FORMATS.get(suffix_of(filename))
    return MAX_BYTES if known is None else known.max_bytes


def _read(path: Path, max_bytes: int) -> bytes:
    # a pipe must not keep us waiting
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableDocument("not a regular file")
        if status.st_size > max_bytes:
            raise UnreadableDocument(f"larger than {max_bytes // 2**20} MiB")
        return file.read(max_bytes + 1)


def _allow_processor(seconds: int) -> None:
    """From now on; the signal for more is SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def main() -> None:
    """Serve standard input until it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    memory, cpu_s = int(sys.argv[1]), int(sys.argv[2])
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MOST_FILES),
    ):
        resource.setrlimit(limit, (value, value))
    out = sys.stdout.buffer
    out.write(READY)
    out.flush()
    for line in sys.stdin.buffer:
        _allow_processor(cpu_s)
        try:
            out.write(REPLIES.dump_json(answer(REQUESTS.validate_json(line))) + b"\n")
            out.flush()
        except MemoryError:
            os._exit(1)  # what is left of the memory may not do for anything else


if __name__ == "__main__":
    main()
