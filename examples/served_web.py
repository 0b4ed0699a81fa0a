"""A web service with a prompt in it.

    pip install . aiohttp
    python served_web.py
    keelback attach           # in another terminal

At the prompt: `visits`, `visits.clear()`, `greeting = "Bonjour"`, `await asyncio.sleep(1)`; `:tasks` shows what waits where.
The service goes on meanwhile, and answers with what the prompt has changed.
"""

import asyncio
from collections import Counter

import keelback
from aiohttp import web

greeting = "Hello"
visits: Counter[str] = Counter()


async def hello(request: web.Request) -> web.Response:
    name = request.match_info.get("name", "world")
    visits[name] += 1
    return web.Response(text=f"{greeting}, {name}: visit {visits[name]}\n")


async def main() -> None:
    application = web.Application()
    application.add_routes([web.get("/", hello), web.get("/{name}", hello)])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 8080)
    await site.start()
    try:
        # Cells run in these globals, in this event loop.
        async with keelback.serve(globals(), name="web") as server:
            print("http://127.0.0.1:8080, and a prompt:", server.path)
            await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
