"""Documents over the API: uploaded, indexed by Celery, asked about, removed; and hostile ones."""

import io
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import docx
import httpx
import pytest
from redis.asyncio import Redis

from agent.knowledge import KnowledgeBase
from orchestrator.api.edge import MAX_UPLOAD_BYTES
from orchestrator.documents import FRESH_S, INDEXING
from orchestrator.settings import Settings
from tests.integration.orchestrator.application import running, settings_for
from tests.integration.orchestrator.conftest import until
from tests.integration.orchestrator.processes import RedisServer, Running

LIBRARY = "/api/knowledge/shop/documents"


@pytest.fixture
def settings(redis_server: RedisServer, redis: Redis, tmp_path: Path) -> Settings:
    """Folders of the test's own, with one document of the operator's."""
    (tmp_path / "documents" / "shop").mkdir(parents=True)
    (tmp_path / "documents" / "shop" / "hours.md").write_text("# Hours\nWe open at nine.")
    return settings_for(
        redis_server.url, tmp_path / "data", knowledge_dir=tmp_path / "documents", api_keys="key"
    )


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key."""
    async with running(settings) as client:
        client.headers["x-api-key"] = "key"
        yield client


def file(name: str, content: bytes) -> tuple[str, tuple[str, bytes]]:
    return ("file", (name, content))


def word(text: str) -> bytes:
    written = docx.Document()
    written.add_paragraph(text)
    out = io.BytesIO()
    written.save(out)
    return out.getvalue()


def best(settings: Settings, query: str) -> list[str]:
    base = KnowledgeBase.open(settings.knowledge_index_dir, "shop")
    try:
        return [hit.passage.text for hit in base.search(query).hits]
    finally:
        base.close()


async def test_from_upload_to_answer_and_back(
    api: httpx.AsyncClient, settings: Settings, redis: Redis, tmp_path: Path
) -> None:
    """Catches a document that is never indexed or never forgotten, and one that stops the rest."""
    environment = {
        **os.environ,
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "DATA_DIR": str(settings.data_dir),
        "KNOWLEDGE_DIR": str(settings.knowledge_dir),
        "STT_PROVIDER": "assemblyai",
        "ASSEMBLY_API_KEY": "none",
    }
    command = [sys.executable, "-m", "celery", "-A", "orchestrator.indexer", "worker"]
    command += ["--pool", "solo", "--without-mingle", "--without-gossip"]
    indexer = Running(command, log=tmp_path / "indexer.log", env=environment)

    async def states() -> dict[str, tuple[str, str | None]]:
        answer = (await api.get(LIBRARY)).json()
        return {d["filename"]: (d["status"], d["error"]) for d in answer["documents"]}

    async def settled() -> dict[str, tuple[str, str | None]] | None:
        seen = await states()
        return seen if not {s for s, _ in seen.values()} & {"queued", "removing"} else None

    try:
        await until(redis.pubsub_numpat, timeout_s=60)  # the indexer listens
        files = [
            file("returns.docx", word("Returns are accepted within thirty days.")),
            file("مواعيد.md", "# المواعيد\nنفتح في التاسعة صباحًا.".encode()),
            file("broken.pdf", b"%PDF-1.7 broken"),
            file("empty.txt", b""),
            file("../escape.md", b"Text."),
            file("virus.exe", b"MZ"),
        ]
        answer = await api.post(LIBRARY, files=files)
        assert answer.status_code == 202
        refused = {d["filename"] for d in answer.json()["documents"] if d["status"] == "refused"}
        assert refused == {"../escape.md", "virus.exe"}
        seen = await until(settled, timeout_s=60)
        assert seen == {
            "broken.pdf": ("failed", "a damaged PDF"),
            "empty.txt": ("failed", "empty"),
            "hours.md": ("indexed", None),
            "returns.docx": ("indexed", None),
            "مواعيد.md": ("indexed", None),
        }
        assert best(settings, "thirty days")[0] == "Returns are accepted within thirty days."

        await api.post(LIBRARY, files=[file("returns.docx", word("Nothing is taken back."))])
        await until(settled, timeout_s=60)
        assert "Returns are accepted within thirty days." not in best(settings, "thirty days")

        gone = await api.delete(f"{LIBRARY}/returns.docx")
        assert gone.status_code == 200
        seen = await until(settled, timeout_s=60)
        assert "returns.docx" not in seen
        assert "Nothing is taken back." not in best(settings, "nothing taken back")
        assert await redis.hgetall(INDEXING) == {}
    finally:
        indexer.stop()


async def test_a_document_and_its_collection(api: httpx.AsyncClient) -> None:
    """Catches counts and states that a client cannot show progress from."""
    answer = (await api.get("/api/knowledge/shop")).json()
    assert answer["status"] == "queued"
    assert answer["documents"]["queued"] == 1
    assert answer["progress"] is None
    assert (await api.get("/api/knowledge")).json()["collections"] == ["shop"]
    document = (await api.get(f"{LIBRARY}/hours.md")).json()
    assert (document["status"], document["bytes"], document["uploaded"]) == ("queued", 24, False)
    listed = (await api.get(LIBRARY, params={"offset": 1})).json()
    assert (listed["total"], listed["documents"]) == (1, [])


async def test_progress_shows(api: httpx.AsyncClient, redis: Redis) -> None:
    """Catches a bar that does not move, and one that stays when the indexer was killed."""
    told = '{"done": 3, "total": 9, "filename": "a.md", "at": %s}'
    await redis.hset(INDEXING, "shop", told % (time.time() - FRESH_S - 1))
    assert (await api.get("/api/knowledge/shop")).json()["status"] == "queued"
    await redis.hset(INDEXING, "shop", told % time.time())
    answer = (await api.get("/api/knowledge/shop")).json()
    assert answer["status"] == "indexing"
    assert answer["progress"] == {"done": 3, "total": 9, "filename": "a.md"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/knowledge/nothing", 404, "not_found"),
        ("GET", "/api/knowledge/..%2f..%2fetc/documents", 404, "not_found"),
        ("GET", "/api/knowledge/UPPER", 422, "invalid_field"),
        ("GET", "/api/knowledge/a%00b/documents", 422, "invalid_field"),
        ("GET", f"{LIBRARY}/../../../etc/passwd", 404, "not_found"),
        ("GET", f"{LIBRARY}/..%2f..%2fetc%2fpasswd", 404, "not_found"),
        ("DELETE", f"{LIBRARY}/..%2fhours.md", 404, "not_found"),
        ("DELETE", f"{LIBRARY}/hours.md", 409, "conflict"),
        ("DELETE", "/api/knowledge/-x/documents/a.md", 422, "invalid_field"),
        ("POST", LIBRARY, 422, "invalid_field"),
    ],
)
async def test_hostile_paths(
    api: httpx.AsyncClient, settings: Settings, method: str, path: str, status: int, code: str
) -> None:
    """Catches a name that reaches outside the folders, and an operator's file that is removed."""
    answer = await api.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert (settings.knowledge_dir / "shop" / "hours.md").is_file()


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.md",
        "a/b.md",
        "a\\b.md",
        "a\u202emd.txt",
        "x" * 210 + ".md",
        "a",
        "a.exe",
    ],
)
async def test_hostile_names(api: httpx.AsyncClient, settings: Settings, name: str) -> None:
    """Catches a name that hides, lies, or is too long for the disk."""
    answer = await api.post(LIBRARY, files=[file(name, b"Text.")])
    assert answer.status_code == 422
    assert not settings.uploads_dir.exists()


async def test_bounds(api: httpx.AsyncClient, settings: Settings) -> None:
    """Catches an upload that fills the disk, and leftovers of one that was refused."""
    large = await api.post(LIBRARY, files=[file("a.md", bytes(11 << 20))])
    assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")
    assert list((settings.uploads_dir / "shop").iterdir()) == []
    claimed = await api.post(
        LIBRARY,
        content=b"x",
        headers={
            "content-length": str(MAX_UPLOAD_BYTES + 1),
            "content-type": "multipart/form-data; boundary=b",
        },
    )
    assert claimed.status_code == 413
    many = await api.post(LIBRARY, files=[file(f"{n}.md", b"x") for n in range(51)])
    assert many.status_code == 422
    elsewhere = await api.post("/api/session/start", content=bytes(1 << 20))
    assert elsewhere.status_code == 413


async def test_without_a_key(api: httpx.AsyncClient, settings: Settings) -> None:
    """Catches documents that anybody can read, replace or remove."""
    del api.headers["x-api-key"]
    for method, path in (
        ("GET", "/api/knowledge"),
        ("GET", LIBRARY),
        ("POST", LIBRARY),
        ("DELETE", f"{LIBRARY}/a.md"),
    ):
        assert (await api.request(method, path)).status_code == 401
    assert not settings.uploads_dir.exists()


async def test_uploads_are_counted(settings: Settings) -> None:
    """Catches a client that uploads without end."""
    few: dict[str, Any] = {"document_uploads_per_minute": 1}
    async with running(settings.model_copy(update=few)) as client:
        client.headers["x-api-key"] = "key"
        assert (await client.post(LIBRARY, files=[file("a.md", b"A.")])).status_code == 202
        refused = await client.post(LIBRARY, files=[file("b.md", b"B.")])
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
