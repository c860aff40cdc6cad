// fastify and kafkajs.
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

import Fastify from "fastify";
import { Kafka, logLevel } from "kafkajs";

const routes = new Map(Object.entries(JSON.parse(readFileSync(process.env.ROUTES, "utf8"))));
const kafka = new Kafka({ brokers: process.env.BROKERS.split(","), logLevel: logLevel.NOTHING });
const producer = kafka.producer({ allowAutoTopicCreation: false, retry: { retries: 2 } });

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

const app = Fastify({ bodyLimit: 1 << 18 });
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
  try {
    await producer.sendBatch({
      acks: -1, timeout: 2500,
      topicMessages: [...byTopic].map(([topic, messages]) => ({ topic, messages })),
    });
  } catch {
    return reply.code(503).header("retry-after", "1").send();
  }
  return reply.code(200).send();
});

await producer.connect();
const [host, port] = process.env.LISTEN.split(":");
await app.listen({ host, port: Number(port) });
