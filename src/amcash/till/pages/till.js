// The till: the sale, the card, the cashier's screen in two sizes, and the printer.

import { ANSWER_MS, Refused, call, menus, random, sandbox, signIn, till, words } from "./calls.js";
import { attend, change, explain, hear, redraw, showFaults, start } from "./behind.js";
import { $, language, make, money, say, speak, toCents, toDollars } from "./page.js";

const COLUMNS = 20;
const ROWS = 4;
const NARROW = matchMedia("(max-width: 420px)");
const PAPER_COLUMNS = { wide: 40, narrow: 32 };
const WHOLE_DOLLARS = /^\d{1,13}([.,]\d{1,2})?$/;
const PAD = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "CLEAR", "0", "ENTER"];

const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

// --- the sale ---

let basket = [];
const total = () => basket.reduce((sum, item) => sum + item.cents, 0);

function fillBasket() {
  basket = [
    { phrase: "coffee", cents: 1899 },
    { phrase: "cheese", cents: 949 },
    { phrase: "oil", cents: 1502 },
  ];
}

const nameOf = (item) => item.name ?? say(item.phrase);

function showBasket() {
  $("basket").replaceChildren(
    ...basket.map((item, place) => {
      const remove = make("button", { className: "plain", ariaLabel: say("remove", { item: nameOf(item) }) }, "×");
      remove.addEventListener("click", () => {
        basket.splice(place, 1);
        changeBasket();
        ($("basket").querySelectorAll("button")[place] ?? $("add-name")).focus();
      });
      return make("li", {}, make("span", {}, nameOf(item)), make("span", { className: "figure" }, money(item.cents)), remove);
    }),
    ...(basket.length ? [] : [make("li", { className: "hint" }, say("empty"))]),
  );
  $("total").textContent = money(total());
  $("add-price").placeholder = money(0).replace(/[^\d.,]/g, "");
}

/** Show the sale; an offer on the screen goes by what the sale costs now. */
function changeBasket() {
  showBasket();
  if (view.endpoint === "inquire") attend(() => readAgain());
}

// --- who asks: client, sponsor, store; and the card ---

let clients = [];
let cards = { magic: [], programme: [], confirmation: "" };

const options = (select, values) => select.replaceChildren(...values.map((value) => make("option", {}, value)));
const sponsorNow = () => clientNow().sponsors.find((item) => item.code === $("sponsor").value);
const clientNow = () => clients.find((item) => item.id === $("client").value);

function fitClient() {
  options($("sponsor"), clientNow().sponsors.map((item) => item.code));
  fitSponsor();
}

function fitSponsor() {
  options($("vendor"), sponsorNow().vendor_ids);
  options($("acquirer"), sponsorNow().acquirer_ids);
  showWhere();
}

function showWhere() {
  $("where").textContent = `${sponsorNow().name} · ${$("store").value}/${$("device").value}`;
}

function showCards() {
  const flags = (card) =>
    [
      card.active ? null : say("inactive"),
      card.show_balances ? null : say("hidden"),
      card.allow_redemption ? null : say("refuses"),
    ].filter(Boolean).join(", ") || say("ordinary");
  const group = (label, items) => make("optgroup", { label }, ...items);
  const kept = $("collector").value;
  $("cards").replaceChildren(
    group(
      say("programme"),
      cards.programme.map((card) => new Option(`${card.number} · ${flags(card)}`, card.number)),
    ),
    group(
      say("magic"),
      cards.magic.map((card) => new Option(`${card.code ?? say("uncoded")} · ${card.number}`, card.number)),
    ),
    new Option(say("none"), ""),
  );
  present(kept);
}

/** Put a card into the cashier's hand. */
function present(number) {
  $("collector").value = number;
  $("cards").value = number;
  if ($("cards").selectedIndex < 0) $("cards").value = "";
  $("about").textContent = magic()?.about ?? "";
}

const magic = () => cards.magic.find((card) => card.number === $("collector").value);

// --- what goes out ---

const trace = () => String(parseInt(random().slice(0, 10), 16) % 1e12).padStart(12, "0");

function now() {
  const date = new Date();
  const offset = -date.getTimezoneOffset();
  const two = (number) => String(Math.floor(Math.abs(number))).padStart(2, "0");
  const local = new Date(date.getTime() + offset * 60000).toISOString().slice(0, 19);
  return `${local}${offset < 0 ? "-" : "+"}${two(offset / 60)}${two(offset % 60)}`;
}

function fields(endpoint, more = {}) {
  const request = {
    deviceId: $("device").value,
    sponsorCode: $("sponsor").value,
    storeId: $("store").value,
    // A magic collector gives its code to an echo too, where it stands as the trace id.
    traceId: endpoint === "echo" && magic()?.endpoints.includes("echo") ? $("collector").value : trace(),
    vendorId: $("vendor").value,
  };
  if (endpoint === "echo") return request;
  const card = {
    acquirerId: $("acquirer").value,
    cardEntryMode: chosen("entry"),
    collectorNumber: $("collector").value,
    dateTime: now(),
    instantMessage: `${language}-CA`,
  };
  return Object.fromEntries(Object.entries({ ...request, ...card, ...more }).sort(([a], [b]) => (a < b ? -1 : 1)));
}

// --- the screen ---

let screens = {};
let view = { screen: { title: "", lines: [], keys: [], rows: [] } };
let entry = null; // What is being typed: {value, fresh}; what is fresh is replaced by the first digit.
let past = []; // The redemptions of this session that still stand.
let toPrint = null; // What the sale's own receipt will have of AM Cash, once the sale goes on.

const ready = () => show({ menu: "ready", screen: screens[language].ready });

function ask(menu, value) {
  show({ menu, screen: screens[language][menu] }, { value, fresh: true });
}

function show(next, typing = null) {
  const within = $("screen").contains(document.activeElement) || document.activeElement === document.body;
  view = next;
  entry = typing;
  const { title, lines, keys } = view.screen;
  $("popup-title").textContent = title;
  $("popup-lines").replaceChildren(...lines.map((line, place) => make("p", { id: `popup-line-${place}` }, line)));
  $("entry").hidden = !entry;
  $("typed").value = entry?.value ?? "";
  $("past-label").hidden = view.menu !== "number" || !past.length;
  options($("past"), past.map((item) => item.number));
  $("popup-keys").replaceChildren(
    ...keys.map((key, place) => {
      const cap = make("kbd", { ariaHidden: "true" }, caption(key.press));
      const button = make("button", { className: place ? "plain" : "" }, make("span", {}, key.label), cap);
      button.dataset.press = key.press;
      button.addEventListener("click", () => act(key));
      return button;
    }),
  );
  fitEntry();
  if (within && started) focusScreen();
}

/** Go where the cashier goes on: the figure to type, the first key, or the words alone while the till is busy. */
function focusScreen() {
  if (chosen("mode") === "terminal") {
    if (!$("terminal").contains(document.activeElement)) $("terminal").focus({ preventScroll: true });
    return;
  }
  const next = entry ? $("typed") : ($("popup-keys").querySelector("button") ?? $("screen"));
  next.focus();
  if (entry) $("typed").select();
}

const caption = (press) => (press === "ENTER" ? "⏎" : press === "CLEAR" ? "esc" : press);

/** Show what is typed, and what a key would now redeem. */
function fitEntry() {
  $("typed").setCustomValidity("");
  $("typed").inputMode = view.menu === "dollars" ? "decimal" : "numeric";
  const texts = [...view.screen.rows];
  if (view.amounts) {
    const amount = view.amounts[Number(entry.value) - 1];
    $("popup-keys").querySelector("[data-press=ENTER] span").textContent = (amount ?? view.amounts.at(-1)).label;
    if (!entry.fresh && entry.value) texts[texts.length - 2] = amount?.row ?? "";
  }
  const rows = Array.from({ length: ROWS }, (_, place) => (texts[place] ?? "").padEnd(COLUMNS));
  if (entry && !(view.amounts && entry.fresh)) {
    const value = entry.value.slice(1 - COLUMNS) + "_";
    const place = rows.findIndex((row, index) => index && row.trimEnd().length + value.length < COLUMNS + (row.trim() ? 0 : 1));
    rows[place] = rows[place].slice(0, COLUMNS - value.length) + value;
  }
  $("rows").replaceChildren(...rows.map((row) => make("span", {}, `${row}\n`)));
}

function type(value, fresh = false) {
  entry = { value, fresh };
  $("typed").value = value;
  fitEntry();
}

/** A key of the terminal, or one on the keyboard. */
function press(name) {
  const key = view.screen.keys.find((item) => item.press === name);
  if (entry && /^\d$/.test(name) && !(key && (entry.fresh || !entry.value))) type((entry.fresh ? "" : entry.value) + name);
  else if (entry?.value && name === "CLEAR") type("");
  else if (key) act(key);
}

const erase = () => entry && type(entry.fresh ? "" : entry.value.slice(0, -1));

/** Do what a key says. */
function act(key) {
  const amounts = view.amounts ?? view.said?.choice?.amounts;
  const does = {
    ok: leave,
    no: leave,
    back: ready,
    inquire: () => go("inquire", { postTaxBasketAmount: toDollars(total()) }),
    echo: () => go("echo"),
    redeem: () => {
      const units = view.amounts ? Number(entry.value || amounts.length) : amounts.length;
      if (!amounts[units - 1]) return complain();
      return redeem(amounts[units - 1].dollars);
    },
    "other amount": () => {
      const { choice } = view.said;
      show({ ...view, menu: null, screen: choice.screen, amounts: choice.amounts }, { value: String(choice.amounts.length), fresh: true });
    },
    "add items": () => {
      ready();
      $("add-name").focus();
    },
    "ask dollars": () => ask("dollars", proposal()),
    "redeem dollars": () => (WHOLE_DOLLARS.test(entry.value) ? redeem(toDollars(toCents(entry.value))) : complain()),
    "ask number": () => askNumber(),
    reverse: () => go("reverse", { redemptionConfirmationNum: entry.value }),
  }[key.action];
  return attend(async () => does());
}

function complain() {
  $("typed").setCustomValidity(view.screen.lines[0]);
  if (chosen("mode") === "popup") $("typed").reportValidity();
  else type("");
}

const redeem = (dollars) => go("redeem", { dollarRedeemRequest: dollars, postTaxBasketAmount: toDollars(total()) });

/** The basket in whole units of the offer, and at least one: what `dialogue` proposes, before there was an inquiry. */
function proposal() {
  const unit = toCents(sponsorNow().offer?.unit_dollars ?? "1.00");
  const cents = Math.max(1, Math.floor(total() / unit)) * unit;
  return cents % 100 ? toDollars(cents) : String(cents / 100);
}

function askNumber() {
  const own = past.find((item) => item.collector === $("collector").value);
  ask("number", own?.number ?? (magic()?.endpoints.includes("reverse") ? cards.confirmation : (past[0]?.number ?? "")));
  if (!own && entry.value === past[0]?.number) present(past[0].collector);
  $("past").value = entry.value;
}

/** Make a call, show what comes of it, print what is to be printed. */
async function go(endpoint, more) {
  show({ menu: "waiting", screen: screens[language].waiting });
  const read = async (answer, retried) => {
    const said = await wordsFor(endpoint, answer, retried);
    show({ endpoint, answer, retried, said, screen: said.screen });
    return said;
  };
  let done;
  try {
    done = await call(endpoint, fields(endpoint, more), { hear, read });
  } catch (error) {
    ready();
    throw error;
  }
  settle(endpoint, done);
  await Promise.all([explain(), showFaults()]);
}

async function wordsFor(endpoint, answer, retried) {
  const columns = NARROW.matches ? PAPER_COLUMNS.narrow : PAPER_COLUMNS.wide;
  const basket = endpoint === "inquire" ? toDollars(total()) : null;
  return { ...(await words({ endpoint, answer, language, retried, columns, basket })), columns };
}

function settle(endpoint, { answer, said }) {
  const approved = ["0000", "0001"].includes(answer?.responseCode);
  toPrint = null;
  if (!approved || endpoint === "inquire") {
    if (said.receipt.length) toPrint = { endpoint, answer, said };
    return;
  }
  if (endpoint === "redeem") {
    past.unshift({ number: answer.txnConfirmationNumber, collector: answer.collectorNumber });
  }
  if (endpoint === "reverse") past = past.filter((item) => item.number !== answer.txnConfirmationNumber);
  if (said.receipt.length) print({ endpoint, answer, said });
}

/** Go on with the sale. Balances that were asked for belong on its receipt, and nowhere else. */
function leave() {
  if (toPrint) print(toPrint);
  toPrint = null;
  ready();
}

let readings = 0;

/** Read the same screen again: in another language, or for another basket. */
async function readAgain() {
  if (!view.endpoint) {
    if (view.menu) show({ ...view, screen: screens[language][view.menu] }, entry);
    return;
  }
  const read = view;
  const reading = ++readings;
  const { endpoint, answer, retried } = read;
  const said = await wordsFor(endpoint, answer, retried);
  // The cashier has gone on meanwhile: an offer that was taken must not come back.
  if (read !== view || reading !== readings) return;
  if (toPrint) toPrint = { ...toPrint, said };
  show({ endpoint, answer, retried, said, screen: said.screen });
}

// --- the printer ---

function print({ endpoint, answer, said }) {
  const line = (name, value, className = "") =>
    make("p", { className: `line ${className}` }, make("span", {}, name), make("span", {}, value));
  const sale = endpoint !== "reverse";
  const discount = said.discount ? toCents(said.discount) : 0;
  const figures = { store: answer.storeId, device: answer.deviceId };
  const paper = make(
    "article",
    { className: `receipt columns-${said.columns}`, lang: language },
    make("p", { className: "shop" }, sponsorNow().name),
    make("p", { className: "middle" }, say("at", figures)),
    make("p", { className: "middle" }, answer.transDateTime.replace("T", " ")),
    make("hr"),
    ...(sale ? basket.map((item) => line(nameOf(item), money(item.cents))) : [make("p", { className: "middle strong" }, say("return"))]),
    ...(sale ? [line(say("total"), money(total()), "strong rule")] : []),
    ...(discount ? [line(say("discount"), `−${money(discount)}`), line(say("pay"), money(total() - discount), "strong")] : []),
    make("hr"),
    make("pre", {}, said.receipt.join("\n")),
    make("hr"),
    make("p", { className: "middle" }, say("thanks")),
  );
  $("paper").replaceChildren(paper);
  $("no-paper").hidden = true;
}

// --- the page ---

let started = false;

function changeLanguage(to) {
  speak(to);
  showBasket();
  showCards();
  fitMode();
  redraw();
  attend(() => readAgain());
}

function fitMode() {
  const terminal = chosen("mode") === "terminal";
  $("popup").hidden = terminal;
  $("terminal").hidden = !terminal;
  $("pad").replaceChildren(
    ...PAD.map((name) => {
      const label = /\d/.test(name) ? name : say(name.toLowerCase());
      const button = make("button", { className: label.length > 1 ? "wide" : "" }, label);
      button.addEventListener("click", () => press(name));
      return button;
    }),
  );
}

function onKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target instanceof HTMLSelectElement) return;
  const wayOut = view.screen.keys.find((key) => key.press === "CLEAR" || key.press === "0");
  if (event.key === "Escape" && wayOut) act(wayOut);
  else if (event.key === "Enter" && !(event.target instanceof HTMLButtonElement)) press("ENTER");
  else if (event.target instanceof HTMLInputElement) return;
  else if (/^\d$/.test(event.key)) press(event.key);
  else if (event.key === "Backspace") erase();
  else return;
  event.preventDefault();
}

function listen() {
  for (const radio of document.querySelectorAll("input[name=language]")) {
    radio.addEventListener("change", () => changeLanguage(radio.value));
  }
  for (const radio of document.querySelectorAll("input[name=mode]")) radio.addEventListener("change", fitMode);
  $("add").addEventListener("submit", (event) => {
    event.preventDefault();
    basket.push({ name: $("add-name").value, cents: toCents($("add-price").value) });
    $("add").reset();
    changeBasket();
    $("add-name").focus();
  });
  $("empty").addEventListener("click", () => {
    basket = [];
    $("paper").replaceChildren();
    $("no-paper").hidden = false;
    showBasket();
    ready();
    $("add-name").focus();
  });
  $("cards").addEventListener("change", () => present($("cards").value));
  $("collector").addEventListener("input", () => present($("collector").value));
  $("client").addEventListener("change", () => {
    fitClient();
    ready();
    attend(async () => {
      await signIn($("client").value);
      await change();
    });
  });
  $("sponsor").addEventListener("change", fitSponsor);
  for (const id of ["store", "device"]) $(id).addEventListener("input", showWhere);
  $("patience").value = ANSWER_MS / 1000;
  $("patience").addEventListener("change", () => {
    if ($("patience").reportValidity()) till.answerMs = $("patience").valueAsNumber * 1000;
  });
  $("typed").addEventListener("input", () => type($("typed").value));
  $("past").addEventListener("change", () => {
    type($("past").value);
    present(past.find((item) => item.number === $("past").value).collector);
  });
  $("screen").addEventListener("keydown", onKey);
  $("terminal").addEventListener("click", (event) => event.target.closest("button") ?? $("terminal").focus());
  start(ready);
}

async function open() {
  document.querySelector(`input[name=language][value=${navigator.language.startsWith("fr") ? "fr" : "en"}]`).checked = true;
  speak(chosen("language"));
  listen();
  fillBasket();
  showBasket();
  fitMode();
  const [told, known, offered] = await Promise.all([menus(), sandbox("GET", "clients"), sandbox("GET", "collectors")]);
  screens = told;
  clients = known.clients;
  if (!clients.length) throw new Refused(say("nobody"));
  cards = offered;
  options($("client"), clients.map((item) => item.id));
  fitClient();
  present((cards.programme.find((card) => card.active && card.show_balances && card.allow_redemption) ?? cards.magic[0]).number);
  showCards();
  ready();
  await signIn(clients[0].id);
  await change();
  document.documentElement.dataset.ready = "";
  started = true;
}

attend(open);
