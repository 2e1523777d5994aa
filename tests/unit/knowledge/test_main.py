"""The command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.knowledge.__main__ import Bar, bar_line, index_command
from agent.knowledge.index import Progress
from agent.settings import AgentSettings


def settings(folder: Path, **more: object) -> AgentSettings:
    return AgentSettings(_env_file=None, data_dir=folder / "data", **more)  # type: ignore[call-arg,arg-type] # pydantic's


def test_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a command that says nothing of what it left out, or fails for one bad file."""
    documents = tmp_path / "documents"
    (documents / "shop").mkdir(parents=True)
    (documents / "shop" / "good.md").write_text("Good.")
    (documents / "shop" / "bad.md").write_bytes(b"\0")
    (documents / "shop" / "scan.png").write_bytes(b"PNG")
    assert index_command(documents, settings(tmp_path)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "left out shop/bad.md: binary, not text",
        "shop: 1 documents, 1 passages (1 new, 0 changed, 0 removed); ignored: 1 .png",
    ]


def test_missing_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches success on a mistyped path."""
    assert index_command(tmp_path / "nothing", settings(tmp_path)) == 2
    assert "no directory" in capsys.readouterr().err
    assert index_command(None, settings(tmp_path, knowledge_dir=tmp_path / "nothing")) == 2


def test_a_failed_index_is_a_failed_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches success although nothing was written."""
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a.md").write_text("Text.")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "knowledge").write_text("a file in the way")
    assert index_command(tmp_path / "documents", settings(tmp_path)) == 1
    assert capsys.readouterr().out.startswith("error: cannot write")


def test_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a bar in a log file, and a file's name that steers the terminal."""
    progress = Progress("shop", 6, 12, "a\x1b[2J.md")
    assert bar_line(progress) == "shop [############------------] 6/12 a?[2J.md"
    Bar(sys.stderr).show(progress)
    assert capsys.readouterr().err == ""


def test_the_package_does_without_livekit() -> None:
    """Catches an import that makes indexing, and every user of it, seconds slower."""
    program = (
        "import sys, agent.knowledge, agent.knowledge.index, agent.knowledge.extract\n"
        "sys.exit('livekit' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
