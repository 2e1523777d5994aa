"""`.env.example` tells of every setting, and tells the truth."""

import re

from pydantic_core import PydanticUndefined

from agent.settings import PROJECT_ROOT
from agent.stages.providers import VARIABLES
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
    settings = {name.upper() for name in LaunchSettings.model_fields} - {"PROVIDER_VARIABLES"}
    assert set(SHOWN) == settings | VARIABLES


def test_the_defaults_are_those_of_the_program() -> None:
    """Catches a default that was changed in one place only."""
    fields = LaunchSettings.model_fields
    values = {n.lower(): v for n, v in SHOWN.items() if v and n.lower() in fields}
    shown = LaunchSettings.model_validate(values)
    for name in values:
        default = fields[name].default
        assert default is not PydanticUndefined
        assert getattr(shown, name) == default, name
