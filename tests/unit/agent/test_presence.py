"""When a session is over because nobody is there. Time is a number here; nothing sleeps."""

from agent.job import EndReason
from agent.presence import Deadline, Patience, Presence

PATIENCE = Patience(join_s=60, rejoin_s=30, idle_s=300)


def presence(*, expected_back: bool = False) -> Presence:
    return Presence(PATIENCE, 1000.0, expected_back=expected_back)


def test_a_user_who_never_comes() -> None:
    """Catches an agent that waits for ever in an empty room."""
    assert presence().deadline == Deadline(1060.0, EndReason.USER_NEVER_CAME)


def test_waiting_for_the_user_does_not_depend_on_the_agent_s_silence() -> None:
    """Catches an opening line said to nobody that postpones the end."""
    there = presence()
    there.busy()
    there.quiet(1050.0)
    assert there.deadline == Deadline(1060.0, EndReason.USER_NEVER_CAME)


def test_a_user_who_is_there_and_silent() -> None:
    """Catches a call that nobody hangs up."""
    there = presence()
    there.user_joined(1010.0)
    assert there.deadline == Deadline(1310.0, EndReason.IDLE)


def test_speech_postpones_the_end() -> None:
    """Catches a session that ends in the middle of a sentence."""
    there = presence()
    there.user_joined(1010.0)
    there.busy()
    assert there.deadline is None
    there.quiet(2000.0)
    assert there.deadline == Deadline(2300.0, EndReason.IDLE)


def test_quiet_counts_from_its_beginning() -> None:
    """Catches changes between two quiet states that keep an empty call alive."""
    there = presence()
    there.user_joined(1010.0)
    there.quiet(1100.0)
    there.quiet(1200.0)
    assert there.deadline == Deadline(1310.0, EndReason.IDLE)


def test_a_user_who_hangs_up() -> None:
    """Catches an agent that stays after the user has gone."""
    there = presence()
    there.user_joined(1010.0)
    there.user_left(1100.0, on_purpose=True)
    assert there.deadline == Deadline(1130.0, EndReason.USER_LEFT)


def test_a_connection_that_breaks() -> None:
    """Catches a crash that is told as if the user had hung up."""
    there = presence()
    there.user_joined(1010.0)
    there.user_left(1100.0, on_purpose=False)
    assert there.deadline == Deadline(1130.0, EndReason.USER_LOST)


def test_a_page_that_is_reloaded() -> None:
    """Catches a session that ends though its user came back in time."""
    there = presence()
    there.user_joined(1010.0)
    there.user_left(1100.0, on_purpose=True)
    there.user_joined(1105.0)
    assert there.user_is_here
    assert there.deadline == Deadline(1405.0, EndReason.IDLE)


def test_leaving_in_the_middle_of_an_answer() -> None:
    """Catches an agent that talks on to an empty room without end."""
    there = presence()
    there.user_joined(1010.0)
    there.busy()
    there.user_left(1100.0, on_purpose=True)
    assert there.deadline == Deadline(1130.0, EndReason.USER_LEFT)


def test_coming_back_in_the_middle_of_an_answer() -> None:
    """Catches an idle timer that runs while the agent speaks."""
    there = presence()
    there.user_joined(1010.0)
    there.busy()
    there.user_left(1100.0, on_purpose=True)
    there.user_joined(1105.0)
    assert there.deadline is None


def test_taking_over_from_an_agent_that_died() -> None:
    """Catches a successor that waits a minute for a user who left with its predecessor."""
    assert presence(expected_back=True).deadline == Deadline(1030.0, EndReason.USER_LOST)
