"""Statements to read and to import, made in a line."""

# ruff: noqa: E501  (a line of a file, or a row of a table, is a line)

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

from tasks.finance import reading
from tasks.finance.csv_layout import CsvLayout
from tasks.finance.reading import ReadFile
from tasks.finance.statement import Given, StatementFormat

TODAY = date(2026, 11, 29)


def read(
    content: bytes | str,
    *,
    currency: str | None = None,
    format: StatementFormat | None = None,
    layout: dict[str, object] | None = None,
    **fields: object,
) -> ReadFile:
    """What a file is read as; a layout whole, or by its fields."""
    whole = content.encode() if isinstance(content, str) else content
    given = Given(TODAY, currency=currency)
    laid_out = CsvLayout.model_validate((layout or {}) | fields)
    return reading.read(io.BytesIO(whole), len(whole), given, laid_out, format)


def rows_of(found: ReadFile) -> list[tuple[str, Decimal, str]]:
    """Of all its statements: day, amount, text."""
    return [(str(row.booked_on), row.amount.amount, row.text) for one in found.statements for row in one.rows]


def ofx(
    *rows: tuple[str, str, str] | tuple[str, str, str, str],
    account: str = "12345",
    currency: str = "EUR",
    balance: tuple[str, str] | None = None,
    header: str = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\n\n",
) -> str:
    """An OFX 1 file: (day, amount, name), and its own number if there is one."""
    lines = [header, "<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>", currency]
    lines += [f"<BANKACCTFROM><BANKID>100<ACCTID>{account}<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST>"]
    for row in rows:
        number = f"<FITID>{row[3]}" if len(row) > 3 else ""
        lines.append(
            f"<STMTTRN><TRNTYPE>OTHER<DTPOSTED>{row[0].replace('-', '')}<TRNAMT>{row[1]}{number}<NAME>{row[2]}</STMTTRN>"
        )
    lines.append("</BANKTRANLIST>")
    if balance is not None:
        lines.append(f"<LEDGERBAL><BALAMT>{balance[1]}<DTASOF>{balance[0].replace('-', '')}</LEDGERBAL>")
    return "\n".join([*lines, "</STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"])


def mt940(
    *rows: tuple[str, str, str], opening: tuple[str, str] = ("2024-01-31", "100,00"),
    closing: tuple[str, str] = ("2024-02-29", "100,00"), account: str = "12345678/1020304050",
) -> str:  # fmt: skip
    """A statement of MT940: (day, amount such as -12,50, purpose)."""
    lines = [":20:START", f":25:{account}", ":28C:1/1", f":60F:{_balance(*opening)}"]
    for day, amount, purpose in rows:
        short = day.replace("-", "")[2:]
        lines.append(f":61:{short}{short[2:]}{'D' if amount.startswith('-') else 'C'}{amount.lstrip('-')}NTRFNONREF")
        lines.append(f":86:{purpose}")
    return "\r\n".join([*lines, f":62F:{_balance(*closing)}", "-", ""])


def _balance(day: str, amount: str) -> str:
    return f"{'D' if amount.startswith('-') else 'C'}{day.replace('-', '')[2:]}EUR{amount.lstrip('-')}"


def camt(*entries: str, version: str = "053.001.08", opening: str = "100.00", closing: str = "100.00") -> str:
    """A CAMT document of one statement."""
    kind = {
        "052": ("BkToCstmrAcctRpt", "Rpt"),
        "053": ("BkToCstmrStmt", "Stmt"),
        "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    }
    outer, inner = kind[version[:3]]
    balances = "".join(
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{amount.lstrip('-')}</Amt>"
        f"<CdtDbtInd>{'DBIT' if amount.startswith('-') else 'CRDT'}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
        for code, amount, day in (("OPBD", opening, "2024-01-31"), ("CLBD", closing, "2024-02-29"))
        if inner != "Ntfctn"
    )
    return (
        f"<?xml version='1.0' encoding='UTF-8'?><Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.{version}'>"
        f"<{outer}><GrpHdr><MsgId>1</MsgId></GrpHdr><{inner}><Id>1</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id>"
        f"<Ccy>EUR</Ccy></Acct>{balances}{''.join(entries)}</{inner}></{outer}></Document>"
    )


def entry(
    amount: str, text: str, day: str = "2024-02-01", *, status: str = "<Sts><Cd>BOOK</Cd></Sts>", more: str = ""
) -> str:
    """An entry of CAMT."""
    mark = "DBIT" if amount.startswith("-") else "CRDT"
    return (
        f"<Ntry><Amt Ccy='EUR'>{amount.lstrip('-')}</Amt><CdtDbtInd>{mark}</CdtDbtInd>{status}<BookgDt><Dt>{day}</Dt></BookgDt>"
        f"<ValDt><Dt>{day}</Dt></ValDt>{more}<NtryDtls><TxDtls><RltdPties><Dbtr><Pty><Nm>Payer</Nm></Pty></Dbtr><Cdtr><Pty>"
        f"<Nm>Payee</Nm></Pty></Cdtr></RltdPties><RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )
