"""What a worker takes from its queues, by what its machine's host says."""

import queue
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.host_protocol import REPLY_CODEC, Vacancy
from orchestrator.gate import Gate, HostWatch, Openings

TAKES, FULL, AWAY = Openings(True, True), Openings(False, True), Openings()
SPAWN, HERE = "spawn", "host.machine-a"


class Consumer:
    """As much of Celery's consumer as a gate turns."""

    def __init__(self, *selected: str) -> None:
        self.taken_from = dict.fromkeys(selected)
        self.app = SimpleNamespace(
            amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=self.taken_from))
        )
        self.task_consumer: object = object()
        self.connection: object = object()

    def add_task_queue(self, name: str) -> None:
        assert name not in self.taken_from
        self.taken_from[name] = None

    def cancel_task_queue(self, name: str) -> None:
        del self.taken_from[name]


@pytest.mark.parametrize(
    ("openings", "taken_from"),
    [(TAKES, {"celery", SPAWN, HERE}), (FULL, {"celery", HERE}), (AWAY, {"celery"})],
)
def test_which_queues_are_open(openings: Openings, taken_from: set[str]) -> None:
    """Catches a full machine that takes spawns, one that cannot end agents, a beat nobody heeds."""
    for before in (("celery", SPAWN, HERE), ("celery",)):
        consumer, gate = Consumer(*before), Gate("machine-a")
        gate.openings = openings
        gate.apply(consumer)
        gate.apply(consumer)
        assert set(consumer.taken_from) == taken_from


def test_a_consumer_without_a_connection_is_left_alone() -> None:
    """Catches a worker that dies of its gate while Redis is away."""
    consumer = Consumer("celery", SPAWN)
    consumer.connection = None
    Gate("machine-a").apply(consumer)
    assert SPAWN in consumer.taken_from


def test_a_host_is_watched_through_its_restarts(tmp_path: Path) -> None:
    """Catches a gate that stays open when the host dies or hangs, or shut when it is back."""
    seen: queue.Queue[Openings] = queue.Queue()
    path = tmp_path / "host.sock"
    watch = HostWatch(path, seen.put, silence_s=1.0, retry_s=0.01)
    watch.start()
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            connection, _ = listener.accept()
            for free in (2, 1, 0):
                connection.sendall(REPLY_CODEC.dump_json(Vacancy(free)) + b"\n")
            assert [seen.get(timeout=20) for _ in range(2)] == [TAKES, FULL]
            assert seen.get(timeout=20) == AWAY  # as it says nothing more
            connection.close()
            connection, _ = listener.accept()
            connection.sendall(REPLY_CODEC.dump_json(Vacancy(5)) + b"\n")
            assert seen.get(timeout=20) == TAKES
            connection.sendall(b"nonsense\n")
            assert seen.get(timeout=20) == AWAY
            connection.close()
    finally:
        watch.stop()
        watch.join(timeout=20)
    assert not watch.is_alive()
