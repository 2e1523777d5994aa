"""The command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.knowledge.__main__ import index_command


def test_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a command that says nothing of what it left out, or fails for one bad file."""
    documents = tmp_path / "documents"
    (documents / "shop").mkdir(parents=True)
    (documents / "shop" / "good.md").write_text("Good.")
    (documents / "shop" / "bad.md").write_bytes(b"\0")
    (documents / "shop" / "scan.pdf").write_bytes(b"%PDF")
    assert index_command(documents, tmp_path / "index") == 0
    assert capsys.readouterr().out.splitlines() == [
        "left out shop/bad.md: binary, not text",
        "shop: 1 documents, 1 passages (1 new, 0 changed, 0 removed); ignored: 1 .pdf",
    ]


def test_missing_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches success on a mistyped path."""
    assert index_command(tmp_path / "nothing", tmp_path / "index") == 2
    assert "no directory" in capsys.readouterr().err


def test_a_failed_index_is_a_failed_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches success although nothing was written."""
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "index").write_text("a file in the way")
    assert index_command(tmp_path, tmp_path / "index") == 1
    assert capsys.readouterr().out.startswith("error: cannot write")


def test_the_package_does_without_livekit() -> None:
    """Catches an import that makes indexing, and every user of it, seconds slower."""
    program = (
        "import sys, agent.knowledge, agent.knowledge.index, agent.knowledge.extract\n"
        "sys.exit('livekit' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
