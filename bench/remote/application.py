"""The application that is looked into: an event loop with a heartbeat of 1 ms, and one server of a prompt in it.

    application.py SERVER ENDPOINT BEATS

SERVER: none, keelback, aioconsole, aiomonitor, manhole or ipykernel. Prints one line of JSON when the server stands:
how long the loop was held by its start, and what that cost in memory. On SIGTERM the times of the beats
(`time.monotonic`, which the client's clock can be compared with) go to the file BEATS as doubles.
"""

import array
import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time

BEATS = array.array("d")
PEER, SILENT = socket.socketpair()  # for a cell that waits in recv


def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def namespace():
    names = {"__name__": "__main__", "asyncio": asyncio, "time": time, "threading": threading, "SILENT": SILENT}
    return names | {f"name_{i}": i for i in range(200)}


async def heartbeat():
    while True:
        BEATS.append(time.monotonic())
        await asyncio.sleep(0.001)


async def start(server, endpoint):
    """Start *server*; what it returns is to be kept."""
    if server == "keelback":
        import keelback

        return keelback.serve(namespace(), path=endpoint)
    if server == "aioconsole":
        import aioconsole

        def console(streams):
            return aioconsole.AsynchronousConsole(locals=namespace(), streams=streams)

        return await aioconsole.start_interactive_server(path=endpoint, banner="", factory=console)
    if server == "aiomonitor":
        import aiomonitor

        ports = dict(zip(("port", "webui_port", "console_port"), map(int, endpoint.split(","))))
        return aiomonitor.start_monitor(asyncio.get_running_loop(), **ports, locals=namespace())
    if server == "manhole":
        import manhole

        return manhole.install(socket_path=endpoint, locals=namespace(), verbose=False)
    if server == "ipykernel":
        from ipykernel.kernelapp import IPKernelApp

        app = IPKernelApp.instance()
        app.initialize([f"--IPKernelApp.connection_file={endpoint}", "--IPKernelApp.quiet=True"])
        app.kernel.user_ns = namespace()
        app.shell.set_completer_frame()
        app.kernel.start()
        return app
    return None


async def main(server, endpoint, beats):
    if server == "keelback":
        import keelback._native  # the extension's own image is counted apart  # noqa: F401
    beating = asyncio.create_task(heartbeat())
    await asyncio.sleep(0.3)
    memory, begin = resident_mb(), time.monotonic()
    kept = await start(server, endpoint)
    end = time.monotonic()
    await asyncio.sleep(0.5)
    print(json.dumps({"held_ms": (end - begin) * 1e3, "memory_mb": resident_mb() - memory}), file=sys.__stdout__, flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    beating.cancel()
    with open(beats, "wb") as file:
        BEATS.tofile(file)
    del kept
    os._exit(0)  # the rivals' threads would wait for their clients


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
