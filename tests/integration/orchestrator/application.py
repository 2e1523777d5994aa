"""The API in the test's own process, for tests of answers rather than of processes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from orchestrator.main import create_app
from orchestrator.settings import Settings
from tests.integration.orchestrator.processes import KEY, SECRET


def settings_for(redis_url: str, folder: Path, **more: object) -> Settings:
    return Settings.model_validate(
        {
            "redis_url": redis_url,
            "livekit_url": "ws://127.0.0.1:9",  # where nobody listens
            "livekit_api_key": KEY,
            "livekit_api_secret": SECRET,
            "data_dir": folder,
            "run_dir": folder,
            **more,
        }
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client
