"""Days: dates, weekdays and times of day of an answer, held against the days that were sent and the calendar."""

import datetime as dt
import re
from collections.abc import Sequence

from analyses.evidence import Evidence
from analyses.reading import Kind, Said
from analyses.verdicts import CONTRADICTED, DERIVED, FOUND, NOT_THERE, Verdict

DAY = dt.timedelta(days=1)
# What may stand between a weekday and its date, and between a date and its weekday: `Mon to Tue` are two days.
BEFORE_DATE = re.compile(r"[\s,(]{0,3}(?:(?:the|dem|den|der|dnia)\s)?")
BEFORE_WEEKDAY = re.compile(r"\s?[,(]\s?|\s")


def judge_days(said: Sequence[Said], evidence: Evidence, *, answer: str) -> dict[int, Verdict]:
    """The verdict of each date, weekday and time of day, by its place in `said`; a wrong weekday spoils its date."""
    verdicts = {}
    for place, one in enumerate(said):
        if one.kind == Kind.CLOCK:
            known = one.text in evidence.clocks or f"0{one.text}" in evidence.clocks
            verdicts[place] = Verdict(FOUND) if known else NOT_THERE
        elif one.kind == Kind.DATE:
            verdicts[place] = _judge_date(one, evidence)
        elif one.kind == Kind.WEEKDAY:
            verdicts[place] = _judge_weekday(one.weekday, evidence)
    for place in range(len(said) - 1):
        one, two = said[place], said[place + 1]
        if {one.kind, two.kind} == {Kind.DATE, Kind.WEEKDAY}:
            date, weekday = (one, two) if one.kind == Kind.DATE else (two, one)
            between = BEFORE_WEEKDAY if date is one else BEFORE_DATE
            if not between.fullmatch(answer[one.end : two.start]):
                continue
            days = _days_of(date, evidence)
            if days and weekday.weekday not in {day.isoweekday() for day in days}:
                how = f"{days[0].isoformat()} is a {days[0]:%A}"
                verdicts[place] = verdicts[place + 1] = Verdict(CONTRADICTED, how=how)
    return verdicts


def _judge_date(said: Said, evidence: Evidence) -> Verdict:
    days = _days_of(said, evidence)
    if any(day in evidence.days for day in days):
        return Verdict(FOUND)
    if evidence.window and any(evidence.window[0] <= day <= evidence.window[1] for day in days):
        return Verdict(DERIVED, how="in the period")
    return NOT_THERE


def _judge_weekday(weekday: int, evidence: Evidence) -> Verdict:
    if weekday in {day.isoweekday() for day in evidence.days}:
        return Verdict(FOUND)
    if evidence.window:
        first, last = evidence.window
        if any((first + number * DAY).isoweekday() == weekday for number in range(min((last - first).days, 6) + 1)):
            return Verdict(DERIVED, how="in the period")
    return NOT_THERE


def _days_of(said: Said, evidence: Evidence) -> list[dt.date]:
    """The days that a date may name; without a year it is of one of the years that were sent."""
    sent = {day.year for day in evidence.days} | {day.year for day in evidence.window or ()}
    days = []
    for year, month, day in said.dates:
        for one in [year] if year else sorted(sent):
            try:
                days.append(dt.date(one, month, day))
            except ValueError:
                continue  # 29 February of another year
    return days
