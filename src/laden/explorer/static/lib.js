// What every module uses: the drawing functions, requests to this server, and numbers as people read them.
import { Fragment, h, render } from "./vendor/preact.js";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
import htm from "./vendor/htm.js";

export const html = htm.bind(h);
export { Fragment, h, render, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState };

/** An answer that is no success, as a sentence for a person. */
export class Refusal extends Error {
  /** @param {string} message @param {number} status @param {string} kind */
  constructor(message, status, kind) {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}

/** What happens when the server is gone or there again, or what is shown is out of date; and the place that this page shows, which goes with each request.
 * @type {{lost: (why: string) => void, found: () => void, stale: () => void, place: number, epoch: number}} */
export const connection = { lost: () => {}, found: () => {}, stale: () => {}, place: 0, epoch: 0 };

/** @param {string} path @param {RequestInit} [init] @returns {Promise<Response>} */
async function ask(path, init = {}) {
  let response;
  try {
    const own = { "X-Laden": "1", ...(connection.place ? { "X-Laden-Place": String(connection.place) } : {}) };
    response = await fetch(path, { ...init, headers: { ...own, ...init.headers } });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    connection.lost("The server is gone: it was stopped, or this machine slept. Start laden explore again.");
    throw new Refusal("The server does not answer.", 0, "gone");
  }
  if (response.status === 401) connection.lost("This page is not signed in: open the link that laden explore printed.");
  else connection.found();
  if (!response.ok && response.status !== 304) {
    const told = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
    throw new Refusal(told.error, response.status, told.kind || "");
  }
  return response;
}

/** @param {string} name @param {Record<string, any>} values */
export function address(name, values) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries({ ...values, ...(connection.place ? { place: connection.place } : {}) })) {
    for (const one of Array.isArray(value) ? value : [value]) query.append(key, String(one));
  }
  return `/api/${name}?${query}`;
}

/** @param {string} name @param {Record<string, any>} [values] @param {AbortSignal} [signal] */
export async function get(name, values = {}, signal) {
  return fresh(await (await ask(address(name, values), { signal })).json());
}

/** @param {any} answer */
function fresh(answer) {
  if (!answer.stale) return answer;
  connection.stale();
  throw new Refusal("What is shown has just changed.", 200, "stale");
}

/** @param {string} name @param {Record<string, any>} [values] @param {AbortSignal} [signal] @param {Record<string, string>} [headers] */
export async function getRaw(name, values = {}, signal, headers = {}) {
  const response = await ask(address(name, values), { signal, headers });
  if (response.headers.get("Content-Type")?.includes("json")) fresh(await response.json());
  return response;
}

/** @param {string} name @param {Record<string, any>} [values] */
export async function post(name, values = {}) {
  const headers = { "Content-Type": "application/json" };
  return fresh(await (await ask(`/api/${name}`, { method: "POST", headers, body: JSON.stringify(values) })).json());
}

/** @param {string} token */
export async function signIn(token) {
  return ask("/session", { method: "POST", body: JSON.stringify({ token }) });
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** @param {number | null | undefined} bytes */
export function size(bytes) {
  let value = bytes || 0;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  if (bytes === 1) return "1 byte";
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")} ${UNITS[unit]}`;
}

/** @param {number | null | undefined} count */
export const amount = (count) => (count || 0).toLocaleString("en");

/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${amount(count)} ${count === 1 ? one : many}`;

/** @param {number | null | undefined} seconds Unix time. */
export function day(seconds) {
  if (!seconds) return "";
  const date = new Date(seconds * 1000);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}`;
}

/** A finding's words as a sentence. @param {string} text */
export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1).replace(/\.?$/, ".") : "");

/** A name as it is shown: what would turn the direction of its letters, or breaks lines, stands there as its code, so
 * that `\u202egnp.exe` is not read as `exe.png`. @param {string | null | undefined} name */
export const plain = (name) => (name || "").replace(/[\p{Cc}\p{Bidi_Control}]/gu,
  (one) => `\u27e8U+${/** @type {number} */ (one.codePointAt(0)).toString(16).toUpperCase().padStart(4, "0")}\u27e9`);

/** @param {string} name */
export const base = (name) => name.slice(name.lastIndexOf("/") + 1);

/** Run a function when it was not asked for again for a while. @param {Function} work @param {number} wait_ms */
export function later(work, wait_ms) {
  /** @type {any} */
  let timer = 0;
  return (/** @type {any[]} */ ...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait_ms);
  };
}

/** Seconds as people say them. @param {number} seconds */
export function lasting(seconds) {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
