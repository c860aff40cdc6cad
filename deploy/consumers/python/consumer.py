"""Reads what the bridge writes, and says which record is to be read again at Maesn.

python3 consumer.py BROKERS GROUP TOPIC..."""

import sys
from datetime import datetime, timedelta, timezone

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from confluent_kafka import Consumer

CLOCKS = timedelta(seconds=10)  # more than this machine's clock and the bridge's may differ
NEVER = datetime.min.replace(tzinfo=timezone.utc)

brokers, group, *topics = sys.argv[1:]
consumer = Consumer({"bootstrap.servers": brokers, "group.id": group, "auto.offset.reset": "earliest",
                     "enable.auto.commit": False})
consumer.subscribe(topics)
last_read = {}  # record -> when the last read of it began; keep it in your database

while True:
    message = consumer.poll(1.0)
    if message is None or message.error():
        continue
    event = from_binary_event(KafkaMessage(dict(message.headers()), message.key(), message.value()))
    data = event.get_data()
    record = (data["account"], data["resource"], event.get_subject())
    if last_read.get(record, NEVER) <= datetime.fromisoformat(event.get_extension("recordedtime")):
        last_read[record] = datetime.now(timezone.utc) - CLOCKS  # before the read
        print("read", *record, flush=True)
    else:
        print("skip", *record, flush=True)
    consumer.commit(message)
