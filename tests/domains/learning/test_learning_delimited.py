"""Text files as Quizlet, Anki, spreadsheets and people write them."""

from __future__ import annotations

import pytest

from tasks.learning import delimited


def read(text: str | bytes, deck: str | None = None) -> list[tuple[str, str]]:
    content = text if isinstance(text, bytes) else text.encode()
    return [(one.front, one.back) for one in delimited.read(content, deck)]


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ('"#include <x.h>","preprocessor"\na,b\n', [("#include <x.h>", "preprocessor"), ("a", "b")]),
        ('a,b\n"#hash","c"\n', [("a", "b"), ("#hash", "c")]),
        ("a,b\n#no,c\nd,e\n", [("a", "b"), ("d", "e")]),
        ('a,b\n# it"s a "comment\nd,e\n', [("a", "b"), ("d", "e")]),
        ("\ufeffFront,Back\na,b\n", [("a", "b")]),
        ("\ufeff#separator:tab\n#html:true\na\t<b>b</b>\n", [("a", "b")]),
        ("Term\tDefinition\nhola\thello\n", [("hola", "hello")]),
        ('\ufeff"Front","Back"\n"a","b"\n', [("a", "b")]),
        ('"line 1\nline 2","b"\n"c","d\n\ne"\n', [("line 1\nline 2", "b"), ("c", "d\n\ne")]),
        ("a,<b>hola</b><br>amigo\n", [("a", "hola\namigo")]),
        ("What does <br> do?;a line break\n", [("What does <br> do?", "a line break")]),
        ("a < b; b > a\n", [("a < b", "b > a")]),
        ("vector<int>;a list\n", [("vector<int>", "a list")]),
        ("sep=;\r\nFront;Back\r\na;b\r\n", [("a", "b")]),
        ("\ufeffsep=;\r\nFront;Back\r\na;b\r\n", [("a", "b")]),
        ("sep=\t\r\na\tb\r\n", [("a", "b")]),
        ("a;b;;;\nc;d;;;\n", [("a", "b"), ("c", "d")]),
        ("1,5;2,5\n3,5;4,5\n", [("1,5", "2,5"), ("3,5", "4,5")]),
        ("a\tb, c, d\ne\tf\n", [("a", "b, c, d"), ("e", "f")]),
        ('a,"b, c, d"\ne,f\n', [("a", "b, c, d"), ("e", "f")]),
        ('He said "hi"\tgreeting\n', [('He said "hi"', "greeting")]),
        ('"Hi" is\tgreeting\nb\tc\n', [('"Hi" is', "greeting"), ("b", "c")]),
        ('5" disk\tfloppy\nb\tc\n', [('5" disk', "floppy"), ("b", "c")]),
        ('"a\tb\nc\td\n', [('"a', "b"), ("c", "d")]),
        ("a\tb\rc\td\r", [("a", "b"), ("c", "d")]),
        ("a,b\nc,d", [("a", "b"), ("c", "d")]),
        (
            "#separator:tab\n#html:true\n#guid column:1\n#notetype column:2\n"
            '#deck column:3\n#tags column:6\nG1\tBasic\tA::B\tfront\t"ba<br>ck"\tt1 t2\n',
            [("front", "ba\nck")],
        ),
        ('#separator:tab\n#html:true\n"<style>.x{}</style>q"\t"q<hr id=answer>a"\n', [("q", "a")]),
        ("#separator:|\na|b\n", [("a", "b")]),
        ("#separator:Semicolon\na;b,c\n", [("a", "b,c")]),
        ("#separator:Space\na b\n", [("a", "b")]),
        ("#separator:Colon\na:b\n", [("a", "b")]),
        ("#separator:\\t\na\tb\n", [("a", "b")]),
        ("#html:TRUE\na,<i>b</i>\n", [("a", "b")]),
        ("#separator:Comma\n#tags:a b\n#deck:X\nf,b\n", [("f", "b")]),
        ('"a", "b"\n', [("a", "b")]),
        ("The {{c1::sun}} is hot\textra\n", [("The {{c1::sun}} is hot", "extra")]),
        ('front,back\n"{{c1::a, b}} c",x\n', [("{{c1::a, b}} c", "x")]),
        ("only\nonly2\n", [("only", ""), ("only2", "")]),
        ("a\tdef 1\nline two of def\nb\tdef 2\n", [("a", "def 1"), ("line two of def", ""), ("b", "def 2")]),
        ("a|b\nc|d\n", [("a", "b"), ("c", "d")]),
        ("#separator:tab\nFront\tBack\tTags\na\tb\tx,y\n", [("a", "b")]),
        ("#separator:tab\nFront\tBack\na\tb\n", [("a", "b")]),
        ("a,b\nc\nd,e,f\n", [("a", "b"), ("c", ""), ("d", "e\nf")]),
        ("a\tb\t\t\nc\td\t\t\n", [("a", "b"), ("c", "d")]),
        ("'=1+1,two\n", [("'=1+1", "two")]),
        ('Word,Definition,Example\r\ncat,gato,"el gato, negro"\r\n', [("cat", "gato\nel gato, negro")]),
    ],
)
def test_a_text_file_becomes_the_cards_that_its_program_meant(text: str, cards: list[tuple[str, str]]) -> None:
    assert read(text) == cards


@pytest.mark.parametrize(
    "head",
    [
        "Question;Réponse",
        "Mot;Traduction",
        "Wort;Übersetzung",
        "Vokabel;Bedeutung",
        "Domanda;Risposta",
        "Pergunta;Resposta",
        "Vraag;Antwoord",
        "質問,答え",
        "単語,意味",
        "表面,裏面",
        "Fråga;Svar",
        "Término,Definición",
        "Palabra,Significado",
        "term,definition",
        "Question,Answer",
        "Q,A",
        "Front Side,Back Side",
        "Front text,Back text",
        "вопрос;ответ",
    ],
)
def test_a_line_that_names_the_columns_is_no_card(head: str) -> None:
    separator = ";" if ";" in head else ","
    assert read(f"{head}\nx{separator}y\n") == [("x", "y")]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Front\tBack\nä\tö\n", "utf-16"),
        ("Front\tBack\nabc\tdef\n", "utf-16-le"),
        ("Frage;Antwort\nGröße;size\n", "cp1252"),
        ("質問,答え\n犬の意味は何ですか,dog です\n", "cp932"),
        ("问题,答案\n狗是什么意思啊,dog 动物\n", "gbk"),
        ("вопрос;ответ\nсобака;dog\n", "cp1251"),
        ("\ufeffa,b\nc,d\n", "utf-16-be"),
    ],
)
def test_the_encoding_is_told_by_the_bytes(text: str, encoding: str) -> None:
    assert read(text.encode(encoding)) == read(text)


def test_tags_in_a_table_may_have_commas_between_them_and_decks_may_be_left_empty() -> None:
    (card,) = delimited.read(b'Front,Back,Tags,Deck\na,b,"x, y",\n', "Mine")
    assert (card.tags, card.deck) == (("x", "y"), "Mine")
    (card,) = delimited.read(b"#separator:tab\n#tags column:3\na\tb\tx::y z,\n")
    assert card.tags == ("x::y", "z,")


def test_a_refusal_names_the_line_of_the_file() -> None:
    with pytest.raises(delimited.UnreadableCards, match="Line 5 has 70 columns"):
        read("#html:false\n# no card\na,b\n#another\n" + ",".join("x" * 70) + "\n")
