"""The order of reports, what goes when there is no room, and that it comes to an end."""

import asyncio
import contextlib
from typing import cast

from redis.asyncio import Redis

from agent.job import AgentJoined, AgentState, Report, StateChanged, UserJoined
from agent.report import Backlog, Reports


def joined(at: float) -> Report:
    return AgentJoined("session_a", 1, at)


def changed(at: float) -> Report:
    return StateChanged("session_a", 1, at, AgentState.SPEAKING)


def drain(backlog: Backlog) -> list[Report]:
    reports = []
    while len(backlog):
        reports.append(backlog.first())
        backlog.done(reports[-1])
    return reports


def test_in_order() -> None:
    """Catches a user who left before they joined."""
    backlog, reports = Backlog(), [joined(1), changed(2), UserJoined("session_a", 1, 3)]
    for report in reports:
        backlog.add(report)
    assert drain(backlog) == reports


def test_states_go_first() -> None:
    """Catches a turn that is lost in favour of a state that nobody will look at."""
    backlog = Backlog(limit=3)
    for report in (joined(1), changed(2), joined(3), joined(4)):
        backlog.add(report)
    assert drain(backlog) == [joined(1), joined(3), joined(4)]
    assert backlog.dropped == 1


def test_then_the_oldest() -> None:
    """Catches a backlog that grows while Redis is away."""
    backlog = Backlog(limit=2)
    for at in (1, 2, 3):
        backlog.add(joined(at))
    assert drain(backlog) == [joined(2), joined(3)]


def test_dropped_while_it_was_written() -> None:
    """Catches the next report being taken for written in place of one that was dropped."""
    backlog = Backlog(limit=1)
    backlog.add(joined(1))
    being_written = backlog.first()
    backlog.add(joined(2))
    backlog.done(being_written)
    assert drain(backlog) == [joined(2)]


class DeafRedis:
    """Loses the cancellation of a write, as redis-py does at the wrong moment."""

    def __init__(self) -> None:
        self.writing = asyncio.Event()

    async def xadd(self, *_: object, **__: object) -> None:
        self.writing.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def test_an_end_whose_cancellation_is_lost() -> None:
    """Catches an agent that has left its room and hangs until it is killed."""
    redis = DeafRedis()
    async with asyncio.timeout(5), Reports(cast("Redis", redis)) as reports:
        reports.send(joined(1))
        await redis.writing.wait()
