"""What the API loads before it serves."""

import subprocess
import sys

HEAVY = ("livekit.agents", "av", "onnxruntime")


def test_the_api_starts_without_the_framework() -> None:
    """Catches an import that makes every start of the API wait for seconds."""
    code = f"import orchestrator.main, sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
