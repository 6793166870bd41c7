"""More CSV files of banks of continental Europe, each beside what it says."""

# ruff: noqa: E501  (a line of a file is a line)

from csv_samples import Sample

SHOP_AND_WORK = (("2024-01-30", "1000.00", "WORK"), ("2024-01-31", "-12.50", "SHOP"))

SAMPLES = [
    Sample(
        "swedbank-se",
        "* Transaktionsrapport Period 2024-01-01 – 2024-01-31 Skapad 2024-02-01 10:00 CET,,,,,,,,,,,\n"
        "Radnummer,Clearingnummer,Kontonummer,Produkt,Valuta,Bokföringsdag,Transaktionsdag,Valutadag,Referens,Beskrivning,Belopp,Bokfört saldo\n"
        '1,83279,9876543210,"Privatkonto",SEK,2024-01-31,2024-01-30,2024-01-31,"ICA","ICA SUPERMARKET",-125.50,874.50\n'
        '2,83279,9876543210,"Privatkonto",SEK,2024-01-25,2024-01-25,2024-01-25,"Lön","LÖN",1000.00,1000.00\n',
        (
            ("2024-01-25", "1000.00", "LÖN"),
            ("2024-01-31", "-125.50", "ICA"),
        ),
        encoding="cp1252",
        balance=("0.00", "874.50"),
        number="9876543210",
    ),
    Sample(
        "swedbank-ee",
        '"Kliendi konto";"Reatüüp";"Kuupäev";"Saaja/Maksja";"Selgitus";"Summa";"Valuuta";"Deebet/Kreedit";"Arhiveerimistunnus";"Tehingu tüüp";"Viitenumber";"Dokumendi number";\n'
        '"EE382200221020145685";"10";"01.01.2024";"";"Algsaldo";"100,00";"EUR";"K";"";"AS";"";"";\n'
        '"EE382200221020145685";"20";"15.01.2024";"SELVER";"ost";"12,50";"EUR";"D";"2024011500";"K";"";"";\n'
        '"EE382200221020145685";"20";"20.01.2024";"TÖÖ OÜ";"palk";"1000,00";"EUR";"K";"2024012000";"MK";"";"";\n'
        '"EE382200221020145685";"82";"31.01.2024";"";"Käive";"12,50";"EUR";"D";"";"K2";"";"";\n'
        '"EE382200221020145685";"82";"31.01.2024";"";"Käive";"1000,00";"EUR";"K";"";"K2";"";"";\n'
        '"EE382200221020145685";"86";"31.01.2024";"";"Lõppsaldo";"1087,50";"EUR";"K";"";"LS";"";"";\n',
        (
            ("2024-01-15", "-12.50", "SELVER"),
            ("2024-01-20", "1000.00", "TÖÖ"),
        ),
        number="EE382200221020145685",
    ),
    Sample(
        "swedbank-lv-en",
        '"Client account";"Row type";"Date";"Beneficiary/Payer";"Details";"Amount";"Currency";"Debit/Credit";"Transfer reference";"Transaction type";"Reference number";"Document number";\n'
        '"LV80HABA0551000000000";"10";"01.01.2024";"";"Opening balance";"100.00";"EUR";"K";"";"AS";"";"";\n'
        '"LV80HABA0551000000000";"20";"15.01.2024";"RIMI";"pirkums";"12.50";"EUR";"D";"2024011500";"K";"";"";\n'
        '"LV80HABA0551000000000";"20";"20.01.2024";"DARBS";"alga";"1000.00";"EUR";"K";"2024012000";"MK";"";"";\n'
        '"LV80HABA0551000000000";"82";"31.01.2024";"";"Turnover";"12.50";"EUR";"D";"";"K2";"";"";\n'
        '"LV80HABA0551000000000";"82";"31.01.2024";"";"Turnover";"1000.00";"EUR";"K";"";"K2";"";"";\n'
        '"LV80HABA0551000000000";"86";"31.01.2024";"";"closing balance";"1087.50";"EUR";"K";"";"LS";"";"";\n',
        (
            ("2024-01-15", "-12.50", "RIMI"),
            ("2024-01-20", "1000.00", "DARBS"),
        ),
    ),
    Sample(
        "bnp",
        "Compte de chèques;Compte;****1234;31/01/2024;;987,50\n"
        "31/01/2024;Paiement;CB;PAIEMENT CB SHOP;-12,50\n"
        "30/01/2024;Virement;Recu;VIR SEPA WORK;1 000,00\n",
        SHOP_AND_WORK,
        encoding="cp1252",
        currency="EUR",
    ),
    Sample(
        "socgen",
        '="00000 00000000000";01/01/2024;31/01/2024;2;31/01/2024;987,50 EUR\n'
        "\n"
        "Date de l'opération;Libellé;Détail de l'écriture;Montant de l'opération;Devise\n"
        "31/01/2024;CARTE X1234;CARTE X1234 30/01 SHOP;-12,50;EUR\n"
        "30/01/2024;VIR RECU;VIR RECU WORK;1000,00;EUR\n",
        SHOP_AND_WORK,
        encoding="cp1252",
    ),
    Sample(
        "fortuneo",
        "Date opération;Date valeur;libellé;Débit;Crédit;\n"
        "31/01/2024;31/01/2024;CARTE SHOP;-12,50;;\n"
        "30/01/2024;30/01/2024;VIR WORK;;1 000,00;\n",
        SHOP_AND_WORK,
        encoding="utf-8",
        currency="EUR",
    ),
    Sample(
        "banque-postale",
        "Numéro Compte   :;12345A\n"
        "Type         :;CCP\n"
        "Compte tenu en  :;Euros\n"
        "Date            :;31/01/2024\n"
        "Solde (EUROS)   :;987,50\n"
        "Solde (FRANCS)  :;6477,58\n"
        "\n"
        "Date;Libellé;Montant(EUROS);Montant(FRANCS)\n"
        '31/01/2024;"ACHAT CB SHOP";-12,50;-81,99\n'
        '30/01/2024;"VIREMENT DE WORK";1000,00;6559,57\n',
        SHOP_AND_WORK,
        encoding="cp1252",
        currency="EUR",
    ),
    Sample(
        "caisse-epargne",
        "Date de comptabilisation;Libelle simplifie;Libelle operation;Reference;Informations complementaires;Type operation;Categorie;Sous categorie;Debit;Credit;Date operation;Date de valeur;Pointage operation\n"
        "31/01/2024;SHOP;CB SHOP FACT 300124;ABC;;Carte bancaire;Achats;Autres;-12,50;;30/01/2024;31/01/2024;0\n"
        "30/01/2024;WORK;VIR SEPA WORK;ABD;;Virement recu;Revenus;Salaires;;+1000,00;30/01/2024;30/01/2024;0\n",
        SHOP_AND_WORK,
        currency="EUR",
    ),
    Sample(
        "credit-mutuel",
        "Date;Date de valeur;Débit;Crédit;Libellé;Solde\n"
        "30/01/2024;30/01/2024;;1000,00;VIR WORK;1000,00\n"
        "31/01/2024;31/01/2024;-12,50;;PAIEMENT CB SHOP;987,50\n",
        SHOP_AND_WORK,
        encoding="cp1252",
        currency="EUR",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "bunq",
        '"Date","Interest Date","Amount","Account","Counterparty","Name","Description"\n'
        '"2024-01-31","2024-01-31","-12.50","NL69BUNQ0123456789","NL20INGB0001234567","SHOP","desc"\n'
        '"2024-01-30","2024-01-30","1,000.00","NL69BUNQ0123456789","NL20INGB0001234567","WORK","pay"\n',
        SHOP_AND_WORK,
        currency="EUR",
        number="NL69BUNQ0123456789",
        payees=("WORK", "SHOP"),
    ),
    Sample(
        "kbc",
        "Rekeningnummer;Rubrieknaam;Naam;Munt;Afschriftnummer;Datum;Omschrijving;Valuta;Bedrag;Saldo;credit;debet;rekeningnummer tegenpartij;BIC tegenpartij;Naam tegenpartij;Adres tegenpartij;gestructureerde mededeling;Vrije mededeling\n"
        "BE68539007547034;Zicht;ANN IK;EUR; 02024001;31/01/2024;BETALING SHOP;31/01/2024;-12,50;987,50;;-12,50;BE71096123456769;GEBABEBB;SHOP;X;;melk\n"
        "BE68539007547034;Zicht;ANN IK;EUR; 02024001;30/01/2024;OVERSCHRIJVING WORK;30/01/2024;1000,00;1000,00;1000,00;;BE71096123456769;GEBABEBB;WORK;X;;loon\n",
        SHOP_AND_WORK,
        balance=("0.00", "987.50"),
        number="BE68539007547034",
        payees=("WORK", "SHOP"),
    ),
    Sample(
        "belfius",
        "Boekingsdatum vanaf;01/01/2024\n"
        "Boekingsdatum tot en met;31/01/2024\n"
        "Bedrag vanaf;\n"
        "Bedrag tot en met;\n"
        "Rekeninguittrekselnummer vanaf;\n"
        "Laatste saldo;987,50 EUR\n"
        "Datum/uur van het laatste saldo;31/01/2024 10:00:00\n"
        ";\n"
        "Rekening;Boekingsdatum;Rekeninguittrekselnummer;Transactienummer;Rekening tegenpartij;Naam tegenpartij bevat;Straat en nummer;Postcode en plaats;Transactie;Valutadatum;Bedrag;Devies;BIC;Landcode;Mededelingen\n"
        "BE68 5390 0754 7034;31/01/2024;00001;002;BE71 0961 2345 6769;SHOP;STRAAT 1;1000 BRUSSEL;BETALING MET KAART;31/01/2024;-12,50;EUR;GKCCBEBB;BE;melk\n"
        "BE68 5390 0754 7034;30/01/2024;00001;001;BE71 0961 2345 6769;WORK;STRAAT 1;1000 BRUSSEL;STORTING;30/01/2024;1000,00;EUR;GKCCBEBB;BE;loon\n",
        SHOP_AND_WORK,
        encoding="cp1252",
        number="BE68 5390 0754 7034",
        payees=("WORK", "SHOP"),
    ),
    Sample(
        "bnp-fortis",
        "Volgnummer;Uitvoeringsdatum;Valutadatum;Bedrag;Valuta rekening;Rekeningnummer;Type verrichting;Tegenpartij;Naam van de tegenpartij;Mededeling;Details;Status;Reden van weigering\n"
        "2024-0002;31/01/2024;31/01/2024;-12,50;EUR;BE68539007547034;Kaartbetaling;BE71096123456769;SHOP;melk;BETALING SHOP;Geaccepteerd;\n"
        "2024-0003;31/01/2024;31/01/2024;-99,00;EUR;BE68539007547034;Kaartbetaling;BE71096123456769;NOT;melk;x;Geweigerd;saldo\n"
        "2024-0001;30/01/2024;30/01/2024;1000,00;EUR;BE68539007547034;Overschrijving;BE71096123456769;WORK;loon;VAN WORK;Geaccepteerd;\n",
        SHOP_AND_WORK,
        number="BE68539007547034",
    ),
    Sample(
        "ing-be",
        "Rekeningnummer;Naam van de rekening;Rekening tegenpartij;Omzetnummer;Boekingsdatum;Valutadatum;Bedrag;Munteenheid;Omschrijving;Detail van de omzet;Bericht\n"
        "BE68539007547034;ANN IK;BE71096123456769;2;31/01/2024;31/01/2024;-12,50;EUR;Betaling SHOP;Kaart;\n"
        "BE68539007547034;ANN IK;BE71096123456769;1;30/01/2024;30/01/2024;1000;EUR;Storting WORK;loon;\n",
        SHOP_AND_WORK,
        number="BE68539007547034",
    ),
    Sample(
        "triodos",
        '"31-01-2024","NL20TRIO0123456789","12,50","Debet","SHOP","NL20INGB0001234567","BA","omschrijving","987,50"\n'
        '"30-01-2024","NL20TRIO0123456789","1.000,00","Credit","WORK","NL20INGB0001234567","OV","omschrijving","1.000,00"\n',
        SHOP_AND_WORK,
        currency="EUR",
    ),
    Sample(
        "asn",
        "31-01-2024,NL69ASNB0123456789,NL20INGB0001234567,shop,,,,EUR,1000.00,EUR,-12.50,31-01-2024,31-01-2024,8810,BEA,123,,'omschrijving',\n"
        "30-01-2024,NL69ASNB0123456789,NL20INGB0001234567,work,,,,EUR,0.00,EUR,1000.00,30-01-2024,30-01-2024,8810,OVB,124,,'omschrijving',\n",
        (
            ("2024-01-30", "1000.00", "work"),
            ("2024-01-31", "-12.50", "shop"),
        ),
    ),
    Sample(
        "knab",
        "KNAB EXPORT;;;;;;;;;;;;;;;;\n"
        "Rekeningnummer;Transactiedatum;Valutacode;CreditDebet;Bedrag;Tegenrekeningnummer;Tegenrekeninghouder;Valutadatum;Betaalwijze;Omschrijving;Type betaling;Machtigingsnummer;Incassant ID;Adres;Referentie;Boekdatum;\n"
        '"NL69KNAB0123456789";"31-01-2024";"EUR";"D";"12,50";"NL20";"SHOP";"31-01-2024";"Betaalautomaat";"SHOP desc";"";"";"";"";"C4A";"31-01-2024";\n'
        '"NL69KNAB0123456789";"30-01-2024";"EUR";"C";"1000,00";"NL20";"WORK";"30-01-2024";"Overboeking";"WORK loon";"";"";"";"";"C4B";"30-01-2024";\n',
        SHOP_AND_WORK,
        number="NL69KNAB0123456789",
    ),
    Sample(
        "caixabank",
        "Fecha;Fecha valor;Movimiento;Más datos;Importe;Saldo\n"
        "31/01/2024;31/01/2024;SHOP;;-12,50EUR;987,50EUR\n"
        "30/01/2024;30/01/2024;WORK;NOMINA;1.000,00EUR;1.000,00EUR\n",
        SHOP_AND_WORK,
        balance=("0.00", "987.50"),
    ),
    Sample(
        "fineco",
        "Data;Entrate;Uscite;Descrizione;Descrizione_Completa;Stato\n"
        "31/01/2024;;-12,50;PagoBancomat;SHOP;Contabilizzato\n"
        "30/01/2024;1000;;Stipendio;WORK;Contabilizzato\n",
        SHOP_AND_WORK,
        currency="EUR",
    ),
    Sample(
        "unicredit-it",
        "Data Registrazione;Data valuta;Descrizione;Importo (EUR)\n"
        "31.01.2024;31.01.2024;PAGAMENTO SHOP;-12,50\n"
        "30.01.2024;30.01.2024;BONIFICO WORK;1.000,00\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "pko",
        '"Data operacji","Data waluty","Typ transakcji","Kwota","Waluta","Saldo po transakcji","Opis transakcji","","","",""\n'
        '"2024-01-31","2024-01-30","Płatność kartą","-12.50","PLN","+987.50","Tytuł: 0001","Lokalizacja: SHOP","Data: 2024","",""\n'
        '"2024-01-30","2024-01-30","Przelew na konto","+1000.00","PLN","+1000.00","Rachunek nadawcy: 12","Nazwa nadawcy: WORK","","",""\n',
        SHOP_AND_WORK,
        encoding="cp1250",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "ing-pl",
        '"Lista transakcji";"";;;;\n'
        '"Dokument nr";"1";\n'
        '"Wybrane rachunki:"\n'
        '"Konto Direct";;"12 1050 0000 1111 2222 3333 4444"\n'
        "\n"
        '"Data transakcji";"Data księgowania";"Dane kontrahenta";"Tytuł";"Nr rachunku";"Nazwa banku";"Szczegóły";"Nr transakcji";"Kwota transakcji (waluta rachunku)";"Waluta";"Kwota blokady/zwolnienie blokady";"Waluta";"Kwota płatności w walucie";"Waluta";"Konto";"Saldo po transakcji";"Waluta";;;;\n'
        '2024-01-30;2024-01-31;"SHOP";"Płatność kartą";\'\';"";"TR.KART";\'2024\';-12,50;PLN;;;;;"Konto Direct";987,50;PLN;;;;\n'
        '2024-01-30;2024-01-30;"WORK";"pensja";\'12\';"";"PRZELEW";\'2025\';1000,00;PLN;;;;;"Konto Direct";1000,00;PLN;;;;\n'
        '"Dokument ma charakter informacyjny"\n',
        SHOP_AND_WORK,
        encoding="cp1250",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "millennium",
        '"Numer rachunku/karty","Data transakcji","Data rozliczenia","Rodzaj transakcji","Na konto/Z konta","Odbiorca/Zleceniodawca","Opis","Obciążenia","Uznania","Saldo","Waluta"\n'
        '"PL12","2024-01-31","2024-01-31","TRANSAKCJA KARTĄ","","SHOP","zakup","-12.50","","987.50","PLN"\n'
        '"PL12","2024-01-30","2024-01-30","PRZELEW","PL99","WORK","pensja","","1000.00","1000.00","PLN"\n',
        SHOP_AND_WORK,
        balance=("0.00", "987.50"),
        payees=("WORK", "SHOP"),
    ),
    Sample(
        "nordea-se",
        "Bokföringsdag;Belopp;Avsändare;Mottagare;Namn;Rubrik;Saldo;Valuta\n"
        "2024/01/31;-12,50;1234;;SHOP;Kortköp SHOP;987,50;SEK\n"
        "2024/01/30;1000,00;;1234;WORK;Lön WORK;1000,00;SEK\n",
        SHOP_AND_WORK,
        balance=("0.00", "987.50"),
    ),
    Sample(
        "seb",
        "Bokföringsdatum;Valutadatum;Verifikationsnummer;Text;Belopp;Saldo\n"
        "2024-01-31;2024-01-31;5484;SHOP /24-01-30;-12,50;987,50\n"
        "2024-01-30;2024-01-30;5485;WORK;1000,00;1000,00\n",
        SHOP_AND_WORK,
        currency="SEK",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "ica-banken",
        "Datum;Text;Typ;Budgetgrupp;Belopp;Saldo\n"
        "2024-01-31;SHOP;Korttransaktion;Mat;-12,50 kr;987,50 kr\n"
        "2024-01-30;WORK;Insättning;Lön;1 000,00 kr;1 000,00 kr\n",
        SHOP_AND_WORK,
        currency="SEK",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "lansforsakringar",
        '"Bokföringsdatum";"Transaktionsdatum";"Transaktionstext";"Belopp";"Saldo"\n'
        '"2024-01-31";"2024-01-30";"SHOP";"-12,50";"987,50"\n'
        '"2024-01-30";"2024-01-30";"WORK";"1000,00";"1000,00"\n',
        SHOP_AND_WORK,
        encoding="cp1252",
        currency="SEK",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "nordea-fi",
        "Kirjauspäivä;Määrä;Maksaja;Maksunsaaja;Nimi;Otsikko;Viitenumero;Valuutta\n"
        "2024/01/31;-12,50;FI12;;SHOP;Korttiosto SHOP;;EUR\n"
        "2024/01/30;1000,00;;FI12;WORK;Palkka WORK;;EUR\n",
        SHOP_AND_WORK,
    ),
    Sample(
        "s-pankki",
        "Kirjauspäivä;Maksupäivä;Summa;Tapahtumalaji;Maksaja;Saajan nimi;Saajan tilinumero;Saajan BIC-tunnus;Viitenumero;Viesti;Arkistointitunnus\n"
        "31.01.2024;30.01.2024;-12,50;KORTTIOSTO;ANN;SHOP;;;;osto;2024013100\n"
        "30.01.2024;30.01.2024;+1000,00;PALKKA;WORK;ANN;FI12;;;;2024013000\n",
        SHOP_AND_WORK,
        currency="EUR",
    ),
    Sample(
        "sparebank1",
        "Dato;Beskrivelse;Rentedato;Inn;Ut;Til konto;Fra konto;\n"
        "31.01.2024;SHOP;31.01.2024;;-12,50;;12345678901;\n"
        "30.01.2024;WORK;30.01.2024;1000,00;;12345678901;;\n",
        SHOP_AND_WORK,
        currency="NOK",
    ),
    Sample(
        "nordea-dk",
        "Bogføringsdato;Beløb;Afsender;Modtager;Navn;Beskrivelse;Saldo;Valuta;Afstemt\n"
        "2024/01/31;-12,50;123;;;SHOP;987,50;DKK;\n"
        "2024/01/30;1000,00;;123;;WORK;1000,00;DKK;\n",
        SHOP_AND_WORK,
        balance=("0.00", "987.50"),
    ),
    Sample(
        "csob",
        "číslo účtu;datum zaúčtování;částka;měna;zůstatek;konst.symbol;var.symbol;označení operace;název protiúčtu;protiúčet;poznámka\n"
        "123/0300;31.01.2024;-12,50;CZK;987,50;;;Platba kartou;SHOP;;\n"
        "123/0300;30.01.2024;1000,00;CZK;1000,00;;;Příchozí;WORK;;\n",
        SHOP_AND_WORK,
        balance=("0.00", "987.50"),
        number="123/0300",
    ),
    Sample(
        "airbank",
        '"Datum provedení";"Směr úhrady";"Typ úhrady";"Skupina plateb";"Měna účtu";"Částka v měně účtu";"Poplatek v měně účtu";"Původní měna úhrady";"Původní částka úhrady";"Název protistrany";"Číslo účtu protistrany";"Poznámka pro mne"\n'
        '"31/01/2024";"Odchozí";"Platba kartou";"";"CZK";"-12,50";"0,00";"CZK";"-12,50";"SHOP";"";""\n'
        '"30/01/2024";"Příchozí";"Příchozí úhrada";"";"CZK";"1000,00";"0,00";"CZK";"1000,00";"WORK";"123";""\n',
        SHOP_AND_WORK,
    ),
    Sample(
        "otp",
        '"11773000-00000000";"T";"-1250";"HUF";"20240131";"20240131";"98750";"";"SHOP";"vásárlás";"";"";"VÁSÁRLÁS KÁRTYÁVAL";\n'
        '"11773000-00000000";"J";"100000";"HUF";"20240130";"20240130";"100000";"117";"WORK";"bér";"";"";"ÁTUTALÁS";\n',
        (
            ("2024-01-30", "100000.00", "WORK"),
            ("2024-01-31", "-1250.00", "SHOP"),
        ),
        encoding="cp1250",
    ),
    Sample(
        "cgd-pt",
        "Consultar saldos e movimentos à ordem - 01-02-2024\n"
        "\n"
        "Conta ;0123456789000 - EUR - Conta Extracto \n"
        "Data de início ;01-01-2024\n"
        "Data de fim ;31-01-2024\n"
        "\n"
        "Data mov. ;Data valor ;Descrição ;Débito ;Crédito ;Saldo contabilístico ;Saldo disponível ;Categoria ;\n"
        "31-01-2024;31-01-2024;COMPRA SHOP ;12,50;;987,50;987,50;Compras;\n"
        "30-01-2024;30-01-2024;TRF WORK ;;1.000,00;1.000,00;1.000,00;Outros;\n"
        " ; ; ; ;Saldo contabilístico ;987,50 ; ; ;\n",
        SHOP_AND_WORK,
        encoding="cp1252",
        currency="EUR",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "santander-pl",
        '31-01-2024,30-01-2024,zakup SHOP,SHOP WAWA,,"-12,50","987,50",2,\n'
        '30-01-2024,30-01-2024,pensja,WORK SA,12,"1000,00","1000,00",1,\n',
        SHOP_AND_WORK,
        currency="PLN",
    ),
    Sample(
        "nordea-reserved",
        "Bokföringsdag;Belopp;Avsändare;Mottagare;Namn;Rubrik;Saldo;Valuta\n"
        "Reserverat;-5,00;1234;;KIOSK;Reservation KIOSK;;SEK\n"
        "2024/01/31;-12,50;1234;;SHOP;Kortköp SHOP;987,50;SEK\n"
        "2024/01/30;1000,00;;1234;WORK;Lön WORK;1000,00;SEK\n",
        SHOP_AND_WORK,
        balance=("0.00", "987.50"),
    ),
]
