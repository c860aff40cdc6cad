import com.fasterxml.jackson.databind.ObjectMapper;
import io.cloudevents.CloudEvent;
import io.cloudevents.kafka.CloudEventDeserializer;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Reads what the bridge writes, and says which record is to be read again at Maesn: BROKERS GROUP TOPIC... */
public final class Consumer {
    /** More than this machine's clock and the bridge's may differ. */
    private static final Duration CLOCKS = Duration.ofSeconds(10);

    public static void main(String[] arguments) throws Exception {
        var json = new ObjectMapper();
        var lastRead = new HashMap<String, Instant>(); // record -> when the last read of it began; keep it in your database
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", arguments[0], "group.id", arguments[1], "auto.offset.reset", "earliest",
            "enable.auto.commit", "false",
            "key.deserializer", StringDeserializer.class, "value.deserializer", CloudEventDeserializer.class);
        try (var consumer = new KafkaConsumer<String, CloudEvent>(settings)) {
            consumer.subscribe(Arrays.asList(arguments).subList(2, arguments.length));
            while (true) {
                for (var message : consumer.poll(Duration.ofSeconds(1))) {
                    var event = message.value();
                    var data = json.readTree(event.getData().toBytes());
                    var record = data.get("account").asText() + " " + data.get("resource").asText() + " " + event.getSubject();
                    var received = OffsetDateTime.parse(event.getExtension("recordedtime").toString()).toInstant();
                    if (!lastRead.getOrDefault(record, Instant.MIN).isAfter(received)) {
                        lastRead.put(record, Instant.now().minus(CLOCKS)); // before the read
                        System.out.println("read " + record);
                    } else {
                        System.out.println("skip " + record);
                    }
                }
                consumer.commitSync();
            }
        }
    }
}
