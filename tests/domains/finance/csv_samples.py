"""CSV files as banks of many countries lay them out, with words of our own; each beside what it says.

The layouts (names of columns, delimiters, encodings, order, signs) are the banks'; no line is any customer's.
"""

# ruff: noqa: E501  (a line of a file is a line)

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One file.

    Attributes:
        rows: (day, amount, a word of the text), oldest first.
        payees: The other sides of all rows, where the file names them apart.
    """

    name: str
    content: str
    rows: tuple[tuple[str, str, str], ...]
    encoding: str = "utf-8"
    currency: str | None = None
    balance: tuple[str, str] | None = None
    layout: dict[str, object] | None = None
    number: str | None = None
    payees: tuple[str, ...] | None = None

    @property
    def bytes(self) -> bytes:
        return self.content.encode(self.encoding)


SAMPLES = [
    Sample(
        "sparkasse-camt",
        '"Auftragskonto";"Buchungstag";"Valutadatum";"Buchungstext";"Verwendungszweck";"Glaeubiger ID";"Mandatsreferenz";"Kundenreferenz (End-to-End)";"Sammlerreferenz";"Lastschrift Ursprungsbetrag";"Auslagenersatz Ruecklastschrift";"Beguenstigter/Zahlungspflichtiger";"Kontonummer/IBAN";"BIC (SWIFT-Code)";"Betrag";"Waehrung";"Info"\n'
        '"DE02120300000000202051";"31.01.24";"31.01.24";"FOLGELASTSCHRIFT";"Beitrag Januar";"DE98";"M1";"";"";"";"";"Turnverein Größ";"DE89370400440532013000";"COBADEFFXXX";"-1.012,50";"EUR";"Umsatz gebucht"\n'
        '"DE02120300000000202051";"30.01.24";"30.01.24";"GUTSCHR. UEBERWEISUNG";"Gehalt";"";"";"";"";"";"";"Arbeit GmbH";"DE89370400440532013000";"COBADEFFXXX";"2.500,00";"EUR";"Umsatz vorgemerkt"\n',
        (("2024-01-30", "2500.00", "Gehalt"), ("2024-01-31", "-1012.50", "Turnverein")),
        encoding="iso-8859-1",
        number="DE02120300000000202051",
    ),
    Sample(
        "dkb",
        '"Girokonto";"DE02120300000000202051"\n"Zeitraum:";"01.01.2024 - 31.01.2024"\n"Kontostand vom 31.01.2024:";"1.234,56 EUR"\n""\n'
        '"Buchungsdatum";"Wertstellung";"Status";"Zahlungspflichtige*r";"Zahlungsempfänger*in";"Verwendungszweck";"Umsatztyp";"IBAN";"Betrag (€)";"Gläubiger-ID";"Mandatsreferenz";"Kundenreferenz"\n'
        '"15.01.24";"15.01.24";"Gebucht";"Ich";"Bäckerei Krume";"Brot";"Ausgang";"DE1";"-4,20";"";"";""\n'
        '"14.01.24";"14.01.24";"Vorgemerkt";"Ich";"Kiosk";"Zeitung";"Ausgang";"DE1";"-12";"";"";""\n',
        (("2024-01-14", "-12.00", "Zeitung"), ("2024-01-15", "-4.20", "Brot")),
        encoding="utf-8-sig",
        number="DE02120300000000202051",
        payees=("Kiosk", "Bäckerei Krume"),
    ),
    Sample(
        "ing-diba",
        "Umsatzanzeige;Datei erstellt am: 01.02.2024 10:00\n\nIBAN;DE02 1203 0000 0000 2020 51\nKontoname;Girokonto\nBank;ING\nKunde;Ich\nZeitraum;01.01.2024 - 31.01.2024\nSaldo;1.000,00;EUR\n\nSortierung;Datum absteigend\n\nIn der CSV-Datei finden Sie alle bereits gebuchten Umsätze.\n\n"
        "Buchung;Wertstellungsdatum;Auftraggeber/Empfänger;Buchungstext;Verwendungszweck;Saldo;Währung;Betrag;Währung\n"
        "31.01.2024;31.01.2024;Vermieter;Dauerauftrag;Miete;1.000,00;EUR;-700,00;EUR\n"
        "30.01.2024;30.01.2024;Arbeit AG;Gehalt;Januar;1.700,00;EUR;1.500,00;EUR\n",
        (("2024-01-30", "1500.00", "Arbeit"), ("2024-01-31", "-700.00", "Miete")),
        encoding="cp1252",
        balance=("200.00", "1000.00"),
        number="DE02 1203 0000 0000 2020 51",
    ),
    Sample(
        "n26",
        '"Booking Date","Value Date","Partner Name","Partner Iban",Type,"Payment Reference","Account Name","Amount (EUR)","Original Amount","Original Currency","Exchange Rate"\n'
        '2024-01-05,2024-01-05,"REWE",,Presentment,,"Main Account",-12.34,12.34,EUR,1\n'
        '2024-01-06,2024-01-06,"Anna",DE1,"Credit Transfer","thanks","Main Account",5,,,\n',
        (("2024-01-05", "-12.34", "REWE"), ("2024-01-06", "5.00", "Anna")),
    ),
    Sample(
        "revolut",
        "Type,Product,Started Date,Completed Date,Description,Amount,Fee,Currency,State,Balance\n"
        "CARD_PAYMENT,Current,2024-01-02 08:00:00,2024-01-03 09:00:00,Cafe,-3.50,0.00,GBP,COMPLETED,96.50\n"
        "EXCHANGE,Current,2024-01-04 08:00:00,2024-01-04 08:00:01,To EUR,-50.00,0.50,GBP,COMPLETED,46.00\n"
        "CARD_PAYMENT,Current,2024-01-05 08:00:00,,Hotel,-20.00,0.00,GBP,REVERTED,\n",
        (("2024-01-03", "-3.50", "Cafe"), ("2024-01-04", "-50.50", "To EUR")),
        balance=("100.00", "46.00"),
    ),
    Sample(
        "monzo",
        "Transaction ID,Date,Time,Type,Name,Emoji,Category,Amount,Currency,Local amount,Local currency,Notes and #tags,Address,Receipt,Description,Category split,Money Out,Money In\n"
        "tx_1,03/01/2024,10:00:00,Card payment,Tesco,,Groceries,-10.20,GBP,-10.20,GBP,,,,TESCO STORES,,-10.20,\n"
        "tx_2,25/01/2024,10:00:00,Faster payment,Work,,Income,2000.00,GBP,2000.00,GBP,pay,,,WORK LTD,,,2000.00\n",
        (("2024-01-03", "-10.20", "Tesco"), ("2024-01-25", "2000.00", "Work")),
    ),
    Sample(
        "barclays",
        "Number,Date,Account,Amount,Subcategory,Memo\n"
        " ,31/01/2024,20-00-00 12345678,-25.00,PAYMENT,SHOP LONDON\n"
        " ,01/02/2024,20-00-00 12345678,100.00,FT,A SMITH\n",
        (("2024-01-31", "-25.00", "SHOP"), ("2024-02-01", "100.00", "SMITH")),
        currency="GBP",
        number="20-00-00 12345678",
    ),
    Sample(
        "nationwide",
        '"Account Name:","FlexAccount ****12345"\n"Account Balance:","£1234.56"\n"Available Balance: ","£1234.56"\n\n'
        '"Date","Transaction type","Description","Paid out","Paid in","Balance"\n'
        '"30 Jan 2024","Visa purchase","Cafe","£2.50","","£1237.06"\n"31 Jan 2024","Direct debit","Water","£2.50","","£1234.56"\n',
        (("2024-01-30", "-2.50", "Cafe"), ("2024-01-31", "-2.50", "Water")),
        encoding="cp1252",
        currency="GBP",
        balance=("1239.56", "1234.56"),
    ),
    Sample(
        "chase",
        "Details,Posting Date,Description,Amount,Type,Balance,Check or Slip #\n"
        'DEBIT,01/31/2024,"COFFEE SHOP 01/30",-4.50,DEBIT_CARD,1995.50,,\n'
        'CREDIT,01/30/2024,"PAYROLL",2000.00,ACH_CREDIT,2000.00,,\n',
        (("2024-01-30", "2000.00", "PAYROLL"), ("2024-01-31", "-4.50", "COFFEE")),
        currency="USD",
        balance=("0.00", "1995.50"),
    ),
    Sample(
        "bank-of-america",
        'Description,,Summary Amt.\nBeginning balance as of 01/01/2024,,"1,000.00"\nTotal credits,,"1,234.56"\nTotal debits,,"-34.56"\nEnding balance as of 01/31/2024,,"2,200.00"\n\n'
        'Date,Description,Amount,Running Bal.\n01/01/2024,Beginning balance as of 01/01/2024,,"1,000.00"\n'
        '01/15/2024,"PAYROLL","1,234.56","2,234.56"\n01/31/2024,"SHOP","-34.56","2,200.00"\n',
        (("2024-01-15", "1234.56", "PAYROLL"), ("2024-01-31", "-34.56", "SHOP")),
        currency="USD",
        balance=("1000.00", "2200.00"),
    ),
    Sample(
        "wells-fargo",
        '"01/31/2024","-12.00","*","","PURCHASE STORE"\n"01/30/2024","1500.00","*","","PAYROLL"\n',
        (("2024-01-30", "1500.00", "PAYROLL"), ("2024-01-31", "-12.00", "STORE")),
        currency="USD",
    ),
    Sample(
        "capital-one",
        "Transaction Date,Posted Date,Card No.,Description,Category,Debit,Credit\n"
        "2024-01-30,2024-01-31,1234,CAFE,Dining,12.50,\n2024-02-01,2024-02-02,1234,PAYMENT,Payment,,100.00\n",
        (("2024-01-31", "-12.50", "CAFE"), ("2024-02-02", "100.00", "PAYMENT")),
        currency="USD",
    ),
    Sample(
        "amex",
        "Date,Description,Card Member,Account #,Amount\n01/31/2024,SHOP NEW YORK,A PERSON,-12345,12.50\n01/15/2024,PAYMENT - THANK YOU,A PERSON,-12345,-100.00\n",
        (("2024-01-15", "100.00", "PAYMENT"), ("2024-01-31", "-12.50", "SHOP")),
        currency="USD",
        layout={"negate": True},
    ),
    Sample(
        "ing-nl",
        '"Datum";"Naam / Omschrijving";"Rekening";"Tegenrekening";"Code";"Af Bij";"Bedrag (EUR)";"Mutatiesoort";"Mededelingen";"Saldo na mutatie";"Tag"\n'
        '"20240131";"Albert Heijn";"NL69INGB0123456789";"";"BA";"Af";"12,34";"Betaalautomaat";"Pasvolgnr: 001";"87,66";""\n'
        '"20240130";"Werk BV";"NL69INGB0123456789";"NL20INGB0001234567";"OV";"Bij";"100,00";"Overschrijving";"Salaris";"100,00";""\n',
        (("2024-01-30", "100.00", "Werk"), ("2024-01-31", "-12.34", "Albert")),
        balance=("0.00", "87.66"),
        number="NL69INGB0123456789",
    ),
    Sample(
        "rabobank",
        '"IBAN/BBAN","Munt","BIC","Volgnr","Datum","Rentedatum","Bedrag","Saldo na trn","Tegenrekening IBAN/BBAN","Naam tegenpartij","Naam uiteindelijke partij","Naam initiërende partij","BIC tegenpartij","Code","Batch ID","Transactiereferentie","Machtigingskenmerk","Incassant ID","Betalingskenmerk","Omschrijving-1","Omschrijving-2","Omschrijving-3","Reden retour","Oorspr bedrag","Oorspr munt","Koers"\n'
        '"NL44RABO0123456789","EUR","RABONL2U","000000000000007213","2024-01-30","2024-01-30","+1.000,00","+1.500,00","NL1","Werk","","","X","cb","","","","","","Salaris"," ","","","","",""\n'
        '"NL44RABO0123456789","EUR","RABONL2U","000000000000007214","2024-01-31","2024-01-31","-50,00","+1.450,00","NL2","Energie","","","X","ei","","","","","","Termijn"," ","","","","",""\n',
        (("2024-01-30", "1000.00", "Salaris"), ("2024-01-31", "-50.00", "Energie")),
        encoding="cp1252",
        balance=("500.00", "1450.00"),
        number="NL44RABO0123456789",
    ),
    Sample(
        "abn-amro",
        "123456789\tEUR\t20240130\t100,00\t150,00\t20240130\t50,00\tSEPA Overboeking Werk\n123456789\tEUR\t20240131\t150,00\t137,50\t20240131\t-12,50\tBEA Winkel\n",
        (("2024-01-30", "50.00", "Werk"), ("2024-01-31", "-12.50", "Winkel")),
        layout={"amount": 7},
    ),
    Sample(
        "boursorama",
        "dateOp;dateVal;label;category;categoryParent;supplierFound;amount;comment;accountNum;accountLabel;accountbalance\n"
        '2024-01-31;2024-01-31;"CARTE 30/01/24 BOULANGERIE";"Alimentation";"Vie quotidienne";"boulangerie";-1 234,50;;00040;"BoursoBank";1000.00\n',
        (("2024-01-31", "-1234.50", "BOULANGERIE"),),
        currency="EUR",
        layout={"date": "dateOp", "text": ["label"]},
    ),
    Sample(
        "credit-agricole",
        "Date;Date de valeur;Débit euros;Crédit euros;Libellé;\n31/01/2024;31/01/2024;12,50;;PAIEMENT CARTE CAFÉ;\n30/01/2024;30/01/2024;;1 500,00;VIREMENT SALAIRE;\n",
        (("2024-01-30", "1500.00", "SALAIRE"), ("2024-01-31", "-12.50", "CAFÉ")),
        encoding="iso-8859-1",
        currency="EUR",
    ),
    Sample(
        "santander-es",
        "Fecha Operación;Fecha Valor;Concepto;Importe;Saldo\n31/01/2024;31/01/2024;COMPRA CAFETERÍA;-2,50;997,50\n30/01/2024;30/01/2024;NÓMINA;1.000,00;1.000,00\n",
        (("2024-01-30", "1000.00", "NÓMINA"), ("2024-01-31", "-2.50", "CAFETERÍA")),
        encoding="cp1252",
        currency="EUR",
        balance=("0.00", "997.50"),
    ),
    Sample(
        "intesa",
        "Data contabile;Data valuta;Descrizione;Accrediti;Addebiti;Descrizione estesa;Mezzo\n31/01/2024;31/01/2024;Pagamento POS;;12,50;Bar Centrale;Carta\n15/01/2024;15/01/2024;Stipendio;1.500,00;;Lavoro;\n",
        (("2024-01-15", "1500.00", "Stipendio"), ("2024-01-31", "-12.50", "Bar")),
        currency="EUR",
    ),
    Sample(
        "mbank",
        "mBank S.A. Bankowość Detaliczna;\nSkrytka Pocztowa 2108;\n\n#Klient;\nJAN KOWALSKI;\n\n#Waluta;\nPLN;\n\n"
        "#Data operacji;#Opis operacji;#Rachunek;#Kategoria;#Kwota;\n"
        '2024-01-31;"ŻABKA ZAKUP";"eKonto 1111";"Żywność";-12,50 PLN;;\n2024-01-30;"PRZELEW";"eKonto 1111";"Wpływy";1 500,00 PLN;;\n',
        (("2024-01-30", "1500.00", "PRZELEW"), ("2024-01-31", "-12.50", "ŻABKA")),
        encoding="cp1250",
    ),
    Sample(
        "handelsbanken",
        "Reskontradatum;Transaktionsdatum;Text;Belopp;Saldo\n2024-01-31;2024-01-31;ICA;-125,50;874,50\n2024-01-30;2024-01-30;Lön;1 000,00;1 000,00\n",
        (("2024-01-30", "1000.00", "Lön"), ("2024-01-31", "-125.50", "ICA")),
        currency="SEK",
        balance=("0.00", "874.50"),
    ),
    Sample(
        "danske",
        '"Dato";"Tekst";"Beløb";"Saldo";"Status";"Afstemt"\n"31.01.2024";"Netto";"-50,00";"950,00";"Udført";"Nej"\n"30.01.2024";"Løn";"1.000,00";"1.000,00";"Udført";"Nej"\n',
        (("2024-01-30", "1000.00", "Løn"), ("2024-01-31", "-50.00", "Netto")),
        encoding="iso-8859-1",
        currency="DKK",
        balance=("0.00", "950.00"),
    ),
    Sample(
        "dnb",
        '"Dato";"Forklaring";"Rentedato";"Ut fra konto";"Inn på konto"\n"31.01.2024";"Kiwi";"31.01.2024";"125,50";""\n"30.01.2024";"Lønn";"30.01.2024";"";"1.000,00"\n',
        (("2024-01-30", "1000.00", "Lønn"), ("2024-01-31", "-125.50", "Kiwi")),
        currency="NOK",
    ),
    Sample(
        "op",
        '"Kirjauspäivä";"Arvopäivä";"Määrä EUROA";"Laji";"Selitys";"Saaja/Maksaja";"Saajan tilinumero";"Viite";"Viesti";"Arkistointitunnus"\n'
        '2024-01-31;2024-01-31;-12,50;162;PKORTTIMAKSU;KAHVILA;;;"kahvi";20240131/1\n',
        (("2024-01-31", "-12.50", "KAHVILA"),),
        currency="EUR",
    ),
    Sample(
        "fio",
        '"accountId";"2400222222"\n"bankId";"2010"\n\n"ID pohybu";"Datum";"Objem";"Měna";"Protiúčet";"Název protiúčtu";"Zpráva pro příjemce";"Typ"\n'
        '"26962199069";"31.01.2024";"-1250,50";"CZK";"123";"Obchod";"nákup";"Platba kartou"\n',
        (("2024-01-31", "-1250.50", "Obchod"),),
    ),
    Sample(
        "mufg",
        '"日付","摘要","摘要内容","支払い金額","預かり金額","差引残高","メモ","未資金化区分","入払区分"\n'
        '"2024/1/30","給料","カイシヤ","","250,000","300,000","","",""\n"2024/1/31","カード","ミセ","1,200","","298,800","","",""\n',
        (("2024-01-30", "250000", "給料"), ("2024-01-31", "-1200", "カード")),
        encoding="cp932",
        currency="JPY",
        balance=("50000", "298800"),
    ),
    Sample(
        "hdfc",
        "  Date     ,Narration                ,Value Dat,Debit Amount       ,Credit Amount      ,Chq/Ref Number   ,Closing Balance\n"
        " 30/01/24  ,SALARY                   , 30/01/24,        0.00       ,   50000.00        ,0000000001       ,  1,50,000.00  \n".replace(
            "1,50,000.00", "150000.00"
        )
        + " 31/01/24  ,UPI-SHOP                 , 31/01/24,      250.00       ,       0.00        ,0000000002       ,  149750.00  \n",
        (("2024-01-30", "50000.00", "SALARY"), ("2024-01-31", "-250.00", "SHOP")),
        currency="INR",
        balance=("100000.00", "149750.00"),
    ),
    Sample(
        "commonwealth",
        '31/01/2024,"-12.50","CAFE SYDNEY AU","+987.50"\n30/01/2024,"+1000.00","SALARY","+1000.00"\n',
        (("2024-01-30", "1000.00", "SALARY"), ("2024-01-31", "-12.50", "CAFE")),
        currency="AUD",
        layout={"balance": 4, "amount": 2},
        balance=("0.00", "987.50"),
    ),
    Sample(
        "nubank",
        "Data,Valor,Identificador,Descrição\n30/01/2024,1500.00,65b8,Transferência recebida\n31/01/2024,-12.50,65b9,Compra no débito - PADARIA\n",
        (("2024-01-30", "1500.00", "recebida"), ("2024-01-31", "-12.50", "PADARIA")),
        currency="BRL",
    ),
    Sample(
        "postfinance",
        'Datum von:;="01.01.2024"\nBuchungsart:;="Alle"\nKonto:;="CH9300762011623852957"\nWährung:;="CHF"\n\n'
        "Datum;Bewegungstyp;Avisierungstext;Gutschrift in CHF;Lastschrift in CHF;Label;Kategorie\n"
        "31.01.2024;Kauf;Bäckerei;;-12.50;;\n30.01.2024;Gutschrift;Lohn;5'000.00;;;\n",
        (("2024-01-30", "5000.00", "Lohn"), ("2024-01-31", "-12.50", "Bäckerei")),
        currency="CHF",
        number="CH9300762011623852957",
    ),
    Sample(
        "tinkoff",
        '"Дата операции";"Дата платежа";"Номер карты";"Статус";"Сумма операции";"Валюта операции";"Сумма платежа";"Валюта платежа";"Категория";"Описание"\n'
        '"31.01.2024 12:00:00";"31.01.2024";"*1234";"OK";"-250,50";"RUB";"-250,50";"RUB";"Кафе";"Кофейня"\n',
        (("2024-01-31", "-250.50", "Кофейня"),),
        encoding="cp1251",
        currency="RUB",
    ),
]
