"""`.env.example` tells of every setting, and tells the truth."""

import re

from pydantic_core import PydanticUndefined

from agent.settings import PROJECT_ROOT
from launch.settings import LaunchSettings

SHOWN = dict(
    re.findall(
        r"^#([A-Z_]+)=(.*)$",
        (PROJECT_ROOT / ".env.example").read_text(),
        re.MULTILINE,
    )
)


def test_every_setting_is_told_of_and_no_other() -> None:
    """Catches a setting that nobody can find, and one that is told of and gone."""
    assert set(SHOWN) == {name.upper() for name in LaunchSettings.model_fields}


def test_the_defaults_are_those_of_the_program() -> None:
    """Catches a default that was changed in one place only."""
    values = {name.lower(): value for name, value in SHOWN.items() if value}
    shown = LaunchSettings.model_validate(values)
    for name in values:
        default = LaunchSettings.model_fields[name].default
        assert default is not PydanticUndefined
        assert getattr(shown, name) == default, name
