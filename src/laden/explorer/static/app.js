// Signs in, asks how far the server is, and draws the page.
import { amount, connection, counted, day, get, html, post, render, sentence, signIn, size, useEffect, useState } from "./lib.js";
import { Detail } from "./detail.js";
import { Dialogs } from "./dialogs.js";
import { Grid } from "./grid.js";
import { rowAt } from "./rows.js";
import { Search, Selection } from "./search.js";
import { Side } from "./side.js";
import { choose, current, fromAddress, open, poll, say, set, subscribe } from "./state.js";
import { Table } from "./table.js";
import { Viewer } from "./viewer.js";

const QUICK_MS = 400;
const CALM_MS = 3000;

function useStore() {
  const [state, setState] = useState(current());
  useEffect(() => subscribe(setState), []);
  return state;
}

function Page() {
  const state = useStore();
  const { status, lost, look, view } = state;
  useEffect(() => {
    if (!state.notice) return undefined;
    const timer = setTimeout(() => set({ notice: "" }), 3500);
    return () => clearTimeout(timer);
  }, [state.notice]);
  if (lost) return html`<main class="alone"><h1>laden explore</h1><p role="alert">${lost}</p></main>`;
  if (!status) return html`<main class="alone"><h1>laden explore</h1><p role="status">Opening …</p></main>`;
  if (!status.place || state.choosing) return html`<${Containers} status=${status} />`;
  return html`
    <${Top} state=${state} />
    <main class=${look.image ? "looking" : ""}>
      ${look.image && view ? html`<${Viewer} state=${state} />` : html`
        <${Side} state=${view ? state : { ...state, view: { view: 0, generation: 0, rows: 0 } }} />
        <section class="middle" aria-label="Items">
          <${Search} state=${state} />
          <${Selection} state=${state} />
          ${state.error && html`<p class="bad" role="alert">${state.error}</p>`}
          ${view && (look.mode === "grid" ? html`<${Grid} state=${state} />` : html`<${Table} state=${state} />`)}
        </section>
        ${state.panel && html`<${Beside} state=${state} />`}`}
    </main>
    <${Dialogs} state=${state} />
    <p class="notice" role="status" aria-live="polite">${state.notice}</p>`;
}

/** What is known of the active item. @param {{state: any}} given */
function Beside({ state }) {
  const [name, setName] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => rowAt(state.active).then((item) => setName(item?.name || "")).catch(() => {}), 80);
    return () => clearTimeout(timer);
  }, [state.active, state.view?.view, state.view?.generation]);
  return name ? html`<${Detail} name=${name} state=${state} />` : html`<aside class="detail" aria-label="About this item"></aside>`;
}

/** Without a step in the history: what is looked at stays. @param {Event} event */
function toList(event) {
  event.preventDefault();
  document.getElementById("list")?.focus();
}

/** @param {{state: any}} given */
function Top({ state }) {
  const { status } = state;
  const { phase, error, as_of_s, listed, notes, read_bytes } = status.state;
  const told = phase === "failed" ? "" : phase === "ready" ? "" : status.place.kind === "source" ? "looking into it …" : `listing … ${amount(listed)}`;
  const look = () => post("refresh").then(() => say("Looking again"), (refusal) => say(refusal.message));
  return html`<header class="top">
    <a class="skip" href="#list" onClick=${toList}>To the list</a>
    <h1><bdi>${status.place.title}</bdi></h1>
    <p>${counted(status.items, "item")}, ${size(status.bytes)}
      ${told && html` <span role="status">${told}</span>`}
      ${as_of_s > 0 && html` <span>as of ${day(as_of_s)}</span>`}
      ${status.write && html` <span class="badge bad">can be changed</span>`}</p>
    <span class="grow"></span>
    <span class="hint" title="Read from the place for this page">${size(read_bytes)} read</span>
    ${status.account && html`<button onClick=${choose}>Containers</button>`}
    <button onClick=${look}>Refresh</button>
    <button onClick=${() => set({ dialog: "load" })}>${status.place.kind === "source" ? "Source" : "Load"}</button>
    <button onClick=${() => { set({ dialog: "jobs" }); poll(); }}>Activity${status.jobs ? ` (${status.jobs})` : ""}</button>
    <button class="details" aria-pressed=${state.panel} onClick=${() => set({ panel: !state.panel })}>Details</button>
    <button onClick=${() => set({ dialog: "help" })}>Keys</button>
    ${error && html`<p class="bad wide" role="alert">${error}</p>`}
    ${status.ended && html`<${Ended} why=${status.ended} />`}
    ${notes.map((/** @type {string} */ note) => html`<p class="hint wide" key=${note}>${note}</p>`)}
  </header>`;
}

/** Where the SAS has ended, another can be given: it goes to this server alone, and is kept nowhere. @param {{why: string}} given */
function Ended({ why }) {
  const [sas, setSas] = useState("");
  const [error, setError] = useState("");
  const give = (/** @type {Event} */ event) => {
    event.preventDefault();
    setError("");
    post("access", { sas }).then(() => { setSas(""); say("Going on with the new SAS"); return poll(); }).catch((refusal) => setError(refusal.message));
  };
  return html`<form class="wide ended" onSubmit=${give}>
    <p class="bad" role="alert">${sentence(why)}</p>
    <label>Another SAS, or its whole URL <input type="password" id="sas" autocomplete="off" value=${sas} onInput=${(/** @type {any} */ event) => setSas(event.target.value)} /></label>
    <button>Go on</button>
    ${error && html`<p class="bad" role="alert">${sentence(error)}</p>`}
  </form>`;
}

/** @param {{status: any}} given */
function Containers({ status }) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [error, setError] = useState("");
  useEffect(() => { if (status.account) get("containers").then(setFound, (refusal) => setError(refusal.message)); }, []);
  const enter = (/** @type {string} */ name) => open(name).catch((refusal) => setError(refusal.message));
  return html`<main class="alone containers"><h1>${found?.account || "Containers"}</h1>
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    ${!found && !error && html`<p role="status">Listing …</p>`}
    <ul>${(found?.containers || []).map((/** @type {any} */ one) => html`<li key=${one.name}><button onClick=${() => enter(one.name)}><bdi>${one.name}</bdi></button>
      ${one.load && html` <span class="badge">a load of laden's</span>`} ${one.public && html` <span class="badge bad">public: ${one.public}</span>`}</li>`)}</ul>
  </main>`;
}

document.addEventListener("keydown", (event) => {
  const element = /** @type {HTMLElement} */ (event.target);
  if (event.key === "/" && !/INPUT|TEXTAREA/.test(element.tagName) && !current().look.image) {
    document.getElementById("find")?.focus();
    event.preventDefault();
  }
});

async function begin() {
  connection.lost = (why) => set({ lost: why });
  connection.found = () => { if (current().lost) set({ lost: "" }); };
  const { token, look, extra } = fromAddress();
  if (token) await signIn(token).catch(() => {});
  if (history.state?.choosing) set({ choosing: true });
  if (look) set({ look, ...(extra ? { extra } : {}) });
  for (;;) {
    const status = await poll().catch(() => null);
    const busy = status && (status.jobs || (status.place && !["ready", "failed"].includes(status.state.phase)));
    await new Promise((resolve) => setTimeout(resolve, busy ? QUICK_MS : CALM_MS));
  }
}

render(html`<${Page} />`, /** @type {any} */ (document.getElementById("page")));
begin();
