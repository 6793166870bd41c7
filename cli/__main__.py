"""`python -m cli` is `llmcoder`."""

from cli import main

main()
