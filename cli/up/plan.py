"""Which processes make up the engine on one machine, in the order of their start, and what is said when they run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cli.up import flower, redis
from cli.up.child import Child
from cli.up.handover import Plan
from cli.up.listeners import Wanted
from cli.up.reachable import is_live, loopback_of
from llmcoder import startup
from llmcoder.process import command_line
from llmcoder.timing import TIMING

if TYPE_CHECKING:
    from llmcoder.settings import EngineSettings

#: With 1 s for SIGQUIT, 0.5 s for SIGKILL and Redis after that, a stop stays within 10 s.
WORKER_GRACE_S = TIMING.drain_s + 1.5


def plan(settings: EngineSettings) -> Plan:
    """Check what can be checked before a start, and say what is to be started.

    Args:
        settings: The engine's, as they are now; the children are given what was decided here as variables.

    Raises:
        UpError: It cannot be started like this.
    """
    data_dir = settings.data_dir.absolute()
    api_port = startup.free_port(settings.api_host, settings.api_port, "API_PORT")
    flower_port = startup.free_port(settings.flower_host, settings.flower_port, "FLOWER_PORT")
    password, is_new = _flower_password(settings, data_dir)
    embedded = redis.embedded_in(data_dir) if settings.redis_is_embedded else None

    env = {"DATA_DIR": str(data_dir), "API_PORT": str(api_port)}
    if embedded:
        env["REDIS_URL"] = embedded.redis_url
        if "broker_url" not in settings.model_fields_set:
            env["BROKER_URL"] = embedded.broker_url

    ours = (
        Child("migrate", command_line("models", "upgrade"), once=True),
        Child("api", command_line("api"), ready=partial(is_live, settings.api_host, api_port)),
        Child("worker-io", command_line("workers", "io"), grace_s=WORKER_GRACE_S, quits_on_sigquit=True),
        Child("worker-heavy", command_line("workers", "heavy"), grace_s=WORKER_GRACE_S, quits_on_sigquit=True),
        Child("scheduler", command_line("schedules")),
        Child("listeners", command_line("api.listen"), wanted=Wanted(data_dir / "config.json")),
        flower.child(data_dir, settings.flower_host, flower_port, password),
    )
    children = tuple(replace(child, env={**env, **child.env}) for child in ours)
    return Plan(
        children=(redis.child(embedded), *children) if embedded else children,
        banner=_banner(settings, api_port, flower_port, password if is_new else None),
        log_file=log_file(data_dir),
    )


def log_file(data_dir: Path) -> Path:
    return data_dir / "logs" / "llmcoder.log"


def _flower_password(settings: EngineSettings, data_dir: Path) -> tuple[str, bool]:
    if settings.flower_password is not None:
        return settings.flower_password.get_secret_value(), False
    return flower.password_in(data_dir)


def _banner(settings: EngineSettings, api_port: int, flower_port: int, new_password: str | None) -> str:
    data_dir = settings.data_dir.absolute()
    api = f"http://{_in_url(settings.api_host)}:{api_port}"
    password = f"password {new_password} (shown this once)" if new_password else "password as before"
    rows = (
        ("API", api),
        ("Documentation", f"{api}/docs"),
        ("Flower", f"http://{_in_url(settings.flower_host)}:{flower_port}  user {flower.USER}, {password}"),
        ("Data folder", str(data_dir)),
        ("Log file", str(log_file(data_dir))),
        ("To stop", "Ctrl-C"),
    )
    return "\n".join(["", *(f"  {name:<14} {value}" for name, value in rows), ""])


def _in_url(host: str) -> str:
    host = loopback_of(host)
    return f"[{host}]" if ":" in host else host
