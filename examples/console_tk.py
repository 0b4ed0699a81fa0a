"""A console in the terminal beside a Tk window, whose main loop goes on all the while.

    python examples/console_tk.py

Lines run in the main loop as they are typed, so they may use Tk as they like: try `label["text"] = "hello"`. Ctrl-C drops
the line or interrupts what it runs, Ctrl-D closes the window. On Unix, where Tk can wait for standard input.
"""

import codecs
import os
import signal
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
        self.is_running = False

    def start(self):
        # One of our own: `exit()` closes `sys.stdin`, and Tk is to be told of a file before that is closed.
        self.tk.createfilehandler(os.dup(sys.stdin.fileno()), tkinter.READABLE, self.readable)
        self.show_prompt(False)

    def catch_interrupts(self):
        """Ctrl-C is for lines: a KeyboardInterrupt in the main loop would end it, or whatever callback it comes upon."""
        # Tk waits outside of Python, which handles signals: a byte in a pipe has to end the waiting.
        readable, writable = os.pipe()
        os.set_blocking(writable, False)
        signal.set_wakeup_fd(writable)
        self.tk.createfilehandler(readable, tkinter.READABLE, lambda descriptor, mask: os.read(descriptor, 1))
        signal.signal(signal.SIGINT, self.interrupt)

    def interrupt(self, number, frame):
        if self.is_running:
            raise KeyboardInterrupt
        self.drop_line()

    def drop_line(self):
        self.write("\nKeyboardInterrupt\n")
        self.resetbuffer()
        self.unfinished = ""
        self.show_prompt(False)

    def show_prompt(self, more):
        print("... " if more else ">>> ", end="", flush=True)

    def readable(self, descriptor, mask):
        # Past the buffer of `sys.stdin`, which could hold lines that Tk does not know of.
        data = os.read(descriptor, 4096)
        *lines, self.unfinished = (self.unfinished + self.decoder.decode(data)).split("\n")
        self.is_running = True
        try:
            for line in lines:
                self.show_prompt(self.push(line))
        except KeyboardInterrupt:
            self.drop_line()
        except SystemExit:
            data = b""
        finally:
            self.is_running = False
        if not data:
            self.tk.deletefilehandler(descriptor)
            os.close(descriptor)
            self.ended()


def main():
    root = tkinter.Tk()
    label = tkinter.Label(root, padx=40, pady=40)
    label.pack()

    def tick():
        root.title(time.strftime("%X"))
        root.after(1000, tick)

    tick()
    console = TkConsole(root, {"root": root, "label": label}, ended=root.destroy)
    console.catch_interrupts()
    console.start()
    root.mainloop()
    print()  # the end of the prompt's line


if __name__ == "__main__":
    main()
