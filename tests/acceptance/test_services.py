"""The product with its three stages in services of their own: it works the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.caller import Caller, read_wav
from tests.clients.services import ServiceProcess, prepare, three
from tests.clients.stack import Stack, eventually

AUDIO = Path(__file__).resolve().parents[1] / "audio"
TOKEN = "the-token-of-a-test"
RETURNS = "How long do I have to return an item?"
RETURNS_PAGE = "returns.md"

Services = dict[str, ServiceProcess]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, documents: Path) -> Iterator[Services]:
    """All three, running, over the same documents."""
    folder = tmp_path_factory.mktemp("services")
    environment = {
        "DATA_DIR": str(folder / "data"),
        "KNOWLEDGE_DIR": str(documents),
        "SERVICES_TOKEN": TOKEN,
    }
    prepare(environment)
    running = three(folder, environment)
    try:
        for service in running.values():
            service.start()
        for service in running.values():
            service.await_ready()
        yield running
    finally:
        for service in running.values():
            service.stop()


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, documents: Path, services: Services
) -> Iterator[Stack]:
    """An instance whose settings point at them."""
    environment = {
        "KNOWLEDGE_DIR": str(documents),
        "SERVICES_TOKEN": TOKEN,
        "BREAKER_SECONDS": "1",
        **{f"{name.upper()}_SERVICE_URL": service.url for name, service in services.items()},
    }
    running = Stack(tmp_path_factory.mktemp("stack"), environment=environment)
    running.start()
    try:
        yield running
    finally:
        running.stop()


async def ask(caller: Caller, question: str) -> str:
    """Type a question, and hear its answer; the file that it rests on."""
    heard = caller.heard
    before = len(heard.sources)
    await caller.type(question)
    sources = await caller.until_cited(after=before, within_s=60)
    cited_at = heard.sources_at[before]
    await caller.until(
        lambda: heard.audible_s(cited_at) > 1.0, within_s=60, what="the answer is heard"
    )
    return str(sources[0]["filename"])


def test_the_start_says_what_it_took(stack: Stack, services: Services) -> None:
    """Catches services that are set and not used, and a token in what is told."""
    told = stack.log.read_text()
    for name, service in services.items():
        assert f"service ({name.upper()}_SERVICE_URL), then local" in told
        assert f"{name.upper()}_SERVICE_URL: {service.url}: healthy" in told
    assert TOKEN not in told


async def test_a_spoken_and_a_typed_turn_go_through_the_services(
    stack: Stack, services: Services
) -> None:
    """Catches a stage that is quietly served by somebody else, and sources that are lost."""
    before = {name: service.served for name, service in services.items()}
    async with Caller.start(stack.url, knowledgeBase="library", openingLine="Hi.") as caller:
        heard = caller.heard
        await caller.until_quiet()
        caller.say(read_wav(AUDIO / "austen-0870.wav"))
        sources = await caller.until_cited(after=0, within_s=60)
        assert sources[0]["filename"] == "austen.md"
        assert 0 < sources[0]["similarity_score"] <= 1
        assert "Dashwood" in sources[0]["preview"]
        await caller.until(
            lambda: heard.audible_s(heard.sources_at[0]) > 1.0,
            within_s=60,
            what="the answer is heard",
        )
        assert "dashwood" in heard.said_by(caller.room.local_participant.identity).lower()
        assert await ask(caller, RETURNS) == RETURNS_PAGE
        answer = await caller.end()
        assert answer.status_code == 200
    for name, service in services.items():
        assert service.served > before[name], name


async def test_services_that_are_killed_are_used_again(stack: Stack, services: Services) -> None:
    """Catches a call that ends with a service, and a service that is never used again."""
    rag, tts = services["rag"], services["tts"]
    async with Caller.start(stack.url, knowledgeBase="library", openingLine="Hi.") as caller:
        await caller.until_quiet()
        rag.kill()
        tts.kill()
        assert await ask(caller, RETURNS) == RETURNS_PAGE
        told = stack.http.get("/health")
        assert told.status_code == 200
        rag.start()
        tts.start()
        rag.await_ready()
        tts.await_ready()
        for _ in range(10):
            assert await ask(caller, RETURNS) == RETURNS_PAGE
            if rag.served and tts.served:
                break
        assert rag.served
        assert tts.served
        await caller.end()

    def well() -> bool:
        parts = stack.http.get("/health").json()["services"]
        return {"healthy"} == set(parts.values())

    eventually(well, within_s=30, what="the services are healthy again")


def test_what_the_service_knows_is_asked_for_at_the_start(stack: Stack) -> None:
    """Catches a user of another language who speaks to nobody."""
    assert stack.environment_of("-m orchestrator")["ASR_SERVICE_LANGUAGES"] == "en"
