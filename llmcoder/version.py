"""Which version of the engine this is. It stands in pyproject.toml, and here is read from what was installed of it."""

from importlib.metadata import version

VERSION = version("llmcoder")
