"""The collections that are asked, indexed once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.knowledge import KnowledgeBase
from agent.knowledge.index import index_directory

HERE = Path(__file__).parent
DOCUMENTS = HERE.parent.parent / "documents"


@pytest.fixture(scope="session")
def index_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Indexes of the sample documents, the clinic's and the library's."""
    index_dir = tmp_path_factory.mktemp("knowledge")
    list(index_directory(DOCUMENTS, index_dir))
    list(index_directory(HERE / "collections", index_dir))
    return index_dir


@pytest.fixture
def collection() -> str:
    """The sample documents; tests of others say so as a parameter."""
    return "default"


@pytest.fixture
def base(index_dir: Path, collection: str) -> Iterator[KnowledgeBase]:
    """The collection that the questions are about."""
    base = KnowledgeBase.open(index_dir, collection)
    yield base
    base.close()
