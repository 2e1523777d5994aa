"""What an agent says of its own accord, by language."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    """The few sentences that no language model writes."""

    role: str
    """Who the assistant is, for a language model, where nobody says it."""
    manner: str
    """How any assistant of ours answers, for a language model."""
    recovered: str
    """Said by an agent that takes the place of one that died."""
    goodbye: str
    apology: str


_ENGLISH = Phrases(
    role="You are a helpful voice assistant.",
    manner=(
        "You answer from the passages of the documents that you are given, and say so honestly "
        "when they do not hold the answer. Your words are spoken aloud: answer in one to three "
        "short sentences of plain English, without lists, headings, links or symbols."
    ),
    recovered="Sorry, I was interrupted for a moment. Please go on.",
    goodbye="Goodbye!",
    apology="I'm sorry, I cannot answer right now.",
)

_ARABIC = Phrases(
    role="أنت مساعد صوتي مفيد.",
    manner=(
        "أجب من مقاطع المستندات التي تُعطى لك، وقل بصدق إن لم تجد الجواب فيها. كلامك يُنطق بصوت "
        "عالٍ: أجب بجملة إلى ثلاث جمل قصيرة بالعربية الواضحة، من غير قوائم أو عناوين أو روابط أو "
        "رموز."
    ),
    recovered="عذرًا، انقطعتُ للحظة. تفضل، أكمل.",
    goodbye="مع السلامة!",
    apology="عذرًا، لا أستطيع الإجابة الآن.",
)


def phrases(language: str) -> Phrases:
    """The sentences in this language (BCP-47), or in English where we have none."""
    return _ARABIC if language.lower().partition("-")[0] == "ar" else _ENGLISH
