// What is known of one item, beside it: the rows that name it, properties, versions, and where it came from.
import { address, amount, base, day, get, html, plain, sentence, size, useEffect, useState } from "./lib.js";
import { go, mark, say } from "./state.js";

/** @param {string} name @param {number} stale @param {string} what */
function useAnswer(name, stale, what) {
  const [answer, setAnswer] = useState(/** @type {any} */ ({}));
  useEffect(() => {
    let here = true;
    const abort = new AbortController();
    const timer = setTimeout(() => get(what, { name }, abort.signal).then(
      (found) => here && setAnswer({ name, found }),
      (error) => here && error.name !== "AbortError" && setAnswer({ name, error: error.message }),
    ), 120);
    return () => { here = false; clearTimeout(timer); abort.abort(); };
  }, [name, stale, what]);
  return answer.name === name ? answer : {};
}

/** @param {{name: string, state: any, facts?: any}} given */
export function Detail({ name, state, facts }) {
  const known = useAnswer(name, state.stale, "item");
  const told = useAnswer(name, 0, "properties");
  const item = known.found?.item;
  return html`<aside class="detail" aria-label="About this item">
    <h2><bdi>${plain(base(name))}</bdi></h2>
    ${known.error && html`<p class="bad">${known.error}</p>`}
    ${item && html`
      <${Marking} item=${item} />
      ${known.found.state_text && html`<p class="bad">${sentence(known.found.state_text)} ${sentence(known.found.advice)}</p>`}
      ${facts?.note && html`<p>${sentence(facts.note)}</p>`}
      ${known.found.rows.map((/** @type {any} */ row) => html`<${Row} key=${row.row} row=${row} columns=${state.columns} />`)}
      <h3>Provenance</h3>
      <p>${known.found.known}</p>
      <${Pairs} pairs=${provenance(item)} />`}
    ${told.error && html`<p class="bad">${told.error}</p>`}
    ${told.found && html`<${Properties} found=${told.found} />`}
    <p><a href=${address("file", { name })} download=${base(name)}>Save this file as it is</a></p>
  </aside>`;
}

/** @param {any} item @returns {[string, any][]} */
function provenance(item) {
  return [
    ["Archive", item.archive], ["Member", item.archive ? item.member : ""],
    ["Offset", item.archive && item.offset_bytes !== undefined ? amount(item.offset_bytes) : ""],
    ["In the archive", item.archive && item.stored_bytes !== undefined ? size(item.stored_bytes) : ""],
    ["Size", `${amount(item.size_bytes)} bytes`], ["CRC-32", item.crc32], ["MD5", item.md5],
    ["Image", item.kind ? `${item.kind}, ${item.width} × ${item.height}, ${item.bits} bits` : ""],
    ["State", item.state], ["In the load", item.fate], ["Changed", day(item.modified_s)], ["Tier", item.tier],
  ];
}

/** @param {{pairs: [string, any][], onClick?: Function}} given */
function Pairs({ pairs }) {
  const there = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return html`<dl>${there.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd><bdi>${value}</bdi></dd></div>`)}</dl>`;
}

/** @param {string} name @param {string} value */
export const equals = (name, value) => `${/^[A-Za-z_]\w*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`} = '${value.replaceAll("'", "''")}'`;

/** A record of the table; where columns tell, all images of the person in the order of their dates.
 * @param {{row: any, columns: any}} given */
function Row({ row, columns }) {
  const names = columns?.columns || [];
  const { patient = "", date = "" } = columns || {};
  const person = patient ? row.values[names.indexOf(patient)] : null;
  const series = () => go({ where: [equals(patient, person)], sort: date || "name", descending: false, folder: "", find: "", image: "", compare: "", mode: "grid" });
  return html`<section>
    <h3>Row ${amount(row.row)}</h3>
    ${person && html`<p><button onClick=${series}>All images of this patient${date ? ", by date" : ""}</button></p>`}
    <dl>${row.values.map((/** @type {string | null} */ value, /** @type {number} */ index) => value !== null &&
      html`<div key=${names[index]}><dt>${names[index]}</dt><dd><bdi>${value}</bdi></dd></div>`)}</dl>
  </section>`;
}

/** @param {{item: any}} given */
function Marking({ item }) {
  const [note, setNote] = useState(item.note || "");
  useEffect(() => setNote(item.note || ""), [item.name, item.note]);
  const put = (/** @type {string} */ what, /** @type {string} */ word) => mark({ names: [item.name] }, what, word).catch((error) => say(error.message));
  return html`<div class="marking">
    ${["exclude", "look again"].map((one) => html`<button key=${one} aria-pressed=${item.mark === one}
      onClick=${() => put(item.mark === one ? "" : one, note)}>${one}</button>`)}
    <label>A word <input value=${note} maxlength="500" onInput=${(/** @type {any} */ event) => setNote(event.target.value)}
      onChange=${() => put(item.mark || "", note)} /></label>
  </div>`;
}

/** @param {{found: any}} given */
function Properties({ found }) {
  const { properties, tags, history, notes } = found;
  const headers = Object.entries(properties);
  return html`
    ${headers.length > 0 && html`<details><summary>Properties and metadata</summary><${Pairs} pairs=${headers} /></details>`}
    ${Object.keys(tags).length > 0 && html`<h3>Tags</h3><${Pairs} pairs=${Object.entries(tags)} />`}
    ${history.length > 1 && html`<h3>Versions and snapshots</h3><ul>${history.map((/** @type {any} */ one) => html`<li>
      ${day(one.modified_s)}, ${size(one.size_bytes)}${one.current ? ", what is read" : ""}${one.snapshot ? ", snapshot" : ""}
      ${one.deleted ? `, deleted${one.days_left === null ? "" : `, ${one.days_left} days left`}` : ""}</li>`)}</ul>`}
    ${notes.map((/** @type {string} */ note) => html`<p class="hint">${note}</p>`)}`;
}

