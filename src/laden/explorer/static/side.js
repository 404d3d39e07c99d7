// Beside the list: folders with what is in them, and columns to filter by, each with its counts.
import { amount, get, html, plain, size, useEffect, useState } from "./lib.js";
import { go, set, toggle } from "./state.js";

/** What the server says of the present view. @param {any} state @param {string} name @param {Record<string, any>} more
 * @param {boolean} [wanted] */
function useOfView(state, name, more, wanted = true) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const { view, generation } = state.view;
  useEffect(() => {
    if (!wanted || !view) return undefined;
    const abort = new AbortController();
    get(name, { view, ...more }, abort.signal).then(setFound).catch(() => {});
    return () => abort.abort();
  }, [view, generation, wanted, state.stale, JSON.stringify(more)]);
  return found;
}

/** @param {{state: any}} given */
export function Side({ state }) {
  return html`<nav class="side" aria-label="Folders and filters">
    <${Folders} state=${state} />
    <${Facets} state=${state} />
  </nav>`;
}

/** @param {{state: any}} given */
function Folders({ state }) {
  const found = useOfView(state, "folders", {});
  const { folder } = state.look;
  const [order, setOrder] = useState("name");
  const parts = folder.split("/").filter(Boolean);
  const folders = [...(found?.folders || [])].sort((one, two) => (order === "name" ? natural(one[0], two[0]) : two[2] - one[2]));
  return html`<section>
    <h2>Folders</h2>
    <ol class="crumbs" aria-label="This folder">
      <li><button class="plain" onClick=${() => go({ folder: "" })}>all</button></li>
      ${parts.map((/** @type {string} */ part, /** @type {number} */ index) => html`<li key=${index}>
        <button class="plain" onClick=${() => go({ folder: `${parts.slice(0, index + 1).join("/")}/` })}><bdi>${plain(part)}</bdi></button></li>`)}
    </ol>
    ${folders.length > 1 && html`<button class="plain small" onClick=${() => setOrder(order === "name" ? "bytes" : "name")}>
      by ${order === "name" ? "size" : "name"}</button>`}
    <ul class="folders">${folders.slice(0, 500).map(([name, count, bytes]) => html`<li key=${name}>
      <button class="plain" onClick=${() => go({ folder: `${folder}${name}/` })}><bdi>${plain(name)}/</bdi></button>
      <span>${amount(count)}</span><span>${size(bytes)}</span></li>`)}</ul>
    ${folders.length > 500 && html`<p class="hint">and ${amount(folders.length - 500)} more: find by name</p>`}
  </section>`;
}

const natural = new Intl.Collator("en", { numeric: true }).compare;

/** @param {{state: any}} given */
function Facets({ state }) {
  const [more, setMore] = useState("");
  const facets = state.columns?.facets || [];
  const opened = new Set(state.opened || []);
  const shown = facets.filter((/** @type {any} */ one) => one.open || opened.has(one.name));
  const others = facets.filter((/** @type {any} */ one) => !one.open && !opened.has(one.name));
  const add = (/** @type {any} */ event) => {
    set({ opened: [...opened, event.target.value] });
    setMore("");
  };
  return html`<section>
    <h2>Filter by</h2>
    ${shown.map((/** @type {any} */ one) => html`<${Facet} key=${one.name} facet=${one} state=${state} />`)}
    ${others.length > 0 && html`<label class="pick">Another column <select value=${more} onChange=${add}>
      <option value="">choose …</option>${others.map((/** @type {any} */ one) => html`<option>${one.name}</option>`)}
    </select></label>`}
    ${!facets.length && html`<p class="hint">${state.status?.state?.phase === "ready" ? "There is no label table here." : "The table is not read yet."}</p>`}
  </section>`;
}

const TITLES = /** @type {Record<string, string>} */ ({
  laden_state: "Image state", laden_mark: "Mark", laden_fate: "In the load", laden_archive: "Archive", laden_bits: "Bits",
  laden_kind: "Format", laden_width: "Width", laden_bytes: "Bytes", laden_tier: "Tier",
});

/** @param {{facet: any, state: any}} given */
function Facet({ facet, state }) {
  const [open, setOpen] = useState(true);
  const found = useOfView(state, "facet", { column: facet.name }, open);
  const column = facet.of === "table";
  const has = state.extra.includes(facet.name);
  const flip = () => set({ extra: has ? state.extra.filter((/** @type {string} */ one) => one !== facet.name) : [...state.extra, facet.name] });
  return html`<details open=${open} onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
    <summary>${TITLES[facet.name] || facet.name}</summary>
    ${found?.bins ? html`<${Bins} bins=${found.bins} where=${state.look.where} />` : html`<${Values} found=${found} where=${state.look.where} />`}
    ${column && html`<button class="plain small" aria-pressed=${has} onClick=${flip}>${has ? "take out of the list" : "show in the list"}</button>`}
  </details>`;
}

/** @param {{found: any, where: string[]}} given */
function Values({ found, where }) {
  const values = found?.values || [];
  const most = Math.max(1, ...values.map((/** @type {any} */ one) => one.count));
  return html`<ul class="values">${values.map((/** @type {any} */ one) => html`<li key=${one.condition}>
    <button class="value" aria-pressed=${where.includes(one.condition)} onClick=${() => toggle(one.condition)}>
      <span class="share" style=${{ width: `${(100 * one.count) / most}%` }}></span>
      <bdi>${one.text ?? "(none)"}</bdi><span>${amount(one.count)}</span></button></li>`)}
    ${found?.more && html`<li class="hint">and rarer ones: type a condition</li>`}</ul>`;
}

/** @param {{bins: any[], where: string[]}} given */
function Bins({ bins, where }) {
  const most = Math.max(1, ...bins.map((one) => one.count));
  return html`<ul class="bins">${bins.map((one) => html`<li key=${one.condition}>
    <button aria-pressed=${where.includes(one.condition)} aria-label=${`${one.text}: ${amount(one.count)}`} title=${`${one.text}: ${amount(one.count)}`}
      onClick=${() => toggle(one.condition)}><span style=${{ height: `${Math.max(one.count ? 6 : 0, (100 * one.count) / most)}%` }}></span></button></li>`)}</ul>
    <p class="ends"><span>${bins[0]?.text.split(" to ")[0]}</span><span>${bins[bins.length - 1]?.text.split(" to ")[1]}</span></p>`;
}

