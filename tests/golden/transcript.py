"""A golden transcript: what happens, and under it what the dialect does about it.

    # A comment.
    @ 12.5                                  from here on it is so late (Unix seconds)
    client {"type": "audio_end"}            a text frame, as it is sent
    bytes webm                              a binary frame, one of `FRAMES`
    event Sentence {"index": 0, …}          an event of the conversation
        -> send {"type": …}                 a message to the client; its timestamp is checked apart
        -> EndTurn                          what else is to be done

Replaying a transcript gives its text again, or the dialect has changed. After a change that is
meant, `python -m tests.golden.transcript` writes them anew, and every line of the difference wants
to be read.
"""

import dataclasses
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from orchestrator.gateway import dialect as vocabulary
from orchestrator.gateway.dialect import Dialect, Door, Effect, Event, Received, Send, Terms
from orchestrator.gateway.dialects import doors
from orchestrator.gateway.messages import iso_utc

GOLDEN = Path(__file__).parent
FRAMES = {
    "pcm": bytes(320),
    "pcm-half": bytes(321),
    "webm": b"\x1a\x45\xdf\xa3" + bytes(60),
    "webm-more": b"\x1f\x43\xb6\x75" + bytes(60),
    "ogg": b"OggS\x00\x02" + bytes(60),
    "ogg-page": b"OggS\x00\x00" + bytes(60),
    "wav": b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(60),
    "mp4": b"\x00\x00\x00\x18ftypiso5" + bytes(60),
    "mp4-fragment": b"\x00\x00\x00\x18styp" + bytes(60),
    "mp3": b"ID3" + bytes(60),
    "empty": b"",
    "decoded": bytes(4),
}
_NAMES = {data: name for name, data in FRAMES.items()}
SILENCE = b"a short silence"


@dataclass
class Replay:
    """A dialect at work on a transcript, and everything that it did."""

    door: Door
    dialect: Dialect
    at: float = 0.0
    lines: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    given: list[tuple[str, Event]] = field(default_factory=list)
    """Each event with the activity in which it came."""

    @classmethod
    def of(cls, door: Door) -> "Replay":
        """With a fresh dialect."""
        terms = Terms("the-session", "en-US", 16_000, SILENCE)
        return cls(door, door.dialect(terms))

    def run(self, text: str) -> "Replay":
        """Do what the transcript says; what it expects is not looked at."""
        for line in text.splitlines():
            if line.lstrip().startswith("->"):
                continue
            self.lines.append(line)
            if line.startswith("@ "):
                self.at = float(line[2:])
            elif line and not line.startswith("#"):
                self._give(_event(line))
        return self

    @property
    def text(self) -> str:
        """The transcript, as it went."""
        return "\n".join(self.lines) + "\n"

    def _give(self, event: Event) -> None:
        self.given.append((self.dialect.activity.value, event))
        for effect in self.dialect.on(event, self.at):
            self.lines.append(f"    -> {self._shown(effect)}")

    def _shown(self, effect: Effect) -> str:
        if isinstance(effect, Send):
            message = dict(effect.message)
            assert message.pop("timestamp") in (self.at, iso_utc(self.at))
            self.sent.append(message)
            return f"send {json.dumps(message, ensure_ascii=False)}"
        name = type(effect).__name__
        fields = {
            each.name: getattr(effect, each.name)
            for each in dataclasses.fields(effect)
            if getattr(effect, each.name) != each.default
        }
        data = fields.pop("data", None)
        shown = [name, *([_NAMES[data]] if data is not None else [])]
        return " ".join([*shown, *(f"{key}={value}" for key, value in fields.items())])


def _event(line: str) -> Event:
    kind, _, rest = line.partition(" ")
    match kind:
        case "client":
            return Received(rest)
        case "bytes":
            return Received(FRAMES[rest])
        case "event":
            name, _, fields = rest.partition(" ")
            event: Event = TypeAdapter(getattr(vocabulary, name)).validate_json(fields or "{}")
            return event
        case _:
            raise ValueError(f"not a line of a transcript: {line}")


def transcripts() -> Iterator[tuple[Door, Path]]:
    """Every transcript, with the door that it is of."""
    for door in doors():
        folder = GOLDEN / door.path.rpartition("/")[2]
        for path in sorted(folder.glob("*.txt")):
            yield door, path


def main() -> None:
    """Write all of them anew, or those of the paths given."""
    only = [Path(name).resolve() for name in sys.argv[1:]]
    for door, path in transcripts():
        if not only or path.resolve() in only:
            path.write_text(Replay.of(door).run(path.read_text()).text)


if __name__ == "__main__":
    main()
