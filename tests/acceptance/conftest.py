"""The whole product, running: its start takes longer than most tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.stack import PROJECT_ROOT, Stack

AUSTEN = """\
# Sense and Sensibility, chapter 1

Mr. John Dashwood had not the strong feelings of the rest of the family; but he was affected by a
recommendation of such a nature at such a time, and he promised to do every thing in his power to
make them comfortable. His father was rendered easy by such an assurance, and Mr. John Dashwood had
then leisure to consider how much there might prudently be in his power to do for them.

He was not an ill-disposed young man, unless to be rather cold hearted and rather selfish is to be
ill-disposed: but he was, in general, well respected; for he conducted himself with propriety in the
discharge of his ordinary duties. Had he married a more amiable woman, he might have been made still
more respectable than he was: he might even have been made amiable himself; for he was very young
when he married, and very fond of his wife.
"""


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample documents, and a collection that holds a page of a novel among them."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "default").symlink_to(PROJECT_ROOT / "documents" / "default")
    library = folder / "library"
    library.mkdir()
    for page in sorted((PROJECT_ROOT / "documents" / "default" / "en").glob("*.md")):
        (library / page.name).write_text(page.read_text())
    (library / "austen.md").write_text(AUSTEN)
    return folder


@pytest.fixture(scope="module")
def stack(lasting_stack: Stack) -> Stack:
    """The instance that other modules use too, unless a module has its own."""
    return lasting_stack


@pytest.fixture(scope="session")
def lasting_stack(tmp_path_factory: pytest.TempPathFactory, documents: Path) -> Iterator[Stack]:
    """One instance with embedded Redis, room server and stages, for all modules that leave it as
    they found it."""
    running = Stack(tmp_path_factory.mktemp("stack"), environment={"KNOWLEDGE_DIR": str(documents)})
    running.start()
    try:
        yield running
    finally:
        running.stop()
