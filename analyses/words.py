"""Words: the months, weekdays and words of quantity and direction that answers use, in the five languages."""

import re

# English and German first: they are written with a capital, without which `may` and `sat` are other words.
_MONTHS = (
    ("January Jan Januar Jänner", "stycznia styczeń января январь"),
    ("February Feb Februar", "lutego luty февраля февраль"),
    ("March Mar März Mär", "marca marzec марта март"),
    ("April Apr", "kwietnia kwiecień апреля апрель"),
    ("May Mai", "maja maj мая май"),
    ("June Jun Juni", "czerwca czerwiec июня июнь"),
    ("July Jul Juli", "lipca lipiec июля июль"),
    ("August Aug", "sierpnia sierpień августа август"),
    ("September Sep Sept", "września wrzesień сентября сентябрь"),
    ("October Oct Oktober Okt", "października październik октября октябрь"),
    ("November Nov", "listopada listopad ноября ноябрь"),
    ("December Dec Dezember Dez", "grudnia grudzień декабря декабрь"),
)
_WEEKDAYS = (
    ("Monday Mon Montag", "poniedziałek poniedziałku понедельник понедельника 월요일"),
    ("Tuesday Tue Tues Dienstag", "wtorek wtorku вторник вторника 화요일"),
    ("Wednesday Wed Mittwoch", "środa środę środy среда среду среды 수요일"),
    ("Thursday Thu Thurs Donnerstag", "czwartek czwartku четверг четверга 목요일"),
    ("Friday Fri Freitag", "piątek piątku пятница пятницу пятницы 금요일"),
    ("Saturday Sat Samstag", "sobota sobotę soboty суббота субботу субботы 토요일"),
    ("Sunday Sun Sonntag", "niedziela niedzielę niedzieli воскресенье воскресенья 일요일"),
)


def _number(groups: tuple[tuple[str, str], ...]) -> dict[str, int]:
    numbered: dict[str, int] = {}
    for number, (capital, either) in enumerate(groups, start=1):
        words = [*capital.split(), *either.split(), *(word.capitalize() for word in either.split())]
        numbered |= dict.fromkeys(words, number)
    return numbered


MONTHS = _number(_MONTHS)
WEEKDAYS = _number(_WEEKDAYS)

# What a figure is called, by the name of its value in the facts; the longest word first.
LABELS: dict[str, tuple[str, ...]] = {
    "oee": ("oee",),
    "availability": ("availability", "verfügbarkeit", "dostępnoś", "доступност", "готовност", "가용률", "가동률"),
    "performance": ("performance", "leistungsgrad", "leistung", "wydajnoś", "производительност", "성능"),
    "quality": ("quality", "qualität", "jakoś", "качеств", "품질"),
    "scrap_ratio": ("scrap ratio", "scrap rate", "ausschussquote", "wskaźnik braków", "доля брака", "불량률"),
    "scrap": ("scrap", "ausschuss", "braków", "braki", "брак", "불량"),
    "good": ("good", "gutteile", "gute", "dobrych", "годн", "양품"),
    "rework": ("rework", "nacharbeit", "popraw", "доработ", "재작업"),
    "micro_stops": ("micro-stop", "mikrostopp", "kurzstopp", "mikroprzest", "микроост", "순간정지"),
    "stops": ("stops", "stopps", "stillstände", "zatrzymań", "przestojów", "остановок", "остановки", "정지"),
    "down_s": (
        "down time",
        "downtime",
        "down for",
        "stillstand",
        "przestój",
        "przestoju",
        "простой",
        "простоя",
        "비가동",
    ),
    "setup_s": ("set-up", "setup", "rüst", "przezbroj", "наладк", "переналад", "셋업"),
}

_RISING = (
    r"\b(?:rose|risen|rise|increas\w+|up by|higher|gain\w*|improv\w+|better|gestiegen|stieg\w*|höher|verbesser\w+"
    r"|zugenommen|wzros\w+|wyższ\w+|popraw\w+|lepsz\w+|вырос\w*|повыс\w+|увелич\w+|выше|улучш\w+)|상승|증가|개선|높아|올랐"
)
_FALLING = (
    r"\b(?:fell|fallen|falls?|drop\w*|decreas\w+|declin\w+|down by|lower|lost|worse\w*|gesunken|sank|gefallen|fiel"
    r"|niedriger|schlechter|verschlechter\w+|abgenommen|spad\w+|niższ\w+|zmniejsz\w+|gorsz\w+|сниз\w+|упал\w*|ниже|уменьш\w+|ухудш\w+)"
    r"|하락|감소|악화|낮아|떨어"
)
RISING = re.compile(_RISING, re.IGNORECASE)
FALLING = re.compile(_FALLING, re.IGNORECASE)
# "about 1,200": the zeros at the end are not exact.
ABOUT = re.compile(
    r"(?:\b(?:about|around|roughly|nearly|almost|over|approximately|approx\.?|some|rund|etwa|circa|ca\.|knapp|gut|über|fast"
    r"|około|ok\.|blisko|prawie|ponad|niemal|около|примерно|почти|более|порядка)|약|거의|~|≈)\s*$",
    re.IGNORECASE,
)
# What has changed by so much is not said to be so much.
BY = re.compile(r"(?:\b(?:by|um|o|na|на)|만큼)\s+(?:\w+\s+)?$", re.IGNORECASE)
