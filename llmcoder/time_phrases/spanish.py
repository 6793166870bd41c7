"""Spanish. `el lunes` is the one that comes, `los lunes` are all of them."""

from __future__ import annotations

from llmcoder.time_phrases.lexicon import language, numbered

SPANISH = language(
    "Spanish",
    [
        ("DAY", 0, "hoy"), ("DAY", 1, "manana"), ("AFTERDAY", "morning", "manana mananas"), ("DAY", -1, "ayer"),
        ("DAY", 2, "pasado_manana"), ("TONIGHT", "night", "esta_noche"), ("TONIGHT", "pm", "esta_tarde"),
        ("TONIGHT", "morning", "esta_manana"),
        ("WD", 0, "lunes lun"), ("WD", 1, "martes"), ("WD", 2, "miercoles mie"), ("WD", 3, "jueves jue"),
        ("WD", 4, "viernes vie"), ("WD", 5, "sabado sab"), ("WD", 6, "domingo dom"),
        ("WDATE", 0, "lunes lun"), ("WDATE", 1, "martes"), ("WDATE", 2, "miercoles mie"), ("WDATE", 3, "jueves jue"),
        ("WDATE", 4, "viernes vie"), ("WDATE", 5, "sabado sab"), ("WDATE", 6, "domingo dom"),
        ("WDPLURAL", 5, "sabados"), ("WDPLURAL", 6, "domingos"),
        ("WORKDAY", True, "dia_laborable dia_habil dias_laborables dias_habiles"),
        ("WORKDAYS", True, "entre_semana"), ("WEEKEND", True, "fin_de_semana fines_de_semana"),
        ("MONTH", 1, "enero ene"), ("MONTH", 2, "febrero feb"), ("MONTH", 3, "marzo"), ("MONTH", 4, "abril abr"),
        ("MONTH", 5, "mayo"), ("MONTH", 6, "junio jun"), ("MONTH", 7, "julio jul"), ("MONTH", 8, "agosto ago"),
        ("MONTH", 9, "septiembre setiembre sep sept"), ("MONTH", 10, "octubre oct"), ("MONTH", 11, "noviembre nov"),
        ("MONTH", 12, "diciembre dic"),
        ("PART", "morning", "por_la_manana de_la_manana en_la_manana por_las_mananas"),
        ("PART", "pm", "tarde por_la_tarde de_la_tarde en_la_tarde por_las_tardes tardes"),
        ("PART", "night", "noche por_la_noche de_la_noche en_la_noche por_las_noches noches"),
        ("PART", "dawn", "de_la_madrugada madrugada"),
        ("NOON", True, "mediodia al_mediodia"), ("MIDNIGHT", True, "medianoche"),
        ("AM", True, "am a_m"), ("PM", True, "pm p_m"),
        ("OCLOCK", True, "hora horas en_punto hs"),
        ("UNIT", "second", "segundo segundos"), ("UNIT", "minute", "minuto minutos"), ("UNIT", "hour", "hora horas"),
        ("UNIT", "day", "dia dias"), ("UNIT", "week", "semana semanas"), ("UNIT", "month", "mes meses"),
        ("UNIT", "quarter", "trimestre"), ("UNIT", "year", "ano anos"),
        ("UNIT", "quarterhour", "cuarto_de_hora cuartos_de_hora"),
        ("A", True, "un una uno"), ("THE", True, "el la los las"), ("THEPLURAL", True, "los"), ("ON", True, "el"),
        ("AT", True, "a a_la a_las"), ("IN", True, "en dentro_de"), ("OF", True, "de del"), ("AND", True, "y e"),
        ("TO", True, "a al hasta"), ("FROM", True, "de desde"), ("MINUTESAND", True, "y"), ("MINUS", True, "menos"),
        ("HALF", True, "media medio"), ("QUARTERHOUR", True, "cuarto"),
        ("NEXT", True, "proximo proxima que_viene siguiente"), ("THIS", True, "este esta"), ("END", True, "fin final"),
        ("EVERY", True, "cada todos_los todas_las"), ("ALTERNATE", True, "alternos alterno"),
        ("FREQ", ("day", 1), "diariamente a_diario"), ("FREQ", ("week", 1), "semanalmente"),
        ("FREQ", ("month", 1), "mensualmente"), ("FREQ", ("year", 1), "anualmente"),
        ("ORDSUF", True, "o a er"), ("ORD", -1, "ultimo ultima"), ("ORD", 1, "primer primero primera"),
        ("ORD", 2, "segundo segunda"), ("ORD", 3, "tercer tercero tercera"), ("ORD", 4, "cuarto cuarta"),
        ("ORD", 5, "quinto quinta"),
        *numbered("NUM", "uno/una/un dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
        "dieciseis diecisiete dieciocho diecinueve veinte veintiuno/veintiuna/veintiun veintidos veintitres "
        "veinticuatro veinticinco veintiseis veintisiete veintiocho veintinueve treinta "
        "treinta_y_uno/treinta_y_una/treinta_y_un"),
        *numbered("NUM", "treinta_y_cinco - - - - cuarenta - - - - cuarenta_y_cinco - - - - cincuenta - - - - "
        "cincuenta_y_cinco", first=35),
    ],
    ("mañana a las 9", "el viernes a las 17:30", "cada dos martes a las 9"),
)  # fmt: skip
