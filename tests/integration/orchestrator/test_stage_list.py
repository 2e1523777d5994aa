"""The providers and the voices, as the API tells of them."""

from pathlib import Path

from pydantic import SecretStr
from redis.asyncio import Redis

from tests.integration.orchestrator.application import running, settings_for
from tests.integration.orchestrator.processes import RedisServer

SECRET = "do-not-tell"


async def test_stages_and_voices_are_told_without_any_key(
    redis_server: RedisServer, redis: Redis, tmp_path: Path
) -> None:
    """Catches a key in an answer, a list for strangers, and a voice that nobody will speak."""
    del redis
    settings = settings_for(
        redis_server.url,
        tmp_path,
        api_keys="k",
        tts_provider="inworld,local",
        inworld_api_key=SECRET,
        provider_variables={"DEEPGRAM_API_KEY": SecretStr(SECRET)},
    )
    async with running(settings) as client:
        for path in ("/api/stages", "/api/voices"):
            assert (await client.get(path)).status_code == 401
        mine = {"X-API-Key": "k"}
        stages = await client.get("/api/stages", headers=mine)
        voices = await client.get("/api/voices?language=ar-EG", headers=mine)
        wrong = await client.get("/api/voices?language=no%20language", headers=mine)
    assert (stages.status_code, voices.status_code, wrong.status_code) == (200, 200, 422)
    assert SECRET not in stages.text + voices.text
    told = {stage["stage"]: stage for stage in stages.json()["stages"]}
    assert list(told) == ["recognition", "answers", "speech"]
    assert told["recognition"]["chain"][0] == "deepgram"
    assert told["speech"]["chain"] == ["inworld", "local"]
    gemini = next(each for each in told["answers"]["providers"] if each["name"] == "gemini")
    assert (gemini["ready"], gemini["missing"][0]["what"]) == (False, "GOOGLE_API_KEY is not set")
    body = voices.json()
    assert (body["language"], body["default"]) == ("ar-EG", "Omar")
    nour = next(each for each in body["voices"] if each["name"] == "Nour")
    assert nour["gender"] == "female"
    assert nour["spokenBy"] == [
        {"provider": "inworld", "voice": "Nour"},
        {"provider": "local", "voice": "ar+f3"},
    ]
