"""`python -m agent.stages.local.language_model`: what the recogniser is to expect of callers.

For each collection of documents it makes a small language model of the documents' words and of
questions about them. The recogniser's server finds it by itself, while it runs.
"""

import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from agent.settings import AgentSettings
from agent.stages.local import ngrams
from agent.stages.local.collection_model import (
    MODEL_NAME,
    models_dir,
    preamble,
    read_fingerprint,
)
from agent.stages.local.pronouncer import pronounce
from agent.stages.local.sphinx import dictionary_words
from agent.stages.local.spoken_questions import imagine
from agent.stages.local.spoken_words import sentences

MAX_WORDS = 500_000
"""Of a collection's text, its first words up to so many are used."""
MAX_NGRAMS = 400_000
"""Of each order; more would slow down the recogniser's start."""

_RECIPE = "1"
"""Raise it when the same text would give another model."""

logger = logging.getLogger(__name__)


def build(texts: Iterable[str], out_dir: Path) -> None:
    """Write the model of a collection's texts into `out_dir`, unless it is there already.

    The file is replaced at one stroke. Texts without an English word leave no model. Raises
    `OSError`.
    """
    said = _spoken(texts)
    model = out_dir / MODEL_NAME
    fingerprint = _fingerprint(said)
    if not said:
        model.unlink(missing_ok=True)
        return
    if read_fingerprint(model) == fingerprint:
        return
    dictionary = dictionary_words()
    unknown = {word for sentence in said for word in sentence if word not in dictionary}
    pronunciations = pronounce(unknown)
    known = dictionary | pronunciations.keys()
    questions = (
        (words, weight)
        for words, weight in imagine(said, known.__contains__)
        if all(word in known for word in words)
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=out_dir, prefix=MODEL_NAME, delete=False
    ) as file:
        try:
            file.write(preamble(fingerprint, pronunciations))
            file.writelines(ngrams.arpa(questions, max_ngrams=MAX_NGRAMS))
            file.close()
            os.replace(file.name, model)  # noqa: PTH105 - a name, not a path
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def main(settings: AgentSettings) -> int:
    """Build the model of every collection that has an index; returns the exit status."""
    from agent.knowledge import KnowledgeBase, KnowledgeError, collections

    failed = False
    for name in collections(settings.knowledge_index_dir):
        try:
            with closing(KnowledgeBase.open(settings.knowledge_index_dir, name)) as base:
                build(base.texts(), models_dir(settings.data_dir) / name)
        except (KnowledgeError, OSError) as error:
            logger.error("no language model for collection %s: %s", name, error)
            failed = True
    return 1 if failed else 0


def _spoken(texts: Iterable[str]) -> list[tuple[str, ...]]:
    said = []
    left = MAX_WORDS
    for text in texts:
        for sentence in sentences(text):
            said.append(sentence)
            left -= len(sentence)
        if left <= 0:
            break
    return said


def _fingerprint(said: list[tuple[str, ...]]) -> str:
    digest = hashlib.sha256(_RECIPE.encode())
    for sentence in said:
        digest.update(" ".join(sentence).encode() + b"\n")
    return digest.hexdigest()


if __name__ == "__main__":
    _settings = AgentSettings()
    logging.basicConfig(level=_settings.log_level)
    sys.exit(main(_settings))
