"""Running jobs: the Celery app, claim, context, run, finish, leases, doorbells and push."""
