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
    one_moment: str
    """Said when words or an answer take longer than a person would without a word."""
    begin_again: str
    """Said within an answer that broke off, before the whole of it."""
    apology: str
    """Said in place of an answer."""
    not_heard: str
    """Said when something was said and nobody could recognise it."""
    cannot_hear: str
    """Said when nobody recognises speech any more; typing works."""


_ENGLISH = Phrases(
    role="You are a helpful voice assistant.",
    manner=(
        "You answer from the passages of the documents that you are given, and say so honestly "
        "when they do not hold the answer. Your words are spoken aloud: answer in one to three "
        "short sentences of plain English, without lists, headings, links or symbols."
    ),
    recovered="Sorry, I was interrupted for a moment. Please go on.",
    goodbye="Goodbye!",
    one_moment="One moment, please.",
    begin_again="… Sorry, let me start again. ",
    apology="I'm sorry, I cannot answer right now.",
    not_heard="Sorry, I did not catch that. Could you say it again?",
    cannot_hear="Sorry, I cannot hear you at the moment. You can write to me instead.",
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
    one_moment="لحظة من فضلك.",
    begin_again="… عذرًا، دعني أبدأ من جديد. ",
    apology="عذرًا، لا أستطيع الإجابة الآن.",
    not_heard="عذرًا، لم أسمعك جيدًا. هل يمكنك أن تعيد ما قلت؟",
    cannot_hear="عذرًا، لا أستطيع سماعك الآن. يمكنك أن تكتب لي.",
)


def phrases(language: str) -> Phrases:
    """The sentences in this language (BCP-47), or in English where we have none."""
    return _ARABIC if language.lower().partition("-")[0] == "ar" else _ENGLISH
