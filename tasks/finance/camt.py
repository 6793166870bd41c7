"""ISO 20022: CAMT.052 (report of a day), .053 (statement) and .054 (notification), of any version, by local names.

lxml without entities, network or huge nodes; each entry is let go of once it is read, so no size needs memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, TypeAlias

from llmcoder.money import Money, exponent_of
from tasks.finance.amounts import amount
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

#: One of lxml, which says nothing of its types.
Element: TypeAlias = Any

_STATEMENTS = frozenset({"Rpt", "Stmt", "Ntfctn"})
_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,500}\?>")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_OPENING = ("OPBD", "PRCD", "ITBD", "OPAV")
#: Elements below an entry or a balance; what nests deeper or says more is no statement.
MOST_ELEMENTS_BELOW = 400_000


def read(pieces: Iterable[str], given: Given) -> list[Statement]:
    """The statements of a file.

    Raises:
        BadStatement: It is no XML, none of these, or an entry of it cannot be read for sure.
    """
    reader = _Reader()
    for event, element in _events(pieces):
        reader.take(event, element)
    if not reader.made:
        raise BadStatement("The file is XML, but has no report, statement or notification of ISO 20022 in it.")
    return reader.made


def _events(pieces: Iterable[str]) -> Iterator[tuple[str, Element]]:
    from lxml import etree  # type: ignore[import-untyped]

    parser = etree.XMLPullParser(
        events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
        remove_comments=True, remove_pis=True, encoding="utf-8",
    )  # fmt: skip
    try:
        for number, piece in enumerate(pieces):
            text = _DECLARATION.sub("", piece.lstrip("\ufeff \t\r\n")) if number == 0 else piece
            if number == 0 and "<!DOCTYPE" in text.upper():
                raise BadStatement("The file has a document type with definitions of its own, which no bank sends.")
            parser.feed(text.encode("utf-8", "replace"))
            yield from parser.read_events()
        parser.close()
        yield from parser.read_events()
    except etree.XMLSyntaxError as error:
        raise BadStatement(f"The XML is broken or was cut off: {shown(str(error), 200)}.") from None


class _Reader:
    def __init__(self) -> None:
        self.made: list[Statement] = []
        self._statement: Statement | None = None
        self._counter = Counter()
        self._balances: dict[str, Balance] = {}
        self._last_interim: Balance | None = None
        self._entries = 0
        self._not_booked = 0
        self._inside = 0

    def take(self, event: str, element: Element) -> None:
        name = _name(element)
        if event == "start":
            if name in _STATEMENTS and self._statement is None:
                self._begin()
            self._inside += 1
            if self._inside > MOST_ELEMENTS_BELOW:
                raise BadStatement(f"A part of the file has more than {MOST_ELEMENTS_BELOW:,} elements.")
            return
        if self._statement is None:
            return
        if name == "Acct" and _parent(element) in _STATEMENTS:
            self._account(element)
        elif name == "Bal" and _parent(element) in _STATEMENTS:
            self._balance(element)
        elif name == "Ntry" and _parent(element) in _STATEMENTS:
            self._entry(element)
        elif name in _STATEMENTS:
            self._end()
        if _parent(element) in _STATEMENTS or name in _STATEMENTS:
            self._forget(element)

    def _begin(self) -> None:
        self._statement = Statement(None, None)
        self._balances, self._last_interim, self._entries, self._not_booked = {}, None, 0, 0

    def _forget(self, element: Element) -> None:
        """Room for the next one."""
        self._inside = 0
        element.clear(keep_tail=False)
        while element.getprevious() is not None:
            parent = element.getparent()
            assert parent is not None
            del parent[0]

    def _account(self, account: Element) -> None:
        assert self._statement is not None
        self._statement.number = _text(account, "Id/IBAN") or _text(account, "Id/Othr/Id") or _text(account, "Id/BBAN")
        self._statement.currency = _text(account, "Ccy") or self._statement.currency
        self._statement.name = short(_text(account, "Nm"))

    def _balance(self, balance: Element) -> None:
        code = _text(balance, "Tp/CdOrPrtry/Cd") or _text(balance, "Tp/CdOrPrtry/Prtry") or ""
        money = _money(balance, "a balance")
        found = Balance(money, _date(balance, "Dt", "a balance"))
        assert self._statement is not None
        self._statement.currency = self._statement.currency or money.currency
        self._balances.setdefault(code, found)
        if code == "ITBD":
            self._last_interim = found

    def _entry(self, entry: Element) -> None:
        self._entries += 1
        self._counter.add()
        status = _text(entry, "Sts/Cd") or _text(entry, "Sts") or _text(entry, "Sts/Prtry") or "BOOK"
        assert self._statement is not None
        if status == "INFO":
            self._not_booked += 1
            return
        row = _row(entry, f"entry {self._entries}", pending=status in ("PDNG", "FUTR"))
        self._statement.currency = self._statement.currency or row.amount.currency
        self._statement.rows.append(row)

    def _end(self) -> None:
        made = self._statement
        assert made is not None
        if made.currency is not None:
            exponent_of(made.currency)
        made.opening = next((self._balances[one] for one in _OPENING if one in self._balances), None)
        interim = self._last_interim if self._last_interim is not made.opening else None
        made.closing = self._balances.get("CLBD") or interim or self._balances.get("CLAV")
        if self._not_booked:
            made.notes.append(f"{self._not_booked} entries are for information only; left out.")
        self.made.append(made)
        self._statement = None


def _row(entry: Element, place: str, *, pending: bool) -> Row:
    money = _money(entry, place)
    booked_on = _date(entry, "BookgDt", place) or _date(entry, "ValDt", place)
    details = _all(entry, "NtryDtls/TxDtls")
    if booked_on is None:
        raise BadStatement(f"{place} ({money}) has neither a booking date nor a value date.")
    payee = _other_side(details[0], money) if len(details) == 1 else None
    purpose = (
        in_one_line(*(_purpose(one) for one in details[:20])) if len(details) <= 20 else f"{len(details)} payments"
    )
    text = in_one_line(payee, purpose, _text(entry, "AddtlNtryInf"))
    references = (
        _text(entry, "AcctSvcrRef"),
        *(_text(one, "Refs/AcctSvcrRef") for one in details[:1]),
        _text(entry, "NtryRef"),
    )
    return Row(
        booked_on=booked_on, amount=money, payee=short(payee), text=text or _kind(entry) or "?", pending=pending,
        value_on=_date(entry, "ValDt", place), provider_id=short(next(filter(None, references), None), 255),
        place=place,
    )  # fmt: skip


def _kind(entry: Element) -> str | None:
    parts = [_text(entry, f"BkTxCd/Domn/{path}") for path in ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd")]
    return _text(entry, "BkTxCd/Prtry/Cd") or "-".join(filter(None, parts)) or None


def _other_side(details: Element, money: Money) -> str | None:
    """Who paid, or was paid; the ultimate one where the first is a payment service."""
    ours = "Dbtr" if money.minor < 0 else "Cdtr"
    theirs = "Cdtr" if ours == "Dbtr" else "Dbtr"
    for path in (f"Ultmt{theirs}/Pty/Nm", f"Ultmt{theirs}/Nm", f"{theirs}/Pty/Nm", f"{theirs}/Nm"):
        if found := _text(details, f"RltdPties/{path}"):
            return found
    return None


def _purpose(details: Element) -> str:
    free = [one.text for one in _all(details, "RmtInf/Ustrd")]
    coded = _text(details, "RmtInf/Strd/CdtrRefInf/Ref")
    end_to_end = _text(details, "Refs/EndToEndId")
    known = end_to_end if end_to_end and end_to_end.upper() not in ("NOTPROVIDED", "NOT PROVIDED") else None
    said = in_one_line(" ".join(filter(None, free)), coded, _text(details, "AddtlTxInf"))
    return said or known or ""


def _money(element: Element, place: str) -> Money:
    """The amount with its sign. What reverses says credit or debit as it is booked (ISO 20022, ReversalIndicator)."""
    found = next(iter(_all(element, "Amt")), None)
    if found is None or not (found.text or "").strip():
        raise BadStatement(f"{place} has no amount (Amt).")
    currency = (found.get("Ccy") or "").strip()
    if not currency:
        raise BadStatement(f"{place} has an amount without a currency (Ccy).")
    money = amount((found.text or "").strip(), currency, ".", place)
    mark = (_text(element, "CdtDbtInd") or "").upper()
    if mark not in ("CRDT", "DBIT"):
        raise BadStatement(f"{place} does not say whether it is a credit or a debit (CdtDbtInd).")
    return -money if mark == "DBIT" else money


def _date(element: Element, path: str, place: str) -> date | None:
    text = _text(element, f"{path}/Dt") or _text(element, f"{path}/DtTm") or _text(element, path)
    if not text:
        return None
    found = _DATE.match(text)
    if found is None:
        raise BadStatement(f"{place}: {shown(text)} is no date.")
    return day(int(found[1]), int(found[2]), int(found[3]), place)


# --- elements by their local names: each version, and some banks, have a namespace of their own


def _name(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _parent(element: Element) -> str:
    parent = element.getparent()
    return "" if parent is None else _name(parent)


def _all(element: Element, path: str) -> list[Element]:
    found = [element]
    for step in path.split("/"):
        found = [child for one in found for child in one if _name(child) == step]
    return found


def _text(element: Element, path: str) -> str | None:
    for one in _all(element, path):
        if text := (one.text or "").strip():
            return text
    return None
