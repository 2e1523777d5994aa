"""Models that a user downloads, from stand-ins for those who publish them."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import google_crc32c
import httpx
import pytest

from agent.settings import AgentSettings
from launch.models.__main__ import main
from launch.models.catalogue import CATALOGUE, HubFiles, Link, Links, Model
from launch.models.fetch import ChecksumDiffers, FetchFailed, fetch

FILES = {
    "deep/model.bin": b"weights" * 1_000,
    "deep/config.json": b'{"a": 1}',
    "deep/vocabulary.txt": b"w\n",
    "README.md": b"not wanted",
}
MODEL = Model(
    name="thing",
    gives="something",
    megabytes=1,
    licence="MIT",
    extra="whisper",
    setting="WHISPER_MODEL_PATH",
    value="thing",
    folder="thing/one",
    source=HubFiles("some/one", ("model.bin", "config.json", "vocabulary.*"), "deep", "v1"),
    options={"query_prefix": "query: "},
)

Handler = Callable[[httpx.Request], httpx.Response]


class Hub:
    """The Hugging Face Hub, as far as it is asked: its tree, and files that are elsewhere."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.lies: dict[str, bytes] = {}
        """What comes in place of a file."""
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        if path == "/api/models/some/one/tree/v1/deep":
            assert request.url.params["recursive"] == "true"
            entries = [self.entry(name) for name in self.files if name.startswith("deep/")]
            return httpx.Response(200, json=[{"type": "directory", "oid": "0" * 40, "size": 0,
                                              "path": "deep/sub"}, *entries])  # fmt: skip
        if path.startswith("/some/one/resolve/v1/"):
            return httpx.Response(302, headers={"location": f"https://cdn.example{path[20:]}"})
        name = path.removeprefix("/")
        if request.url.host == "cdn.example" and name in self.files:
            return httpx.Response(200, content=self.lies.get(name, self.files[name]))
        return httpx.Response(404)

    def entry(self, name: str) -> dict[str, object]:
        content = self.files[name]
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        entry: dict[str, object] = {
            "type": "file", "oid": blob.hexdigest(), "size": len(content), "path": name,
        }  # fmt: skip
        if name.endswith(".bin"):
            stored = hashlib.sha256(content).hexdigest()
            entry |= {"oid": "1" * 40, "lfs": {"oid": stored, "size": len(content),
                                               "pointerSize": 130}}  # fmt: skip
        return entry


def have(model: Model, folder: Path, handler: Handler) -> Path:
    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        return fetch(model, folder, client, lambda *_: None, hub="https://hub.example")


def test_a_model_is_fetched_and_checked(tmp_path: Path) -> None:
    """Catches files in the wrong place, files that nobody wants, and options that are not told."""
    target = have(MODEL, tmp_path, Hub(FILES))
    assert target == tmp_path / "thing" / "one"
    assert {file.name for file in target.iterdir()} == {
        "model.bin", "config.json", "vocabulary.txt", "majlis.json",
    }  # fmt: skip
    assert (target / "model.bin").read_bytes() == FILES["deep/model.bin"]
    assert json.loads((target / "majlis.json").read_text()) == {"query_prefix": "query: "}


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    """Catches hundreds of megabytes fetched twice, and a broken file that stays for ever."""
    hub = Hub(FILES)
    target = have(MODEL, tmp_path, hub)
    hub.asked.clear()
    have(MODEL, tmp_path, hub)
    assert len(hub.asked) == 1
    (target / "model.bin").write_bytes(b"W" + FILES["deep/model.bin"][1:])
    hub.asked.clear()
    have(MODEL, tmp_path, hub)
    assert "/deep/model.bin" in hub.asked
    assert (target / "model.bin").read_bytes() == FILES["deep/model.bin"]


@pytest.mark.parametrize("name", ["deep/model.bin", "deep/config.json"])
@pytest.mark.parametrize("what", ["changed", "short", "long"])
def test_what_is_not_what_was_published_is_not_kept(tmp_path: Path, name: str, what: str) -> None:
    """Catches a model that was changed on its way, or half of one."""
    right = FILES[name]
    hub = Hub(FILES)
    hub.lies[name] = {
        "changed": b"X" + right[1:], "short": right[:-1], "long": right + b"x" * 100_000,
    }[what]  # fmt: skip
    with pytest.raises(ChecksumDiffers):
        have(MODEL, tmp_path, hub)
    left = [file.name for file in (tmp_path / "thing" / "one").iterdir()]
    assert Path(name).name not in left
    assert not any(file.endswith(".part") for file in left)


def test_a_broken_download_leaves_the_old_file(tmp_path: Path) -> None:
    """Catches a model that worked and is gone since the network broke."""
    target = have(MODEL, tmp_path, Hub(FILES))
    newer = Hub(FILES | {"deep/model.bin": b"newer" * 999})
    newer.lies["deep/model.bin"] = b"half"
    with pytest.raises(ChecksumDiffers):
        have(MODEL, tmp_path, newer)
    assert (target / "model.bin").read_bytes() == FILES["deep/model.bin"]


def _refuses(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no network")


@pytest.mark.parametrize(
    "handler",
    [
        _refuses,
        lambda _: httpx.Response(503),
        lambda _: httpx.Response(200, content=b"<html>"),
        lambda _: httpx.Response(200, json=[{"type": "file", "path": "deep/model.bin"}]),
        Hub({"deep/model.bin": b""}),
        Hub(FILES | {"deep/vocabulary.x/../../../../evil": b"!"}),
    ],
)
def test_no_publisher_is_one_error(tmp_path: Path, handler: Handler) -> None:
    """Catches a traceback where there is no network, and files outside of the folder."""
    with pytest.raises(FetchFailed):
        have(MODEL, tmp_path / "models", handler)
    assert not (tmp_path / "evil").exists()


def test_files_with_a_checksum_of_their_own(tmp_path: Path) -> None:
    """Catches the other publisher's checksums, which are neither SHA nor hexadecimal."""
    content = b"encoder" * 99
    checksum = google_crc32c.Checksum(content)  # type: ignore[no-untyped-call]  # has no types
    told = base64.b64encode(checksum.digest()).decode()  # type: ignore[no-untyped-call]  # the same
    link = Link("encoder_model.ort", len(content), told)
    source = Links("https://files.example/base-xx", "https://page.example", (link,))
    model = replace(MODEL, source=source, options={})

    def publisher(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "https://files.example/base-xx/encoder_model.ort"
        return httpx.Response(200, content=content)

    target = have(model, tmp_path, publisher)
    assert (target / "encoder_model.ort").read_bytes() == content
    with pytest.raises(ChecksumDiffers):
        have(model, tmp_path / "b", lambda _: httpx.Response(200, content=content[::-1]))


def test_the_catalogue_is_told_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a model without its size, licence or source, and a setting that there is none of."""
    assert main(["--into", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    for model in CATALOGUE:
        for part in (model.name, model.licence, model.source.page, f"{model.megabytes} MB"):
            assert part in told
        for name in (model.setting, *model.settings):
            assert name.lower() in AgentSettings.model_fields
        assert f"{model.setting}={tmp_path / model.value}" in told
    assert len({model.name for model in CATALOGUE}) == len(CATALOGUE)


def test_an_unknown_model_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a misspelling that fetches nothing and says nothing."""
    with pytest.raises(SystemExit):
        main(["whisper-enormous"])
    assert "whisper-small" in capsys.readouterr().err
