"""`python -m api.cli` is `llmcoder`."""

from api.cli import main

main()
