"""A file for each agent that runs, so that the next host finds those of one that was killed.

A record is written before its agent gets the job, and goes when the agent's end is on record in
Redis: an end that nobody has heard of is told by the next host.
"""

import logging
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from agent.host.agents import Agent

_log = logging.getLogger(__name__)
_CODEC: TypeAdapter[Agent] = TypeAdapter(Agent)


class Records:
    """The records in one folder, which only the host's user can read."""

    def __init__(self, folder: Path, marker: Path) -> None:
        """`marker` is there while the machine is out of service."""
        self._folder = folder
        self._marker = marker
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, agent: Agent) -> None:
        """Note an agent. Raises OSError."""
        path = self._path(agent)
        draft = path.with_suffix(".draft")
        draft.write_bytes(_CODEC.dump_json(agent))
        draft.replace(path)

    def remove(self, agent: Agent) -> None:
        """Forget an agent; doing it twice does nothing."""
        self._path(agent).unlink(missing_ok=True)

    def load(self) -> tuple[Agent, ...]:
        """What former hosts left, oldest fence first. What cannot be read is removed."""
        found = []
        for path in self._folder.iterdir():
            try:
                if path.suffix == ".json":
                    found.append(_CODEC.validate_json(path.read_bytes()))
                    continue
            except ValidationError:
                _log.warning("agent record unreadable, removed", extra={"path": str(path)})
            path.unlink(missing_ok=True)
        return tuple(sorted(found, key=lambda agent: agent.fence))

    @property
    def out_of_service(self) -> bool:
        """Whether this machine was taken out of service; a host that follows has to know."""
        return self._marker.exists()

    @out_of_service.setter
    def out_of_service(self, out: bool) -> None:
        if out:
            self._marker.touch()
        else:
            self._marker.unlink(missing_ok=True)

    def _path(self, agent: Agent) -> Path:
        # two agents of one session live at once while one is being killed
        return self._folder / f"{agent.session_id}.{agent.fence}.json"
