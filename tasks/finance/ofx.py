"""OFX and QFX: 1.x as SGML, whose leaves nobody closes, and 2.x as XML, read by one tokenizer of markup.

Own code instead of ofxtools, which must have the whole file in memory and refuses what banks do send: missing ends,
blanks in headers, elements of their own, bare ampersands. The tests compare with it what it does read. There are no
entities but those of the standard, so none can grow.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from datetime import date

from llmcoder.money import Money, exponent_of
from tasks.finance.amounts import amount, decimal_sign
from tasks.finance.statement import (
    BadStatement,
    Balance,
    Counter,
    Given,
    Row,
    Statement,
    day,
    in_one_line,
    short,
    shown,
)

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9._:\-]{0,79})(?:\s[^<>]*)?(/?)>|<!\[CDATA\[|<!--|<[?!]", re.ASCII)
_DATE = re.compile(r"\s*(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)
#: A value is short; what goes on for longer between two tags is no OFX.
LONGEST_VALUE = 64 * 1024
#: The elements that hold others, as far as we look into them.
_STATEMENTS = frozenset({"STMTRS", "CCSTMTRS", "INVSTMTRS", "LOANSTMTRS"})
_TRANSACTIONS = frozenset({"STMTTRN", "STMTTRNP"})
_ACCOUNTS = frozenset({"BANKACCTFROM", "CCACCTFROM", "INVACCTFROM", "LOANACCTFROM"})
_PARTS = frozenset({
    "BANKACCTTO", "CCACCTTO", "LEDGERBAL", "AVAILBAL", "BAL", "CURRENCY", "ORIGCURRENCY", "PAYEE", "STATUS",
    "EXTDPAYEE", "IMAGEDATA", "INVBAL", "BALLIST", "BANKTRANLIST", "BANKTRANLISTP", "INVTRANLIST", "INVBANKTRAN",
    "SONRS", "FI", "STMTTRNRS", "CCSTMTTRNRS", "INVSTMTTRNRS", "LOANSTMTTRNRS",
})  # fmt: skip
_CONTAINERS = _STATEMENTS | _TRANSACTIONS | _ACCOUNTS | _PARTS
#: Movements of an investment account that are not those of its money.
_INVESTMENTS = re.compile(r"(?:BUY|SELL)(?:DEBT|MF|OPT|OTHER|STOCK)|INCOME|REINVEST|INVEXPENSE|TRANSFER|MARGININTEREST"
                          r"|RETOFCAP|SPLIT|CLOSUREOPT|JRNLFUND|JRNLSEC")  # fmt: skip


def read(pieces: Iterable[str], given: Given) -> list[Statement]:
    """The statements of a file.

    Raises:
        BadStatement: It is broken, or the bank says in it that something went wrong.
        Unclear: It can be read in two ways.
    """
    reader = _Reader(given)
    for token in _tokens(pieces):
        reader.take(*token)
    return reader.statements()


# --- markup


def _tokens(pieces: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What the markup says: ("<", name), (">", name) and ("", text) after a tag. Names are in capitals."""
    text, begun = "", False
    for piece in pieces:
        text += piece
        text, tokens, begun = _split(text, begun, last=False)
        yield from tokens
    _, tokens, _ = _split(text, begun, last=True)
    yield from tokens


def _split(text: str, begun: bool, *, last: bool) -> tuple[str, list[tuple[str, str]], bool]:
    """The tokens of a text, and its rest that may go on in the next piece."""
    found: list[tuple[str, str]] = []
    at = 0
    while (tag := _TAG.search(text, at)) is not None:
        end, token = _of_tag(text, tag)
        if end < 0 and not last:
            break
        if begun and (value := text[at : tag.start()].strip()):
            found.append(("", _unescaped(value)))
        begun, at = True, len(text) if end < 0 else end
        found += token
    rest = text[at:]
    if len(rest) > LONGEST_VALUE:
        if begun:
            raise BadStatement(f"A value has more than {LONGEST_VALUE:,} characters; no OFX has such.")
        rest = rest[-1000:]
    if last and begun and (value := rest.strip()):
        found.append(("", _unescaped(value)))
    return rest, found, begun


def _of_tag(text: str, tag: re.Match[str]) -> tuple[int, list[tuple[str, str]]]:
    """Where it ends, -1 where that is still to come, and what it says."""
    whole = tag[0]
    if whole == "<![CDATA[":
        end = text.find("]]>", tag.end())
        return (-1, []) if end < 0 else (end + 3, [("", text[tag.end() : end].strip())])
    if whole == "<!--":
        end = text.find("-->", tag.end())
        return (-1 if end < 0 else end + 3), []
    if tag[2] is None:
        end = text.find(">", tag.end())
        if text[tag.start() : tag.start() + 9].upper() == "<!DOCTYPE" and "<!ENTITY" in text[tag.start() :].upper():
            raise BadStatement("The file defines entities of its own, which no bank does.")
        return (-1 if end < 0 else end + 1), []
    name = tag[2].rpartition(":")[2].upper()
    if tag[1]:
        return tag.end(), [(">", name)]
    return tag.end(), [("<", name), (">", name)] if tag[3] else [("<", name)]


def _unescaped(value: str) -> str:
    return html.unescape(value) if "&" in value else value


# --- statements


class _Reader:
    """What was met so far: the open containers, and the leaf whose value comes next."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._open: list[str] = []
        self._leaf = ""
        self._seen_ofx = False
        self._drafts: list[_Draft] = []
        self._counter = Counter()
        self._bank = ""

    def take(self, kind: str, text: str) -> None:
        if kind == "<":
            self._opens(text)
        elif kind == ">":
            self._closes(text)
        elif self._leaf:
            self._value(self._leaf, text)

    def _opens(self, name: str) -> None:
        self._seen_ofx = self._seen_ofx or name == "OFX" or name in _CONTAINERS
        self._leaf = ""
        if name in _STATEMENTS:
            self._open = [one for one in self._open if one in _PARTS and one.endswith("TRNRS")]
            self._drafts.append(_Draft())
        if name in _TRANSACTIONS:
            self._closes_to(_TRANSACTIONS)
            self._counter.add()
            self._draft.begin_row(pending=name == "STMTTRNP")
        if name in _CONTAINERS:
            self._open.append(name)
        elif _INVESTMENTS.fullmatch(name):
            self._draft.left_out += 1
        else:
            self._leaf = name

    def _closes(self, name: str) -> None:
        self._leaf = ""
        if name in self._open:
            while self._open.pop() != name:
                pass

    def _closes_to(self, names: frozenset[str]) -> None:
        """A container that nobody closed is closed by its like."""
        at = next((index for index, one in enumerate(self._open) if one in names), None)
        if at is not None:
            del self._open[at:]

    def _value(self, name: str, value: str) -> None:
        self._leaf = ""
        inner = self._open[-1] if self._open else ""
        if inner == "STATUS":
            self._status(name, value)
        elif any(one in _TRANSACTIONS for one in self._open):
            key = name if inner in _TRANSACTIONS else f"{inner}.{name}"
            self._draft.rows[-1].setdefault(key, value)
        elif self._drafts:
            self._draft.fields.setdefault(f"{inner}.{name}", value)
            if name == "CURDEF":
                self._draft.fields.setdefault("CURDEF", value)

    def _status(self, name: str, value: str) -> None:
        if name == "SEVERITY" and value.upper() == "ERROR":
            self._bank = self._bank or "ERROR"
        elif name == "MESSAGE" and self._bank == "ERROR":
            self._bank = value

    @property
    def _draft(self) -> _Draft:
        if not self._drafts:  # a fragment, such as some programs save
            self._drafts.append(_Draft())
        return self._drafts[-1]

    def statements(self) -> list[Statement]:
        if not self._seen_ofx:
            raise BadStatement("The file has no <OFX>: it is empty, or was cut off before the statement.")
        if not self._drafts and self._bank:
            raise BadStatement(f"The bank sent an error instead of a statement: {shown(self._bank, 200)}.")
        if not self._drafts:
            raise BadStatement("The file is OFX, but has no statement of an account in it.")
        texts = [one.get("TRNAMT", "") for draft in self._drafts for one in draft.rows]
        decimal = self._given.decimal or _decimal(texts)
        return [draft.statement(self._given, decimal) for draft in self._drafts]


def _decimal(texts: list[str]) -> str | None:
    """OFX has no sign between thousands, so a single one stands before the decimals; some banks group all the same."""
    mixed = [one for one in texts if "." in one and "," in one]
    return decimal_sign(mixed) if mixed else None


class _Draft:
    """One statement whose fields are still text.

    Attributes:
        fields: By container and name.
        rows: Those of its transactions, by name, or container and name.
        left_out: Movements of securities.
    """

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.rows: list[dict[str, str]] = []
        self.left_out = 0

    def begin_row(self, *, pending: bool) -> None:
        self.rows.append({"": "pending"} if pending else {})

    def statement(self, given: Given, decimal: str | None) -> Statement:
        currency = self._currency(given)
        made = Statement(self._number(), currency, short(self._of_account("ACCTTYPE")))
        if currency is None and self.rows:
            raise BadStatement("The statement does not name its currency (CURDEF). Say it in `currency`.")
        for number, fields in enumerate(self.rows, 1):
            assert currency is not None
            row = _row(fields, currency, decimal, f"transaction {number}")
            if row is not None:
                made.rows.append(row)
        made.closing = self._closing(currency, decimal)
        if self.left_out:
            made.notes.append(f"{self.left_out} movements of securities are no money on the account; left out.")
        corrections = sum("CORRECTFITID" in fields for fields in self.rows)
        if corrections:
            made.notes.append(f"{corrections} transactions correct earlier ones; look at those.")
        return made

    def _currency(self, given: Given) -> str | None:
        code = self.fields.get("CURDEF", "").strip().upper()
        if not code:
            return given.currency
        exponent_of(code)
        return code

    def _of_account(self, name: str) -> str | None:
        return next((self.fields[key] for one in sorted(_ACCOUNTS) if (key := f"{one}.{name}") in self.fields), None)

    def _number(self) -> str | None:
        number = self._of_account("ACCTID")
        bank = self._of_account("BANKID") or self._of_account("BROKERID")
        if not number:
            return None
        return f"{bank} {number}" if bank and not number.upper().startswith(bank.upper()) else number

    def _closing(self, currency: str | None, decimal: str | None) -> Balance | None:
        text = self.fields.get("LEDGERBAL.BALAMT")
        if not text or currency is None:
            return None
        found = _amount(text, currency, decimal, "the closing balance")
        on = self.fields.get("LEDGERBAL.DTASOF")
        return Balance(found, _date(on, "the closing balance") if on and _real(on) else None)


def _row(fields: dict[str, str], currency: str, decimal: str | None, place: str) -> Row | None:
    where = f"{place} ({shown(fields.get('NAME') or fields.get('MEMO') or fields.get('FITID') or '')})"
    if "TRNAMT" not in fields:
        raise BadStatement(f"{where} has no amount (TRNAMT).")
    code = fields.get("CURRENCY.CURSYM", currency).strip().upper()
    money = _amount(fields["TRNAMT"], code, decimal, where)
    dates = [fields[name] for name in ("DTPOSTED", "DTUSER", "DTTRAN", "DTAVAIL") if _real(fields.get(name, ""))]
    if not dates:
        raise BadStatement(f"{where} has no date (DTPOSTED).")
    name = fields.get("NAME") or fields.get("PAYEE.NAME") or fields.get("EXTDPAYEE.NAME")
    check = fields.get("CHECKNUM")
    text = in_one_line(name, fields.get("MEMO"), f"#{check}" if check and check.strip("0") else None)
    available = fields.get("DTAVAIL", "")
    return Row(
        booked_on=_date(dates[0], where), amount=money, payee=short(name), provider_id=short(fields.get("FITID"), 255),
        text=text or in_one_line(fields.get("TRNTYPE")) or "?", pending=fields.get("") == "pending", place=place,
        value_on=_date(available, where) if _real(available) else None,
    )  # fmt: skip


def _amount(text: str, currency: str, decimal: str | None, place: str) -> Money:
    signs = [one for one in text if one in ".,"]
    if len(signs) == 1 and (decimal is None or len(text.strip().rpartition(signs[0])[2]) != 3):
        decimal = signs[0]  # also of a bank that writes its balances with another one
    return amount(text, currency, decimal, place)


def _real(text: str) -> bool:
    """Whether it is a date at all, and not the zeros that some banks write."""
    return bool(text) and text.strip().strip("0") != "" and _DATE.match(text) is not None


def _date(text: str, place: str) -> date:
    """The day on the bank's own clock, which is how people know it."""
    found = _DATE.match(text)
    assert found is not None
    return day(int(found[1]), int(found[2]), int(found[3]), place)
