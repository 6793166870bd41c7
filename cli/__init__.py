"""The `llmcoder` command: the door of whoever operates this machine.

`main.py` has the commands. This file loads none of them: the supervisor, which lies in here too, stays for as long as
the engine runs and needs none.
"""
