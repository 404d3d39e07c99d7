// Images as they come from the server: fetched once, kept for a while, neighbours ahead of time.
import { getRaw } from "./lib.js";
import { levels } from "./windowing.js";

const KEPT = 6;
/** @type {Map<string, {abort: AbortController, picture: Promise<any>, here: any}>} */
const kept = new Map();

/** @param {string} name @param {number} [frame] @returns {Promise<import("./windowing.js").Picture>} */
export function picture(name, frame = 0) {
  const key = `${frame}:${name}`;
  let one = kept.get(key);
  if (!one) {
    const abort = new AbortController();
    const begun = { abort, here: /** @type {any} */ (null), picture: fetched(name, frame, abort.signal) };
    begun.picture.then((found) => { begun.here = found; }, () => kept.delete(key));
    one = begun;
  }
  kept.delete(key);
  kept.set(key, one);
  for (const [old, { abort }] of kept) {
    if (kept.size <= KEPT) break;
    abort.abort();
    kept.delete(old);
  }
  return one.picture;
}

/** The same where it is here already, to be drawn in this very frame. @param {string} name @param {number} [frame] */
export const here = (name, frame = 0) => kept.get(`${frame}:${name}`)?.here;

/** @param {string} name @param {number} frame @param {AbortSignal} signal */
async function fetched(name, frame, signal) {
  const response = await getRaw("pixels", { name, frame }, signal);
  const facts = JSON.parse(response.headers.get("X-Laden-Image") || "{}");
  const buffer = await response.arrayBuffer();
  const data = facts.samples === "grey16" ? new Uint16Array(buffer) : new Uint8Array(buffer);
  return { facts, data, levels: facts.samples ? levels(facts, data) : [] };
}
