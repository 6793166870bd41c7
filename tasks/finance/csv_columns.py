"""What banks call the columns of their CSV files, in the languages of those who export them."""

from __future__ import annotations

import re
from unicodedata import normalize

#: What a column can be. `sign` says debit or credit of an amount without a sign.
ROLES = (
    "date", "value_date", "amount", "debit", "credit", "sign", "fee", "balance", "currency", "payee", "text",
    "reference", "category", "account", "status",
)  # fmt: skip

#: As `key_of` makes them.
_NAMES: dict[str, str] = {
    "date": """
        date bookingdate transactiondate postingdate posteddate postdate transdate dateposted completeddate
        txndate
        datecompleted dateoftransaction transactiondatetime datetime trandate settlementdate entrydate
        effectivedate
        datum buchungstag buchungsdatum buchung belegdatum transaktionsdatum abschlussdatum
        dateoperation datedoperation datecomptable datedecomptabilisation datemouvement dateecriture
        fecha fechaoperacion fechadeoperacion fechacontable foperacion fechamovimiento fechatransaccion
        data dataoperazione datacontabile datadicontabilizzazione dataregistrazione dataoperacji dataksiegowania
        datatransakcji dataoperacao datadooperacao datamov datalancamento datadolancamento datamovimento
        transactiedatum boekdatum boekingsdatum uitvoeringsdatum datumtransactie datumuitvoering
        bokforingsdag bokforingsdatum transaktionsdag bogføringsdato bogforingsdato bokføringsdato dato
        utførtdato
        kirjauspaiva paivamaara maksupaiva datumzauctovani datumprovedeni datumtransakce zauctovano
        konyvelesdatuma
        tranzakciodatuma datatranzactiei датаоперации дата датапроводки tarih islemtarihi 日付 取引日 お取引日 年月日
        交易日期 记账日期 交易时间 거래일시 거래일자 거래일""",
    "value_date": """
        valuedate valuta valutadatum wert wertstellung wertstellungsdatum datevaleur datedevaleur valeur
        fechavalor
        fechadevalor fvalor datavaluta datavalor datadovalor rentedatum valutadag valuteringsdag valørdato
        rentedato
        arvopaiva datavaluty valutum valordatum interestdate""",
    "amount": """
        amount betrag umsatz betrageur betragineur umsatzeur umsatzineur buchungsbetrag montant montanteur
        importe importo
        importeeur importoeur bedrag bedrageur kwota kwotaoperacji kwotatransakcji valor valoreur belopp belob
        beløb beløp
        belop summa maara maaraeuro maaraeur castka objem osszeg monto quantia montante cantidad
        transactionamount netamount
        amounteur amountusd amountgbp amountinaccountcurrency localamount amountlocal amountchf сумма
        суммаоперации
        суммаплатежа tutar islemtutari 金額 取引金額 交易金额 金额 발생금액 거래금액 suma kwotapln value transactievalue
        amountsek amountnok amountdkk amountaud amountcad einzelbetrag""",
    "debit": """
        debit debits debitamount amountdebit soll ausgaben ausgabe lastschrift belastung belastungen
        belastunginchf
        belastungchf debito debitos cargo cargos adeudo debe dare addebiti addebito uscite uscita withdrawal
        withdrawals withdrawalamt withdrawalamount withdrawalamtinr paidout moneyout debiteur debiteuros
        debitbetrag
        utgift uttag ut ud udgift obciazenia obciazenie wyplaty wydatki vydaj debet out spent expense
        utfrakonto debetin 支払い金額 お支払い金額
        списание расход borc お支払金額 支払金額 出金 出金額 お引出し 引出金額 支出 借方
        출금 출금액 찾으신금액 afschrijving""",
    "credit": """
        credit credits creditamount amountcredit haben einnahmen einnahme gutschrift gutschriften
        gutschriftinchf
        gutschriftchf eingang credito creditos abono abonos haber avere accrediti accredito entrate entrata
        deposit
        deposits depositamt depositamount depositamtinr paidin moneyin crediteur crediteuros creditbetrag
        inkomst
        insattning inn ind inntekt indtægt uznania uznanie wplaty wplywy prijem kredit in received income
        innpakonto 預かり金額 お預かり金額
        приход поступление зачисление alacak お預り金額 預入金額 入金 入金額 お預入れ 收入 贷方
        입금 입금액 맡기신금액 bijschrijving""",
    "sign": """
        sollhaben sh sollhabenkennzeichen afbij dc drcr crdr debitcredit creditdebit creditdebitindicator cd
        debitkredit debetcredit bijaf debitorcredit direction cdtdbtind debitcreditindicator type
        transactiontype""",
    "fee": "fee fees feeamount gebuhr",
    "balance": """
        balance runningbal bal saldo kontostand solde stav saldonachbuchung runningbalance accountbalance balanceafter
        closingbalance
        balanceeur saldoeur saldoineur newbalance saldocontable saldopo saldopooperacji saldodopo zustatek
        egyenleg
        saldochf balanceaftertransaction saldonabuchung saldonatransactie saldonaboeking saldonatrn saldoefter
        bakiye
        остаток 残高 差引残高 余额 账户余额 잔액 거래후잔액 bokfortsaldo balanceamount""",
    "currency": """
        currency currencycode wahrung waehrung devise divisa moneda moeda waluta valuta mena munt muntsoort
        valute
        валюта parabirimi 通貨 币种 통화 ccy kontowahrung accountcurrency valutta penznem""",
    "payee": """
        payee name merchant merchantname counterparty counterpartyname beneficiary beneficiaryname recipient
        payer
        empfanger auftraggeber auftraggeberempfanger empfangerauftraggeber begunstigter beguenstigter
        beguenstigterzahlungspflichtiger begunstigterzahlungspflichtiger zahlungsempfanger zahlungspflichtiger
        nameempfanger empfangername partnername kontoinhaber zahlungspflichtigerempfanger
        namezahlungsbeteiligter
        zahlungsempfangerin beneficiaire tiers beneficiario ordenante naamtegenpartij tegenpartij
        tegenrekeningnaam
        naam counterpartyaccountname odbiorca nadawca nadawcaodbiorca odbiorcanadawca danekontrahenta kontrahent
        mottagare avsandare modtager mottaker saajamaksaja saaja protistrana nazevprotiuctu partner контрагент
        otherparty transactionpartner auftraggeberbegunstigter begunstigterauftraggeber alici nameofcounterparty""",
    "text": """
        description transactiondescription verwendungszweck buchungstext memo details narrative narration
        particulars
        remarks remark note notes purpose transactiondetails comment message extendeddescription
        originaldescription
        zahlungsgrund buchungsdetails umsatztext vorgangverwendungszweck vorgang zahlungsreferenz betreff
        buchungsinformationen beschreibung mitteilung text libelle libelleoperation libellesimplifie nature
        motif detail
        communications communication informationscomplementaires concepto descripcion observaciones movimiento
        masdatos
        descrizione causale descrizioneoperazione omschrijving mededelingen mededeling naamomschrijving
        omschrijving1 omschrijving2 opis opisoperacji opistransakcji tytul tytulprzelewu szczegoly descricao
        historico
        descritivo lancamento beskrivning tekst beskrivelse forklaring selite viesti selitys popis zprava
        poznamka
        zpravaproprijemce kozlemeny megjegyzes detalii detaliitranzactie описание назначение назначениеплатежа
        aciklama 摘要 お取引内容 取引内容 内容 适用 交易摘要 附言 적요 내용
        기재내용 transaction activity reason chequedetails
        bookingtext transactiontext avisierungstext bewegungstyp umsatzart descrizioneestesa""",
    "reference": """
        reference referencenumber transactionid transactionnumber referenz referenznummer id fitid
        transactionreference
        kundenreferenz bankreference refno chqrefno chqrefnumber chequenumber checknumber arkivointitunnus
        numerooperazione
        numoperation idoperace idpohybu transactionsid 取引番号 交易流水号 zahlungsreferenznr""",
    "category": "category kategorie categorie categoria kategoria hauptkategorie kategori 分类",
    "account": """
        auftragskonto account accountnumber accountname accountno rekening rekeningnummer ibanbban
        ibanauftragskonto
        kontonummer konto eigeneskonto eigenesiban numerocompte compte comptenum numerodecompte cuenta conto
        ownaccount sourceaccount 口座番号 账号""",
    "status": "status state umsatzstatus transactionstatus statut estado stato stan stav_ tila",
}
_NOT_LETTERS = re.compile(r"[\W_]+")
_IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
#: Within longer names, such as "Buchungstag (Datum)" or "Transaction Amount in EUR"; the first that fits counts.
_WITHIN = (
    ("value_date", ("wertstellung", "valutadat", "valuedate", "datevaleur", "fechavalor")),
    ("balance", ("saldo", "balance", "kontostand", "solde")),
    ("date", ("buchungstag", "buchungsdatum", "bookingdate", "postingdate", "transactiondate", "boekdatum")),
    ("debit", ("withdrawal", "debitamount", "paidout", "moneyout", "belastungin", "lastschriftin")),
    ("credit", ("deposit", "creditamount", "paidin", "moneyin", "gutschriftin")),
    ("currency", ("currency", "wahrung", "waehrung")),
    ("amount", ("betrag", "amount", "umsatz", "montant", "importe", "importo", "bedrag", "kwota", "belopp")),
    ("payee", ("empfanger", "begunstigte", "beguenstigte", "zahlungspflichtig", "beneficiar", "counterparty", "payee")),
    ("text", ("verwendungszweck", "description", "buchungstext", "libelle", "omschrijving", "mededeling", "descri")),
)  # fmt: skip
#: Names that have this in them are of the other side, or of another currency.
_FOREIGN = re.compile(
    r"original|ursprung|^(?:foreign|fremd|waluta_|counterparty|tegen|gegen|partner|beneficiary|exchange|kurs|wechsel"
    r"|kartenw|instructed|nativ|target|kwotawwalucieorygin|ausgangs|gebuhr(?=.)|bic|iban(?!auftrag|bban)|konto(?:nummer)?iban)"
)


def key_of(name: str) -> str:
    """A column's name as it is looked up: letters and figures, without accents, case and what stands in brackets."""
    plain = "".join(one for one in normalize("NFKD", name.casefold()) if not 0x300 <= ord(one) <= 0x36F)
    composed = normalize("NFC", plain).replace("ł", "l").replace("ß", "ss")
    return _NOT_LETTERS.sub("", _IN_BRACKETS.sub("", composed)) or _NOT_LETTERS.sub("", composed)


_AT_ONCE = {key_of(name): role for role, names in _NAMES.items() for name in names.split()}


def known_role(name: str) -> str | None:
    """What a column of just this name is."""
    return _AT_ONCE.get(key_of(name))


def role_of(name: str) -> str | None:
    """What a column of this name is; None where that cannot be told by it."""
    key = key_of(name)
    if found := _AT_ONCE.get(key):
        return found
    if len(key) > 60 or _FOREIGN.search(key):
        return None
    return next((role for role, parts in _WITHIN if any(part in key for part in parts)), None)
