"""The page of `keelback attach --web` in headless Chromium, before a program that speaks as the test wants it to."""

import json
import re
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from pages import ROWS, TASKS, PageCase

BACKGROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 29)"}
SPANS = "document.querySelectorAll('.xterm-rows span')"
LOOKS = "[span.textContent, getComputedStyle(span).color, span.style.backgroundColor]"


def contrast(one, other):
    """The contrast ratio of two colours, as WCAG 2 defines it."""
    lights = []
    for color in (one, other):
        channels = [int(number) / 255 for number in re.findall(r"\d+", color)[:3]]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


class PageTest(PageCase):
    def setUp(self):
        super().setUp()
        socket = self.folder + "/socket"
        program = Path(__file__).with_name("program.py")
        self.program = self.start([sys.executable, str(program), socket], stdin=subprocess.PIPE)
        self.assertEqual(self.program.stdout.readline(), "ready\n")
        self.command = self.attach(socket)
        self.assertIn("shop.py", self.command.title)

    def tell(self, code):
        """Run a line in the program itself."""
        self.program.stdin.write(code + "\n")
        self.program.stdin.flush()

    def test_cells_tasks_and_output(self):
        page = self.open_prompt()
        self.assertRegex(page.evaluate("location.href"), r"^http://127\.0\.0\.1:\d+/[0-9a-f]{32}/$")
        self.assertEqual(page.evaluate("document.title"), "shop.py – keelback")
        page.type("1+1")
        page.enter()
        page.wait(ROWS + r".match(/>>> 1\+1 *\n+2 *\n/)")
        page.type("later = asyncio.create_task(work(), name='of the prompt')")
        page.enter()
        page.wait(TASKS + " === 'nightly,of the prompt,order 1841'")
        page.click("[aria-label='Cancel task nightly']")
        page.wait("document.getElementById('confirm').open")
        self.assertEqual(page.evaluate("document.activeElement.textContent"), "Keep it")
        page.key("Escape", number=27)
        page.wait("!document.getElementById('confirm').open")
        page.click("[aria-label='Cancel task nightly']")
        page.wait("document.getElementById('confirm').open")
        page.click("#confirm [value=yes]")
        page.wait(TASKS + " === 'of the prompt,order 1841'")
        self.tell("server.printed('out', 'order 1841 is paid\\n'); server.printed('err', 'no stock <b>\\x1b[0m\\n')")
        page.wait("document.querySelector('#log .out')?.textContent === 'order 1841 is paid'")
        page.wait("document.querySelector('#log .err')?.textContent === 'no stock <b>'")
        self.assertEqual(page.complaints(), [])

    def test_output_is_held_and_cleared(self):
        page = self.open_prompt()
        self.tell("server.printed('out', 'one')")
        page.wait("document.querySelector('#log').textContent === 'one'")
        page.click("#pause")
        self.tell("server.printed('out', ' and two\\n'); server.printed('err', 'three')")
        page.wait("document.querySelector('#pause').textContent === 'Resume (2)'")
        self.assertEqual(page.evaluate("document.querySelector('#log').textContent"), "one")
        page.click("#pause")
        page.wait("document.querySelector('#log .out').textContent === 'one and two'")
        page.wait("document.querySelector('#log .err').textContent === 'three'")
        page.click("#clear")
        page.wait("document.querySelector('#log').childElementCount === 0")

    def test_a_reload_finds_the_prompt_again_and_another_tab_has_its_own(self):
        page = self.open_prompt()
        page.type("x = 'kept'")
        page.enter()
        page.type("x")
        page.enter()
        page.wait(ROWS + ".match(/\\n'kept'/)")
        page.evaluate("void location.reload()")
        page.wait("document.getElementById('state').dataset.state === 'connected'")
        page.wait(ROWS + ".match(/>>> x *\\n+'kept' *\\n+>>>/)")
        page.type("x * 2")
        page.enter()
        page.wait(ROWS + ".includes('keptkept')")
        other = self.open(page.evaluate("location.href"))
        other.wait(ROWS + ".includes('>>>')")
        self.assertNotIn("kept", other.evaluate(ROWS))

    def test_the_token_is_good_for_one_browser(self):
        self.open_prompt()
        page = self.open(context=self.browser.context())
        page.wait("document.body?.innerText.includes('Press Enter there for another one')")

    def test_a_loop_that_is_held(self):
        page = self.open_prompt()
        frame = {"file": "/srv/report.py", "line": 12, "function": "totals", "text": "time.sleep(0.4)"}
        event = {"event": "held", "held_s": 0.35, "frames": [frame]}
        self.tell(f"[connection.send({event}) for connection in server.connections if connection.tails]")
        page.wait("!document.getElementById('held').hidden")
        self.assertEqual(page.evaluate("document.getElementById('held-where').textContent"),
                         "report.py:12 in totals: time.sleep(0.4)")
        page.click("#held-close")
        self.assertTrue(page.evaluate("document.getElementById('held').hidden"))

    def test_keys_go_from_pane_to_pane(self):
        page = self.open_prompt()
        self.tell("server.printed('out', 'one')")
        page.wait("document.querySelector('#log').textContent === 'one'")
        page.wait("document.querySelectorAll('.task').length === 2")
        pane = "document.activeElement.closest('section').id"
        self.assertEqual(page.evaluate(pane), "prompt")
        seen = []
        for modifiers in (0, 0, 0, 8):
            page.key("F6", number=117, modifiers=modifiers)
            seen.append(page.evaluate(pane))
        self.assertEqual(seen, ["tasks", "output", "prompt", "output"])
        self.assertEqual(page.evaluate("document.documentElement.lang"), "en")
        # Within a pane it is Tab that goes on: to a task, to the button that cancels it, to the next task.
        page.key("F6", number=117, modifiers=8)
        reached = []
        focused = "document.activeElement"
        for _ in range(3):
            reached.append(page.evaluate(f"{focused}.ariaLabel ?? {focused}.innerText.split('\\n')[0]"))
            page.key("Tab", number=9)
        self.assertEqual(reached, ["nightly", "Cancel task nightly", "order 1841"])
        named = "element.ariaLabel || element.textContent.trim() || element.getAttribute('aria-labelledby')"
        reached = "document.querySelectorAll('button:not(#notice *), textarea, [tabindex=\"0\"]')"
        nameless = page.evaluate(f"[...{reached}].filter(element => !({named})).map(element => element.outerHTML)")
        self.assertEqual(nameless, [])

    def test_colours_follow_the_scheme(self):
        page = self.open_prompt(scheme="light")
        codes = {"palette": "31", "fixed": "38;5;22", "exact": "38;2;240;240;240"}
        printed = "".join(rf"\x1b[{code}m{name}\x1b[m " for name, code in codes.items())
        page.type(f"print('{printed}')  # coloured")
        page.enter()
        page.wait(ROWS + ".includes('palette fixed exact')")
        color = f"getComputedStyle([...{SPANS}].find(span => span.textContent.trim() === '{{}}')).color"
        seen = {"palette": set(), "fixed": set(), "exact": set(), ">>>": set()}
        for scheme, red in (("light", "rgb(179, 38, 30)"), ("dark", "rgb(240, 113, 120)"), ("light", "rgb(179, 38, 30)")):
            page.scheme(scheme)
            page.wait(f"{color.format('palette')} === '{red}'")
            for text, colors in seen.items():
                colors.add(page.evaluate(color.format(text)))
            shown = page.evaluate(f"[...{SPANS}].filter(span => span.textContent.trim()).map(span => {LOOKS})")
            for text, fore, back in shown:
                with self.subTest(scheme=scheme, text=text):
                    self.assertGreater(contrast(fore, back or BACKGROUNDS[scheme]), 4.4)
        self.assertEqual({len(colors) for colors in seen.values()}, {2})
        self.assertIn("rgb(240, 240, 240)", seen["exact"])
        self.assertEqual(page.complaints(), [])

    def test_sizes_and_schemes(self):
        address = self.open_prompt().evaluate("location.href")
        style = "getComputedStyle(document.querySelector('.xterm-{}')).backgroundColor"
        box = "JSON.stringify(document.getElementById('{}').getBoundingClientRect())"
        for width, height in ((1280, 800), (390, 800)):
            for scheme, color in BACKGROUNDS.items():
                with self.subTest(width=width, scheme=scheme):
                    page = self.open_prompt(url=address, width=width, height=height, scheme=scheme)
                    page.type("def f(x):")
                    page.enter()
                    page.wait(ROWS + ".includes('... ')")
                    page.wait("document.querySelectorAll('.task').length")
                    self.assertEqual(page.evaluate(style.format("scrollable-element")), color)
                    self.assertEqual(page.evaluate(style.format("viewport")), "rgba(0, 0, 0, 0)")
                    for pane in ("prompt", "tasks", "output"):
                        edges = json.loads(page.evaluate(box.format(pane)))
                        self.assertGreater(edges["height"], 100)
                        self.assertLessEqual(edges["right"], width)
                        self.assertLessEqual(edges["bottom"], height)
                    self.picture(page, f"{width}-{scheme}")

    def test_the_end_of_the_program(self):
        page = self.open_prompt()
        self.program.kill()
        page.wait("document.getElementById('notice').innerText.includes('The program has ended.')")
        self.assertEqual(self.command.wait(20), 1)

    def test_the_end_of_the_command(self):
        page = self.open_prompt()
        self.command.send_signal(signal.SIGINT)
        page.wait("document.getElementById('notice').innerText.includes('was stopped')")
        self.assertEqual(self.command.wait(20), 0)


if __name__ == "__main__":
    unittest.main()
