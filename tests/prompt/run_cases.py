#!/usr/bin/env python3
"""Types at a prompt inside tmux and looks at the screen. Python >= 3.11 and tmux, nothing else.

  run_cases.py --front local --cmd 'python3 -m keelback -q' [-k SUBSTRING] [-v] [-j JOBS]
  run_cases.py --front sandbox --cmd target/release/keelback

cases.toml holds the cases. Keys are a list of literal strings, "<Key>" names as tmux knows them (<Enter> <Up> <C-r>
<M-b> <F3> <BSpace> <DC> <PPage> <NPage> <Tab> <Escape> ...) and tables: {paste="text"} is pasted the way a terminal
does it, {wait=0.5} waits, {resize=[40, 10]} resizes the window, {run="1+1"} types a line and Enter. Expectations, all
optional, all of which must hold:
  screen      the last lines on the screen, exactly (right-trimmed; blank lines at the end ignored)
  cursor      [column, row]; row 0 is the first line of `screen`
  contains / absent   strings that must / must not be anywhere on screen or in scrollback
  matches     regular expressions over the same text
  styled      regular expressions over the text with SGR escapes kept
  exit        exit status of the program (it must have ended)
  history     lines of the history file after the program ended ("\\r" shows a joined line)
"""
import argparse, concurrent.futures as cf, json, os, re, shlex, shutil, subprocess, sys, tempfile, time, tomllib
from pathlib import Path

KEY = re.compile(r"<([A-Za-z0-9][A-Za-z0-9-]*|C-.|M-.)>\Z")


class Tmux:
    def __init__(self, cmd, env, cols, rows, cwd):
        self.dir = cwd
        self.sock = cwd + "/tmux.sock"
        (Path(cwd) / "tmux.conf").write_text(
            "set -g default-terminal tmux-256color\nset -g remain-on-exit on\nset -s escape-time 0\n"
            "set -g history-limit 20000\nset -g status off\nset -g remain-on-exit-format ''\n")
        base = {k: v for k, v in os.environ.items()
                if not re.match(r"PYTHON(?!PATH)|NO_COLOR|FORCE_COLOR|CLICOLOR|TMUX|IPYTHON|COLUMNS|LINES|TERM$", k)}
        self.base = base | {"HOME": cwd, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        sh = ("trap : INT; env " + " ".join(shlex.quote(f"{k}={v}") for k, v in env.items()) + " "
              + shlex.join(cmd) + f"; echo $? >{cwd}/status")
        self.t("-f", cwd + "/tmux.conf", "new-session", "-d", "-s", "s", "-x", str(cols), "-y", str(rows),
               "-c", cwd, sh)

    def t(self, *a, check=True, text=True):
        return subprocess.run(["tmux", "-S", self.sock, *a], env=self.base, check=check,
                              capture_output=True, text=text, timeout=20).stdout

    def screen(self, styled=False):
        return self.t("capture-pane", "-p", *(["-e"] if styled else []), "-t", "s", "-S", "-20000")

    def info(self):
        x, y, h, dead = self.t("display-message", "-p", "-t", "s",
                               "#{cursor_x} #{cursor_y} #{history_size} #{pane_dead}").split()
        f = Path(self.dir, "status")         # tmux's own pane_dead_status is not always there
        return int(x), int(y) + int(h), dead == "1", int(f.read_text() or -1) if f.exists() else -1

    def stable(self, quiet=0.09, limit=8.0):
        last, since, end = None, time.time(), time.time() + limit
        while time.time() < end:
            cur = (self.screen(), self.info()[:2])
            if cur != last:
                last, since = cur, time.time()
            elif time.time() - since >= quiet:
                return
            time.sleep(0.02)

    def keys(self, items, wait_prompt):
        for it in items:
            if isinstance(it, dict):
                if "wait" in it:
                    time.sleep(it["wait"])
                elif "paste" in it:
                    subprocess.run(["tmux", "-S", self.sock, "load-buffer", "-"], env=self.base,
                                   input=it["paste"], text=True, check=True)
                    self.t("paste-buffer", "-p", "-t", "s")
                elif "resize" in it:
                    self.t("resize-window", "-t", "s", "-x", str(it["resize"][0]), "-y", str(it["resize"][1]))
                elif "run" in it:
                    self.t("send-keys", "-t", "s", "-l", "--", re.sub(r";\Z", r"\\;", it["run"]))
                    self.stable()
                    self.t("send-keys", "-t", "s", "Enter")
            elif m := KEY.match(it):
                self.t("send-keys", "-t", "s", "--", m.group(1))
            elif it:
                self.t("send-keys", "-t", "s", "-l", "--", re.sub(r";\Z", r"\\;", it))
            if self.info()[2]:
                return
            self.stable()

    def close(self):
        self.t("kill-server", check=False)


def run_case(c, a):
    tmp = tempfile.mkdtemp(prefix="replcase-")
    hist = tmp + "/history"
    if c.get("history_in"):
        Path(hist).write_text("".join(x + "\n" for x in c["history_in"]), newline="")
    for name, text in c.get("files", {}).items():
        (Path(tmp) / name).parent.mkdir(parents=True, exist_ok=True)
        (Path(tmp) / name).write_text(text)
    env = {"PYTHON_HISTORY": hist, **({"NO_COLOR": "1"} if not c.get("color") else {}), **c.get("env", {})}
    env = {k: v.replace("{tmp}", tmp) for k, v in env.items()}
    cols, rows = c.get("size", [80, 24])
    cmd = shlex.split(a.cmd) + [x.replace("{tmp}", tmp) for x in c.get("args", [])]
    if a.history_env != "PYTHON_HISTORY":
        env[a.history_env] = env.pop("PYTHON_HISTORY")
    env["KEELBACK_CONFIG"] = tmp + "/config.toml"
    t = Tmux(cmd, env, cols, rows, tmp)
    try:
        end = time.time() + 20
        want = c.get("ready", a.ps1.strip())
        while want not in t.screen() and time.time() < end:
            time.sleep(0.03)
        t.stable()
        t.keys(c["keys"], a.ps1)
        if "exit" in c or "history" in c:
            end = time.time() + 5
            while not t.info()[2] and time.time() < end:
                time.sleep(0.05)
        text = t.screen()
        x, y, dead, status = t.info()
        lines = [l.rstrip() for l in text.split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        fail = []
        sub = lambda s: re.sub(r"^(>>> |>>>$)", a.ps1, re.sub(r"^(\.\.\. |\.\.\.$)", a.ps2, s)).rstrip()
        if "screen" in c:
            exp = [sub(s) for s in c["screen"]]
            while exp and not exp[-1]:
                exp.pop()
            top = len(lines) - len(exp)
            if lines[max(top, 0):] != exp:
                fail.append("screen")
        else:
            top = 0
        if "cursor" in c and [x, y - top] != c["cursor"]:
            fail.append(f"cursor is {[x, y - top]}")
        joined = "\n".join(lines)
        fail += [f"lacks {s!r}" for s in c.get("contains", []) if s not in joined]
        fail += [f"has {s!r}" for s in c.get("absent", []) if s in joined]
        fail += [f"no match {s!r}" for s in c.get("matches", []) if not re.search(s, joined, re.M)]
        if "styled" in c:
            st = t.screen(styled=True)
            fail += [f"no style {s!r}" for s in c["styled"] if not re.search(s, st)]
        if "exit" in c and (not dead or status != c["exit"]):
            fail.append(f"exit status {status if dead else 'still running'}")
        if "history" in c:
            got = Path(hist).read_bytes().decode().split("\n")[:-1] if Path(hist).exists() else None
            if got != c["history"]:
                fail.append(f"history is {got}")
        return c["name"], fail, lines[-14:], [x, y - len(lines)]
    except (subprocess.SubprocessError, ValueError) as e:
        return c["name"], [f"harness: {e}"], [], None
    finally:
        t.close()
        shutil.rmtree(tmp, ignore_errors=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--cmd", required=True); ap.add_argument("--front", choices=["local", "sandbox"], required=True)
    ap.add_argument("--ps1", default=">>> "); ap.add_argument("--ps2", default="... ")
    ap.add_argument("--history-env", default="PYTHON_HISTORY")
    ap.add_argument("-k", default=""); ap.add_argument("-v", action="store_true")
    ap.add_argument("-j", type=int, default=2); ap.add_argument("--json")
    a = ap.parse_args()
    if not shutil.which("tmux"):
        sys.exit("run_cases.py: tmux is not installed (apt-get install tmux)")
    cases = [c for c in tomllib.loads(Path(__file__).with_name("cases.toml").read_text())["case"]
             if (a.k in c["name"] or a.k == c.get("area")) and a.front in c.get("only", [a.front])]
    res, bad = {}, 0
    with cf.ThreadPoolExecutor(a.j) as ex:
        for name, fail, tail, cur in ex.map(lambda c: run_case(c, a), cases):
            res[name] = fail
            bad += bool(fail)
            if fail or a.v:
                print(("FAIL " if fail else "ok   ") + name, "; ".join(fail))
                print("".join(f"     | {l}\n" for l in tail), end="")
                if cur:
                    print("     cursor", cur)
    print(f"{len(cases) - bad} of {len(cases)} cases hold for: {a.cmd}")
    if a.json:
        Path(a.json).write_text(json.dumps({"cmd": a.cmd, "results": res}, indent=1))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
