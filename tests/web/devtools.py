"""A browser to test with: headless Chromium, driven by the DevTools protocol over pipes."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find():
    """The browser's path; None if none is installed."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A browser with a profile of its own in `folder`."""

    def __init__(self, folder):
        # The protocol is spoken on file descriptors 3 and 4.
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        command = [find(), "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={folder}",
                   "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                   "--disable-background-networking", "--disable-component-update", "--no-sandbox", "about:blank"]
        script = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command], pass_fds=(to_read, to_write),
            env=os.environ | {"HOME": folder}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self._received = b""
        self._number = 0
        self._events = []

    def call(self, method, session=None, **params):
        """The result of a command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") != self._number:
                self._events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']['message']}")
            else:
                return answer["result"]

    def _message(self, timeout=30):
        while b"\0" not in self._received:
            if not select.select([self._read], [], [], timeout)[0]:
                raise TimeoutError("the browser does not answer")
            received = os.read(self._read, 1 << 16)
            if not received:
                raise RuntimeError("the browser has ended")
            self._received += received
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def page(self, width=1280, height=800, scheme="light", context=None):
        """A new tab, in a browser context of its own if one is named."""
        return Page(self, width, height, scheme, context)

    def context(self):
        """A browser context: nothing is shared with others, as between two browsers."""
        return self.call("Target.createBrowserContext")["browserContextId"]

    def events(self, session):
        """What a tab has told so far."""
        return [event for event in self._events if event.get("sessionId") == session]

    def close(self):
        for descriptor in (self._write, self._read):
            os.close(descriptor)
        self._process.wait()


class Page:
    """A tab."""

    def __init__(self, browser, width, height, scheme, context):
        self._browser = browser
        place = {"browserContextId": context} if context else {}
        self._target = browser.call("Target.createTarget", url="about:blank", **place)["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        self.call("Runtime.enable")
        self.call("Log.enable")
        self.resize(width, height)
        self.scheme(scheme)

    def call(self, method, **params):
        return self._browser.call(method, self._session, **params)

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scheme(self, name):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def open(self, url):
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", expression))
        return answer["result"].get("value")

    def wait(self, condition, timeout=20):
        """Wait until a JavaScript expression is true; its value."""
        end = time.monotonic() + timeout
        while True:
            try:
                if value := self.evaluate(condition):
                    return value
            except RuntimeError:
                pass  # the page is changing
            if time.monotonic() > end:
                text = self.evaluate("document.body.innerText")
                raise TimeoutError(f"never true: {condition}\n{text}")
            time.sleep(0.02)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def key(self, key, code=None, number=0, text=None, modifiers=0):
        """Press and release a key; `text` is what it types."""
        common = {"key": key, "code": code or key, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        down = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **common, **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def enter(self):
        self.key("Enter", number=13, text="\r")

    def click(self, selector):
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def complaints(self):
        """What the browser's console has against the page."""
        found = []
        for event in self._browser.events(self._session):
            params = event["params"]
            if event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            if event["method"] == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                found.append(details.get("exception", {}).get("description") or details["text"])
            if event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
                found.append(" ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"]))
        return found

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self._browser.call("Target.closeTarget", targetId=self._target)
