// A load that runs on this machine or elsewhere: lists again every few seconds, and says how far and how fast it is.
import { amount, html, lasting, post, size, useEffect, useState } from "./lib.js";

const EVERY_MS = 5000;

/** @param {{state: any, seen: any}} given `seen` is what the last listing told. */
export function Watch({ state, seen }) {
  const [on, setOn] = useState(false);
  useEffect(() => {
    if (!on) return undefined;
    const look = () => post("refresh").catch(() => {});
    look();
    const timer = setInterval(look, EVERY_MS);
    return () => clearInterval(timer);
  }, [on]);
  const more = (/** @type {any} */ all, /** @type {(value: number) => string} */ text) => (all ? ` of ${text(all)}` : "");
  return html`<p><label><input type="checkbox" checked=${on} onChange=${() => setOn(!on)} /> Watch a load that runs here or elsewhere</label></p>
    ${on && seen && html`
      ${seen.bytes_in_all > 0 && html`<progress max="1" value=${Math.min(1, seen.bytes / seen.bytes_in_all)} aria-label="How far the load is"></progress>`}
      <p role="status">${amount(seen.images)}${more(seen.images_in_all, amount)} images, ${size(seen.bytes)}${more(seen.bytes_in_all, size)}. ${pace(seen)}</p>
      ${state.status.state.error && html`<p class="bad">${state.status.state.error}</p>`}`}`;
}

/** @param {any} seen */
function pace({ ago_s, runs, bytes_per_s, images_per_s, left_s }) {
  if (ago_s === undefined) return "No image came yet.";
  if (!runs) return `Nothing came for ${lasting(ago_s)}: no load runs, or it was interrupted. The same laden load again sends what is left.`;
  const speed = bytes_per_s ? ` ${images_per_s.toFixed(1)} a second, ${size(bytes_per_s)}/s.` : "";
  return `The last came ${lasting(ago_s)} ago.${speed}${left_s === null ? "" : ` About ${lasting(left_s)} left.`}`;
}
