"""The tills of a story: sales, reversals, inquiries; and what a till does that does not know what became of one."""

from simulation.network import Call
from simulation.world import MILLISECOND, SECOND

SPONSORS = {
    "LOY1": {"vendors": {"100087"}, "acquirers": {"100000"}},
    "LOY2": {"vendors": {"200087"}, "acquirers": {"100000", "200000"}},
}
AMOUNTS = ("10", "10.00", "20.5", "16.12", "30", "47.49", "8.2", "16.40", "100", "750.00", "9.99")
APPROVALS = {"0000", "0001"}
UNKNOWN = {"0008", "0096", "0092", "0067"}
"""After these a till asks again."""


class Till:
    def __init__(self, story, name, sponsor):
        self.story, self.name, self.sponsor = story, name, sponsor
        self.world = story.world
        self.chance = story.world.chance(name)
        self.traces = 0
        self.sent = []
        self.tries = 0
        self.world.after(self.chance.randrange(SECOND), self.acts)

    # --- what it does ---

    def acts(self):
        if self.story.is_over():
            return
        self.tries = 0
        what = self.chance.random()
        if what < 0.55 or not self.sent:
            self._ask(self._sale())
        elif what < 0.72:
            self._ask(self._reversal())
        elif what < 0.80:
            self._ask(("inquire", {**self._who(), "postTaxBasketAmount": self.chance.choice(AMOUNTS)}, None))
        elif what < 0.90:
            self._ask(self.chance.choice(self.sent))
        elif what < 0.97:
            self._ask(self._changed(*self.chance.choice(self.sent)))
        else:
            endpoint, fields, key = self.chance.choice(self.sent)
            self._ask((endpoint, {**fields, "vendorId": "999999"}, key))

    def _ask(self, request):
        self.sent.append(request)
        call = self.call = Call(self, request)
        self.story.network.send(call)
        if request[0] != "inquire" and self.chance.random() < self.story.shape.parallel:
            for _ in range(self.chance.randrange(1, 3)):
                self.story.network.send(Call(self, request))

    def learns(self, call):
        """An answer has been read whole, or there will be none."""
        if call.body is not None and call.endpoint == "redeem" and call.body["responseCode"] in APPROVALS:
            fields = call.fields
            self.story.known.append(
                (fields["collectorNumber"], fields["sponsorCode"], call.body["txnConfirmationNumber"])
            )
        if call is not self.call:
            return
        shape = self.story.shape
        if call.body is None or call.body["responseCode"] in UNKNOWN:
            self.tries += 1
            if self.tries < 5 and self.chance.random() < shape.stubborn:
                grace = shape.grace_s * SECOND
                begin, end = self.chance.choice(
                    ((0, 100 * MILLISECOND), (0, 2 * SECOND), (0, grace + 4 * SECOND), (grace - SECOND, grace + SECOND))
                )
                self.world.after(self.chance.randrange(begin, end), self._asks_again, call.request)
                return
        pause = shape.pause_ms * MILLISECOND
        self.world.after(1 + self.chance.randrange(pause), self.acts)

    def _asks_again(self, request):
        self._ask(request)

    # --- what it says ---

    def _who(self):
        self.traces += 1
        return {
            "acquirerId": "100000",
            "cardEntryMode": "Manual" if self.chance.random() < 0.02 else "SWIPE",
            "collectorNumber": self.chance.choice(self.story.cards),
            "dateTime": f"2026-06-15T12:{self.traces % 60:02}:00-0400",
            "deviceId": self.name,
            "sponsorCode": self.sponsor,
            "storeId": "0001",
            "traceId": f"{self.name}{self.traces}",
            "vendorId": min(SPONSORS[self.sponsor]["vendors"]),
        }

    def _key(self):
        kind = self.chance.random()
        if kind < 0.35:
            return None
        return f"{self.name}-{self.traces}" if kind < 0.9 else self.chance.choice(("k1", "k2"))

    def _sale(self):
        who = self._who()
        dollars = self.chance.choice(AMOUNTS if self.chance.random() < 0.4 else ("10", "20.00", "10.00"))
        amounts = {"dollarRedeemRequest": dollars, "postTaxBasketAmount": dollars}
        return "redeem", {**who, **amounts}, self._key()

    def _reversal(self):
        who, known = self._who(), self.story.known
        number, sponsor, confirmation = "", self.sponsor, "1234567890123456"
        if known:
            number, sponsor, confirmation = self.chance.choice(known[-6:] if self.chance.random() < 0.7 else known)
            who["collectorNumber"] = number
        if sponsor != self.sponsor and self.chance.random() < 0.8:
            who |= {"sponsorCode": sponsor, "vendorId": min(SPONSORS[sponsor]["vendors"])}
        return "reverse", {**who, "redemptionConfirmationNum": confirmation}, self._key()

    def _changed(self, endpoint, fields, key):
        name = self.chance.choice(("dateTime", "dateTime", "dateTime", "traceId", "storeId", "sponsor"))
        if name == "sponsor":
            other = "LOY2" if fields["sponsorCode"] == "LOY1" else "LOY1"
            return endpoint, {**fields, "sponsorCode": other, "vendorId": min(SPONSORS[other]["vendors"])}, key
        return endpoint, {**fields, name: "2026-06-15T13:00:00Z" if name == "dateTime" else "17"}, key
