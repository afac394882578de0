"""The till by keyboard, by ear, on a phone: WCAG 2.2 AA, as far as a program can look."""

import re

import pytest

from till.cashier import LEFT_MILES, Cashier, picture

# --- what the browser is asked about its page ---

_SEEN = """
const seen = (item) => item.checkVisibility({ visibilityProperty: true }) && item.getClientRects().length > 0;
const named = (item) => `${item.tagName}#${item.id} ${(item.textContent || item.value || '').slice(0, 30)}`;
"""

FOCUSABLE = f"""() => {{ {_SEEN}
  const radios = new Set();
  return [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')].filter((item) => {{
    const folded = item.closest('details:not([open])') && item.tagName !== 'SUMMARY';
    if (!seen(item) || item.disabled || folded) return false;
    if (item.type !== 'radio') return true;
    const first = !radios.has(item.name);
    radios.add(item.name);
    return first;
  }}).length;
}}"""

FOCUSED = f"""() => {{ {_SEEN}
  const item = document.activeElement;
  if (item === document.body) return null;
  const shown = item.type === 'radio' ? item.nextElementSibling : item;
  const style = getComputedStyle(shown);
  return {{ what: named(item), seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 }};
}}"""

CUT_OFF = f"""() => {{ {_SEEN}
  return [...document.querySelectorAll('main *, header *')].filter(seen)
    .filter((item) => !item.classList.contains('away') && !['SELECT', 'INPUT', 'OPTION'].includes(item.tagName))
    .filter((item) => item.scrollWidth > item.clientWidth + 1 && getComputedStyle(item).display !== 'inline')
    .map(named);
}}"""

# WCAG 2.2: 1.1.1 and 4.1.2 names, 1.3.1 one of each id and headings in order, 1.4.3 contrast, 2.5.8 target size.
FOUND_WANTING = f"""() => {{ {_SEEN}
  const found = [];
  const controls = [...document.querySelectorAll('a[href], button, input, select, summary')].filter(seen);
  for (const item of controls) {{
    const labels = (item.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id));
    const name = item.ariaLabel || labels.map((label) => label?.textContent).join('')
      || [...(item.labels ?? [])].map((label) => label.textContent).join('') || item.textContent;
    if (!name.trim()) found.push(`no name: ${{named(item)}}`);
    const box = (item.type === 'radio' ? item.parentElement : item).getBoundingClientRect();
    const inText = item.tagName === 'A' && item.closest('p');
    if (!inText && !item.classList.contains('skip') && (box.width < 24 || box.height < 24)) {{
      found.push(`small, ${{box.width}} by ${{box.height}}: ${{named(item)}}`);
    }}
  }}
  const ids = [...document.querySelectorAll('[id]')].map((item) => item.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`twice: ${{id}}`);
  for (const item of document.querySelectorAll('[aria-labelledby], [aria-describedby], label[for]')) {{
    for (const name of ['aria-labelledby', 'aria-describedby', 'for']) {{
      for (const id of (item.getAttribute(name) ?? '').split(' ').filter(Boolean)) {{
        if (!ids.includes(id) && seen(item)) found.push(`names nothing: ${{id}}`);
      }}
    }}
  }}
  let level = 0;
  for (const heading of [...document.querySelectorAll('h1, h2, h3, h4')].filter(seen)) {{
    const own = Number(heading.tagName[1]);
    if (own > level + 1) found.push(`skips a level: ${{named(heading)}}`);
    level = own;
  }}
  // Any colour that CSS can say, as the screen would have it.
  const canvas = document.createElement('canvas').getContext('2d', {{ willReadFrequently: true }});
  const paint = (colours) => {{
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) {{ canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }}
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  }};
  const light = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {{
    const item = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !seen(item) || item.closest('option, .skip, .away')) continue;
    const grounds = [];
    for (let at = item; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
    const [one, two] = [paint(grounds), paint([...grounds, getComputedStyle(item).color])].map(light);
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) found.push(`contrast ${{ratio.toFixed(2)}}: ${{named(item)}}`);
  }}
  return found;
}}"""


# --- by keyboard, by ear, on a phone ---


def tab_to(page, what, most=80):
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("what => document.activeElement.matches(what)", what):
            return
    raise AssertionError(f"Tab never comes to {what}")


def test_a_sale_is_done_by_keyboard_alone(cashier, collector):
    page = cashier.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to(page, "#add-name")
    page.keyboard.type("Bread")
    page.keyboard.press("Tab")
    page.keyboard.type("6.50")
    page.keyboard.press("Enter")
    assert page.locator("#total").text_content() == "$50.00"
    tab_to(page, "#collector")
    page.keyboard.press("Control+a")
    page.keyboard.type(collector)
    tab_to(page, "#popup-keys button")
    page.keyboard.press("Enter")
    cashier.reads("For the day")
    page.keyboard.press("2")
    cashier.reads("How many units")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    cashier.reads("Discount: $50.00")
    page.keyboard.press("Enter")
    cashier.reads("AM Cash is ready")
    tab_to(page, "#fault")
    page.keyboard.type("0096")
    tab_to(page, "#order button")
    page.keyboard.press("Space")
    page.get_by_text("Fault ordered: 0096").wait_for()


@pytest.mark.parametrize("mode", ["popup", "terminal"])
def test_tab_goes_through_all_of_the_page_and_out_again_and_the_focus_is_seen(cashier, collector, mode):
    cashier.present(collector)
    cashier.redeem()
    cashier.exchanges(2)
    if mode == "terminal":
        cashier.take_terminal()
    stops = cashier.page.evaluate(FOCUSABLE)
    cashier.page.locator(".skip").focus()
    met = [".skip"]
    for _ in range(stops):
        cashier.page.keyboard.press("Tab")
        at = cashier.page.evaluate(FOCUSED)
        if at is None:
            break
        assert at["seen"], at
        met.append(at["what"])
    assert len(met) == stops, met


@pytest.mark.parametrize(("scheme", "mode"), [("light", "popup"), ("dark", "terminal"), ("dark", "popup")])
def test_what_is_shown_is_labelled_legible_and_large_enough(new_page, sandbox, collector, scheme, mode):
    page = new_page(color_scheme=scheme, viewport={"width": 1440, "height": 1000})
    cashier = Cashier(page, sandbox.address).open()
    cashier.present(collector)
    cashier.order("lost_after_commit")
    cashier.redeem()
    cashier.exchanges(3)
    page.locator("#settings summary").click()
    if mode == "terminal":
        cashier.take_terminal()
    assert page.evaluate(FOUND_WANTING) == []
    cashier.speak("fr")
    page.locator("html[lang=fr]").wait_for()
    assert page.evaluate(FOUND_WANTING) == []


def test_the_words_of_screen_and_receipt_are_told_as_they_change(cashier):
    snapshot = cashier.page.locator("body").aria_snapshot()
    for landmark in ("banner", "main", "contentinfo"):
        assert f"- {landmark}" in snapshot
    for name in ("The sale", "The cashier's screen", "The receipt", "Behind the counter"):
        assert f'- region "{name}"' in snapshot
    for place in ("#said", "#rows", "#paper", "#told"):
        assert cashier.page.locator(place).get_attribute("aria-live") == "polite"
        assert cashier.page.locator(place).get_attribute("role") == "status"
    assert cashier.page.locator("#trouble").get_attribute("role") == "alert"


def test_a_screen_320_pixels_wide_needs_no_scrolling_to_the_side(new_page, sandbox, collector):
    page = new_page(locale="fr-CA", viewport={"width": 320, "height": 720})  # French words are the longer ones
    cashier = Cashier(page, sandbox.address).open()
    cashier.present(collector)
    page.locator("#settings summary").click()
    page.locator("#popup-keys button").first.click()
    page.locator("#popup-keys button").nth(2).wait_for()
    page.locator("#popup-keys button").first.click()
    cashier.receipts()
    page.get_by_role("article").wait_for()
    cashier.exchanges(2)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate(FOUND_WANTING) == []
    page.locator("input[name=mode][value=terminal]").check()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.evaluate(CUT_OFF) == []


def test_a_phone_has_room_for_screen_and_receipt(new_page, sandbox, collector):
    page = new_page(viewport={"width": 360, "height": 1180}, device_scale_factor=2)
    cashier = Cashier(page, sandbox.address).open()
    cashier.present(collector)
    cashier.redeem()
    assert re.search(rf"Cash Miles balance +{LEFT_MILES}", cashier.receipt)
    assert max(map(len, page.locator("article pre").inner_text().splitlines())) == 32
    cashier.exchanges(2)
    page.evaluate("document.getElementById('screen').scrollIntoView()")
    picture(page, "till-narrow")
