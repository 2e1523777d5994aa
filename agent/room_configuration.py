"""What every token of ours says of the room that it may create.

LiveKit applies it only when the room is created, and user and agent race for that: so both tokens
say the same.
"""

import json
import math

from livekit.protocol.room import RoomConfiguration

from agent.settings import AgentSettings

ROOM_MARGIN_S = 10
"""How much longer the room server waits than the agent, which ends the session with a reason."""


def room_configuration(settings: AgentSettings, deployment: str) -> RoomConfiguration:
    """How long an empty room lives: our grace times, and a margin. And whose it is."""
    return RoomConfiguration(
        empty_timeout=math.ceil(settings.user_join_timeout_seconds) + ROOM_MARGIN_S,
        departure_timeout=math.ceil(settings.user_rejoin_timeout_seconds) + ROOM_MARGIN_S,
        metadata=room_mark(deployment) if deployment else "",
    )


def room_mark(deployment: str) -> str:
    """The metadata of a room of this deployment; others may share its room server."""
    return json.dumps({"majlis": deployment})
