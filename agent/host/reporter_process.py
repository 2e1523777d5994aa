"""The reporter's own process: takes messages from the host, writes them to Redis, in order.

While Redis is away it keeps what it has; the host bounds how much that can be.
"""

import logging
import select
import socket
import time
from collections import deque

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.typing import EncodableT

from agent.host.lines import Lines
from agent.host.reporter import MAX_LINE_BYTES, TO_REPORTER_CODEC, Beat, Exit, Farewell
from agent.host.title import name_process
from agent.host_protocol import HOSTS_KEY, REPLY_CODEC, STATUS_TTL_S, HostStatus, status_key
from agent.job import REPORT_CODEC, REPORTS_STREAM
from agent.report import STREAM_MAX_LENGTH

_RETRY_S = 0.25
_REDIS_TIMEOUT_S = 2.0
_FAREWELL_S = 1.0
_ORPHANED_S = 10.0
"""How long to try on when the host died; the next one tells again what was not written."""

_log = logging.getLogger(__name__)


def run_reporter(sock: socket.socket, *, redis_url: str, host: str) -> int:
    """Serve the host at the other end of `sock` until it says farewell or is gone."""
    name_process("agent reporter")
    redis = Redis.from_url(
        redis_url,
        socket_timeout=_REDIS_TIMEOUT_S,
        socket_connect_timeout=_REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    _Process(sock, redis, host).run()
    return 0


class _Process:
    def __init__(self, sock: socket.socket, redis: Redis, host: str) -> None:
        self._sock = sock
        self._redis = redis
        self._host = host
        self._lines = Lines(MAX_LINE_BYTES)
        self._exits: deque[Exit] = deque()
        self._status: HostStatus | None = None
        self._farewell = False
        self._until: float | None = None
        self._retry_at = 0.0
        self._away = False

    def run(self) -> None:
        while not self._done():
            self._receive(self._wait_s())
            if self._pending() and time.monotonic() >= self._retry_at:
                self._write()

    def _pending(self) -> bool:
        return bool(self._exits) or self._status is not None or self._farewell

    def _done(self) -> bool:
        if self._until is None:
            return False
        return not self._pending() or time.monotonic() >= self._until

    def _wait_s(self) -> float | None:
        if not self._pending():
            return None
        return max(0.0, self._retry_at - time.monotonic())

    def _receive(self, wait_s: float | None) -> None:
        if self._until is not None:
            time.sleep(wait_s or 0.0)
            return
        readable, _, _ = select.select([self._sock], [], [], wait_s)
        if not readable:
            return
        data = self._sock.recv(1 << 16)
        if not data:
            self._status = None
            self._until = time.monotonic() + _ORPHANED_S
        for line in self._lines.feed(data):
            match TO_REPORTER_CODEC.validate_json(line):
                case Exit() as message:
                    self._exits.append(message)
                case Beat(status=status):
                    self._status = status
                case Farewell():
                    self._farewell = True
                    self._status = None
                    self._until = time.monotonic() + _FAREWELL_S

    def _write(self) -> None:
        try:
            self._write_exits()
            if self._status is not None:
                self._write_status(self._status)
                self._status = None
            if self._farewell:
                self._redis.delete(status_key(self._host))
                self._farewell = False
        except RedisError as error:
            if not self._away:
                _log.warning("redis is away", extra={"error": type(error).__name__})
            self._away = True
            self._retry_at = time.monotonic() + _RETRY_S
        else:
            if self._away:
                _log.warning("redis is back")
            self._away = False

    def _write_status(self, status: HostStatus) -> None:
        with self._redis.pipeline() as pipeline:
            pipeline.set(status_key(self._host), REPLY_CODEC.dump_json(status), ex=STATUS_TTL_S)
            pipeline.sadd(HOSTS_KEY, self._host)
            pipeline.execute()

    def _write_exits(self) -> None:
        while self._exits:
            exit_ = self._exits[0]
            entry: dict[EncodableT, EncodableT] = {"report": REPORT_CODEC.dump_json(exit_.report)}
            self._redis.xadd(REPORTS_STREAM, entry, maxlen=STREAM_MAX_LENGTH)
            self._exits.popleft()
            if not self._orphaned():
                self._sock.sendall(f"{exit_.number}\n".encode())

    def _orphaned(self) -> bool:
        return self._until is not None and not self._farewell
