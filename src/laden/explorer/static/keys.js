// Keys of the list and the grid, and choosing: what the mouse can do, the keyboard can.
import { current, go, mark, say, set } from "./state.js";
import { rowAt, rowsAt } from "./rows.js";
import { isImage } from "./thumbs.js";

export const MARKS = /** @type {Record<string, string>} */ ({ x: "exclude", l: "look again", u: "" });

/** @param {KeyboardEvent} event @param {number} across Items in a line. @param {number} lines In sight. */
export function onListKey(event, across, lines) {
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
    set({ chosen: new Set() });
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
function flip(name) {
  const chosen = new Set(current().chosen);
  if (!chosen.delete(name)) chosen.add(name);
  set({ chosen });
}

/** Choose all between two places; the server knows their names. @param {number} from @param {number} to */
async function extend(from, to) {
  const chosen = new Set(current().chosen);
  for (const item of await rowsAt(Math.min(from, to), Math.abs(to - from) + 1)) chosen.add(item.name);
  set({ chosen });
}

/** @param {MouseEvent} event @param {number} at @param {any} item */
export function choose(event, at, item) {
  if (event.shiftKey) extend(current().active, at);
  else if (event.ctrlKey || event.metaKey) flip(item.name);
  set({ active: at });
}

/** Names that are meant: those chosen, else the active one. */
export async function meant() {
  const { chosen, active } = current();
  if (chosen.size) return [...chosen];
  const item = await rowAt(active);
  return item ? [item.name] : [];
}

/** @param {string} what */
export async function markThose(what) {
  try {
    const names = await meant();
    if (names.length) await mark(names, what);
  } catch (error) {
    say(/** @type {Error} */ (error).message);
  }
}
