"""Where sentences end, in the scripts and languages that pages are written in; each text is of three or so."""

from __future__ import annotations

import time

import pytest

from tasks.document.extractive import summary
from tasks.document.page import Block, BlockKind, ParsedDocument
from tasks.document.reading import read
from tasks.document.sentences import sentences_of

# The expectation is how each language writes: full stops, dandas, Greek question marks, abbreviations, capitals.
LANGUAGES = {
    "en": [
        "The council approved the new bridge on Monday after a long debate.",
        "Engineers expect the work to take three years.",
        "Mr. Smith of the U.S. Department of Transport said so at 5 p.m. on Friday.",
    ],
    "de": [
        "Der Stadtrat hat am 3. Oktober nach langer Debatte die neue Brücke genehmigt.",
        "Die Ingenieure rechnen z. B. mit drei Jahren Bauzeit.",
        "Öffentliche Mittel in Höhe von 90 Mio. Euro stehen bereit.",
    ],
    "fr": [
        "Le conseil a approuvé le nouveau pont lundi après un long débat.",
        "Équipes et ingénieurs prévoient trois ans de travaux.",
        "« À la fin, tout ira bien », a dit M. Dupont aux habitants.",
    ],
    "es": [
        "El consejo aprobó el lunes el nuevo puente tras un largo debate.",
        "¿Cuánto tiempo durarán los trabajos según los ingenieros?",
        "¡Éstos esperan que la obra dure unos tres años!",
    ],
    "pt": [
        "A câmara aprovou na segunda-feira a nova ponte após longo debate.",
        "Água e luz serão ligadas antes do fim das obras.",
        "O Sr. Silva disse que os trabalhos levam três anos.",
    ],
    "it": [
        "Il consiglio ha approvato lunedì il nuovo ponte dopo un lungo dibattito.",
        "È previsto che i lavori durino circa tre anni.",
        "Il dott. Rossi ha parlato con i residenti del quartiere.",
    ],
    "nl": [
        "De raad keurde maandag na een lang debat de nieuwe brug goed.",
        "Ingenieurs verwachten dat het werk drie jaar zal duren.",
        "Één bewoner vroeg om betere fietspaden langs de rivier.",
    ],
    "pl": [
        "Rada miasta zatwierdziła w poniedziałek nowy most po długiej debacie.",
        "Łódź otrzyma na ten cel m.in. dziewięćdziesiąt milionów złotych z budżetu.",
        "Żaden mieszkaniec nie zgłosił poważnego sprzeciwu.",
    ],
    "cs": [
        "Městská rada v pondělí po dlouhé debatě schválila nový most.",
        "Čtyři inženýři očekávají, že práce potrvají tři roky.",
        "Žádný obyvatel nevznesl vážnou námitku proti stavbě.",
    ],
    "hu": [
        "A városi tanács hétfőn hosszú vita után jóváhagyta az új hidat.",
        "Űrlapot kell kitölteni a támogatásért a hivatalban.",
        "Őszre várható, hogy a munka három évig tart majd.",
    ],
    "tr": [
        "Belediye meclisi pazartesi günü uzun bir tartışmadan sonra köprüyü onayladı.",
        "İstanbul bu iş için doksan milyon lira alacak.",
        "Şehir sakinleri nehir boyunca bisiklet yolu istedi.",
    ],
    "sv": [
        "Kommunfullmäktige godkände i måndags den nya bron efter en lång debatt.",
        "Ändå väntar ingenjörerna att arbetet tar tre år.",
        "Åtta invånare bad om bättre cykelbanor längs ån.",
    ],
    "fi": [
        "Kaupunginvaltuusto hyväksyi maanantaina uuden sillan pitkän väittelyn jälkeen.",
        "Älykkäät insinöörit odottavat työn kestävän kolme vuotta.",
        "Asukkaat pyysivät parempia pyöräteitä joen varrelle.",
    ],
    "ro": [
        "Consiliul a aprobat luni podul cel nou după o lungă dezbatere.",
        "Şase ingineri se aşteaptă ca lucrările să dureze trei ani.",
        "În final locuitorii au cerut piste pentru biciclete.",
    ],
    "ru": [
        "Городской совет одобрил в понедельник новый мост после долгих споров.",
        "Ёмкость бюджета составляет девяносто млн. рублей на эти работы.",
        "Инженеры ожидают, что работы займут около трёх лет.",
    ],
    "uk": [
        "Міська рада схвалила в понеділок новий міст після довгих суперечок.",
        "Її інженери очікують, що роботи триватимуть три роки.",
        "Європейський банк дасть на це дев'яносто мільйонів.",
    ],
    "bg": [
        "Общинският съвет одобри в понеделник новия мост след дълги спорове.",
        "Инженерите очакват работата да продължи три години.",
        "Жителите поискаха по-добри велосипедни алеи край реката.",
    ],
    "sr": [
        "Градско веће је у понедељак одобрило нови мост после дуге расправе.",
        "Ђаци и грађани траже боље бициклистичке стазе поред реке.",
        "Џиновски радови ће трајати око три године.",
    ],
    "el": [
        "Το συμβούλιο ενέκρινε τη νέα γέφυρα τη Δευτέρα μετά από συζήτηση.",
        "Πόσο θα διαρκέσουν οι εργασίες σύμφωνα με τους μηχανικούς;",
        "Ο δήμαρχος υποσχέθηκε ότι ο διαγωνισμός θα δημοσιευθεί.",
    ],
    "ar": [
        "وافق مجلس المدينة يوم الاثنين على الجسر الجديد بعد نقاش طويل.",
        "هل يتوقع المهندسون أن يستغرق العمل ثلاث سنوات؟",
        "طلب العديد من السكان مسارات أفضل للدراجات على طول النهر.",
    ],
    "fa": [
        "شورای شهر روز دوشنبه پس از بحث طولانی پل جدید را تصویب کرد.",
        "آیا مهندسان انتظار دارند کار سه سال طول بکشد؟",
        "ساکنان خواستار مسیرهای بهتر دوچرخه در کنار رودخانه شدند.",
    ],
    "ur": [
        "سٹی کونسل نے پیر کو طویل بحث کے بعد نئے پل کی منظوری دی۔",
        "انجینئروں کو توقع ہے کہ کام میں تین سال لگیں گے۔",
        "کئی رہائشیوں نے دریا کے کنارے بہتر راستوں کا مطالبہ کیا۔",
    ],
    "he": [
        "מועצת העיר אישרה ביום שני את הגשר החדש לאחר דיון ארוך.",
        "המהנדסים מצפים שהעבודה תימשך כשלוש שנים לפחות.",
        "תושבים רבים ביקשו שבילי אופניים טובים יותר לאורך הנהר.",
    ],
    "hi": [
        "नगर परिषद ने सोमवार को लंबी बहस के बाद नए पुल को मंजूरी दी।",
        "इंजीनियरों को उम्मीद है कि काम में तीन साल लगेंगे।",
        "कई निवासियों ने नदी के किनारे बेहतर साइकिल लेन की मांग की।",
    ],
    "bn": [
        "নগর পরিষদ সোমবার দীর্ঘ বিতর্কের পর নতুন সেতু অনুমোদন করেছে।",
        "প্রকৌশলীরা আশা করছেন যে কাজে তিন বছর সময় লাগবে।",
        "অনেক বাসিন্দা নদীর ধারে আরও ভালো সাইকেল লেন চেয়েছেন।",
    ],
    "ta": [
        "நீண்ட விவாதத்திற்குப் பிறகு நகர சபை திங்களன்று புதிய பாலத்திற்கு ஒப்புதல் அளித்தது.",
        "பணி மூன்று ஆண்டுகள் ஆகும் என்று பொறியாளர்கள் எதிர்பார்க்கிறார்கள் இப்போது.",
        "பல குடியிருப்பாளர்கள் ஆற்றங்கரையில் சிறந்த மிதிவண்டிப் பாதைகளை கேட்டனர் நேற்று.",
    ],
    "th": ["สภาเมืองอนุมัติสะพานใหม่เมื่อวันจันทร์หลังจากการอภิปรายยาวนาน"],
    "zh": [
        "市议会经过长时间辩论，星期一批准了新大桥的建设方案。",
        "工程师预计需要三年时间才能完成这项工程。",
        "许多居民要求沿河修建更好的自行车道！",
    ],
    "ja": [
        "市議会は長い議論の末、月曜日に新しい橋の建設を承認した。",
        "技術者たちは工事に三年かかると見込んでいる。",
        "「もっと良い自転車道がほしい。」と住民は言った。",
    ],
    "ko": [
        "시의회는 오랜 토론 끝에 월요일에 새 다리 건설 계획을 승인했다.",
        "기술자들은 공사가 약 삼 년 정도 걸릴 것으로 예상한다.",
        "많은 주민들이 강을 따라 더 나은 자전거 도로를 요청했다.",
    ],
    "hy": [
        "Քաղաքային խորհուրդը երկուշաբթի օրը երկար քննարկումից հետո հաստատեց նոր կամուրջը։",
        "Ինժեներները ակնկալում են, որ աշխատանքը կտևի երեք տարի։",
        "Շատ բնակիչներ գետի երկայնքով ավելի լավ հեծանվային ուղիներ խնդրեցին։",
    ],
    "ka": [
        "საქალაქო საბჭომ ორშაბათს ხანგრძლივი დებატების შემდეგ ახალი ხიდი დაამტკიცა.",
        "ინჟინრები ელიან, რომ სამუშაოები დაახლოებით სამ წელს გაგრძელდება.",
        "ბევრმა მცხოვრებმა მდინარის გასწვრივ უკეთესი ველობილიკები მოითხოვა.",
    ],
    "am": [
        "የከተማው ምክር ቤት ሰኞ ዕለት ከረጅም ክርክር በኋላ አዲሱን ድልድይ አጸደቀ።",
        "መሐንዲሶች ሥራው ሦስት ዓመት ያህል ይወስዳል ብለው ይጠብቃሉ።",
        "ብዙ ነዋሪዎች በወንዙ ዳር የተሻሉ የብስክሌት መንገዶችን ጠየቁ።",
    ],
    "my": [
        "မြို့တော်ကောင်စီသည် တနင်္လာနေ့တွင် ရှည်လျားသော ဆွေးနွေးမှုအပြီး တံတားသစ်ကို အတည်ပြုခဲ့သည်။",
        "အင်ဂျင်နီယာများက အလုပ်သည် သုံးနှစ်ကြာမည်ဟု မျှော်လင့်ကြသည်။",
    ],
    "km": ["ក្រុមប្រឹក្សាក្រុងបានអនុម័តស្ពានថ្មីកាលពីថ្ងៃចន្ទបន្ទាប់ពីការជជែកវែកញែកយ៉ាងយូរ។", "វិស្វកររំពឹងថាការងារនេះនឹងចំណាយពេលបីឆ្នាំ។"],
    "vi": [
        "Hội đồng thành phố đã phê duyệt cây cầu mới vào thứ Hai sau cuộc tranh luận dài.",
        "Ước tính công việc sẽ kéo dài khoảng ba năm.",
        "Đa số người dân yêu cầu làn đường xe đạp tốt hơn.",
    ],
    "id": [
        "Dewan kota menyetujui jembatan baru pada hari Senin setelah perdebatan panjang.",
        "Para insinyur memperkirakan pekerjaan itu akan memakan waktu tiga tahun.",
        "Beberapa warga meminta jalur sepeda yang lebih baik.",
    ],
    "lt": [
        "Miesto taryba pirmadienį po ilgų ginčų patvirtino naują tiltą.",
        "Šiems darbams prireiks maždaug trejų metų, mano inžinieriai.",
        "Žmonės prašė geresnių dviračių takų palei upę.",
    ],
    "lv": [
        "Pilsētas dome pirmdien pēc ilgām debatēm apstiprināja jauno tiltu.",
        "Īstenošana prasīs apmēram trīs gadus, lēš inženieri.",
        "Ēku īpašnieki lūdza labākus veloceliņus gar upi.",
    ],
    "ca": [
        "El consell va aprovar dilluns el nou pont després d'un llarg debat.",
        "Àngels i enginyers esperen que les obres durin tres anys.",
        "Els veïns van demanar millors carrils bici al llarg del riu.",
    ],
}


#: Abbreviations, names and quotations amid which no sentence ends; after reports on pySBD, sentencex and yasbd.
AMID = {
    "a brand in capitals": ["Use Node.js and ASP.NET there.", "Both work."],
    "a name that begins small": ["iPhone sales rose.", "eBay fell."],
    "German": ["Die Fa. Müller & Co. KG liefert u. a. Holz.", "Sie sitzt in der Str. des 17. Juni in Berlin."],
    "German law": ["Der Vertrag nach § 5 Abs. 2 Nr. 3 BGB gilt bzw. galt.", "Die Frist endet am 3. Mai."],
    "French": ["L’art. 5, al. 2, s’applique, cf. p. 12.", "M. Dupont et Mme Durand l’ont dit, etc."],
    "Spanish": ["La Sra. Gómez y el Dr. Ruiz viven en la Av. Mayor, núm. 5.", "¿Vendrán mañana?", "¡Claro que sí!"],
    "Portuguese": ["O Exmo. Sr. Silva mora na Av. Paulista, n.º 5, p. ex.", "Ele disse que sim."],
    "Italian": ["Il sig. Rossi e la sig.ra Bianchi, art. 5 c.c., sono d’accordo.", "L’ing. Verdi no."],
    "Dutch": ["Dhr. Jansen en mevr. de Vries kochten o.a. brood, d.w.z. eten.", "Dat was bijv. gisteren."],
    "Polish": ["Np. prof. dr hab. Kowalski mieszka przy ul. Długiej 5 w Łodzi.", "Zarabia ok. 5 tys. zł miesięcznie."],
    "Czech": ["Např. Ing. Novák bydlí v ul. Dlouhá č. 5, tzn. v centru.", "Dne 3. května přijel."],
    "Russian": ["В 1990 г. население составляло 5 тыс. чел., т. е. мало.", "Проф. Иванов А. С. живёт на ул. Ленина."],
    "Ukrainian": ["У 1990 р. населення становило 5 тис. осіб.", "Проф. Іваненко живе на вул. Шевченка."],
    "Greek": ["Ο κ. Παπαδόπουλος, π.χ., μένει στην οδό Ερμού αρ. 5.", "Ήρθε χθες;", "Ναι!"],
    "Arabic": ["قال د. خالد إن الخسائر بلغت 4.5%؛ وهذا كثير.", "هل ستنجح الجهود؟", "نعم!"],
    "Arabic, a comma": ["هذه تجربة، للغة العربية"],
    "Hindi": ["डॉ. शर्मा ने कहा कि रु. 500 बहुत है।", "क्या वह आएंगे?", "हाँ॥"],
    "Korean": ["그는 3.5% 올랐다고 말했다.", '"정말요?"라고 물었다.', "네."],
    "Vietnamese": ["Ông Nguyễn ở TP. Hồ Chí Minh nói vậy.", "Bà ấy thì không."],
    "Tibetan": ["གྲོང་ཁྱེར་གྱིས་ཟམ་པ་བཀག།", "ལས་ཀ་ལོ་གསུམ་འགོར།"],
    "Burmese": ["မြို့တော်က တံတားကို အတည်ပြုသည်။", "အလုပ်သုံးနှစ်ကြာမည်။"],
    "English offices": ["Gov. Smith, Sen. Jones and Rep. Lee met Gen. Ray.", "Capt. Orr did not."],
    "English initials": ["Last week, former director of the F.B.I. James B. Comey was fired.", "Mr. Comey was silent."],
    "quotations": ['"Is it done?" she asked.', '"Yes!" he said.'],
    "prices": ["It costs 5 €.", "3 people came."],
}  # fmt: skip


@pytest.mark.parametrize("sentences", AMID.values(), ids=AMID)
def test_no_sentence_ends_amid_a_name_or_an_abbreviation(sentences):
    assert sentences_of(" ".join(sentences)) == sentences


def test_sentences_that_no_blank_parts_are_two():
    assert sentences_of("It ended.Next one begins.") == ["It ended.", "Next one begins."]


def joined(language, sentences):
    return ("" if language in ("zh", "ja") else " ").join(sentences)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_end_in_every_script(language):
    assert sentences_of(joined(language, LANGUAGES[language])) == LANGUAGES[language]


@pytest.mark.parametrize("lang", ["", "en"])  # many templates say English, whatever stands in them
@pytest.mark.parametrize("language", LANGUAGES)
def test_one_sentence_means_one(language, lang):
    html = f"<html lang='{lang}'><body><article><p>{joined(language, LANGUAGES[language])}</p></article></body></html>"
    page = read(html.encode(), "text/html; charset=utf-8", "the page")
    assert summary(page, 1) in LANGUAGES[language]
    assert sum(one in summary(page, 2) for one in LANGUAGES[language]) == min(2, len(LANGUAGES[language]))


SHORT = [
    "It rains. We stay home. Read a book.",
    "Es regnet. Wir bleiben hier.",
    "下雨了。我们在家。",
    "वर्षा हुई। हम रुके।",
]


@pytest.mark.parametrize("text", SHORT)
def test_of_short_sentences_one_is_one_too(text):
    page = ParsedDocument(None, (Block(BlockKind.PARAGRAPH, text),), "text/plain")
    assert summary(page, 1) in sentences_of(text)
    assert len(sentences_of(text)) > 1


@pytest.mark.parametrize("piece", ["(", '("“', "a. ", ".", "«А. ", "。", "x", "“a.” ", "A.", "Mr. "])
def test_a_megabyte_of_anything_is_split_in_bounded_time(piece):
    began = time.process_time()
    sentences_of(piece * (1_000_000 // len(piece)))
    assert time.process_time() - began < 30
