"""Statements of every format, as banks write them and break them, become rows; what is unclear is asked, not guessed."""

# ruff: noqa: E501  (a line of a file, or a row of a table, is a line)

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

import pytest
from statement_kit import TODAY, camt, entry, mt940, ofx, read, rows_of

from llmcoder import BadInput
from llmcoder.money import Money
from tasks.finance import reading
from tasks.finance.csv_layout import CsvLayout
from tasks.finance.statement import MOST_ROWS, BadStatement, Given, StatementFormat, Unclear

COFFEE = ("2024-02-01", "-3.50", "Coffee")


# --- OFX


def test_ofx_as_sgml_has_its_rows_account_and_balance():
    found = read(ofx(COFFEE, ("2024-02-02", "1500.00", "Salary & more"), balance=("2024-02-29", "1496.50")))
    assert rows_of(found) == [
        ("2024-02-01", Decimal("-3.50"), "Coffee"),
        ("2024-02-02", Decimal("1500.00"), "Salary & more"),
    ]
    one = found.statements[0]
    assert (found.format, one.number, one.currency) == (StatementFormat.OFX, "100 12345", "EUR")
    assert one.closing is not None
    assert (one.closing.amount, one.closing.on) == (Money.parse("1496.50 EUR"), date(2024, 2, 29))


OFX_XML = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<?OFX OFXHEADER="200" VERSION="211" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>
<OFX><CREDITCARDMSGSRSV1><CCSTMTTRNRS><CCSTMTRS><CURDEF>USD</CURDEF><CCACCTFROM><ACCTID>4111</ACCTID></CCACCTFROM>
<BANKTRANLIST><DTSTART>20240101</DTSTART><DTEND>20240131</DTEND>
<STMTTRN><TRNTYPE>DEBIT</TRNTYPE><DTPOSTED>20240115120000.000[-5:EST]</DTPOSTED><TRNAMT>-12.34</TRNAMT>
<FITID>1</FITID><NAME>CAFÉ &amp; BAR</NAME><MEMO/></STMTTRN></BANKTRANLIST>
<LEDGERBAL><BALAMT>-12.34</BALAMT><DTASOF>20240131</DTASOF></LEDGERBAL></CCSTMTRS></CCSTMTTRNRS></CREDITCARDMSGSRSV1></OFX>"""


def test_ofx_as_xml_is_the_same():
    assert rows_of(read(OFX_XML)) == [("2024-01-15", Decimal("-12.34"), "CAFÉ & BAR")]


@pytest.mark.parametrize(
    "header",
    [
        "", "\ufeffOFXHEADER:100\n", "OFXHEADER:100 DATA:OFXSGML VERSION:102 SECURITY:NONE ENCODING:USASCII CHARSET:1252 ",
        "\n\n  OFXHEADER:100\r\nCHARSET:NONE\r\nENCODING:UTF-8\r\n", "OFXHEADER: 100\nENCODING: USASCII\nCHARSET: ISO-8859-1\n",
        "Content-Type: application/x-ofx\n\nOFXHEADER:100\n", "OFXHEADER:100\nCHARSET:NONSENSE\n",
    ],
)  # fmt: skip
def test_a_broken_header_hides_no_statement(header: str):
    assert rows_of(read(ofx(COFFEE, header=header))) == [("2024-02-01", Decimal("-3.50"), "Coffee")]


@pytest.mark.parametrize(
    ("header", "codec"),
    [
        ("CHARSET:1252", "cp1252"),
        ("CHARSET:ISO-8859-15", "iso-8859-15"),
        ("ENCODING:UTF-8", "utf-8"),
        ("CHARSET:1252", "utf-8"),
    ],
)
def test_ofx_is_read_in_the_encoding_it_has_whatever_it_says(header: str, codec: str):
    content = ofx(("2024-02-01", "-3.50", "Café Größe"), header=f"OFXHEADER:100\n{header}\n\n").encode(codec)
    assert rows_of(read(content))[0][2] == "Café Größe"


def test_ofx_without_ends_of_its_aggregates_has_all_rows():
    content = (
        ofx(COFFEE, COFFEE).replace("</STMTTRN>", "").replace("</BANKACCTFROM>", "").replace("</BANKTRANLIST>", "")
    )
    assert len(rows_of(read(content))) == 2


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("-12.34", "-12.34"), ("-12,34", "-12.34"), ("+12.34", "12.34"), ("12", "12"), ("-1,234.56", "-1234.56"),
        ("-1.234,56", "-1234.56"), ("-.5", "-0.5"), ("12.340000", "12.34"), ("-49.950000000000003", "-49.95"), ("1e3", None),
        (" -12.34 ", "-12.34"), ("(12.34)", "-12.34"), ("$-5.00", None), ("0.00", "0"), ("12.345", None), ("abc", None),
    ],
)  # fmt: skip
def test_an_amount_of_ofx_is_read_exactly_or_refused(text: str, amount: str | None):
    content = ofx(("2024-02-01", text, "Coffee"))
    if amount is None:
        with pytest.raises(BadInput):
            read(content)
    else:
        assert rows_of(read(content))[0][1] == Decimal(amount)


def test_several_accounts_in_one_ofx_are_several_statements():
    one, other = ofx(COFFEE, account="1"), ofx(("2024-02-03", "7.00", "Tea"), account="2", header="")
    inner = other[other.index("<STMTTRNRS>") : other.index("</BANKMSGSRSV1>")]
    found = read(one.replace("</BANKMSGSRSV1>", inner + "</BANKMSGSRSV1>"))
    assert [(one.number, len(one.rows)) for one in found.statements] == [("100 1", 1), ("100 2", 1)]


def test_an_empty_ofx_statement_is_a_statement():
    found = read(ofx(balance=("2024-02-29", "10.00")))
    assert (len(found.statements), rows_of(found)) == (1, [])


def test_a_missing_number_date_of_booking_or_name_is_made_up_for():
    content = (
        ofx(COFFEE)
        .replace("<DTPOSTED>20240201", "<DTPOSTED>00000000<DTUSER>20240131")
        .replace("<NAME>Coffee", "<MEMO>x")
    )
    row = read(content).statements[0].rows[0]
    assert (row.booked_on, row.text, row.provider_id) == (date(2024, 1, 31), "x", None)


def test_what_the_bank_says_went_wrong_is_said():
    error = (
        "<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>15500<SEVERITY>ERROR<MESSAGE>Signon invalid</STATUS></SONRS></OFX>"
    )
    with pytest.raises(BadStatement, match="Signon invalid"):
        read(error)


def test_an_account_of_the_other_side_is_not_the_statements():
    content = ofx(COFFEE).replace("<NAME>", "<BANKACCTTO><BANKID>9<ACCTID>999</BANKACCTTO><NAME>")
    assert read(content).statements[0].number == "100 12345"


def test_a_currency_beside_an_amount_is_the_amounts():
    content = ofx(COFFEE).replace("<NAME>", "<CURRENCY><CURRATE>1.1<CURSYM>USD</CURRENCY><NAME>")
    assert read(content).statements[0].rows[0].amount == Money.parse("-3.50 USD")


def test_text_with_bare_signs_of_markup_stays_whole():
    assert rows_of(read(ofx(("2024-02-01", "-1.00", "A < B & C&#39;s"))))[0][2] == "A < B & C's"


# --- QIF


def qif(*dates: str, amount: str = "-3.50") -> str:
    return "!Type:Bank\n" + "".join(f"D{one}\nT{amount}\nPCoffee\nMbean\nLFood:Out\n^\n" for one in dates)


@pytest.mark.parametrize(
    ("dates", "days"),
    [
        (("01/31/2024", "02/01/2024"), ["2024-01-31", "2024-02-01"]), (("31/01/2024", "01/02/2024"), ["2024-01-31", "2024-02-01"]),
        (("1/31'24",), ["2024-01-31"]), (("1/31' 4",), ["2004-01-31"]), (("12/25/99",), ["1999-12-25"]), (("31.1.24",), ["2024-01-31"]),
        (("2024-01-31",), ["2024-01-31"]), (("05/05/2024",), ["2024-05-05"]), (("01.02.2024",), ["2024-02-01"]),
    ],
)  # fmt: skip
def test_dates_of_qif_are_read_in_the_order_that_all_of_them_have(dates: tuple[str, ...], days: list[str]):
    assert [day for day, _, _ in rows_of(read(qif(*dates), currency="USD"))] == days


def test_a_date_with_two_meanings_is_asked_about_and_an_answer_decides():
    with pytest.raises(Unclear, match="2024-02-01 or 2024-01-02") as asked:
        read(qif("01/02/2024"), currency="USD")
    assert (asked.value.field, asked.value.choices) == ("layout.date_order", ("dmy", "mdy"))
    assert rows_of(read(qif("01/02/2024"), currency="USD", date_order="mdy"))[0][0] == "2024-01-02"


def test_an_amount_with_two_meanings_is_asked_about():
    with pytest.raises(Unclear, match=r"layout\.decimal"):
        read(qif("2024-01-31", amount="1,234"), currency="USD")
    assert rows_of(read(qif("2024-01-31", amount="1,234"), currency="USD", decimal="."))[0][1] == 1234
    assert rows_of(read(qif("2024-01-31", amount="1,234"), currency="JPY"))[0][1] == 1234


def test_accounts_lists_and_openings_of_qif_are_told_apart():
    content = (
        "!Option:AutoSwitch\n!Account\nNChecking\nTBank\n^\n!Type:Bank \nD2024-01-01\nT100.00\nPOpening Balance\nL[Checking]\n^\n"
        "D2024-01-02\nT-4.00\nPTea\n^\n!Account\nNVisa\nTCCard\n^\n!Type:CCard\nD2024-01-03\nT-5.00\nPBook\n^\n!Type:Cat\nNFood\nE\n^\n"
    )
    found = read(content, currency="EUR")
    assert [(one.number, len(one.rows)) for one in found.statements] == [("Checking", 1), ("Visa", 1)]
    opening = found.statements[0].opening
    assert opening is not None
    assert opening.amount == Money.parse("100 EUR")
    assert "'cat'" in found.statements[0].notes[0]


def test_a_category_of_qif_is_kept_and_a_transfer_is_none():
    rows = read(qif("2024-01-31") + "D2024-02-01\nT1.00\nL[Savings]\n^\n", currency="EUR").statements[0].rows
    assert [row.category for row in rows] == ["Food:Out", None]


# --- MT940


def test_mt940_has_its_rows_and_both_balances():
    content = mt940(
        ("2024-02-01", "-12,50", "166?00LASTSCHRIFT?20SVWZ+Beitrag Februar?30DEUT?31DE1?32Turnverein?33 Nord"),
        ("2024-02-02", "300,", "/TRTP/SEPA OVERBOEKING/IBAN/NL1/BIC/X/NAME/Werk BV/REMI/Salaris/EREF/N"),
        closing=("2024-02-29", "387,50"),
    )
    one = read(content).statements[0]
    assert [(row.payee, row.amount.amount) for row in one.rows] == [
        ("Turnverein Nord", Decimal("-12.50")),
        ("Werk BV", Decimal(300)),
    ]
    assert "Beitrag Februar" in one.rows[0].text
    assert "Salaris" in one.rows[1].text
    assert one.opening is not None
    assert one.closing is not None
    assert one.opening.amount + Money.total([row.amount for row in one.rows], "EUR") == one.closing.amount


@pytest.mark.parametrize(
    ("line", "day", "amount"),
    [
        ("2401310201D12,50NMSCNONREF", "2024-02-01", "-12.50"), ("240131D12,50NMSC", "2024-01-31", "-12.50"),
        ("2401310131RD12,50NMSCNONREF", "2024-01-31", "12.50"), ("2401310131RC12,50NMSCNONREF", "2024-01-31", "-12.50"),
        ("2401310131DR12,50NMSCNONREF//4711", "2024-01-31", "-12.50"), ("2312310102C1,NTRFNONREF", "2024-01-02", "1"),
        ("2401310131C000000000012,50NMSC", "2024-01-31", "12.50"), ("2402300229D1,00NINTNONREF", "2024-02-29", "-1"),
    ],
)  # fmt: skip
def test_a_line_of_mt940_is_read_by_every_dialect(line: str, day: str, amount: str):
    content = f":20:X\n:25:1\n:60F:C240101EUR1,00\n:61:{line}\n:62F:C240201EUR1,00\n-\n"
    assert [row[:2] for row in rows_of(read(content))] == [(day, Decimal(amount))]


def test_an_envelope_of_swift_is_taken_off():
    content = (
        "{1:F01X}{2:O940X}{4:\n:20:X\n:25:1\n:60F:C240101EUR1,00\n:61:240131D1,00NMSC\n:86:tea\n:62F:C240131EUR0,00\n-}"
    )
    assert rows_of(read(content)) == [("2024-01-31", Decimal(-1), "tea")]


@pytest.mark.parametrize(
    ("purpose", "payee", "text"),
    [
        ("073~00X073\n~20SHOP\n~21WARSAW\n~32SHOP\n~33SA", "SHOP SA", "SHOP SA · SHOP WARSAW"),
        ("020^00X^20milk^21and bread^32SHOP", "SHOP", "SHOP · milk and bread"),
        ("166?00X?20SVWZ+Rechnung 4711 vom 30.0?211.2024?32WORK", "WORK", "WORK · Rechnung 4711 vom 30.01.2024"),
        ("166?20Rent?21January?32A very long name of a compan?33y", "A very long name of a company", "Rent January"),
    ],
)
def test_subfields_keep_their_words_apart_and_together(purpose: str, payee: str, text: str):
    [row] = read(mt940(("2024-02-01", "-12,50", purpose))).statements[0].rows
    assert row.payee == payee
    assert text in row.text


def test_an_amount_may_be_padded_with_blanks():
    content = mt940(("2024-02-01", "-12,50", "a")).replace("D12,50", "D         12,50")
    assert [str(amount) for _, amount, _ in rows_of(read(content))] == ["-12.50"]


# --- CAMT


@pytest.mark.parametrize(
    "version", ["052.001.02", "052.001.08", "053.001.02", "053.001.08", "053.001.13", "054.001.08"]
)
def test_camt_of_every_kind_and_version_is_read(version: str):
    found = read(camt(entry("-12.50", "Tea"), entry("20.00", "Back"), version=version, closing="107.50"))
    one = found.statements[0]
    assert (found.format, one.number, one.currency) == (StatementFormat.CAMT, "DE02120300000000202051", "EUR")
    assert [(row.payee, row.amount.amount) for row in one.rows] == [
        ("Payee", Decimal("-12.50")),
        ("Payer", Decimal(20)),
    ]
    if not version.startswith("054"):
        assert one.closing is not None
        assert one.closing.amount == Money.parse("107.50 EUR")


def test_camt_with_prefixes_a_wrong_encoding_or_none_is_read():
    content = camt(entry("-1.00", "Größe"))
    assert "Größe" in rows_of(read(content.encode("cp1252")))[0][2]
    prefixed = content.replace("<", "<c:").replace("<c:/", "</c:").replace("<c:?", "<?").replace("xmlns=", "xmlns:c=")
    assert "Größe" in rows_of(read(prefixed))[0][2]
    assert "Größe" in rows_of(read(content.replace("UTF-8", "UTF-16").encode("utf-16")))[0][2]


def test_pending_entries_are_pending_and_those_for_information_left_out():
    content = camt(
        entry("-1.00", "later", status="<Sts>PDNG</Sts>"), entry("-2.00", "info", status="<Sts><Cd>INFO</Cd></Sts>"), entry("-3.00", "now")
    )  # fmt: skip
    one = read(content).statements[0]
    assert [(row.amount.amount, row.pending) for row in one.rows] == [(Decimal(-1), True), (Decimal(-3), False)]
    assert "for information only" in one.notes[0]


def test_what_reverses_a_debit_is_a_credit_as_it_says():
    assert rows_of(read(camt(entry("5.00", "back", more="<RvslInd>true</RvslInd>"))))[0][1] == 5


# --- what is no statement


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"), (b"  \r\n ", "empty"), (b"%PDF-1.7 ...", "PDF"), (b"PK\x03\x04 ...", "archive"), (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel"),
        (b"<!DOCTYPE html><html><body>Session expired</body></html>", "web page"), (b"<html>", "web page"), (b'{"a": 1}', "JSON"),
        (b"<?xml version='1.0'?><note/>", "XML, but no statement"), (b"\x1f\x8b\x08", "gzip"), (b"<OFX></OFX>", "no statement"),
        (b"!Type:Cat\nNFood\n^\n", "no transactions"), (b":20:X\n:28C:1\n", "no statement"), (bytes(range(256)), "."),
    ],
)  # fmt: skip
def test_what_is_no_statement_is_refused_with_what_it_is(content: bytes, words: str):
    with pytest.raises(BadInput, match=words):
        read(content)


BILLION_LAUGHS = """<?xml version="1.0"?><!DOCTYPE Document [<!ENTITY a "ha">""" + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(10)
)


@pytest.mark.parametrize(
    "body", ["<Document xmlns='camt.053'><BkToCstmrStmt>&k;</BkToCstmrStmt></Document>", "<OFX>&k;</OFX>"]
)
def test_entities_of_its_own_are_refused(body: str):
    with pytest.raises(BadStatement, match="of its own"):
        read(f"{BILLION_LAUGHS}]>{body}")


@pytest.mark.parametrize("cut", [200, 500, 900])
def test_a_camt_that_was_cut_off_is_refused(cut: int):
    with pytest.raises(BadStatement):
        read(camt(entry("-1.00", "a"), entry("-1.00", "b"))[:cut])


def test_a_csv_of_300_columns_is_refused():
    with pytest.raises(BadStatement, match="300 columns"):
        read(",".join(f"c{n}" for n in range(300)) + "\n" + ",".join("1" * 300) + "\n")


def test_a_currency_that_does_not_exist_is_refused():
    with pytest.raises(BadInput, match="XYZ"):
        read(ofx(COFFEE, currency="XYZ"))


class Endless(io.RawIOBase):
    """A gigabyte that nobody keeps: a piece, and it again for ever. It counts what is taken of it."""

    def __init__(self, head: bytes, piece: bytes) -> None:
        self._head, self._piece = head, piece * (65536 // len(piece) + 1)
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        if self.taken < len(self._head):
            found = self._head[self.taken : self.taken + size]
        else:
            found = self._piece[: min(size, len(self._piece) // 1)]
        self.taken += len(found)
        return found

    def seek(self, to: int, whence: int = 0) -> int:
        self.taken = to
        return to


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"<OFX><STMTRS><CURDEF>EUR<BANKTRANLIST>", b"<STMTTRN><DTPOSTED>20240101<TRNAMT>1.00<NAME>x</STMTTRN>"),
        (b"<OFX><STMTRS><CURDEF>EUR<NAME>", b"x"), (b"Date;Amount;Text\n", b"2024-01-31;5,00;tea\n"), (b"Date;Amount;Text\n", b"x"),
        (b"!Type:Bank\n", b"D2024-01-31\nT1.00\n^\n"), (b":20:X\n:25:1\n:60F:C240101EUR1,00\n", b":61:240131D1,00NMSC\n"),
        (b":20:X\n:25:1\n:60F:C240101EUR1,00\n:86:", b"tea\n"), (b'Date;Amount;Text\n2024-01-31;5,00;"', b"tea\n"),
        (camt(entry("-1.00", "a")).encode()[:-60], entry("-1.00", "a").encode()), (camt().encode()[:-60], b"<Ntry><Amt>"),
        (camt().encode()[:-60] + b"<Ntry><Amt>", b"9"),
    ],
)  # fmt: skip
def test_a_statement_that_never_ends_is_refused_after_a_bounded_part(head: bytes, piece: bytes):
    source = Endless(head, piece)
    with pytest.raises(BadInput):
        reading.read(source, 10**6, Given(TODAY, currency="EUR"), CsvLayout())  # type: ignore[arg-type]  # a file for readers
    assert source.taken < 64 * 1024 * 1024


def test_a_statement_of_a_gigabyte_is_refused_unread():
    with pytest.raises(BadStatement, match="at most 256 MB"):
        reading.read(io.BytesIO(), 10**9, Given(TODAY), CsvLayout())


@pytest.mark.slow("reads 20,000 lines, and nothing less tells what that takes")
def test_as_many_rows_as_may_be_are_read():
    content = "Date;Amount;Text\n" + "2024-01-31;5,00;tea\n" * MOST_ROWS
    assert len(rows_of(read(content, currency="EUR"))) == MOST_ROWS
