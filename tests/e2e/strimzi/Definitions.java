import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.BeanPropertyDefinition;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.strimzi.api.kafka.model.topic.KafkaTopic;
import io.strimzi.api.kafka.model.topic.KafkaTopicSpec;
import io.strimzi.api.kafka.model.user.KafkaUser;
import io.strimzi.api.kafka.model.user.KafkaUserSpec;

/**
 * Prints CustomResourceDefinitions of KafkaTopic and KafkaUser, made of Strimzi's model: the fields, their types and their
 * enumerations. Strimzi publishes its own with its releases, and in no package registry.
 */
class Definitions {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        ObjectNode list = MAPPER.createObjectNode().put("apiVersion", "v1").put("kind", "List");
        list.putArray("items").add(definition(KafkaTopic.class, KafkaTopicSpec.class)).add(definition(KafkaUser.class, KafkaUserSpec.class));
        System.out.println(MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(list));
    }

    private static ObjectNode definition(Class<? extends HasMetadata> kind, Class<?> spec) {
        String group = HasMetadata.getGroup(kind), plural = HasMetadata.getPlural(kind);
        ObjectNode made = MAPPER.createObjectNode().put("apiVersion", "apiextensions.k8s.io/v1").put("kind", "CustomResourceDefinition");
        made.putObject("metadata").put("name", plural + "." + group);
        ObjectNode about = made.putObject("spec").put("group", group).put("scope", "Namespaced");
        about.putObject("names").put("kind", kind.getSimpleName()).put("plural", plural).put("singular", HasMetadata.getSingular(kind));
        ObjectNode version = about.putArray("versions").addObject().put("name", "v1").put("served", true).put("storage", true);
        ObjectNode properties = version.putObject("schema").putObject("openAPIV3Schema").put("type", "object").putObject("properties");
        properties.set("spec", schema(MAPPER.constructType(spec)));
        return made;
    }

    private static ObjectNode schema(JavaType type) {
        ObjectNode made = MAPPER.createObjectNode();
        Class<?> raw = type.getRawClass();
        if (type.isCollectionLikeType()) {
            made.put("type", "array").set("items", schema(type.getContentType()));
        } else if (type.isMapLikeType()) {
            made.put("type", "object");
            if (type.getContentType().isJavaLangObject()) {
                made.put("x-kubernetes-preserve-unknown-fields", true);
            } else {
                made.set("additionalProperties", schema(type.getContentType()));
            }
        } else if (type.isEnumType()) {
            ArrayNode values = made.put("type", "string").putArray("enum");
            for (Object constant : raw.getEnumConstants()) {
                values.add(MAPPER.valueToTree(constant));
            }
        } else if (raw == String.class) {
            made.put("type", "string");
        } else if (raw == Boolean.class || raw == boolean.class) {
            made.put("type", "boolean");
        } else if (type.isPrimitive() || Number.class.isAssignableFrom(raw)) {
            made.put("type", raw == Double.class || raw == double.class ? "number" : "integer");
        } else {
            addProperties(made.put("type", "object").putObject("properties"), type);
        }
        return made;
    }

    /** Those of the class, and of each of the classes that may stand for it. */
    private static void addProperties(ObjectNode properties, JavaType type) {
        for (BeanPropertyDefinition property : MAPPER.getSerializationConfig().introspect(type).findProperties()) {
            if (!property.getName().equals("additionalProperties")) {
                properties.set(property.getName(), schema(property.getPrimaryType()));
            }
        }
        JsonSubTypes forms = type.getRawClass().getDeclaredAnnotation(JsonSubTypes.class);
        if (forms == null) {
            return;
        }
        ArrayNode names = MAPPER.createArrayNode();
        for (JsonSubTypes.Type form : forms.value()) {
            addProperties(properties, MAPPER.constructType(form.value()));
            names.add(form.name());
        }
        properties.putObject("type").put("type", "string").set("enum", names);
    }
}
