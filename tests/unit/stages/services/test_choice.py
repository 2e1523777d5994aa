"""When the services are taken, and for what."""

from agent.settings import AgentSettings
from agent.stages.build import build_stages
from agent.stages.choice import StageChoice, choose
from agent.stages.fallback.answers import looks_up_itself, needs_passages, writer_of

URLS = {
    "asr_service_url": "ws://localhost:8001",
    "rag_service_url": "http://localhost:8002",
    "tts_service_url": "ws://localhost:8003/",
}


def settings(**given: object) -> AgentSettings:
    return AgentSettings.model_validate({"provider_variables": {}, **given})


def chosen(**given: object) -> StageChoice:
    return choose(settings(**given), installed=lambda _: True)


def providers(choice: StageChoice) -> list[list[str]]:
    return [[member.provider for member in stage.chain] for stage in choice.stages]


def test_a_service_comes_before_a_vendor_once_its_address_is_set() -> None:
    """Catches an address that somebody set and nobody uses."""
    choice = chosen(**URLS, assembly_api_key="key", groq_api_key="key", inworld_api_key="key")
    assert [names[0] for names in providers(choice)] == ["services"] * 3
    assert all(names[-1] == "local" for names in providers(choice))
    assert "service (ASR_SERVICE_URL)" in choice.banner[0]


def test_without_addresses_no_service_is_used() -> None:
    """Catches a default address that nobody listens on."""
    assert not any("services" in names for names in providers(chosen()))


def test_which_languages_are_heard_is_as_the_service_says() -> None:
    """Catches a session in a language that nobody recognises, which is not told so."""
    named = {**URLS, "stt_provider": "services"}
    assert chosen(**named).hears("ar-EG")
    only_english = {**named, "asr_service_languages": "en,fr-FR"}
    assert chosen(**only_english).hears("fr-CA")
    assert not chosen(**only_english).hears("ar-EG")
    stages = build_stages(
        settings(**only_english), language="ar-EG", voice=None, collection="default"
    )
    assert stages.stt is None


async def test_who_looks_documents_up() -> None:
    """Catches retrieval in vain, none where it is needed, and summaries asked of who has none."""
    for named, itself, needs in (
        ("services", True, False),
        ("services,local", True, True),
        ("local", False, True),
    ):
        stages = build_stages(
            settings(**URLS, llm_provider=named), language="en-US", voice=None, collection="default"
        )
        assert looks_up_itself(stages.llm) is itself, named
        assert needs_passages(stages.llm) is needs, named
        assert writer_of(stages.llm) is None
        await stages.aclose()
