// Images as they come from the server: fetched once, kept for a while, neighbours ahead of time.
import { connection, getRaw } from "./lib.js";
import { levels } from "./windowing.js";

const KEPT = 6;
/** @type {Map<string, {abort: AbortController, epoch: number, picture: Promise<any>, here: any}>} */
const kept = new Map();
/** Of this container alone. @param {string} name @param {number} frame */
const keyOf = (name, frame) => `${connection.place}:${frame}:${name}`;

/** @param {string} name @param {number} [frame] @returns {Promise<import("./windowing.js").Picture>} */
export function picture(name, frame = 0) {
  const key = keyOf(name, frame);
  let one = kept.get(key);
  if (!one || one.epoch !== connection.epoch) {
    // Since it came, the place was listed anew: the server says whether it is still the same.
    const abort = new AbortController();
    const begun = {
      abort, epoch: connection.epoch, here: /** @type {any} */ (null), picture: fetched(name, frame, abort.signal, one?.here),
    };
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
export const here = (name, frame = 0) => kept.get(keyOf(name, frame))?.here;

/** @param {string} name @param {number} frame @param {AbortSignal} signal @param {any} before What is known already. */
async function fetched(name, frame, signal, before) {
  const response = await getRaw("pixels", { name, frame }, signal, before?.tag ? { "If-None-Match": before.tag } : {});
  if (response.status === 304) return before;
  const facts = JSON.parse(response.headers.get("X-Laden-Image") || "{}");
  const buffer = await response.arrayBuffer();
  const data = facts.samples === "grey16" ? new Uint16Array(buffer) : new Uint8Array(buffer);
  return { tag: response.headers.get("ETag"), facts, data, levels: facts.samples ? levels(facts, data) : [] };
}
