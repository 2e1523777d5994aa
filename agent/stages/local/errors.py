"""Why a speech server does not start."""


class CannotStart(Exception):
    """With what is on this machine it cannot serve; trying again does not help."""

    code = "cannot_start"
