"""The programme once more, naively: plain dicts, dollars as Decimal, one if-ladder a call, rule numbers beside it.

Written from rules.md and the API library alone; it imports nothing from the product, so that the two can disagree.
An answer is (HTTP status, body as a dict of strings, replayed or not). A confirmation number is learned from the
real answer; French words are ours, so their text is left open (`ANY_FRENCH`).
"""

# ruff: noqa: C901, PLR0912, SIM108, SIM114 -- straight ladders, as the rules stand

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

ANY_FRENCH = "<some French words>"
TORONTO = ZoneInfo("America/Toronto")  # R-TIME-2

STATUS = {
    "0000": 200,
    "0001": 202,
    "0002": 401,
    "0005": 202,
    "0006": 202,
    "0009": 403,
    "0025": 401,
    "0035": 400,
    "0051": 202,
    "0057": 400,
    "0065": 202,
    "0066": 202,
    "0067": 408,
    "0080": 409,
}
MESSAGE = {  # the endpoint's own table wins over the general one (R-WIRE-9)
    "0000": "Approved",
    "0001": "Approved - balance suppressed",
    "0002": "Collector account inactive",
    "0005": "Balance suppressed, unable to redeem",
    "0006": "Unable to redeem",
    "0009": "Card not swiped or scanned",
    "0025": "Invalid collector number",
    "0051": "Insufficient AIR MILES reward Miles",
    "0057": "Invalid redemption confirmation number",
    "0065": "Exceeded daily redemption limit",
    "0066": "Insufficient basket size",
    "0067": "Offer is temporarily unavailable",
    "0080": "Reversal window expired",
}
RECORDED = {"0000", "0001", "0002", "0005", "0006", "0051", "0057", "0065", "0066", "0080"}  # R-IDEM-5
IDENTIFIERS = {"deviceId", "sponsorCode", "storeId", "traceId", "vendorId", "acquirerId", "collectorNumber"}

LISTED = {  # R-FIELD
    "inquire": {
        *("acquirerId", "cardEntryMode", "collectorNumber", "dateTime", "deviceId", "instantMessage"),
        *("postTaxBasketAmount", "sponsorCode", "storeId", "traceId", "vendorId"),
    },
}
LISTED["redeem"] = LISTED["inquire"] | {
    *("dollarRedeemRequest", "originalPostTaxBasketAmount", "originalPreTaxAmount"),
}
LISTED["reverse"] = (LISTED["inquire"] - {"postTaxBasketAmount"}) | {"redemptionConfirmationNum"}


class NaiveProgramme:
    def __init__(self, sponsors, offers, cap, over_request):
        self.sponsors = sponsors  # code -> {"vendors": set, "acquirers": set}
        self.offers = offers  # list of dicts: id type miles dollars en fr available sponsor from until
        self.cap = cap
        self.over_request = over_request
        self.collectors = {}  # number -> {"active", "shows", "allows", "cash", "dream"}
        self.used = {}  # (number, cap day) -> dollars
        self.redemptions = {}  # (number, confirmation) -> dict
        self.recorded = {}  # (sponsor, endpoint, number, key) -> (content, status, body)
        self.redeemed_at = dict.fromkeys(sponsors, 0)  # miles, less what was reversed
        self.grace = timedelta(seconds=30)
        self.open = {}  # (number, confirmation) -> until when its delivery stays open (R-DLV-1)
        self.codes_seen = set()

    # --- what operators do ---------------------------------------------------------------------------------------

    def enrol(self, number, cash, dream):
        self.collectors[number] = {"active": True, "shows": True, "allows": True, "cash": cash, "dream": dream}

    def credit(self, number, wallet, miles):
        if self.collectors[number][wallet] + miles < 0:
            return False
        self.collectors[number][wallet] += miles
        return True

    # --- what becomes of an approval -----------------------------------------------------------------------------

    def handed_over(self, number, confirmation):
        self.open.pop((number, confirmation), None)  # R-DLV-2

    def sweep(self, now):
        """R-DLV-5: what is over and was not handed over is given back; return how many."""
        over = [one for one, until in self.open.items() if until <= now]
        for one in over:
            self.cancel(one)
        return len(over)

    def cancel(self, one):
        del self.open[one]
        redemption = self.redemptions[one]
        redemption["closed"] = redemption["cancelled"] = True
        self.collectors[one[0]]["cash"] += redemption["miles"]
        self.redeemed_at[redemption["sponsor"]] -= redemption["miles"]
        self.used[one[0], redemption["day"]] -= redemption["dollars"]  # "the day's allowance given back"

    def purge(self, older_than):
        """R-IDEM-8: forget the outcomes before a time, but none whose delivery is open."""
        for scope, (_, _, _, at, confirmation) in list(self.recorded.items()):
            if at < older_than and (scope[2], confirmation) not in self.open:
                del self.recorded[scope]

    # --- what tills ask ------------------------------------------------------------------------------------------

    def answer(self, endpoint, request, header_key, now, confirmation):
        """Return what must be answered; `confirmation` is the number in the real answer, None if it has none."""
        sent, self.now = dict(request), now
        if "redemptionConfirmationNumber" in sent and endpoint == "reverse":
            sent["redemptionConfirmationNum"] = sent.pop("redemptionConfirmationNumber")  # R-FIELD: another name
        sent = {name: value for name, value in sent.items() if name in LISTED[endpoint]}  # R-WIRE-3
        status, body, replayed = getattr(self, endpoint)(sent, header_key, now, confirmation)
        self.codes_seen.add((endpoint, body["responseCode"], replayed))
        return status, body, replayed

    def inquire(self, sent, _header_key, now, _confirmation):
        fault = self._first_fault(sent, None)
        if fault is not None:
            return self._invalid(sent, now, fault)  # R-ORDER-3
        if sent["cardEntryMode"].upper() == "MANUAL":
            return self._say("0009", "inquire", sent, now)  # R-ORDER-5
        collector = self.collectors.get(sent["collectorNumber"])
        if collector is None:
            return self._say("0025", "inquire", sent, now)  # R-ORDER-6
        if not collector["active"]:
            return self._say("0002", "inquire", sent, now)  # R-ORDER-7
        offer = self._offer_in_force(sent["sponsorCode"], now)
        balances = self._balances(sent["collectorNumber"], offer, now)
        if not collector["allows"]:  # R-ORDER-8
            return self._say("0006" if collector["shows"] else "0005", "inquire", sent, now, balances)
        if offer is None:
            return self._say("0067", "inquire", sent, now, balances)  # R-ORDER-9
        if collector["cash"] < offer["miles"]:
            return self._say("0051", "inquire", sent, now, balances)  # R-ORDER-11, R-AMT-6
        approval = "0000" if collector["shows"] else "0001"  # R-ORDER-14
        available = self._available(sent["collectorNumber"], offer, now)
        if self._cap_left(sent["collectorNumber"], now) < offer["dollars"]:
            return self._say(approval, "inquire", sent, now, balances)  # R-AMT-6: cap used up, no offer block
        units = min(available // offer["miles"], int(Decimal(sent["postTaxBasketAmount"]) // offer["dollars"]))
        block = {
            "availableOfferUnits": str(units),  # R-AMT-4
            "dailyOfferLimit": str(int(self.cap // offer["dollars"])),
            **self._offer_block(offer),
        }
        return self._say(approval, "inquire", sent, now, balances, block)

    def redeem(self, sent, header_key, now, confirmation):
        fault = self._first_fault(sent, header_key)
        if fault is not None:
            return self._invalid(sent, now, fault)  # R-ORDER-3
        number, sponsor = sent["collectorNumber"], sent["sponsorCode"]
        scope = self._scope("redeem", sent, header_key)
        if scope in self.recorded and not self._fresh_again(scope, sent):
            replay = self._replay(scope, sent, now)  # R-ORDER-4
            one = (number, self.recorded[scope][4])
            if replay[2] and one in self.open:
                self.open[one] = max(self.open[one], now + self.grace)  # R-DLV-4: claimed
            return replay
        offer = self._offer_in_force(sponsor, now)
        requested, basket = Decimal(sent["dollarRedeemRequest"]), Decimal(sent["postTaxBasketAmount"])
        if offer is not None and requested < offer["dollars"]:
            return self._invalid(sent, now, "dollarRedeemRequest")  # R-AMT-2; the lead's place for it
        if sent["cardEntryMode"].upper() == "MANUAL":
            return self._say("0009", "redeem", sent, now)  # R-ORDER-5
        collector = self.collectors.get(number)
        if collector is None:
            return self._say("0025", "redeem", sent, now)  # R-ORDER-6
        if not collector["active"]:
            return self._record(scope, sent, self._say("0002", "redeem", sent, now))  # R-ORDER-7
        balances = self._balances(number, offer, now)
        if not collector["allows"]:  # R-ORDER-8
            code = "0006" if collector["shows"] else "0005"
            return self._record(scope, sent, self._say(code, "redeem", sent, now, balances))
        if offer is None:
            return self._say("0067", "redeem", sent, now, balances)  # R-ORDER-9
        units = int(requested // offer["dollars"])  # R-AMT-2
        units = min(units, int(basket // offer["dollars"]))
        if units == 0:  # R-ORDER-10
            return self._record(scope, sent, self._say("0066", "redeem", sent, now, balances))
        of_balance = collector["cash"] // offer["miles"]
        of_cap = int(self._cap_left(number, now) // offer["dollars"])
        if self.over_request == "decline":  # R-AMT-3
            if units > of_balance:  # R-ORDER-11
                return self._record(scope, sent, self._say("0051", "redeem", sent, now, balances))
            if units > of_cap:  # R-ORDER-12
                return self._record(scope, sent, self._say("0065", "redeem", sent, now, balances))
        else:
            if of_balance == 0:
                return self._record(scope, sent, self._say("0051", "redeem", sent, now, balances))
            if of_cap == 0:
                return self._record(scope, sent, self._say("0065", "redeem", sent, now, balances))
            units = min(units, of_balance)
            units = min(units, of_cap)

        day = cap_day(now)
        collector["cash"] -= units * offer["miles"]
        self.used[number, day] = self.used.get((number, day), Decimal(0)) + units * offer["dollars"]
        self.redeemed_at[sponsor] += units * offer["miles"]
        # R-CONF-1: 16 decimal digits, unique within a collector.
        assert confirmation is not None, "must be approved"
        assert len(confirmation) == 16
        assert confirmation.isdecimal()
        assert (number, confirmation) not in self.redemptions
        self.redemptions[number, confirmation] = {
            "sponsor": sponsor,
            "at": now,
            "day": day,
            "units": units,
            "miles": units * offer["miles"],
            "dollars": units * offer["dollars"],
            "unit": offer,
            "closed": False,
            "cancelled": False,
        }
        self.open[number, confirmation] = now + self.grace  # R-DLV-1
        approval = "0000" if collector["shows"] else "0001"  # R-ORDER-14
        block = {
            "dailyOfferLimit": str(int(self.cap // offer["dollars"])),
            "milesRedeemed": str(units * offer["miles"]),
            "txnConfirmationNumber": confirmation,
            "unitsRedeemed": str(units),
            **self._offer_block(offer),
        }
        balances = self._balances(number, offer, now)  # R-AMT-4: after the transaction
        return self._record(scope, sent, self._say(approval, "redeem", sent, now, balances, block))

    def reverse(self, sent, header_key, now, _confirmation):
        fault = self._first_fault(sent, header_key)
        if fault is not None:
            return self._invalid(sent, now, fault)  # R-ORDER-3
        number, sponsor = sent["collectorNumber"], sent["sponsorCode"]
        scope = self._scope("reverse", sent, header_key)
        if scope in self.recorded:
            return self._replay(scope, sent, now)  # R-ORDER-4
        if sent["cardEntryMode"].upper() == "MANUAL":
            return self._say("0009", "reverse", sent, now)  # R-ORDER-5
        collector = self.collectors.get(number)
        if collector is None:
            return self._say("0025", "reverse", sent, now)  # R-ORDER-6
        if not collector["active"]:
            return self._record(scope, sent, self._say("0002", "reverse", sent, now))  # R-ORDER-7, R-REV-3
        offer = self._offer_in_force(sponsor, now)
        redemption = self.redemptions.get((number, sent["redemptionConfirmationNum"]))
        if redemption is None or redemption["sponsor"] != sponsor or redemption["closed"]:  # R-ORDER-13
            balances = self._balances(number, offer, now)
            return self._record(scope, sent, self._say("0057", "reverse", sent, now, balances))
        redeemed_day = redemption["at"].astimezone(TORONTO).date()  # R-TIME-2: its calendar day
        here = now.astimezone(TORONTO).replace(tzinfo=None)
        until = datetime.combine(redeemed_day + timedelta(days=1), datetime.min.time()) + timedelta(hours=3)
        if here > until:  # R-ORDER-13
            balances = self._balances(number, offer, now)
            return self._record(scope, sent, self._say("0080", "reverse", sent, now, balances))

        redemption["closed"] = True
        self.open.pop((number, sent["redemptionConfirmationNum"]), None)  # the till has the number
        collector["cash"] += redemption["miles"]
        self.redeemed_at[sponsor] -= redemption["miles"]
        if cap_day(now) == redemption["day"]:  # R-TIME-3
            self.used[number, redemption["day"]] -= redemption["dollars"]
        unit = redemption["unit"]
        block = {  # R-REV-2: of the redemption, not of today's offer
            "milesReversed": str(redemption["miles"]),
            "txnConfirmationNumber": sent["redemptionConfirmationNum"],
            "unitsReversed": str(redemption["units"]),
            "unitValueAMCash": str(unit["miles"]),
            "unitValueDollars": f"{unit['dollars']:.2f}",
        }
        balances = self._balances(number, offer or unit, now)
        approval = "0000" if collector["shows"] else "0001"  # R-REV-3
        return self._record(scope, sent, self._say(approval, "reverse", sent, now, balances, block))

    # --- R-ORDER-3 and 4 -----------------------------------------------------------------------------------------

    def _first_fault(self, sent, header_key):
        """R-WIRE-4: the first offending name in alphabetical order; only the faults that the machine provokes."""
        sponsor = self.sponsors.get(sent["sponsorCode"])
        if sponsor is not None and sent["acquirerId"] not in sponsor["acquirers"]:
            return "acquirerId"  # R-AUTH-3
        if sponsor is None:
            return "sponsorCode"
        if sent["vendorId"] not in sponsor["vendors"]:
            return "vendorId"
        if header_key is not None and not 1 <= len(header_key) <= 255:
            return "Idempotency-Key"  # R-IDEM-1; not a field, so after the fields
        return None

    def _scope(self, endpoint, sent, header_key):
        if header_key is None:
            key = ("content", tuple(sorted(sent.items())))  # R-IDEM-2
        else:
            key = ("header", header_key)
        return (sent["sponsorCode"], endpoint, sent["collectorNumber"], key)  # R-IDEM-1

    def _fresh_again(self, scope, sent):
        """R-DLV-6: an identical retry after the cancellation is a fresh authorisation."""
        content, _, _, _, confirmation = self.recorded[scope]
        redemption = self.redemptions.get((scope[2], confirmation))
        return content == sent and redemption is not None and redemption["cancelled"]

    def _replay(self, scope, sent, now):
        content, status, body, _, _ = self.recorded[scope]
        if content != sent:
            return self._invalid(sent, now, "Idempotency-Key")  # R-IDEM-4
        return status, body, True  # R-IDEM-3

    def _record(self, scope, sent, answer):
        status, body, _ = answer
        if body["responseCode"] in RECORDED:
            confirmation = body.get("txnConfirmationNumber") if scope[1] == "redeem" else None
            self.recorded[scope] = (dict(sent), status, body, self.now, confirmation)
        return answer

    # --- amounts -------------------------------------------------------------------------------------------------

    def _offer_in_force(self, sponsor, now):
        """R-AMT-8."""
        best = None
        for offer in self.offers:
            if offer["sponsor"] not in {None, sponsor} or not offer["available"]:
                continue
            if offer["from"] is not None and now < offer["from"]:
                continue
            if offer["until"] is not None and now > offer["until"]:
                continue
            if best is None:
                best = offer
            elif dearness(offer) < dearness(best):
                best = offer
            elif dearness(offer) == dearness(best) and offer["id"] < best["id"]:
                best = offer
        return best

    def _cap_left(self, number, now):
        return max(Decimal(0), self.cap - self.used.get((number, cap_day(now)), Decimal(0)))  # R-AMT-5

    def _available(self, number, offer, now):
        """R-AMT-4: min(cash, whole units left of today's cap, in miles)."""
        units_left = int(self._cap_left(number, now) // offer["dollars"])
        return min(self.collectors[number]["cash"], units_left * offer["miles"])

    def _balances(self, number, offer, now):
        collector = self.collectors[number]
        if not collector["shows"]:
            return {}  # R-AMT-7
        balances = {"cashBalance": str(collector["cash"]), "dreamBalance": str(collector["dream"])}
        if offer is not None:
            available = self._available(number, offer, now)
            dollars = available // offer["miles"] * offer["dollars"]
            whole = dollars == int(dollars)  # R-WIRE-6
            balances["availableCashBalance"] = str(available)
            balances["availableDollarAmount"] = str(int(dollars)) if whole else f"{dollars:.2f}"
        return balances

    def _offer_block(self, offer):
        return {
            "offerDescEn": offer["en"],
            "offerDescFr": offer["fr"],
            "offerId": offer["id"],
            "offerType": offer["type"],
            "unitValueAMCash": str(offer["miles"]),
            "unitValueDollars": f"{offer['dollars']:.2f}",
        }

    # --- answers -------------------------------------------------------------------------------------------------

    def _say(self, code, endpoint, sent, now, *blocks):
        message = MESSAGE[code]
        if (endpoint, code) == ("inquire", "0001"):
            message = "Approved - Balance suppressed"
        if sent.get("instantMessage", "en-CA").lower().startswith("fr"):
            message = ANY_FRENCH  # R-WIRE-9
        body = {**sent, "message": message, "responseCode": code, "transDateTime": wall_clock(now)}  # R-WIRE-5
        for block in blocks:
            body.update(block)
        return STATUS[code], body, False

    def _invalid(self, sent, now, parameter):
        """R-WIRE-4: the message names the parameter; what follows the name is left open."""
        message = f"Invalid request parameter: {parameter} "
        if sent.get("instantMessage", "en-CA").lower().startswith("fr"):
            message = ANY_FRENCH
        # R-WIRE-5: what did parse is repeated, though it may not be the caller's.
        identifiers = {name: value for name, value in sent.items() if name in IDENTIFIERS}
        body = {**identifiers, "message": message, "responseCode": "0035", "transDateTime": wall_clock(now)}
        return 400, body, False


def cap_day(now):
    """R-TIME-2, R-TIME-3: by the wall clock, from 03:00 to 03:00."""
    here = now.astimezone(TORONTO).replace(tzinfo=None)
    if here.hour < 3:
        return here.date() - timedelta(days=1)
    return here.date()


def dearness(offer):
    """Miles a dollar, exactly."""
    return Fraction(offer["miles"]) / Fraction(offer["dollars"])


def wall_clock(now):
    """R-WIRE-7."""
    return now.astimezone(TORONTO).strftime("%Y-%m-%dT%H:%M:%S")
