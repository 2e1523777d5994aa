"""From asking for a person to the end of their visit. Pure: it is told what happens and when.

(none) ──ask──► waiting ──person comes──► taken ──all left──► ended
                   └──time is over──► missed
missed, ended ──person comes──► taken, ──ask──► waiting
"""

from agent.job import HandoverState

_QUIET = frozenset({HandoverState.WAITING, HandoverState.TAKEN})


class PersonWatch:
    """Whether a person was asked for, and is there. Times are seconds of any monotonic clock."""

    def __init__(self, state: HandoverState | None = None) -> None:
        self.state = state
        """None: nobody has asked for a person."""
        self.deadline: float | None = None
        """Until when a person is waited for."""
        self._people: set[str] = set()

    @property
    def keeps_quiet(self) -> bool:
        """Whether the assistant leaves the conversation to a person."""
        return self.state in _QUIET

    @property
    def taken(self) -> bool:
        """Whether a person talks with the user."""
        return self.state is HandoverState.TAKEN

    def ask(self, now: float, wait_s: float) -> None:
        """A person is asked for; one who is there already has it."""
        if self._people:
            self.state, self.deadline = HandoverState.TAKEN, None
        else:
            self.state, self.deadline = HandoverState.WAITING, now + wait_s

    def came(self, identity: str) -> bool:
        """A person is in the room; whether that changes the state."""
        self._people.add(identity)
        if self.state is None or self.taken:
            return False
        self.state, self.deadline = HandoverState.TAKEN, None
        return True

    def left(self, identity: str) -> bool:
        """A person is not in the room any more; whether that changes the state."""
        self._people.discard(identity)
        if not self.taken or self._people:
            return False
        self.state = HandoverState.ENDED
        return True

    def passed(self, now: float) -> bool:
        """Time has passed; whether that changes the state."""
        if self.deadline is None or now < self.deadline:
            return False
        self.state, self.deadline = HandoverState.MISSED, None
        return True
