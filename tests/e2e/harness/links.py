"""Ways between two processes of this machine that can be bad: a proxy for TCP connections.

cut: what is connected is reset, and so is whoever comes; hold: nothing goes through, in both directions or in one (up: from who
connected), and then all of it does; lose: likewise, but in the end the connections are gone, as behind a router that forgot them;
slow: each piece takes a while; slice: what was sent in one piece comes in many."""

import asyncio
import contextlib
import random
import socket
import struct
import threading

SLOW_S = 0.1
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER
PIECE = 65536


class Way:
    """The two ends of one connection. sent: what came from who connected, where it is kept."""

    def __init__(self, *writers):
        self.writers, self.sent = writers, bytearray()

    def close(self):
        """When all is written."""
        for writer in self.writers:
            writer.close()

    def reset(self):
        for writer in self.writers:
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            writer.transport.abort()


class Link:
    """Listens at `port`; whoever connects there is connected to `target`. Runs in a thread of its own. keeps: every Way is kept in
    `ways`, with what was sent over it."""

    def __init__(self, target=None, keeps=False):
        self.target = target  # a port
        self.keeps, self.ways = keeps, []
        self.fault = None
        self._ways = set()
        self._chance = random.Random(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._open = self._call(self._event())
        self._server = self._call(asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024))
        self.port = self._server.sockets[0].getsockname()[1]

    async def _event(self):
        event = asyncio.Event()
        event.set()
        return event

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    def set(self, fault):
        self._call(self._set(fault))

    def heal(self):
        self._call(self._heal())

    def is_idle(self):
        return not self._ways

    def close(self):
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _set(self, fault):
        self.fault = fault
        if fault == "cut":
            self._reset_all()
        elif fault.startswith("hold") or fault == "lose":
            self._open.clear()

    async def _heal(self):
        if self.fault == "lose":
            self._reset_all()
        self.fault = None
        self._open.set()

    async def _end(self):
        self._server.close()
        self._reset_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _reset_all(self):
        for way in list(self._ways):
            way.reset()

    async def _connected(self, reader, writer):
        way = Way(writer)
        self._ways.add(way)
        if self.keeps:
            self.ways.append(way)
        try:
            if self.fault == "cut":
                way.reset()
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            way.writers = (writer, far_writer)
            await asyncio.gather(self._carry(reader, far_writer, "up", way), self._carry(far_reader, writer, "down", way))
            way.close()
        except OSError:
            way.reset()  # one end is gone: so is the other
        finally:
            self._ways.discard(way)

    async def _carry(self, reader, writer, direction, way):
        while data := await reader.read(PIECE):
            if self.keeps and direction == "up":
                way.sent += data
            if self.fault in ("hold", "lose", f"hold-{direction}"):
                await self._open.wait()
            if self.fault == "slow":
                await asyncio.sleep(SLOW_S)
            for piece in self._pieces(data):
                writer.write(piece)
                await writer.drain()
        writer.write_eof()

    def _pieces(self, data):
        while data and self.fault == "slice":
            size = self._chance.randint(1, 64)
            yield data[:size]
            data = data[size:]
        yield data
