// What changes a place, with --write alone: first the server's plan, then its count typed back.
import { NONE, countOf } from "./chosen.js";
import { amount, counted, html, plain, post, size, useEffect, useMemo, useState } from "./lib.js";
import { Deleted } from "./deleted.js";
import { meant } from "./keys.js";
import { set } from "./state.js";

const ACTIONS = /** @type {Record<string, string>} */ ({
  delete: "Delete", tier: "Move to another tier", copy: "Copy below a prefix", elsewhere: "Copy to another container or folder", metadata: "Replace metadata", tags: "Replace tags",
  type: "Give a content type", undelete: "Bring deleted blobs back", upload: "Upload from this machine", sas: "Make a link to read (SAS)",
});
const VALUES = /** @type {Record<string, [string, string]>} */ ({
  tier: ["Tier: Hot, Cool, Cold or Archive", "Cool"], copy: ["Prefix", "review/"], metadata: ["name=value, one a line", ""],
  tags: ["name=value, one a line", ""], type: ["Content type", "image/png"], elsewhere: ["Container (URL), or folder of this machine (./copy)", ""],
  upload: ["Files or folders, one a line", ""], sas: ["Hours, 24 at most", "1"],
});
const LINES = ["metadata", "tags", "upload"];

/** @param {string} text */
const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** @param {string} action @param {string} text */
function values(action, text) {
  if (action === "metadata" || action === "tags") {
    return { [action]: Object.fromEntries(lines(text).map((line) => [line.split("=")[0].trim(), line.split("=").slice(1).join("=").trim()])) };
  }
  return { tier: { tier: text }, copy: { prefix: text }, type: { type: text } }[action] || {};
}

/** @param {{state: any}} given */
export function Change({ state }) {
  const { view, chosen } = state;
  const folder = state.status.place.kind === "folder";
  const actions = Object.keys(ACTIONS).filter((one) => !folder || !["tier", "tags", "type", "undelete", "sas"].includes(one));
  const [action, setAction] = useState("delete");
  const [text, setText] = useState("");
  const [all, setAll] = useState(false);
  const [plan, setPlan] = useState(/** @type {any} */ (null));
  const [count, setCount] = useState("");
  const [error, setError] = useState("");
  const [url, setUrl] = useState("");
  const [those, setThose] = useState(/** @type {Record<string, any>} */ ({ names: [] }));
  const [gone, setGone] = useState(/** @type {string[]} */ ([]));
  const [sas, setSas] = useState("");
  const [into, setInto] = useState(state.look.folder || "uploads/");
  const asked = useMemo(meant, [chosen]);
  useEffect(() => { asked.then(setThose); }, [asked]);
  const tried = (/** @type {() => Promise<any>} */ work) => async (/** @type {Event} */ event) => {
    event.preventDefault();
    setError("");
    try { await work(); } catch (refusal) { setError(/** @type {Error} */ (refusal).message); }
  };
  // What was listed for it is listed again.
  const unplanned = () => { setPlan(null); setCount(""); setGone([]); };
  // Its file goes when it is cancelled, when the next is made, and when the dialog is closed.
  useEffect(() => plan ? () => { post("drop", { plan: plan.plan }).catch(() => {}); } : undefined, [plan]);
  const ask = tried(async () => {
    if (action === "sas") return setUrl((await post("sas", { hours: Number(text) || 1 })).url);
    if (action === "upload") { await post("upload", { paths: lines(text), prefix: into }); return set({ dialog: "jobs" }); }
    // Of the item that is named here, and not of the one that has come into its place since.
    const picked = countOf(chosen, view) ? await meant() : await asked;
    const what = action === "undelete" ? { names: gone } : all ? { view: view.view } : picked;
    if (action === "elsewhere") { await post("copy", { ...what, to: text, sas }); return set({ dialog: "jobs" }); }
    return setPlan(await post("plan", { action, ...what, values: values(action, text) }));
  });
  const carryOut = tried(async () => {
    try {
      await post("act", { plan: plan.plan, count });
      set({ dialog: "jobs", chosen: NONE });
    } catch (refusal) {
      unplanned();
      throw refusal;
    }
  });
  useEffect(() => { if (plan) document.getElementById("count")?.focus(); }, [plan]);
  if (plan) {
    return html`<form onSubmit=${carryOut} class="plan">
      <p><strong>${plan.sentence}.</strong> ${size(plan.bytes)}.</p>
      <p class=${/cannot|final/.test(plan.undo) ? "bad" : ""}>${plan.undo}</p>
      <ul>${plan.names.map((/** @type {string} */ one) => html`<li key=${one}><bdi>${plain(one)}</bdi></li>`)}</ul>
      ${plan.count > plan.names.length && html`<p>and ${amount(plan.count - plan.names.length)} more</p>`}
      <p><label>Type the number of blobs, ${amount(plan.count)}, to do it <input id="count" value=${count} autocomplete="off" inputmode="numeric"
        onInput=${(/** @type {any} */ event) => setCount(event.target.value)} /></label></p>
      ${error && html`<p class="bad" role="alert">${error}</p>`}
      <button class="danger">${ACTIONS[plan.action]}</button> <button type="button" onClick=${unplanned}>Not now</button>
    </form>`;
  }
  const given = VALUES[action];
  const change = (/** @type {any} */ event) => { setAction(event.target.value); setText(VALUES[event.target.value]?.[1] || ""); setUrl(""); };
  return html`<form onSubmit=${ask}>
    <p><label class="pick">What <select id="action" value=${action} onChange=${change}>${actions.map((one) => html`<option value=${one}>${ACTIONS[one]}</option>`)}</select></label></p>
    ${!["undelete", "upload", "sas"].includes(action) && html`
      <p><label><input type="radio" name="which" checked=${!all} onChange=${() => setAll(false)} /> ${countOf(chosen, view) ? counted(countOf(chosen, view), "chosen item") : html`<bdi>${those.names?.[0] || "nothing"}</bdi>`}</label></p>
      <p><label><input type="radio" name="which" checked=${all} onChange=${() => setAll(true)} /> all that is shown: ${counted(view.rows, "item")}, ${size(view.bytes)}</label></p>`}
    ${given && html`<p><label>${given[0]} ${LINES.includes(action)
      ? html`<textarea rows="4" value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)}></textarea>`
      : html`<input value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} />`}</label></p>`}
    ${action === "elsewhere" && html`<p><label>SAS for it, where it needs one of its own <input type="password" autocomplete="off" value=${sas}
      onInput=${(/** @type {any} */ event) => setSas(event.target.value)} /></label></p>
      <p>As <code>laden copy</code> does: images of the load, each proved by its MD5, with the rows of the table that name them. It says what it would do before anything is written, and replaces nothing.</p>`}
    ${action === "undelete" && html`<${Deleted} folder=${state.look.folder} onNames=${setGone} />`}
    ${action === "upload" && html`<p><label>Into the folder <input value=${into} onInput=${(/** @type {any} */ event) => setInto(event.target.value)} /></label></p>
      <p>Of a folder, what it holds. What is there with other content is left and told.</p>`}
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    ${url && html`<p>Shown once; whoever has it may read and list all that is here:</p><pre tabindex="0">${url}</pre>`}
    <button disabled=${action === "undelete" && !gone.length}>${["upload", "sas"].includes(action) ? ACTIONS[action] : "Show the plan"}</button>
  </form>`;
}
