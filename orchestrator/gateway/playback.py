"""How far a client has played what it was sent, and what was heard. Pure: it is told the time."""

from dataclasses import dataclass, field

from agent.stages.normalization import beginning


@dataclass(slots=True)
class Playback:
    """One answer's audio, as a client plays it that plays each chunk when it comes.

    Times are seconds of any one monotonic clock; lengths are seconds of audio.
    """

    sent_s: float = 0.0
    plays_until: float = 0.0
    """When all that was sent will have been played."""
    sentences: list[str] = field(default_factory=list)
    lengths_s: dict[int, float] = field(default_factory=dict)
    """Of the sentences' audio, by index, as far as it is synthesised."""

    def sent(self, duration_s: float, now: float) -> None:
        """A chunk of so much audio went out."""
        self.sent_s += duration_s
        self.plays_until = max(self.plays_until, now) + duration_s

    def written(self, duration_s: float, now: float) -> None:
        """A chunk of so much audio left only now: no client has begun it earlier."""
        self.plays_until = max(self.plays_until, now + duration_s)

    def position_s(self, now: float) -> float:
        """How much has been played."""
        return max(0.0, self.sent_s - max(0.0, self.plays_until - now))

    def synthesised(self, sentence_index: int, duration_s: float) -> None:
        """So much more of a sentence's audio is known."""
        self.lengths_s[sentence_index] = self.lengths_s.get(sentence_index, 0.0) + duration_s

    def heard(self, position_s: float) -> str:
        """The text that has been heard at a position: whole sentences, and words of the last."""
        heard: list[str] = []
        left_s = position_s
        for index, text in enumerate(self.sentences):
            length_s = self.lengths_s.get(index, 0.0)
            if length_s > 0 and left_s >= length_s:
                heard.append(text)
                left_s -= length_s
                continue
            if length_s > 0:
                heard.append(beginning(text, left_s / length_s))
                break
            if text.strip():
                break
            heard.append(text)
        return "".join(heard).strip()
