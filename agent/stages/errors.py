"""What can go wrong before a stage exists."""


class StageUnavailable(Exception):
    """A stage cannot be had with these settings on this machine; trying again does not help.

    `code` is for the wire, `setting` the environment variable to look at, `stage` which of the
    three it is (empty: not known); the message names the remedy.
    """

    code = "stage_unavailable"

    def __init__(self, message: str, *, setting: str, stage: str = "") -> None:
        super().__init__(message)
        self.setting = setting
        self.stage = stage
