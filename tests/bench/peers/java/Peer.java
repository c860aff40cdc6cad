import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.helidon.common.pki.Keys;
import io.helidon.common.configurable.Resource;
import io.helidon.common.tls.Tls;
import io.helidon.http.HeaderName;
import io.helidon.http.HeaderNames;
import io.helidon.http.Status;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Helidon, which serves each request on a virtual thread, and kafka-clients. */
final class Peer {
    private record Route(String account, String system, String secret) {}

    private static final HeaderName SIGNATURE = HeaderNames.create("X-MAESN-SIGNATURE");
    private static final HeaderName RETRY_AFTER = HeaderNames.create("Retry-After");
    private static final HexFormat HEX = HexFormat.of();
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final long DEADLINE_MS = 2500;

    private final Map<String, Route> routes;
    private final KafkaProducer<String, byte[]> kafka;

    private Peer(Map<String, Route> routes, KafkaProducer<String, byte[]> kafka) {
        this.routes = routes;
        this.kafka = kafka;
    }

    private static boolean isVerified(String secret, byte[] body, String signature) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
            return MessageDigest.isEqual(mac.doFinal(body), HEX.parseHex(signature));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private static String digest(String path, byte[] body) {
        try {
            MessageDigest sha = MessageDigest.getInstance("SHA-256");
            sha.update(path.getBytes(StandardCharsets.UTF_8));
            sha.update((byte) 0);
            return HEX.formatHex(sha.digest(body), 0, 16);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String traceparent() {
        byte[] random = new byte[24];
        ThreadLocalRandom.current().nextBytes(random);
        return "00-" + HEX.formatHex(random, 0, 16) + "-" + HEX.formatHex(random, 16, 24) + "-01";
    }

    private static void add(Headers headers, String name, String value) {
        headers.add(name, value.getBytes(StandardCharsets.UTF_8));
    }

    private static ProducerRecord<String, byte[]> message(
            Route route, ObjectNode event, String id, String recorded, String traceparent) throws IOException {
        String resource = event.path("resource").asText();
        String slug = resource.toLowerCase(Locale.ROOT).replace('_', '-');
        event.put("account", route.account()).put("system", route.system()).put("provider", "maesn");
        var message = new ProducerRecord<>("maesn." + slug, resource + ":" + route.account(), JSON.writeValueAsBytes(event));
        Headers headers = message.headers();
        add(headers, "content-type", "application/json");
        add(headers, "ce_specversion", "1.0");
        add(headers, "ce_id", id);
        add(headers, "ce_source", "/maesn/" + route.account());
        add(headers, "ce_type", "com.maesn." + slug + "." + event.path("eventType").asText().toLowerCase(Locale.ROOT));
        add(headers, "ce_subject", event.path("resourceId").asText());
        add(headers, "ce_time", event.path("filterDate").asText());
        add(headers, "ce_recordedtime", recorded);
        add(headers, "ce_dataschema", "urn:maesn:" + slug + ":1");
        add(headers, "traceparent", traceparent);
        return message;
    }

    private List<ProducerRecord<String, byte[]>> messages(Route route, String path, byte[] body) throws IOException {
        JsonNode parsed = JSON.readTree(body);
        String digest = digest(path, body);
        String recorded = Instant.now().toString();
        String traceparent = traceparent();
        var messages = new ArrayList<ProducerRecord<String, byte[]>>();
        for (JsonNode event : parsed.isArray() ? parsed : List.of(parsed)) {
            if (!(event instanceof ObjectNode object)) throw new IOException("not an event");
            messages.add(message(route, object, digest + "-" + messages.size(), recorded, traceparent));
        }
        return messages;
    }

    /** Returns when all are acknowledged. */
    private void produce(List<ProducerRecord<String, byte[]>> messages) throws Exception {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(DEADLINE_MS);
        var reports = new ArrayList<Future<?>>();
        for (var message : messages) reports.add(kafka.send(message));
        for (Future<?> report : reports) report.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
    }

    private void receive(ServerRequest request, ServerResponse response) {
        String path = request.path().path();
        Route route = routes.get(path);
        if (route == null) {
            response.status(Status.NOT_FOUND_404).send();
            return;
        }
        byte[] body = request.content().as(byte[].class);
        if (!isVerified(route.secret(), body, request.headers().first(SIGNATURE).orElse(""))) {
            response.status(Status.UNAUTHORIZED_401).send();
            return;
        }
        List<ProducerRecord<String, byte[]>> messages;
        try {
            messages = messages(route, path, body);
        } catch (IOException e) {
            response.status(Status.BAD_REQUEST_400).send();
            return;
        }
        try {
            produce(messages);
        } catch (Exception e) {
            response.status(Status.SERVICE_UNAVAILABLE_503).header(RETRY_AFTER, "1").send();
            return;
        }
        response.status(Status.OK_200).send();
    }

    private static Tls tls(String certificate, String key) {
        Keys keys = Keys.builder()
                .pem(pem -> pem.key(Resource.create(Path.of(key))).certChain(Resource.create(Path.of(certificate))))
                .build();
        return Tls.builder().privateKey(keys).privateKeyCertChain(keys).build();
    }

    public static void main(String[] arguments) throws IOException {
        Map<String, String> environment = System.getenv();
        var routes = new HashMap<String, Route>();
        JSON.readTree(Files.readAllBytes(Path.of(environment.get("ROUTES")))).properties().forEach(entry -> {
            JsonNode r = entry.getValue();
            routes.put(entry.getKey(), new Route(r.get("account").asText(), r.get("system").asText(), r.get("secret").asText()));
        });
        var settings = new HashMap<String, Object>(Map.of(
                "bootstrap.servers", environment.get("BROKERS"), "acks", "all",
                "max.block.ms", DEADLINE_MS, "request.timeout.ms", 2000, "delivery.timeout.ms", 2500));
        if (environment.containsKey("TUNED")) {
            settings.put("linger.ms", 1);
            settings.put("batch.size", 1 << 18);
        }
        var peer = new Peer(routes, new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer()));
        String[] listen = environment.get("LISTEN").split(":");
        var server = WebServer.builder().host(listen[0]).port(Integer.parseInt(listen[1])).maxPayloadSize(1 << 18)
                .routing(routing -> routing.get("/ready", (request, response) -> response.send()).post("/*", peer::receive));
        if (environment.containsKey("TLS_CERTIFICATE"))
            server.tls(tls(environment.get("TLS_CERTIFICATE"), environment.get("TLS_KEY")));
        server.build().start(); // stops gracefully at SIGTERM
    }
}
