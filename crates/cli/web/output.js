// What the program prints: the last lines of it.

const LINES_MAX = 5000;
// Escape sequences of terminals: colours, titles and the like.
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])|\r(?=\n)/g;

// A log in the element `log`, with the buttons that hold and empty it.
export function outputLog(log, pause, clear) {
  let waiting = []; // while paused
  let isPaused = false;
  let open = {}; // stream → its line that has no end yet
  let isAsked = false;
  let queue = [];

  const append = (text, kind) => {
    const line = document.createElement("div");
    line.className = kind;
    line.textContent = text;
    log.append(line);
    return line;
  };

  const show = ({ stream, text, dropped, note }) => {
    if (note || dropped) append(note ?? `${dropped} bytes were printed too fast and are not here`, "note");
    if (!text) return;
    const lines = text.replace(ESCAPES, "").split("\n");
    // A line goes on only where nothing else was printed in between.
    const first = open[stream] && open[stream] === log.lastElementChild ? open[stream] : null;
    lines.forEach((line, number) => {
      const isLast = number === lines.length - 1;
      if (number === 0 && first) first.textContent += line;
      else if (!isLast || line) open[stream] = append(line, stream);
      if (isLast) open[stream] = line || (lines.length === 1 && first) ? log.lastElementChild : null;
    });
  };

  const flush = () => {
    isAsked = false;
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
    queue.forEach(show);
    queue = [];
    while (log.childElementCount > LINES_MAX) log.firstElementChild.remove();
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  };

  const add = (event) => {
    if (isPaused) {
      waiting.push(event);
      if (waiting.length > LINES_MAX) waiting.shift();
      pause.textContent = `Resume (${waiting.length})`;
      return;
    }
    queue.push(event);
    if (queue.length > LINES_MAX) queue.shift();
    // Frames do not come while the page is hidden; the queue is bounded.
    if (!isAsked) {
      isAsked = true;
      requestAnimationFrame(flush);
    }
  };

  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", isPaused);
    pause.textContent = isPaused ? "Resume" : "Pause";
    if (!isPaused) waiting.splice(0).forEach(add);
  });
  clear.addEventListener("click", () => {
    queue = [];
    waiting = [];
    open = {};
    log.replaceChildren();
    if (isPaused) pause.textContent = "Resume";
  });
  return {
    add,
    // The server tells again what it has kept.
    restart() {
      queue = [];
      waiting = [];
      open = {};
      log.replaceChildren();
    },
  };
}
