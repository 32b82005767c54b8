"""Languages: the sentences around the quoted facts, and the plant's words in them, in five languages.

No sentence holds a numeral: every number of an answer comes from a fact.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrases:
    """Everything an answer says in one language, apart from the facts. `topics` and `advice` are keyed by topic."""

    headline: str
    asked: str
    stands_out: str
    look_first: str
    closing: str
    no_match: str
    no_facts: str
    quoted: str
    topics: dict[str, str]
    advice: dict[str, str]


ENGLISH = Phrases(
    headline="What the figures say",
    asked="On your question",
    stands_out="What stands out",
    look_first="Where to look first",
    closing="Written by rule from the facts; no language model was used.",
    no_match="No fact in the prompt answers this question directly. What the facts do say follows.",
    no_facts=(
        "The prompt holds no numbered facts, so there is nothing to report. This analyst can only read facts that the "
        "portal has computed; it cannot look anything up or hold a conversation."
    ),
    quoted="",
    topics={
        "oee": "Effectiveness",
        "stops": "Down time",
        "scrap": "Scrap and rework",
        "place": "Where",
        "fresh": "About the data",
        "change": "Change",
        "data": "About the data",
        "other": "Also",
    },
    advice={
        "data": "Settle this point about the data before acting on the other figures.",
        "stops": "Begin with this loss: ask the people at the machine what happened during its longest stops.",
        "place": "Look here first, and compare how it was run with the others beside it.",
        "scrap": "Ask where these pieces were made, not only where they were found.",
        "change": "Find out what was done differently in the two periods.",
        "oee": "See which of availability, performance and quality loses most here, and follow that one.",
    },
)

GERMAN = Phrases(
    headline="Was die Zahlen sagen",
    asked="Zu Ihrer Frage",
    stands_out="Was auffällt",
    look_first="Wo man zuerst hinsehen sollte",
    closing="Nach festen Regeln aus den Fakten geschrieben; es wurde kein Sprachmodell verwendet.",
    no_match="Kein Fakt in der Anfrage beantwortet diese Frage direkt. Es folgt, was die Fakten aussagen.",
    no_facts=(
        "Die Anfrage enthält keine nummerierten Fakten, daher gibt es nichts zu berichten. Dieser Analyst kann nur "
        "Fakten lesen, die das Portal berechnet hat; er kann nichts nachschlagen und kein Gespräch führen."
    ),
    quoted="Die Fakten sind wörtlich in der englischen Fassung des Portals zitiert.",
    topics={
        "oee": "Effektivität",
        "stops": "Stillstand",
        "scrap": "Ausschuss und Nacharbeit",
        "place": "Wo",
        "fresh": "Zu den Daten",
        "change": "Veränderung",
        "data": "Zu den Daten",
        "other": "Außerdem",
    },
    advice={
        "data": "Klären Sie zuerst diesen Punkt zu den Daten, bevor Sie nach den anderen Zahlen handeln.",
        "stops": "Beginnen Sie hier: Fragen Sie an der Maschine, was bei den längsten Stillständen geschah.",
        "place": "Sehen Sie zuerst hier nach und vergleichen Sie, was nebenan anders gemacht wurde.",
        "scrap": "Fragen Sie, wo diese Teile gefertigt wurden, nicht nur, wo der Fehler gefunden wurde.",
        "change": "Finden Sie heraus, was in den beiden Zeiträumen anders gemacht wurde.",
        "oee": "Prüfen Sie, ob hier Verfügbarkeit, Leistung oder Qualität am meisten verliert, und gehen Sie dem nach.",
    },
)

POLISH = Phrases(
    headline="Co mówią liczby",
    asked="Odpowiedź na pytanie",
    stands_out="Co zwraca uwagę",
    look_first="Gdzie zajrzeć najpierw",
    closing="Napisane według stałych reguł na podstawie faktów; nie użyto modelu językowego.",
    no_match="Żaden fakt w zapytaniu nie odpowiada wprost na to pytanie. Poniżej to, co z faktów wynika.",
    no_facts=(
        "Zapytanie nie zawiera ponumerowanych faktów, więc nie ma o czym raportować. Ten analityk potrafi jedynie "
        "odczytać fakty obliczone przez portal; niczego nie wyszuka i nie poprowadzi rozmowy."
    ),
    quoted="Fakty przytoczono dosłownie, w angielskim brzmieniu z portalu.",
    topics={
        "oee": "Efektywność",
        "stops": "Przestoje",
        "scrap": "Braki i poprawki",
        "place": "Gdzie",
        "fresh": "O danych",
        "change": "Zmiana",
        "data": "O danych",
        "other": "Ponadto",
    },
    advice={
        "data": "Najpierw wyjaśnij tę kwestię dotyczącą danych, a potem działaj na podstawie pozostałych liczb.",
        "stops": "Zacznij od tej straty: zapytaj ludzi przy maszynie, co się działo podczas najdłuższych postojów.",
        "place": "Najpierw przyjrzyj się temu miejscu i porównaj, co obok robiono inaczej.",
        "scrap": "Zapytaj, gdzie te sztuki wykonano, a nie tylko gdzie wykryto wadę.",
        "change": "Ustal, co w obu okresach robiono inaczej.",
        "oee": "Sprawdź, czy najwięcej traci tu dostępność, wydajność czy jakość, i idź tym tropem.",
    },
)

RUSSIAN = Phrases(
    headline="Что говорят цифры",
    asked="По вашему вопросу",
    stands_out="Что бросается в глаза",
    look_first="Куда смотреть в первую очередь",
    closing="Составлено по правилам на основе фактов; языковая модель не использовалась.",
    no_match="Ни один факт в запросе не отвечает на этот вопрос прямо. Ниже — то, о чём факты говорят.",
    no_facts=(
        "В запросе нет пронумерованных фактов, поэтому сообщить нечего. Этот аналитик умеет только читать факты, "
        "рассчитанные порталом; он не ищет сведений и не ведёт беседу."
    ),
    quoted="Факты приведены дословно, в английской формулировке портала.",
    topics={
        "oee": "Эффективность",
        "stops": "Простои",
        "scrap": "Брак и доработка",
        "place": "Где",
        "fresh": "О данных",
        "change": "Изменение",
        "data": "О данных",
        "other": "Кроме того",
    },
    advice={
        "data": "Сначала проясните этот вопрос о данных, а уже потом действуйте по остальным цифрам.",
        "stops": "Начните с этой потери: спросите людей у станка, что происходило во время самых долгих остановок.",
        "place": "Сначала посмотрите здесь и сравните, что рядом делали по-другому.",
        "scrap": "Узнайте, где эти детали были изготовлены, а не только где был обнаружен дефект.",
        "change": "Выясните, что в этих двух периодах делали по-разному.",
        "oee": "Посмотрите, где потери больше всего: доступность, производительность или качество, и начните с этого.",
    },
)

KOREAN = Phrases(
    headline="수치가 말해 주는 것",
    asked="질문에 대한 답",
    stands_out="눈에 띄는 점",
    look_first="먼저 살펴볼 곳",
    closing="사실에 정해진 규칙을 적용해 작성했으며 언어 모델은 사용하지 않았습니다.",
    no_match="이 질문에 직접 답하는 사실이 없습니다. 사실로 알 수 있는 내용은 다음과 같습니다.",
    no_facts=(
        "요청에 번호가 매겨진 사실이 없어 보고할 내용이 없습니다. 이 분석기는 포털이 계산한 사실만 읽을 수 있으며, "
        "자료를 찾아보거나 대화를 나눌 수 없습니다."
    ),
    quoted="사실은 포털이 작성한 영어 원문을 그대로 인용했습니다.",
    topics={
        "oee": "종합 효율",
        "stops": "정지 시간",
        "scrap": "불량 및 재작업",
        "place": "위치",
        "fresh": "데이터 관련",
        "change": "변화",
        "data": "데이터 관련",
        "other": "그 밖에",
    },
    advice={
        "data": "다른 수치를 근거로 조치하기 전에 데이터에 관한 이 사항부터 확인하십시오.",
        "stops": "이 손실부터 시작하십시오. 가장 길게 멈췄을 때 무슨 일이 있었는지 설비 담당자에게 물어보십시오.",
        "place": "먼저 이곳을 살펴보고 옆에서는 어떻게 운전했는지 비교해 보십시오.",
        "scrap": "불량이 발견된 곳뿐 아니라 실제로 만들어진 곳이 어디인지 확인하십시오.",
        "change": "두 기간에 무엇을 다르게 했는지 알아보십시오.",
        "oee": "가용성, 성능, 품질 가운데 여기서 손실이 가장 큰 항목을 찾아 그것부터 살펴보십시오.",
    },
)

PHRASES = {"en": ENGLISH, "de": GERMAN, "pl": POLISH, "ru": RUSSIAN, "ko": KOREAN}

# Facts are English, questions are not: what to look for in the facts, and the stems of the words that ask for it.
# "#scrap" stands for every fact of that topic, whatever its words.
GLOSSARY = {
    "#stops": (
        *("down", "stop", "broke", "stillst", "ausfall", "ausfäll", "przest", "postoj", "zatrzym", "awari"),
        *("простой", "простоя", "простои", "простое", "останов", "авари", "полом", "정지", "멈", "비가동", "고장"),
    ),
    "#stops reason": (
        *("reason", "cause", "störung", "grund", "gründe", "ursache", "przyczyn", "powód", "powod"),
        *("причин", "원인", "사유"),
    ),
    "#stops set-up": ("setup", "set-up", "changeover", "rüst", "przezbroj", "наладк", "준비", "교체"),
    "#scrap": ("scrap", "reject", "ausschuss", "brak", "odpad", "брак", "불량", "폐기"),
    "#scrap rework": ("rework", "nacharbeit", "popraw", "доработ", "재작업"),
    "#oee": ("oee", "effectiv", "effektivit", "efektywn", "эффективн", "효율"),
    "#oee availability": ("availab", "verfügbar", "dostępno", "доступност", "가용", "가동률"),
    "#oee performance": ("performance", "leistung", "wydajno", "производительност", "성능"),
    "#oee quality": ("quality", "qualit", "jakoś", "качеств", "품질"),
    "#place": (
        *("machine", "worst", "weakest", "lowest", "maschine", "schlecht", "schwäch", "maszyn", "najgors", "najsłab"),
        *("станк", "станок", "машин", "худш", "설비", "기계", "나쁜"),
    ),
    "#change": (
        *("compare", "change", "previous", "vergleich", "veränder", "porówn", "poprzed"),
        *("сравн", "измен", "предыдущ", "비교", "변화", "이전"),
    ),
    "#data": ("data", "contact", "daten", "kontakt", "danych", "dane", "данны", "связ", "데이터", "연결"),
    "shift": ("schicht", "zmian", "смен", "교대"),
}

# A question for the whole picture has no single answering fact; the general part is its answer.
OVERVIEW_STEMS = (
    *("summar", "overview", "analys", "analyz", "what happened", "look first"),
    *("zusammenfass", "überblick", "analysier"),
    *("podsum", "przegląd", "analiz"),
    *("сводк", "обзор", "итог", "анализ"),
    *("요약", "개요", "분석"),
)
