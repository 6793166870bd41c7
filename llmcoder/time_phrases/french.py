"""French. `lundi` is the one that comes; `le lundi` may be each of them, and is refused where no date follows."""

from __future__ import annotations

from llmcoder.time_phrases.lexicon import language, numbered

FRENCH = language(
    "French",
    [
        ("DAY", 0, "aujourd_hui"), ("DAY", 1, "demain"), ("DAY", -1, "hier"), ("DAY", 2, "apres_demain"),
        ("TONIGHT", "evening", "ce_soir"), ("TONIGHT", "night", "cette_nuit"),
        ("TONIGHT", "morning", "ce_matin"), ("TONIGHT", "afternoon", "cet_apres_midi cette_apres_midi"),
        ("WD", 0, "lundi lun"), ("WD", 1, "mardi"), ("WD", 2, "mercredi mer"), ("WD", 3, "jeudi jeu"),
        ("WD", 4, "vendredi ven"), ("WD", 5, "samedi sam"), ("WD", 6, "dimanche dim"),
        ("WDATE", 0, "lundi lun"), ("WDATE", 1, "mardi"), ("WDATE", 2, "mercredi mer"), ("WDATE", 3, "jeudi jeu"),
        ("WDATE", 4, "vendredi ven"), ("WDATE", 5, "samedi sam"), ("WDATE", 6, "dimanche dim"),
        ("WDS", 0, "lundis"), ("WDS", 1, "mardis"), ("WDS", 2, "mercredis"), ("WDS", 3, "jeudis"),
        ("WDS", 4, "vendredis"), ("WDS", 5, "samedis"), ("WDS", 6, "dimanches"),
        ("WORKDAY", True, "jour_ouvre jour_ouvrable jours_ouvres jours_ouvrables jour_de_semaine jours_de_semaine"),
        ("WORKDAYS", True, "en_semaine"), ("WEEKEND", True, "week_end week_ends weekend weekends"),
        ("MONTH", 1, "janvier janv"), ("MONTH", 2, "fevrier fevr fev"), ("MONTH", 3, "mars"), ("MONTH", 4, "avril avr"),
        ("MONTH", 5, "mai"), ("MONTH", 6, "juin"), ("MONTH", 7, "juillet juil"), ("MONTH", 8, "aout"),
        ("MONTH", 9, "septembre sept"), ("MONTH", 10, "octobre oct"), ("MONTH", 11, "novembre nov"),
        ("MONTH", 12, "decembre dec"),
        ("PART", "morning", "matin matins matinee"), ("PART", "afternoon", "apres_midi apres_midis"),
        ("PART", "evening", "soir soirs soiree"), ("PART", "night", "nuit nuits"),
        ("NOON", True, "midi"), ("MIDNIGHT", True, "minuit"), ("OCLOCK", True, "heure heures"),
        ("UNIT", "second", "seconde secondes"), ("UNIT", "minute", "minute minutes mn"),
        ("UNIT", "hour", "heure heures"), ("UNIT", "day", "jour jours j"), ("UNIT", "week", "semaine semaines"),
        ("UNIT", "month", "mois"), ("UNIT", "quarter", "trimestre"), ("UNIT", "year", "an ans annee annees"),
        ("UNIT", "halfhour", "demi_heure demi_heures"), ("UNIT", "quarterhour", "quart_d_heure quarts_d_heure"),
        ("A", True, "un une"), ("THE", True, "le la les l"), ("AT", True, "a vers_les"),
        ("IN", True, "dans d_ici en"), ("OF", True, "de du d des"), ("AND", True, "et"), ("TO", True, "au a"),
        ("FROM", True, "du de"), ("MINUS", True, "moins moins_le"),
        ("HALF", True, "demi demie"), ("QUARTERHOUR", True, "quart"),
        ("NEXT", True, "prochain prochaine prochains prochaines suivant"), ("THIS", True, "ce cette cet"),
        ("END", True, "fin"),
        ("EVERY", True, "chaque tous_les toutes_les tous toutes"), ("OVER", True, "sur"),
        ("FREQ", ("day", 1), "quotidiennement"), ("FREQ", ("week", 1), "hebdomadairement"),
        ("FREQ", ("month", 1), "mensuellement"), ("FREQ", ("year", 1), "annuellement"),
        ("ORDSUF", True, "er ere e eme ieme nd nde"), ("ORD", -1, "dernier derniere derniers dernieres"),
        *numbered("ORD", "premier/premiere/premiers/premieres deuxieme/deuxiemes/second troisieme/troisiemes quatrieme "
        "cinquieme sixieme septieme huitieme neuvieme dixieme"),
        *numbered("NUM", "un/une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize "
        "dix_sept dix_huit dix_neuf vingt vingt_et_un/vingt_et_une vingt_deux vingt_trois vingt_quatre vingt_cinq "
        "vingt_six vingt_sept vingt_huit vingt_neuf trente trente_et_un/trente_et_une"),
        *numbered("NUM", "trente_cinq - - - - quarante - - - - quarante_cinq - - - - cinquante - - - - cinquante_cinq",
                  first=35),
    ],
    ("demain à 9h", "vendredi 17h30", "un mardi sur deux à 9h"),
)  # fmt: skip
