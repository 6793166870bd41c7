"""Further CSV files of banks and apps of all countries, each beside what it says."""

# ruff: noqa: E501  (a line of a file is a line)

from csv_samples import Sample

SHOP_AND_WORK = (("2024-01-30", "1000.00", "WORK"), ("2024-01-31", "-12.50", "SHOP"))

SAMPLES = [
    Sample(
        "consors",
        "Buchung;Valuta;Sender / Empfänger;IBAN / Konto-Nr.;BIC / BLZ;Buchungstext;Verwendungszweck;Kategorie;Stichwörter;Umsatz geteilt;Betrag in EUR\n"
        "31.01.2024;31.01.2024;SHOP;DE89370400440532013000;COBA;LASTSCHRIFT;Strom;Wohnen;;;-12,50\n"
        "30.01.2024;30.01.2024;WORK;DE89370400440532013001;COBA;GEHALT;Januar;;;;1.000,00\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "1822",
        "Kontonummer;Datum/Zeit;Buchungstag;Wertstellung;Soll/Haben;Buchungsschlüssel;Buchungsart;Empfänger/Auftraggeber Name;Empfänger/Auftraggeber IBAN;Empfänger/Auftraggeber BIC;Glaeubiger-ID;Mandatsreferenz;Mandatsdatum;Vwz.0;Vwz.1;Vwz.2\n"
        "1234567;31.01.2024 10:00;31.01.2024;31.01.2024;-12,50;9310;Lastschrift;SHOP;DE89;COBA;;;;Strom;;\n"
        "1234567;30.01.2024 10:00;30.01.2024;30.01.2024;1.000,00;166;Gutschrift;WORK;DE89;COBA;;;;Gehalt;;\n",
        SHOP_AND_WORK,
        currency="EUR",
        number="1234567",
    ),
    Sample(
        "norisbank",
        "Buchungstag;Wert;Umsatzart;Begünstigter / Auftraggeber;Verwendungszweck;IBAN;BIC;Kundenreferenz;Mandatsreferenz;Gläubiger ID;Fremde Gebühren;Betrag;Abweichender Empfänger;Anzahl der Aufträge;Anzahl der Schecks;Soll;Haben;Währung\n"
        "31.01.2024;31.01.2024;Kartenzahlung;SHOP;x;DE89;C;;;;0,50;-12,50;;;;-12,50;;EUR\n"
        "30.01.2024;30.01.2024;Gutschrift;WORK;y;DE89;C;;;;;1.000,00;;;;;1.000,00;EUR\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "targobank",
        "31.01.2024,-12.50,EUR,SHOP KARTE\n30.01.2024,1000.00,EUR,WORK GEHALT\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "trade-republic",
        "Date;Type;Value;Note;ISIN;Shares;Fees;Taxes\n"
        "2024-01-31T10:00:00;Card;-12.50;SHOP;;;;\n"
        "2024-01-30T10:00:00;Deposit;1000.00;WORK;;;;\n",
        SHOP_AND_WORK,
        currency="EUR",
    ),
    Sample(
        "vivid",
        "Booking Date,Value Date,Type,Text,Amount,Currency\n"
        '31.01.2024,31.01.2024,Card,SHOP,"-12,50",EUR\n'
        '30.01.2024,30.01.2024,In,WORK,"1.000,00",EUR\n',
        SHOP_AND_WORK,
    ),
    Sample(
        "tomorrow",
        "booked_at,description,recipient_name,transaction_type,amount,currency\n"
        "2024-01-31,x,SHOP,card,-12.50,EUR\n"
        "2024-01-30,y,WORK,credit,1000.00,EUR\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "kontist",
        "Buchungsdatum;Valutadatum;Empfänger;IBAN;Verwendungszweck;E2E-Referenz;Betrag (EUR)\n"
        "2024-01-31;2024-01-31;SHOP;DE89;x;;-12,50\n"
        "2024-01-30;2024-01-30;WORK;DE90;y;;1000,00\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "qonto",
        "settlement_date_utc,operation_date_utc,counterparty_name,amount,currency,payment_method,initiator,reference,note,category,vat_amount,vat_rate\n"
        '31-01-2024 10:00:00,30-01-2024 10:00:00,SHOP,"-12,50",EUR,card,Ann,ref,,food,"-2,00",19\n'
        '30-01-2024 10:00:00,30-01-2024 10:00:00,WORK,"1000,00",EUR,transfer,,ref,,,,\n',
        SHOP_AND_WORK,
    ),
    Sample(
        "lloyds-card",
        "Date,Date entered,Reference,Description,Amount,\n"
        "31/01/2024,31/01/2024,R1,SHOP,12.50,\n"
        "30/01/2024,30/01/2024,R2,PAYMENT WORK,-1000.00,\n",
        SHOP_AND_WORK,
        currency="GBP",
        layout={"negate": True},
    ),
    Sample(
        "tsb",
        "Transaction date,Transaction type,Sort code,Account number,Transaction description,Debit amount,Credit amount,Balance\n"
        "31/01/2024,DEB,'77-11-11,12345678,SHOP,12.50,,987.50\n"
        "30/01/2024,FPI,'77-11-11,12345678,WORK,,1000.00,1000.00\n",
        SHOP_AND_WORK,
        currency="GBP",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "coop-uk",
        "Date,Description,Type,Money In,Money Out,Balance\n"
        "2024-01-31,SHOP,DEBIT,,12.50,987.50\n"
        "2024-01-30,WORK,CREDIT,1000.00,,1000.00\n",
        SHOP_AND_WORK,
        currency="GBP",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "virgin-uk",
        "Date,Time,Description,Amount,Balance\n"
        "31 January 2024,10:00,SHOP,-£12.50,£987.50\n"
        '30 January 2024,10:00,WORK,"£1,000.00","£1,000.00"\n',
        SHOP_AND_WORK,
        currency="GBP",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "santander-uk-txt",
        "Date,Type,Merchant/Description,Debit/Credit,Balance\n"
        "31/01/2024,CARD,SHOP,-£12.50,+£987.50\n"
        '30/01/2024,FPI,WORK,"+£1,000.00","+£1,000.00"\n',
        SHOP_AND_WORK,
        currency="GBP",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "metro",
        "Date,Details,Transaction Type,In,Out,Balance\n"
        "31/01/2024,SHOP,Card,,12.50,987.50\n"
        "30/01/2024,WORK,Credit,1000.00,,1000.00\n",
        SHOP_AND_WORK,
        currency="GBP",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "boi",
        "Date,Details,Debit,Credit,Balance\n"
        "30/01/2024,BALANCE FORWARD,,,0.00\n"
        "30/01/2024,WORK,,1000.00,1000.00\n"
        "31/01/2024,SHOP,12.50,,987.50\n",
        SHOP_AND_WORK,
        currency="EUR",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "pnc",
        "Date,Description,Withdrawals,Deposits,Category,Balance\n"
        "01/31/2024,SHOP,$12.50,,Food,$987.50\n"
        '01/30/2024,WORK,,"$1,000.00",Income,"$1,000.00"\n',
        SHOP_AND_WORK,
        currency="USD",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "usaa",
        "Date,Description,Original Description,Category,Amount,Status\n"
        "2024-01-31,Shop,SHOP 123,Food,-12.50,Posted\n"
        "2024-01-30,Work,WORK,Income,1000.00,Posted\n",
        (
            ("2024-01-30", "1000.00", "Work"),
            ("2024-01-31", "-12.50", "Shop"),
        ),
        currency="USD",
    ),
    Sample(
        "discover-bank",
        "Transaction Date,Transaction Description,Transaction Type,Debit,Credit,Balance\n"
        "01/31/2024,SHOP,Debit,12.50,0,987.50\n"
        "01/30/2024,WORK,Credit,0,1000.00,1000.00\n",
        SHOP_AND_WORK,
        currency="USD",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "citizens",
        '"Transaction Type","Date","Account Type","Description","Amount","Reference No.","Credits","Debits"\n'
        '"DEBIT","01/31/24","CHECKING","SHOP","-12.50","","","-12.50"\n'
        '"CREDIT","01/30/24","CHECKING","WORK","1000.00","","1000.00",""\n',
        SHOP_AND_WORK,
        currency="USD",
    ),
    Sample(
        "becu",
        '"Date","No.","Description","Debit","Credit"\n'
        '"1/31/2024","","SHOP","-12.50",""\n'
        '"1/30/2024","","WORK","","1000.00"\n',
        SHOP_AND_WORK,
        currency="USD",
    ),
    Sample(
        "navy-federal",
        "Posting Date,Transaction Date,Amount,Credit Debit Indicator,type,Type Group,Reference,Instructed Currency,Currency Exchange Rate,Instructed Amount,Description,Category,Check Serial Number,Card Ending\n"
        "01/31/2024,01/30/2024,12.50,Debit,Card,,,,,,SHOP,Food,,\n"
        "01/30/2024,01/30/2024,1000.00,Credit,Dep,,,,,,WORK,Income,,\n",
        SHOP_AND_WORK,
        currency="USD",
    ),
    Sample(
        "fidelity",
        "\n"
        "\n"
        "Run Date,Action,Symbol,Description,Type,Quantity,Price ($),Commission ($),Fees ($),Accrued Interest ($),Amount ($),Cash Balance ($),Settlement Date\n"
        '01/31/2024,"DIRECT DEBIT SHOP",,"No Description",Cash,0.000,,,,,-12.50,987.50,01/31/2024\n'
        '01/30/2024,"DIRECT DEPOSIT WORK",,"No Description",Cash,0.000,,,,,1000.00,1000.00,01/30/2024\n',
        SHOP_AND_WORK,
        currency="USD",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "stripe",
        "id,Type,Source,Amount,Fee,Net,Currency,Created (UTC),Available On (UTC),Description\n"
        "txn_1,charge,ch_1,1030.00,30.00,1000.00,usd,2024-01-30 10:00,2024-02-01 00:00,WORK\n"
        "txn_2,refund,re_1,-12.50,0.00,-12.50,usd,2024-01-31 10:00,2024-02-01 00:00,SHOP\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "cashapp",
        '"Transaction ID","Date","Transaction Type","Currency","Amount","Fee","Net Amount","Asset Type","Asset Price","Asset Amount","Status","Notes","Name of sender/receiver","Account"\n'
        '"a","2024-01-31 10:00:00 EST","Cash Card","USD","-$12.50","$0","-$12.50","","","","COMPLETE","SHOP","","Visa"\n'
        '"b","2024-01-30 10:00:00 EST","P2P","USD","$1000","$0","$1000","","","","COMPLETE","WORK","Bob","Visa"\n',
        SHOP_AND_WORK,
    ),
    Sample(
        "tangerine",
        "Date,Transaction,Name,Memo,Amount\n1/31/2024,DEBIT,SHOP,x,-12.5\n1/30/2024,CREDIT,WORK,y,1000\n",
        SHOP_AND_WORK,
        currency="CAD",
    ),
    Sample(
        "scotia",
        '1/31/2024,-12.50,"-","POS Purchase","SHOP"\n1/30/2024,1000.00,"-","Payroll","WORK"\n',
        SHOP_AND_WORK,
        currency="CAD",
    ),
    Sample(
        "bmo",
        "Following data is valid as of 20240201100000 (Year/Month/Day/Hour/Minute/Second)\n"
        "\n"
        "First Bank Card,Transaction Type,Date Posted, Transaction Amount,Description\n"
        "\n"
        "'5000',DEBIT,20240131,-12.5,[PR]SHOP\n"
        "'5000',CREDIT,20240130,1000.0,[DN]WORK\n",
        SHOP_AND_WORK,
        currency="CAD",
    ),
    Sample(
        "anz",
        '31/01/2024,"-12.50","SHOP"\n30/01/2024,"1000.00","WORK"\n',
        SHOP_AND_WORK,
        currency="AUD",
    ),
    Sample(
        "bankwest",
        "BSB Number,Account Number,Transaction Date,Narration,Cheque Number,Debit,Credit,Balance,Transaction Type\n"
        '302-162,1234567,31/01/2024,"SHOP",,12.50,,987.50,WDL\n'
        '302-162,1234567,30/01/2024,"WORK",,,1000.00,1000.00,DEP\n',
        SHOP_AND_WORK,
        currency="AUD",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "up-au",
        "Time,BSB / Account Number,Transaction Type,Payee,Description,Category,Tags,Subtotal (AUD),Currency,Subtotal (Transaction Currency),Round Up (AUD),Total (AUD),Payment Method,Settled Date\n"
        "2024-01-31T10:00:00+11:00,1,Purchase,SHOP,x,Food,,-12.50,AUD,-12.50,,-12.50,Card,2024-01-31\n"
        "2024-01-30T10:00:00+11:00,1,Deposit,WORK,y,,,1000.00,AUD,1000.00,,1000.00,,2024-01-30\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "ocbc",
        "Account details for:,360 Account 123\n"
        "Available Balance,987.50\n"
        "Ledger Balance,987.50\n"
        "\n"
        "Transaction History\n"
        "Transaction date,Value date,Description,Withdrawals (SGD),Deposits (SGD)\n"
        "31/01/2024,31/01/2024,SHOP,12.50,\n"
        '30/01/2024,30/01/2024,WORK,,"1,000.00"\n',
        SHOP_AND_WORK,
    ),
    Sample(
        "sbi-in",
        "Account Name       :\tMr. X\n"
        "Address            :\tY\n"
        "Account Number     :\t_00000012345678901\n"
        "\n"
        "Txn Date\tValue Date\tDescription\tRef No./Cheque No.\t        Debit\tCredit\tBalance\n"
        "30 Jan 2024\t30 Jan 2024\tWORK\t\t \t1,000.00\t1,000.00\n"
        "31 Jan 2024\t31 Jan 2024\tSHOP\t\t12.50\t \t987.50\n"
        "**This is a computer generated statement\n",
        SHOP_AND_WORK,
        currency="INR",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "lunar",
        "Date;Text;Amount;Balance\n2024-01-31;SHOP;-12,50;987,50\n2024-01-30;WORK;1.000,00;1.000,00\n",
        SHOP_AND_WORK,
        currency="DKK",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "jyske",
        "Dato;Tekst;Beløb;Saldo\n31-01-2024;SHOP;-12,50;987,50\n30-01-2024;WORK;1.000,00;1.000,00\n",
        SHOP_AND_WORK,
        currency="DKK",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "skandia",
        "Bokföringsdatum;Beskrivning;Belopp;Saldo\n2024-01-31;SHOP;-12,50;987,50\n2024-01-30;WORK;1 000,00;1 000,00\n",
        SHOP_AND_WORK,
        currency="SEK",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "nordea-no",
        "Bokføringsdato;Beløp;Avsender;Mottaker;Navn;Tittel;Valuta;Betalingstype\n"
        "31.01.2024;-12,50;1;;SHOP;Kjøp SHOP;NOK;Kort\n"
        "30.01.2024;1000,00;;1;WORK;Lønn;NOK;Inn\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "seb-ee",
        '"Kliendi konto";"Dokumendi number";"Kuupäev";"Saaja/maksja konto";"Saaja/maksja nimi";"Saaja panga kood";"";"Deebet/Kreedit (D/C)";"Summa";"Viitenumber";"Arhiveerimistunnus";"Selgitus";"Teenustasu";"Valuuta";"Isikukood või registrikood"\n'
        '"EE382200221020145685";"1";"31.01.2024";"EE12";"SHOP";"";"";"D";"12,50";"";"A1";"ost";"";"EUR";""\n'
        '"EE382200221020145685";"2";"30.01.2024";"EE13";"WORK";"";"";"C";"1000,00";"";"A2";"palk";"";"EUR";""\n',
        SHOP_AND_WORK,
        number="EE382200221020145685",
    ),
    Sample(
        "seb-lt",
        '"Sąskaita";"Data";"Mokėtojas / gavėjas";"Paskirtis";"Suma";"Valiuta";"D/K"\n'
        '"LT12";"2024-01-31";"SHOP";"x";"12,50";"EUR";"D"\n'
        '"LT12";"2024-01-30";"WORK";"y";"1000,00";"EUR";"K"\n',
        SHOP_AND_WORK,
    ),
    Sample(
        "tatra-sk",
        "Dátum zaúčtovania;Dátum transakcie;Suma;Mena;Typ;Popis;Protistrana\n"
        "31.01.2024;30.01.2024;-12,50;EUR;Debet;SHOP;\n"
        "30.01.2024;30.01.2024;1000,00;EUR;Kredit;WORK;\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "erste-hr",
        "Datum valute;Datum izvršenja;Opis plaćanja;Uplata;Isplata;Stanje\n"
        "31.01.2024;31.01.2024;SHOP;;12,50;987,50\n"
        "30.01.2024;30.01.2024;WORK;1.000,00;;1.000,00\n",
        SHOP_AND_WORK,
        currency="EUR",
    ),
    Sample(
        "bt-ro",
        "Data tranzactie,Data valuta,Descriere,Referinta tranzactiei,Debit,Credit,Sold contabil\n"
        '2024-01-31,2024-01-31,SHOP,R1,"-12.50",,"987.50"\n'
        '2024-01-30,2024-01-30,WORK,R2,,"1,000.00","1,000.00"\n',
        SHOP_AND_WORK,
        currency="RON",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "piraeus-gr",
        "Ημερομηνία;Περιγραφή;Ποσό;Υπόλοιπο\n31/01/2024;SHOP;-12,50;987,50\n30/01/2024;WORK;1.000,00;1.000,00\n",
        SHOP_AND_WORK,
        currency="EUR",
    ),
    Sample(
        "leumi-il",
        "תאריך,תיאור,אסמכתא,חובה,זכות,יתרה\n31/01/2024,SHOP,1,12.50,,987.50\n30/01/2024,WORK,2,,1000.00,1000.00\n",
        SHOP_AND_WORK,
        currency="ILS",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "privat-ua",
        "Дата,Категорія,Картка,Опис операції,Сума в валюті картки,Валюта картки,Залишок\n"
        "31.01.2024 10:00:00,Food,1,SHOP,-12.50,UAH,987.50\n"
        "30.01.2024 10:00:00,Pay,1,WORK,1000.00,UAH,1000.00\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "bradesco",
        "Extrato de: Agência: 1 Conta: 2\n"
        "\n"
        "Data;Histórico;Docto.;Crédito (R$);Débito (R$);Saldo (R$)\n"
        "30/01/2024;WORK;1;1.000,00;;1.000,00\n"
        "31/01/2024;SHOP;2;;-12,50;987,50\n",
        SHOP_AND_WORK,
        currency="BRL",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "inter-br",
        "Extrato Conta Corrente\n"
        "Conta ;1\n"
        "Período ;01/01/2024 a 31/01/2024\n"
        "Saldo ;987,50\n"
        "\n"
        "Data Lançamento;Histórico;Descrição;Valor;Saldo\n"
        "31/01/2024;Pix;SHOP;-12,50;987,50\n"
        "30/01/2024;Pix;WORK;1.000,00;1.000,00\n",
        SHOP_AND_WORK,
        currency="BRL",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "bbva-mx",
        "Día,Concepto / Referencia,cargo,Abono,Saldo\n"
        "31/01/2024,SHOP,12.50,,987.50\n"
        '30/01/2024,WORK,,"1,000.00","1,000.00"\n',
        SHOP_AND_WORK,
        currency="MXN",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "posb-emoji",
        "Date,Description,Amount\n2024-01-31,SHOP ☕,-12.5\n2024-01-30,WORK,1000\n",
        SHOP_AND_WORK,
        currency="SGD",
    ),
    Sample(
        "ubs-collective-orders",
        "Kontonummer:;0234 00103914.40;\nBewertet in:;CHF;\n\n"
        "Abschlussdatum;Abschlusszeit;Buchungsdatum;Valutadatum;Währung;Belastung;Gutschrift;Einzelbetrag;Saldo;Transaktions-Nr.;Beschreibung1;Beschreibung2;Beschreibung3;Fussnoten;\n"
        '2024-01-31;;2024-01-31;2024-01-31;CHF;-12.50;;;987.50;1;"SHOP";Sammelauftrag;;;\n'
        ';;;;CHF;;;-10.00;;1;"A";;;;\n;;;;CHF;;;-2.50;;1;"B";;;;\n'
        '2024-01-30;;2024-01-30;2024-01-30;CHF;;1000.00;;1000.00;2;"WORK";Gutschrift;;;\n',
        SHOP_AND_WORK,
        balance=("0.00", "987.50"),
    ),
    Sample(
        "dashes-for-nothing",
        "Date,Text,Debit,Credit\n2024-01-31,SHOP,12.50,-\n2024-01-30,WORK,-,1000.00\n",
        SHOP_AND_WORK,
        currency="USD",
    ),
]
