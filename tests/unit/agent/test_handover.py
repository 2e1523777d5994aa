"""Waiting for a person: who is there, and until when."""

from agent.handover import PersonWatch
from agent.job import HandoverState

S = HandoverState


def test_a_person_who_comes_and_leaves() -> None:
    """Catches an assistant that talks while a person does, or never again."""
    watch = PersonWatch()
    assert (watch.state, watch.keeps_quiet, watch.passed(1e9)) == (None, False, False)
    watch.ask(100.0, wait_s=60.0)
    assert (watch.state, watch.keeps_quiet, watch.deadline) == (S.WAITING, True, 160.0)
    assert watch.came("huda")
    assert (watch.state, watch.keeps_quiet, watch.deadline) == (S.TAKEN, True, None)
    assert not watch.passed(1e9)
    assert watch.left("huda")
    assert (watch.state, watch.keeps_quiet) == (S.ENDED, False)


def test_nobody_comes() -> None:
    """Catches a user who is left alone."""
    watch = PersonWatch()
    watch.ask(100.0, wait_s=60.0)
    assert not watch.passed(159.9)
    assert watch.passed(160.0)
    assert (watch.state, watch.keeps_quiet, watch.deadline) == (S.MISSED, False, None)
    assert not watch.passed(161.0)


def test_a_person_who_comes_late() -> None:
    """Catches two who talk at once, as the person was slow."""
    watch = PersonWatch()
    watch.ask(100.0, wait_s=60.0)
    watch.passed(160.0)
    assert watch.came("huda")
    assert watch.keeps_quiet


def test_two_people() -> None:
    """Catches an assistant that goes on when one of two has left."""
    watch = PersonWatch()
    watch.ask(0.0, wait_s=60.0)
    assert watch.came("huda")
    assert not watch.came("omar")
    assert not watch.left("huda")
    assert watch.keeps_quiet
    assert watch.left("omar")


def test_a_person_who_only_listens() -> None:
    """Catches an assistant that falls silent though nobody was asked for."""
    watch = PersonWatch()
    assert not watch.came("huda")
    assert not watch.keeps_quiet
    watch.ask(0.0, wait_s=60.0)
    assert watch.state is S.TAKEN


def test_asking_again() -> None:
    """Catches a person who can be asked for once only."""
    watch = PersonWatch(S.ENDED)
    assert not watch.keeps_quiet
    watch.ask(0.0, wait_s=60.0)
    assert watch.state is S.WAITING
