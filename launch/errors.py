"""Errors of starting up, each one line for whoever typed the command.

LaunchError
    AlreadyRunning
    PortInUse
    StartFailed
"""


class LaunchError(Exception):
    """The product cannot be started; the message says why and what to do."""


class AlreadyRunning(LaunchError):
    """Another instance uses the same data folder."""


class PortInUse(LaunchError):
    """A port that a setting names is taken."""


class StartFailed(LaunchError):
    """The programs were started and did not become well."""
