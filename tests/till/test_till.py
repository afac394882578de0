"""The till, driven in a real browser as a cashier drives it."""

import re
import time
from datetime import date, timedelta

from amcash.domain.codes import TABLE, Code, Endpoint
from amcash.domain.vocabulary import Language
from till.cashier import BALANCE_MILES, LEFT_MILES, Cashier, picture, stands_in

RICH = "80000000092"


# --- a sale ---


def test_an_inquiry_shows_the_four_values_and_proposes_the_basket_in_whole_units(cashier, collector):
    cashier.present(collector)
    cashier.press("Ask for the offer")
    said = cashier.reads("For the day")
    assert "1 unit: 95 Cash Miles = $10.00" in said
    assert "For this sale, at most: 4 units = $40.00" in said
    assert "For the day, at most: 75 units = $750.00" in said
    assert cashier.page.evaluate("document.activeElement.textContent") == "Redeem $40.001"


def test_a_redemption_takes_the_discount_off_and_prints_the_receipt(cashier, collector):
    cashier.present(collector)
    confirmation = cashier.redeem()
    receipt = cashier.receipt
    assert re.search(r"Total\s+\$43\.50\s+AM Cash discount\s+\u2212\$40\.00\s+To pay\s+\$3\.50", receipt)
    assert re.search(rf"Cash Miles redeemed +380\nDiscount +\$40\.00\nConfirmation number +{confirmation}", receipt)
    assert re.search(rf"Cash Miles balance +{LEFT_MILES}\nDream Miles balance +8642", receipt)
    cashier.exchanges(2)
    assert cashier.decided_by == "R-ORDER-14"


def test_no_balance_ever_stands_on_the_cashiers_screen(cashier, collector):
    cashier.present(collector)
    seen = []
    cashier.press("Ask for the offer")
    cashier.reads("For the day")
    seen.append(cashier.whole_screen)
    cashier.press("Other amount")
    seen.append(cashier.whole_screen)
    cashier.press("Redeem $40.00")
    cashier.reads("Discount")
    seen.append(cashier.whole_screen)
    for balance in (str(BALANCE_MILES), str(LEFT_MILES), "8642", "7125", "6745", "$710.00"):
        assert not any(stands_in(balance, text) for text in seen)


def test_a_collector_who_opted_out_has_no_balance_on_screen_or_receipt(cashier, quiet_collector):
    cashier.present(quiet_collector)
    confirmation = cashier.redeem()
    assert "Approved - balance suppressed" in cashier.reads("Approved")
    assert confirmation in cashier.receipt
    assert "balance" not in cashier.receipt.lower()
    heard = " ".join(cashier.page.locator("#exchanges pre").all_inner_texts())
    for balance in (str(BALANCE_MILES), str(LEFT_MILES), "8642"):
        assert not stands_in(balance, cashier.whole_screen + cashier.receipt + heard)


def test_a_sale_without_a_redemption_prints_the_balances_that_were_asked_for(cashier, collector):
    cashier.present(collector)
    cashier.press("Ask for the offer")
    cashier.reads("For the day")
    assert cashier.receipts() == 0
    cashier.press("No redemption")
    assert re.search(rf"Cash Miles balance +{BALANCE_MILES}", cashier.receipt)
    cashier.reads("AM Cash is ready")


def test_another_amount_is_redeemed_as_typed_and_no_more_than_the_most(cashier, collector):
    cashier.present(collector)
    cashier.press("Ask for the offer", "Other amount")
    cashier.page.keyboard.type("5")
    cashier.page.keyboard.press("Enter")
    assert not cashier.page.locator("#typed").evaluate("field => field.validity.valid")
    cashier.page.locator("#typed").fill("2")
    cashier.press("Redeem $20.00")
    assert "190 Cash Miles redeemed" in cashier.reads("redeemed")
    assert cashier.requests()[0]["dollarRedeemRequest"] == "20.00"


def test_an_offer_on_the_screen_goes_by_what_the_sale_costs_now(cashier, collector):
    cashier.present(collector)
    cashier.press("Ask for the offer")
    cashier.reads("4 units")
    cashier.page.get_by_role("button", name="Remove Coffee beans").click()
    cashier.reads("2 units = $20.00")
    cashier.press("Redeem $20.00")
    cashier.reads("190 Cash Miles")
    assert cashier.requests()[0]["postTaxBasketAmount"] == "24.51"


def test_store_device_and_client_are_those_of_this_till(cashier, collector):
    cashier.page.locator("#settings summary").click()
    cashier.page.locator("#client").select_option("loy2-pos")
    cashier.page.locator("#store").fill("77")
    cashier.page.locator("#device").fill("kiosk-3")
    cashier.present(collector, "SCAN")
    cashier.press("Ask for the offer")
    cashier.reads("For the day")
    cashier.press("No redemption")
    assert "Loyal Pharmacy" in cashier.receipt
    assert "Store 77 · Till kiosk-3" in cashier.receipt
    sent = cashier.requests()[0]
    assert (sent["sponsorCode"], sent["vendorId"], sent["acquirerId"]) == ("LOY2", "200042", "200000")
    assert sent["cardEntryMode"] == "SCAN"


# --- lost answers ---


def test_a_lost_answer_is_asked_for_again_identically_and_debits_once(cashier, collector, sandbox):
    cashier.present(collector)
    cashier.order("lost_after_commit")
    confirmation = cashier.redeem()
    again, lost, _ = cashier.exchanges(3)
    assert "no answer" in lost
    assert "the connection broke" in lost
    assert "retry identical" in lost
    assert "sent again, identical" in again
    assert "idempotency-replayed: true" in again
    assert cashier.requests()[0] == cashier.requests()[1]
    keys = [re.search(r"Idempotency-Key: (\w+)", text)[1] for text in (again, lost)]
    assert keys[0] == keys[1]
    assert cashier.decided_by == "R-ORDER-4"
    cashier.page.locator("#faults").get_by_text("used up").wait_for()
    picture(cashier.page, "till-wide", full_page=True)
    shown = sandbox.command("collector", "show", collector, "--json").stdout
    assert shown.count(confirmation) == 1
    assert f'"cash_miles": {LEFT_MILES}' in shown


def test_after_two_lost_answers_the_cashier_gives_no_discount_and_calls(cashier, collector):
    cashier.present(collector)
    cashier.order("lost_before_commit", times=2)
    cashier.press("Ask for the offer", "Redeem $40.00")
    assert "escalate the issue" in cashier.reads("give no discount")
    assert cashier.receipts() == 0
    assert len(cashier.exchanges(3)) == 3


def test_the_till_waits_no_longer_than_it_is_set_to(cashier, collector):
    cashier.page.locator("#settings summary").click()
    cashier.page.locator("#patience").fill("1")
    cashier.page.locator("#patience").blur()
    cashier.present(collector)
    cashier.order("delay", "inquire", delay_ms=1_600)
    cashier.press("Ask for the offer")
    cashier.reads("For the day")
    _, silent = cashier.exchanges(2)
    assert re.search(r"no answer within 1\d\d\d ms: the till stops waiting", silent)


def test_a_cut_answer_is_no_answer(cashier, collector):
    cashier.present(collector)
    cashier.order("cut")
    cashier.redeem()
    again, cut, _ = cashier.exchanges(3)
    assert "the connection broke" in cut
    assert "idempotency-replayed: true" in again


def test_an_expired_token_is_renewed_by_the_till_itself(cashier, collector):
    cashier.present(collector)
    cashier.order("token_expired", "inquire")
    cashier.press("Ask for the offer")
    cashier.reads("For the day")
    _, refused = cashier.exchanges(2)
    assert "HTTP/1.1 401" in refused
    assert "renew token" in refused


# --- declines ---


def test_a_typed_number_is_refused_0009(cashier, collector):
    cashier.present(collector, "MANUAL")
    cashier.press("Ask for the offer")
    assert "physically required" in cashier.reads("Card not swiped or scanned")
    cashier.exchanges(1)
    assert cashier.decided_by == "R-ORDER-5"


def test_too_few_miles_0051_prints_the_balance_and_does_not_show_it(cashier):
    cashier.present("80000000053")
    cashier.press("Ask for the offer")
    assert "has not earned enough" in cashier.reads("Insufficient AIR MILES reward Miles")
    assert "94" not in cashier.whole_screen
    cashier.press("OK")
    assert re.search(r"Cash Miles balance +94", cashier.receipt)


def test_more_than_the_day_allows_0065(cashier):
    cashier.present(RICH)
    cashier.sell("Refrigerator", "900.00")
    cashier.press("Redeem an amount")
    cashier.page.locator("#typed").fill("760")
    cashier.press("Redeem")
    cashier.reads("Exceeded daily redemption limit")
    cashier.exchanges(1)
    assert cashier.decided_by == "R-ORDER-12"


def test_the_cashier_sees_the_words_of_every_code(cashier, sandbox):
    """Each magic collector, in the last of the calls that it has a code for; tests/dialogue has the others."""
    presses = {
        "echo": ("Test the connection",),
        "inquire": ("Ask for the offer",),
        "redeem": ("Redeem an amount", "Redeem"),
        "reverse": ("Reverse a redemption", "Reverse"),
    }
    met = set()
    for card in sandbox.send("GET", "/sandbox/collectors").body["magic"]:
        if card["code"] is None or card["code"] == Code.BASKET_TOO_SMALL:
            continue  # the till gets itself a token, and asks for a larger basket: there are tests of both
        endpoint = card["endpoints"][-1]
        cashier.present(card["number"], "MANUAL" if card["code"] == Code.CARD_NOT_PRESENTED else "SWIPE")
        cashier.press(*presses[endpoint])
        words = TABLE[Code(card["code"])].message(Endpoint(endpoint), Language.EN)
        cashier.reads(re.compile(f"^{re.escape(words)}$", re.IGNORECASE))
        cashier.page.locator("#popup-keys button").last.click()
        cashier.reads("AM Cash is ready")
        met.add(card["code"])
    assert met == {str(code) for code in TABLE} - {Code.BASKET_TOO_SMALL}


def test_a_basket_below_one_unit_0066_is_asked_to_grow(cashier, collector):
    cashier.page.get_by_role("button", name="New sale").click()
    cashier.sell("Chewing gum", "1.99")
    cashier.present(collector)
    cashier.press("Redeem an amount", "Redeem")
    cashier.reads("Insufficient basket size")
    cashier.press("Add items")
    assert cashier.page.evaluate("document.activeElement.id") == "add-name"


# --- reversals and the clock ---


def test_a_redemption_of_this_session_is_reversed(cashier, collector):
    cashier.present(collector)
    confirmation = cashier.redeem()
    cashier.press("OK", "Reverse a redemption")
    assert cashier.page.locator("#typed").input_value() == confirmation
    cashier.press("Reverse")
    assert "full monetary refund" in cashier.reads("Discount taken back: $40.00")
    cashier.page.get_by_text("RETURN", exact=True).wait_for()
    assert re.search(rf"Cash Miles balance +{BALANCE_MILES}", cashier.receipt)
    cashier.press("OK", "Reverse a redemption")
    cashier.page.locator("#typed").fill(confirmation)
    cashier.press("Reverse")
    cashier.reads("Invalid redemption confirmation number")


def test_past_3_oclock_on_the_next_day_a_reversal_is_0080_and_no_cash(cashier, collector):
    cashier.present(collector)
    cashier.redeem()
    today = date.fromisoformat(cashier.page.locator("#now").text_content()[:10])
    for days in (1, 2):
        cashier.page.get_by_role("button", name="+1 day").click()
        cashier.page.get_by_text(f"Clock: {today + timedelta(days)}").wait_for()
    cashier.press("OK", "Reverse a redemption", "Reverse")
    assert "DO NOT RETURN CASH" in cashier.reads("Reversal window expired")
    cashier.page.get_by_role("button", name="Server's time").click()
    cashier.page.get_by_text("the server's").wait_for()


def test_the_clock_is_set_held_and_let_go(cashier):
    cashier.page.locator("#moment").fill("2026-03-08 01:59:50")
    cashier.page.get_by_role("button", name="Set", exact=True).click()
    cashier.page.get_by_text("yours, running").wait_for()
    assert cashier.page.locator("#now").text_content().startswith("2026-03-08 01:59:5")
    cashier.page.get_by_role("button", name="Hold").click()
    cashier.page.get_by_text("yours, held").wait_for()
    assert cashier.page.get_by_role("button", name="Hold").get_attribute("aria-pressed") == "true"


def test_a_fault_that_was_ordered_can_be_cleared(cashier):
    cashier.order("0096")
    cashier.order("0067", "inquire")
    cashier.page.get_by_role("button", name="Clear the fault 0096").click()
    cashier.page.get_by_text("Faults cleared: 1").wait_for()
    assert cashier.page.locator("#faults li").count() == 1
    cashier.page.get_by_role("button", name="Clear all").click()
    cashier.page.locator("#faults li").wait_for(state="detached")


def test_reset_brings_collectors_back_once_it_is_confirmed(cashier, collector):
    cashier.present(collector)
    cashier.redeem()
    cashier.page.once("dialog", lambda dialog: dialog.dismiss())
    cashier.page.get_by_role("button", name="Reset the sandbox").click()
    cashier.page.once("dialog", lambda dialog: dialog.accept())
    cashier.page.get_by_role("button", name="Reset the sandbox").click()
    cashier.page.get_by_text("Collectors put back").wait_for()
    cashier.press("Ask for the offer", "No redemption")
    assert re.search(rf"Cash Miles balance +{BALANCE_MILES}", cashier.receipt)


# --- French, and the terminal ---


def test_in_french_the_page_the_request_and_the_receipt_are_french(new_page, sandbox, collector):
    cashier = Cashier(new_page(locale="fr-CA", viewport={"width": 1440, "height": 1000}), sandbox.address).open()
    page = cashier.page
    assert page.locator("html").get_attribute("lang") == "fr"
    cashier.present(collector)
    cashier.press("Demander l'offre")
    assert "Pour la journée, au plus : 75 unités = 750,00 $" in cashier.reads("Pour la journée")
    cashier.press("Échanger 40,00 $")
    cashier.reads("Rabais : 40,00 $")
    receipt = cashier.receipt
    assert re.search(r"À payer\s+3,50 \$", receipt.replace("\u00a0", " "))
    assert re.search(rf"Solde de milles Argent +{LEFT_MILES}", receipt)
    assert page.get_by_role("article").get_attribute("lang") == "fr"
    assert cashier.requests()[0]["instantMessage"] == "fr-CA"
    cashier.exchanges(2)
    picture(page.locator(".counter"), "till-french-receipt")


def test_what_is_on_the_screen_is_read_again_in_the_other_language(cashier, collector):
    cashier.present(collector)
    cashier.press("Ask for the offer")
    cashier.reads("For the day")
    cashier.exchanges(1)  # explained, too: that comes a moment later
    english = cashier.page.locator("body").inner_text()
    cashier.speak("fr")
    cashier.reads("Pour la journée")
    cashier.speak("en")
    cashier.reads("For the day")
    assert re.sub(r"[\d:]+", "", cashier.page.locator("body").inner_text()) == re.sub(r"[\d:]+", "", english)


def test_clock_and_faults_change_their_language_without_asking_the_server(cashier):
    cashier.order("0096")
    cashier.page.route("**/sandbox/clock", lambda route: route.abort())
    cashier.page.route("**/sandbox/faults", lambda route: route.abort())
    cashier.speak("fr")
    assert "celle du serveur" in cashier.page.locator("#own").inner_text()
    assert "1 sur 1" in cashier.page.locator("#faults").inner_text()


def test_a_reading_that_comes_late_does_not_bring_an_offer_back_that_was_already_taken(cashier, collector):
    cashier.present(collector)
    cashier.press("Ask for the offer")
    cashier.reads("For the day")
    held = []
    cashier.page.route("**/till/words", lambda route: route.continue_() if held else held.append(route))
    with cashier.page.expect_request("**/till/words"):
        cashier.speak("fr")
    cashier.press("Redeem $40.00")
    cashier.reads("Rabais")
    with cashier.page.expect_response(lambda answer: answer.request == held[0].request) as late:
        held[0].continue_()
    late.value.finished()
    cashier.page.wait_for_timeout(100)
    assert "Rabais" in cashier.page.locator("#said").inner_text()


def test_the_terminal_redeems_and_reverses_by_keys_alone(cashier, collector):
    cashier.present(collector)
    cashier.take_terminal()
    assert not cashier.page.locator("#popup").is_visible()
    assert cashier.shows("AM Cash is ready")[1:3] == ["1=Offer 2=Amount    ", "3=Reverse 4=Test    "]
    cashier.key("1")
    offered = cashier.shows("1=Yes 2=Other 0=No")
    assert offered == ["95 Miles = $10.00   ", "4 units (day: 75)   ", "Redeem $40.00?      ", "1=Yes 2=Other 0=No  "]
    cashier.key("2")
    cashier.shows("How many units?")
    cashier.key("3")
    assert cashier.shows("1 to 4")[1:3] == ["1 to 4            3_", "ENTER=3 ($30.00)    "]
    cashier.key("ENTER")
    rows = cashier.shows("$30.00 = 285 Miles")
    assert [len(row) for row in rows] == [20, 20, 20, 20]
    number = rows[2].removeprefix("No. ").strip()
    assert number in cashier.receipt
    picture(cashier.page.locator(".counter"), "till-terminal")
    cashier.key("ENTER")
    cashier.shows("AM Cash is ready")
    cashier.key("3")
    assert cashier.shows("Confirmation number?")[1].strip() == f"{number}_"
    cashier.key("ENTER")
    cashier.page.get_by_text("RETURN", exact=True).wait_for()


def test_the_terminal_takes_typed_digits_only_where_the_focus_is(cashier, collector):
    cashier.present(collector)
    cashier.take_terminal()
    cashier.page.locator("#empty").focus()
    cashier.page.keyboard.type("1")
    cashier.page.locator("#terminal").focus()
    cashier.page.keyboard.type("3")
    cashier.shows("Confirmation number?")
    cashier.page.keyboard.type("42")
    cashier.page.keyboard.press("Backspace")
    assert cashier.shows("4_")[1].strip() == "4_"
    cashier.page.keyboard.press("Escape")
    cashier.shows("AM Cash is ready")
    assert cashier.page.locator("#exchanges > li").count() == 0


# --- light, closed, and its own ---


def test_the_page_loads_nothing_from_elsewhere_and_is_ready_at_once(new_page, sandbox):
    page = new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    start = time.perf_counter()
    Cashier(page, sandbox.address).open()
    took_s = time.perf_counter() - start
    assert all(url.startswith((f"{sandbox.address}/", "data:")) for url in asked), asked
    weights = page.evaluate(
        "performance.getEntries().filter(e => e.decodedBodySize && /till(\\.|$|\\/)/.test(e.name))"
        ".map(e => [new URL(e.name).pathname, e.decodedBodySize])"
    )
    print(f"\nready after {took_s * 1000:.0f} ms; bytes: {weights}")  # noqa: T201 -- for the closing note, with -s
    assert sum(size for _, size in weights) < 64 * 1024


def test_a_server_that_is_gone_is_said_so(new_page, sandbox):
    page = new_page()
    cashier = Cashier(page, sandbox.address).open()
    page.context.set_offline(True)
    cashier.press("Ask for the offer")
    page.get_by_text("The server does not answer. Is it running?").wait_for()
    page.context.set_offline(False)
    cashier.press("Test the connection")
    cashier.reads("Approved")
    page.locator("#trouble").wait_for(state="hidden")
