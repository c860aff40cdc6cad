// Reads what the bridge writes, and says which record is to be read again at Maesn.
//
// node consumer.mjs BROKERS GROUP TOPIC...
import { Kafka, logLevel } from 'kafkajs';
import { Kafka as CloudEvents } from 'cloudevents';

const CLOCKS_MS = 10_000; // more than this machine's clock and the bridge's may differ

const [brokers, groupId, ...topics] = process.argv.slice(2);
const consumer = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR }).consumer({ groupId });
const lastRead = new Map(); // record -> when the last read of it began; keep it in your database

await consumer.connect();
await consumer.subscribe({ topics, fromBeginning: true });
await consumer.run({
  autoCommitThreshold: 1, // after each event
  eachMessage: async ({ message }) => {
    // KafkaJS gives header values as buffers, the SDK wants text.
    const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, value.toString()]));
    const event = CloudEvents.toEvent({ headers, key: message.key?.toString(), value: message.value.toString() });
    const data = typeof event.data === 'string' ? JSON.parse(event.data) : event.data;
    const record = `${data.account} ${data.resource} ${event.subject}`;
    if ((lastRead.get(record) ?? -Infinity) <= Date.parse(event.recordedtime)) {
      lastRead.set(record, Date.now() - CLOCKS_MS); // before the read
      console.log('read', record);
    } else {
      console.log('skip', record);
    }
  },
});
