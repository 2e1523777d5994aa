"""What operators do: look at the machines, take one out of service, and put it back."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Body, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from orchestrator.api.schemas import ErrorAnswer, iso
from orchestrator.api.services import Provided
from orchestrator.errors import Forbidden
from orchestrator.operations import AgentView, HostView
from orchestrator.security.api_keys import check_api_key

MAX_NAME_CHARS = 255


def _operator(request: Request, services: Provided) -> None:
    keys = services.settings.operator_keys
    if not keys:
        raise Forbidden("OPERATOR_KEYS is not set, so nobody may do this.")
    check_api_key(request.headers, keys)


router = APIRouter(
    prefix="/api/operations",
    tags=["operations"],
    dependencies=[Depends(_operator)],
    responses={code: {"model": ErrorAnswer} for code in (401, 403, 422, 503)},
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
