"""Sent: the figures of one week of a small plant, as they go out with a question; what the guard's corpus is about."""


def fact(number, text, **values):
    return {"id": f"F{number}", "text": text, "values": values}


FACTS = [
    fact(
        1,
        "Today: OEE was 78.0 %, from availability 91.7 %, performance 88.0 % and quality 96.7 %.",
        **{"oee": 0.78031, "availability": 0.9172, "performance": 0.8797, "quality": 0.9671},
    ),
    fact(
        2,
        "Against yesterday: OEE +2.3 percentage points (was 75.7 %), availability -1.2 percentage points (was 92.9 %), "
        "quality +0.4 percentage points (was 96.3 %).",
        **{"oee_change": 0.0231, "oee_before": 0.7572, "availability_change": -0.0118, "availability_before": 0.9290},
        **{"quality_change": 0.0041, "quality_before": 0.9630},
    ),
    fact(
        3,
        "Pieces: 4,812 produced, good 4,653, scrap 128, rework 31. The scrap ratio was 2.7 % of the pieces produced.",
        **{"produced": 4812.0, "good": 4653.0, "scrap": 128.0, "rework": 31.0, "scrap_ratio": 0.0266},
    ),
    fact(4, "Unplanned down time was 5 h 12 min in 14 stops.", down_s=18720.0, stops=14),
    fact(5, "Machines ran for 3 h 5 min between two unplanned stops on average (MTBF).", mtbf_s=11100.0),
    fact(
        6,
        "Down time by reason, place 1: Jam with 2 h 10 min in 6 stops, 41.7 % of all down time and micro-stops "
        "(together so far 41.7 %).",
        **{"reason": "Jam", "down_s": 7800.0, "stops": 6, "share": 0.41667, "cumulative": 0.41667},
    ),
    fact(
        7,
        "Down time by reason, place 2: Tool break with 1 h 24 min in 3 stops, 26.9 % of all down time and micro-stops "
        "(together so far 68.6 %).",
        **{"reason": "Tool break", "down_s": 5040.0, "stops": 3, "share": 0.26923, "cumulative": 0.6859},
    ),
    fact(
        8,
        "Down time by reason, place 3: No material with 48 min in 4 stops, 15.4 % of all down time and micro-stops "
        "(together so far 84.0 %).",
        **{"reason": "No material", "down_s": 2880.0, "stops": 4, "share": 0.15385, "cumulative": 0.83974},
    ),
    fact(
        9,
        "Press 2: OEE 66.6 %, availability 80.2 %, performance 86.1 %, quality 96.4 %, pieces good 1,203, scrap 45, "
        "down 1 h 35 min in 7 stops, set-up 20 min, 3 micro-stops.",
        **{"name": "Press 2", "oee": 0.6657, "availability": 0.8021, "performance": 0.8609, "quality": 0.9639},
        **{"good": 1203.0, "scrap": 45.0, "down_s": 5700.0, "stops": 7, "setup_s": 1200.0, "micro_stops": 3},
    ),
    fact(
        10,
        "Press 1: OEE 84.1 %, availability 95.0 %, performance 91.2 %, quality 97.1 %, pieces good 1,710, scrap 51, "
        "down 25 min in 2 stops, set-up 15 min, 1 micro-stop.",
        **{"name": "Press 1", "oee": 0.8412, "availability": 0.9502, "performance": 0.9118, "quality": 0.9710},
        **{"good": 1710.0, "scrap": 51.0, "down_s": 1500.0, "stops": 2, "setup_s": 900.0, "micro_stops": 1},
    ),
    fact(11, "The day with the worst OEE was Wed 25 Feb 2026: 61.2 %.", at="Wed 25 Feb 2026", oee=0.6121),
    fact(12, "The day with the best OEE was Mon 2 Mar 2026: 78.0 %.", at="Mon 2 Mar 2026", oee=0.7803),
    fact(13, "Set-up took 1 h 5 min in 4 set-ups.", setup_s=3900.0, setups=4),
    fact(14, "22 micro-stops took 18 min in all.", micro_stops=22, micro_stop_s=1080.0),
]
GIVEN = """\
Report: Plant
Period: 2026-02-24 00:00 to 2026-03-02 14:00 (last 7 days), zone Europe/Warsaw
Now: Monday 2026-03-02 14:00, current shift: Early
Newest event: 2 min ago
<<<TABLE
machine;OEE %;down min;good
Press 1;84.1;25;1710
Press 2;66.6;95;1203
Oven;80.3;192;1740
TABLE>>>
Question:
How do we reach 85 %?"""
