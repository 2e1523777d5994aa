"""Getting a model's files: each is checked against its publisher's checksum before it is there."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Protocol

import httpx
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from launch.models.catalogue import HubFiles, Links, Model

HUB = "https://huggingface.co"
_TIMEOUT = httpx.Timeout(30.0)
_CHUNK_BYTES = 1 << 20
_OPTIONS_FILE = "majlis.json"

Show = Callable[[str, int, int], None]
"""Is told of a file's name, how much of it is there, and how much there is of it, in bytes."""


class FetchFailed(Exception):
    """It could not be had; what is there is as it was."""

    code = "fetch_failed"


class ChecksumDiffers(FetchFailed):
    """What came is not what was published."""

    code = "checksum_differs"


class _Digest(Protocol):
    def update(self, data: bytes, /) -> object:
        """So much more of the file."""

    def hexdigest(self) -> str:
        """Of all of it."""


class _Crc32c:
    """Of the library that Moonshine's own program checks its files with."""

    def __init__(self) -> None:
        try:
            import google_crc32c
        except ImportError as error:
            raise FetchFailed(
                "install what runs it first: pip install -e '.[moonshine]'"
            ) from error
        self._checksum = google_crc32c.Checksum()  # type: ignore[no-untyped-call]  # has no types

    def update(self, data: bytes, /) -> None:
        self._checksum.update(data)  # type: ignore[no-untyped-call]  # the same

    def hexdigest(self) -> str:
        return bytes(self._checksum.digest()).hex()  # type: ignore[no-untyped-call]  # the same


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to have, and what it is to be like."""

    name: str
    """Path below the model's folder."""
    url: str
    size: int
    algorithm: Literal["sha256", "git", "crc32c"]
    digest: str
    """In hexadecimal."""

    def begin(self) -> _Digest:
        """A digest of nothing yet."""
        match self.algorithm:
            case "sha256":
                return hashlib.sha256()
            case "git":
                # a Git object's name: its kind and size come first
                header = f"blob {self.size}\0".encode()
                return hashlib.sha1(header, usedforsecurity=False)
            case "crc32c":
                return _Crc32c()


class _Stored(BaseModel):
    oid: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)]


class _Entry(BaseModel):
    type: str
    path: str
    oid: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    size: Annotated[int, Field(ge=0)] = 0
    lfs: _Stored | None = None


_ENTRIES = TypeAdapter(list[_Entry])


def fetch(model: Model, folder: Path, client: httpx.Client, show: Show, *, hub: str = HUB) -> Path:
    """Have all of a model in `folder / model.folder`. What is there already is not fetched again.

    Raises `FetchFailed`.
    """
    target = folder / model.folder
    for remote in remotes(model, client, hub=hub):
        path = target / remote.name
        if not (path.is_file() and _digest_of(path, remote) == remote.digest):
            _download(remote, path, client, show)
    if model.options:
        (target / _OPTIONS_FILE).write_text(json.dumps(dict(model.options)), encoding="utf-8")
    return target


def remotes(model: Model, client: httpx.Client, *, hub: str = HUB) -> tuple[Remote, ...]:
    """The files of a model, with what their publisher says of them. Raises `FetchFailed`."""
    match model.source:
        case Links(base=base, files=files):
            return tuple(
                Remote(
                    file.name,
                    f"{base}/{file.name}",
                    file.size,
                    "crc32c",
                    base64.b64decode(file.crc32c).hex(),
                )
                for file in files
            )
        case HubFiles() as source:
            return tuple(_on_hub(source, client, hub))


def _on_hub(source: HubFiles, client: httpx.Client, hub: str) -> Iterable[Remote]:
    below = f"/{source.folder}" if source.folder else ""
    listing = f"{hub}/api/models/{source.repository}/tree/{source.revision}{below}"
    try:
        answer = client.get(
            listing, params={"recursive": "true"}, timeout=_TIMEOUT, follow_redirects=True
        )
        answer.raise_for_status()
        entries = _ENTRIES.validate_json(answer.content)
    except httpx.HTTPError as error:
        raise FetchFailed(f"{source.page}: {_why(error)}") from error
    except ValidationError as error:
        raise FetchFailed(f"{source.page}: an answer that is none") from error
    prefix = f"{source.folder}/" if source.folder else ""
    for pattern in source.files:
        matching = [e for e in entries if e.type == "file" and fnmatch(e.path, prefix + pattern)]
        if not matching:
            raise FetchFailed(f"{source.page}: no {pattern} in it")
        for entry in matching:
            url = f"{hub}/{source.repository}/resolve/{source.revision}/{entry.path}"
            name = entry.path.removeprefix(prefix)
            if not PurePosixPath(name).parts or {"..", "/"} & set(PurePosixPath(name).parts):
                raise FetchFailed(f"{source.page}: a file of no proper name")
            if entry.lfs is not None:
                yield Remote(name, url, entry.lfs.size, "sha256", entry.lfs.oid)
            else:
                yield Remote(name, url, entry.size, "git", entry.oid)


def _download(remote: Remote, path: Path, client: httpx.Client, show: Show) -> None:
    """Into a file beside its place, which it takes when it is whole and right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    digest, got = remote.begin(), 0
    try:
        with (
            client.stream("GET", remote.url, timeout=_TIMEOUT, follow_redirects=True) as answer,
            part.open("wb") as file,
        ):
            answer.raise_for_status()
            for data in answer.iter_bytes(_CHUNK_BYTES):
                got += len(data)
                if got > remote.size:
                    break
                digest.update(data)
                file.write(data)
                show(remote.name, got, remote.size)
        if got != remote.size or digest.hexdigest() != remote.digest:
            raise ChecksumDiffers(f"{remote.name}: what came is not what was published")
        part.replace(path)
    except httpx.HTTPError as error:
        raise FetchFailed(f"{remote.name}: {_why(error)}") from error
    except OSError as error:
        raise FetchFailed(f"{remote.name}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _digest_of(path: Path, remote: Remote) -> str:
    if path.stat().st_size != remote.size:
        return ""
    digest = remote.begin()
    with path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            digest.update(data)
    return digest.hexdigest()


def _why(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    return f"no answer ({type(error).__name__})"
