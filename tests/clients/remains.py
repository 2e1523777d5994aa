"""What sessions have left behind, as an outsider finds it: processes, rooms, keys in Redis."""

import re
from collections.abc import Iterable
from typing import Any

import psutil
from livekit import api
from redis import Redis

from tests.clients.stack import Stack
from tests.rooms.server import RoomServer

_SESSION = re.compile(r"session_[0-9]{13}_[0-9a-z]{9}")


def room_server_of(stack: Stack) -> RoomServer:
    """The room server that a running instance uses, with its key."""
    inherited = stack.environment_of("-m orchestrator")
    return RoomServer(
        inherited["LIVEKIT_URL"], inherited["LIVEKIT_API_KEY"], inherited["LIVEKIT_API_SECRET"]
    )


def redis_url_of(stack: Stack) -> str:
    """The Redis that a running instance uses."""
    return stack.environment_of("-m orchestrator")["REDIS_URL"]


async def rooms_of(server: RoomServer) -> set[str]:
    """The names of the rooms that exist."""
    url = server.url.replace("ws", "http", 1)
    async with api.LiveKitAPI(url, server.api_key, server.api_secret) as livekit:
        answer = await livekit.room.list_rooms(api.ListRoomsRequest())
    return {room.name for room in answer.rooms}


def agent_processes(sessions: Iterable[str] | None = None) -> dict[int, str]:
    """Session by pid of every agent process on this machine, of these sessions or of all."""
    wanted = None if sessions is None else set(sessions)
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        match process.info["cmdline"]:
            case [title, *_] if title.startswith("agent session_"):
                session = title.removeprefix("agent ").strip()
                if wanted is None or session in wanted:
                    found[process.pid] = session
    return found


def live_keys(redis: Redis) -> list[str]:
    """Where Redis still knows of a session as live: all but records that expire by themselves.

    Looks at the names of keys and at what sorted sets, sets, lists and hashes hold, whatever they
    are for.
    """
    found = []
    for key in redis.scan_iter(count=1000):
        if _SESSION.search(key):
            if redis.ttl(key) < 0 or "lease" in key:
                found.append(key)
            continue
        found += [f"{key}: {what}" for what in _held(redis, key) if _SESSION.search(what)]
    return found


def _held(redis: Redis, key: str) -> list[str]:
    """What a key holds, as text; `redis` decodes what it answers."""
    reader: Any = redis
    match reader.type(key):
        case "zset":
            found = reader.zrange(key, 0, -1)
        case "set":
            found = reader.smembers(key)
        case "list":
            found = reader.lrange(key, 0, -1)
        case "hash":
            found = reader.hgetall(key).items()
        case "stream":
            found = reader.xrange(key)
        case _:
            found = []
    return [str(entry) for entry in found]
