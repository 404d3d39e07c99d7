// An image in as many pixels as the screen shows of it. Looked at as before, it is the same: a window that is dragged
// then costs a look-up for each pixel of the screen, and nothing is scaled.

/** @typedef {{left: number, top: number, ratio: number, width: number, height: number}} Where Of a level on the screen:
 * where its first pixel begins, how many pixels of the screen one of its own has, and the screen's size. */
/** @typedef {{x: number, y: number, width: number, height: number, data: Uint8Array | Uint16Array}} Sampled */

/** The last two: there are two panes. @type {{level: any, where: string, found: Sampled}[]} */
let kept = [];

/** The part of a level that is on the screen, each pixel between the four values around its middle; null where there is
 * none. @param {import("./windowing.js").Level} level @param {number} step Values of a pixel. @param {Where} where
 * @returns {Sampled | null} */
export function sampled(level, step, where) {
  const key = `${where.left} ${where.top} ${where.ratio} ${where.width} ${where.height}`;
  const before = kept.find((one) => one.level === level && one.where === key);
  if (before) return before.found;
  const found = between(level, step, where);
  if (found) kept = [{ level, where: key, found }, ...kept.slice(0, 1)];
  return found;
}

/** @param {import("./windowing.js").Level} level @param {number} step @param {Where} where @returns {Sampled | null} */
function between({ width, height, data }, step, where) {
  const [x, y] = [Math.max(0, Math.round(where.left)), Math.max(0, Math.round(where.top))];
  const wide = Math.min(where.width, Math.round(where.left + width * where.ratio)) - x;
  const high = Math.min(where.height, Math.round(where.top + height * where.ratio)) - y;
  if (wide <= 0 || high <= 0) return null;
  const out = data instanceof Uint16Array ? new Uint16Array(wide * high * step) : new Uint8Array(wide * high * step);
  const columns = places(x, wide, where.left, where.ratio, width);
  const rows = places(y, high, where.top, where.ratio, height);
  const { first, next, share } = columns;
  for (let row = 0, to = 0; row < high; row++) {
    const above = rows.first[row] * width;
    const below = rows.next[row] * width;
    const down = rows.share[row];
    for (let column = 0; column < wide; column++) {
      const across = share[column];
      for (let part = 0; part < step; part++, to++) {
        const left = first[column] * step + part;
        const right = next[column] * step + part;
        const upper = data[above * step + left] * (256 - across) + data[above * step + right] * across;
        const lower = data[below * step + left] * (256 - across) + data[below * step + right] * across;
        out[to] = (upper * (256 - down) + lower * down + 32768) / 65536;
      }
    }
  }
  return { x, y, width: wide, height: high, data: out };
}

/** Of pixels of the screen, between which of a level they lie, and how near to the second, from 0 to 256.
 * @param {number} from @param {number} count @param {number} begin @param {number} ratio @param {number} size */
function places(from, count, begin, ratio, size) {
  const [first, next, share] = [new Int32Array(count), new Int32Array(count), new Int32Array(count)];
  for (let index = 0; index < count; index++) {
    const at = Math.min(size - 1, Math.max(0, (from + index + 0.5 - begin) / ratio - 0.5));
    first[index] = Math.floor(at);
    next[index] = Math.min(size - 1, first[index] + 1);
    share[index] = Math.round((at - first[index]) * 256);
  }
  return { first, next, share };
}
