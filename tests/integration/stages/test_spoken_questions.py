"""Questions about the sample documents, spoken, understood and looked up; faster than in a room.

They were written before any tuning, and nothing that recognises or retrieves is made from them.
"""

import json
import sys
import wave
from pathlib import Path

import pytest

from agent.knowledge import KnowledgeBase
from agent.knowledge.index import index_directory
from agent.settings import PROJECT_ROOT, AgentSettings
from agent.stages.local import language_model
from agent.stages.local.collection_model import models_dir
from agent.stages.local.recognizer import LocalSTT
from tests.clients.speech import speak
from tests.integration.stages.test_recognizer import SILENCE, finals, hear

COLLECTION = "default"
FLOOR = 15
"""Of 20: what a change must not fall below. The aim is 16; the figure is printed."""


@pytest.fixture(scope="module")
def knowledge(machine: AgentSettings) -> KnowledgeBase:
    """The sample documents, whose words the recogniser expects."""
    for _ in index_directory(PROJECT_ROOT / "documents", machine.knowledge_index_dir):
        pass
    knowledge = KnowledgeBase.open(machine.knowledge_index_dir, COLLECTION)
    language_model.build(knowledge.texts(), models_dir(machine.data_dir) / COLLECTION)
    return knowledge


@pytest.mark.usefixtures("recognizer")
async def test_spoken_questions_find_their_document(
    machine: AgentSettings, knowledge: KnowledgeBase, tmp_path: Path
) -> None:
    """Catches a recogniser that does not know the words of the documents."""
    path = PROJECT_ROOT / "tests" / "evaluation" / "questions_en.json"
    rows: list[dict[str, str]] = json.loads(path.read_text())
    recognizer = LocalSTT(
        machine.recognizer_socket, language="en-US", collection=COLLECTION, timeout_s=60
    )
    found = 0
    for row, clip in zip(
        rows, speak([row["question"] for row in rows], "en-us+f3", tmp_path), strict=True
    ):
        with wave.open(str(clip)) as file:
            pcm = file.readframes(file.getnframes())
        hits = knowledge.search(
            " ".join(finals(await hear(recognizer, SILENCE + pcm + SILENCE)))
        ).hits
        found += bool(hits) and hits[0].passage.filename == row["filename"]
    sys.stdout.write(f"spoken: {found} of {len(rows)}\n")
    assert found >= FLOOR
