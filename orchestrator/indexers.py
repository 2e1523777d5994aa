"""Telling the indexers, one on each machine, that documents may have changed."""

import asyncio

from celery import Celery
from celery.exceptions import CeleryError
from kombu import Exchange, Queue
from kombu.common import Broadcast
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from orchestrator.errors import DispatchFailed

INDEX = "index_documents"
LOOK = "look_for_documents"

TIMEOUT_S = 3.0
EXPIRES_S = 30
_EXCHANGE = Exchange("indexers", type="fanout")
_ALL = "all"


def indexers_queue() -> Queue:
    """The queue of one indexer: each gets every call."""
    return Broadcast("indexers", exchange=_EXCHANGE, routing_key=_ALL)


def call_indexers(app: Celery) -> None:
    """Have every indexer that listens look for documents that changed. Blocks."""
    app.send_task(
        INDEX,
        exchange=_EXCHANGE.name,
        routing_key=_ALL,
        declare=[_EXCHANGE],
        expires=EXPIRES_S,
        retry=True,
        retry_policy={"max_retries": 1, "interval_start": 0},
    )


class Indexers:
    """Calls them from an event loop."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    async def index(self) -> None:
        """Have them look for documents. Raises `DispatchFailed`."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await asyncio.to_thread(call_indexers, self._app)
        except (TimeoutError, OSError, RedisError, KombuError, CeleryError) as error:
            raise DispatchFailed from error

    def close(self) -> None:
        """Close the connections."""
        self._app.close()
