"""Whether the services that stages run in are there, as `/health` shows it."""

import httpx

from agent.settings import AgentSettings
from orchestrator.monitoring.health import Condition, StageConditions, Vitals, with_services
from orchestrator.monitoring.services import ServiceProbe, service_urls


def answer(request: httpx.Request) -> httpx.Response:
    """The service on 8001 is well, the one on 8003 is not, and nobody is on 8002."""
    match request.url.port:
        case 8001:
            return httpx.Response(200, json={"status": "full"})
        case 8003:
            return httpx.Response(503, json={"status": "unhealthy"})
        case _:
            raise httpx.ConnectError("refused")


async def test_only_those_that_are_set_are_asked() -> None:
    """Catches a deployment without services that is told of as unwell."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        nobody = AgentSettings.model_validate({})
        assert await ServiceProbe(service_urls(nobody), http).away() == ()
        all_three = AgentSettings.model_validate(
            {
                "asr_service_url": "ws://localhost:8001",
                "rag_service_url": "http://localhost:8002",
                "tts_service_url": "ws://localhost:8003",
            }
        )
        assert await ServiceProbe(service_urls(all_three), http).away() == ("rag", "tts")


def test_a_service_that_is_away_shows_as_its_manager() -> None:
    """Catches an outage that no operator sees."""
    shown = with_services(StageConditions(), Vitals(services_away=("rag",)))
    assert shown == StageConditions(rag=Condition.UNHEALTHY)
