"""The product's API with stages that take no time, as one process.

    python -m bench.gateway.server --port 9000

Everything else is as it runs: the settings, Redis, the doors, the pacing.
"""

import argparse

import uvicorn

from bench.gateway.stand_in import stages
from orchestrator.gateway import talk
from orchestrator.main import create_app
from orchestrator.settings import load_settings


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    setattr(talk, "stages_for", lambda *_, **__: stages())  # noqa: B010 - it is another's name
    uvicorn.run(
        create_app(load_settings()),
        host="127.0.0.1",
        port=arguments.port,
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
