"""The secrets in headers: `${TOOL_…}` in a file stands for an environment variable."""

from collections.abc import Callable, Mapping

from agent.assistants.description import SECRET, SECRET_PREFIX

Variable = Callable[[str], str]
"""The value of an environment variable; empty: not set."""


class SecretMissing(Exception):
    """A variable that a header needs is not set on this machine; the message is its name."""


def filled_in(headers: Mapping[str, str], variable: Variable) -> dict[str, str]:
    """The headers as they are sent. Raises `SecretMissing`."""

    def value(name: str) -> str:
        found = variable(name) if name.startswith(SECRET_PREFIX) else ""
        if not found:
            raise SecretMissing(name)
        return found

    return {name: SECRET.sub(lambda match: value(match[1]), text) for name, text in headers.items()}
