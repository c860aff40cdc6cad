// fastify, and kafkajs or (TUNED) librdkafka by Confluent's client, which has the same interface.
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import cluster from "node:cluster";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

import Fastify from "fastify";

const { BROKERS, LISTEN, ROUTES, TLS_CERTIFICATE, TLS_KEY, TUNED } = process.env;
const brokers = BROKERS.split(",");

async function connectedProducer() {
  let producer;
  if (TUNED) {
    const { default: { KafkaJS: { Kafka, logLevel } } } = await import("@confluentinc/kafka-javascript");
    const kafka = new Kafka({ kafkaJS: { brokers, logLevel: logLevel.NOTHING } });
    producer = kafka.producer({ kafkaJS: { acks: -1, timeout: 2500 }, "linger.ms": 1, "message.timeout.ms": 2500 });
  } else {
    const { Kafka, logLevel } = await import("kafkajs");
    const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
    producer = kafka.producer({ allowAutoTopicCreation: false, retry: { retries: 2 } });
  }
  await producer.connect();
  return producer;
}

function isVerified(secret, body, signature = "") {
  const mac = createHmac("sha256", secret).update(body).digest();
  const given = Buffer.from(signature, "hex");
  return given.length === mac.length && timingSafeEqual(given, mac);
}

function message(route, event, id, recorded, traceparent) {
  const slug = event.resource.toLowerCase().replaceAll("_", "-");
  return {
    topic: `maesn.${slug}`,
    message: {
      key: `${event.resource}:${route.account}`,
      value: JSON.stringify({ ...event, account: route.account, system: route.system, provider: "maesn" }),
      headers: {
        "content-type": "application/json", ce_specversion: "1.0", ce_id: id, ce_source: `/maesn/${route.account}`,
        ce_type: `com.maesn.${slug}.${event.eventType.toLowerCase()}`, ce_subject: event.resourceId,
        ce_time: event.filterDate, ce_recordedtime: recorded, ce_dataschema: `urn:maesn:${slug}:1`, traceparent,
      },
    },
  };
}

async function serve() {
  const routes = new Map(Object.entries(JSON.parse(readFileSync(ROUTES, "utf8"))));
  const producer = await connectedProducer();
  const https = TLS_CERTIFICATE ? { cert: readFileSync(TLS_CERTIFICATE), key: readFileSync(TLS_KEY) } : null;
  const app = Fastify({ bodyLimit: 1 << 18, https });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (request, body, done) => done(null, body));
  app.get("/ready", (request, reply) => reply.code(200).send());
  app.post("/*", async (request, reply) => {
    const route = routes.get(request.url);
    if (!route) return reply.code(404).send();
    const body = request.body;
    if (!isVerified(route.secret, body, request.headers["x-maesn-signature"])) return reply.code(401).send();
    let events;
    try {
      events = [JSON.parse(body)].flat();
    } catch {
      return reply.code(400).send();
    }
    const digest = createHash("sha256").update(request.url).update("\0").update(body).digest("hex").slice(0, 32);
    const traceparent = `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01`;
    const recorded = new Date().toISOString();
    const byTopic = new Map();
    events.forEach((event, i) => {
      const made = message(route, event, `${digest}-${i}`, recorded, traceparent);
      byTopic.set(made.topic, [...(byTopic.get(made.topic) ?? []), made.message]);
    });
    const topicMessages = [...byTopic].map(([topic, messages]) => ({ topic, messages }));
    try {
      await producer.sendBatch(TUNED ? { topicMessages } : { acks: -1, timeout: 2500, topicMessages });
    } catch {
      return reply.code(503).header("retry-after", "1").send();
    }
    return reply.code(200).send();
  });
  process.on("SIGTERM", async () => {
    await app.close(); // everybody who asked before it gets an answer
    await producer.disconnect();
    process.exit(0);
  });
  const [host, port] = LISTEN.split(":");
  await app.listen({ host, port: Number(port) });
}

if (TUNED && cluster.isPrimary) {
  const workers = Array.from({ length: availableParallelism() }, () => cluster.fork());
  process.on("SIGTERM", () => workers.forEach((worker) => worker.process.kill("SIGTERM")));
} else {
  await serve();
}
