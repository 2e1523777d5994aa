"""What operators do: look at the machines, take one out of service, and put it back; see where a
person is asked for, and come."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Body, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from agent.job import HandoverState
from orchestrator import handovers
from orchestrator.api.schemas import ErrorAnswer, Name, iso
from orchestrator.api.services import Provided
from orchestrator.errors import Forbidden, SessionNotFound
from orchestrator.operations import AgentView, HostView
from orchestrator.security.api_keys import check_api_key
from orchestrator.sessions.session import is_session_id

MAX_NAME_CHARS = 255
MAX_WAIT_S = 25
"""Of a request for news: shorter than what proxies allow."""
DEFAULT_PERSON = "Support"


def _operator(request: Request, services: Provided) -> None:
    keys = services.settings.operator_keys
    if not keys:
        raise Forbidden("OPERATOR_KEYS is not set, so nobody may do this.")
    check_api_key(request.headers, keys)


router = APIRouter(
    prefix="/api/operations",
    tags=["operations"],
    dependencies=[Depends(_operator)],
    responses={code: {"model": ErrorAnswer} for code in (401, 403, 404, 409, 422, 503)},
)


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class AgentAnswer(_Model):
    """One agent. State and load are what it said last, null as long as it has said nothing."""

    session_id: str
    pid: int
    started_at: str
    ending: bool
    state: str | None
    cpu: float | None
    memory_mib: float | None

    @classmethod
    def of(cls, view: AgentView) -> Self:
        """As JSON has it."""
        agent, pulse = view.agent, view.pulse
        return cls(
            session_id=agent.session_id,
            pid=agent.pid,
            started_at=iso(agent.started_at),
            ending=agent.ending,
            state=pulse.state.value if pulse else None,
            cpu=pulse.cpu if pulse else None,
            memory_mib=pulse.memory_mib if pulse else None,
        )


class HostAnswer(_Model):
    """One machine."""

    name: str
    draining: bool
    capacity: int
    free: int
    idle: int
    seen_at: str
    agents: list[AgentAnswer]

    @classmethod
    def of(cls, view: HostView) -> Self:
        """As JSON has it."""
        status = view.status
        return cls(
            name=status.name,
            draining=status.draining,
            capacity=status.capacity,
            free=status.free,
            idle=status.idle,
            seen_at=iso(status.at),
            agents=[AgentAnswer.of(agent) for agent in view.agents],
        )


class HostsAnswer(_Model):
    """The machines that were heard of lately."""

    success: Literal[True] = True
    hosts: list[HostAnswer]


class ServiceRequest(_Model):
    """Which machine; without a name, the only one."""

    host: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)] | None = None


class ServiceAnswer(_Model):
    """What was told to which machine."""

    success: Literal[True] = True
    host: str
    agents: int
    message: str


class HandoverAnswer(_Model):
    """A session in which a person was asked for."""

    session_id: str
    state: HandoverState
    reason: str
    summary: str
    asked_at: str
    changed_at: str
    user_name: str
    language: str
    assistant: str

    @classmethod
    def of(cls, request: handovers.Request) -> Self:
        """As JSON has it."""
        session, handover = request.session, request.handover
        return cls(
            session_id=session.session_id,
            state=handover.state,
            reason=handover.reason,
            summary=handover.summary,
            asked_at=iso(handover.asked_at),
            changed_at=iso(handover.changed_at),
            user_name=session.user_name,
            language=session.language,
            assistant=session.brief.assistant,
        )


class HandoversAnswer(_Model):
    """The live sessions in which a person was asked for, the longest wait first."""

    success: Literal[True] = True
    cursor: str
    """To be sent with the next request, so that it waits for what is new."""
    handovers: list[HandoverAnswer]


class JoinRequest(_Model):
    """Who comes."""

    name: Name | None = None


class JoinAnswer(_Model):
    """What a person needs to join the room."""

    success: Literal[True] = True
    session_id: str
    room_name: str
    server_url: str
    token: str


@router.get("/handovers")
async def get_handovers(
    services: Provided,
    cursor: Annotated[str, Query(max_length=64)] = "",
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0,
) -> HandoversAnswer:
    """Where a person is asked for. With `cursor` and `wait` (seconds): once that has changed."""
    found = await services.handovers.news(cursor, wait_s=wait)
    return HandoversAnswer(
        cursor=found.cursor, handovers=[HandoverAnswer.of(each) for each in found.requests]
    )


@router.post("/handovers/{session_id}/join")
async def join_session(
    services: Provided, session_id: str, body: Annotated[JoinRequest | None, Body()] = None
) -> JoinAnswer:
    """A token for the room. While a person is there the assistant keeps quiet."""
    if not is_session_id(session_id):
        raise SessionNotFound
    name = (body.name if body else None) or DEFAULT_PERSON
    return JoinAnswer(
        session_id=session_id,
        room_name=session_id,
        server_url=services.settings.livekit_client_url,
        token=await services.handovers.join(session_id, name),
    )


@router.get("/hosts")
async def get_hosts(services: Provided) -> HostsAnswer:
    """The machines that run agents, and what runs on them."""
    return HostsAnswer(hosts=[HostAnswer.of(view) for view in await services.operations.hosts()])


@router.post("/drain")
async def drain_host(
    services: Provided, body: Annotated[ServiceRequest | None, Body()] = None
) -> ServiceAnswer:
    """Take a machine out of service: it takes no new session, those that run have their time."""
    return await _serve(services, body, serving=False)


@router.post("/resume")
async def resume_host(
    services: Provided, body: Annotated[ServiceRequest | None, Body()] = None
) -> ServiceAnswer:
    """Put a machine back into service."""
    return await _serve(services, body, serving=True)


async def _serve(
    services: Provided, body: ServiceRequest | None, *, serving: bool
) -> ServiceAnswer:
    status = await services.operations.serve(body.host if body else None, serving=serving)
    message = "Takes sessions." if serving else "Takes no more sessions."
    return ServiceAnswer(host=status.name, agents=len(status.agents), message=message)
