// What runs, and ran: how far it is, and what it found, each kind with what to do and the images it is about.
import { amount, html, lasting, plain, post, sentence, size } from "./lib.js";
import { equals } from "./detail.js";
import { go, poll, say, set } from "./state.js";
import { Thumb, isImage } from "./thumbs.js";

/** @param {{state: any}} given */
export function Jobs({ state }) {
  if (!state.jobs.length) return html`<p>Nothing yet. Downloads, verifications and changes are watched here.</p>`;
  return state.jobs.map((/** @type {any} */ job) => html`<${Job} key=${job.number} job=${job} />`);
}

/** @param {any} job @param {boolean} yes */
const answer = (job, yes) => post("answer", { job: job.number, yes }).then(poll, (refusal) => say(refusal.message));

/** @param {{job: any}} given */
function Job({ job }) {
  const share = job.bytes_in_all ? job.done_bytes / job.bytes_in_all : job.in_all ? job.done / job.in_all : 0;
  const rate = job.seconds > 0 ? job.done_bytes / job.seconds : 0;
  const left = rate > 0 && job.state === "running" ? Math.round((job.bytes_in_all - job.done_bytes) / rate) : 0;
  const counts = Object.entries(job.result.counts || job.result.outcomes || {}).filter(([, count]) => count);
  return html`<section class="job" aria-label=${job.name}>
    <h3><bdi>${job.name}</bdi></h3>
    <p role="status"><strong class=${job.state === "failed" ? "bad" : ""}>${job.state}</strong> ${job.stage && job.state === "running" ? `(${job.stage})` : ""} after ${lasting(job.seconds)}
      ${job.state === "running" && html` <button class="small" onClick=${() => post("stop", { job: job.number })}>Stop</button>`}</p>
    ${job.state === "running" && html`<progress max="1" value=${share || undefined} aria-label="How far it is"></progress>`}
    ${job.in_all > 0 && html`<p>${amount(job.done)} of ${amount(job.in_all)}, ${size(job.done_bytes)} of ${size(job.bytes_in_all)}${left ? `, ${size(rate)}/s, about ${lasting(left)} left` : ""}</p>`}
    ${job.question && html`<p role="alert"><strong>${job.question}</strong></p>
      <p><button onClick=${() => answer(job, true)}>Yes, do it</button> <button onClick=${() => answer(job, false)}>Not now</button></p>`}
    ${job.message && html`<p>${job.message}</p>`}
    ${counts.length > 0 && html`<dl>${counts.map(([name, count]) => html`<div key=${name}><dt>${name.replaceAll("_", " ")}</dt><dd>${amount(Number(count))}</dd></div>`)}</dl>`}
    ${job.state === "done" && !job.findings.length && ["verify", "check"].includes(job.kind) && html`<p>No findings.</p>`}
    ${job.kind === "copy" && job.result.exit_code === 0 && html`<p>What was copied was listed again there: each image has the MD5 of the manifest.</p>`}
    ${job.findings.map((/** @type {any} */ kind) => html`<${Kind} key=${kind.code} kind=${kind} below=${job.result.below} />`)}
  </section>`;
}

/** @param {{kind: any, below?: string}} given `below` is where here the names of the findings begin. */
export function Kind({ kind, below = "" }) {
  /** What a finding is about, by its name here: of a source, its archive is a folder. @param {any} one */
  const named = (one) => (one.blob ? below + one.blob : one.member ? [one.archive, one.member].filter(Boolean).join("/") : "");
  const open = (/** @type {any} */ one) => {
    const name = named(one);
    if (!name) return;
    set({ dialog: "" });
    go({ image: isImage({ name }) ? name : "", where: [equals("laden_name", name)], folder: "", find: "" });
  };
  return html`<details class="finding"><summary><span class=${`badge ${kind.severity === "error" ? "bad" : ""}`}>${kind.severity}</span>
      <code>${kind.code}</code> ${amount(kind.count)}</summary>
    ${kind.meaning && html`<p>${sentence(kind.meaning)}</p>`}${kind.advice && html`<p><strong>What to do:</strong> ${sentence(kind.advice)}</p>`}
    <ul>${kind.examples.slice(0, 30).map((/** @type {any} */ one, /** @type {number} */ index) => html`<li key=${index}>
      ${named(one) && isImage({ name: named(one) }) && index < 8 && html`<${Thumb} item=${{ name: named(one) }} />`}
      <button class="plain" onClick=${() => open(one)}><bdi>${plain(one.blob || [one.archive, one.member].filter(Boolean).join(": ")) || (one.row ? `row ${one.row}` : "")}</bdi></button>
      <span class="hint">${one.message}</span></li>`)}</ul>
  </details>`;
}
