"""Which assistants a session can choose."""

from fastapi import APIRouter, Depends, Request

from orchestrator.api.schemas import AssistantAnswer, AssistantsAnswer, ErrorAnswer
from orchestrator.api.services import Provided
from orchestrator.security.api_keys import check_api_key


def _authorized(request: Request, services: Provided) -> None:
    check_api_key(request.headers, services.settings.api_keys)


router = APIRouter(
    prefix="/api/assistants",
    tags=["assistants"],
    dependencies=[Depends(_authorized)],
    responses={code: {"model": ErrorAnswer} for code in (401, 403)},
)


@router.get("")
async def list_assistants(services: Provided) -> AssistantsAnswer:
    """The assistants, by name."""
    settings = services.settings
    found = sorted(services.assistants.by_name.items())
    return AssistantsAnswer(
        default=settings.default_assistant,
        assistants=[AssistantAnswer.of(each, settings) for _, each in found],
    )
