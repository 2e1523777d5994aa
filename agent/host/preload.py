"""All that an agent needs, loaded once, so that a forked child shares it and is there at once.

The parent must stay single-threaded and must never touch livekit's `FfiClient`: neither survives
a fork.
"""

import gc
import os
from pathlib import Path

import livekit.agents.ipc._preload
import livekit.plugins.assemblyai
import livekit.plugins.groq
import livekit.plugins.inworld  # noqa: F401
import numpy as np
import redis.asyncio  # noqa: F401
from livekit import local_inference
from livekit.agents.utils import http_context
from livekit.rtc import _ffi_client

from agent import conversation
from agent.host.pages import use_large_pages
from agent.settings import AgentSettings


def preload(settings: AgentSettings) -> None:
    """Run each model once, then put all that is loaded beyond the garbage collector's reach.

    Raises RuntimeError if the process could not be forked safely any more.
    """
    conversation.preload(settings)
    http_context._create_ssl_context()  # noqa: SLF001 (cached; parsing the certificates takes 40 ms)
    silence = np.zeros(local_inference.EOT_MAX_SAMPLES, dtype=np.int16)
    local_inference.VAD().predict(silence[: local_inference.VAD_WINDOW_SAMPLES])
    local_inference.EOT().predict(silence)
    gc.collect()
    gc.freeze()
    use_large_pages()
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise RuntimeError(f"{threads} threads before the first fork, must be 1")
    if _ffi_client.FfiClient._instance is not None:  # noqa: SLF001 (`instance` would create it)
        raise RuntimeError("livekit's FfiClient was touched before the first fork")
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        raise RuntimeError("OPENBLAS_NUM_THREADS must be 1")
