"""What a traceback in the log says, and what it keeps to itself."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
import structlog

from llmcoder.config import Config, use
from llmcoder.log import OURS, set_up_logging, write_places


def written(error: BaseException) -> str:
    stream = io.StringIO()
    write_places(stream, (type(error), error, error.__traceback__))
    return stream.getvalue()


def break_with(secret: str) -> None:
    try:
        raise KeyError(secret)
    except KeyError as cause:
        group = ExceptionGroup(secret, [ValueError(secret), OSError(5, secret)])
        group.add_note(secret)
        raise group from cause


def test_a_traceback_names_places_and_kinds_and_quotes_no_exception() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        break_with("canary")
    text = written(caught.value)
    assert "in break_with" in text and f"{__name__.rpartition('.')[2]}.py" in text
    for kind in ("builtins.KeyError", "which led to", "builtins.ExceptionGroup", "ValueError", "OSError"):
        assert kind in text, kind
    assert "canary" not in text.replace('break_with("canary")', "")


def test_errors_that_name_each_other_come_to_an_end() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert written(first).count("ValueError") == 2


def test_a_cause_that_was_hidden_stays_hidden() -> None:
    error = ValueError()
    error.__context__ = KeyError()
    error.__suppress_context__ = True
    assert "KeyError" not in written(error)


def test_libraries_say_only_what_is_wrong_however_talkative_we_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in OURS}
    try:
        with use(Config.open({"LOG_LEVEL": "DEBUG", "DATA_DIR": str(tmp_path / "data")}, cwd=tmp_path)):
            set_up_logging()
        logging.getLogger("openai._base_client").debug("a library's debug line")
        logging.getLogger("llmcoder.config").debug("our debug line")
        structlog.get_logger("engine.outbox").debug("our structured line")
        try:
            raise ValueError("canary")
        except ValueError:
            logging.getLogger("asyncio").exception("a library's error")
        seen = capsys.readouterr().err
    finally:
        root.handlers[:], root.level = before[0], before[1]
        for name, level in before[2].items():
            logging.getLogger(name).setLevel(level)
        structlog.reset_defaults()
    assert "our debug line" in seen and "our structured line" in seen and "a library's error" in seen
    assert "ValueError" in seen
    assert "a library's debug line" not in seen and "canary" not in seen.replace('ValueError("canary")', "")
