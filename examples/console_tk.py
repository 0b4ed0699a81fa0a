"""A console in the terminal beside a Tk window, whose main loop goes on all the while.

    python examples/console_tk.py

Lines run in the main loop as they are typed, so they may use Tk as they like: try `label["text"] = "hello"`. On
Unix, where Tk can wait for standard input.
"""

import codecs
import os
import sys
import time
import tkinter

from keelback import code


class TkConsole(code.InteractiveConsole):
    """Reads standard input from the main loop of *widget*; at the end, or after SystemExit, calls *ended*."""

    def __init__(self, widget, namespace, ended):
        super().__init__(namespace)
        self.tk, self.ended = widget.tk, ended
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.unfinished = ""

    def start(self):
        self.tk.createfilehandler(sys.stdin, tkinter.READABLE, self.readable)
        self.show_prompt(False)

    def show_prompt(self, more):
        print("... " if more else ">>> ", end="", flush=True)

    def readable(self, file, mask):
        # Past the buffer of `sys.stdin`, which could hold lines that Tk does not know of.
        data = os.read(file.fileno(), 4096)
        *lines, self.unfinished = (self.unfinished + self.decoder.decode(data)).split("\n")
        try:
            for line in lines:
                self.show_prompt(self.push(line))
        except SystemExit:
            data = b""
        if not data:
            self.tk.deletefilehandler(file)
            self.ended()


def main():
    root = tkinter.Tk()
    label = tkinter.Label(root, padx=40, pady=40)
    label.pack()

    def tick():
        root.title(time.strftime("%X"))
        root.after(1000, tick)

    tick()
    TkConsole(root, {"root": root, "label": label}, ended=root.destroy).start()
    root.mainloop()


if __name__ == "__main__":
    main()
