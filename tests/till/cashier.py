"""A cashier at the till in a real browser: what is pressed, read and printed, in the words of the page."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

ANSWER_MS = 8_000
BALANCE_MILES = 9_507
"""What each collector of a test has: a figure that stands nowhere else on the page."""
LEFT_MILES = BALANCE_MILES - 4 * 95
IMAGES = Path(__file__).parents[2] / "docs" / "images"


def picture(shown, name, **options):
    """Keep a picture of a page, or of a part of it, for the README, where that was asked for."""
    if os.environ.get("AMCASH_TEST_PICTURES") == "1":
        shown.screenshot(path=IMAGES / f"{name}.png", **options)


def stands_in(figure, text):
    """Whether a balance can be read in a text; confirmation numbers, keys and trace ids, drawn by lot, have any digits.

    They are 12 digits and more, decimal or hexadecimal.
    """
    return figure in re.sub(r"[0-9a-f]{12,}", "(drawn)", text)


@dataclass
class Cashier:
    page: object
    address: str

    def open(self):
        self.page.goto(f"{self.address}/till")
        self.page.wait_for_selector("html[data-ready]", timeout=ANSWER_MS)
        return self

    # --- the sale and the card ---

    def present(self, collector, entry=None):
        self.page.locator("#collector").fill(collector)
        if entry is not None:
            self.page.locator(f"input[name=entry][value={entry}]").check()

    def sell(self, name, price):
        self.page.locator("#add-name").fill(name)
        self.page.locator("#add-price").fill(price)
        self.page.locator("#add-price").press("Enter")

    def speak(self, language):
        """Change the language; what was on the screen is read again in it."""
        self.page.locator(f"input[name=language][value={language}]").check()

    def take_terminal(self):
        self.page.locator("input[name=mode][value=terminal]").check()

    # --- the screen ---

    def press(self, *labels):
        for label in labels:
            self.page.locator("#popup-keys").get_by_role("button", name=label).click()

    def key(self, *names):
        for name in names:
            self.page.locator("#pad").get_by_role("button", name=name, exact=True).click()

    def reads(self, text):
        """Wait until the pop-up says something; return all of it."""
        self.page.locator("#said").get_by_text(text).first.wait_for(timeout=ANSWER_MS)
        return self.page.locator("#said").inner_text()

    def shows(self, text):
        """Wait until the terminal shows something; return its rows."""
        self.page.locator("#rows").get_by_text(text).first.wait_for(timeout=ANSWER_MS)
        return self.page.locator("#rows").text_content().splitlines()

    def redeem(self, label="Redeem $40.00"):
        self.press("Ask for the offer", label)
        self.reads("Discount")
        return re.search(r"Confirmation number: (\w+)", self.reads("Confirmation number"))[1]

    @property
    def whole_screen(self):
        """All that a cashier could read in either size, shown or not."""
        return self.page.locator("#screen").text_content()

    # --- the printer, and behind the counter ---

    @property
    def receipt(self):
        self.page.get_by_role("article").wait_for(timeout=ANSWER_MS)
        return self.page.get_by_role("article").inner_text()

    def receipts(self):
        return self.page.get_by_role("article").count()

    def order(self, fault, endpoint="redeem", times=1, delay_ms=None):
        self.page.locator("#fault").select_option(fault)
        self.page.locator("#fault-endpoint").select_option(endpoint)
        self.page.locator("#fault-times").fill(str(times))
        if delay_ms is not None:
            self.page.locator("#fault-delay").fill(str(delay_ms))
        self.page.locator("#order button").first.click()
        self.page.locator("#faults li").first.get_by_text(fault).wait_for(timeout=ANSWER_MS)

    def exchanges(self, count):
        """Wait for `count` exchanges that are over and explained; return their texts, newest first."""
        items = self.page.locator("#exchanges > li")
        items.nth(count - 1).wait_for(state="attached", timeout=ANSWER_MS)
        self.page.locator("#exchanges > li:first-child .checks .decided").wait_for(state="attached", timeout=ANSWER_MS)
        return items.evaluate_all("items => items.map(item => item.textContent)")

    def requests(self):
        """The body of each request as it went out, newest first."""
        pres = self.page.locator("#exchanges .beside > div:first-child pre")
        return [
            json.loads(text.split("\n\n", 1)[1]) for text in pres.evaluate_all("all => all.map(a => a.textContent)")
        ]

    @property
    def decided_by(self):
        self.page.locator("#exchanges > li:first-child .decided").wait_for(timeout=ANSWER_MS)
        return self.page.locator("#exchanges > li:first-child .decided code").text_content()
