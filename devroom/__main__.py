"""`python -m devroom`: arguments and environment in, a server out.

The API key and secret come from LIVEKIT_API_KEY and LIVEKIT_API_SECRET, never from arguments,
which everyone on the machine can read.
"""

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from devroom.errors import StartError
from devroom.server import Devroom
from devroom.settings import Settings, Tls

_CANNOT_START = 2
_PRECEDENCE = 8
"""Nice levels: about six times the share of the processor that a busy neighbour gets."""


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is not a port")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devroom",
        description="A LiveKit-compatible room server for development, tests and demos.",
        epilog="LIVEKIT_API_KEY and LIVEKIT_API_SECRET are read from the environment.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_port, default=7880, help="HTTP and WebSocket; 0: any")
    parser.add_argument("--udp-port", type=_port, default=0, help="media over UDP; 0: any")
    parser.add_argument("--tcp-port", type=_port, default=0, help="media over TCP; 0: any")
    parser.add_argument("--no-udp", action="store_true", help="media over TCP only")
    parser.add_argument("--no-tcp", action="store_true", help="media over UDP only")
    parser.add_argument(
        "--advertise",
        action="append",
        default=[],
        metavar="IP",
        help="an address of this machine where clients reach the media (repeatable)",
    )
    parser.add_argument(
        "--webhook-url",
        action="append",
        default=[],
        metavar="URL",
        help="who hears what happens in rooms (repeatable)",
    )
    parser.add_argument(
        "--webhook-cert",
        type=Path,
        metavar="FILE",
        help="the certificate (PEM) to accept from them, whatever name it bears",
    )
    parser.add_argument(
        "--tls-port", type=_port, default=0, help="HTTPS and wss, besides --port; 0: any"
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="its certificate (PEM)")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="and the key of that")
    return parser


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Raises StartError naming the variable that is missing; exits on wrong arguments."""
    given = _parser().parse_args(arguments)
    for name in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        if not environment.get(name):
            raise StartError(f"{name} is not set")
    if given.no_udp and given.no_tcp:
        raise StartError("--no-udp and --no-tcp leave no way for media")
    if (given.tls_cert is None) != (given.tls_key is None):
        raise StartError("--tls-cert and --tls-key go together")
    return Settings(
        api_key=environment["LIVEKIT_API_KEY"],
        api_secret=SecretStr(environment["LIVEKIT_API_SECRET"]),
        host=given.host,
        port=given.port,
        udp_port=None if given.no_udp else given.udp_port,
        tcp_port=None if given.no_tcp else given.tcp_port,
        advertised=tuple(given.advertise),
        webhook_urls=tuple(given.webhook_url),
        webhook_cert=given.webhook_cert,
        tls=given.tls_cert and Tls(given.tls_port, given.tls_cert, given.tls_key),
    )


def come_first() -> None:
    """Run before what only computes, where the machine allows it: late audio is lost audio."""
    with contextlib.suppress(PermissionError):
        os.nice(-_PRECEDENCE)


def spare_what_is_loaded() -> None:
    """Keep the garbage collector from what stays for good.

    A full collection of all that is imported takes 40 ms and more, in which no audio is forwarded.
    """
    gc.freeze()
    gc.collect()  # it has nothing to do, and learns how little there is: full ones stay frequent


async def _serve(settings: Settings) -> None:
    await Devroom(settings).run()


def main() -> int:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("aiortc").setLevel(logging.WARNING)
    come_first()
    spare_what_is_loaded()
    try:
        asyncio.run(_serve(read_settings(sys.argv[1:], os.environ)))
    except StartError as error:
        sys.stderr.write(f"devroom: {error}\n")
        return _CANNOT_START
    return 0


if __name__ == "__main__":
    sys.exit(main())
