"""The answerer without a language model, as the pipeline calls it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from livekit.agents import llm

from agent.knowledge import KnowledgeBase, Retrieval
from agent.knowledge.context import passages_message
from agent.knowledge.index import index_directory
from agent.knowledge.small_talk import SmallTalk
from agent.stages.local.answerer import PHRASES, ExtractiveAnswerer, Phrases

ENGLISH, ARABIC = PHRASES["en"], PHRASES["ar"]
PAGES = {
    "returns.md": (
        "# Returns and refunds\nYou may return *anything* within 30 days, see"
        " https://example.com/returns. The refund takes a week.\n\n"
        "## Costs\n- Returning a lamp costs 20 dirhams\n- Exchanging is free of charge\n"
    ),
    "care.md": "# Care\nDust glass with a cloth. Brass is rubbed with lemon.",
    "hours.md": "# Hours\nThe shop opens at ten.",
    "ar.md": "# الضمان\nضمان المصابيح خمس سنوات. يبدأ من تاريخ الشراء.",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    """The pages above."""
    documents, index_dir = tmp_path_factory.mktemp("documents"), tmp_path_factory.mktemp("index")
    for filename, text in PAGES.items():
        (documents / filename).write_text(text, encoding="utf-8")
    list(index_directory(documents, index_dir))
    base = KnowledgeBase.open(index_dir, "default")
    yield base
    base.close()


def context(question: str, base: KnowledgeBase | None) -> llm.ChatContext:
    """What the pipeline hands over: history, passages when `base` was asked, the question."""
    chat_ctx = llm.ChatContext.empty()
    chat_ctx.add_message(role="system", content="Be kind.")
    chat_ctx.add_message(role="user", content="What about brass?")
    chat_ctx.add_message(role="assistant", content="Brass is rubbed with lemon.")
    if base is not None:
        chat_ctx.insert(passages_message(base.search(question)))
    chat_ctx.add_message(role="user", content=question)
    return chat_ctx


async def chunks(chat_ctx: llm.ChatContext, language: str = "en-US") -> list[str]:
    """What the answerer sends, chunk by chunk, without the space at the end of each."""
    async with (
        ExtractiveAnswerer(language=language) as answerer,
        answerer.chat(chat_ctx=chat_ctx) as stream,
    ):
        found = [chunk.delta.content async for chunk in stream if chunk.delta]
    assert all(text and text.endswith(" ") for text in found)
    return [text.removesuffix(" ") for text in found if text]


async def test_an_answer_names_its_document(base: KnowledgeBase) -> None:
    """Catches an answer without its source, or with more than was asked."""
    assert await chunks(context("what does returning a lamp cost", base)) == [
        "According to “Returns and refunds”, Returning a lamp costs 20 dirhams."
    ]


async def test_sentences_come_one_by_one_and_can_be_spoken(base: KnowledgeBase) -> None:
    """Catches links and marks that would be read aloud, and an answer in one piece."""
    assert await chunks(context("when do i get my refund for a return", base)) == [
        "According to “Returns and refunds”, you may return anything within 30 days, see.",
        "The refund takes a week.",
    ]


async def test_arabic(base: KnowledgeBase) -> None:
    """Catches an Arabic answer framed in English."""
    answer = await chunks(context("كم مدة ضمان المصباح؟", base), "ar-EG")
    assert answer[0] == "بحسب «الضمان»، ضمان المصابيح خمس سنوات."


@pytest.mark.parametrize(("language", "phrases"), [("en-US", ENGLISH), ("ar-EG", ARABIC)])
async def test_what_the_documents_do_not_hold(
    base: KnowledgeBase, language: str, phrases: Phrases
) -> None:
    """Catches an invented answer, or a refusal that the session's voice cannot speak."""
    question = context("who won the football match", base)
    assert await chunks(question, language) == [phrases.not_found]


async def test_without_a_search_it_says_so() -> None:
    """Catches "not in the documents" where nobody looked."""
    assert await chunks(context("what does a lamp cost", None)) == [ENGLISH.cannot_look_up]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Hello!", SmallTalk.GREETING),
        ("hi there", SmallTalk.GREETING),
        ("good morning how are you", SmallTalk.GREETING),
        ("السلام عليكم", SmallTalk.GREETING),
        ("صباح الخير", SmallTalk.GREETING),
        ("Thank you very much.", SmallTalk.THANKS),
        ("ok great thanks", SmallTalk.THANKS),
        ("شكرًا جزيلًا", SmallTalk.THANKS),
        ("Thanks, goodbye", SmallTalk.GOODBYE),
        ("bye bye", SmallTalk.GOODBYE),
        ("مع السلامة", SmallTalk.GOODBYE),
    ],
)
async def test_small_talk(base: KnowledgeBase, said: str, kind: SmallTalk) -> None:
    """Catches a search for "hello" in the documents, with or without passages at hand."""
    assert await chunks(context(said, base)) == [ENGLISH.small_talk[kind]]
    assert await chunks(context(said, None)) == [ENGLISH.small_talk[kind]]


async def test_a_question_after_a_greeting_is_a_question(base: KnowledgeBase) -> None:
    """Catches a caller who is greeted back and not answered."""
    answer = await chunks(context("Hello, when does the shop open?", base))
    assert answer == ["According to “Hours”, the shop opens at ten."]
    assert await chunks(context("good question about the weather", base)) == [ENGLISH.not_found]


@pytest.mark.parametrize("said", ["", "   ", "…?!"])
async def test_empty_input(base: KnowledgeBase, said: str) -> None:
    """Catches an answer to silence."""
    assert await chunks(context(said, base)) == [ENGLISH.not_heard]


async def test_nobody_has_spoken_yet() -> None:
    """Catches a failure when the agent is to begin."""
    greeting = ARABIC.small_talk[SmallTalk.GREETING]
    assert await chunks(llm.ChatContext.empty(), "ar") == [greeting]


async def test_a_language_without_phrases_is_english() -> None:
    """Catches a session that fails for its language."""
    assert await chunks(context("bonjour", None), "fr-FR") == [ENGLISH.cannot_look_up]


async def test_a_question_that_may_be_misheard_is_guessed_at(base: KnowledgeBase) -> None:
    """Catches a flat no to a question of which a word was misheard, and a guess sold as sure."""
    retrieval = base.search("can enjoy a lamb return emails costs")
    near = replace(retrieval, hits=(replace(retrieval.hits[0], score=0.35),))
    assert await chunks(_asked(near)) == [ENGLISH.not_found]
    answer = await chunks(_asked(replace(near, unsure=True)))
    assert answer[0] == ENGLISH.guess
    assert answer[1].startswith("According to “Returns and refunds”, ")
    far = replace(near, unsure=True, hits=(replace(near.hits[0], score=0.2),))
    assert await chunks(_asked(far)) == [ENGLISH.not_found]
    thanks = replace(near, unsure=True)
    assert await chunks(_asked(thanks, "thank you")) == [ENGLISH.small_talk[SmallTalk.THANKS]]


def _asked(retrieval: Retrieval, question: str | None = None) -> llm.ChatContext:
    chat_ctx = llm.ChatContext.empty()
    chat_ctx.insert(passages_message(retrieval))
    chat_ctx.add_message(role="user", content=question or retrieval.query)
    return chat_ctx
