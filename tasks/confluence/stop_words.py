"""Words that stand on nearly every page and tell none apart, folded as `terms` folds."""

from __future__ import annotations

_ENGLISH = """
a about after all also am an and any are as at be because been before being between both but by can could did do
does doing done for from get had has have having he her here him his how i if in into is it its just let like may
me might more most my no nor not of off on once one only or other our out over please s same she should so some
such t than that the their them then there these they this those through to too under until up us very was we were
what when where which while who whom why will with would you your
"""
_GERMAN = """
aber alle als also am an auf aus bei beim bin bis bitte da damit dann das dass dein dem den denn der des die dies
diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es etwas fur gibt habe
haben hat hatte hier ich ihr ihre im in ist ja kann kein keine konnen mehr mein meine mich mir mit muss nach nicht
noch nur ob oder ohne sein seine sich sie sind so soll uber um und uns unser unsere unter vom von vor war warum was
weil welche welcher wenn wer werden wie wieder wir wird wo wurde zu zum zur
"""

STOP_WORDS = frozenset((_ENGLISH + _GERMAN).split())
