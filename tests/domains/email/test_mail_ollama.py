"""A conversation summed up and answered by an Ollama that keeps to its contract, with everything running."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from imap_kit import mail
from mail_server import MailServer

sys.path.insert(0, str(Path(__file__).parents[1] / "llm"))

from engine_at_ollama import engine_at, submitted, watched
from ollama_server import MODEL, TEXT, OllamaServer


def test_a_reply_is_watched_while_it_is_written_and_a_summary_has_its_form(
    db_url: str, server: Any, mail_server: MailServer, tmp_path: Path
) -> None:
    ollama = OllamaServer(server)
    ollama.form = {"summary": "Bob asks about lunch.", "open_questions": ["Lunch?"]}
    address = mail_server.user(f"ollama_{db_url.partition(':')[0].partition('+')[0]}")
    mail_server.deliver(address, mail("Lunch?", "Are you free?", From="bob@elsewhere.example", To=address).as_bytes())
    allowed = {"FETCH_ALLOW": "127.0.0.1", "MAIL_CA_FILE": str(mail_server.ca_file)}
    with engine_at(ollama, db_url, tmp_path, **allowed) as (engine, alice):
        connected = alice.post("/connections", json={"provider": "imap", "credentials": mail_server.account(address)})
        assert connected.status_code == 201, connected.text
        engine.start_worker()
        asked = {"id": alice.get("/email/emails").json()["result"]["items"][0]["id"]}
        ollama.held.set()
        pieces, job_id = watched(
            engine, lambda: submitted(alice, "/email/draft_reply", asked), at_first=ollama.held.clear
        )
        drafts = alice.get(f"/jobs/{job_id}").json()["result"]
        summed = alice.post("/email/summarize_thread", json=asked, headers={"prefer": "wait=30"}).json()["result"]
    assert ("".join(pieces), drafts["variants"][0]["text"], drafts["model"]) == (TEXT, TEXT, MODEL)
    assert drafts["tokens_out"] == len(pieces) > 1
    assert (summed["summary"], summed["open_questions"], summed["decisions"]) == (
        "Bob asks about lunch.",
        ["Lunch?"],
        [],
    )
    reply, summary = ollama.asked
    assert "format" not in reply and "Are you free?" in reply["messages"][-1]["content"]
    assert set(summary["format"]["required"]) <= set(summary["format"]["properties"])
    assert ollama.wrong == []
