"""Pages that say nothing: drawn by scripts, waiting for a consent, or for a proof that a person looks. Pure.

Such a page answers 200 and has a few sentences, and a summary of these would look like one of the page that was meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.document.page import SENTENCE_ENDS, Block, has_words, is_sentence, word_count

#: With fewer words than this, a page may be a stub; real pages have more, and so few are read again by another way.
FEW_WORDS = 60
#: With fewer words than this a notice that asks for consent may be all there is.
NOTICE_WORDS = 400
#: So many words beside the notice are a page all the same.
SOME_WORDS = 12

REMEDY = "Open it with a browser action, where one is installed, or give its text."
SCRIPTED = "scripts draw it in the browser."
LEADS_ON = "it only leads on to another page, by scripts."
CONSENT = "it asks for a consent before it shows anything."
PROOF = "it asks for a proof that a person looks at it."
EMPTY = "it is empty, or scripts draw it in the browser."


def _any_of(*signs: str) -> re.Pattern[str]:
    return re.compile("|".join(signs), re.IGNORECASE)


# In the languages that most of the web is written in; what a page of another one says is shown as its text.
_PROOF = _any_of(
    "captcha", "just a moment", "checking (?:if the site connection|your browser)", "are you (?:a )?(?:human|robot)",
    "(?:verify|verifying|confirm|prove) (?:that )?you(?: a|['’])re (?:a )?human", "not a robot", "unusual traffic",
    "cloudflare", "ddos", "attention required", "security check", "access (?:to this page has been )?denied",
    "request unsuccessful", "incapsula", "ein mensch sind", "kein roboter", "pas un robot", "no (?:eres|soy) un robot",
    "non sono un robot", "не робот", "人机验证", "安全验证", "ロボットではありません", "로봇이 아닙니다",
)  # fmt: skip
_LOADING_LINES = """
    loading|please wait|one moment|wird geladen|laden|lädt|bitte warten|chargement(?: en cours)?|veuillez patienter|
    cargando|espere|caricamento(?: in corso)?|attendere|carregando|aguarde|even geduld|ładowanie|proszę czekać|načítání|
    загрузка|подождите|завантаження|yükleniyor|lütfen bekleyin|加载中|正在加载|载入中|请稍候|請稍候|
    読み込み中|お待ちください|로딩 ?중?|잠시만 기다려 ?주세요|جار[ٍي]? التحميل
"""
_LOADING = "".join(line.strip() for line in _LOADING_LINES.splitlines())
_SCRIPTS = _any_of(
    "java ?-?script", "enable scripts", "جافا ?سكريبت", "जावा ?स्क्रिप्ट", "จาวาสคริปต์",
    "ジャバスクリプト", "자바스크립트", "джава-?скрипт", "outdated browser",
    "(?:unsupported|update your|upgrade your|supported) browser", "browser is (?:not supported|unsupported|outdated)",
    rf"^\W*(?:{_LOADING})(?: (?:app|page|content|application))?\W*$",
)  # fmt: skip
_MOVED = _any_of(
    "be(?:ing|en)? (?:automatically )?redirect", "redirecting", "click here if", "if you are not redirected",
    "weitergeleitet", "weiterleitung", "redirig", "reindirizz", "redirecion", "doorgestuurd", "przekierowan",
    "přesměrov", "перенаправл", "yönlendir", "跳转", "リダイレクト", "자동으로 이동",
)  # fmt: skip
_CONSENT = _any_of(
    "cookie", "куки", "consent", "einwillig", "zustimm", "datenschutz", "privatsphäre", "privacy", "vie privée",
    "privacidad", "prywatnoś", "soukrom", "consenso", "zgod[aąęyz]", "toestemming", "samtyck", "samtykke", "souhlas",
    "suostumus", "hozzájárul", "согласи", "конфиденциальн", "çerez", "gizlilik", "συγκατάθεσ", "απορρήτ", "隐私",
    "同意", "プライバシー", "クッキー", "쿠키", "개인정보", "ملفات تعريف",
    "(?:our|unsere|nos|nuestros|nossos|nostri) \\d* ?(?:part|soc|parc)", "before you continue", "bevor sie fortfahren",
    "(?:store|access) (?:and/or access )?information on a device",
    "avant d['’]accéder", "antes de continuar", "prima di continuare", "zanim przejdziesz", "voordat je verdergaat",
)  # fmt: skip
_AGREEING = _any_of(
    "accept", "agree", "allow all", "akzeptier", "zustimm", "einverstanden", "acept", "accett", "aceit", "akceptuj",
    "zgadzam", "přijm", "souhlas", "godkänn", "hyväksy", "elfogad",
    "αποδοχή", "αποδέχ", "συμφων", "принять", "соглас", "kabul et", "同意", "接受",
    "동의", "موافق", "akkoord",
)  # fmt: skip
_RIGHTS = re.compile(
    r"[©®]|\(c\)|copyright|all rights|alle rechte|tous droits|reservados|riservati|права", re.IGNORECASE
)
#: Where React, Vue, Angular, Next, Nuxt, Gatsby, Svelte and Ember draw.
_EMPTY_ROOT = re.compile(
    r"<(?:div|main|section)\b[^<>]{0,200}?\bid=[\"']?(?:root|app|main-app|app-root|__next|__nuxt|___gatsby|svelte|ember-app"
    r"|react-root|vue-app)\b[^<>]{0,200}>\s{0,50}</|<app-root\b[^<>]{0,200}>\s{0,50}</",
    re.IGNORECASE,
)
MOST_NOSCRIPTS, LONGEST_NOTICE_CHARS = 20, 1_000
#: Of a sentence.
FEWEST_WORDS = 4
_ACTIVE = re.compile(r"<(?:script|iframe|noscript|form|button)\b|http-equiv=.?refresh", re.IGNORECASE)
_SENTENCE = re.compile(rf"(?<=[{re.escape(SENTENCE_ENDS)}])\s+")
_MOST_SCANNED_CHARS = 500_000


def nothing_said(title: str | None, blocks: Sequence[Block], html: str) -> str:
    """Why a page has nothing to read, and what to do; empty where it has."""
    html = html[:_MOST_SCANNED_CHARS]
    why = (SCRIPTED if "<script" in html.lower() else EMPTY) if not blocks else ""
    if not why and not has_words(blocks, NOTICE_WORDS) and _ACTIVE.search(html):
        why = _notice(title or "", [part for block in blocks for part in _SENTENCE.split(block.text)], html)
    return f"{why} {REMEDY}" if why else ""


def _notice(title: str, sentences: Sequence[str], html: str) -> str:
    """What the few sentences of a page are about instead of its matter."""
    words = sum(map(word_count, sentences))
    if _PROOF.search(title) and words < 2 * FEW_WORDS:
        return PROOF
    if words < FEW_WORDS and _rest(sentences, _PROOF, _SCRIPTS, _MOVED) < SOME_WORDS:
        signs = ((_PROOF, PROOF), (_SCRIPTS, SCRIPTED), (_MOVED, LEADS_ON))
        if why := next((why for sign, why in signs if any(map(sign.search, sentences))), ""):
            return why
        if not any(_says(one) for one in sentences) and _waits_for_scripts(html):
            return SCRIPTED
    about = words - _rest(sentences, _CONSENT)
    return CONSENT if 2 * about >= words and _AGREEING.search(html) and _beside(sentences) < FEW_WORDS else ""


def _says(sentence: str) -> bool:
    """Whether it is a sentence, and not one of those that stand at the foot of every page."""
    return word_count(sentence) >= FEWEST_WORDS and is_sentence(sentence) and not _RIGHTS.search(sentence)


def _waits_for_scripts(html: str) -> bool:
    """Whether scripts are to fill an element that is empty, or it is said that nothing goes without them."""
    if _EMPTY_ROOT.search(html):
        return True
    texts = re.split("<noscript", html, maxsplit=MOST_NOSCRIPTS, flags=re.IGNORECASE)[1:]
    return any(_SCRIPTS.search(text[:LONGEST_NOTICE_CHARS].partition("</noscript")[0]) for text in texts)


def _beside(sentences: Sequence[str]) -> int:
    """Words of the sentences beside a notice, but for names and buttons."""
    return _rest([one for one in sentences if word_count(one) >= SOME_WORDS // 2], _CONSENT, _SCRIPTS)


def _rest(sentences: Sequence[str], *signs: re.Pattern[str]) -> int:
    """Words of the sentences in which no such sign is."""
    return sum(word_count(one) for one in sentences if not any(sign.search(one) for sign in signs))
