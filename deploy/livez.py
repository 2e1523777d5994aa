"""The container's health check: whether the API answers on `/livez`. Exit code 0: it does."""

import http.client
import os
import ssl
import sys
from collections.abc import Mapping

TIMEOUT_S = 2.0


def fault(environment: Mapping[str, str]) -> str | None:
    """Why it does not count as alive; None when it does. Asks at once, through no proxy."""
    port = int(environment.get("PORT") or 8000)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    if environment.get("TLS_CERT_FILE"):
        # our own certificate, which need not name this address
        trusting = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=TIMEOUT_S, context=trusting
        )
    try:
        connection.request("GET", "/livez")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"port {port}: {error}"
    finally:
        connection.close()
    return None if status == http.HTTPStatus.OK else f"/livez answers {status}"


if __name__ == "__main__":
    sys.exit(fault(os.environ))
