"""`make drain`: take a machine out of service, and wait until its last call is over.

`make drain MACHINE=name` names another one of the deployment; `make resume` puts it back.
"""

import argparse
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from typing import Any

from launch.embedded import operator_key
from launch.settings import LaunchSettings
from orchestrator.settings import SettingsError, load_settings

LOOK_EVERY_S = 1.0
TIMEOUT_S = 10.0


class Refused(Exception):
    """The API did not do it; the message says why."""


class Operator:
    """Asks the API of this machine."""

    def __init__(self, settings: LaunchSettings) -> None:
        self._url = f"{settings.url}/api/operations"
        keys = [key.get_secret_value() for key in settings.operator_keys]
        self._key = keys[0] if keys else operator_key(settings.data_dir)
        # our own certificate, which need not name this address
        https = settings.scheme == "https"
        self._trusting = ssl._create_unverified_context() if https else None  # noqa: S323, SLF001

    def hosts(self) -> dict[str, dict[str, Any]]:
        """The machines by name. Raises `Refused`."""
        return {host["name"]: host for host in self._ask("/hosts")["hosts"]}

    def serve(self, host: str | None, *, serving: bool) -> str:
        """Take a machine out of service, or put it back; its name. Raises `Refused`."""
        path = "/resume" if serving else "/drain"
        return str(self._ask(path, {} if host is None else {"host": host})["host"])

    def _ask(self, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310
            self._url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-API-Key": self._key, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(  # noqa: S310
                request, timeout=TIMEOUT_S, context=self._trusting
            ) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise Refused(_message(error.read(10_000)) or f"answered {error.code}") from None
        except (OSError, ValueError) as error:
            raise Refused(f"{self._url} cannot be reached: {error}") from None


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done, 1 refused, 2 a setting is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=None, help="another machine than the only one")
    parser.add_argument("--resume", action="store_true", help="put it back into service")
    given = parser.parse_args(arguments)
    try:
        operator = Operator(load_settings(LaunchSettings))
        name = operator.serve(given.host or None, serving=given.resume)
        if given.resume:
            print(f"{name} takes sessions again.")
        else:
            _wait(operator, name)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except Refused as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("It goes on draining; `make resume` puts it back into service.")
    return 0


def _wait(operator: Operator, name: str) -> None:
    print(f"{name} takes no more sessions. Waiting for its calls; Ctrl-C waits no longer.")
    told = -1
    while True:
        host = operator.hosts().get(name)
        if host is None:
            raise Refused(f"{name} has not been heard of any more.")
        calls = len(host["agents"])
        if host["draining"] and calls == 0:
            break
        if calls != told:
            print(f"{calls} running")
            told = calls
        time.sleep(LOOK_EVERY_S)
    print(f"{name} is empty. `make resume`, or a new start, puts it back into service.")


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""


if __name__ == "__main__":
    sys.exit(main())
