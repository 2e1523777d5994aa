"""Prometheus metrics. Seconds, no user's words, no ids in labels.

What the whole deployment shares (live sessions, workers) is read from Redis when asked, so it is
the same from every process. The rest is each process's own; where several serve the API, set
`PROMETHEUS_MULTIPROC_DIR`, and they are added up.
"""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from orchestrator.sessions.session import Session, SessionStatus

_START_BUCKETS_S = (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_JOIN_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 1, 2, 5, 10, 30)
_CALL_BUCKETS_S = (5, 15, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.connections = Gauge(
            "websocket_connections_total",
            "WebSocket connections that are open",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.errors = Counter(
            "errors_total", "Errors by type", ["error_type"], registry=self.registry
        )
        self._duration = Histogram(
            "conversation_duration_seconds",
            "From the start of a session to its end",
            buckets=_CALL_BUCKETS_S,
            registry=self.registry,
        )
        self.start = Histogram(
            "session_start_duration_seconds",
            "Time to answer the start of a session",
            buckets=_START_BUCKETS_S,
            registry=self.registry,
        )
        self._join = Histogram(
            "agent_join_duration_seconds",
            "From the start of a session to its agent in the room",
            buckets=_JOIN_BUCKETS_S,
            registry=self.registry,
        )
        self._over = Counter(
            "sessions_over_total",
            "Sessions that are over, by reason",
            ["reason"],
            registry=self.registry,
        )

    def agent_joined(self, after_s: float) -> None:
        """The first agent of a session came, so long after the start."""
        self._join.observe(max(0.0, after_s))

    def conversation_over(self, duration_s: float) -> None:
        """A connection of a WebSocket door has ended."""
        self._duration.observe(max(0.0, duration_s))

    def error_told(self, code: str) -> None:
        """A client of a WebSocket door was told of an error."""
        self.errors.labels(str(code)).inc()

    def client_dropped(self) -> None:
        """A client of a WebSocket door did not read what was sent to it."""
        self.errors.labels("client_does_not_read").inc()

    def session_over(self, session: Session) -> None:
        """A session has ended or failed."""
        reason = session.end_reason.value if session.end_reason else "unknown"
        self._over.labels(reason).inc()
        if session.ended_at is not None:
            self._duration.observe(max(0.0, session.ended_at - session.created_at))
        if session.status is SessionStatus.FAILED:
            self.errors.labels(reason).inc()

    def page(self, *, sessions: int, max_sessions: int, workers: int) -> bytes:
        """What Prometheus reads, with what the whole deployment shares."""
        shared = CollectorRegistry()
        for name, what, value in (
            ("sessions_live", "Sessions that hold a slot", sessions),
            ("sessions_limit", "Sessions that may", max_sessions),
            ("workers_alive", "Celery workers that are alive", workers),
        ):
            Gauge(name, what, registry=shared).set(value)
        return generate_latest(self._own()) + generate_latest(shared)

    def _own(self) -> CollectorRegistry:
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self.registry
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # it has no annotations
        return together
