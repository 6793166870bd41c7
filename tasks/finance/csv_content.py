"""What the cells of a CSV file tell of its columns, where their names do not: dates, amounts, signs, and sums."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import combinations, pairwise, permutations

from tasks.finance.amounts import decimal_sign
from tasks.finance.dates import readings
from tasks.finance.statement import Unclear

Columns = dict[str, int | list[int]]
Cells = dict[int, list[str]]

_AMOUNT = re.compile(r"[^\d]{0,8}\d[\d.,'’  ]*(?:[^\d]{0,8})$")
_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
_LETTERS = re.compile(r"[^\W\d_]{2}")
_IBAN = re.compile(r"[A-Z]{2} ?\d{1,2}[A-Z0-9 ]{0,40}", re.ASCII)
#: Columns of amounts among which those are looked for that add up.
MOST_MONEY_COLUMNS = 6
MOST_TEXTS = 10
_SIGNS = {
    sign: factor
    for factor, signs in (
        (-1, "d dr debit debet s soll af out - dbit debito débit withdrawal lastschrift belastung cargo ud ut deebet"
             " outgoing odchozí odchozi výdaj obciążenie wychodzący wychodząca uscita addebito saída sortie"
             " 支出 出金 出 расход списание borç debetas debets"),
        (1, "c cr credit kredit h haben bij in + crdt credito crédit deposit gutschrift abono ind inn k kreedit"
            " incoming příchozí prichozi příjem uznanie uznání przychodzący przychodząca entrata accredito"
            " entrada entrée 收入 入金 入 приход зачисление alacak kreditas kredīts"),
    )
    for sign in signs.split()
}  # fmt: skip


def sign_of(cell: str) -> int:
    """-1 for money out, 1 for money in, 0 where it says neither."""
    return _SIGNS.get(cell.strip().casefold(), 0)


def are_signs(cells: Sequence[str]) -> bool:
    """Most say debit or credit; a few may say neither, such as a move between one's own."""
    return sum(map(abs, map(sign_of, cells))) * 2 > len(cells)


def is_date(cell: str) -> bool:
    return readings(cell.strip(), 2000) is not None if 4 < len(cell) < 40 else False


def is_amount(cell: str) -> bool:
    return len(cell) < 40 and _AMOUNT.match(cell.strip()) is not None


def are_numbers_of_accounts(cells: Sequence[str]) -> bool:
    """They are what a bank calls an account by, and no names."""
    return all(_IBAN.fullmatch(one) or not _LETTERS.search(one) for one in cells)


def filled_cells(body: Sequence[Sequence[str]]) -> Cells:
    """By column, what stands in it."""
    width = max((len(row) for row in body), default=0)
    return {at: [row[at].strip() for row in body if at < len(row) and row[at].strip()] for at in range(width)}


def texts_of(filled: Cells, taken: set[int]) -> list[int]:
    """The columns of words, but for those that are something else."""
    return [
        at
        for at, cells in filled.items()
        if at not in taken and any(len(one) > 2 for one in cells) and not all(map(is_date, cells))
        if not are_amounts(cells)
    ][:MOST_TEXTS]


def by_content(body: Sequence[Sequence[str]]) -> Columns:
    """Of a file without names: the column of dates, those of amounts, and the texts."""
    filled = filled_cells(body)
    dates = [at for at, cells in filled.items() if cells and sum(map(is_date, cells)) >= 0.9 * len(cells)]
    if not dates and len(body) > 1 and body[0] and is_amount(body[0][-1].strip()):
        return by_content(body[1:])  # a line on the account stands first
    money = [at for at, cells in filled.items() if at not in dates and are_amounts(cells)]
    codes = [at for at, cells in filled.items() if cells and all(_CODE.fullmatch(one) for one in cells)]
    own = [at for at, cells in filled.items() if len(body) > 1 and _is_one_account(cells, len(body))]
    signs = [at for at, cells in filled.items() if at not in codes and _tell_direction(cells)]
    columns: Columns = {"date": dates[0]} if dates else {}
    if len(dates) > 1:
        columns["value_date"] = dates[1]
    for role, places in (("currency", codes), ("account", own), ("sign", signs)):
        if places:
            columns[role] = places[0]
    columns |= _money(body, filled, money, columns.get("sign"))
    if texts := texts_of(filled, {*dates, *money, *codes, *own[:1], *signs}):
        columns["text"] = texts
    return columns


def _tell_direction(cells: list[str]) -> bool:
    """All say debit or credit; a dash in each line only fills a column."""
    directions = set(map(sign_of, cells))
    return directions == {-1, 1} or (0 not in directions and any(one.isalpha() for one in cells))


def _is_one_account(cells: list[str], rows: int) -> bool:
    """The IBAN of one account in each line."""
    return len(cells) == rows and len(set(cells)) == 1 and len(cells[0]) > 14 and bool(_IBAN.fullmatch(cells[0]))


def are_amounts(cells: Sequence[str]) -> bool:
    """Numbers of which some have decimals or a sign: whole ones may be anything."""
    if not cells or sum(map(is_amount, cells)) < 0.9 * len(cells):
        return False
    return any("." in one or "," in one or one.startswith("-") for one in cells)


def _money(body: Sequence[Sequence[str]], filled: Cells, money: list[int], sign: object) -> Columns:
    signed = [at for at in money if any("-" in one for one in filled[at])]
    if len(money) > 1 and (sums := _that_add_up(body, money[:MOST_MONEY_COLUMNS], sign)):
        return sums
    if len(money) == 1 or len(signed) == 1:
        return {"amount": signed[0] if len(signed) == 1 else money[0]}
    return {}


# --- columns that add up


def _that_add_up(body: Sequence[Sequence[str]], money: list[int], sign: object) -> Columns:
    """Those of the amounts and of the balance after them: in each line the one follows from the other."""
    numbers = _numbers(body, money)
    if len(numbers) < 2:
        return {}
    signs = [sign_of(row[sign]) if isinstance(sign, int) and sign < len(row) else 1 for row in body]
    # two lines may add up in two ways: the balance stands behind the amount
    for balance, amount in sorted(permutations(money, 2), key=lambda one: one[0] < one[1]):
        if _follow([(row[balance], _signed(row[amount], by)) for row, by in zip(numbers, signs, strict=False)]):
            return {"amount": amount, "balance": balance}
    for balance in money:
        for one, other in combinations([at for at in money if at != balance], 2):
            if any(row[one] and row[other] for row in numbers):
                continue
            for debit, credit in ((one, other), (other, one)):
                if _follow([(row[balance], _moved(row[debit], row[credit])) for row in numbers]):
                    return {"debit": debit, "credit": credit, "balance": balance}
    return {}


def _moved(debit: Decimal | None, credit: Decimal | None) -> Decimal:
    return (credit or Decimal()) - abs(debit or Decimal())


def _signed(amount: Decimal | None, by: int) -> Decimal | None:
    return None if amount is None else amount if by >= 0 else -abs(amount)


def _follow(lines: list[tuple[Decimal | None, Decimal | None]]) -> bool:
    """Each balance but the first follows from the one before and the amount, whichever line is the older."""
    return any(_is_chain(order) for order in (lines, lines[::-1]))


def _is_chain(lines: list[tuple[Decimal | None, Decimal | None]]) -> bool:
    if not any(amount for _, amount in lines[1:]):
        return False
    return all(
        before is not None and after is not None and amount is not None and before + amount == after
        for (before, _), (after, amount) in pairwise(lines)
    )


def _numbers(body: Sequence[Sequence[str]], money: list[int]) -> list[dict[int, Decimal | None]]:
    texts = [row[at] for row in body for at in money if at < len(row)]
    try:
        decimal = decimal_sign(texts) or "."
    except Unclear:
        return []
    lines = [{at: _number(row[at], decimal) if at < len(row) else None for at in money} for row in body]
    return [line for line in lines if any(one is not None for one in line.values())]


def _number(cell: str, decimal: str) -> Decimal | None:
    digits = "".join(_digits(cell, decimal))
    try:
        found = Decimal(digits) if digits else None
    except InvalidOperation:
        return None
    return -found if found is not None and ("-" in cell or "(" in cell or "−" in cell) else found


def _digits(cell: str, decimal: str) -> Iterator[str]:
    return ("." if one == decimal else one for one in cell if one.isdecimal() or one == decimal)
