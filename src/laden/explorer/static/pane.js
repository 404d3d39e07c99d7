// One image on a canvas: zoom, pan, window by dragging, the value under the pointer. How it is shown is given from
// above, so that two panes can share it.
import { html, plain, useEffect, useLayoutEffect, useRef, useState } from "./lib.js";
import { sampled } from "./sampled.js";
import { draw, table, valueAt } from "./windowing.js";

/** @typedef {{zoom: number, x: number, y: number}} Sight Zoom 1 fits the image; x and y are the middle, from 0 to 1. */

/** @param {any} facts @param {{width: number, height: number}} box */
export const fitting = (facts, box) => Math.min(box.width / facts.width, box.height / facts.height);

/** Where the image lies in the box. @param {any} facts @param {any} box @param {Sight} sight @param {boolean} exact */
function placed(facts, box, sight, exact) {
  const scale = exact ? 1 : fitting(facts, box) * sight.zoom;
  const [width, height] = [facts.width * scale, facts.height * scale];
  const left = exact ? Math.round(box.width / 2 - sight.x * width) : box.width / 2 - sight.x * width;
  const top = exact ? Math.round(box.height / 2 - sight.y * height) : box.height / 2 - sight.y * height;
  return { scale, left, top, width, height };
}

/** What is drawn before it is scaled. @type {OffscreenCanvas | null} */
let sheet = null;

/** @param {any} canvas @param {any} picture @param {any} window @param {Sight} sight @param {boolean} exact */
function paint(canvas, picture, window, sight, exact) {
  const context = canvas.getContext("2d");
  const { facts } = picture;
  const place = placed(facts, canvas, sight, exact);
  context.clearRect(0, 0, canvas.width, canvas.height);
  // The smallest level that still has as many pixels as the screen.
  const level = picture.levels.findLast((/** @type {any} */ one) => one.width >= place.width) || picture.levels[0];
  const ratio = place.width / level.width;
  const shown = table(facts, window);
  if (ratio < 1) {
    const where = { left: place.left, top: place.top, ratio, width: canvas.width, height: canvas.height };
    const part = sampled(level, facts.samples === "rgb8" ? 3 : 1, where);
    if (!part) return;
    context.putImageData(draw(picture, part, shown, { ...part, x: 0, y: 0 }), part.x, part.y);
    if (facts.rows !== null && facts.rows < facts.height) missing(context, place, facts, canvas);
    return;
  }
  const part = { x: Math.max(0, Math.floor(-place.left / ratio)), y: Math.max(0, Math.floor(-place.top / ratio)) };
  const width = Math.min(level.width - part.x, Math.ceil(canvas.width / ratio) + 1);
  const height = Math.min(level.height - part.y, Math.ceil(canvas.height / ratio) + 1);
  if (width <= 0 || height <= 0) return;
  const image = draw(picture, level, shown, { ...part, width, height });
  if (sheet?.width !== width || sheet.height !== height) sheet = new OffscreenCanvas(width, height);
  /** @type {any} */ (sheet.getContext("2d")).putImageData(image, 0, 0);
  context.imageSmoothingEnabled = ratio < 2 && !exact;
  const [x, y] = [place.left + part.x * ratio, place.top + part.y * ratio];
  context.drawImage(sheet, x, y, width * ratio, height * ratio);
  if (facts.rows !== null && facts.rows < facts.height) missing(context, place, facts, canvas);
}

/** What is not there is hatched, so that nobody takes it for black. @param {any} context @param {any} place
 * @param {any} facts @param {any} canvas */
function missing(context, place, facts, canvas) {
  const top = place.top + (facts.rows / facts.height) * place.height;
  context.save();
  context.beginPath();
  context.rect(place.left, top, place.width, place.top + place.height - top);
  context.clip();
  context.fillStyle = "#333";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.strokeStyle = "#777";
  for (let x = -canvas.height; x < canvas.width; x += 12) {
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x + canvas.height, canvas.height);
    context.stroke();
  }
  context.restore();
}

/** @param {{picture: any, name: string, window: any, sight: Sight, exact: boolean, onWindow: Function,
 *   onSight: Function, label: string}} given */
export function Pane({ picture, name, window, sight, exact, onWindow, onSight, label }) {
  const canvas = useRef(/** @type {any} */ (null));
  const [box, setBox] = useState({ width: 0, height: 0 });
  const [under, setUnder] = useState("");
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => {
      const { clientWidth, clientHeight } = canvas.current;
      Object.assign(canvas.current, { width: clientWidth, height: clientHeight });
      setBox({ width: clientWidth, height: clientHeight });
    });
    observer.observe(canvas.current);
    return () => observer.disconnect();
  }, []);
  // Painted once a frame, as it is then: a frame that is due is not put off by what changes meanwhile.
  const latest = useRef(/** @type {any} */ ({}));
  const due = useRef(0);
  latest.current = { picture, window, sight, exact, name };
  useLayoutEffect(() => {
    if (!picture?.levels.length) {
      // Whatever is on the canvas is another image than the name under it says.
      canvas.current.getContext("2d").clearRect(0, 0, canvas.current.width, canvas.current.height);
      delete canvas.current.dataset.drawn;
      setUnder("");
      return;
    }
    if (due.current || !box.width) return;
    due.current = requestAnimationFrame(() => {
      due.current = 0;
      const now = latest.current;
      if (!canvas.current || !now.picture?.levels.length) return;
      paint(canvas.current, now.picture, now.window, now.sight, now.exact);
      canvas.current.dataset.drawn = `${now.name} ${now.window.centre} ${now.window.width} ${now.window.inverted} ${now.exact}`;
    });
  }, [box, picture, window, sight, exact]);

  const pointed = (/** @type {PointerEvent} */ event) => {
    if (!picture?.levels.length) return;
    const place = placed(picture.facts, box, sight, exact);
    const x = Math.floor((event.offsetX - place.left) / place.scale);
    const y = Math.floor((event.offsetY - place.top) / place.scale);
    const value = valueAt(picture, x, y);
    setUnder(value === "" ? "" : `x ${x}, y ${y}: ${value}`);
  };
  const move = (/** @type {PointerEvent} */ event) => {
    pointed(event);
    if (!event.buttons || !picture?.levels.length) return;
    if (event.buttons === 1 && !event.shiftKey) {
      const { facts } = picture;
      const range = Math.abs((facts.most - facts.least) * facts.slope) || 255;
      onWindow({
        ...window,
        width: Math.max(2, window.width + (event.movementX * range) / 600),
        centre: window.centre + (event.movementY * range) / 600,
      });
    } else {
      const place = placed(picture.facts, box, sight, exact);
      onSight({ ...sight, x: sight.x - event.movementX / place.width, y: sight.y - event.movementY / place.height });
    }
  };
  const wheel = (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    if (!picture?.levels.length) return;
    const zoom = Math.max(0.2, Math.min(60, sight.zoom * (event.deltaY < 0 ? 1.15 : 1 / 1.15)));
    onSight({ ...sight, zoom });
  };
  useEffect(() => {
    const element = canvas.current;
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  });
  const grab = (/** @type {PointerEvent} */ event) => canvas.current.setPointerCapture(event.pointerId);
  return html`<div class="pane">
    <canvas ref=${canvas} role="img" aria-label=${label} onPointerDown=${grab} onPointerMove=${move}
      onPointerLeave=${() => setUnder("")} onContextMenu=${(/** @type {Event} */ event) => event.preventDefault()}></canvas>
    <p class="under"><bdi>${plain(name)}</bdi><span>${under}</span></p>
  </div>`;
}
