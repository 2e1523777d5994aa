"""The Celery application that indexes documents: one worker of it on each machine.

    celery -A orchestrator.indexer worker --pool solo

It is a worker of its own, so that no session waits behind a large document. Every indexer hears
every call, as each machine has its own indexes; a call that nobody hears does no harm, as the next
one on the schedule finds the same work. Files are parsed in a process of their own.
"""

import logging
import os
import subprocess
import sys
from functools import cache
from typing import Any

import redis
from celery.signals import setup_logging, worker_init

from agent.knowledge.embeddings import make_embedder
from agent.knowledge.errors import KnowledgeError
from agent.knowledge.index import CollectionReport, index_changes
from agent.settings import PROJECT_ROOT
from agent.stages.choice import choose
from agent.stages.errors import StageUnavailable
from orchestrator.dispatch import make_celery
from orchestrator.documents import Board
from orchestrator.indexers import INDEX, indexers_queue
from orchestrator.monitoring.logs import configure_logging
from orchestrator.settings import Settings, SettingsError, load_settings

NICENESS = 10
MODEL_TIMEOUT_S = 600.0
REDIS_TIMEOUT_S = 2.0

logger = logging.getLogger(__name__)


@cache
def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        raise SystemExit(str(error)) from None


app = make_celery(_settings())
app.conf.task_queues = [indexers_queue()]


@app.task(name=INDEX, acks_late=False)
def index_documents() -> None:
    """Bring this machine's indexes up to date with the documents."""
    settings = _settings()
    url = settings.redis_url.get_secret_value()
    timeouts: dict[str, Any] = {
        "socket_timeout": REDIS_TIMEOUT_S,
        "socket_connect_timeout": REDIS_TIMEOUT_S,
    }
    with redis.Redis.from_url(url, **timeouts) as client:
        changed = update_indexes(settings, Board(client))
    if changed:
        _prepare_recognizer(settings)


def update_indexes(settings: Settings, board: Board) -> bool:
    """Index what changed; whether anything did."""
    changed = False
    for outcome in index_changes(
        settings.knowledge_dir,
        settings.knowledge_index_dir,
        uploads=settings.uploads_dir,
        embedder=make_embedder(settings),
        tell=board.tell,
    ):
        match outcome:
            case CollectionReport() if outcome.is_changed:
                changed = True
                logger.info(
                    "collection indexed",
                    extra={
                        "collection": outcome.name,
                        "documents": outcome.documents,
                        "passages": outcome.passages,
                        "problems": len(outcome.problems),
                    },
                )
            case KnowledgeError():
                logger.error("collection not indexed", extra={"error": str(outcome)})
            case _:
                pass
    return changed


def _prepare_recognizer(settings: Settings) -> None:
    """Let the local recogniser expect the words of the documents as they are now."""
    try:
        if not choose(settings).recognition.local:
            return
        command = [sys.executable, "-m", "agent.stages.local.language_model"]
        subprocess.run(command, cwd=PROJECT_ROOT, check=True, timeout=MODEL_TIMEOUT_S)
    except (StageUnavailable, subprocess.SubprocessError, OSError) as error:
        logger.error("language models not built", extra={"error": type(error).__name__})


@setup_logging.connect
def _configure_logging(**_: object) -> None:
    configure_logging(_settings())


@worker_init.connect
def _give_way(**_: object) -> None:
    os.nice(NICENESS)
