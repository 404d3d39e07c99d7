// Finding by name and by condition; what is selected, and how much that is.
import { countOf } from "./chosen.js";
import { amount, counted, html, later, size, useEffect, useState } from "./lib.js";
import { current, go, set, toggle } from "./state.js";

// One step of the history for a word, not one for each letter.
const typed = later((/** @type {string} */ find) => go({ find }, { replace: current().look.find !== "" }), 150);

/** @param {{state: any}} given */
export function Search({ state }) {
  const { look } = state;
  const [find, setFind] = useState(look.find);
  const [where, setWhere] = useState("");
  useEffect(() => setFind(look.find), [look.find]);
  const add = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (where.trim()) go({ where: [...look.where, where.trim()] });
    setWhere("");
  };
  return html`<div class="search" role="search">
    <label>Name <input type="search" id="find" value=${find} placeholder="any part of a name"
      onInput=${(/** @type {any} */ event) => { setFind(event.target.value); typed(event.target.value); }} /></label>
    <label class="pick"><span class="hidden">How</span><select value=${look.how} onChange=${(/** @type {any} */ event) => go({ how: event.target.value })}>
      <option value="part">part</option><option value="glob">glob *</option><option value="regex">regex</option></select></label>
    <form onSubmit=${add}><label>Where <input id="where" list="columns" value=${where} placeholder="Projection = 'PA' AND Age > 60"
      onInput=${(/** @type {any} */ event) => setWhere(event.target.value)} spellcheck=${false} /></label>
      <datalist id="columns">${(state.columns?.columns || []).map((/** @type {string} */ one) => html`<option value=${one} />`)}</datalist>
      <button>Add</button></form>
    <div class="modes" role="group" aria-label="Show as">
      ${["table", "grid"].map((mode) => html`<button key=${mode} aria-pressed=${look.mode === mode} onClick=${() => go({ mode }, { replace: true })}>
        ${mode === "table" ? "List" : "Pictures"}</button>`)}
    </div>
  </div>`;
}

/** @param {{state: any}} given */
export function Selection({ state }) {
  const { look, view, status } = state;
  const chosen = view ? countOf(state.chosen, view) : 0;
  const chips = look.where.map((/** @type {string} */ one) => html`<li key=${one}><button onClick=${() => toggle(one)}
    aria-label=${`Take off: ${one}`}><bdi>${one}</bdi><span aria-hidden="true"> ✕</span></button></li>`);
  const all = status?.items === view?.rows;
  const clear = () => go({ where: [], find: "", folder: "" });
  return html`<div class="selection">
    <p class="total" role="status" aria-live="polite">${view ? html`<strong>${counted(view.rows, "item")}</strong>, ${size(view.bytes)}
      ${!all && html` <span>of ${amount(status?.items)}, ${size(status?.bytes)}</span>`}` : "…"}
      ${chosen > 0 && html` · ${counted(chosen, "chosen", "chosen")}`}</p>
    ${chips.length > 0 && html`<ul class="chips" aria-label="Conditions">${chips}</ul>`}
    ${(chips.length > 0 || look.find || look.folder) && html`<button class="small" onClick=${clear}>Show all</button>`}
    <span class="grow"></span>
    <button onClick=${() => set({ dialog: "views" })}>Views</button>
    <button onClick=${() => set({ dialog: "commands" })}>As a command</button>
    <button onClick=${() => set({ dialog: "download" })}>Download</button>
    <button onClick=${() => set({ dialog: "export" })}>Export</button>
    ${status?.write && status.place?.kind !== "source" && html`<button onClick=${() => set({ dialog: "change" })}>Change</button>`}
  </div>`;
}
