"""The actions of this domain, where the registry looks for them."""

from tasks.tasks.digest_actions import list_troubles, list_upcoming
from tasks.tasks.macro_actions import ask_person, await_call, pass_time, start_macro

__all__ = ["ask_person", "await_call", "list_troubles", "list_upcoming", "pass_time", "start_macro"]
