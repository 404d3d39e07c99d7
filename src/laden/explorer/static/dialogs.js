// What opens above the page: commands, downloads, exports, the load, what runs, help. Each a dialog that Escape closes.
import { address, amount, counted, get, getRaw, html, post, size, useEffect, useRef, useState } from "./lib.js";
import { Change } from "./change.js";
import { asked, countOf } from "./chosen.js";
import { Jobs, Kind } from "./jobs.js";
import { link, say, set } from "./state.js";
import { Views } from "./views.js";
import { Watch } from "./watch.js";

/** Where the focus goes back to. @type {any} */
let opener = null;

/** @param {{title: string, children?: any}} given */
export function Dialog({ title, children }) {
  const box = useRef(/** @type {any} */ (null));
  useEffect(() => {
    opener ||= document.activeElement;
    box.current.showModal();
    return () => setTimeout(() => {
      // One may open the next.
      if (document.querySelector("dialog")) return;
      if (document.activeElement === document.body) opener?.focus();
      opener = null;
    });
  }, []);
  const close = () => set({ dialog: "" });
  return html`<dialog ref=${box} onClose=${close} aria-label=${title}>
    <header><h2>${title}</h2><button onClick=${close} aria-label="Close">✕</button></header>
    ${children}
  </dialog>`;
}

/** @param {{text: string, label: string}} given */
export function Copied({ text, label }) {
  const copy = () => navigator.clipboard.writeText(text).then(() => say("Copied"), () => say("The browser refuses: select and copy it"));
  return html`<div class="copied"><h3>${label}</h3><pre tabindex="0">${text}</pre><button class="small" onClick=${copy}>Copy</button></div>`;
}

/** @param {{state: any}} given */
function Commands({ state }) {
  const { commands } = state.view;
  return html`<${Dialog} title="The same for a terminal">
    ${commands.cli && html`<${Copied} label="laden" text=${commands.cli} />`}
    ${commands.copy && html`<${Copied} label="laden, to copy it to another container or folder" text=${commands.copy} />`}
    ${commands.python && html`<${Copied} label="Python" text=${commands.python} />`}
    <${Copied} label="SQL, over the relation that this page asks" text=${commands.sql} />
    ${commands.note && html`<p>${commands.note}</p>`}
    <${Copied} label="A link to this very look, while the server runs" text=${link()} />
  </${Dialog}>`;
}

/** @param {{state: any}} given */
function Download({ state }) {
  const { view, chosen, status } = state;
  const [folder, setFolder] = useState("laden-download");
  const [what, setWhat] = useState(countOf(chosen, view) ? "chosen" : "view");
  const [error, setError] = useState("");
  const begin = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      await post("download", { folder, ...(what === "chosen" ? asked(chosen, view) : { view: view.view }) });
      set({ dialog: "jobs" });
    } catch (refusal) {
      setError(/** @type {Error} */ (refusal).message);
    }
  };
  return html`<${Dialog} title="Download to this machine">
    <form onSubmit=${begin}>
      <p><label><input type="radio" name="what" checked=${what === "view"} onChange=${() => setWhat("view")} />
        all that is shown: ${counted(view.rows, "item")}, ${size(view.bytes)}</label></p>
      ${countOf(chosen, view) > 0 && html`<p><label><input type="radio" name="what" checked=${what === "chosen"} onChange=${() => setWhat("chosen")} />
        what is chosen: ${counted(countOf(chosen, view), "item")}</label></p>`}
      <p><label>Folder, below ${status.folder} or whole <input value=${folder} onInput=${(/** @type {any} */ event) => setFolder(event.target.value)} /></label></p>
      <p>Each file is held against its MD5. What is there already is not fetched again, so the same download finishes what was interrupted. <code>laden-downloads.csv</code> in the folder says what came.</p>
      ${error && html`<p class="bad" role="alert">${error}</p>`}
      <button>Begin</button>
    </form>
  </${Dialog}>`;
}

/** @param {{state: any}} given */
function Export({ state }) {
  const { view, status } = state;
  const [error, setError] = useState("");
  const of = (/** @type {string} */ form) => address("export", { view: view.view, form });
  // A link alone would not say why a list is refused.
  const keys = async (/** @type {any} */ event) => {
    event.preventDefault();
    setError("");
    try {
      const response = await getRaw("export", { view: view.view, form: "keys" });
      const href = URL.createObjectURL(await response.blob());
      const name = /filename\*=UTF-8''(.*)$/.exec(response.headers.get("Content-Disposition") || "");
      Object.assign(document.createElement("a"), { href, download: name ? decodeURIComponent(name[1]) : "keys.txt" }).click();
      setTimeout(() => URL.revokeObjectURL(href), 60_000);
    } catch (reason) {
      setError(/** @type {Error} */ (reason).message);
    }
  };
  return html`<${Dialog} title="Export what is shown">
    <p>${counted(view.rows, "item")}, with the labels of the rows that name them, marks included.</p>
    <ul>
      <li><a href=${of("csv")} download>CSV</a></li>
      <li><a href=${of("parquet")} download>Parquet</a></li>
      <li><a href=${of("keys")} download onClick=${keys}>Keys alone, one a line</a>: what <code>laden load … --images-from FILE</code> takes</li>
    </ul>
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    <p>Marks are kept in ${status.marks}. <code>laden_mark = 'exclude'</code> is a condition as any other.</p>
  </${Dialog}>`;
}

/** @param {{state: any}} given */
function Load({ state }) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  useEffect(() => { get("load").then(setFound, (error) => say(error.message)); }, [state.view?.generation]);
  const source = state.status.place.kind === "source";
  const begin = (/** @type {string} */ verb) => post(verb).then(() => set({ dialog: "jobs" }), (error) => say(error.message));
  const load = found?.load;
  const counts = load && [
    ["State", load.state], ["Profile", load.profile], ["Rows of the table", amount(load.rows)], ["of them with image", amount(load.rows_with_image)],
    ["of them without", amount(load.rows - load.rows_with_image)], ["Images", amount(load.images)], ["Bytes", size(load.bytes)],
  ];
  const fates = Object.entries(found?.fates || {}).filter(([name]) => name);
  return html`<${Dialog} title=${source ? "This source" : "This load"}>
    ${found && !load && !source && html`<p>No load was completed here: there is no <code>_laden/load.json</code>. What is listed is shown.</p>`}
    ${counts && html`<dl>${counts.map((/** @type {string[]} */ [name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`}
    ${load?.state === "changing" && html`<p class="bad">A load is replacing blobs right now, or was interrupted while it did.</p>`}
    ${fates.length > 0 && html`<h3>Held against the manifest</h3><dl>${fates.map(([name, count]) => html`<div key=${name}><dt>${name}</dt><dd>${amount(count)}</dd></div>`)}</dl>`}
    ${(found?.findings || []).map((/** @type {any} */ kind) => html`<${Kind} key=${kind.code} kind=${kind} />`)}
    <p><button onClick=${() => begin(source ? "check" : "verify")}>${source ? "Check" : "Verify"} it now</button>
      <button onClick=${() => post("refresh").then(() => say("Looking again"))}>Look again</button></p>
    ${!source && html`<${Watch} state=${state} seen=${found?.watch} />`}
  </${Dialog}>`;
}

/** [keys, what they do] */
const KEYS = [
  ["↑ ↓ PgUp PgDn Home End", "move in the list; with Shift choose"], ["Enter", "open the image"], ["Space", "choose"], ["Ctrl-A", "choose all that is shown"],
  ["x  l  u", "mark: exclude, look again, take the mark off"], ["/", "find by name"], ["← →", "previous and next image"],
  ["drag, or , . [ ]", "window: across its width, down its centre"], ["1 to 9", "windows by name"], ["i", "invert"], ["r", "all as at first"],
  ["f  z  + −  wheel", "fit, 1:1, zoom"], ["Shift-drag, w a s d", "pan"], ["↑ ↓", "frames"], ["c", "compare with the next images"], ["k", "save a picture of it"], ["Escape", "back"],
];

function Help() {
  return html`<${Dialog} title="Keys">
    <dl>${KEYS.map(([keys, what]) => html`<div key=${keys}><dt><kbd>${keys}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <p>Not for diagnosis. Nothing is sent anywhere but to the store that is shown.</p>
  </${Dialog}>`;
}

/** @param {{state: any}} given */
export function Dialogs({ state }) {
  const { dialog, view } = state;
  if (dialog === "jobs") return html`<${Dialog} title="What runs, and ran"><${Jobs} state=${state} /></${Dialog}>`;
  if (dialog === "help") return html`<${Help} />`;
  if (!view || !dialog) return "";
  if (dialog === "commands") return html`<${Commands} state=${state} />`;
  if (dialog === "download") return html`<${Download} state=${state} />`;
  if (dialog === "export") return html`<${Export} state=${state} />`;
  if (dialog === "load") return html`<${Load} state=${state} />`;
  if (dialog === "views") return html`<${Dialog} title="Views that were kept"><${Views} state=${state} /></${Dialog}>`;
  if (dialog === "change") return html`<${Dialog} title="Change what is here"><${Change} state=${state} /></${Dialog}>`;
  return "";
}

