// The page: one web socket, and who gets what comes from it. Binary messages are the terminal's; the rest is JSON.
import { outputLog } from "./output.js";
import { place, taskTree } from "./tasks.js";
import { openTerminal } from "./terminal.js";

const $ = (id) => document.getElementById(id);
const KEYS_MAX = 64 << 10; // bytes of one message
const RETRY_MS = [250, 500, 1000, 2000, 4000];

let socket = null;
let tries = 0;
let restoring = null; // the size that the first bytes are for
let isOver = false; // and not to be tried again

const send = (message) => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(message);
};
const say = (message) => send(JSON.stringify(message));

// -- panes --------------------------------------------------------------------------------------------------------

const panes = [
  { id: "prompt", enter: () => terminal.focus() },
  { id: "tasks", enter: () => ($("tree").querySelector("summary") ?? $("tasks")).focus() },
  { id: "output", enter: () => ($("log").hasChildNodes() ? $("log") : $("pause")).focus() },
];
const goToPane = (step) => {
  const at = panes.findIndex(({ id }) => $(id).contains(document.activeElement));
  panes[(Math.max(at, 0) + step + panes.length) % panes.length].enter();
};
document.addEventListener("keydown", (event) => {
  if (event.key !== "F6" || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  goToPane(event.shiftKey ? -1 : 1);
});

const terminal = openTerminal($("terminal"), {
  send: (bytes) => {
    for (let at = 0; at < bytes.length; at += KEYS_MAX) send(bytes.subarray(at, at + KEYS_MAX));
  },
  resized: (columns, rows) => say({ op: "resize", columns, rows }),
  leave: goToPane,
});

const log = outputLog($("log"), $("pause"), $("clear"));
new MutationObserver(() => { $("log-none").hidden = $("log").hasChildNodes(); }).observe($("log"), { childList: true });

$("reader").addEventListener("click", () => {
  const on = $("reader").getAttribute("aria-pressed") !== "true";
  $("reader").setAttribute("aria-pressed", on);
  terminal.readAloud(on);
  terminal.focus();
});

// -- tasks --------------------------------------------------------------------------------------------------------

const answers = new Map(); // to the question that each dialog shows
const ask = (dialog) => new Promise((resolve) => {
  answers.get(dialog)?.(false); // the one before is over, and the event that tells so is still to come
  answers.set(dialog, resolve);
  dialog.returnValue = "";
  dialog.showModal();
});
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("close", () => {
    if (dialog.open) return; // that of the one before
    answers.get(dialog)?.(dialog.returnValue === "yes");
    answers.delete(dialog);
  });
}

const tree = taskTree($("tree"), async (task) => {
  $("confirm-text").textContent = `Cancel task ${task.name} (${task.coroutine})? It gets a CancelledError where it waits.`;
  if (await ask($("confirm"))) say({ op: "cancel", task: task.id });
});

function showTasks({ tasks, more, failure }) {
  $("tasks-none").hidden = !failure && tasks.length > 0;
  $("tasks-none").textContent = failure ?? "No tasks";
  if (failure) return; // what was known stays
  tree.show(tasks);
  $("tasks-count").textContent = tasks.length ? `${tasks.length}${more ? "+" : ""}` : "";
}

// -- warnings and notices -----------------------------------------------------------------------------------------

const HELD_SHOWN_MS = 20_000;
let heldTimer = 0;

function showHeld({ held_s, by, frames }) {
  const last = frames.at(-1);
  $("held-what").textContent = `The event loop has been held for ${held_s.toFixed(2)} s${by ? ` by session ${by}` : ""}.`;
  $("held-where").textContent = last ? `${place(last)}${last.text ? `: ${last.text}` : ""}` : "";
  $("held").hidden = false;
  clearTimeout(heldTimer);
  heldTimer = setTimeout(() => { $("held").hidden = true; }, HELD_SHOWN_MS);
}
$("held-close").addEventListener("click", () => { $("held").hidden = true; });

let onNotice = () => {};
function notice(text, button = "", action = () => {}) {
  $("notice-text").textContent = text;
  $("notice-button").textContent = button;
  $("notice-button").hidden = !button;
  onNotice = action;
  $("notice").hidden = false;
}
const hideNotice = () => { $("notice").hidden = true; };
$("notice-button").addEventListener("click", () => {
  hideNotice();
  onNotice();
});

function showState(state, text) {
  $("state").dataset.state = state;
  $("state-text").textContent = text;
}

// -- the connection -----------------------------------------------------------------------------------------------

// Every tab has a prompt of its own, which is found again after a reload.
function tabName(isNew) {
  if (isNew || !sessionStorage.getItem("tab")) sessionStorage.setItem("tab", crypto.randomUUID());
  return sessionStorage.getItem("tab");
}

const over = (text, button, action) => {
  isOver = true;
  showState("over", "not connected");
  notice(text, button, action);
};

const EVENTS = {
  started({ program, pid, python, read_only, columns, rows }) {
    document.title = `${program} – keelback`;
    $("program").textContent = program;
    $("about").textContent = `process ${pid}, Python ${python}`;
    $("read-only").hidden = !read_only;
    log.restart();
    restoring = { columns, rows };
    tries = 0;
    showState("connected", "connected");
    say({ op: "visible", on: !document.hidden });
  },
  tasks: showTasks,
  out: log.add,
  missed: ({ count }) => log.add({ note: `${count} messages were too many for this page` }),
  held: showHeld,
  failed: ({ message }) => notice(message, "Dismiss", () => terminal.focus()),
  page: async ({ text }) => {
    $("reading-text").textContent = text;
    await ask($("reading"));
    terminal.focus();
  },
  edit: async ({ text }) => {
    $("editing-text").value = text;
    const isDone = await ask($("editing"));
    say({ op: "edited", text: isDone ? $("editing-text").value : null });
    terminal.focus();
  },
  ended: () => notice("This prompt has ended.", "Open another", () => connect(true)),
  refused: ({ message }) => over(`There is no prompt: ${message}.`, "Try again", () => connect()),
  taken: () => over("This prompt is open in another tab.", "Use it here", () => connect()),
  gone: ({ reason }) => {
    tree.end();
    $("tasks-none").hidden = $("tree").hasChildNodes(); // that they cannot be asked for any more is no news
    // The command has ended too, and another one has another address.
    over(`${reason.charAt(0).toUpperCase()}${reason.slice(1)}. This page ends here: \`keelback attach --web\` opens another.`);
  },
};

function connect(isNew = false) {
  isOver = false;
  const before = socket;
  const url = new URL("socket", location.href);
  url.protocol = "ws:";
  const opened = new WebSocket(url);
  socket = opened;
  before?.close();
  opened.binaryType = "arraybuffer";
  opened.addEventListener("open", () => {
    hideNotice();
    say({ op: "start", tab: tabName(isNew), ...terminal.size() });
    if (!document.querySelector("dialog[open]")) terminal.focus();
  });
  opened.addEventListener("message", ({ data }) => {
    if (opened !== socket) return;
    if (typeof data === "string") {
      const event = JSON.parse(data);
      EVENTS[event.event]?.(event);
    } else if (restoring) {
      terminal.restore(restoring.columns, restoring.rows, new Uint8Array(data));
      restoring = null;
    } else {
      terminal.write(new Uint8Array(data));
    }
  });
  opened.addEventListener("close", () => {
    if (isOver || opened !== socket) return; // nobody waits for this one
    if (tries >= RETRY_MS.length) {
      over("`keelback attach --web` does not answer.", "Try again", () => {
        tries = 0;
        connect();
      });
      return;
    }
    showState("connecting", "connecting again");
    setTimeout(connect, RETRY_MS[tries++]);
  });
}

document.addEventListener("visibilitychange", () => say({ op: "visible", on: !document.hidden }));
connect();
