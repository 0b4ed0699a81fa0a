// The tree of tasks: a task is below the one that awaits it.

// Files of Python's own library.
const LIBRARY = /[/\\]python3\.\d+[/\\](?!(site|dist)-packages[/\\])|^<frozen /;

// From how many seconds on an age is told in a unit, and its length: as `keelback attach` does.
const UNITS = [[172_800, "d", 86_400], [7200, "h", 3600], [120, "min", 60], [0, "s", 1]];

// A tree in the list `root`; `cancel` is called with the task whose button was pressed.
export function taskTree(root, cancel) {
  const items = new Map(); // id → its elements, kept so that what is open and has the focus stays so

  function make(task) {
    const item = document.createElement("li");
    const row = add(item, "div", "task");
    const details = add(row, "details");
    const summary = add(details, "summary");
    const what = add(summary, "div", "what");
    const made = {
      item, details,
      name: add(what, "span", "name"),
      coroutine: add(what, "span", "coroutine"),
      session: add(what, "span", "session"),
      age: add(what, "span", "age"),
      where: add(summary, "div", "where"),
      frames: add(details, "ol"),
      button: add(row, "button"),
      children: add(item, "ul"),
      shown: "",
    };
    made.button.type = "button";
    made.button.textContent = "Cancel";
    made.button.addEventListener("click", () => cancel(made.task));
    return made;
  }

  function update(made, task) {
    made.task = task;
    const shown = JSON.stringify([task.name, task.coroutine, task.session, task.frames]);
    if (shown === made.shown) return;
    made.shown = shown;
    made.name.textContent = task.name;
    made.coroutine.textContent = task.coroutine;
    made.session.textContent = task.session ? `session ${task.session}` : "";
    made.button.setAttribute("aria-label", `Cancel task ${task.name}`);
    // Where in the program, rather than in the library that waits for it.
    const last = task.frames.findLast((frame) => !LIBRARY.test(frame.file)) ?? task.frames.at(-1);
    made.where.textContent = last ? [place(last), last.text].filter(Boolean).join(": ") : "not waiting";
    made.where.title = last ? `${last.file}:${last.line}` : "";
    made.frames.replaceChildren(...task.frames.map(frameLine));
  }

  // Told once; counted on from there.
  const showAge = ({ task, toldAt, age }) => {
    const text = ageText(task, (performance.now() - toldAt) / 1000);
    if (age.textContent === text) return;
    age.textContent = text;
    age.title = text.startsWith("≥") ? "It was there when it was seen first: it may be older" : "";
  };
  const clock = setInterval(() => items.forEach(showAge), 500);

  const show = (tasks) => {
    const seen = new Set(tasks.map((task) => task.id));
    for (const [id, made] of items) {
      if (!seen.has(id)) {
        made.item.remove();
        items.delete(id);
      }
    }
    const placed = new Map(); // parent element → how many children it has so far
    for (const task of tasks) {
      const made = items.get(task.id) ?? make(task);
      items.set(task.id, made);
      update(made, task);
      made.toldAt = performance.now();
      showAge(made);
      // Parents come before children; of several the first has it.
      const parent = task.awaited_by.find((id) => placed.has(id));
      const list = parent === undefined ? root : items.get(parent).children;
      placed.set(task.id, 0);
      const key = parent ?? "root";
      const position = placed.get(key) ?? 0;
      placed.set(key, position + 1);
      if (list.children[position] !== made.item) list.insertBefore(made.item, list.children[position] ?? null);
    }
  };
  return {
    show,
    // No task grows older than its program.
    end: () => clearInterval(clock),
  };
}

// `12 s`; `≥ 12 s` of a task that may be older. Nothing as long as it was not there longer than somebody looks.
function ageText({ age_s, age_max_s }, later) {
  const isKnown = age_max_s !== null && age_max_s - age_s <= 1;
  const seconds = Math.floor(age_s + later);
  if (!isKnown && seconds < 1) return "";
  const [, unit, length] = UNITS.find(([from]) => seconds >= from);
  return `${isKnown ? "" : "≥ "}${Math.floor(seconds / length)} ${unit}`;
}

function frameLine(frame) {
  const line = document.createElement("li");
  line.textContent = place(frame);
  line.title = `${frame.file}:${frame.line}`;
  if (frame.text) add(line, "code").textContent = frame.text;
  return line;
}

// `app.py:12 in serve`
export function place({ file, line, function: name }) {
  const base = file.split(/[/\\]/).at(-1);
  return `${base}${line ? `:${line}` : ""}${name ? ` in ${name}` : ""}`;
}

function add(parent, name, className) {
  const element = parent.appendChild(document.createElement(name));
  if (className) element.className = className;
  return element;
}
