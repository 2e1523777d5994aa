"""What can go wrong with assistants."""


class AssistantError(Exception):
    """Base of all of them."""


class UnknownAssistant(AssistantError):
    """There is no assistant of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no assistant called {name!r}")
        self.name = name
