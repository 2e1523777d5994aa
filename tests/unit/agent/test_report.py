"""The order of reports, and what goes when there is no room."""

from agent.job import AgentJoined, AgentState, Report, StateChanged, UserJoined
from agent.report import Backlog


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
