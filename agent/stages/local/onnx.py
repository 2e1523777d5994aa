"""ONNX Runtime as a `fork_server` can have it: loaded before the fork, at work after it.

A session with threads of its own would wait for them for ever in a child, so it has none; the
connections, a process each, are what runs side by side.
"""

from pathlib import Path

import onnxruntime

from agent.stages.local.model_files import ModelBroken


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A session that works in the thread that calls it. Raises `ModelBroken`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelBroken(f"{path.name}: {error}") from error
