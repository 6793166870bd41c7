"""More CSV files of banks of Germany, Austria and Switzerland, each beside what it says."""

# ruff: noqa: E501  (a line of a file is a line)

from csv_samples import Sample

SHOP_AND_WORK = (("2024-01-30", "1000.00", "WORK"), ("2024-01-31", "-12.50", "SHOP"))

SAMPLES = [
    Sample(
        "ubs-de",
        "Kontonummer:;0234 00103914.40;\n"
        "IBAN:;CH93 0076 2011 6238 5295 7;\n"
        "Von:;2024-01-01;\n"
        "Bis:;2024-01-31;\n"
        "Anfangssaldo:;100.00;\n"
        "Schlusssaldo:;1087.50;\n"
        "Bewertet in:;CHF;\n"
        "Anzahl Transaktionen in diesem Zeitraum:;2;\n"
        "\n"
        "Abschlussdatum;Abschlusszeit;Buchungsdatum;Valutadatum;Währung;Belastung;Gutschrift;Einzelbetrag;Saldo;Transaktions-Nr.;Beschreibung1;Beschreibung2;Beschreibung3;Fussnoten;\n"
        '2024-01-30;10:11:12;2024-01-31;2024-01-30;CHF;-12.50;;;1087.50;123TI;"Migros;8000 Zürich";"Zahlung Debitkarte";;;\n'
        '2024-01-29;;2024-01-29;2024-01-29;CHF;;1000.00;;1100.00;124TI;"Arbeit AG";Gutschrift;Zahlungsgrund: Lohn;;\n',
        (
            ("2024-01-29", "1000.00", "Arbeit"),
            ("2024-01-31", "-12.50", "Migros"),
        ),
        encoding="utf-8-sig",
        balance=("100.00", "1087.50"),
        number="CH93 0076 2011 6238 5295 7",
    ),
    Sample(
        "ubs-en",
        "Account number:;0234 00103914.40;\n"
        "IBAN:;CH93 0076 2011 6238 5295 7;\n"
        "From:;2024-01-01;\n"
        "Until:;2024-01-31;\n"
        "Opening balance:;100.00;\n"
        "Closing balance:;1087.50;\n"
        "Valued in:;CHF;\n"
        "Numbers of transactions in this period:;2;\n"
        "\n"
        "Trade date;Trade time;Booking date;Value date;Currency;Debit;Credit;Individual amount;Balance;Transaction no.;Description1;Description2;Description3;Footnotes;\n"
        '2024-01-30;10:11:12;2024-01-31;2024-01-30;CHF;-12.50;;;1087.50;123TI;"Migros;8000 Zürich";"Debit card payment";;;\n'
        '2024-01-29;;2024-01-29;2024-01-29;CHF;;1000.00;;1100.00;124TI;"Arbeit AG";Credit;Reason for payment: Lohn;;\n',
        (
            ("2024-01-29", "1000.00", "Arbeit"),
            ("2024-01-31", "-12.50", "Migros"),
        ),
        balance=("100.00", "1087.50"),
    ),
    Sample(
        "comdirect",
        ";\n"
        '"Umsätze Girokonto";"Zeitraum: 30 Tage";\n'
        '"Neuer Kontostand";"1.087,50 EUR";\n'
        "\n"
        '"Buchungstag";"Wertstellung (Valuta)";"Vorgang";"Buchungstext";"Umsatz in EUR";\n'
        '"offen";"--";"Visa-Umsatz";" Buchungstext: Kiosk";"-3,00";\n'
        '"31.01.2024";"31.01.2024";"Lastschrift / Belastung";"Auftraggeber: Stadtwerke Buchungstext: Strom Ref. 123";"-12,50";\n'
        '"30.01.2024";"30.01.2024";"Übertrag / Überweisung";"Auftraggeber: Arbeit GmbH Buchungstext: Gehalt";"1.000,00";\n'
        '"Alter Kontostand";"100,00 EUR";\n',
        (
            ("2024-01-30", "1000.00", "Arbeit"),
            ("2024-01-31", "-12.50", "Stadtwerke"),
        ),
        encoding="cp1252",
    ),
    Sample(
        "postbank",
        "Umsätze\n"
        "Konto;Filial-/Kontonummer;IBAN;Währung\n"
        "Giro plus;123 4567890;DE02120300000000202051;EUR\n"
        "\n"
        "1.1.2024 - 31.1.2024\n"
        "Letzter Kontostand;;;;1.087,50;EUR\n"
        "Vorgemerkte und noch nicht gebuchte Umsätze sind nicht Bestandteil dieser Übersicht.\n"
        "Buchungstag;Wert;Umsatzart;Begünstigter / Auftraggeber;Verwendungszweck;IBAN / Kontonummer;BIC;Kundenreferenz;Mandatsreferenz;Gläubiger ID;Fremde Gebühren;Betrag;Abweichender Empfänger;Anzahl der Aufträge;Anzahl der Schecks;Soll;Haben;Währung\n"
        "31.1.2024;31.1.2024;SEPA Lastschrift;Stadtwerke;Strom;DE89;COBA;;;;;-12,50;;;;-12,50;;EUR\n"
        "30.1.2024;30.1.2024;SEPA Überweisung;Arbeit GmbH;Gehalt;DE89;COBA;;;;;1.000,00;;;;;1.000,00;EUR\n"
        "Kontostand;31.1.2024;;;1.087,50;EUR\n",
        (
            ("2024-01-30", "1000.00", "Arbeit"),
            ("2024-01-31", "-12.50", "Stadtwerke"),
        ),
        encoding="utf-8-sig",
        number="DE02120300000000202051",
    ),
    Sample(
        "volksbank",
        "Bezeichnung Auftragskonto;IBAN Auftragskonto;BIC Auftragskonto;Bankname Auftragskonto;Buchungstag;Valutadatum;Name Zahlungsbeteiligter;IBAN Zahlungsbeteiligter;BIC (SWIFT-Code) Zahlungsbeteiligter;Buchungstext;Verwendungszweck;Betrag;Waehrung;Saldo nach Buchung;Bemerkung;Gekennzeichneter Umsatz;Glaeubiger ID;Mandatsreferenz\n"
        "Privatgiro;DE02120300000000202051;GENODEF1;Volksbank;31.01.2024;31.01.2024;Stadtwerke;DE89370400440532013000;COBADEFF;Lastschrift;Strom;-12,50;EUR;1.087,50;;;DE98;M1\n"
        "Privatgiro;DE02120300000000202051;GENODEF1;Volksbank;30.01.2024;30.01.2024;Arbeit GmbH;DE89370400440532013000;COBADEFF;Gehalt;Januar;1.000,00;EUR;1.100,00;;;;\n",
        (
            ("2024-01-30", "1000.00", "Arbeit"),
            ("2024-01-31", "-12.50", "Stadtwerke"),
        ),
        balance=("100.00", "1087.50"),
        number="DE02120300000000202051",
        payees=("Arbeit GmbH", "Stadtwerke"),
    ),
    Sample(
        "commerzbank",
        "Buchungstag;Wertstellung;Umsatzart;Buchungstext;Betrag;Währung;IBAN Kontoinhaber;Kategorie\n"
        "31.01.2024;31.01.2024;Lastschrift;Stadtwerke Strom;-12,50;EUR;DE02120300000000202051;Wohnen\n"
        "30.01.2024;30.01.2024;Überweisung;Arbeit Gehalt;1000,00;EUR;DE02120300000000202051;\n",
        (
            ("2024-01-30", "1000.00", "Arbeit"),
            ("2024-01-31", "-12.50", "Stadtwerke"),
        ),
        encoding="utf-8-sig",
        number="DE02120300000000202051",
    ),
    Sample(
        "hvb",
        "Kontonummer;Buchungsdatum;Valuta;Empfaenger 1;Empfaenger 2;Verwendungszweck;Betrag;Waehrung\n"
        "0012345678;31.01.2024;31.01.2024;Stadtwerke;;SEPA-LASTSCHRIFT Strom;-12,50;EUR\n"
        "0012345678;30.01.2024;30.01.2024;Arbeit GmbH;;Gehalt;1.000,00;EUR\n",
        (
            ("2024-01-30", "1000.00", "Arbeit"),
            ("2024-01-31", "-12.50", "Stadtwerke"),
        ),
        encoding="utf-16",
        number="0012345678",
    ),
    Sample(
        "dkb-old",
        '"Kontonummer:";"DE02120300000000202051 / Girokonto";\n'
        "\n"
        '"Von:";"01.01.2024";\n'
        '"Bis:";"31.01.2024";\n'
        '"Kontostand vom 31.01.2024:";"1.087,50 EUR";\n'
        "\n"
        '"Buchungstag";"Wertstellung";"Buchungstext";"Auftraggeber / Begünstigter";"Verwendungszweck";"Kontonummer";"BLZ";"Betrag (EUR)";"Gläubiger-ID";"Mandatsreferenz";"Kundenreferenz";\n'
        '"31.01.2024";"31.01.2024";"Lastschrift";"Stadtwerke";"Strom";"DE89370400440532013000";"COBADEFF";"-12,50";"";"";"";\n'
        '"30.01.2024";"30.01.2024";"Gutschrift";"Arbeit GmbH";"Gehalt";"DE89370400440532013001";"COBADEFF";"1.000,00";"";"";"";\n',
        (
            ("2024-01-30", "1000.00", "Arbeit"),
            ("2024-01-31", "-12.50", "Stadtwerke"),
        ),
        encoding="cp1252",
        number="DE02120300000000202051",
    ),
    Sample(
        "dkb-visa",
        '"Kreditkarte:";"4998************1234";\n'
        "\n"
        '"Von:";"01.01.2024";\n'
        '"Bis:";"31.01.2024";\n'
        '"Saldo:";"-12.5 EUR";\n'
        '"Datum:";"31.01.2024";\n'
        "\n"
        '"Umsatz abgerechnet und nicht im Saldo enthalten";"Wertstellung";"Belegdatum";"Beschreibung";"Betrag (EUR)";"Ursprünglicher Betrag";\n'
        '"Nein";"31.01.2024";"30.01.2024";"Laden London";"-12,50";"-10,00 GBP";\n'
        '"Ja";"15.01.2024";"14.01.2024";"Ausgleich";"1.000,00";"";\n',
        (
            ("2024-01-14", "1000.00", "Ausgleich"),
            ("2024-01-30", "-12.50", "Laden"),
        ),
        encoding="cp1252",
    ),
    Sample(
        "sparkasse-mt940csv",
        '"Auftragskonto";"Buchungstag";"Valutadatum";"Buchungstext";"Verwendungszweck";"Begünstigter/Zahlungspflichtiger";"Kontonummer";"BLZ";"Betrag";"Währung";"Info"\n'
        '"12345678";"31.01";"31.01.24";"LASTSCHRIFT";"Strom";"Stadtwerke";"87654321";"50010517";"-12,50";"EUR";"Umsatz gebucht"\n'
        '"12345678";"30.01";"30.01.24";"GUTSCHRIFT";"Gehalt";"Arbeit";"87654321";"50010517";"1000,00";"EUR";"Umsatz gebucht"\n',
        (
            ("2024-01-30", "1000.00", "Arbeit"),
            ("2024-01-31", "-12.50", "Stadtwerke"),
        ),
        encoding="cp1252",
        number="12345678",
    ),
    Sample(
        "n26-es",
        '"Fecha","Beneficiario","Número de cuenta","Tipo de transacción","Referencia de pago","Cantidad (EUR)","Cantidad (Divisa extranjera)","Tipo de divisa extranjera","Tipo de cambio"\n'
        '"2024-01-31","SHOP","","Pago con MasterCard","","-12.5","-10.0","GBP","0.8"\n'
        '"2024-01-30","WORK","ES91","Ingreso","nomina","1000.0","","",""\n',
        SHOP_AND_WORK,
    ),
    Sample(
        "n26-de-old",
        '"Datum","Empfänger","Kontonummer","Transaktionstyp","Verwendungszweck","Betrag (EUR)","Betrag (Fremdwährung)","Fremdwährung","Wechselkurs"\n'
        '"2024-01-31","SHOP","","MasterCard Zahlung","","-12.5","-12.5","EUR","1.0"\n'
        '"2024-01-30","WORK","DE89370400440532013000","Gutschrift","Gehalt","1000.0","","",""\n',
        SHOP_AND_WORK,
    ),
    Sample(
        "n26-en-old",
        '"Date","Payee","Account number","Transaction type","Payment reference","Amount (EUR)","Amount (Foreign Currency)","Type Foreign Currency","Exchange Rate"\n'
        '"2024-01-31","SHOP","","MasterCard Payment","","-12.5","-12.5","EUR","1.0"\n'
        '"2024-01-30","WORK","DE89370400440532013000","Income","Pay","1000.0","","",""\n',
        SHOP_AND_WORK,
    ),
    Sample(
        "zkb",
        '"Datum";"Buchungstext";"Whg";"Betrag Detail";"ZKB-Referenz";"Referenznummer";"Belastung CHF";"Gutschrift CHF";"Valuta";"Saldo CHF"\n'
        '"31.01.2024";"Einkauf SHOP";"";"";"Z1";"";"12.50";"";"31.01.2024";"987.50"\n'
        '"";"  davon detail";"CHF";"12.50";"";"";"";"";"";""\n'
        '"30.01.2024";"Gutschrift WORK";"";"";"Z2";"";"";"1\'000.00";"30.01.2024";"1\'000.00"\n',
        SHOP_AND_WORK,
        encoding="utf-8-sig",
        currency="CHF",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "raiffeisen-ch",
        "IBAN;Booked At;Text;Credit/Debit Amount;Balance;Valuta Date\n"
        "CH9300762011623852957;2024-01-31 00:00:00.0;Einkauf SHOP;-12.5;987.5;2024-01-31 00:00:00.0\n"
        "CH9300762011623852957;2024-01-30 00:00:00.0;Gutschrift WORK;1000;1000;2024-01-30 00:00:00.0\n",
        SHOP_AND_WORK,
        currency="CHF",
        balance=("0.00", "987.50"),
        number="CH9300762011623852957",
    ),
    Sample(
        "credit-suisse",
        "Bookings\n"
        "Created on 01.02.2024\n"
        "Account,CS Privatkonto\n"
        "IBAN,CH93 0076 2011 6238 5295 7\n"
        "\n"
        "Booking Date,Text,Debit,Credit,Value Date,Balance\n"
        '31.01.2024,"SHOP, Zürich",12.50,,31.01.2024,987.50\n'
        "30.01.2024,WORK,,1000.00,30.01.2024,1000.00\n"
        "Total,,12.50,1000.00,,\n",
        SHOP_AND_WORK,
        currency="CHF",
        balance=("0.00", "987.50"),
        number="CH93 0076 2011 6238 5295 7",
    ),
    Sample(
        "neon",
        '"Date";"Amount";"Original amount";"Original currency";"Exchange rate";"Description";"Subject";"Category";"Tags";"Wise";"Spaces"\n'
        '"2024-01-31";"-12.50";"-12.00";"EUR";"1.04";"SHOP";;"food";"";"no";"no"\n'
        '"2024-01-30";"1000.00";"";"";"";"WORK";"lohn";"income";"";"no";"no"\n',
        SHOP_AND_WORK,
        currency="CHF",
    ),
    Sample(
        "swisscard",
        "Transaction date,Description,Merchant,Card number,Currency,Amount,Foreign Currency,Amount in foreign currency,Debit/Credit,Status,Merchant Category,Registered Category\n"
        '31.01.2024,"SHOP ZURICH",SHOP,1234,CHF,12.50,,,Debit,Posted,Food,Food\n'
        '30.01.2024,"YOUR PAYMENT - WORK",,1234,CHF,-1000.00,,,Credit,Posted,,\n',
        SHOP_AND_WORK,
        currency="CHF",
    ),
    Sample(
        "postfinance-en",
        'Date from:;="2024-01-01"\n'
        'Date to:;="2024-01-31"\n'
        'Entry type:;="All bookings"\n'
        'Account:;="CH9300762011623852957"\n'
        'Currency:;="CHF"\n'
        "\n"
        "Date;Type of transaction;Notification text;Credit in CHF;Debit in CHF;Label;Category\n"
        '2024-01-31;Purchase;"SHOP ";;-12.5;;\n'
        '2024-01-30;Credit;"WORK";1000;;;\n'
        "\n"
        "Disclaimer:\n"
        "The document is not legally binding.\n",
        SHOP_AND_WORK,
        number="CH9300762011623852957",
    ),
    Sample(
        "postfinance-fr",
        'Date du:;="01.01.2024"\n'
        'Date au:;="31.01.2024"\n'
        'Type de transaction:;="Toutes les écritures"\n'
        'Compte:;="CH9300762011623852957"\n'
        'Monnaie:;="CHF"\n'
        "\n"
        "Date;Type de transaction;Texte de notification;Crédit en CHF;Débit en CHF;Étiquette;Catégorie\n"
        '31.01.2024;Achat;"SHOP";;-12.5;;\n'
        '30.01.2024;Crédit;"WORK";1000;;;\n'
        "\n"
        "Disclaimer:\n"
        "x\n",
        SHOP_AND_WORK,
        number="CH9300762011623852957",
    ),
    Sample(
        "postfinance-old",
        "Konto:;CH9300762011623852957\n"
        "Währung:;CHF\n"
        "\n"
        "Buchungsdatum;Avisierungstext;Gutschrift;Lastschrift;Valuta;Saldo\n"
        '2024-01-31;"SHOP";;-12.50;2024-01-31;987.50\n'
        '2024-01-30;"WORK";1000.00;;2024-01-30;\n',
        SHOP_AND_WORK,
        encoding="cp1252",
        number="CH9300762011623852957",
    ),
    Sample(
        "erste",
        "Buchungsdatum;Partnername;Partner IBAN;BIC/SWIFT;Partner Kontonummer;Bankleitzahl;Betrag;Währung;Buchungs-Details;Buchungs-Referenz;Notiz\n"
        "31.01.2024;SHOP;AT61;GIBA;;;-12,50;EUR;Zahlung;123;\n"
        "30.01.2024;WORK;AT61;GIBA;;;1.000,00;EUR;Gehalt;124;\n",
        SHOP_AND_WORK,
        encoding="utf-16",
        payees=("WORK", "SHOP"),
    ),
    Sample(
        "elba",
        '31.01.2024;"SHOP DANKT 1234";31.01.2024;-12,50;EUR;31.01.2024 10:11:12:123\n'
        '30.01.2024;"WORK Gehalt";30.01.2024;1.000,00;EUR;30.01.2024 01:02:03:001\n',
        SHOP_AND_WORK,
        encoding="utf-8-sig",
    ),
    Sample(
        "bawag",
        "AT611904300234573201;SHOP DANKT;31.01.2024;31.01.2024;-12,50;EUR\n"
        "AT611904300234573201;WORK;30.01.2024;30.01.2024;+1.000,00;EUR\n",
        SHOP_AND_WORK,
        number="AT611904300234573201",
    ),
]
