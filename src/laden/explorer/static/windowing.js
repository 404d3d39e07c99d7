// Grey values to what a screen shows: the linear function of DICOM (PS3.3 C.11.2.1.2), by a table of all stored values.

/** @typedef {{width: number, height: number, samples: string, slope: number, intercept: number, low: number,
 *   high: number, least: number, most: number, windows: {name: string, centre: number, width: number}[],
 *   inverted: boolean, frame: number, frames: number, part: number, rows: number | null, note: string,
 *   state: string, detail: string, says: string, state_text: string, advice: string, file_bytes: number}} Facts */
/** @typedef {{facts: Facts, data: Uint8Array | Uint16Array, levels: Level[]}} Picture */
/** @typedef {{width: number, height: number, data: Uint8Array | Uint16Array}} Level */
/** @typedef {{centre: number, width: number, inverted: boolean}} Window */

/** Of each stored value that the image has, what is shown; of others nothing is asked. @param {Facts} facts @param {Window} window */
export function table(facts, { centre, width, inverted }) {
  const shown = new Uint8Array(facts.samples === "grey16" ? 65536 : 256);
  const below = centre - 0.5 - (width - 1) / 2;
  const above = centre - 0.5 + (width - 1) / 2;
  const [first, last] = facts.samples === "rgb8" ? [0, 255] : [Math.floor(facts.least), Math.ceil(facts.most)];
  for (let stored = Math.max(0, first); stored <= Math.min(last, shown.length - 1); stored++) {
    const value = stored * facts.slope + facts.intercept;
    let grey;
    if (value <= below) grey = 0;
    else if (value > above) grey = 255;
    else grey = Math.floor(((value - (centre - 0.5)) / (width - 1) + 0.5) * 255 + 0.5);
    shown[stored] = inverted ? 255 - grey : grey;
  }
  return shown;
}

/** The window between two values. @param {number} low @param {number} high */
export const between = (low, high) => ({ centre: (low + high) / 2 + 0.5, width: Math.max(2, high - low + 1) });

/** Windows to choose from, the first of which is shown at first. @param {Facts} facts */
export function presets(facts) {
  const value = (/** @type {number} */ stored) => stored * facts.slope + facts.intercept;
  const found = facts.windows.map(({ name, centre, width }) => ({ name, centre, width: Math.max(2, width) }));
  if (!found.length) found.push({ name: "Automatic", ...between(value(facts.low), value(facts.high)) });
  const [low, high] = [value(facts.low), value(facts.high)];
  found.push({ name: "Whole range", ...between(value(facts.least), value(facts.most)) });
  if (facts.samples !== "rgb8") {
    found.push({ name: "Dark half", ...between(low, (low + high) / 2) });
    found.push({ name: "Bright half", ...between((low + high) / 2, high) });
  }
  return found.slice(0, 9);
}

/** The image at half, a quarter ... of its size, each pixel the mean of four. @param {Facts} facts
 * @param {Uint8Array | Uint16Array} data @returns {Level[]} */
export function levels(facts, data) {
  const found = [{ width: facts.width, height: facts.height, data }];
  const step = facts.samples === "rgb8" ? 3 : 1;
  for (let last = found[0]; Math.max(last.width, last.height) > 900; last = found[found.length - 1]) {
    found.push(halved(last, step));
  }
  return found;
}

/** @param {Level} level @param {number} step */
function halved({ width, height, data }, step) {
  const [wide, high] = [width >> 1 || 1, height >> 1 || 1];
  const out = data instanceof Uint16Array ? new Uint16Array(wide * high * step) : new Uint8Array(wide * high * step);
  const right = width > 1 ? step : 0;
  const down = height > 1 ? width * step : 0;
  for (let y = 0, to = 0; y < high; y++) {
    for (let x = 0, from = y * 2 * width * step; x < wide; x++, from += 2 * step) {
      for (let part = 0; part < step; part++, to++) {
        const at = from + part;
        out[to] = (data[at] + data[at + right] + data[at + down] + data[at + right + down] + 2) >> 2;
      }
    }
  }
  return { width: wide, height: high, data: out };
}

/** The last picture: while a window is dragged, one is drawn a frame. @type {ImageData | null} */
let drawn = null;

/** Part of a level as a picture, which the next one may take the place of. @param {Picture} picture @param {Level} level @param {Uint8Array} shown
 * @param {{x: number, y: number, width: number, height: number}} part */
export function draw({ facts }, level, shown, part) {
  if (drawn?.width !== part.width || drawn.height !== part.height) drawn = new ImageData(part.width, part.height);
  const image = drawn;
  const pixels = new Uint32Array(image.data.buffer);
  const { data } = level;
  if (facts.samples === "rgb8") {
    for (let y = 0, to = 0; y < part.height; y++) {
      for (let x = 0, at = ((part.y + y) * level.width + part.x) * 3; x < part.width; x++, at += 3) {
        pixels[to++] = 0xff000000 | (shown[data[at + 2]] << 16) | (shown[data[at + 1]] << 8) | shown[data[at]];
      }
    }
    return image;
  }
  for (let y = 0, to = 0; y < part.height; y++) {
    for (let x = 0, at = (part.y + y) * level.width + part.x; x < part.width; x++) {
      pixels[to++] = 0xff000000 | (shown[data[at++]] * 0x010101);
    }
  }
  return image;
}

/** What is stored at a pixel, as a value. @param {Picture} picture @param {number} x @param {number} y */
export function valueAt({ facts, data }, x, y) {
  if (x < 0 || y < 0 || x >= facts.width || y >= facts.height) return "";
  if (facts.rows !== null && y >= facts.rows) return "missing";
  const at = y * facts.width + x;
  if (facts.samples === "rgb8") return `${data[at * 3]}, ${data[at * 3 + 1]}, ${data[at * 3 + 2]}`;
  const value = data[at] * facts.slope + facts.intercept;
  return Number.isInteger(value) ? String(value) : value.toFixed(3);
}
