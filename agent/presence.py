"""When a session is over because nobody is there: the timers of a room, and nothing else.

Pure: it is told what happens and when (seconds of any one monotonic clock), and tells until when
the session lives and why it ends then.
"""

from dataclasses import dataclass

from agent.job import EndReason


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the agent waits, in seconds."""

    join_s: float
    """For a user who has never been there."""
    rejoin_s: float
    """For one who has left, on purpose or not: a page that is reloaded leaves on purpose too."""
    idle_s: float
    """While nobody says anything."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The session is over at this time, for this reason, unless something happens before."""

    at: float
    reason: EndReason


class Presence:
    """Who is there, and since when nothing has happened."""

    def __init__(self, patience: Patience, now: float, *, expected_back: bool) -> None:
        """`expected_back`: the user has been there before, with an agent that this one replaces."""
        self._patience = patience
        self._user_is_here = False
        self._quiet_since: float | None = now
        if expected_back:
            self._away = Deadline(now + patience.rejoin_s, EndReason.USER_LOST)
        else:
            self._away = Deadline(now + patience.join_s, EndReason.USER_NEVER_CAME)

    @property
    def user_is_here(self) -> bool:
        """Whether the user is in the room."""
        return self._user_is_here

    def user_joined(self, now: float) -> None:
        """The user came, or came back."""
        self._user_is_here = True
        if self._quiet_since is not None:
            self._quiet_since = now

    def user_left(self, now: float, *, on_purpose: bool) -> None:
        """The user is not in the room any more."""
        self._user_is_here = False
        reason = EndReason.USER_LEFT if on_purpose else EndReason.USER_LOST
        self._away = Deadline(now + self._patience.rejoin_s, reason)

    def quiet(self, now: float) -> None:
        """Nobody speaks, and no answer is being prepared."""
        if self._quiet_since is None:
            self._quiet_since = now

    def busy(self) -> None:
        """Somebody speaks, or is about to."""
        self._quiet_since = None

    @property
    def deadline(self) -> Deadline | None:
        """When the session ends if nothing happens; None while somebody speaks."""
        if not self._user_is_here:
            return self._away
        if self._quiet_since is None:
            return None
        return Deadline(self._quiet_since + self._patience.idle_s, EndReason.IDLE)
