"""Builds the stages of a Dockerfile in Debian roots, with Debian's packages for the base images."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from deploy.dockerfile import Ignored, Instruction, Stage
from deploy.root import DEBIAN, ROOT_MOUNTS, Failed, place, step, unshare, write_hosts

PROJECT = Path(__file__).resolve().parent.parent

BUILD = f"""\
set -eu
{ROOT_MOUNTS}
root=$1 folder=$2 binds=$3
shift 3
for bind in $binds; do
    mkdir -p "$(dirname "$root${{bind#*:}}")"
    if [ -d "${{bind%%:*}}" ]; then mkdir -p "$root${{bind#*:}}"; else touch "$root${{bind#*:}}"; fi
    mount --bind -o ro "${{bind%%:*}}" "$root${{bind#*:}}"
done
exec chroot "$root" sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    work: Path
    mirror: str
    suite: str
    base: Path | None
    binds: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass
class Build:
    """The stages so far, as folders."""

    options: Options
    stages: list[Stage]
    ignored: Ignored
    roots: dict[str, Path] = field(default_factory=dict)

    def all(self) -> None:
        """Make every stage."""
        base = self.options.base or _debootstrap(self.options)
        for stage in self.stages:
            with step(f"stage {stage.name}, from {stage.base}"):
                root = self.options.work / stage.name
                subprocess.run(["cp", "-a", "--reflink=auto", base, root], check=True)
                self.roots[stage.name] = root
                self._stand_in(stage, root)
                self._make(stage, root)

    def _stand_in(self, stage: Stage, root: Path) -> None:
        """What the base image has besides Debian and Python."""
        kind = stage.base.partition(":")[0]
        if kind == "node":
            node, npm = (shutil.which(name) for name in ("node", "npm"))
            if node is None or npm is None:
                raise Failed("needs node and npm")
            shutil.copy2(node, root / "usr/local/bin/node")
            package = Path(npm).resolve().parent.parent
            shutil.copytree(package, root / "usr/local/lib/npm", symlinks=True)
            for name in ("npm", "npx"):
                (root / "usr/local/bin" / name).symlink_to(f"../lib/npm/bin/{name}-cli.js")
        elif kind == "nginx":
            install = "apt-get update -q && apt-get install -y -q --no-install-recommends nginx"
            self._run(root, "/", ["sh", "-c", install])
            (root / "etc/nginx/sites-enabled/default").unlink()
            write_hosts(root, {"orchestrator": "127.0.0.1"})
        elif kind != "python":
            raise Failed(f"nothing stands in for {stage.base}")

    def _make(self, stage: Stage, root: Path) -> None:
        folder = "/"
        for number, instruction in enumerate(stage.instructions):
            match instruction.name:
                case "WORKDIR":
                    folder = instruction.words[0]
                    place(root, folder).mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(instruction, root, folder)
                case "RUN":
                    so_far = Stage(stage.name, stage.base, stage.instructions[:number])
                    environment = so_far.environment(DEBIAN)
                    words = list(instruction.words)
                    command = ["sh", "-c", *words] if instruction.is_shell else words
                    print(f"  RUN {' '.join(words)}", flush=True)
                    self._run(root, folder, command, environment)

    def _copy(self, instruction: Instruction, root: Path, folder: str) -> None:
        *sources, last = instruction.words
        origin = self.roots[instruction.flags["from"]] if "from" in instruction.flags else None
        target = place(root, str(PurePosixPath(folder) / last))
        into = last.endswith("/") or len(sources) > 1 or target.is_dir()
        for source in sources:
            found = place(origin, source) if origin else PROJECT / source
            if not found.exists():
                raise Failed(f"COPY: there is no {source}")
            if found.is_dir():
                left_out = None if origin else self._left_out
                shutil.copytree(found, target, symlinks=True, dirs_exist_ok=True, ignore=left_out)
                continue
            if not origin and PurePosixPath(source) in self.ignored:
                raise Failed(f"COPY: .dockerignore leaves {source} out")
            to = target / found.name if into else target
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, to)

    def _left_out(self, folder: str, names: list[str]) -> set[str]:
        inside = PurePosixPath(Path(folder).relative_to(PROJECT))
        return {name for name in names if inside / name in self.ignored}

    def _run(
        self,
        root: Path,
        folder: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """As root, with the machine's network and what the options add."""
        shutil.copy2(Path("/etc/resolv.conf").resolve(), root / "etc/resolv.conf")
        inside = {**(environment or DEBIAN), **self.options.environment, "HOME": "/root"}
        binds = " ".join(self.options.binds)
        done = subprocess.run(
            [*unshare(), "sh", "-c", BUILD, "build", str(root), folder, binds, *command],
            env={**inside, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"exit code {done.returncode}: {' '.join(command)}")


def _debootstrap(options: Options) -> Path:
    with step(f"an empty {options.suite} with Python"):
        base = options.work / "base"
        log = options.work / "debootstrap.log"
        packages = "--include=python3,python3-venv,ca-certificates"
        with log.open("wb") as output:
            done = subprocess.run(
                ["debootstrap", "--variant=minbase", packages, options.suite, base, options.mirror],
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise Failed(f"debootstrap: see {log}")
        # As the base images have it: installing a server does not start it.
        policy = base / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        return base
