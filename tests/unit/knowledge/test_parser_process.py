"""The process that parses: what it is allowed, and what happens when it does not come back."""

import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.knowledge.errors import IndexUnavailable
from agent.knowledge.parser_process import ParserProcess
from agent.knowledge.sections import Section


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A file that can be read."""
    path = tmp_path / "good.md"
    path.write_text("Good text.")
    return path


@pytest.fixture
def parser() -> Iterator[ParserProcess]:
    """A process with some time and memory."""
    with ParserProcess(memory_bytes=300 << 20) as parser:
        yield parser


def test_one_process_parses_many_files(parser: ParserProcess, good: Path) -> None:
    """Catches a start of the interpreter for each file, and content parsed again in vain."""
    assert parser.pid is None
    first = parser.parse(good, "en/good.md")
    pid = parser.pid
    assert first.document is not None
    assert first.document.sections == (Section("", "Good text."),)
    again = parser.parse(good, "en/good.md", known=first.sha256)
    assert (again.document, again.problem, again.sha256) == (None, "", first.sha256)
    assert parser.pid == pid


def test_a_file_that_takes_too_long(good: Path) -> None:
    """Catches an indexer that a file made for it keeps busy for ever, and a process left over."""
    with ParserProcess(timeout_s=5) as parser:
        parser.parse(good, "good.md")
        hung = parser.pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        assert parser.parse(good, "good.md").problem == "takes too long to read"
        with pytest.raises(ProcessLookupError):
            os.kill(hung, 0)


def test_the_next_file_after_one_that_kills(parser: ParserProcess, good: Path) -> None:
    """Catches a crash in a library that ends the indexing."""
    parser.parse(good, "good.md")
    assert parser.pid is not None
    os.kill(parser.pid, signal.SIGKILL)
    assert parser.parse(good, "good.md").problem
    assert parser.parse(good, "good.md").document is not None


def test_memory_has_an_end(parser: ParserProcess, good: Path) -> None:
    """Catches a small file that takes the machine's memory when it is read."""
    bomb = swollen(good.with_name("bomb.docx"))
    assert bomb.stat().st_size < 1 << 20
    reply = parser.parse(bomb, "bomb.docx")
    assert reply.document is None
    assert reply.problem
    assert parser.parse(good, "good.md").document is not None


def test_processor_time_has_an_end(good: Path) -> None:
    """Catches a file that keeps a processor busy for minutes, and one failed by a busy machine."""
    bomb = swollen(good.with_name("bomb.docx"))
    with ParserProcess(cpu_s=1, memory_bytes=4 << 30) as parser:
        assert parser.parse(bomb, "bomb.docx").problem == "takes too long to read"
        assert parser.parse(good, "good.md").document is not None


def test_a_process_that_does_not_start(good: Path) -> None:
    """Catches a machine's trouble that is written down as the file's."""
    with ParserProcess(start_timeout_s=0.0) as parser, pytest.raises(IndexUnavailable):
        parser.parse(good, "good.md")


def swollen(bomb: Path) -> Path:
    """A Word file of some kilobytes with two million paragraphs."""
    paragraph = b"<w:p><w:r><w:t>x</w:t></w:r></w:p>"
    space = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    kinds = b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    kinds += (
        b'<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-'
        b'officedocument.wordprocessingml.document.main+xml"/></Types>'
    )
    links = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        b'relationships/officeDocument" Target="word/document.xml"/></Relationships>'
    )
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("[Content_Types].xml", kinds)
        file.writestr("_rels/.rels", links)
        body = paragraph * (60 * 2**20 // len(paragraph))
        file.writestr(
            "word/document.xml",
            b"<w:document " + space + b"><w:body>" + body + b"</w:body></w:document>",
        )
    return bomb


def test_pipes_and_folders_are_no_documents(parser: ParserProcess, tmp_path: Path) -> None:
    """Catches a reader that waits for ever at a pipe."""
    pipe = tmp_path / "pipe.md"
    os.mkfifo(pipe)
    assert parser.parse(pipe, "pipe.md").problem == "not a regular file"
    assert parser.parse(tmp_path / "nothing.md", "a.md").problem == "No such file or directory"


def test_secrets_stay_out(parser: ParserProcess, good: Path, tmp_path: Path) -> None:
    """Catches keys in the environment of a process that reads hostile files."""
    os.environ["A_SECRET_KEY"] = "s3cret"
    try:
        parser.parse(good, "good.md")
        environ = Path(f"/proc/{parser.pid}/environ").read_bytes()
    finally:
        del os.environ["A_SECRET_KEY"]
    assert b"s3cret" not in environ
