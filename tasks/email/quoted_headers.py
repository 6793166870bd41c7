"""The header of a mail as programs write it above the mail that is answered, without a sign on any line. Pure.

Outlook and its kin, Lotus Notes and Hotmail mark quotes by nothing else: From, Sent, To and Subject, each on a line, in
their users' languages and in any order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: With fewer kinds of lines, a person may have written them.
FEWEST_FIELDS, MOST_LINES, LONGEST_LINE_CHARS = 3, 8, 1_000

_LABELS = {
    "from": """from|von|de|da|van|från|fra|lähettäjä|od|feladó|expeditor|kimden|от|от кого|від|від кого|από
        |发件人|寄件者|寄件人|差出人|送信者|보낸 사람|보낸사람|מאת|من""",
    "sent": """sent|date|gesendet|gesendet am|datum|envoyé|envoyé le|enviado|enviado el|enviado em|enviada em|fecha
        |inviato|data|verzonden|skickat|sendt|dato|lähetetty|päivämäärä|wysłano|odesláno|elküldve|dátum|trimis
        |gönderildi|gönderme tarihi|tarih|отправлено|дата|надіслано|ημερομηνία|στάλθηκε|发送时间|日期|寄件日期
        |傳送時間|送信日時|日付|보낸 날짜|날짜|נשלח|תאריך|تاريخ الإرسال|التاريخ""",
    "to": """to|an|à|para|a|aan|till|til|vastaanottaja|do|komu|címzett|către|kime|alıcı|кому|προς|收件人|收件者|宛先
        |받는 사람|받는사람|אל|إلى""",
    "subject": """subject|betreff|objet|asunto|oggetto|assunto|onderwerp|ämne|emne|aihe|temat|předmět|predmet|tárgy
        |subiect|konu|тема|θέμα|主题|主旨|主題|件名|제목|נושא|الموضوع""",
    "cc": "cc|kopie|kopia|kopi|копия|копія|抄送|副本|참조|עותק|نسخة",
}
_KINDS = {label.strip(): kind for kind, labels in _LABELS.items() for label in labels.split("|")}
_LINE = re.compile(r"[*_]{0,2}([^\W\d_][^:：*\n]{0,24}?)[*_]{0,2}\s{0,3}[:：][*_]{0,2}(?:\s|$)(.*)")
_TELLING = re.compile(r"@|\d{1,2}[:.]\d{2}|\d{4}")


def lines_of_quoted_header(lines: Sequence[str]) -> int:
    """How many of these lines are such a header: of three kinds at least, with an address or a date; 0 if none are."""
    kinds: set[str] = set()
    length, told = 0, ""
    for number, line in enumerate(lines[:MOST_LINES], 1):
        kind = _kind(line)
        if kind in kinds or (kind is None and not (kinds and (not line.strip() or line.startswith((" ", "\t"))))):
            break
        if kind is not None:
            kinds.add(kind)
            length, told = number, told + line
    is_one = "from" in kinds and len(kinds - {"cc"}) >= FEWEST_FIELDS and _TELLING.search(told) is not None
    return length if is_one else 0


def _kind(line: str) -> str | None:
    found = _LINE.match(line.strip()) if len(line) <= LONGEST_LINE_CHARS else None
    return _KINDS.get(found[1].strip().lower()) if found else None
