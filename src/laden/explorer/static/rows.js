// Windows of a view: pages of rows are asked for as they come into sight, and kept for a while.
import { get, useEffect, useState } from "./lib.js";
import { current } from "./state.js";

const PAGE = 200;
const KEPT = 40;
/** @type {Map<string, any[] | Promise<void>>} */
const pages = new Map();

/** @param {any} view @param {string[]} extra @param {number} stale */
const key = (view, extra, stale) => `${view.view}:${view.generation}:${stale}:${extra.join("\n")}`;

/** Rows `first` to `first + count` of a view; those that are still on their way are undefined.
 * @param {any} view @param {number} first @param {number} count @param {string[]} [extra] @param {number} [stale] */
export function useRows(view, first, count, extra = [], stale = 0) {
  const [, redraw] = useState(0);
  const own = key(view, extra, stale);
  const from = Math.floor(first / PAGE);
  const to = Math.floor((first + Math.max(count, 1) - 1) / PAGE);
  useEffect(() => {
    let here = true;
    // What only flies past while somebody scrolls is not asked for.
    const timer = setTimeout(() => {
      for (let page = from; page <= to; page++) {
        load(view, own, page, extra).then(() => here && redraw((number) => number + 1));
      }
    }, pages.size ? 30 : 0);
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [own, from, to]);
  const rows = [];
  for (let at = first; at < Math.min(first + count, view.rows); at++) rows.push(peek(own, at));
  return rows;
}

/** @param {string} own @param {number} at */
function peek(own, at) {
  const page = pages.get(`${own}/${Math.floor(at / PAGE)}`);
  return Array.isArray(page) ? page[at % PAGE] : undefined;
}

/** @param {any} view @param {string} own @param {number} page @param {string[]} extra */
async function load(view, own, page, extra) {
  const name = `${own}/${page}`;
  if (!pages.has(name)) {
    pages.set(name, fetchPage(view, page, extra, name));
    for (const old of pages.keys()) {
      if (pages.size <= KEPT) break;
      pages.delete(old);
    }
  }
  await pages.get(name);
}

/** @param {any} view @param {number} page @param {string[]} extra @param {string} name */
async function fetchPage(view, page, extra, name) {
  try {
    const { rows } = await get("rows", { view: view.view, from: page * PAGE, n: PAGE, column: extra });
    pages.set(name, rows.map((/** @type {any[]} */ row) => named(view, row)));
  } catch {
    pages.delete(name);
  }
}

/** @param {any} view @param {any[]} row */
function named(view, row) {
  /** @type {Record<string, any>} */
  const item = { at: row[0], extra: row.slice(view.columns.length + 1) };
  view.columns.forEach((/** @type {string} */ column, /** @type {number} */ index) => (item[column] = row[index + 1]));
  return item;
}

/** Rows of the present view, from a place on. @param {number} at @param {number} count @returns {Promise<any[]>} */
export async function rowsAt(at, count) {
  const { view } = current();
  if (!view || at < 0 || at >= view.rows) return [];
  const { rows } = await get("rows", { view: view.view, from: at, n: count });
  return rows.map((/** @type {any[]} */ row) => named(view, row));
}

/** One row of the present view. @param {number} at */
export const rowAt = async (at) => (await rowsAt(at, 1))[0] || null;

/** How far a list is scrolled, in rows, whatever the height that a browser allows an element.
 * @param {number} total @param {number} visible @param {number} height_px Of one row. */
export function scrolling(total, visible, height_px) {
  const LIMIT = 8_000_000;
  const spacer = Math.min(LIMIT, Math.max(total, visible) * height_px);
  const room = Math.max(1, spacer - visible * height_px);
  const last = Math.max(0, total - visible);
  const scaled = total * height_px > LIMIT;
  return {
    spacer,
    first: (/** @type {number} */ top) =>
      Math.min(last, scaled ? Math.round((top / room) * last) : Math.floor((top + 1) / height_px)),
    top: (/** @type {number} */ first) => (scaled ? (first / Math.max(1, last)) * room : first * height_px),
  };
}
