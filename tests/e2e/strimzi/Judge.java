import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.Annotated;
import com.fasterxml.jackson.databind.introspect.JacksonAnnotationIntrospector;
import io.strimzi.api.kafka.model.topic.KafkaTopic;
import io.strimzi.api.kafka.model.user.KafkaUser;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;

/** Reads an array of KafkaTopic and KafkaUser resources from standard input; prints what Strimzi's model does not understand of them. */
class Judge {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        mapper.setAnnotationIntrospector(new JacksonAnnotationIntrospector() {
            @Override
            public Boolean hasAnySetter(Annotated a) {
                return false; // so an unknown field is an error
            }
        });
        for (JsonNode resource : mapper.readTree(System.in)) {
            String name = resource.at("/metadata/name").asText();
            Class<?> kind = resource.path("kind").asText().equals("KafkaTopic") ? KafkaTopic.class : KafkaUser.class;
            try {
                report(name, resource, mapper.valueToTree(mapper.treeToValue(resource, kind)));
            } catch (JsonProcessingException wrong) {
                System.out.println(name + ": " + wrong.getOriginalMessage());
            }
        }
    }

    /** Defaults that the model leaves out when it writes. */
    private static final Set<String> DEFAULTS = Set.of("literal", "*");

    /** An unknown value of an enum is read as none. */
    private static void report(String path, JsonNode given, JsonNode understood) {
        if (given.isObject()) {
            for (Iterator<Map.Entry<String, JsonNode>> fields = given.fields(); fields.hasNext();) {
                Map.Entry<String, JsonNode> field = fields.next();
                report(path + "." + field.getKey(), field.getValue(), understood.path(field.getKey()));
            }
        } else if (given.isArray()) {
            for (int i = 0; i < given.size(); i++) {
                report(path + "[" + i + "]", given.get(i), understood.path(i));
            }
        } else if (understood.isMissingNode() ? !DEFAULTS.contains(given.asText()) : !given.asText().equals(understood.asText())) {
            System.out.println(path + ": " + given + " is read as " + understood);
        }
    }
}
