// Behind the counter: every exchange and why it was decided so, faults, the clock, reset.

import { Refused, sandbox } from "./calls.js";
import { $, make, say, trouble } from "./page.js";

const EXCHANGES_MAX = 12;
const JOURNAL_READ_MAX = 50;
const CLOCK_MS = 1000;
const CLOCK_ASKED_MS = 60000;

// --- the exchanges ---

const exchanges = [];

/** Show an attempt, or what has become of it since. */
export function hear(attempt) {
  if (!attempt.item) {
    for (const older of exchanges) older.item.firstChild.open = false;
    attempt.item = make("li", {}, make("details", { open: true }));
    exchanges.unshift(attempt);
    $("exchanges").prepend(attempt.item);
    for (const dropped of exchanges.splice(EXCHANGES_MAX)) dropped.item.remove();
    $("no-exchange").hidden = true;
  }
  draw(attempt);
}

/** Show all that is known again, in the page's language, without asking for it. */
export function redraw() {
  exchanges.forEach(draw);
  drawFaults();
  drawClock();
}

function draw(attempt) {
  const details = attempt.item.firstChild;
  const answer = attempt.answer ? (attempt.answer.responseCode ?? say("uncoded")) : say("nothing");
  const over = attempt.ms !== undefined;
  details.replaceChildren(
    make(
      "summary",
      {},
      make("span", { className: "verb" }, attempt.endpoint),
      make("b", { className: over && !attempt.answer ? "code bad" : "code" }, over ? answer : say("asking")),
      make("span", { className: "ms" }, over ? `${attempt.ms.toFixed(attempt.ms < 10 ? 1 : 0)} ms` : ""),
      attempt.again ? make("span", { className: "badge" }, say("again")) : null,
    ),
  );
  const sent = make(
    "div",
    {},
    make("h4", {}, say("request")),
    message(
      say("request"),
      `POST ${new URL(attempt.path, document.baseURI).pathname} HTTP/1.1`,
      [["Authorization", "Bearer …"], ...Object.entries(attempt.headers)],
      attempt.body,
    ),
  );
  const got = make("div", {}, make("h4", {}, say("answer")));
  details.append(make("div", { className: "beside" }, sent, got));
  if (!over) return;
  if (attempt.status) {
    got.append(message(say("answer"), `HTTP/1.1 ${attempt.status} ${attempt.reason}`, attempt.heard, attempt.text ?? ""));
  }
  if (attempt.trouble) {
    got.append(make("p", { className: "bad" }, say(attempt.trouble, { ms: Math.round(attempt.ms) })));
  }
  if (attempt.next) {
    details.append(make("p", {}, `${say("next")} `, make("code", { lang: "en" }, attempt.next)));
  }
  if (attempt.why) details.append(make("h4", {}, say("why")), ...explanation(attempt.why));
}

/** Return a message exactly as it went over the wire; only where its lines break is the page's doing. */
function message(ariaLabel, start, headers, body) {
  const lines = body.startsWith("{\n") ? body.split(/(?<=\n)/) : body.split(/(?<=",)(?=")/);
  return make(
    "pre",
    { className: "http", tabIndex: 0, role: "region", ariaLabel },
    make("b", {}, start),
    "\n",
    ...headers.flatMap(([name, value]) => [make("span", { className: "name" }, name), `: ${value}\n`]),
    "\n",
    ...lines.map((line) => make("span", { className: line.endsWith("\n") ? "" : "broken" }, line)),
  );
}

function explanation(entry) {
  if (entry === "unwritten") return [make("p", { className: "hint" }, say("unwritten"))];
  const checks = (entry.why?.checks ?? []).map((check) =>
    make(
      "li",
      { className: check.result.replace(" ", "-") },
      make("span", { className: "result" }, say(check.result)),
      make("span", { className: "check", lang: "en" }, check.check),
      make("code", {}, check.rule),
      make("span", { className: "saw", lang: "en" }, seen(check.saw)),
    ),
  );
  return [
    entry.why ? make("p", {}, make("code", {}, entry.why.rule), " ", make("span", { lang: "en" }, entry.why.sentence)) : null,
    entry.fault ? make("p", { className: "bad" }, say("faulted", { fault: entry.fault.fault })) : null,
    make("ol", { className: "checks" }, ...checks),
  ].filter((item) => item !== null);
}

const seen = (saw) =>
  Object.entries(saw)
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(" · ");

/** Look into the journal for whatever has no reason yet. */
export async function explain() {
  const open = exchanges.filter((attempt) => attempt.ms !== undefined && (attempt.why ?? "unwritten") === "unwritten");
  if (!open.length) return;
  const { entries } = await sandbox("GET", `journal?limit=${JOURNAL_READ_MAX}`);
  for (const attempt of open) {
    const own = entries.filter((entry) => entry.request_id === attempt.id);
    attempt.why = own.find((entry) => entry.duplicate_of === null && entry.late_of === null) ?? own[0] ?? "unwritten";
    draw(attempt);
  }
}

// --- faults ---

let faults = [];

/** Ask which faults are ordered, and show them. */
export async function showFaults() {
  ({ faults } = await sandbox("GET", "faults"));
  drawFaults();
}

function drawFaults() {
  $("faults").replaceChildren(
    ...faults.map((fault) => {
      const cancel = make("button", { className: "plain", type: "button", ariaLabel: say("cancel", { fault: fault.fault }) }, "×");
      cancel.addEventListener("click", () =>
        attend(async () => {
          tell("cleared", await sandbox("DELETE", `faults/${fault.id}`));
          await showFaults();
          $("fault").focus();
        }),
      );
      const left = fault.left ? say("left", fault) : say("used");
      return make(
        "li",
        { className: fault.left ? "" : "used" },
        make("span", {}, make("code", {}, fault.fault), ` · ${fault.match.endpoint ?? say("any")} · ${left}`),
        cancel,
      );
    }),
  );
}

function order() {
  const fault = $("fault").value;
  const asked = { fault, times: $("fault-times").valueAsNumber };
  if ($("fault-endpoint").value) asked.match = { endpoint: $("fault-endpoint").value };
  if (!$("bytes-label").hidden) asked.bytes = $("fault-bytes").valueAsNumber;
  if (!$("delay-label").hidden) asked.delay_ms = $("fault-delay").valueAsNumber;
  return sandbox("POST", "faults", asked);
}

function fitFault() {
  $("bytes-label").hidden = $("fault").value !== "cut";
  $("delay-label").hidden = !["delay", "late"].includes($("fault").value);
  // What is not shown is not checked either.
  $("fault-bytes").disabled = $("bytes-label").hidden;
  $("fault-delay").disabled = $("delay-label").hidden;
}

// --- the clock ---

let clock = null;
let asked = 0;

const onWall = (time) => time.slice(0, 19).replace("T", " ");

/** Show a clock, or ask for it. */
export async function showClock(told) {
  asked = performance.now();
  clock = { ...(told ?? (await sandbox("GET", "clock"))), at: performance.now() };
  if (document.activeElement !== $("moment")) $("moment").value = onWall(clock.local);
  drawClock();
}

function tick() {
  if (clock && performance.now() - asked > CLOCK_ASKED_MS) attend(() => showClock()); // an hour may be missing, or come twice
  drawClock();
}

function drawClock() {
  if (!clock) return;
  const passed = clock.runs ? performance.now() - clock.at : 0;
  // The programme's wall clock is counted as if it were UTC: no zone of this browser takes part.
  const local = new Date(Date.parse(`${clock.local.slice(0, 19)}Z`) + passed).toISOString();
  $("now").textContent = onWall(local);
  $("now").dateTime = local.slice(0, 19);
  const state = !clock.own ? "servers" : clock.runs ? "yours" : "held";
  $("own").textContent = `${clock.timezone}, ${say(state)}`;
  $("hold").ariaPressed = String(!clock.runs);
}

// --- all of it ---

/** Do what a control asks; say where that fails. */
export async function attend(task) {
  try {
    await task();
    trouble("");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    trouble(error.message);
  }
}

const tell = (name, figures) => ($("told").textContent = say(name, figures));

const move = (method, path, body) => () =>
  attend(async () => {
    const told = await sandbox(method, path, body);
    await showClock(told);
    tell("set", { local: onWall(told.local) });
  });

/** Make the controls work; `reset` is called after all is back at the start. */
export function start(reset) {
  $("fault").addEventListener("change", fitFault);
  fitFault();
  $("order").addEventListener("submit", (event) => {
    event.preventDefault();
    attend(async () => {
      tell("ordered", await order());
      await showFaults();
    });
  });
  $("clear").addEventListener("click", () =>
    attend(async () => {
      tell("cleared", await sandbox("DELETE", "faults"));
      await showFaults();
    }),
  );
  for (const button of document.querySelectorAll("[data-step]")) {
    const [unit, count] = button.dataset.step.split(":");
    button.addEventListener("click", move("POST", "clock/step", { [unit]: Number(count) }));
  }
  $("hold").addEventListener("click", () => move("PUT", "clock", { runs: !clock.runs })());
  $("back").addEventListener("click", move("DELETE", "clock"));
  $("set").addEventListener("submit", (event) => {
    event.preventDefault();
    move("PUT", "clock", { time: $("moment").value.replace(" ", "T") })();
  });
  $("reset").addEventListener("click", () => {
    if (!confirm(say("sure"))) return;
    attend(async () => {
      tell("done", await sandbox("POST", "reset", {}));
      await Promise.all([showClock(), showFaults()]);
      reset();
    });
  });
  setInterval(tick, CLOCK_MS);
}

/** Show what belongs to the client that now stands at the till. */
export const change = () => Promise.all([showClock(), showFaults()]);
