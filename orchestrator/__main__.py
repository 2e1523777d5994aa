"""`python -m orchestrator`: the API with uvicorn, as the settings have it."""

import sys

import uvicorn

from orchestrator.main import create_app
from orchestrator.monitoring.logs import configure_logging
from orchestrator.settings import SettingsError, load_settings

STOP_WITHIN_S = 2


def main() -> int:
    """Serve until stopped. Exit code 2: a setting is wrong."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure_logging(settings)
    uvicorn.run(
        "orchestrator.main:app" if settings.reload else create_app(settings),
        host=settings.host,
        port=settings.port,
        reload=settings.reload,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        log_config=None,
        log_level=settings.log_threshold.lower(),
        timeout_graceful_shutdown=STOP_WITHIN_S,
        server_header=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
