"""`python -m launch.models [NAME …]`: tell of models, or fetch some."""

import argparse
import os
import sys
from pathlib import Path
from typing import TextIO

import httpx

from agent.settings import AgentSettings
from launch.models.catalogue import CATALOGUE, Model
from launch.models.fetch import HUB, FetchFailed, fetch

_BAR = 30
_INTRODUCTION = """\
Everything works without these; each makes one thing better, on this machine and with no key.
Fetch some:     make models MODELS="moonshine-ar piper-ar"
They go into:   {folder}
Without a network, copy a folder there from elsewhere: a model is used from the path in its
setting, and nothing is ever fetched by the product itself. docs/models.md tells more.
"""


class _Bar:
    """Progress, on a terminal only."""

    def __init__(self, out: TextIO) -> None:
        self._out = out if out.isatty() else None

    def show(self, name: str, done: int, total: int) -> None:
        if self._out is not None:
            bar = "#" * (_BAR * done // max(1, total))
            self._out.write(f"\r\x1b[2K{name} [{bar:-<{_BAR}}] {done >> 20}/{total >> 20} MiB")
            self._out.flush()

    def clear(self) -> None:
        if self._out is not None:
            self._out.write("\r\x1b[2K")


def main(arguments: list[str] | None = None) -> int:
    """The program; its status is 1 when something could not be fetched."""
    parser = argparse.ArgumentParser(prog="make models", description="Models that run here.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to fetch; none: tell of all")
    parser.add_argument("--into", type=Path, help="another folder")
    given = parser.parse_args(arguments)
    folder = given.into or AgentSettings().models_dir
    if not given.names:
        _tell(folder)
        return 0
    known = {model.name: model for model in CATALOGUE}
    unknown = [name for name in given.names if name not in known]
    if unknown:
        parser.error(f"no such model: {', '.join(unknown)}; there are {', '.join(known)}")
    return _fetch([known[name] for name in given.names], folder)


def _tell(folder: Path) -> None:
    print(_INTRODUCTION.format(folder=folder))
    for model in CATALOGUE:
        there = " (is here)" if (folder / model.folder).is_dir() else ""
        print(f"{model.name}{there}: {model.gives}")
        print(f"    {model.megabytes} MB · {model.licence}")
        print(f"    from  {model.source.page}")
        print(f"    needs pip install -e '.[{model.extra}]'")
        for line in _env(model, folder):
            print(f"    .env  {line}")


def _env(model: Model, folder: Path) -> list[str]:
    path = {model.setting: str(folder / model.value)}
    return [f"{name}={value}" for name, value in {**path, **model.settings}.items()]


def _fetch(models: list[Model], folder: Path) -> int:
    bar = _Bar(sys.stderr)
    lines: dict[str, None] = {}
    failed = False
    with httpx.Client() as client:
        for model in models:
            try:
                hub = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
                path = fetch(model, folder, client, bar.show, hub=hub)
            except FetchFailed as error:
                bar.clear()
                print(f"{model.name}: {error}", file=sys.stderr)
                failed = True
                continue
            bar.clear()
            print(f"{model.name}: in {path}; licence: {model.licence}")
            lines.update(dict.fromkeys(_env(model, folder)))
    extras = ",".join(sorted({model.extra for model in models}))
    if lines:
        print(f"\nThen: .venv/bin/pip install -e '.[{extras}]', and in .env:")
        print("\n".join(lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
