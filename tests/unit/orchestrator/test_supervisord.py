"""Which programs keep failing."""

from pathlib import Path

from orchestrator.monitoring.supervisord import (
    PATIENCE_S,
    STEADY_S,
    FailingPrograms,
    ProgramState,
    Supervisord,
)

STEADY = ProgramState("beat", "RUNNING", STEADY_S)
JUST_STARTED = ProgramState("beat", "RUNNING", 1.0)
WAITING = ProgramState("beat", "BACKOFF", 0.0)


def test_a_program_that_never_gets_going_is_failing() -> None:
    """Catches one that supervisord starts for ever and nobody hears of."""
    failing = FailingPrograms()
    assert failing.look([WAITING], 0) == ()
    assert failing.look([JUST_STARTED], PATIENCE_S) == ()
    assert failing.look([WAITING], PATIENCE_S + 1) == ("beat",)


def test_one_that_was_restarted_once_is_not() -> None:
    """Catches an alarm for every kill that supervisord has mended."""
    failing = FailingPrograms()
    failing.look([STEADY], 0)
    assert failing.look([WAITING], 2) == ()
    assert failing.look([JUST_STARTED], 4) == ()
    assert failing.look([STEADY], 9) == ()


def test_one_that_got_going_is_well_again() -> None:
    """Catches an alarm that stays."""
    failing = FailingPrograms()
    failing.look([WAITING], 0)
    assert failing.look([WAITING], PATIENCE_S + 1)
    assert failing.look([STEADY], PATIENCE_S + 9) == ()


def test_without_supervisord_there_are_no_programs(tmp_path: Path) -> None:
    """Catches an API that cannot run by itself."""
    assert Supervisord(tmp_path).programs() == []
