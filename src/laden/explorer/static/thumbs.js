// Small pictures of what is in sight: four at a time, those that are scrolled away are given up.
import { connection, getRaw, html, useEffect, useState } from "./lib.js";

const AT_ONCE = 4;
const KEPT = 400;
/** @type {Map<string, string>} Address of each picture by content; empty where there is none. */
const drawn = new Map();
/** @type {{name: string, key: string, abort: AbortController, done: (url: string) => void}[]} */
const waiting = [];
let running = 0;

function next() {
  while (running < AT_ONCE && waiting.length) {
    const one = /** @type {typeof waiting[0]} */ (waiting.shift());
    if (one.abort.signal.aborted) continue;
    running++;
    fetchOne(one).finally(() => {
      running--;
      next();
    });
  }
}

/** @param {typeof waiting[0]} one */
async function fetchOne({ name, key, abort, done }) {
  try {
    const response = await getRaw("thumb", { name }, abort.signal);
    const url = response.status === 204 ? "" : URL.createObjectURL(await response.blob());
    keep(key, url);
    done(url);
  } catch {
    if (!abort.signal.aborted) done("");
  }
}

/** What a picture is of: the same name is another image in another container, or after a change. @param {Record<string, any>} item */
const contentOf = (item) =>
  [connection.place, item.md5 || connection.epoch, item.size_bytes, item.modified_s, item.name].join(":");

/** @param {string} key @param {string} url */
function keep(key, url) {
  drawn.set(key, url);
  for (const [old, address] of drawn) {
    if (drawn.size <= KEPT) break;
    if (address) URL.revokeObjectURL(address);
    drawn.delete(old);
  }
}

/** @param {{item: Record<string, any>, alt?: string}} given */
export function Thumb({ item, alt = "" }) {
  const key = contentOf(item);
  const [url, setUrl] = useState(drawn.get(key));
  useEffect(() => {
    if (drawn.has(key)) {
      setUrl(drawn.get(key));
      return undefined;
    }
    setUrl(undefined);
    const abort = new AbortController();
    const timer = setTimeout(() => {
      waiting.push({ name: item.name, key, abort, done: setUrl });
      next();
    }, 60);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key]);
  if (url) return html`<img class="thumb" src=${url} alt=${alt} />`;
  return html`<span class="thumb none">${url === "" ? "no picture" : ""}</span>`;
}

const IMAGE = /\.(png|jpe?g|dcm|dicom|tiff?|bmp|gif|webp)$/i;

/** Whether a file may be an image. @param {Record<string, any>} item */
export const isImage = (item) => Boolean(item.kind) || IMAGE.test(item.name) || !/\.[a-z0-9]+$/i.test(item.name);
