// The one state of the page, and what changes it. What a person looks at is a "look": it goes into the browser's history,
// so that back and forward work, and never into the address bar, which other programs keep.
import { NONE } from "./chosen.js";
import { connection, get, later, post } from "./lib.js";

/** @typedef {{folder: string, find: string, how: string, where: string[], sort: string, descending: boolean,
 *   mode: string, image: string, compare: string}} Look */

/** @type {Look} */
export const START = {
  folder: "", find: "", how: "part", where: [], sort: "name", descending: false, mode: "table", image: "", compare: "",
};

/** @type {Record<string, any>} */
let state = {
  look: START, status: null, view: null, error: "", lost: "", active: 0, chosen: NONE, dialog: "", jobs: [],
  columns: null, extra: [], panel: true, notice: "", stale: 0, choosing: false,
};
/** @type {Set<(state: Record<string, any>) => void>} */
const listeners = new Set();

export const current = () => state;

/** @param {(state: Record<string, any>) => void} listener */
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** @param {Record<string, any>} patch */
export function set(patch) {
  state = { ...state, ...patch };
  for (const listener of listeners) listener(state);
}

/** What the server needs to know of a look. @param {Look} look */
function query({ folder, find, how, where, sort, descending }) {
  return { folder, find, how, where, sort, descending };
}

let asked = 0;
/** The item at the active place, by its name: what comes and goes before it moves the place, and not what is meant. */
let active = { at: -1, name: "" };

/** @param {number} at @param {string} name */
export const activeIs = (at, name) => { active = { at, name }; };

/** Ask for the view of the present look. @param {{keep?: boolean}} [how] */
export async function refreshView({ keep = false } = {}) {
  const number = ++asked;
  const look = state.look;
  try {
    const view = await post("view", query(look));
    if (number !== asked) return;
    const known = keep && active.at === state.active && active.name;
    const at = known ? (await get("at", { view: view.view, name: known })).at : null;
    if (number !== asked) return;
    const where = keep ? { active: at ?? Math.min(state.active, Math.max(0, view.rows - 1)) } : { active: 0, chosen: NONE };
    set({ view: { ...view, look }, error: "", ...where });
  } catch (error) {
    if (number === asked && /** @type {any} */ (error).kind !== "stale") set({ error: /** @type {Error} */ (error).message });
  }
}

// The server keeps few views: one that other tabs have pushed out is made again.
connection.stale = later(() => { if (state.view) refreshView({ keep: true }); }, 200);

/** Look at something else. @param {Partial<Look>} patch @param {{replace?: boolean}} [how] */
export function go(patch, { replace = false } = {}) {
  const look = { ...state.look, ...patch };
  history[replace ? "replaceState" : "pushState"]({ look, container: container() }, "", "/");
  show(look);
}

/** Of an account, the container that is shown. */
const container = () => (state.status?.account && state.status.place ? state.status.place.title.replace(/.*\//, "") : "");

/** Show the containers of the account. */
export function choose() {
  wished++;
  history.pushState({ choosing: true }, "", "/");
  set({ choosing: true, dialog: "" });
}

/** Open a container of the account. @param {string} name @param {Look} [look] That was looked at there. */
export async function open(name, look) {
  const own = ++wished;
  if (name !== container()) await post("open", { container: name });
  // Somebody may have gone back to the list, or on, meanwhile.
  if (own !== wished) return;
  if (!look) history.pushState({ look: START, container: name }, "", "/");
  set({ choosing: false, look: look || START, error: "" });
  await poll();
}

/** So often somebody has wished to see another place, or the list of them. */
let wished = 0;

/** @param {Look} look */
function show(look) {
  const same = JSON.stringify(query(look)) === JSON.stringify(query(state.look));
  set({ look });
  if (!same || !state.view) refreshView();
}

window.addEventListener("popstate", ({ state: past }) => {
  wished++;
  set({ dialog: "" });
  if (state.status?.account && (past?.choosing || !past?.container)) set({ choosing: true });
  else if (past?.container && past.container !== container()) open(past.container, past.look).catch((error) => set({ error: error.message }));
  else {
    set({ choosing: false });
    show(past?.look || START);
  }
});

/** What a link or a saved view says, as far as it is a look: whatever else it may hold is left out.
 * @param {any} given @returns {{look: Look, extra: string[]}} */
export function asLook(given) {
  /** @type {any} */
  const look = { ...START };
  const isTexts = (/** @type {any} */ one) => Array.isArray(one) && one.every((text) => typeof text === "string");
  for (const [name, value] of Object.entries(START)) {
    const fits = name === "where" ? isTexts(given?.where) : typeof given?.[name] === typeof value;
    if (fits) look[name] = given[name];
  }
  if (!["table", "grid"].includes(look.mode)) look.mode = START.mode;
  return { look, extra: isTexts(given?.columns) ? given.columns : [] };
}

/** This very look, with the columns that stand in the list. */
export const seen = () => ({ ...state.look, columns: state.extra });

/** A link to a look, for whoever may open this server's pages. @param {any} [look] */
export const link = (look = seen()) => `${location.origin}/#look=${encodeURIComponent(JSON.stringify(look))}`;

/** What an address says beside its path; it is taken out of the address bar at once.
 * @returns {{token?: string, look?: Look, extra?: string[]}} */
export function fromAddress() {
  const hash = location.hash.slice(1);
  history.replaceState(history.state, "", "/");
  if (hash.startsWith("open=")) return { token: hash.slice(5) };
  if (hash.startsWith("look=")) {
    try {
      return asLook(JSON.parse(decodeURIComponent(hash.slice(5))));
    } catch {
      return {};
    }
  }
  return history.state?.look ? { look: asLook(history.state.look).look } : {};
}

/** Add a condition, or take it off where it is. @param {string} condition */
export function toggle(condition) {
  const { where } = state.look;
  go({ where: where.includes(condition) ? where.filter((/** @type {string} */ one) => one !== condition) : [...where, condition] });
}

let generation = -1;
let place = -1;

/** Ask how far the server is; a view that is out of date is asked for again. */
export async function poll() {
  const status = await get("status");
  connection.place = status.place?.number || 0;
  connection.epoch = status.place?.epoch || 0;
  set({ status, ...(status.jobs || state.dialog === "jobs" ? { jobs: (await get("jobs")).jobs } : {}) });
  if (!status.place) return status;
  if (status.place.number !== place || status.state.generation !== generation) {
    const other = status.place.number !== place;
    if (other && place >= 0 && !state.choosing) set({ dialog: "", view: null });
    place = status.place.number;
    generation = status.state.generation;
    await refreshView({ keep: !other });
    if (status.state.phase !== "opening") get("columns").then((columns) => set({ columns })).catch(() => {});
  }
  return status;
}

/** Mark images, and show it at once. @param {Record<string, any>} those As a request says it. @param {string} mark @param {string} [note] */
export async function mark(those, mark, note) {
  await post("mark", { ...those, mark, ...(note === undefined ? {} : { note }) });
  set({ stale: state.stale + 1, notice: mark ? `Marked: ${mark}` : note ? "The word is kept" : "The mark is off" });
}

/** Say something for a moment. @param {string} notice */
export const say = (notice) => set({ notice });
