"""`python -m agent.stages.local.recognizer_server`: PocketSphinx behind a unix socket."""

import logging
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from agent.knowledge import KnowledgeBase, KnowledgeError
from agent.settings import AgentSettings
from agent.stages.local import fork_server, utterances
from agent.stages.local.collection_model import MODEL_NAME, models_dir, read_pronunciations
from agent.stages.local.messages import RECOGNIZER_RATE_HZ
from agent.stages.local.sphinx import Recognizer
from agent.stages.local.utterances import Opening, RecognitionError

MAX_COLLECTIONS = 8
"""Collections with a vocabulary of their own; each takes about 40 MiB of the parent."""

_BYTES_PER_S = RECOGNIZER_RATE_HZ * 2

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Collections:
    """The collections' models as the recogniser knows them, reloaded when their files change."""

    recognizer: Recognizer
    directory: Path
    index_dir: Path
    loaded: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Modification time (ns) and size of what was last tried, by collection."""
    usable: set[str] = field(default_factory=set)
    knowledge: KnowledgeBase | None = None
    """Of the collection in use."""

    def refresh(self) -> None:
        """Load what is new or changed; a model that cannot be read is left out until it changes."""
        for name, path in self._found():
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if self.loaded.get(name) == stamp or self._full(name):
                continue
            self.loaded[name] = stamp
            try:
                self.recognizer.add_collection(name, path, read_pronunciations(path))
            except (RecognitionError, OSError, ValueError):
                logger.warning("majlis recognizer: a collection's model cannot be read")
                continue
            self.usable.add(name)

    def use(self, name: str) -> str:
        """Have the recogniser expect a collection; its name, empty if there is none such."""
        used = name if name in self.usable else ""
        if self.knowledge is not None:
            self.knowledge.close()
        self.knowledge = _knowledge(self.index_dir, used) if used else None
        self.recognizer.use(used, self._weight_met)
        return used

    def _weight_met(self, text: str) -> float:
        """How much of `text` the documents meet: not the share, as nonsense has few words that
        tell anything, and of few all are met easily."""
        if self.knowledge is None:
            return 0.0
        try:
            found = self.knowledge.search(text, limit=1)
        except KnowledgeError:
            return 0.0
        score = found.hits[0].score if found.hits else 0.0
        return score * sum(word.weight for word in found.words)

    def _full(self, name: str) -> bool:
        return name not in self.loaded and len(self.loaded) >= MAX_COLLECTIONS

    def _found(self) -> list[tuple[str, Path]]:
        try:
            folders = sorted(os.scandir(self.directory), key=lambda entry: entry.name)
        except FileNotFoundError:
            return []
        paths = ((folder.name, Path(folder.path, MODEL_NAME)) for folder in folders)
        return [(name, path) for name, path in paths if path.is_file()]


def _knowledge(index_dir: Path, name: str) -> KnowledgeBase | None:
    try:
        return KnowledgeBase.open(index_dir, name)
    except KnowledgeError:
        return None


def serve(collections: Collections, sock: socket.socket) -> None:
    """Hear what one peer sends, until it closes."""
    utterances.serve(
        sock,
        lambda request: Opening(collections.use(request.collection), collections.recognizer),
    )


def service(settings: AgentSettings) -> fork_server.Service:
    """The recogniser of this machine, its models loaded."""
    collections = Collections(
        Recognizer(), models_dir(settings.data_dir), settings.knowledge_index_dir
    )
    collections.refresh()
    _warm(collections)
    return fork_server.Service(
        title="majlis recognizer",
        socket_path=settings.recognizer_socket,
        max_connections=2 * settings.max_agents_per_host,
        serve=lambda sock: serve(collections, sock),
        refresh=collections.refresh,
    )


def _warm(collections: Collections) -> None:
    """Touch what first utterances would, so that children share it."""
    for name in ("", *sorted(collections.usable)):
        collections.recognizer.use(name)
        collections.recognizer.start()
        collections.recognizer.feed(bytes(_BYTES_PER_S))
        collections.recognizer.finish()


if __name__ == "__main__":
    _settings = AgentSettings()
    logging.basicConfig(level=_settings.log_level)
    fork_server.main(lambda: service(_settings))
