"""Optional API keys: `Authorization: Bearer <key>` or `X-API-Key: <key>`."""

import hmac
from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from orchestrator.errors import Forbidden, Unauthenticated


def check_api_key(headers: Mapping[str, str], keys: Sequence[SecretStr]) -> None:
    """Returns if the request may pass; without keys, every one may.

    Raises `Unauthenticated` without a key, `Forbidden` with a wrong one.
    """
    if not keys:
        return
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    given = headers.get("x-api-key", "") or (bearer if scheme.lower() == "bearer" else "")
    if not given.strip():
        raise Unauthenticated("An API key is required.")
    digests = [
        hmac.compare_digest(given.strip().encode(), key.get_secret_value().encode()) for key in keys
    ]
    if not any(digests):
        raise Forbidden("The API key is not valid.")
