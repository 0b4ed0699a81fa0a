// The terminal: xterm.js, its looks and its keys.
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";

const DARK = {
  background: "#16181d", foreground: "#d7dae0", cursor: "#d7dae0", cursorAccent: "#16181d",
  selectionBackground: "#3a4252",
  black: "#23262e", red: "#f07178", green: "#8fce7e", yellow: "#e5c07b",
  blue: "#6aa5f2", magenta: "#c583e0", cyan: "#56c2c8", white: "#d7dae0",
  brightBlack: "#8a919e", brightRed: "#ff8f95", brightGreen: "#a9e19a", brightYellow: "#f2d798",
  brightBlue: "#8dbcff", brightMagenta: "#dba4f2", brightCyan: "#7cdbe0", brightWhite: "#ffffff",
};
const LIGHT = {
  background: "#ffffff", foreground: "#1d2129", cursor: "#1d2129", cursorAccent: "#ffffff",
  selectionBackground: "#cfdcf2",
  black: "#1d2129", red: "#b3261e", green: "#1f7a3a", yellow: "#8a6100",
  blue: "#1f5fbf", magenta: "#8a2fa8", cyan: "#0b7285", white: "#c9ced6",
  brightBlack: "#666e7a", brightRed: "#cf3a31", brightGreen: "#2b8f49", brightYellow: "#956a00",
  brightBlue: "#2f74dd", brightMagenta: "#a343c4", brightCyan: "#0f8599", brightWhite: "#ffffff",
};
for (const [name, alpha] of [["", 0.3], ["Hover", 0.5], ["Active", 0.6]]) {
  DARK[`scrollbarSlider${name}Background`] = LIGHT[`scrollbarSlider${name}Background`] = `rgba(128, 136, 150, ${alpha})`;
}
const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => (dark.matches ? DARK : LIGHT);

// xterm.js writes style elements. The page's policy lets in those that know its nonce.
const nonce = document.querySelector("meta[name=style-nonce]").content;
const createElement = document.createElement.bind(document);
document.createElement = (name, options) => {
  const element = createElement(name, options);
  if (name === "style") element.nonce = nonce;
  return element;
};
// And colours outside of the palette into style attributes, which it lets in by no nonce: properties are free to scripts.
HTMLSpanElement.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
};

// A terminal in `element`, which hands keys to `send` as bytes and calls `resized` with columns and rows.
// `leave` is called where a key goes to the next pane.
export function openTerminal(element, { send, resized, leave }) {
  const terminal = new Terminal({
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
    fontSize: 14, lineHeight: 1.15, scrollback: 5000, convertEol: true, theme: theme(),
    // Programs that name colours outside of the palette know nothing of the background: WCAG's level AA for text.
    minimumContrastRatio: 4.5,
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(element);
  fit.fit();

  const encoder = new TextEncoder();
  terminal.onData((text) => send(encoder.encode(text)));
  terminal.onBinary((text) => send(Uint8Array.from(text, (character) => character.charCodeAt(0))));
  terminal.onResize(({ cols, rows }) => resized(cols, rows));
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.key === "F6") {
      if (event.type === "keydown") leave(event.shiftKey ? -1 : 1);
      event.preventDefault();
      event.stopPropagation();
      return false;
    }
    // The prompt knows no others: reload, full screen and the like are the browser's.
    if (/^F([4-9]|1[0-2])$/.test(event.key)) return false;
    // As in any other text of a page: what is selected is copied, and Ctrl-V pastes.
    const alone = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
    return !(alone && (event.key === "v" || (event.key === "c" && terminal.hasSelection())));
  });

  dark.addEventListener("change", () => { terminal.options.theme = theme(); });

  let isFixed = false;
  new ResizeObserver(() => isFixed || fit.fit()).observe(element);
  return {
    write: (bytes) => terminal.write(bytes),
    focus: () => terminal.focus(),
    size: () => ({ columns: terminal.cols, rows: terminal.rows }),
    // Shows what was written for a terminal of another size, then takes the size of the window.
    restore(columns, rows, bytes) {
      isFixed = true;
      terminal.reset();
      terminal.resize(columns, rows);
      terminal.write(bytes, () => {
        isFixed = false;
        fit.fit();
      });
    },
    readAloud: (on) => { terminal.options.screenReaderMode = on; },
  };
}
