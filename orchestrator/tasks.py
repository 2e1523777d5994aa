"""The Celery application: the tasks that place, end and look after agents, and their schedule.

    celery -A orchestrator.tasks worker
    celery -A orchestrator.tasks beat

A worker serves the default queue, the queue of its own machine, and, as long as there is room for
agents on it (`orchestrator.gate`), the queue of sessions that wait for one.
"""

import sys
from pathlib import Path

if (_root := str(Path(__file__).resolve().parent.parent)) not in sys.path:
    sys.path.insert(0, _root)  # for `celery -A tasks` in this folder


from functools import cache
from typing import Any

from celery import bootsteps
from celery.signals import setup_logging

from orchestrator.dispatch import (
    CLEANUP,
    DEFAULT_QUEUE,
    END,
    HEALTH,
    PREWARM,
    PREWARM_EVERY_S,
    SERVE,
    SPAWN,
    SPAWN_QUEUE,
    host_queue,
    make_celery,
    queue,
)
from orchestrator.gate import gate_step
from orchestrator.indexers import LOOK, call_indexers
from orchestrator.monitoring.heartbeat import Heartbeat
from orchestrator.monitoring.logs import configure_logging
from orchestrator.runtime import TaskRuntime
from orchestrator.settings import Settings, SettingsError, host_name, load_settings

HEALTH_EVERY_S = 5.0
CLEANUP_EVERY_S = 30.0
LOOK_EVERY_S = 30.0


@cache
def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        raise SystemExit(str(error)) from None


@cache
def _runtime() -> TaskRuntime:
    """Made at the first task of a process, so never before its fork."""
    return TaskRuntime(_settings())


app = make_celery(_settings())
app.conf.task_queues = [
    queue(name) for name in (DEFAULT_QUEUE, SPAWN_QUEUE, host_queue(host_name(_settings())))
]
app.conf.beat_schedule = {
    name: {"task": name, "schedule": every_s, "options": {"expires": every_s}}
    for name, every_s in (
        (HEALTH, HEALTH_EVERY_S),
        (CLEANUP, CLEANUP_EVERY_S),
        (PREWARM, PREWARM_EVERY_S),
        (LOOK, LOOK_EVERY_S),
    )
}


@app.task(name=SPAWN)
def spawn_voice_agent(session_id: str) -> None:
    """Place the session's agent on this machine, or queue that again."""
    _runtime().run(_runtime().placement.spawn(session_id))


@app.task(name=END)
def end_voice_agent(session_id: str, stale_fence: int | None = None) -> None:
    """End the session's agent, which runs on this machine; or only one that is stale."""
    placement = _runtime().placement
    if stale_fence is None:
        _runtime().run(placement.end(session_id))
    else:
        _runtime().run(placement.end_stale(session_id, stale_fence))


@app.task(name=HEALTH)
def health_check_agents() -> None:
    """Find sessions whose agent is lost, and mend them."""
    _runtime().run(_runtime().upkeep.check_agents())


@app.task(name=CLEANUP)
def cleanup_stale_agents() -> None:
    """Remove what is past its time."""
    _runtime().run(_runtime().upkeep.clean_up())


@app.task(name=SERVE)
def serve_agent_host(serving: bool) -> None:
    """Put this machine into service, or take it out."""
    _runtime().run(_runtime().placement.serve(serving=serving))


@app.task(name=PREWARM)
def prewarm_agent_pool(size: int | None = None) -> None:
    """Have every machine keep as many idle agents as lately came at once; or this one so many."""
    if size is None:
        _runtime().run(_runtime().upkeep.prewarm())
    else:
        _runtime().run(_runtime().placement.prewarm(size))


@app.task(name=LOOK)
def look_for_documents() -> None:
    """Have the indexers look for documents that were dropped into a folder."""
    call_indexers(app)


@setup_logging.connect
def _configure_logging(**_: object) -> None:
    configure_logging(_settings())


class HeartbeatStep(bootsteps.StartStopStep):
    """Says that the worker is alive, from its main process."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._heartbeat: Heartbeat | None = None

    def start(self, parent: Any) -> None:
        """Begin to beat."""
        url = _settings().redis_url.get_secret_value()
        node = str(parent.hostname)
        self._heartbeat = Heartbeat(url, node=node, host=host_name(_settings()))
        self._heartbeat.start()

    def stop(self, parent: Any) -> None:
        """Beat no more."""
        if self._heartbeat is not None:
            self._heartbeat.stop()


app.steps["worker"].add(HeartbeatStep)
app.steps["consumer"].add(gate_step(_settings))
