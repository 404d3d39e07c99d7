// The image, as large as the window: stepping, windows, two side by side, and what is known of it beside it.
import { connection, get, html, sentence, useEffect, useMemo, useRef, useState } from "./lib.js";
import { Detail } from "./detail.js";
import { Pane } from "./pane.js";
import { here, picture } from "./picture.js";
import { rowAt } from "./rows.js";
import { current, go, mark, say, set } from "./state.js";
import { MARKS } from "./keys.js";
import { isImage } from "./thumbs.js";
import { save } from "./shot.js";
import { presets } from "./windowing.js";

const WHOLE = { zoom: 1, x: 0.5, y: 0.5 };
const FRESH = { sight: WHOLE, exact: false, chosen: null };
const FAR = 50;
/** How many files that are no image are passed over. */

/** An image by name, and why there is none. @param {string} name @param {number} frame */
function usePicture(name, frame) {
  const [found, setFound] = useState(/** @type {any} */ ({}));
  useEffect(() => {
    let wanted = true;
    if (!name) setFound({});
    else {
      const ask = () => picture(name, frame).then(
        (one) => wanted && setFound({ name, picture: one }),
        (error) => {
          if (!wanted || error.name === "AbortError") return;
          if (error.kind === "stale") setTimeout(() => wanted && ask(), 200);
          else setFound({ name, error: error.message });
        },
      );
      ask();
    }
    return () => { wanted = false; };
  }, [name, frame, connection.epoch]);
  const ahead = here(name, frame);
  if (ahead) return { picture: ahead };
  return found.name === name ? found : {};
}

/** @param {number} from @param {number} step */
async function neighbour(from, step) {
  for (let at = from + step, tries = 0; tries < FAR; at += step, tries++) {
    const item = await rowAt(at);
    if (!item || isImage(item)) return item;
  }
  return null;
}

/** @param {{state: any}} given */
export function Viewer({ state }) {
  const { image, compare } = state.look;
  const box = useRef(/** @type {any} */ (null));
  const [seen, setSeen] = useState(/** @type {any} */ ({}));
  // Of this image alone: its first frame is not drawn as the one before was, and no key that follows is lost.
  const of = (/** @type {any} */ one) => (one.image === image ? one : { ...FRESH, ...(compare && one), image, frame: 0 });
  const see = (/** @type {any} */ change) => setSeen((/** @type {any} */ before) => ({ ...of(before), ...change }));
  const { frame, sight, exact, chosen } = of(seen);
  const [at, setAt] = useState(-1);
  const shown = usePicture(image, frame);
  const other = usePicture(compare, 0);
  const facts = shown.picture?.facts;
  const found = useMemo(() => (facts?.samples ? presets(facts) : []), [facts]);
  const window_ = chosen || (found.length ? { ...found[0], inverted: facts.inverted } : null);

  useEffect(() => { box.current.focus(); }, []);
  /** What was found ahead, so that a step needs no question. @type {{current: any}} */
  const near = useRef({});
  useEffect(() => {
    let wanted = true;
    near.current = { image };
    get("at", { view: state.view.view, name: image }).then(async ({ at: place }) => {
      if (!wanted) return;
      setAt(place ?? -1);
      if (place === null) return;
      set({ active: place });
      // Neighbours are fetched ahead, once what is looked at is here.
      await picture(image, 0).catch(() => {});
      for (const by of [1, -1]) {
        neighbour(place, by).then((item) => {
          if (!wanted) return;
          near.current[by] = item;
          if (item) picture(item.name).catch(() => {});
        }).catch(() => {});
      }
    }).catch(() => {});
    return () => { wanted = false; };
  }, [image, state.view.view]);

  const step = async (/** @type {number} */ by) => {
    const known = near.current.image === image && by in near.current;
    const item = known ? near.current[by] : at < 0 ? null : await neighbour(at, by);
    // Somebody may have gone back to the list meanwhile.
    if (current().look.image !== image) return;
    if (!item) return say(by > 0 ? "That is the last one" : "That is the first one");
    setAt(item.at);
    go({ image: item.name }, { replace: true });
  };
  const close = () => { go({ image: "", compare: "" }); setTimeout(() => document.getElementById("list")?.focus(), 50); };
  const look = (/** @type {string} */ what) => mark({ names: [image] }, what).catch((error) => say(error.message));
  const act = (/** @type {string} */ key) => {
    const frames = facts?.frames || 1;
    const number = Number(key);
    if (number >= 1 && number <= found.length) see({ chosen: { ...found[number - 1], inverted: window_.inverted } });
    else if (key === "ArrowRight" || key === "n") step(1);
    else if (key === "ArrowLeft" || key === "p") step(-1);
    else if (key === "ArrowUp") see({ frame: Math.max(0, frame - 1) });
    else if (key === "ArrowDown") see({ frame: Math.min(frames - 1, frame + 1) });
    else if (key === "i" && window_) see({ chosen: { ...window_, inverted: !window_.inverted } });
    else if (key === "r") see(FRESH)
    else if (key === "f") see({ sight: WHOLE, exact: false })
    else if (key === "z") see({ exact: !exact });
    else if (key === "+" || key === "=") see({ sight: { ...sight, zoom: Math.min(60, sight.zoom * 1.25) } });
    else if (key === "-") see({ sight: { ...sight, zoom: Math.max(0.2, sight.zoom / 1.25) } });
    else if (key in PAN) see({ sight: panned(sight, PAN[key]) });
    else if (key in WINDOW && window_) see({ chosen: WINDOW[key](window_) });
    else if (key === "c") go({ compare: compare ? "" : image }, { replace: true });
    else if (key === "k") save(box.current, image);
    else if (key === "Escape") close();
    else if (key in MARKS) look(MARKS[key]);
    else return false;
    return true;
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const element = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|TEXTAREA|SELECT/.test(element.tagName)) return;
    if (act(event.key)) event.preventDefault();
  };
  const label = (/** @type {string} */ name) => `The image ${name}`;
  // Windows of colours and of 16 bits have nothing in common: such a neighbour has its own.
  const linked = (/** @type {any} */ own) => (!own?.samples || own.samples === facts?.samples ? window_
    : { ...presets(own)[0], inverted: own.inverted });
  const pane = (/** @type {any} */ one, /** @type {string} */ name) => html`<${Pane} key=${name === image ? "this" : "that"}
    picture=${one.picture} name=${name} label=${label(name)} sight=${sight} exact=${exact}
    window=${linked(one.picture?.facts) || { centre: 128, width: 256, inverted: false }} onWindow=${(/** @type {any} */ one) => see({ chosen: one })}
    onSight=${(/** @type {any} */ one) => see({ sight: one })} />`;
  return html`<section class="viewer" ref=${box} tabindex="-1" onKeyDown=${onKey} aria-label="Image">
    <div class="bar">
      <button onClick=${close}>Back to the list</button>
      <button onClick=${() => step(-1)} aria-label="Previous image">◂</button>
      <button onClick=${() => step(1)} aria-label="Next image">▸</button>
      <label class="pick">Window <select value="" onChange=${(/** @type {any} */ event) => act(event.target.value)}>
        <option value="">${window_ ? `centre ${Math.round(window_.centre)}, width ${Math.round(window_.width)}` : ""}</option>
        ${found.map((one, index) => html`<option value=${index + 1}>${index + 1} ${one.name}</option>`)}
      </select></label>
      <button aria-pressed=${Boolean(window_?.inverted)} onClick=${() => act("i")}>Invert</button>
      <button onClick=${() => act("f")}>Fit</button>
      <button aria-pressed=${exact} onClick=${() => act("z")}>1:1</button>
      <button aria-pressed=${Boolean(compare)} onClick=${() => act("c")}>Compare</button>
      ${facts?.frames > 1 && html`<span>frame ${frame + 1} of ${facts.frames}
        <button onClick=${() => act("ArrowUp")} aria-label="Previous frame">▴</button>
        <button onClick=${() => act("ArrowDown")} aria-label="Next frame">▾</button></span>`}
      <button onClick=${() => act("k")}>Save picture</button>
      <button onClick=${() => look("exclude")}>Exclude</button>
      <button onClick=${() => look("look again")}>Look again</button>
      <strong class="never">Not for diagnosis</strong>
    </div>
    <div class="stage">
      ${compare && pane(other, compare)}
      ${pane(shown, image)}
      ${!shown.picture && !shown.error && html`<p class="wait" role="status">Reading ${image} …</p>`}
      ${shown.error && html`<p class="wait bad" role="alert">${shown.error}</p>`}
      <${Broken} facts=${facts} />
    </div>
    <${Detail} name=${image} state=${state} facts=${facts} />
  </section>`;
}

const PAN = /** @type {Record<string, number[]>} */ ({ a: [-0.1, 0], d: [0.1, 0], w: [0, -0.1], s: [0, 0.1] });
/** @param {any} sight @param {number[]} by Shares of what is seen. */
const panned = (sight, [x, y]) => ({ ...sight, x: sight.x + x / sight.zoom, y: sight.y + y / sight.zoom });
const WINDOW = /** @type {Record<string, (one: any) => any>} */ ({
  "[": (one) => ({ ...one, width: Math.max(2, one.width * 0.9) }),
  "]": (one) => ({ ...one, width: one.width * 1.1 }),
  ",": (one) => ({ ...one, centre: one.centre - one.width * 0.05 }),
  ".": (one) => ({ ...one, centre: one.centre + one.width * 0.05 }),
});

/** What is wrong with an image, in the words of its finding. @param {{facts: any}} given */
function Broken({ facts }) {
  if (!facts || (!facts.state_text && facts.samples && facts.part === 1)) return "";
  const percent = Math.min(99, Math.floor((facts.part || 0) * 100));
  const rows = facts.rows === null || facts.rows === undefined ? "" : `; it breaks at row ${facts.rows} of ${facts.height}`;
  return html`<p class="broken" role="status">
    <strong>${sentence(facts.state_text) || "This file cannot be shown as an image."}</strong>
    ${facts.detail && html` (${facts.detail})`}
    ${facts.samples && facts.part < 1 ? ` ${percent} % of it could be saved${rows}.` : ""}
    ${!facts.samples && facts.file_bytes ? ` Nothing of it could be decoded${facts.says ? `: ${facts.says}` : ""}.` : ""}
    ${!facts.samples && !facts.file_bytes ? " There is not a byte of it to be had." : ""}
    ${facts.advice && html` ${sentence(facts.advice)}`}
    ${!facts.samples && facts.note && html` ${sentence(facts.note)}`}
  </p>`;
}

