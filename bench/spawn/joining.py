"""How soon the agent is there, and heard; how soon another one is, and how soon it is gone."""

import asyncio
import os
import signal
import time

from bench.figures import summary_ms
from bench.spawn.site import PATIENCE_S, Site, gone
from bench.start import PAUSE_S, measure
from tests.clients.caller import Caller
from tests.clients.watcher import Watcher


async def agent_in_room(site: Site, sessions: int) -> dict[str, object]:
    """From the request until the room server shows the agent, one session after another."""
    took = []
    for _ in range(sessions):
        started = await site.start()
        async with site.watch(started) as watcher:
            seen = await watcher.agent(within_s=PATIENCE_S)
        took.append(seen.at - started.began_at)
        await site.end(started.session_id)
        await asyncio.sleep(PAUSE_S)
    return {"start_to_agent_in_room": summary_ms(took)}


async def first_audio(site: Site, sessions: int) -> dict[str, object]:
    """From the request until its user hears the agent; the user joins as a page does."""
    figures = await measure(site.stack.url, sessions)
    del figures["start_to_agent_in_room"]  # `agent_in_room` sees it sooner, with no media to join
    return {**figures}


async def recovery(site: Site, sessions: int) -> dict[str, object]:
    """From kill -9 of an agent in a call until another one is in the room."""
    took = []
    for _ in range(sessions):
        async with Caller.start(site.stack.url) as caller:
            await caller.until(lambda c=caller: c.heard.audible(), within_s=30, what="a call")  # type: ignore[misc]
            async with Watcher(site.server, caller.answer) as watcher:
                await watcher.agent(within_s=PATIENCE_S)
                pid = await site.agent_pid(caller.session_id)
                killed_at = time.monotonic()
                os.kill(pid, signal.SIGKILL)
                seen = await watcher.agent(beyond=1, within_s=PATIENCE_S)
            took.append(seen.at - killed_at)
            await caller.end()
        await asyncio.sleep(PAUSE_S)
    return {"killed_to_another_agent": summary_ms(took)}


async def ending(site: Site, sessions: int) -> dict[str, object]:
    """From the request to end a call until its process is gone and its room deleted."""
    processes, rooms, both, left = [], [], [], 0
    for _ in range(sessions):
        async with Caller.start(site.stack.url) as caller:
            await caller.until(lambda c=caller: c.heard.audible(), within_s=30, what="a call")  # type: ignore[misc]
            pid = await site.agent_pid(caller.session_id)
            async with Watcher(site.server, caller.answer) as watcher:
                await watcher.agent(within_s=PATIENCE_S)
                began = time.monotonic()
                process_gone = asyncio.create_task(gone(pid))
                ended = asyncio.create_task(site.end(caller.session_id))
                room_gone_at = await watcher.until_gone(within_s=PATIENCE_S)
                process_gone_at = await process_gone
                await ended
        processes.append(process_gone_at - began)
        rooms.append(room_gone_at - began)
        both.append(max(processes[-1], rooms[-1]))
        left += caller.session_id in await site.rooms()
        await asyncio.sleep(PAUSE_S)
    return {
        "end_to_all_gone": summary_ms(both),
        "end_to_process_gone": summary_ms(processes),
        "end_to_room_deleted": summary_ms(rooms),
        "rooms_left": left,
    }
