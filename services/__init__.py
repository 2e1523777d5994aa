"""The three reference services over the local stages: docs/services.md has what they speak.

    python -m services                                   all three, on 8001, 8002 and 8003
    python -m services.asr|rag|tts --port 8001           one of them

Each starts the local engine that it needs, as a child of its own, and takes it along when it ends.

    program.py   the command line, and one service as a web server
    access.py    who may come in, and how many at once
    channel.py   one WebSocket, message by message, with a peer who may be slow or wrong
    engine.py    a local speech engine as a child process
    asr.py rag.py tts.py
"""
