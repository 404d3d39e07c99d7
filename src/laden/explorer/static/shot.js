// What is on the screen as a picture: the panes side by side, each with its name, and that it is not for diagnosis.
import { base } from "./lib.js";

const CAPTION_PX = 44;
const GAP_PX = 4;

/** One canvas with all of them. @param {HTMLCanvasElement[]} panes @param {string[]} captions */
export function shot(panes, captions) {
  const sheet = document.createElement("canvas");
  sheet.width = panes.reduce((sum, pane) => sum + pane.width, GAP_PX * (panes.length - 1));
  sheet.height = Math.max(...panes.map((pane) => pane.height)) + CAPTION_PX;
  const context = /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d"));
  context.fillStyle = "#000";
  context.fillRect(0, 0, sheet.width, sheet.height);
  context.fillStyle = "#fff";
  let left = 0;
  panes.forEach((pane, index) => {
    context.drawImage(pane, left, 0);
    const room = pane.width - 16;
    context.font = "14px sans-serif";
    context.fillText(captions[index], left + 8, sheet.height - 26, room);
    context.font = "bold 14px sans-serif";
    context.fillText("Not for diagnosis", left + 8, sheet.height - 8, room);
    left += pane.width + GAP_PX;
  });
  return sheet;
}

/** Hand the picture over as a PNG. @param {HTMLElement} viewer @param {string} name Of the image. */
export function save(viewer, name) {
  const panes = [...viewer.querySelectorAll("canvas")];
  const captions = [...viewer.querySelectorAll(".pane .under bdi")].map((one) => base(one.textContent || ""));
  if (!panes.length) return;
  shot(panes, captions).toBlob((file) => {
    if (!file) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${base(name)}-view.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}
