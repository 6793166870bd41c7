"""What banks call the columns of their CSV files, in the languages of those who export them."""

from __future__ import annotations

import re
from unicodedata import normalize

from tasks.finance.amounts import is_currency

#: What a column can be. `sign` says debit or credit of an amount without a sign.
ROLES = (
    "date", "value_date", "amount", "debit", "credit", "sign", "fee", "balance", "currency", "payee", "payer",
    "text", "reference", "category", "account", "status",
)  # fmt: skip

#: Of the file that `finance.export` writes, which is read as it was written: notes are nobody's words but the user's.
EXPORTED = ("Date", "Value date", "Account", "Amount", "Currency", "Text", "Payee", "Category", "Status", "Note")
#: As `key_of` makes them.
_NAMES: dict[str, str] = {
    "date": """
        settleddate rundate datatranzactie datumzauctovania datumtransakcie datumizvrsenja
        completedat datumdesabschlusses abschlussdatum datedefin fechadefinalizacion datadicompletamento
        datumvoltooid datazakonczenia datadeconclusao slutdatum bookedat dateposting postedtransactionsdate
        clearingdate datedeloperation datedetransaction reskontradatum kuupaev datums data operacijosdata
        datarozliczenia datadooperacao 処理日 利用日 ご利用日 操作日 交易日 入账日期 入账时间 交易创建时间
        付款时间 tapahtumapaiva ngaygiaodich tanggal วันที่ date bookingdate transactiondate postingdate
        posteddate postdate transdate dateposted completeddate txndate datecompleted dateoftransaction
        transactiondatetime datetime trandate settlementdate entrydate effectivedate datum buchungstag
        buchungsdatum buchung belegdatum transaktionsdatum dateoperation datedoperation datecomptable
        datedecomptabilisation datemouvement dateecriture fecha fechaoperacion fechadeoperacion fechacontable
        foperacion fechamovimiento fechatransaccion dataoperazione datacontabile datadicontabilizzazione
        dataregistrazione dataoperacji dataksiegowania datatransakcji dataoperacao datamov datalancamento
        datadolancamento datamovimento transactiedatum boekdatum boekingsdatum uitvoeringsdatum datumtransactie
        datumuitvoering bokforingsdag bokforingsdatum transaktionsdag bogføringsdato bogforingsdato
        bokføringsdato dato utførtdato kirjauspaiva paivamaara maksupaiva datumzauctovani datumprovedeni
        datumtransakce zauctovano konyvelesdatuma tranzakciodatuma datatranzactiei датаоперации дата
        датапроводки tarih islemtarihi 日付 取引日 お取引日 年月日 交易日期 记账日期 交易时间 거래일시 거래일자
        거래일""",
    "value_date": """
        valuedate valuta valutadatum wert wertstellung wertstellungsdatum datevaleur datedevaleur valeur
        fechavalor fechadevalor fvalor datavaluta datavalor datadovalor rentedatum valutadag valuteringsdag
        valørdato rentedato arvopaiva datavaluty valutum valordatum interestdate""",
    "amount": """
        total сума сумаввалютікартки ποσο
        net netto neto totalamount nettobetrag nettoamount creditdebitamount debitcreditamount
        montantdeloperation kwotatransakcjiwalutarachunku castkavmeneuctu zauctovanacastka iznos suma 入出金
        入出金額 利用金額 支払総額 交易額 mutatiebedrag jumlah amount betrag umsatz betrageur betragineur
        umsatzeur umsatzineur buchungsbetrag montant montanteur importe importo importeeur importoeur bedrag
        bedrageur kwota kwotaoperacji kwotatransakcji valor valoreur belopp belob beløb beløp belop summa maara
        maaraeuro maaraeur castka objem osszeg monto quantia montante cantidad transactionamount netamount
        amounteur amountusd amountgbp amountinaccountcurrency localamount amountlocal amountchf сумма
        суммаоперации суммаплатежа tutar islemtutari 金額 取引金額 交易金额 金额 발생금액 거래금액 kwotapln
        value transactievalue amountsek amountnok amountdkk amountaud amountcad einzelbetrag""",
    "debit": """
        outflow 払出金額 払出 お引き出し お引出 支払金額円 支出金額 支出额 借方发生额 dr debitos obciazenia
        出金金額 출금액 debetas debetsumma debit debits debitamount amountdebit soll ausgaben ausgabe
        lastschrift belastung belastungen belastunginchf belastungchf debito cargo cargos adeudo debe dare
        addebiti addebito uscite uscita withdrawal withdrawals withdrawalamt withdrawalamount withdrawalamtinr
        paidout moneyout debiteur debiteuros debitbetrag utgift uttag ut ud udgift obciazenie wyplaty wydatki
        vydaj debet out spent expense utfrakonto debetin 支払い金額 お支払い金額 списание расход borc お支払金額
        支払金額 出金 出金額 お引出し 引出金額 支出 借方 출금 찾으신금액 afschrijving""",
    "credit": """
        inflow 受入金額 受入 お預け入れ 預り金額 收入金额 收入额 贷方发生额 cr uznania 入金金額 입금액 kreditas
        kreditsumma credit credits creditamount amountcredit haben einnahmen einnahme gutschrift gutschriften
        gutschriftinchf gutschriftchf eingang credito creditos abono abonos haber avere accrediti accredito
        entrate entrata deposit deposits depositamt depositamount depositamtinr paidin moneyin crediteur
        crediteuros creditbetrag inkomst insattning inn ind inntekt indtægt uznanie wplaty wplywy prijem kredit
        in received income innpakonto 預かり金額 お預かり金額 приход поступление зачисление alacak お預り金額
        預入金額 入金 入金額 お預入れ 收入 贷方 입금 맡기신금액 bijschrijving""",
    "sign": """
        dk
        creditdebet debetcredit deebetkreedit debetskredits debetaskreditas 收支 smeruhrady soortmutatie
        sollhaben sh sollhabenkennzeichen afbij dc drcr crdr debitcredit creditdebit creditdebitindicator cd
        debitkredit bijaf debitorcredit direction cdtdbtind debitcreditindicator type transactiontype""",
    "fee": "fee fees feeamount gebuhr entgelt commission comision kosten oplata frais tariffa tarifa",
    "balance": """
        sold soldcontabil залишок υπολοιπο stanje יתרה
        guthaben 現在高 現在貸付高 取引後残高 残高金額 可用余额 jaak atlikums likutis laufendersaldo kontosaldo
        balance runningbal bal saldo kontostand solde stav saldonachbuchung runningbalance accountbalance
        balanceafter closingbalance balanceeur saldoeur saldoineur newbalance saldocontable saldopo
        saldopooperacji saldodopo zustatek egyenleg saldochf balanceaftertransaction saldonabuchung
        saldonatransactie saldonaboeking saldonatrn saldoefter bakiye остаток 残高 差引残高 余额 账户余额 잔액
        거래후잔액 bokfortsaldo balanceamount""",
    "currency": """
        valiuta валютакартки
        devies munteenheid valutacode valutarekening monnaie valuutta valuuta whg mena menauctu kontowaehrung
        currency currencycode wahrung waehrung devise divisa moneda moeda waluta valuta munt muntsoort valute
        валюта parabirimi 通貨 币种 통화 ccy kontowahrung accountcurrency valutta penznem""",
    "payer": """
        payername zahlungspflichtiger zahlungspflichtigerin auftraggeber maksaja nadawca avsandare afsender
        avsender absender ordenante debtor from 付款方 donneurdordre""",
    "payee": """
        recipientname saajamaksjanimi moketojasgavejas maksajasaanemejs protistrana
        beneficiarypayer payerbeneficiary namn nimi navn nom nombre 交易対方 交易对方 对方户名 お取引先 받는분
        보낸분받는분 saajannimi maksunsaaja mottagarenamn saajamaksja sanemejsmaksatajs gavejasmoketojas
        odbiorcazleceniodawca partnername naamvandetegenpartij tegenrekeninghouder naamtegenpartijbevat
        empfanger1 zahlungsempfangerinname to payee name merchant merchantname counterparty counterpartyname
        beneficiary beneficiaryname recipient empfanger auftraggeberempfanger empfangerauftraggeber begunstigter
        beguenstigter beguenstigterzahlungspflichtiger begunstigterzahlungspflichtiger zahlungsempfanger
        nameempfanger empfangername kontoinhaber zahlungspflichtigerempfanger namezahlungsbeteiligter
        zahlungsempfangerin beneficiaire tiers beneficiario naamtegenpartij tegenpartij tegenrekeningnaam naam
        counterpartyaccountname odbiorca nadawcaodbiorca odbiorcanadawca danekontrahenta kontrahent mottagare
        modtager mottaker saajamaksaja saaja protistrana nazevprotiuctu partner контрагент otherparty
        transactionpartner auftraggeberbegunstigter begunstigterauftraggeber alici nameofcounterparty""",
    "text": """
        action описоперації περιγραφη תיאור opisplacanja descriere
        transactionremarks transaktionstext rubrik otsikko title titel aciklama お取り扱い内容 お取扱内容
        入出金内容 取引内容詳細 利用店名商品名 詳細1 詳細2 商品 商品说明 商品名称 交易摘要备注 송금메모 selgitus
        detalas paskirtis detaildelecriture detaildelomzet beschreibung1 beschreibung2 beschreibung3
        description1 description2 description3 transactionref1 transactionref2 transactionref3 notificationtext
        textedenotification testodinotifica avisierungstext buchungsdetails betalningsbeskrivning tapahtumalaji
        typverrichting bewegungsart bericht vrijemededeling nazovtransakcie nazevtransakce description
        transactiondescription verwendungszweck buchungstext memo details narrative narration particulars
        remarks remark note notes purpose transactiondetails comment message extendeddescription
        originaldescription zahlungsgrund umsatztext vorgangverwendungszweck vorgang zahlungsreferenz betreff
        buchungsinformationen beschreibung mitteilung text libelle libelleoperation libellesimplifie nature
        motif detail communications communication informationscomplementaires concepto descripcion observaciones
        movimiento masdatos descrizione causale descrizioneoperazione omschrijving mededelingen mededeling
        naamomschrijving omschrijving1 omschrijving2 opis opisoperacji opistransakcji tytul tytulprzelewu
        szczegoly descricao historico descritivo lancamento beskrivning tekst beskrivelse forklaring selite
        viesti selitys popis zprava poznamka zpravaproprijemce kozlemeny megjegyzes detalii detaliitranzactie
        описание назначение назначениеплатежа 摘要 お取引内容 取引内容 内容 适用 交易摘要 附言 적요 내용
        기재내용 transaction activity reason chequedetails bookingtext transactiontext bewegungstyp umsatzart
        descrizioneestesa""",
    "reference": """
        reference referencenumber transactionid transactionnumber referenz referenznummer id fitid
        transactionreference kundenreferenz bankreference refno chqrefno chqrefnumber chequenumber checknumber
        arkivointitunnus numerooperazione numoperation idoperace idpohybu transactionsid 取引番号 交易流水号
        zahlungsreferenznr""",
    "category": "category kategorie categorie categoria kategoria hauptkategorie kategori 分类",
    "account": """
        iban clientaccount kliendikonto klientakonts kliento_saskaita cislouctu ibankontoinhaber
        numerrachunkukarty ibandescomptes postedaccount bankaccount auftragskonto account accountnumber
        accountname accountno rekening rekeningnummer ibanbban ibanauftragskonto kontonummer konto eigeneskonto
        eigenesiban numerocompte compte comptenum numerodecompte cuenta conto ownaccount sourceaccount 口座番号
        账号""",
    "status": "status state umsatzstatus transactionstatus statut estado stato stan stav_ tila",
}
_NOT_LETTERS = re.compile(r"[\W_]+")
_IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
#: Within longer names, such as "Buchungstag (Datum)" or "Transaction Amount in EUR"; the first that fits counts.
_WITHIN = (
    ("value_date", ("wertstellung", "valutadat", "valuedate", "datevaleur", "fechavalor")),
    ("balance", ("saldo", "balance", "kontostand", "solde", "残高", "現在高", "余额", "잔액")),
    ("date", ("buchungstag", "buchungsdatum", "bookingdate", "postingdate", "transactiondate", "boekdatum")),
    ("debit", ("withdrawal", "debitamount", "paidout", "moneyout", "belastung", "払出", "出金金", "引出", "출금")),
    ("credit", ("deposit", "creditamount", "paidin", "moneyin", "受入", "入金金", "預入", "입금")),
    ("currency", ("currency", "wahrung", "munteenheid")),
    ("amount", ("betrag", "amount", "umsatz", "montant", "importe", "importo", "bedrag", "kwota", "belopp", "castka")),
    ("payee", ("empfanger", "begunstigte", "beguenstigte", "zahlungspflichtig", "beneficiar", "counterparty", "payee")),
    ("text", ("verwendungszweck", "buchungstext", "libelle", "omschrijving", "mededeling", "descri", "beschrei",
              "detail")),
)  # fmt: skip
#: Names that have this in them are of the other side, or of another currency.
_FOREIGN = re.compile(
    r"original|ursprung|^(?:foreign|fremd|waluta_|counterparty|tegen|gegen|partner|beneficiary|exchange|kurs|wechsel"
    r"|puvodni|source|balancete|betragdetail"
    r"|kartenw|instructed|nativ|target|kwotawwalucieorygin|ausgangs|gebuhr(?=.)|bic|iban(?!auftrag|bban)|konto(?:nummer)?iban)"
)


def key_of(name: str) -> str:
    """A column's name as it is looked up: letters and figures, without accents, case and what stands in brackets."""
    plain = "".join(one for one in normalize("NFKD", name.casefold()) if not 0x300 <= ord(one) <= 0x36F)
    composed = normalize("NFC", plain).replace("ł", "l").replace("ß", "ss").replace("ı", "i")
    return _NOT_LETTERS.sub("", _IN_BRACKETS.sub("", composed)) or _NOT_LETTERS.sub("", composed)


_AT_ONCE = {key_of(name): role for role, names in _NAMES.items() for name in names.split()}
#: Days on which the bank has booked, as it calls them where it has the day of the purchase, too.
_BOOKING_DAYS = """
    settleddate datumzauctovania
    bookingdate bookedat postingdate posteddate postdate dateposted postedtransactionsdate clearingdate
    completeddate datecompleted buchungstag buchungsdatum dateofposting datecomptable
    datedecomptabilisation fechacontable datacontabile datadicontabilizzazione dataksiegowania
    datarozliczenia boekdatum boekingsdatum bokforingsdag bokforingsdatum bogføringsdato bokføringsdato
    reskontradatum kirjauspaiva datumzauctovani konyvelesdatuma датапроводки 记账日期 入账日期"""
_BOOKING = frozenset(map(key_of, _BOOKING_DAYS.split()))
#: What is left when a fee is taken off.
_NET = frozenset(("net", "netto", "neto", "netamount", "nettobetrag", "nettoamount", "totalamount"))
#: Names of whoever a file is about: only where no column says that it is the other side.
_ANYBODY = frozenset(
    ("name", "naam", "namn", "nimi", "navn", "nom", "nombre", "counterparty", "tegenpartij", "partner")
)
_CHARGES = re.compile(r"fee|steuer|tax|mwst|tip$|rabatt|discount|rebate|cashback|limit")
_AT_THE_END = re.compile(r"[\s(]*(?:\b(?:in|en|w|v)\s+)?\(?\b([A-Z]{3})\)?\s*$")
#: What is longer is no name of a column.
LONGEST_NAME = 100
_BRACKETED = re.compile(r"[(\[]([^()\[\]]*)[)\]]")


def _known(name: str) -> str | None:
    """What stands in brackets may say debit or credit; a currency at the end says nothing of the role."""
    if len(name) > LONGEST_NAME:
        return None
    for inner in _BRACKETED.findall(name):
        if (role := _AT_ONCE.get(key_of(inner))) in ("debit", "credit"):
            return role
    plain = _AT_ONCE.get(key_of(name))
    if plain is None and (code := _AT_THE_END.search(name)) is not None and is_currency(code[1]):
        plain = _AT_ONCE.get(key_of(name[: code.start()]))
    return plain


def role_of(name: str) -> str | None:
    """What a column of this name is; None where that cannot be told by it."""
    if len(name) > LONGEST_NAME:
        return None
    if found := _known(name):
        return found
    for key in dict.fromkeys((key_of(name), _without_digraphs(key_of(name)))):
        if found := _AT_ONCE.get(key):
            return found
        if len(key) > 60 or _FOREIGN.search(key):
            continue
        role = next((role for role, parts in _WITHIN if any(part in key for part in parts)), None)
        if role is not None and not (role in ("amount", "debit", "credit") and is_charge(name)):
            return role
    return None


def _without_digraphs(key: str) -> str:
    """As people write umlauts who have none on their keyboards."""
    return key.replace("ae", "a").replace("oe", "o").replace("ue", "u")


def rank(name: str) -> int:
    """Of several columns of one role, the lowest is it: the day of booking before the purchase's, the net amount."""
    if len(name) > LONGEST_NAME:
        return 4
    key = key_of(name)
    if key in _BOOKING or key in _NET:
        return 0
    if key in _ANYBODY:
        return 4
    if _known(name) is None:
        return 3
    return 2 if _IN_BRACKETS.search(name) else 1


def is_charge(name: str) -> bool:
    """It is a part of an amount, such as a tax or a fee."""
    return len(name) <= LONGEST_NAME and _CHARGES.search(key_of(name)) is not None


def is_net(name: str) -> bool:
    """The fee is taken off already."""
    return key_of(name) in _NET
