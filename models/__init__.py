"""The engine's truth: tables, sessions, migrations and the job state machine."""
