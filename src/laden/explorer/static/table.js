// The list: a real table of the rows in sight, under a scrollbar for all of them. One place of focus, moved by keys.
// It shows no pictures: each costs the reading of a whole file.
import { has } from "./chosen.js";
import { base, day, html, plain, size, useEffect, useLayoutEffect, useRef, useState } from "./lib.js";
import { scrolling, useRows } from "./rows.js";
import { activeIs, go } from "./state.js";
import { choose, onListKey, open } from "./keys.js";

const ROW = 30;

/** @type {[string, string, (item: Record<string, any>) => any][]} */
const COLUMNS = [
  ["name", "Name", (item) => item.name],
  ["size_bytes", "Size", (item) => size(item.size_bytes)],
  ["modified_s", "Changed", (item) => day(item.modified_s).slice(0, 10)],
  ["width", "Pixels", (item) => (item.width ? `${item.width} × ${item.height}` : "")],
  ["bits", "Bits", (item) => item.bits || ""],
  ["state", "Image", (item) => (item.state && item.state !== "whole" ? item.state : item.state ? "whole" : "")],
  ["fate", "Load", (item) => item.fate],
  ["tier", "Tier", (item) => item.tier],
  ["mark", "Mark", (item) => [item.mark, item.note].filter(Boolean).join(": ")],
];

/** Rows that fit, and how much is left below them. @param {any} box @param {number} row_px @param {number} head_px */
export function useFit(box, row_px, head_px) {
  const [fit, setFit] = useState({ rows: 20, width: 800, rest: 0 });
  useLayoutEffect(() => {
    const element = box.current;
    const measure = () => {
      const room = element.clientHeight - head_px;
      const rows = Math.max(1, Math.floor(room / row_px));
      setFit({ rows, width: element.clientWidth, rest: Math.max(0, room - rows * row_px) });
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [row_px, head_px]);
  return fit;
}

/** Where a list is scrolled to, kept with what is active. @param {any} box @param {any} scroll @param {any} state
 * @param {number} line Of the active item. @param {number} visible @returns {[number, () => void]} */
export function useScroll(box, scroll, state, line, visible) {
  const [first, setFirst] = useState(0);
  // Of a list that was taken away meanwhile, the browser still tells that it was scrolled.
  const onScroll = () => box.current && setFirst(scroll.first(box.current.scrollTop));
  useEffect(() => {
    const top = scroll.first(box.current.scrollTop);
    const to = line < top ? line : line >= top + visible ? line - visible + 1 : top;
    if (to !== top) box.current.scrollTop = scroll.top(to);
    setFirst(scroll.first(box.current.scrollTop));
  }, [line, state.view.view, state.view.rows, visible]);
  return [first, onScroll];
}

/** @param {{state: any}} given */
export function Table({ state }) {
  const box = useRef(/** @type {any} */ (null));
  const { view, look, extra } = state;
  const fit = useFit(box, ROW, 34);
  const scroll = scrolling(view.rows, fit.rows, ROW);
  const [first, onScroll] = useScroll(box, scroll, state, state.active, fit.rows);
  const rows = useRows(view, first, fit.rows, extra, state.stale);
  const columns = [...COLUMNS, ...extra.map((/** @type {string} */ name, /** @type {number} */ index) => [
    name, name, (/** @type {any} */ item) => item.extra[index],
  ])];
  return html`<div class="scroll" ref=${box} onScroll=${onScroll} tabindex="-1">
    <div class="spacer" style=${{ height: `${scroll.spacer + 34 + fit.rest}px` }}>
      <table
        class="list" role="grid" tabindex="0" id="list" aria-label="What is here" aria-multiselectable="true"
        aria-rowcount=${view.rows + 1} aria-colcount=${columns.length}
        aria-activedescendant=${rows.length ? `row-${state.active}` : undefined}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => onListKey(event, 1, fit.rows)}
      >
        <thead><tr aria-rowindex="1">
          ${columns.map(([key, title]) => html`<${Head} key=${key} sort=${key} title=${title} look=${look} />`)}
        </tr></thead>
        <tbody>${rows.map((item, index) => html`<${Row} key=${first + index} at=${first + index} item=${item}
          columns=${columns} state=${state} />`)}</tbody>
      </table>
      ${view.rows === 0 && html`<p class="empty">Nothing here matches. Take a filter off, or look in another folder.</p>`}
    </div>
  </div>`;
}

/** @param {{sort: string, title: string, look: any}} given */
function Head({ sort, title, look }) {
  const own = look.sort === sort;
  const order = own ? (look.descending ? "descending" : "ascending") : "none";
  const turn = () => go({ sort, descending: own ? !look.descending : false });
  return html`<th aria-sort=${order} class=${`c-${sort}`}>
    <button class="plain" onClick=${turn}>${title}<span class="arrow" aria-hidden="true">
      ${own ? (look.descending ? "▾" : "▴") : ""}</span></button>
  </th>`;
}

/** @param {{at: number, item: any, columns: any[], state: any}} given */
function Row({ at, item, columns, state }) {
  const active = at === state.active;
  useEffect(() => { if (at === state.active && item) activeIs(at, item.name); }, [at === state.active, item]);
  const chosen = Boolean(item && has(state.chosen, item.name));
  const classes = [active && "active", chosen && "chosen", item?.mark && "marked"].filter(Boolean).join(" ");
  const pick = (/** @type {MouseEvent} */ event) => item && choose(event, at, item);
  return html`<tr id=${`row-${at}`} aria-rowindex=${at + 2} aria-selected=${chosen} class=${classes}
    onClick=${pick} onDblClick=${() => open(item)}>
    ${columns.map(([key, , text]) => html`<td key=${key} class=${`c-${key}`} title=${item && key === "name" ? item.name : ""}>
      ${item ? (key === "name" ? html`<${Name} item=${item} folder=${state.look.folder} />` : text(item)) : "…"}</td>`)}
  </tr>`;
}

/** The part of a name below the folder that is shown. @param {{item: any, folder: string}} given */
function Name({ item, folder }) {
  const rest = item.name.startsWith(folder) ? item.name.slice(folder.length) : item.name;
  const last = base(rest);
  return html`<bdi><span class="path">${plain(rest.slice(0, rest.length - last.length))}</span>${plain(last)}</bdi>`;
}
