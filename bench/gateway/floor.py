"""The floor: a bare FastAPI socket that answers at once and does nothing else.

    python -m bench.gateway.floor --port 9000

It speaks so much of `/ws/conversation` and `/orchestrate` as the load client listens to.
"""

import argparse
import base64
import json

import uvicorn
from fastapi import FastAPI, WebSocket

from bench.gateway import work


def make_app() -> FastAPI:
    """Both doors are the same here."""
    app = FastAPI()
    audio = base64.b64encode(work.tone()).decode()

    @app.websocket("/{path:path}")
    async def door(socket: WebSocket, path: str) -> None:
        del path
        await socket.accept()
        await socket.send_text(json.dumps({"type": "ready"}))
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            kind = json.loads(message["text"])["type"] if message.get("text") else ""
            if kind in ("audio_end", "text"):
                for _ in work.SENTENCES:
                    await socket.send_text(json.dumps({"type": "audio", "audio": audio}))
            elif kind == "interrupt":
                await socket.send_text(json.dumps({"type": "playback_control", "action": "stop"}))

    return app


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(
        make_app(),
        host="127.0.0.1",
        port=parser.parse_args().port,
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
