//! The text of `docs/terminal.md`.

use std::{fmt::Write, path::PathBuf};

use keelback_editor::{
    edit::{Command, Keymap},
    style::{Color, Style},
    theme::{Theme, kinds},
};
use keelback_prompt::{
    commands::{COMMANDS, LOCAL, SANDBOX, SERVED},
    words::WORDS,
};

/// The file.
pub(crate) fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/terminal.md")
}

const INTRODUCTION: &str = "\
# The terminal prompt

<!-- Written by `cargo run -p keelback-prompt --example reference`; a test compares. -->

`keelback` opens it before a session in a sandbox; `python -m keelback`, of the Python package, before the interpreter
that the package is installed in; `keelback attach` inside a running program ([attach.md](attach.md)).

![the prompt](prompt.svg)

Enter runs a cell that is complete and otherwise opens a line, indented. Tab completes; a second Tab opens a menu in
which further keys narrow the choice. What the history suggests is grey, and Right at the end takes it. Up and Down walk
through lines, then through the history; `C-r` searches it, and `C-r` twice lists what fits. Pasted text goes in as it
is and runs when Enter is pressed. Output of tasks and threads goes above the prompt. While a cell runs, what is typed
waits for the next one, and `C-c` interrupts.

`await` works outside of functions, and tasks go on while the prompt waits. With `--no-async` cells have no event loop, as in
`python3`: `await` outside of a function is a SyntaxError.

Where no theme is configured the terminal is asked for its background once, below the first prompt. The answer reaches no
cell: one that was typed ahead waits for it, at most 100 ms.
";

const KEYS: &str = "
## Keys

`C-` is Ctrl, `M-` Alt (or Escape before the key), `S-` Shift. Keys that only some terminals can tell from others, such
as `C-Enter`, work where the terminal speaks kitty's keyboard protocol or xterm's modified keys. The third column is for
`keys = \"vi\"` while text is typed, where that differs.

";

const VI: &[(&str, &str)] = &[
    ("h l Space", "left, right"),
    ("j k", "down, up; beyond the cell, through the history"),
    ("0 ^ $", "start of the line, its first character, its end"),
    ("w b e W B E", "words, and words between blanks"),
    ("f F t T ; ,", "to a character in the line, and on to the next"),
    ("{ }", "paragraphs"),
    ("gg G", "first line, last line or the one counted"),
    ("%", "the bracket that goes with this one"),
    ("d c y > <", "delete, change, yank, indent, dedent: before a motion, an object, or doubled for lines"),
    ("iw aw i\" a\" i( a( i[ i{ ib iB", "objects: the word, what is in quotes or brackets"),
    ("x X s S D C Y", "the usual short forms"),
    ("r ~ J", "replace a character, change its case, join lines"),
    ("p P", "put after, before"),
    ("i a I A o O", "type text again"),
    (
        "v V",
        "select characters or lines; then a motion or object, `o` for the other end, and an operator, `r`, `J`, `p`",
    ),
    ("~ u U", "on a selection: other case, lower, upper"),
    ("\"a ... \"z", "before a command: the register it uses; \"A appends, \"+ is the clipboard, \"_ nowhere"),
    ("qa q @a @@", "record a macro, end it, play it, play the last again"),
    ("u C-r .", "undo, redo, repeat the last change"),
    ("/ ?", "search the history: older, newer"),
    ("1 ... 9", "counts"),
];

const COMMANDS_TEXT: &str = "
## Commands

A line that begins with a colon is a command of the prompt. `:time` may be followed by a cell of several lines.

";

const WORDS_TEXT: &str = "
These words are commands while no variable has the name:

";

const HELP_TEXT: &str = "
In help mode (`help`, F1) a name, keyword, module or topic shows its documentation. `q`, `quit`, `exit`, an empty line's
`C-d` or F1 leads back to the cell that was being written. Nothing of it goes to the history.

## Configuration

`$XDG_CONFIG_HOME/keelback/config.toml`, which is `~/.config/keelback/config.toml` where the variable is not set. What is
wrong in it is told when the prompt starts, and the rest counts.

";

/// A configuration file with everything in it.
pub(crate) const CONFIGURATION: &str = "\
theme = \"dark\"                 # dark, light or none; without it the terminal's background decides
keys = \"emacs\"                 # or vi
images = \"kitty\"               # none, kitty, iterm2 or sixel; without it the environment decides
history = \"/path/to/history\"

[styles]                       # single kinds of text
keyword = \"bold blue\"
suggestion = \"italic 245\"
found = \"black on #ffd75f\"

[bindings]                     # keys to commands; \"\" takes a key's command away
\"M-r\" = \"run-now\"
\"C-x C-c\" = \"interrupt\"
\"C-o\" = \"\"
";

const THEMES: &str = "
## Themes

A style is written in words: `bold`, `dim`, `italic`, `underline`, `reverse`, a colour, `on` and the colour behind. A
colour is one of black, red, green, yellow, blue, magenta, cyan and white, also `bright`; `gray`; a number to 255; or
`#rrggbb`. The theme `none` writes no colours and no styles at all. The names of the kinds, and what they are in the
themes that come with the prompt:

";

const REST: &str = "
## Environment

| variable | what it decides |
| --- | --- |
| `KEELBACK_CONFIG` | the configuration file |
| `KEELBACK_HISTORY` | the history file |
| `PYTHON_HISTORY` | CPython's own history file: it is used, and kept in its format |
| `XDG_CONFIG_HOME`, `XDG_STATE_HOME` | the folders of the two files |
| `PYTHON_COLORS`, `NO_COLOR`, `FORCE_COLOR` | colours or none, in CPython's order |
| `TERM` | `dumb` or nothing: a plain prompt, line by line |
| `PYTHON_BASIC_REPL`, `PYTHONSTARTUP` | as in CPython; for the prompt of the Python package |
| `VISUAL`, `EDITOR` | what edits a cell; else `vi` |
| `MANPAGER`, `PAGER` | what shows long text; else `less -R` |
| `KITTY_WINDOW_ID`, `TERM_PROGRAM`, `LC_TERMINAL`, `TMUX`, `STY` | how images are shown, if at all |

## Values and tracebacks

A value that fits on a line is shown as its `repr`; a container that does not, over several lines, in colour. A value takes
100 rows of the window at most, and 20,000 characters: of strings, bytes and long `repr`s the middle is left out, of
containers the end, and a line says how much. `_` is the whole value and `print(_)` shows all of it. Of `str`, `bytes`,
`bytearray` and containers only what is shown is made into text; the `repr` of another object is made whole, and cut then.

A traceback has the same limits. Of a line that is longer than a quarter of them the middle is left out, such as of a long
message; then the lines in the middle, if there are too many. `sys.last_value` is the exception with all there is.

Both are of the prompt: `keelback run`, `keelback.code` and what a program prints have no such limits.

## History

`$XDG_STATE_HOME/keelback/history` or `~/.local/state/keelback/history`, readable by its owner only. Every prompt appends
its cells as they run and finds those of others; Up walks through the session's own cells before the others. A cell is a
record in UTF-8 that ends in the bytes NUL and LF, so that lines of a cell stay together. A cell that begins with a space
or repeats the one before is not recorded. The file keeps the newest 100,000 cells. The prompt of the Python package
begins a history that is not there yet with the cells of `~/.python_history`, which is only read.

## What it does not do

- The mouse: selecting and scrolling are the terminal's.
- vi's marks, blocks and command line. `\"+` copies to the system's clipboard; what others put there is pasted by the
  terminal's own key.
- Text that runs from right to left is shown in the order it is stored, as terminals do by themselves.
- Checking a cell's syntax or types while it is written: only what can begin no token is marked.
- Images within tmux or screen.
- Narrow a window of tmux without a trace when the rows do not fill it: tmux then moves rows of the cell into its
  scrollback, out of reach. What the window shows is right.
- Windows, but for WSL: it compiles, and nobody has run it ([decision 14](decisions/0014-windows.md)).
";

/// The whole text.
pub(crate) fn text() -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str(KEYS);
    keys(&mut text);
    text.push_str("\nIn vi's normal mode, which Escape leads to, other keys are as above:\n\n");
    table(&mut text, ["keys", "what they do"], VI.iter().map(|(keys, does)| [each(keys.split(' ')), (*does).into()]));
    text.push_str(COMMANDS_TEXT);
    let of =
        |table: &'static [_], of| table.iter().filter(|command| !LOCAL.contains(command)).map(move |row| (row, of));
    let rows = COMMANDS.iter().chain(LOCAL).map(|command| (command, "all"));
    let rows = rows.chain(of(SANDBOX, "sandbox")).chain(of(SERVED, "attached"));
    table(
        &mut text,
        ["command", "what it does", "sessions"],
        rows.map(|((name, argument, does), of)| {
            [format!("`{}`", format!(":{name} {argument}").trim_end()), (*does).into(), of.into()]
        }),
    );
    text.push_str(WORDS_TEXT);
    table(
        &mut text,
        ["word", "what it does"],
        WORDS.iter().map(|(word, _, does)| [format!("`{word}`"), (*does).into()]),
    );
    text.push_str(HELP_TEXT);
    writeln!(text, "```toml\n{CONFIGURATION}```").expect("a string takes all");
    text.push_str(THEMES);
    let (dark, light) = (Theme::dark(), Theme::light());
    table(
        &mut text,
        ["kind", "dark", "light"],
        kinds().map(|(name, kind)| [format!("`{name}`"), words(dark.style(kind)), words(light.style(kind))]),
    );
    text.push_str(REST);
    text
}

fn keys(text: &mut String) {
    let (emacs, vi) = (Keymap::emacs(), Keymap::vi());
    table(
        text,
        ["command", "keys", "vi", "what it does"],
        Command::ALL.iter().map(|command| {
            let (in_emacs, in_vi) = (emacs.keys_of(*command), vi.keys_of(*command));
            let other = if in_vi == in_emacs { String::new() } else { each(in_vi.iter().map(String::as_str)) };
            let keys = each(in_emacs.iter().map(String::as_str));
            [format!("`{}`", command.name()), keys, other, command.description().into()]
        }),
    );
}

fn each<'a>(keys: impl Iterator<Item = &'a str>) -> String {
    keys.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" ")
}

fn table<const N: usize>(text: &mut String, head: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    let line = |text: &mut String, cells: [String; N]| {
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        let row = format!("| {} |", cells.join(" | "));
        writeln!(text, "{}", row.replace("|  |", "| |")).expect("a string takes all");
    };
    line(text, head.map(str::to_owned));
    line(text, [(); N].map(|()| "---".to_owned()));
    rows.for_each(|row| line(text, row));
}

/// A style as it is written in the configuration.
fn words(style: Style) -> String {
    let mut words = Vec::new();
    for (set, word) in [
        (style.bold, "bold"),
        (style.dim, "dim"),
        (style.italic, "italic"),
        (style.underline, "underline"),
        (style.reverse, "reverse"),
    ] {
        words.extend(set.then(|| word.to_owned()));
    }
    words.extend(style.foreground.map(color));
    words.extend(style.background.map(|background| format!("on {}", color(background))));
    words.join(" ")
}

fn color(color: Color) -> String {
    const NAMES: [&str; 8] = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
    match color {
        Color::Palette(index @ 0..8) => NAMES[usize::from(index)].to_owned(),
        Color::Palette(index) => format!("bright {}", NAMES[usize::from(index % 8)]),
        Color::Fixed(index) => index.to_string(),
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
    }
}
