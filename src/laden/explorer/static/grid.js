// The same list as pictures.
import { has } from "./chosen.js";
import { base, html, plain, useEffect, useRef } from "./lib.js";
import { choose, onListKey, open } from "./keys.js";
import { scrolling, useRows } from "./rows.js";
import { activeIs } from "./state.js";
import { useFit, useScroll } from "./table.js";
import { Thumb, isImage } from "./thumbs.js";

const CELL = 190;
const LINE = 214;

/** @param {{state: any}} given */
export function Grid({ state }) {
  const box = useRef(/** @type {any} */ (null));
  const { view } = state;
  const fit = useFit(box, LINE, 0);
  const across = Math.max(1, Math.floor(fit.width / CELL));
  const lines = Math.ceil(view.rows / across);
  const scroll = scrolling(lines, fit.rows, LINE);
  const [first, onScroll] = useScroll(box, scroll, state, Math.floor(state.active / across), fit.rows);
  const rows = useRows(view, first * across, (fit.rows + 1) * across, [], state.stale);
  const drawn = [];
  for (let line = 0; line <= fit.rows && line * across < rows.length; line++) {
    drawn.push(rows.slice(line * across, (line + 1) * across));
  }
  return html`<div class="scroll" ref=${box} onScroll=${onScroll} tabindex="-1">
    <div class="spacer" style=${{ height: `${scroll.spacer + fit.rest}px` }}>
      <div class="grid" role="grid" tabindex="0" id="list" aria-label="What is here, as pictures"
        aria-multiselectable="true" aria-rowcount=${lines} aria-colcount=${across}
        aria-activedescendant=${rows.length ? `row-${state.active}` : undefined}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => onListKey(event, across, fit.rows)}>
        ${drawn.map((line, index) => html`<div role="row" class="line" key=${first + index}
          aria-rowindex=${first + index + 1}>
          ${line.map((item, column) => html`<${Cell} key=${column} at=${(first + index) * across + column}
            item=${item} column=${column} state=${state} />`)}
        </div>`)}
      </div>
      ${view.rows === 0 && html`<p class="empty">Nothing here matches. Take a filter off, or look in another folder.</p>`}
    </div>
  </div>`;
}

/** @param {{at: number, item: any, column: number, state: any}} given */
function Cell({ at, item, column, state }) {
  useEffect(() => { if (at === state.active && item) activeIs(at, item.name); }, [at === state.active, item]);
  const chosen = Boolean(item && has(state.chosen, item.name));
  const classes = ["cell", at === state.active && "active", chosen && "chosen", item?.mark && "marked"];
  const broken = item?.state && item.state !== "whole";
  return html`<div role="gridcell" id=${`row-${at}`} aria-colindex=${column + 1} aria-selected=${chosen}
    class=${classes.filter(Boolean).join(" ")} title=${item?.name || ""}
    onClick=${(/** @type {MouseEvent} */ event) => item && choose(event, at, item)}
    onDblClick=${() => open(item)}>
    ${item && isImage(item) ? html`<span class="frame"><${Thumb} item=${item} /></span>`
      : html`<span class="frame file">${item ? /[^.]*$/.exec(base(item.name))?.[0] : ""}</span>`}
    <span class="caption"><bdi>${item ? plain(base(item.name)) : "…"}</bdi></span>
    ${broken && html`<span class="badge bad">${item.state}</span>`}
    ${item?.mark && html`<span class="badge">${item.mark}</span>`}
  </div>`;
}
