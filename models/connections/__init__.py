"""Users' accounts at providers: what is kept of them, and access to them for a job."""
