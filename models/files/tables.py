"""Tables of files. The bytes lie in the store of `engine.files`, under `blob`; SQL never holds them."""

import sqlalchemy as sa

from models.db.base import Id, Instant, metadata

files = sa.Table(
    "files",
    metadata,
    sa.Column("id", Id, primary_key=True),  # UUIDv7
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # models.files.store.FileState
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("media_type", sa.String(100), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),  # of one that is being written: what is reserved for it
    sa.Column("sha256", sa.String(64)),  # null until it is complete
    sa.Column("blob", sa.String(120), nullable=False),  # where its content lies in the store
    sa.Column("job_id", Id),  # that attached it, which may be gone by now; null for an upload
    sa.Column("origin", sa.String(16), nullable=False),  # who uploaded it, or who submitted that job
    sa.Column("taint", sa.String(8)),  # whose words it holds
    sa.Column("sources", sa.Text),  # ids of the jobs that it was made of, as JSON
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("kept_until", Instant, nullable=False),  # while no job uses it; of an unfinished one: its writer's lease
)
# GET /files: a user's, newest first; what their quota has left
sa.Index("ix_files_user", files.c.user_id, files.c.id)
# retention: what nobody finished, and what is being removed
_UNFINISHED = files.c.state != "ready"
sa.Index("ix_files_unfinished", files.c.kept_until, postgresql_where=_UNFINISHED, sqlite_where=_UNFINISHED)

# Which jobs keep a file: those that attached it, and those whose input names it.
job_files = sa.Table(
    "job_files",
    metadata,
    sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("file_id", Id, sa.ForeignKey("files.id"), primary_key=True),
    sa.Column("name", sa.String(255)),  # of one that the job attached; null of one that its input names
    sa.Column("attempt", sa.Integer),  # that attached it
    sa.Index("ix_job_files_file", "file_id"),  # retention: whether any job uses it
)
# one file a name of a job; GET /jobs/{id}/files/{name}
_ATTACHED = job_files.c.name.is_not(None)
sa.Index(
    "uq_job_files_name", job_files.c.job_id, job_files.c.name,
    unique=True, postgresql_where=_ATTACHED, sqlite_where=_ATTACHED,
)  # fmt: skip

# Likewise schedules, whose jobs come later.
schedule_files = sa.Table(
    "schedule_files",
    metadata,
    sa.Column("schedule_id", Id, sa.ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("file_id", Id, sa.ForeignKey("files.id"), primary_key=True),
    sa.Index("ix_schedule_files_file", "file_id"),
)

# One row: where the contents of this database's files lie, so that a copy of the database never removes another's.
file_spaces = sa.Table(
    "file_spaces",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # 1
    sa.Column("space", sa.String(32), nullable=False),  # the first part of every `blob`
    sa.Column("mark", sa.String(32)),  # what the folder of a disk store holds, by which each machine knows it
    sa.Column("swept_at", Instant),  # when somebody last looked for contents that no row knows
)
