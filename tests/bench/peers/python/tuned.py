"""Starlette and confluent-kafka (librdkafka), a process for each core."""

import asyncio
import contextlib
import datetime
import hashlib
import hmac
import os
import secrets
import threading

import orjson
import uvicorn
from confluent_kafka import KafkaException, Producer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

with open(os.environ["ROUTES"], "rb") as file:
    ROUTES = orjson.loads(file.read())


class AwaitableProducer:
    """Hands librdkafka's delivery reports to asyncio."""

    def __init__(self):
        self._producer = Producer({"bootstrap.servers": os.environ["BROKERS"], "acks": "all", "linger.ms": 1,
                                   "message.timeout.ms": 2500})
        self._loop = asyncio.get_running_loop()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._poll)
        self._thread.start()

    def _poll(self):
        while not self._is_stopping:
            self._producer.poll(0.1)

    @staticmethod
    def _settle(report, error):
        if report.done():
            return
        if error:
            report.set_exception(KafkaException(error))
        else:
            report.set_result(None)

    def send(self, topic, key, value, headers):
        report = self._loop.create_future()
        self._producer.produce(topic, value, key, headers=headers, on_delivery=lambda error, _:
                               self._loop.call_soon_threadsafe(self._settle, report, error))
        return report

    def close(self):
        self._producer.flush(3)
        self._is_stopping = True
        self._thread.join()


@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.producer = AwaitableProducer()
    yield
    await asyncio.to_thread(app.state.producer.close)


def record(route, event, event_id, recorded, traceparent):
    slug = event["resource"].lower().replace("_", "-")
    event |= {"account": route["account"], "system": route["system"], "provider": "maesn"}
    headers = {"content-type": "application/json", "ce_specversion": "1.0", "ce_id": event_id,
               "ce_source": f"/maesn/{route['account']}", "ce_type": f"com.maesn.{slug}.{event['eventType'].lower()}",
               "ce_subject": event["resourceId"], "ce_time": event["filterDate"], "ce_recordedtime": recorded,
               "ce_dataschema": f"urn:maesn:{slug}:1", "traceparent": traceparent}
    return f"maesn.{slug}", f"{event['resource']}:{route['account']}", orjson.dumps(event), headers


async def ready(request: Request):
    return Response()


async def receive(request: Request):
    path = request.url.path
    route = ROUTES.get(path)
    if route is None:
        return Response(status_code=404)
    body = await request.body()
    mac = hmac.digest(route["secret"].encode(), body, "sha256").hex()
    if not hmac.compare_digest(mac, request.headers.get("x-maesn-signature", "")):
        return Response(status_code=401)
    try:
        parsed = orjson.loads(body)
    except ValueError:
        return Response(status_code=400)
    events = parsed if isinstance(parsed, list) else [parsed]
    digest = hashlib.sha256(path.encode() + b"\0" + body).hexdigest()[:32]
    recorded = datetime.datetime.now(datetime.timezone.utc).isoformat()
    traceparent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    send = request.app.state.producer.send
    try:
        await asyncio.gather(*[send(*record(route, event, f"{digest}-{i}", recorded, traceparent))
                               for i, event in enumerate(events)])
    except (KafkaException, BufferError):
        return Response(status_code=503, headers={"retry-after": "1"})
    return Response()


app = Starlette(lifespan=lifespan, routes=[Route("/ready", ready), Route("/{path:path}", receive, methods=["POST"])])

if __name__ == "__main__":
    host, port = os.environ["LISTEN"].split(":")
    uvicorn.run("tuned:app", app_dir=os.path.dirname(__file__), host=host, port=int(port), log_level="critical", access_log=False,
                workers=os.cpu_count(), ssl_certfile=os.environ.get("TLS_CERTIFICATE"), ssl_keyfile=os.environ.get("TLS_KEY"))
