"""Random names as LiveKit makes them: a prefix and twelve letters or digits."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits


def random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_sid(prefix: str) -> str:
    """For example `RM_`, `PA_`, `TR_`, `EV_`."""
    return prefix + random_text(12)
