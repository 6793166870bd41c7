"""More CSV files of apps and of banks of the other countries, each beside what it says."""

# ruff: noqa: E501  (a line of a file is a line)

from csv_samples import Sample

SHOP_AND_WORK = (("2024-01-30", "1000.00", "WORK"), ("2024-01-31", "-12.50", "SHOP"))

SAMPLES = [
    Sample(
        "wise",
        "TransferWise ID,Date,Date Time,Amount,Currency,Description,Payment Reference,Running Balance,Exchange From,Exchange To,Exchange Rate,Payer Name,Payee Name,Payee Account Number,Merchant,Card Last Four Digits,Card Holder Full Name,Attachment,Note,Total fees,Exchange To Amount,Transaction Type,Transaction Details Type\n"
        "CARD-1,31-01-2024,31-01-2024 10:00:00.123,-12.50,EUR,Card transaction of 12.50 EUR issued by Cafe,,87.50,,,,,,,Cafe,1234,Ann,,,0.00,,DEBIT,CARD\n"
        "TRANSFER-2,30-01-2024,30-01-2024 10:00:00.123,100.00,EUR,Received money from Bob,ref,100.00,,,,Bob,,,,,,,,0.60,,CREDIT,TRANSFER\n",
        (
            ("2024-01-30", "100.00", "Bob"),
            ("2024-01-31", "-12.50", "Cafe"),
        ),
        balance=("0.00", "87.50"),
    ),
    Sample(
        "paypal-en",
        '"Date","Time","TimeZone","Name","Type","Status","Currency","Gross","Fee","Net","From Email Address","To Email Address","Transaction ID","Balance"\n'
        '"31/01/2024","10:00:00","GMT","Shop Ltd","Express Checkout Payment","Completed","GBP","-12.50","0.00","-12.50","a@b.c","d@e.f","1AB","96.15"\n'
        '"30/01/2024","10:00:00","GMT","Buyer","Payment Received","Completed","GBP","110.00","-1.35","108.65","x@y.z","a@b.c","2AB","108.65"\n',
        (
            ("2024-01-30", "108.65", "Buyer"),
            ("2024-01-31", "-12.50", "Shop"),
        ),
        balance=("0.00", "96.15"),
    ),
    Sample(
        "paypal-de",
        '"Datum","Uhrzeit","Zeitzone","Beschreibung","Währung","Brutto","Entgelt","Netto","Guthaben","Transaktionscode","Absender E-Mail-Adresse","Name","Name der Bank","Bankkonto","Versand- und Bearbeitungsgebühr","Umsatzsteuer","Rechnungsnummer","Zugehöriger Transaktionscode"\n'
        '"30.01.2024","10:00:00","Europe/Berlin","Allgemeine Zahlung","EUR","110,00","-1,35","108,65","108,65","2AB","x@y.z","Käufer","","","0,00","0,00","",""\n'
        '"31.01.2024","10:00:00","Europe/Berlin","Zahlung im Einzugsverfahren","EUR","-12,50","0,00","-12,50","96,15","3AB","a@b.c","Laden","","","0,00","0,00","",""\n',
        (
            ("2024-01-30", "108.65", "Käufer"),
            ("2024-01-31", "-12.50", "Laden"),
        ),
        encoding="utf-8-sig",
        balance=("0.00", "96.15"),
    ),
    Sample(
        "revolut-de",
        "Art,Produkt,Datum des Beginns,Datum des Abschlusses,Beschreibung,Betrag,Gebühr,Währung,State,Kontostand\n"
        "Kartenzahlung,Aktuell,2024-01-30 08:00:00,2024-01-31 09:00:00,Cafe,-3.50,0.00,EUR,ABGESCHLOSSEN,96.50\n"
        "Kartenzahlung,Aktuell,2024-01-30 08:00:00,,Hotel,-20.00,0.00,EUR,RÜCKGÄNGIG GEMACHT,\n"
        "Auszahlung,Aktuell,2024-01-31 10:00:00,2024-01-31 10:00:00,Bar,-50.00,1.00,EUR,ABGESCHLOSSEN,45.50\n",
        (
            ("2024-01-31", "-3.50", "Cafe"),
            ("2024-01-31", "-51.00", "Bar"),
        ),
        balance=("100.00", "45.50"),
    ),
    Sample(
        "revolut-business",
        "Date started (UTC),Date completed (UTC),ID,Type,Description,Reference,Payer,Card number,Card label,Card state,Orig currency,Orig amount,Payment currency,Amount,Total amount,Exchange rate,Fee,Fee currency,Balance,Account,Beneficiary account number,Beneficiary sort code or routing number,Beneficiary IBAN,Beneficiary BIC\n"
        "2024-01-31,2024-01-31,a1,CARD_PAYMENT,Cafe,,Ann,1234,,ACTIVE,EUR,-10.00,EUR,-10.00,-10.50,,0.50,EUR,89.50,Main EUR,,,,\n"
        "2024-01-30,2024-01-30,a2,TOPUP,Top-up,,,,,,EUR,100.00,EUR,100.00,100.00,,0.00,EUR,100.00,Main EUR,,,,\n",
        (
            ("2024-01-30", "100.00", "Top-up"),
            ("2024-01-31", "-10.50", "Cafe"),
        ),
        balance=("0.00", "89.50"),
    ),
    Sample(
        "starling",
        "Date,Counter Party,Reference,Type,Amount (GBP),Balance (GBP),Spending Category,Notes\n"
        "30/01/2024,Work,Pay,FASTER PAYMENT,1000.00,1000.00,INCOME,\n"
        "31/01/2024,Tesco,TESCO 12,CARD,-12.50,987.50,GROCERIES,\n",
        (
            ("2024-01-30", "1000.00", "Work"),
            ("2024-01-31", "-12.50", "Tesco"),
        ),
        balance=("0.00", "987.50"),
    ),
    Sample(
        "lloyds",
        "Transaction Date,Transaction Type,Sort Code,Account Number,Transaction Description,Debit Amount,Credit Amount,Balance\n"
        "31/01/2024,DEB,'11-22-33,12345678,TESCO,12.50,,987.50\n"
        "30/01/2024,FPI,'11-22-33,12345678,WORK,,1000.00,1000.00\n",
        (
            ("2024-01-30", "1000.00", "WORK"),
            ("2024-01-31", "-12.50", "TESCO"),
        ),
        currency="GBP",
        balance=("0.00", "987.50"),
        number="12345678",
    ),
    Sample(
        "hsbc-uk",
        '31/01/2024,VIS TESCO,-12.50\n30/01/2024,CR WORK,"1,000.00"\n',
        (
            ("2024-01-30", "1000.00", "WORK"),
            ("2024-01-31", "-12.50", "TESCO"),
        ),
        currency="GBP",
    ),
    Sample(
        "natwest",
        "Date, Type, Description, Value, Balance, Account Name, Account Number\n"
        "\n"
        '31/01/2024,POS,"\'3333 30JAN24 , TESCO , LONDON GB",-12.50,987.50,"\'SMITH J","\'600000-12345678",\n'
        '30/01/2024,BAC,"\'WORK",1000.00,1000.00,"\'SMITH J","\'600000-12345678",\n',
        (
            ("2024-01-30", "1000.00", "WORK"),
            ("2024-01-31", "-12.50", "TESCO"),
        ),
        currency="GBP",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "aib",
        "Posted Account, Posted Transactions Date, Description1, Description2, Description3, Debit Amount, Credit Amount,Balance,Posted Currency,Transaction Type,Local Currency Amount,Local Currency\n"
        '"931234 - 12345678","31/01/2024","VDP-TESCO","","",12.50,,987.50,EUR,"Debit",12.50,EUR\n'
        '"931234 - 12345678","30/01/2024","WORK","","",,"1,000.00","1,000.00",EUR,"Credit","1,000.00",EUR\n',
        (
            ("2024-01-30", "1000.00", "WORK"),
            ("2024-01-31", "-12.50", "TESCO"),
        ),
        balance=("0.00", "987.50"),
    ),
    Sample(
        "chase-card",
        "Transaction Date,Post Date,Description,Category,Type,Amount,Memo\n"
        "01/30/2024,01/31/2024,TESCO,Food,Sale,-12.50,\n"
        "01/15/2024,01/16/2024,Payment Thank You,,Payment,100.00,\n",
        (
            ("2024-01-16", "100.00", "Payment"),
            ("2024-01-31", "-12.50", "TESCO"),
        ),
        currency="USD",
    ),
    Sample(
        "citi",
        "Status,Date,Description,Debit,Credit\n"
        'Cleared,01/31/2024,"SHOP",12.50,\n'
        'Cleared,01/15/2024,"ONLINE PAYMENT",,-100.00\n',
        (
            ("2024-01-15", "100.00", "PAYMENT"),
            ("2024-01-31", "-12.50", "SHOP"),
        ),
        currency="USD",
    ),
    Sample(
        "capital-one-360",
        "Account Number,Transaction Description,Transaction Date,Transaction Type,Transaction Amount,Balance\n"
        "1234,Withdrawal to SHOP,01/31/24,Debit,12.50,987.50\n"
        "1234,Deposit from WORK,01/30/24,Credit,1000.00,1000.00\n",
        SHOP_AND_WORK,
        currency="USD",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "usbank",
        '"Date","Transaction","Name","Memo","Amount"\n'
        '"2024-01-31","DEBIT","SHOP","24000; 05814; ; ;","-12.50"\n'
        '"2024-01-30","CREDIT","WORK","","1000.00"\n',
        SHOP_AND_WORK,
        currency="USD",
    ),
    Sample(
        "ally",
        "Date, Time, Amount, Type, Description\n"
        "2024-01-31,10:00:00,-12.50,Withdrawal,SHOP\n"
        "2024-01-30,10:00:00,1000.00,Deposit,WORK\n",
        SHOP_AND_WORK,
        currency="USD",
    ),
    Sample(
        "venmo",
        "Account Statement - (@ann) ,,,,,,,,,,,,,,,,,,,,,\n"
        "Account Activity,,,,,,,,,,,,,,,,,,,,,\n"
        ",ID,Datetime,Type,Status,Note,From,To,Amount (total),Amount (tip),Amount (tax),Amount (fee),Tax Rate,Tax Exempt,Funding Source,Destination,Beginning Balance,Ending Balance,Statement Period Venmo Fees,Terminal Location,Year to Date Venmo Fees,Disclaimer\n"
        ",,,,,,,,,,,,,,,,$0.00,,,,,\n"
        ',4001,2024-01-30T10:00:00,Payment,Complete,Lunch,Bob,Ann,"+ $1,000.00",,0,,0,,,Venmo balance,,,,Venmo,,\n'
        ",4002,2024-01-31T10:00:00,Payment,Complete,Pizza,Ann,Bob,- $12.50,,0,,0,,Venmo balance,,,,,Venmo,,\n"
        ',,,,,,,,,,,,,,,,,$987.50,$0.00,,$0.00,"In case of errors"\n',
        (
            ("2024-01-30", "1000.00", "Lunch"),
            ("2024-01-31", "-12.50", "Pizza"),
        ),
        currency="USD",
    ),
    Sample(
        "mint",
        '"Date","Description","Original Description","Amount","Transaction Type","Category","Account Name","Labels","Notes"\n'
        '"1/31/2024","Shop","SHOP NYC","12.50","debit","Shopping","Checking","",""\n'
        '"1/30/2024","Work","WORK","1000.00","credit","Paycheck","Checking","",""\n',
        (
            ("2024-01-30", "1000.00", "Work"),
            ("2024-01-31", "-12.50", "Shop"),
        ),
        currency="USD",
    ),
    Sample(
        "schwab",
        '"Date","Status","Type","CheckNumber","Description","Withdrawal","Deposit","RunningBalance"\n'
        '"01/31/2024","Posted","VISA","","SHOP","$12.50","","$987.50"\n'
        '"01/30/2024","Posted","ACH","","WORK","","$1,000.00","$1,000.00"\n',
        SHOP_AND_WORK,
        currency="USD",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "ynab",
        '"Account","Flag","Date","Payee","Category Group/Category","Category Group","Category","Memo","Outflow","Inflow","Cleared"\n'
        '"Checking","","31/01/2024","Shop","Food: Groceries","Food","Groceries","x",€12.50,€0.00,"Cleared"\n'
        '"Checking","","30/01/2024","Work","Inflow: Ready","Inflow","Ready","",€0.00,€1000.00,"Cleared"\n',
        (
            ("2024-01-30", "1000.00", "Work"),
            ("2024-01-31", "-12.50", "Shop"),
        ),
    ),
    Sample(
        "td-ca",
        "01/31/2024,SHOP,12.50,,987.50\n01/30/2024,WORK,,1000.00,1000.00\n",
        SHOP_AND_WORK,
        currency="CAD",
    ),
    Sample(
        "rbc",
        '"Account Type","Account Number","Transaction Date","Cheque Number","Description 1","Description 2","CAD$","USD$"\n'
        'Chequing,01234-1234567,1/31/2024,,"SHOP","",-12.50,,\n'
        'Chequing,01234-1234567,1/30/2024,,"WORK","",1000.00,,\n',
        SHOP_AND_WORK,
        currency="CAD",
    ),
    Sample(
        "westpac",
        "Bank Account,Date,Narrative,Debit Amount,Credit Amount,Balance,Categories,Serial\n"
        "032000123456,31/01/2024,SHOP,12.50,,987.50,PAYMENT,\n"
        "032000123456,30/01/2024,WORK,,1000.00,1000.00,DEP,\n",
        SHOP_AND_WORK,
        currency="AUD",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "nab",
        "Date,Amount,Account Number,,Transaction Type,Transaction Details,Balance,Category,Merchant Name,Processed On\n"
        "31 Jan 24,-12.50,12345678,,EFTPOS DEBIT,SHOP,987.50,Food,Shop,31 Jan 24\n"
        "30 Jan 24,1000.00,12345678,,INTER-BANK CREDIT,WORK,1000.00,Income,,30 Jan 24\n",
        SHOP_AND_WORK,
        currency="AUD",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "ing-au",
        "Date,Description,Credit,Debit,Balance\n31/01/2024,SHOP,,-12.50,987.50\n30/01/2024,WORK,1000.00,,1000.00\n",
        SHOP_AND_WORK,
        currency="AUD",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "kiwibank",
        "Account number,Date,Memo/Description,Source Code (payment type),TP ref,TP part,TP code,OP ref,OP part,OP code,OP name,OP Bank Account Number,Amount (credit),Amount (debit),Amount,Balance\n"
        "38-9000-0000000-00,31-01-2024,SHOP ;Ref,POS,,,,,,,,,,12.50,-12.50,987.50\n"
        "38-9000-0000000-00,30-01-2024,WORK,DC,,,,,,,,,1000.00,,1000.00,1000.00\n",
        SHOP_AND_WORK,
        currency="NZD",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "asb",
        "Created date / time : 01 February 2024 / 10:00:00\n"
        "Bank 12; Branch 3000; Account 0000000-50 (Streamline)\n"
        "From date 20240101\n"
        "To date 20240131\n"
        "Avail Bal : 987.50 as of 20240131\n"
        "Ledger Balance : 987.50 as of 20240131\n"
        "Date,Unique Id,Tran Type,Cheque Number,Payee,Memo,Amount\n"
        "\n"
        '2024/01/30,2024013001,D/C,,"WORK","pay",1000.00\n'
        '2024/01/31,2024013101,EFTPOS,,"SHOP","",-12.50\n',
        SHOP_AND_WORK,
        currency="NZD",
    ),
    Sample(
        "bnz",
        "Date,Amount,Payee,Particulars,Code,Reference,Tran Type,This Party Account,Other Party Account,Serial,Transaction Code,Batch Number,Originating Bank/Branch,Processed Date\n"
        "31/01/24,-12.50,SHOP,,,,POS,02-1234-0000000-00,,,00,,,31/01/24\n"
        "30/01/24,1000.00,WORK,pay,,,DC,02-1234-0000000-00,,,50,,,30/01/24\n",
        SHOP_AND_WORK,
        currency="NZD",
    ),
    Sample(
        "dbs",
        "Account Details For:,POSB 123-45678-9\n"
        "Statement as at:,31 Jan 2024\n"
        "\n"
        "Transaction Date,Reference,Debit Amount,Credit Amount,Transaction Ref1,Transaction Ref2,Transaction Ref3\n"
        "\n"
        "31 Jan 2024,POS,12.50, ,SHOP,SI SGP,\n"
        "30 Jan 2024,GRO, ,1000.00,WORK,,\n",
        SHOP_AND_WORK,
        currency="SGD",
    ),
    Sample(
        "rakuten-bank",
        "取引日,入出金(円),取引後残高(円),入出金内容\n20240130,250000,300000,給与\n20240131,-1200,298800,ミセ\n",
        (
            ("2024-01-30", "250000", "給与"),
            ("2024-01-31", "-1200", "ミセ"),
        ),
        encoding="cp932",
        currency="JPY",
        balance=("50000", "298800"),
    ),
    Sample(
        "smbc",
        "年月日,お引出し,お預入れ,お取り扱い内容,残高,メモ,ラベル\n"
        '2024/1/30,,250000,"給与",300000,"",""\n'
        '2024/1/31,1200,,"ミセ",298800,"",""\n',
        (
            ("2024-01-30", "250000", "給与"),
            ("2024-01-31", "-1200", "ミセ"),
        ),
        encoding="cp932",
        currency="JPY",
        balance=("50000", "298800"),
    ),
    Sample(
        "sbi-net",
        '"日付","内容","出金金額(円)","入金金額(円)","残高(円)","メモ"\n'
        '"2024/01/31","ミセ","1,200","","298,800","-"\n'
        '"2024/01/30","給与","","250,000","300,000","-"\n',
        (
            ("2024-01-30", "250000", "給与"),
            ("2024-01-31", "-1200", "ミセ"),
        ),
        encoding="cp932",
        currency="JPY",
        balance=("50000", "298800"),
    ),
    Sample(
        "yucho",
        "お客さま口座情報,\n"
        "現在高,298800円\n"
        "\n"
        "取引日,入出金明細ＩＤ,受入金額（円）,払出金額（円）,詳細１,詳細２,現在（貸付）高\n"
        "20240130,1,250000,,給与,カイシヤ,300000\n"
        "20240131,2,,1200,カード,ミセ,298800\n",
        (
            ("2024-01-30", "250000", "給与"),
            ("2024-01-31", "-1200", "ミセ"),
        ),
        encoding="cp932",
        currency="JPY",
        balance=("50000", "298800"),
    ),
    Sample(
        "wechat",
        "微信支付账单明细,,,,,,,,\n"
        "微信昵称：[x],,,,,,,,\n"
        "\n"
        "----------------------微信支付账单明细列表--------------------,,,,,,,,\n"
        "交易时间,交易类型,交易对方,商品,收/支,金额(元),支付方式,当前状态,交易单号,商户单号,备注\n"
        '2024-01-31 10:00:00,商户消费,超市,"牛奶",支出,¥12.50,零钱,支付成功,"100\t","200\t","/"\n'
        '2024-01-30 10:00:00,转账,小王,"转账",收入,¥1000.00,/,已存入零钱,"101\t","201\t","/"\n',
        (
            ("2024-01-30", "1000.00", "小王"),
            ("2024-01-31", "-12.50", "超市"),
        ),
        currency="CNY",
    ),
    Sample(
        "icici",
        "S No.,Value Date,Transaction Date,Cheque Number,Transaction Remarks,Withdrawal Amount (INR ),Deposit Amount (INR ),Balance (INR )\n"
        '1,30/01/2024,30/01/2024,-,WORK,0.0,"1,00,000.0","1,00,000.0"\n'
        '2,31/01/2024,31/01/2024,-,UPI SHOP,12.5,0.0,"99,987.5"\n',
        (
            ("2024-01-30", "100000.00", "WORK"),
            ("2024-01-31", "-12.50", "SHOP"),
        ),
        balance=("0.00", "99987.50"),
    ),
    Sample(
        "axis",
        "Name :- ANN,,,,,,\n"
        "Customer No :123,,,,,,\n"
        ",,,,,,\n"
        "Tran Date,CHQNO,PARTICULARS,DR,CR,BAL,SOL\n"
        "30-01-2024,-,WORK, ,1000.00,1000.00,123\n"
        "31-01-2024,-,SHOP,12.50, ,987.50,123\n",
        SHOP_AND_WORK,
        currency="INR",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "kotak",
        "Sl. No.,Date,Description,Chq / Ref number,Amount,Dr / Cr,Balance,Dr / Cr\n"
        '1,30-01-2024,WORK,1,"1,000.00",CR,"1,000.00",CR\n'
        "2,31-01-2024,SHOP,2,12.50,DR,987.50,CR\n",
        SHOP_AND_WORK,
        currency="INR",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "itau",
        "30/01/2024;WORK SALARIO;1000,00\n31/01/2024;PIX SHOP;-12,50\n",
        SHOP_AND_WORK,
        currency="BRL",
    ),
    Sample(
        "bb-brasil",
        '"Data","Dependencia Origem","Histórico","Data do Balancete","Número do documento","Valor",\n'
        '"30/01/2024","","Saldo Anterior","","0","0.00",\n'
        '"30/01/2024","0000-0","WORK","","1","1000.00",\n'
        '"31/01/2024","","SHOP","","2","-12.50",\n'
        '"31/01/2024","","S A L D O","","0","987.50",\n',
        SHOP_AND_WORK,
        encoding="cp1252",
        currency="BRL",
    ),
    Sample(
        "garanti",
        "Hesap Hareketleri\n"
        "Tarih;Açıklama;Etiket;Tutar;Bakiye\n"
        "31.01.2024;SHOP;Market;-12,50;987,50\n"
        "30.01.2024;WORK;Maaş;1.000,00;1.000,00\n",
        SHOP_AND_WORK,
        currency="TRY",
        balance=("0.00", "987.50"),
    ),
    Sample(
        "kr-kb",
        "거래일시,적요,보낸분/받는분,송금메모,출금액,입금액,잔액,거래점,구분\n"
        '2024.01.31 10:00:00,체크카드,SHOP,,"12,500",0,"987,500",지점,\n'
        '2024.01.30 10:00:00,급여,WORK,,0,"1,000,000","1,000,000",지점,\n',
        (
            ("2024-01-30", "1000000", "WORK"),
            ("2024-01-31", "-12500", "SHOP"),
        ),
        encoding="cp949",
        currency="KRW",
        balance=("0", "987500"),
    ),
    Sample(
        "excel-us-tab",
        'Date\tDescription\tAmount\n1/31/2024\tSHOP\t(12.50)\n1/30/2024\tWORK\t"1,000.00"\n',
        SHOP_AND_WORK,
        currency="USD",
    ),
    Sample(
        "sep-line",
        "sep=;\nDatum;Betrag;Text\n31.01.2024;-12,50;SHOP\n30.01.2024;1000,00;WORK\n",
        SHOP_AND_WORK,
        currency="EUR",
    ),
    Sample(
        "unicode-minus",
        'Date,Description,Amount\n2024-01-31,SHOP,−12.50\n2024-01-30,WORK,"1,000.00"\n',
        SHOP_AND_WORK,
        currency="USD",
    ),
    Sample(
        "crlf-quoted-newline",
        '"Datum";"Text";"Betrag"\r\n"31.01.2024";"SHOP\r\nBerlin";"-12,50"\r\n"30.01.2024";"WORK";"1.000,00"\r\n',
        SHOP_AND_WORK,
        currency="EUR",
    ),
    Sample(
        "mac-cr",
        "Date,Description,Amount\r2024-01-31,SHOP,-12.50\r2024-01-30,WORK,1000.00\r",
        SHOP_AND_WORK,
        currency="USD",
    ),
    Sample(
        "trailing-minus",
        "Datum;Text;Betrag\n31.01.2024;SHOP;12,50-\n30.01.2024;WORK;1.000,00+\n",
        SHOP_AND_WORK,
        currency="EUR",
    ),
]
