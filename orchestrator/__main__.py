"""`python -m orchestrator`: the API with uvicorn, as the settings have it."""

import logging
import os
import shutil
import sys
from pathlib import Path

import psutil
import uvicorn
from fastapi import FastAPI
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.supervisors import ChangeReload, Multiprocess

from orchestrator.main import create_app
from orchestrator.monitoring.logs import configure_logging
from orchestrator.ports import PortTaken, listen
from orchestrator.settings import Settings, SettingsError, load_settings

STOP_WITHIN_S = 2
WEBSOCKET_FRAME_BYTES = 16 << 20
"""What the socket layer takes at most; `WEBSOCKET_MAX_MESSAGE_BYTES` is answered, this is not."""

_SERVED = "orchestrator.__main__:served"

logger = logging.getLogger(__name__)


def main() -> int:
    """Serve until stopped. Exit code 2: a setting is wrong, or the port is taken."""
    try:
        settings = load_settings()
        configure_logging(settings)
        sockets = listen(settings, logger.warning)
    except (SettingsError, PortTaken) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        if settings.reload:
            config = _config(settings, _SERVED, reload=True)
            ChangeReload(config, target=uvicorn.Server(config).run, sockets=sockets).run()
        elif settings.api_workers > 1:
            _share_metrics(settings)
            Multiprocess(_config(settings, _SERVED, workers=settings.api_workers), sockets).run()
        else:
            uvicorn.Server(_config(settings, create_app(settings))).run(sockets=sockets)
    finally:
        for each in sockets:
            each.close()
    return 0


def served() -> FastAPI:
    """The application in a process that uvicorn started for it."""
    settings = load_settings()
    configure_logging(settings)
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        _forget_dead(Path(folder))
    return create_app(settings)


def _config(
    settings: Settings, app: object, *, reload: bool = False, workers: int = 1
) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # a name or an application
        host=settings.host,
        port=settings.port,
        reload=reload,
        workers=workers,
        factory=isinstance(app, str),
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        log_config=None,
        log_level=settings.log_threshold.lower(),
        timeout_graceful_shutdown=STOP_WITHIN_S,
        server_header=False,
        ws_max_size=WEBSOCKET_FRAME_BYTES,
        # base64 of compressed sound: nothing to gain, for a lot of work and 300 KB a connection
        ws_per_message_deflate=False,
    )


def _share_metrics(settings: Settings) -> None:
    """Several processes add their metrics up in files."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        folder = settings.run_dir / "prometheus"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _forget_dead(folder: Path) -> None:
    """What a process that is gone had open is not open any more."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            mark_process_dead(int(pid), str(folder))  # type: ignore[no-untyped-call]  # it has none


if __name__ == "__main__":
    sys.exit(main())
