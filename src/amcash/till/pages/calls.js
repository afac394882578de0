// HTTP, as a till does it: the API's calls with their one identical retry, and the sandbox's own paths.

import { say } from "./page.js";

/** How long the till waits for an answer: longer than the 7 s that the platform promises, shorter than a queue. */
export const ANSWER_MS = 8000;

export const till = { client: "", token: "", answerMs: ANSWER_MS };

/** The server refused, and says why. */
export class Refused extends Error {}

/** Return 32 random hexadecimal digits. (crypto.randomUUID is missing where a page is not from https or localhost.) */
export const random = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Get a token for a client: in a sandbox a page needs no secret for it. */
export async function signIn(client = till.client) {
  const given = await plain("POST", "sandbox/token", { client_id: client });
  till.client = client;
  till.token = given.access_token;
}

/** Ask one of the sandbox's paths; a token that is too old is renewed on the way. */
export async function sandbox(method, path, body) {
  const ask = () => plain(method, `sandbox/${path}`, body, { Authorization: `Bearer ${till.token}` });
  try {
    return await ask();
  } catch (error) {
    if (error.status !== 401) throw error;
    await signIn();
    return ask();
  }
}

/** Return what cashier and collector read of an answer. */
export const words = (question) => plain("POST", "till/words", question, {}, "omit");

/** Return the till's own screens. */
export const menus = () => plain("GET", "till/words");

async function plain(method, path, body, headers = {}, credentials = "same-origin") {
  const content = body === undefined ? undefined : JSON.stringify(body);
  let response;
  try {
    const kind = content === undefined ? {} : { "Content-Type": "application/json" };
    response = await fetch(path, { method, body: content, credentials, headers: { ...kind, ...headers } });
  } catch {
    throw new Refused(say("unreachable"));
  }
  const told = await response.json().catch(() => ({}));
  if (response.ok) return told;
  const detail = told.detail ?? told.title ?? told.message ?? response.status;
  throw Object.assign(new Refused(say("refused", { detail })), { status: response.status });
}

/**
 * Make a call, and make it again where the words say so: the same body under the same key, one time.
 *
 * `hear` is told of each attempt when it begins and when it is over; `read` turns an answer into words.
 */
export async function call(endpoint, fields, { hear, read }) {
  const body = JSON.stringify(fields, null, 2);
  const key = endpoint === "redeem" || endpoint === "reverse" ? random() : null;
  for (let retried = false; ; retried = true) {
    const attempt = await send(endpoint, body, key, retried, hear);
    const said = await read(attempt.answer, retried);
    attempt.next = said.screen.advice;
    hear(attempt);
    if (!said.resend) return { answer: attempt.answer, retried, said };
    if (said.screen.advice === "renew token") await signIn();
  }
}

async function send(endpoint, body, key, again, hear) {
  // The id is of this attempt, to find it in the journal; what makes a retry identical is body and key.
  const id = random();
  const headers = { "Content-Type": "application/json", ...(key && { "Idempotency-Key": key }), "X-Request-Id": id };
  const path = `checkout/amcash/${endpoint}`;
  const attempt = { endpoint, id, path, headers, body, again, at: new Date(), answer: null };
  hear(attempt);
  const start = performance.now();
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { Authorization: `Bearer ${till.token}`, ...headers },
      body,
      // With `words` on a pool of connections of its own, each used for one call: see pages.py.
      credentials: "omit",
      signal: AbortSignal.timeout(till.answerMs),
    });
    Object.assign(attempt, { status: response.status, reason: response.statusText, heard: [...response.headers] });
    attempt.text = await response.text();
    attempt.answer = ofTheApi(response, attempt.text);
    if (!attempt.answer) attempt.trouble = "foreign";
  } catch (error) {
    attempt.trouble = error.name === "TimeoutError" ? "silent" : "broken";
  }
  attempt.ms = performance.now() - start;
  return attempt;
}

/** Return the body of an answer that the API could have sent; whatever else comes back is no answer (ADR 8). */
function ofTheApi(response, text) {
  if (!response.headers.get("content-type")?.startsWith("application/json")) return null;
  try {
    const body = JSON.parse(text);
    return Object.values(body).every((value) => typeof value === "string") && "message" in body ? body : null;
  } catch {
    return null;
  }
}
