"""What is done about engines' folders."""

import os
from pathlib import Path

from services.engine import sweep


def test_only_folders_of_the_dead_are_removed(tmp_path: Path) -> None:
    """Catches a service that takes another one's socket away, and folders that pile up."""
    living = tmp_path / f"majlis-service-{os.getpid()}-abc"
    dead = tmp_path / f"majlis-service-{2**22 + 1}-abc"
    others = tmp_path / "majlis-service-notes-1"
    for folder in (living, dead, others):
        folder.mkdir()
        (folder / "recognizer.sock").touch()
    sweep(tmp_path)
    assert living.exists()
    assert others.exists()
    assert not dead.exists()
