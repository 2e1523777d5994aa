"""The parts that are one function each."""

import logging

import pytest
from pydantic import SecretStr

from orchestrator.dispatch import broker_url, host_queue
from orchestrator.errors import Forbidden, Unauthenticated
from orchestrator.monitoring.health import Condition, Vitals, condition
from orchestrator.monitoring.logs import WithoutQuery
from orchestrator.monitoring.metrics import Metrics
from orchestrator.security.api_keys import check_api_key
from orchestrator.sessions.session import SessionStatus
from tests.unit.orchestrator.sessions import session_in

KEYS = (SecretStr("one"), SecretStr("two"))


@pytest.mark.parametrize(
    "headers",
    [{"x-api-key": "two"}, {"authorization": "Bearer one"}, {"authorization": "bearer one"}],
)
def test_a_right_key_passes(headers: dict[str, str]) -> None:
    """Catches a key that is refused in one of its two places."""
    check_api_key(headers, KEYS)


def test_without_keys_everybody_passes() -> None:
    """Catches a fresh install that asks for a key nobody set."""
    check_api_key({}, ())


def test_no_key_and_a_wrong_one_differ() -> None:
    """Catches an open API, and 403 for a client that sent nothing."""
    with pytest.raises(Unauthenticated):
        check_api_key({"authorization": "Basic x"}, KEYS)
    with pytest.raises(Forbidden):
        check_api_key({"x-api-key": "thréé"}, KEYS)


@pytest.mark.parametrize(
    ("vitals", "active", "expected"),
    [
        (Vitals(True, True, 1), 0, Condition.HEALTHY),
        (Vitals(True, True, 1), 5, Condition.FULL),
        (Vitals(False, True, 1), 0, Condition.UNHEALTHY),
        (Vitals(True, False, 1), 0, Condition.UNHEALTHY),
        (Vitals(True, True, 0), 0, Condition.UNHEALTHY),
        (Vitals(), 5, Condition.UNHEALTHY),
    ],
)
def test_the_condition_of_the_deployment(vitals: Vitals, active: int, expected: Condition) -> None:
    """Catches a load balancer that is sent to a deployment that cannot serve."""
    assert condition(vitals, active=active, limit=5) is expected


@pytest.mark.parametrize(
    ("redis_url", "broker"),
    [
        ("redis://:pw@h:1/2", "redis://:pw@h:1/2"),
        ("unix:///run/r.sock?db=3", "redis+socket:///run/r.sock?virtual_host=3"),
        ("unix://:pw@/run/r.sock", "redis+socket://:pw@/run/r.sock?virtual_host=0"),
    ],
)
def test_the_broker_is_the_same_redis(redis_url: str, broker: str) -> None:
    """Catches a worker that waits at another Redis than the API's."""
    assert broker_url(redis_url) == broker
    assert host_queue("m") == "host.m"


def _record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "args": args, "levelname": "INFO", **extra})
    made.name = "test"
    return made


def test_access_logs_hold_no_query() -> None:
    """Catches a token in the access log."""
    record = _record('%s - "%s %s HTTP/%s" %d', "1.2.3.4", "GET", "/x?token=s3cret", "1.1", 200)
    assert WithoutQuery().filter(record)
    assert "s3cret" not in record.getMessage()
    assert '"GET /x HTTP/1.1" 200' in record.getMessage()


def test_metrics_have_the_names_that_dashboards_read() -> None:
    """Catches a dashboard that goes blank."""
    metrics = Metrics()
    metrics.agent_joined(0.2)
    metrics.session_over(session_in(SessionStatus.FAILED))
    metrics.connections.set(3)
    page = metrics.page(sessions=2, max_sessions=100, workers=1).decode()
    for line in (
        "# TYPE websocket_connections_total gauge",
        "websocket_connections_total 3.0",
        "# TYPE conversation_duration_seconds histogram",
        'errors_total{error_type="not_placed"} 1.0',
        "sessions_live 2.0",
    ):
        assert line in page
