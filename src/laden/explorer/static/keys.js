// Keys of the list and the grid, and choosing: what the mouse can do, the keyboard can.
import { ALL, MOST, NONE, asked, countOf, flipped, joined } from "./chosen.js";
import { amount } from "./lib.js";
import { current, go, mark, say, set } from "./state.js";
import { rowAt, rowsAt } from "./rows.js";
import { isImage } from "./thumbs.js";

/** Rows that one answer holds. */
const WINDOW = 2000;

export const MARKS = /** @type {Record<string, string>} */ ({ x: "exclude", l: "look again", u: "" });

/** @param {KeyboardEvent} event @param {number} across Items in a line. @param {number} lines In sight. */
export function onListKey(event, across, lines) {
  if (event.key === "a" && (event.ctrlKey || event.metaKey) && !event.altKey) {
    set({ chosen: ALL });
    event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { active, view } = current();
  const steps = /** @type {Record<string, number>} */ ({
    ArrowDown: across, ArrowUp: -across, PageDown: across * lines, PageUp: -across * lines,
    Home: -active, End: view.rows - 1 - active, ...(across > 1 ? { ArrowRight: 1, ArrowLeft: -1 } : {}),
  });
  if (event.key in steps) {
    const to = Math.max(0, Math.min(view.rows - 1, active + steps[event.key]));
    if (event.shiftKey) extend(active, to);
    set({ active: to });
  } else if (event.key === "Enter") {
    rowAt(active).then(open);
  } else if (event.key === " ") {
    rowAt(active).then((item) => item && flip(item.name));
  } else if (event.key in MARKS) {
    markThose(MARKS[event.key]);
  } else if (event.key === "Escape") {
    set({ chosen: NONE });
  } else {
    return;
  }
  event.preventDefault();
}

/** Look at an item. @param {any} item */
export function open(item) {
  if (!item) return;
  if (isImage(item)) go({ image: item.name });
  else say("That is no image: Details has what is known of it, and saves it");
}

/** @param {string} name */
const flip = (name) => set({ chosen: flipped(current().chosen, name) });

/** Choose all between two places; the server knows their names. @param {number} from @param {number} to */
async function extend(from, to) {
  const [first, last] = [Math.min(from, to), Math.max(from, to)];
  if (last - first >= MOST) {
    return say(`So many are chosen all at once (Ctrl-A), or by a filter: ${amount(MOST)} one by one, at most`);
  }
  const { view } = current();
  /** @type {string[]} */
  const names = [];
  for (let at = first; at <= last; at += WINDOW) {
    names.push(...(await rowsAt(at, Math.min(WINDOW, last - at + 1))).map((item) => item.name));
  }
  // Something else may be looked at meanwhile.
  if (current().view === view) set({ chosen: joined(current().chosen, names) });
}

/** @param {MouseEvent} event @param {number} at @param {any} item */
export function choose(event, at, item) {
  if (event.shiftKey) extend(current().active, at);
  else if (event.ctrlKey || event.metaKey) flip(item.name);
  set({ active: at });
}

/** What is meant, as a request says it: what is chosen, else the active item. @returns {Promise<Record<string, any>>} */
export async function meant() {
  const { chosen, active, view } = current();
  if (countOf(chosen, view)) return asked(chosen, view);
  const item = await rowAt(active);
  return { names: item ? [item.name] : [] };
}

/** @param {string} what */
export async function markThose(what) {
  try {
    const those = await meant();
    if (those.view || those.names.length) await mark(those, what);
  } catch (error) {
    say(/** @type {Error} */ (error).message);
  }
}
