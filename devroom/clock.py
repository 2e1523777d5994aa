"""The clock that everything with a deadline goes by; tests bring their own."""

from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since some moment, only ever more."""
