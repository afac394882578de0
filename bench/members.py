"""The programme and the members that every system under test knows: numbers in a row, too rich ever to be refused."""

from pathlib import Path

FIRST = 84_000_000_000
"""The first member's number; the others follow without a gap."""
MILES = 9_500_000
CLIENT = "bench"

SPONSOR = "LOY1"

PROGRAMME = f"""
[programme]
name = "Benchmark"
timezone = "America/Toronto"
currency = "CAD"
cap_day_starts = "03:00"
file_day_starts = "00:00"
daily_cap_dollars = "75000000.00"
over_request = "decline"
check_digit = false
[[offers]]
id = "1111111111"
type = "RGL"
unit_miles = 95
unit_dollars = "10.00"
description_en = "95 Cash Miles = $10 off"
description_fr = "95 milles Argent = 10 $ de rabais"
[[sponsors]]
code = "{SPONSOR}"
name = "Loyal Grocer"
vendor_ids = ["100087"]
acquirer_ids = ["100000"]
"""


def write(folder: Path, count: int) -> tuple[Path, Path]:
    """Write the programme file and the file of `count` members; return both."""
    programme, members = folder / "programme.toml", folder / f"members-{count}.csv"
    programme.write_text(PROGRAMME)
    with members.open("w") as out:
        out.write("number,cash_miles,dream_miles\n")
        out.writelines(f"{number},{MILES},0\n" for number in range(FIRST, FIRST + count))
    return programme, members
