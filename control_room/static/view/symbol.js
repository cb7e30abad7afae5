// The signs of urgency: each has a shape, a colour and a word, and any one of them is enough.
import { html } from "../html.js";
import { t } from "../text.js";

const SHAPES = {
  1: "M7.6 1.5h8.8l6.1 6.1v8.8l-6.1 6.1H7.6l-6.1-6.1V7.6z", // octagon
  2: "M12 2 23 21.5H1z", // triangle
  3: "M12 1.5a10.5 10.5 0 1 1 0 21 10.5 10.5 0 0 1 0-21z", // circle
  4: "M12 1.5a10.5 10.5 0 1 1 0 21 10.5 10.5 0 0 1 0-21z", // hollow circle
  ill: "M2 2h20v20H2z", // square
};

/** `flash` is true while nobody has acknowledged: only this small sign flashes, never a text. */
export function Symbol({ urgency, flash = false, size = 28, label = true }) {
  const letter = urgency === "ill" ? "!" : String(urgency);
  const name = t(`urgency.${urgency}`);
  return html`<svg
    class=${`symbol u-${urgency}${flash ? " flash" : ""}`}
    width=${size}
    height=${size}
    viewBox="0 0 24 24"
    role=${label ? "img" : "presentation"}
    aria-label=${label ? name : null}
  >
    <path d=${SHAPES[urgency] ?? SHAPES[4]} />
    <text x="12" y=${urgency === 2 ? 19 : 16.6} text-anchor="middle">${letter}</text>
  </svg>`;
}
