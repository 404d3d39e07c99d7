// What was deleted and can be brought back, as far as the service keeps it: listed on wish, a page at a time.
import { amount, counted, get, html, plain, size, useEffect, useRef, useState } from "./lib.js";

const SHOWN = 5000;

/** Hands the names that are chosen to `onNames`: all of them where none is. @param {{folder: string, onNames: (names: string[]) => void}} given */
export function Deleted({ folder, onNames }) {
  const [found, setFound] = useState(/** @type {any[] | null} */ (null));
  const [state, setState] = useState("");
  const [error, setError] = useState("");
  const here = useRef(true);
  useEffect(() => () => { here.current = false; }, []);
  const list = async () => {
    /** @type {any[]} */
    const all = [];
    setError("");
    onNames([]);
    setFound(null);
    try {
      let marker = "";
      for (let pages = 1; ; pages++) {
        setState(`listing … ${counted(pages, "page")}, ${amount(all.length)} found`);
        const page = await get("deleted", { marker });
        if (!here.current) return;
        all.push(...page.deleted.filter((/** @type {any} */ one) => one.name.startsWith(folder)));
        marker = page.marker;
        if (!marker) break;
      }
      // What is kept of one name may lie on two pages.
      const each = [...new Map(all.map((one) => [one.name, one])).values()];
      setFound(each);
      onNames(each.map((one) => one.name));
    } catch (refusal) {
      setError(/** @type {Error} */ (refusal).message);
    }
    setState("");
  };
  const pick = (/** @type {any} */ event) => {
    const names = [...event.target.selectedOptions].map((one) => one.value);
    onNames(names.length ? names : (found || []).map((one) => one.name));
  };
  const days = (/** @type {any} */ one) => (one.days_left === null ? "" : `, ${one.days_left} days left`);
  return html`<p><button type="button" disabled=${Boolean(state)} onClick=${list}>List what was deleted ${folder ? html`below <bdi>${plain(folder)}</bdi>` : "here"}</button> <span role="status">${state}</span></p>
    ${error && html`<p class="bad" role="alert">${error}</p>`}
    ${found && !found.length && html`<p>Nothing is kept of what was deleted, or nothing was deleted.</p>`}
    ${found && found.length > 0 && html`<p><label>${counted(found.length, "deleted blob")}, ${size(found.reduce((sum, one) => sum + one.bytes, 0))}: choose some, or none for all
      <select id="deleted" multiple size="8" onChange=${pick}>${found.slice(0, SHOWN).map((one) => html`<option key=${one.name} value=${one.name}>${plain(one.name)} (${size(one.bytes)}${days(one)})</option>`)}</select></label></p>
      ${found.length > SHOWN && html`<p class="hint">The first ${amount(SHOWN)} are shown.</p>`}`}`;
}
