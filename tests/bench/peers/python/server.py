"""FastAPI and aiokafka."""

import asyncio
import contextlib
import datetime
import hashlib
import hmac
import json
import os
import secrets

import uvicorn
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request, Response

with open(os.environ["ROUTES"], encoding="utf-8") as file:
    ROUTES = json.load(file)


@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.producer = AIOKafkaProducer(bootstrap_servers=os.environ["BROKERS"], acks="all", linger_ms=1,
                                          request_timeout_ms=2500)
    await app.state.producer.start()
    yield
    await app.state.producer.stop()


app = FastAPI(lifespan=lifespan)


def record(route, event, event_id, recorded, traceparent):
    slug = event["resource"].lower().replace("_", "-")
    event |= {"account": route["account"], "system": route["system"], "provider": "maesn"}
    headers = {"content-type": "application/json", "ce_specversion": "1.0", "ce_id": event_id,
               "ce_source": f"/maesn/{route['account']}", "ce_type": f"com.maesn.{slug}.{event['eventType'].lower()}",
               "ce_subject": event["resourceId"], "ce_time": event["filterDate"], "ce_recordedtime": recorded,
               "ce_dataschema": f"urn:maesn:{slug}:1", "traceparent": traceparent}
    return {"topic": f"maesn.{slug}", "key": f"{event['resource']}:{route['account']}".encode(),
            "value": json.dumps(event, separators=(",", ":")).encode(),
            "headers": [(name, value.encode()) for name, value in headers.items()]}


@app.get("/ready")
async def ready():
    return Response()


@app.post("/{path:path}")
async def receive(request: Request):
    path = request.url.path
    route = ROUTES.get(path)
    if route is None:
        return Response(status_code=404)
    body = await request.body()
    mac = hmac.new(route["secret"].encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(mac, request.headers.get("x-maesn-signature", "")):
        return Response(status_code=401)
    try:
        parsed = json.loads(body)
    except ValueError:
        return Response(status_code=400)
    events = parsed if isinstance(parsed, list) else [parsed]
    digest = hashlib.sha256(path.encode() + b"\0" + body).hexdigest()[:32]
    recorded = datetime.datetime.now(datetime.timezone.utc).isoformat()
    traceparent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    producer = request.app.state.producer
    try:
        reports = [await producer.send(**record(route, event, f"{digest}-{i}", recorded, traceparent))
                   for i, event in enumerate(events)]
        await asyncio.wait_for(asyncio.gather(*reports), 2.5)
    except (KafkaError, TimeoutError):
        return Response(status_code=503, headers={"retry-after": "1"})
    return Response()


if __name__ == "__main__":
    host, port = os.environ["LISTEN"].split(":")
    uvicorn.run(app, host=host, port=int(port), log_level="critical", access_log=False,
                ssl_certfile=os.environ.get("TLS_CERTIFICATE"), ssl_keyfile=os.environ.get("TLS_KEY"))
