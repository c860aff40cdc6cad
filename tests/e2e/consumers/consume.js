// Reads COUNT records of TOPIC from its beginning with KafkaJS, decodes each with the CloudEvents
// SDK, prints one JSON object a line.   node consume.js BROKERS TOPIC COUNT GROUP
const { Kafka, logLevel } = require('kafkajs');
const { Kafka: binding } = require('cloudevents');

const [brokers, topic, count, groupId] = process.argv.slice(2);

async function main() {
  const kafka = new Kafka({ clientId: 'consume.js', brokers: brokers.split(','), logLevel: logLevel.ERROR });
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let left = Number(count);
  await new Promise((resolve, reject) => {
    consumer.run({
      eachMessage: async ({ partition, message }) => {
        if (left <= 0) return;
        try {
          // KafkaJS gives header values as buffers, the SDK wants text.
          const headers = Object.fromEntries(
            Object.entries(message.headers).map(([name, value]) => [name, value.toString()]));
          const event = binding.toEvent({ ...message, headers, value: message.value.toString() });
          event.validate();
          process.stdout.write(JSON.stringify({
            partition, offset: Number(message.offset), key: message.key.toString(), headers,
            id: event.id, source: event.source, type: event.type, subject: event.subject,
            time: event.time, recordedtime: event.recordedtime, dataschema: event.dataschema,
            datacontenttype: event.datacontenttype,
            data: typeof event.data === 'string' ? JSON.parse(event.data) : event.data,
          }) + '\n');
        } catch (error) {
          reject(error);
        }
        if (--left === 0) resolve();
      },
    }).catch(reject);
  });
  await consumer.disconnect();
}

main().catch((error) => { console.error(error); process.exit(1); });
