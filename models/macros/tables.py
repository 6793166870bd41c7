"""Tables of macros and their runs."""

import sqlalchemy as sa

from models.db.base import Id, Instant, metadata

# Documents of steps. Each version is kept: a run goes on by the one that it began with.
macros = sa.Table(
    "macros",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),  # the newest
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.UniqueConstraint("user_id", "name", name="uq_macros_name"),
    sa.Index("ix_macros_user", "user_id", "id"),  # a user's macros, newest first
)
macro_versions = sa.Table(
    "macro_versions",
    metadata,
    sa.Column("macro_id", Id, sa.ForeignKey("macros.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),  # as JSON
    sa.Column("created_at", Instant, nullable=False),
)

# What a macro's job stands for while it runs. Its steps are jobs of their own, see models.macros.
macro_runs = sa.Table(
    "macro_runs",
    metadata,
    sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("macro_id", Id),  # null: the document came with the job; may be gone since
    sa.Column("version", sa.Integer),
    sa.Column("document", sa.Text, nullable=False),  # the one that it runs by
    sa.Column("input", sa.Text, nullable=False),
    sa.Column("mode", sa.String(8), nullable=False),  # run, plan
    sa.Column("secret", sa.String(64)),  # ends the addresses at which its steps wait to be called
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("look_at", Instant),  # somebody has to look by then: something ended, or a time comes
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("root_id", Id),  # the outermost run that it stands in, itself where there is none; null: of before 0017
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # looks that broke, one after the other
    sa.Column("rest_until", Instant),  # nobody looks before, since the last look broke
)
# whose runs are to be looked at, and which of a user's is the next
_LOOKED_AT = macro_runs.c.open.is_(True)
sa.Index(
    "ix_macro_runs_look", macro_runs.c.user_id, macro_runs.c.look_at,
    postgresql_where=_LOOKED_AT, sqlite_where=_LOOKED_AT,
)  # fmt: skip

# What an outermost run has done so far with all the macros that it starts; its row is locked by whoever looks at one.
macro_roots = sa.Table(
    "macro_roots",
    metadata,
    sa.Column("root_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("steps", sa.Integer, nullable=False),  # steps and items that began
    sa.Column("runs", sa.Integer, nullable=False),  # macros that were started within it
)

macro_steps = sa.Table(
    "macro_steps",
    metadata,
    sa.Column("run_id", Id, sa.ForeignKey("macro_runs.job_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("step", sa.String(60), primary_key=True),
    sa.Column("item", sa.Integer, primary_key=True),  # -1: the step itself; else its place in a foreach
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("value", sa.Text),  # the item, or the list of a foreach, as JSON
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("job_id", Id),
    sa.Column("deadline_at", Instant),
)
# steps whose job may have ended, or been settled by a person
_SUBMITTED = macro_steps.c.state.in_(("submitted", "uncertain"))
sa.Index("ix_macro_steps_open", macro_steps.c.job_id, postgresql_where=_SUBMITTED, sqlite_where=_SUBMITTED)

# Calls from outside that steps of runs wait for; one may come before its step has begun to wait.
macro_calls = sa.Table(
    "macro_calls",
    metadata,
    sa.Column("run_id", Id, sa.ForeignKey("macro_runs.job_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("step", sa.String(60), primary_key=True),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)
