"""What the routes work with: made by the composition root for one application's life."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from agent.assistants.files import Assistants
from orchestrator.deployment import Deployment
from orchestrator.documents import Documents
from orchestrator.handovers import Handovers
from orchestrator.monitoring.health import StageConditions
from orchestrator.monitoring.metrics import Metrics
from orchestrator.monitoring.probes import Probes
from orchestrator.operations import Operations
from orchestrator.rooms import WebhookDoor
from orchestrator.security.rate_limit import RateLimit
from orchestrator.sessions.books import Books
from orchestrator.sessions.lifecycle import Lifecycle
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a route may need."""

    settings: Settings
    assistants: Assistants
    lifecycle: Lifecycle
    deployment: Deployment
    books: Books
    operations: Operations
    handovers: Handovers
    probes: Probes
    metrics: Metrics
    start_limit: RateLimit
    upload_limit: RateLimit
    documents: Documents
    webhooks: WebhookDoor | None
    stages: StageConditions
    clock: Callable[[], float]


def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


Provided = Annotated[Services, Depends(_services)]
