// Looks that were kept under a name, in a file of this machine: opened again, given on as links, forgotten.
import { get, html, post, useEffect, useState } from "./lib.js";
import { asLook, go, link, say, seen, set } from "./state.js";

/** What a look asks for, in a line. @param {any} one */
function told({ folder, find, where, sort, descending, columns }) {
  const parts = [folder && `in ${folder}`, find && `named ${find}`, ...where, sort !== "name" && `by ${sort}${descending ? ", descending" : ""}`,
    columns.length > 0 && `with ${columns.join(", ")}`];
  return parts.filter(Boolean).join("; ") || "all that is here";
}

/** @param {{state: any}} given */
export function Views({ state }) {
  const [kept, setKept] = useState(/** @type {any} */ (null));
  const [name, setName] = useState("");
  const [error, setError] = useState("");
  const failed = (/** @type {Error} */ refusal) => setError(refusal.message);
  const read = () => get("views").then((found) => { setKept(found); setError(""); }, failed);
  useEffect(() => { read(); }, []);
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    post("save", { name, look: seen() }).then(() => { setName(""); return read(); }).catch(failed);
  };
  const open = (/** @type {any} */ one) => {
    const { look, extra } = asLook(one);
    set({ dialog: "", extra });
    go(look);
  };
  const copy = (/** @type {any} */ one) => navigator.clipboard.writeText(link({ ...asLook(one).look, columns: one.columns }))
    .then(() => say("Copied"), () => setError("The browser refuses: open the view, and take its link from As a command"));
  const taken = kept?.views.some((/** @type {any} */ one) => one.name === name.trim());
  return html`<form onSubmit=${save}>
      <p><label>Keep what is shown now (${told({ ...seen(), columns: state.extra })}) as <input id="view-name" value=${name} maxlength="100" required
        onInput=${(/** @type {any} */ event) => setName(event.target.value)} /></label></p>
      <button>${taken ? "Keep it in the stead of that one" : "Keep"}</button>
    </form>
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    ${kept && html`<ul class="kept">${kept.views.map((/** @type {any} */ one) => html`<li key=${one.name}>
      <button onClick=${() => open(one)}><bdi>${one.name}</bdi></button> <span class="hint"><bdi>${told(one)}</bdi></span>
      <button class="small" onClick=${() => copy(one)} aria-label=${`Copy link to ${one.name}`}>Copy link</button>
      <button class="small" onClick=${() => post("forget", { name: one.name }).then(read, failed)} aria-label=${`Forget ${one.name}`}>Forget</button></li>`)}</ul>
    <p class="hint">Kept in ${kept.file}, on this machine alone.</p>`}`;
}
