"""supervisord's configuration, written from a plan.

It has no secret in it: programs inherit them from the environment. supervisord's own expansion
character `%` is doubled wherever a value may hold one.
"""

from pathlib import Path

from launch.plan import Plan, Program
from orchestrator.monitoring.supervisord import control_socket


def render(
    plan: Plan, *, run_dir: Path, log_dir: Path, directory: Path, rotated: bool = True
) -> str:
    """The whole file, for `supervisord -n -c`; `directory` is where the programs run.

    Without `rotated` the logs are pipes: nothing can be measured, renamed or read again.
    """
    max_size = "10MB" if rotated else "0"
    head = f"""\
[supervisord]
nodaemon=true
silent=true
directory={_escaped(str(directory))}
pidfile={_escaped(str(run_dir / "supervisord.pid"))}
logfile={_escaped(str(log_dir / "supervisord.log"))}
logfile_maxbytes={max_size}
logfile_backups=2
childlogdir={_escaped(str(run_dir))}

[unix_http_server]
file={_escaped(str(control_socket(run_dir)))}
chmod=0700

[supervisorctl]
serverurl=unix://{_escaped(str(control_socket(run_dir)))}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    return head + "".join(_program(program, log_dir, max_size) for program in plan.programs)


def _program(program: Program, log_dir: Path, max_size: str) -> str:
    environment = ",".join(f'{k}="{_escaped(v)}"' for k, v in program.environment.items())
    return f"""
[program:{program.name}]
command={" ".join(_quoted(word) for word in program.command)}
priority={program.priority}
environment={environment}
autorestart=true
startsecs=1
startretries=1000
stopsignal=TERM
stopwaitsecs={program.stop_wait_s}
stdout_logfile={_escaped(str(log_dir / f"{program.name}.log"))}
stdout_logfile_maxbytes={max_size}
stdout_logfile_backups=2
redirect_stderr=true
"""


def _quoted(word: str) -> str:
    """One word of a command, in the double quotes that supervisord's `shlex` takes off again."""
    escaped = _escaped(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escaped(value: str) -> str:
    return value.replace("%", "%%")
