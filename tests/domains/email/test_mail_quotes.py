# ruff: noqa: E501 - a table is read by its rows
"""What of a mail reaches a language model: what its sender wrote or passed on, wherever that stands.

The lines above quotes are those of Gmail, Outlook, Apple Mail, Thunderbird, Yahoo and others in their users' languages.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.email.drafting import transcript
from tasks.email.quotes import is_forward, own_words
from tasks.email.reading import read

ABOVE = {
    "Gmail, English": "On Mon, 1 Dec 2025 at 10:00, Ann <ann@example.net> wrote:",
    "Gmail, cut in two": "On Mon, 1 Dec 2025 at 10:00, Ann Example of a Company <ann@example.net>\nwrote:",
    "Gmail, cut in the address": "On Mon, 1 Dec 2025 at 10:00, Ann Example of a Company <\nann@example.net> wrote:",
    "Gmail, German": "Am Mo., 1. Dez. 2025 um 10:00 Uhr schrieb Ann <ann@example.net>:",
    "Gmail, French": "Le lun. 1 déc. 2025 à 10:00, Ann <ann@example.net> a écrit :",
    "Gmail, Spanish": "El lun, 1 dic 2025 a las 10:00, Ann (<ann@example.net>) escribió:",
    "Gmail, Italian": "Il giorno lun 1 dic 2025 alle ore 10:00 Ann <ann@example.net> ha scritto:",
    "Gmail, Portuguese": "Em seg., 1 de dez. de 2025 às 10:00, Ann <ann@example.net> escreveu:",
    "Gmail, Dutch": "Op ma 1 dec 2025 om 10:00 schreef Ann <ann@example.net>:",
    "Gmail, Swedish": "Den mån 1 dec. 2025 kl 10:00 skrev Ann <ann@example.net>:",
    "Gmail, Danish": "Den man. 1. dec. 2025 kl. 10.00 skrev Ann <ann@example.net>:",
    "Gmail, Norwegian": "man. 1. des. 2025 kl. 10:00 skrev Ann <ann@example.net>:",
    "Gmail, Finnish": "ma 1. jouluk. 2025 klo 10.00 Ann (ann@example.net) kirjoitti:",
    "Gmail, Polish": "pon., 1 gru 2025 o 10:00 Ann <ann@example.net> napisał(a):",
    "Gmail, Czech": "po 1. 12. 2025 v 10:00 odesílatel Ann <ann@example.net> napsal:",
    "Gmail, Russian": "пн, 1 дек. 2025 г. в 10:00, Ann <ann@example.net>:",
    "Gmail, Ukrainian": "пн, 1 груд. 2025 р. о 10:00 Ann <ann@example.net> пише:",
    "Gmail, Turkish": "Ann <ann@example.net>, 1 Ara 2025 Pzt, 10:00 tarihinde şunu yazdı:",
    "Gmail, Hungarian": "Ann <ann@example.net> ezt írta (időpont: 2025. dec. 1., H, 10:00):",
    "Gmail, Greek": "Στις Δευ 1 Δεκ 2025 στις 10:00, ο χρήστης Ann <ann@example.net> έγραψε:",
    "Gmail, Japanese": "2025年12月1日(月) 10:00 Ann <ann@example.net>:",
    "Gmail, Chinese": "Ann <ann@example.net> 于2025年12月1日周一 10:00写道：",
    "Gmail, Korean": "2025년 12월 1일 (월) 오전 10:00, Ann <ann@example.net>님이 작성:",
    "Gmail, Hebrew": "‫בתאריך יום ב׳, 1 בדצמ׳ 2025 ב-10:00 מאת ‪Ann‬‏ <‪ann@example.net‬‏>:‬",
    "Gmail, Vietnamese": "Vào Th 2, 1 thg 12, 2025 vào lúc 10:00 Ann <ann@example.net> đã viết:",
    "Apple Mail": "On Dec 1, 2025, at 10:00 AM, Ann <ann@example.net> wrote:",
    "Apple Mail, German": "Am 01.12.2025 um 10:00 schrieb Ann <ann@example.net>:",
    "Thunderbird": "On 12/1/25 10:00, Ann wrote:",
    "Thunderbird, French": "Le 01/12/2025 à 10:00, Ann a écrit :",
    "mutt": "On Mon, Dec 01, 2025 at 10:00:00AM +0100, Ann wrote:",
    "Gnus": "Ann <ann@example.net> writes:",
    "Zoho": "---- On Mon, 01 Dec 2025 10:00:00 +0100 Ann <ann@example.net> wrote ----",
    "Outlook": "-----Original Message-----",
    "Outlook, German": "-----Ursprüngliche Nachricht-----",
    "Foxmail": "------------------ 原始邮件 ------------------",
}


@pytest.mark.parametrize("above", ABOVE.values(), ids=ABOVE)
def test_an_answer_below_a_quote_is_one_and_the_quote_is_none(above: str) -> None:
    text = f"Hi Bob,\n\n{above}\n> Does Friday work?\n>\n> Ann\n\nYes, the 5th works for me.\nAnn"
    assert own_words(text).split() == ["Hi", "Bob,", "Yes,", "the", "5th", "works", "for", "me.", "Ann"]


@pytest.mark.parametrize("above", ABOVE.values(), ids=ABOVE)
def test_an_answer_above_is_one_too(above: str) -> None:
    assert own_words(f"Yes, the 5th works.\n{above}\n\n> Does Friday work?") == "Yes, the 5th works."


#: The header above an answered mail that is marked by nothing else; by reports on email_reply_parser, talon and twenty.
HEADERS = {
    "Outlook": "From: Ann <ann@example.net>\nSent: Monday, December 1, 2025 10:00 AM\nTo: Bob <b@example.net>\nSubject: Re: x",
    "Outlook on the web": "________________________________\nFrom: Ann <ann@example.net>\nSent: Monday, December 1, 2025\nTo: Bob\nSubject: x",
    "Outlook, bold": "*From:* Ann <ann@example.net>\n*Sent:* Monday, December 1, 2025\n*To:* Bob\n*Subject:* x",
    "Outlook, with copies": "From: Ann\nSent: Monday, December 1, 2025\nTo: Bob;\n Carl\nCc: Dora\nSubject: x",
    "Hotmail": "Subject: x\nFrom: ann@example.net\nTo: b@example.net\nDate: Thu, 18 Jun 2015 07:45:36 +0000",
    "German": "Von: Ann <ann@example.net>\nGesendet: Montag, 1. Dezember 2025 10:00\nAn: Bob\nBetreff: Preis",
    "French": "De : Ann <ann@example.net>\nEnvoyé : lundi 1 décembre 2025 10:00\nÀ : Bob\nObjet : Prix",
    "Spanish": "De: Ann <ann@example.net>\nEnviado el: lunes, 1 de diciembre de 2025\nPara: Bob\nAsunto: Precio",
    "Danish": "Fra: Ann <ann@example.net>\nSendt: 1. december 2025 10:00\nTil: Bob\nEmne: Pris",
    "Dutch": "Van: Ann <ann@example.net>\nVerzonden: maandag 1 december 2025\nAan: Bob\nOnderwerp: Prijs",
    "Polish": "Od: Ann <ann@example.net>\nWysłano: 1 grudnia 2025\nDo: Bob\nTemat: Cena",
    "Russian": "От: Ann <ann@example.net>\nОтправлено: 1 декабря 2025 г.\nКому: Bob\nТема: Цена",
    "Chinese": "发件人: Ann <ann@example.net>\n发送时间: 2025年12月1日 10:00\n收件人: Bob\n主题: 价格",
    "Japanese": "差出人: Ann <ann@example.net>\n送信日時: 2025年12月1日 10:00\n宛先: Bob\n件名: 価格",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_what_stands_below_a_header_is_quoted_and_no_header_alone_is(header: str) -> None:
    text = f"{header}\n\nDoes Friday work?"
    assert own_words(f"Yes, the 5th.\n\n{text}").rstrip("_\n") == "Yes, the 5th."
    assert "Does Friday work?" in own_words(text)
    assert "Does Friday work?" in own_words(f"See below.\n\n{text}", cuts_unmarked=False)


#: A mail's text, and what of it its sender wrote or passed on.
WRITTEN = {
    "between quotes": ("> Friday?\nYes.\n> Monday?\nNo.", ["Yes.", "No."], ["Friday", "Monday"]),
    "below a quote that nobody marked": (
        "-----Original Message-----\nFrom: Ann\nDoes Friday work?\n\nYes, the 5th works.", ["the 5th works"], [],
    ),
    "above one that nobody marked": (
        "Yes.\n\n-----Original Message-----\nFrom: Ann\n\nDoes Friday work?", ["Yes."], ["Friday"],
    ),
    "above one of Yahoo": (
        "Yes.\n\n    On Monday, December 1, 2025 at 10:00:00 AM GMT+1, Ann <ann@example.net> wrote:  \n\n Does Friday work?",
        ["Yes."], ["Friday"],
    ),
    "a sentence that looks like it": ("In 2019 Ann wrote:\n\nWe agree, go on.", ["We agree, go on."], []),
    "lines that look like a header": ("From: the coast\nTo: the hills\n\nWe walked in 2019.", ["From: the coast", "We walked"], []),
    "a list of three": ("Hi,\nFrom: Rome\nTo: Paris\nDate: Monday\n\nBook it.", ["From: Rome", "Book it."], []),
    "a sentence with a colon": ("Please look at 3 things:\n\n1. this", ["3 things:", "1. this"], []),
    "a sentence above a quote": ("I agree with this:\n> one\nAnd with that.", ["I agree with this:", "And with that."], ["one"]),
    "an answer right above": (
        "The 5th works.\nOn Mon, 1 Dec 2025 at 10:00, Ann Example <ann@example.net>\nwrote:\n> x", ["The 5th works."], ["wrote"],
    ),
    "forwarded by Gmail": (
        "FYI\n\n---------- Forwarded message ---------\nFrom: Ann <ann@example.net>\nDate: Mon, 1 Dec 2025\nSubject: Price\n\nIt is 500.",
        ["FYI", "From: Ann", "It is 500."], [],
    ),
    "forwarded by Apple Mail": ("Begin forwarded message:\n\n> From: Ann\n> \n> It is 500.", ["It is 500."], []),
    "forwarded by Thunderbird": ("See\n\n-------- Forwarded Message --------\nSubject: Price\n\nIt is 500.", ["See", "It is 500."], []),
    "forwarded in German": ("---------- Weitergeleitete Nachricht ----------\nVon: Ann\n\nEs sind 500.", ["Es sind 500."], []),
    "forwarded in German, Apple": ("Anfang der weitergeleiteten Nachricht:\n\n> Es sind 500.", ["Es sind 500."], []),
    "forwarded in French": ("---------- Forwarded message ---------\nDe : Ann\n\nC'est 500.", ["C'est 500."], []),
    "forwarded in French, Thunderbird": ("-------- Message transféré --------\nSujet : x\n\nC'est 500.", ["C'est 500."], []),
    "forwarded in Spanish": ("---------- Mensaje reenviado ----------\nDe: Ann\n\nSon 500.", ["Son 500."], []),
    "forwarded in Italian": ("Inizio messaggio inoltrato:\n\n> Sono 500.", ["Sono 500."], []),
    "forwarded in Dutch": ("---------- Doorgestuurd bericht ----------\nVan: Ann\n\n500.", ["500."], []),
    "forwarded in Russian": ("-------- Пересылаемое сообщение --------\n1.12.2025, Ann:\n\nЭто 500.", ["Это 500."], []),
    "forwarded in Chinese": ("---------- 转发的邮件 ----------\n发件人: Ann\n\n价格是500。", ["价格是500。"], []),
    "forwarded with an answer in it": (
        "What do you say?\n\n---------- Forwarded message ---------\nFrom: Ann\n\nYes.\n\nOn Mon, 1 Dec 2025 at 10:00, Bob <b@example.net> wrote:\n> 500?",
        ["What do you say?", "Yes.", "500?"], [],
    ),
    "an answer to what was forwarded": (
        "No.\n\nOn Mon, 1 Dec 2025, Ann <a@example.net> wrote:\n> ---------- Forwarded message ---------\n> 500", ["No."], ["500"],
    ),
    "only a quote": ("> only this", ["> only this"], []),
    "a From that mail boxes mark": ("One.\n>From here on all is new.\nTwo.", [">From here on", "Two."], []),
    "a quote in a quote": ("> > one\n>> two\nThree.", ["Three."], ["one", "two"]),
    "nothing": ("", [], []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted", "unwanted"), WRITTEN.values(), ids=WRITTEN)
def test_what_was_written_or_passed_on_is_left(text: str, wanted: list[str], unwanted: list[str]) -> None:
    found = own_words(text)
    assert all(one in found for one in wanted), found
    assert not any(one in found for one in unwanted), found


FORWARD = [
    "Fwd: x",
    "FW: x",
    "fwd: x",
    "WG: x",
    "TR : x",
    "RV: x",
    "ENC: x",
    "I: x",
    "VB: x",
    "转发：x",
    "[Fwd: x]",
    "PD: x",
    "[EXTERNAL] Fwd: x",
    "[EXT] FW: x",
    "Πρθ: x",
    "הועבר: x",
    "إعادة توجيه: x",
    "Továbbítás: x",
]
NO_FORWARD = [
    "Re: Fwd: x",
    "AW: WG: x",
    "x",
    "",
    "Forward: march",
    "Re: [EXT] FW: x",
    "[Fwd] x",
    "Invoice: 5",
    "Wg 5: x",
]


@pytest.mark.parametrize("subject", FORWARD)
def test_a_subject_says_that_a_mail_is_passed_on(subject: str) -> None:
    assert is_forward(subject)


@pytest.mark.parametrize("subject", NO_FORWARD)
def test_other_subjects_do_not(subject: str) -> None:
    assert not is_forward(subject)


# --- as a model reads it

OUTLOOK_FORWARD = "See below.\n\n-----Original Message-----\nFrom: Ann\nSent: Monday\n\nThe price is 500."


def mail(text: str, subject: str = "s", more: str = "", kind: str = "text/plain") -> bytes:
    head = f"From: Ann <ann@example.net>\nSubject: {subject}\n{more}Content-Type: {kind}; charset=utf-8\n\n"
    return (head + text).replace("\n", "\r\n").encode()


def prompt(*mails: bytes) -> str:
    return transcript([read(one) for one in mails])


def test_a_mail_that_outlook_forwards_is_read_whole() -> None:
    assert "The price is 500." in prompt(mail(OUTLOOK_FORWARD, "FW: price"))


def test_what_an_answer_quotes_without_marks_is_left_out_where_it_is_read_anyway() -> None:
    first = mail("The price is 500.", more="Message-ID: <1@example.net>\n")
    answer = mail(OUTLOOK_FORWARD.replace("See below", "Too much"), "Re: price", "In-Reply-To: <1@example.net>\n")
    assert prompt(first, answer).count("The price is 500.") == 1
    assert prompt(answer).count("The price is 500.") == 1


def test_a_mail_sent_along_as_a_file_is_read() -> None:
    raw = mail(
        "--b\nContent-Type: text/plain\n\nWhat do you say?\n--b\nContent-Type: message/rfc822\n"
        'Content-Disposition: attachment; filename="x.eml"\n\nFrom: Bob <b@example.net>\nSubject: Offer\n\n500 a month.\n--b--',
        kind="multipart/mixed; boundary=b",
    )
    found = prompt(raw)
    assert "What do you say?" in found and "From: Bob <b@example.net>" in found and "500 a month." in found


HTML_ANSWERS = {
    "Gmail": '<div>{}</div><div class="gmail_quote"><div class="gmail_attr">On Mon, 1 Dec 2025 at 10:00, Ann &lt;<a href="mailto:a@x.org">a@x.org</a>&gt; wrote:<br></div><blockquote class="gmail_quote" style="margin:0">Does Friday work?</blockquote></div><div>{}</div>',
    "Thunderbird": '<p>{}</p><div class="moz-cite-prefix">On 12/1/25 10:00, Ann wrote:<br></div><blockquote type="cite" cite="mid:x"><p>Does Friday work?</p></blockquote><p>{}</p>',
    "Apple Mail": '<div>{}</div><div><blockquote type="cite"><div>On Dec 1, 2025, at 10:00, Ann &lt;a@x.org&gt; wrote:</div><br><div>Does Friday work?</div></blockquote></div><div>{}</div>',
    "Proton": '<div>{}</div><div class="protonmail_quote">On Monday, December 1st, 2025 at 10:00, Ann &lt;a@x.org&gt; wrote:<br><blockquote class="protonmail_quote" type="cite">Does Friday work?</blockquote></div><div>{}</div>',
    "Outlook on the web": '<div>{}</div><div>{}</div><hr><div id=divRplyFwdMsg><b>From:</b> Ann &lt;ann@example.net&gt;<br><b>Sent:</b> Monday, December 1, 2025 10:00<br><b>To:</b> Bob<br><b>Subject:</b> x</div><div>Friday?</div>',
    "Outlook": '<div class=WordSection1><p>{}</p><p>{}</p><div style="border-top:solid #E1E1E1 1.0pt"><p><b>From:</b> Ann &lt;ann@example.net&gt;<br><b>Sent:</b> Monday, December 1, 2025 10:00<br><b>To:</b> Bob<br><b>Subject:</b> x</p></div><p>Friday?</p></div>',
    "quotes in each other": '<div>{}</div><blockquote type="cite">Friday <blockquote type="cite">or Friday?</blockquote> Friday!</blockquote><div>{}</div>',
}  # fmt: skip


@pytest.mark.parametrize("page", HTML_ANSWERS.values(), ids=HTML_ANSWERS)
def test_quotes_of_html_are_told_from_answers_above_and_below(page: str) -> None:
    found = read(mail(page.format("The 5th works.", "See you there."), kind="text/html"))
    assert "Friday" in found.text
    assert own_words(found.text).split() == ["The", "5th", "works.", "See", "you", "there."]


def test_what_people_set_apart_themselves_is_no_quote_of_a_mail() -> None:
    found = read(mail("<p>Our poem:</p><blockquote>Roses are red.</blockquote>", kind="text/html"))
    assert "Roses are red." in own_words(found.text) and ">" not in found.text


def test_letters_that_stand_for_quotes_inside_here_come_from_nobody() -> None:
    found = read(mail("<p>\ue000one\ue001</p>", kind="text/html"))
    assert found.text == "one"


@given(st.lists(st.sampled_from(["> q", "A1 own", *ABOVE.values(), "", "-----Original Message-----"]), max_size=20))
def test_what_stands_behind_a_marked_quote_is_never_lost(lines: list[str]) -> None:
    text = "\n".join([*lines, "> q", "", "Z9 own"])
    assert "Z9 own" in own_words(text, cuts_unmarked=False)


@pytest.mark.parametrize(
    "line",
    [
        "> ",
        "On 1 2020 a@b 10:00",
        "on 1 wrote:",
        "-" * 50,
        "a:",
        "On " * 100,
        "wrote" * 70 + ":",
        "1 wrote " * 40 + ":",
    ],
)
def test_no_text_keeps_it_busy(line: str) -> None:
    text = "\n".join([line] * (100_000 // len(line)))
    began = time.monotonic()
    own_words(text)
    assert time.monotonic() - began < 20  # not a timing: without a bound each would take minutes
