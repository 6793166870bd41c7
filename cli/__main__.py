"""`python -m cli` is `llmcoder`."""

from cli.main import main

main()
