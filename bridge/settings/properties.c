#include "bridge/settings/properties.h"

#include <stdio.h>
#include <strings.h>

#include "bridge/base/json_text.h"
#include "bridge/settings/load.h"

struct protected_property {
    const char *name; /* a "*" at an end stands for any text */
    const char *instead;
};

/* Source: CONFIGURATION.md of librdkafka 2.0.2 and 2.8.0, aliases included. */
static const struct protected_property protected_properties[] = {
    {"acks", "a 200 means acknowledged by all in-sync replicas"},
    {"request.required.acks", "a 200 means acknowledged by all in-sync replicas"},
    {"bootstrap.servers", "set kafka.brokers"},
    {"metadata.broker.list", "set kafka.brokers"},
    {"enable.idempotence", "set kafka.idempotence"},
    {"enable.gapless.guarantee", "set kafka.idempotence"},
    {"linger.ms", "set kafka.linger_ms"},
    {"queue.buffering.max.ms", "set kafka.linger_ms"},
    {"allow.auto.create.topics", "`topics apply` makes topics with their settings"},
    {"delivery.timeout.ms", "it follows from ingress.deadline_ms"},
    {"message.timeout.ms", "it follows from ingress.deadline_ms"},
    {"request.timeout.ms", "it follows from ingress.deadline_ms"},
    {"delivery.report.only.error", "a success is answered by its delivery report"},
    {"partitioner", "records meet those of Java clients by murmur2_random"},
    {"msg_order_cmp", "records of one key stay in order"},
    {"queuing.strategy", "records of one key stay in order"},
    {"transactional.id", "the reconciler fences its writers with it"},
    {"transaction.timeout.ms", "the reconciler fences its writers with it"},
    {"test.mock.*", "an embedded broker would forget what was answered 200"},
    {"ut_handle_*", "it fakes the brokers' answers"},
    {"log.queue", "the bridge writes librdkafka's log lines itself"},
    {"opaque", "it is a pointer"},
    {"default_topic_conf", "it is a pointer"},
    {"interceptors", "it is a pointer"},
    {"ssl_engine_callback_data", "it is a pointer"},
    {"*_cb", "it is a function"},
};

static bool matches(const char *pattern, const char *name)
{
    size_t pattern_len = strlen(pattern), name_len = strlen(name);
    if (pattern[0] == '*')
        return name_len >= pattern_len - 1 &&
               strcmp(name + name_len - (pattern_len - 1), pattern + 1) == 0;
    if (pattern[pattern_len - 1] == '*')
        return strncmp(name, pattern, pattern_len - 1) == 0;
    return strcmp(pattern, name) == 0;
}

const char *property_protection(const char *name)
{
    const size_t len = sizeof(protected_properties) / sizeof(protected_properties[0]);
    for (size_t i = 0; i < len; i++)
        if (matches(protected_properties[i].name, name))
            return protected_properties[i].instead;
    return NULL;
}

const char *property_protected(size_t index)
{
    const size_t len = sizeof(protected_properties) / sizeof(protected_properties[0]);
    return index < len ? protected_properties[index].name : NULL;
}

bool property_is_secret(const char *name)
{
    static const char *const words[] = {"password",           "secret",     "key", "pem", "token",
                                        "oauthbearer.config", "passphrase", NULL};
    for (size_t i = 0; words[i] != NULL; i++)
        if (strcasestr(name, words[i]) != NULL)
            return true;
    return false;
}

/* A path or a public id beside a key is none itself. */
static bool holds_secret_text(const char *name)
{
    static const char *const harmless[] = {".location", ".id", ".type", ".enable", NULL};
    for (size_t i = 0; harmless[i] != NULL; i++) {
        size_t len = strlen(harmless[i]), name_len = strlen(name);
        if (name_len >= len && strcmp(name + name_len - len, harmless[i]) == 0)
            return false;
    }
    return property_is_secret(name);
}

static const char *file_key_instead(const char *name)
{
    if (strcmp(name, "sasl.password") == 0)
        return "kafka.sasl_password_file";
    return strcmp(name, "ssl.key.password") == 0 ? "kafka.key_password_file" : "a file";
}

/* Files that librdkafka opens itself; ssl.ca.location may also be a directory, or "probe". */
static bool file_is_there(const char *key, const struct node *n, struct load *l)
{
    static const char *const files[] = {"ssl.certificate.location", "ssl.crl.location",
                                        "ssl.key.location", "ssl.keystore.location", NULL};
    if (strcmp(n->key, "ssl.ca.location") == 0)
        paths_add(l->read, n->text);
    for (size_t i = 0; files[i] != NULL; i++)
        if (strcmp(files[i], n->key) == 0)
            return load_needs_file(l, n->text, strstr(n->key, ".key") != NULL, n->place, key);
    return true;
}

static void read_property(const char *key, const struct node *n, struct load *l,
                          struct properties *ret)
{
    char full[256];
    snprintf(full, sizeof(full), "%s.%s", key, n->key);
    const char *instead = property_protection(n->key);
    if (instead != NULL) {
        load_error(l, n->key_place, full, "protected, expected it left out: %s", instead);
        return;
    }
    if (n->kind != NODE_SCALAR || node_is_null(n)) {
        load_mistyped(l, n, full, "text, a number, true or false");
        return;
    }
    if (!file_is_there(full, n, l))
        return;
    if (holds_secret_text(n->key))
        load_warning(l, n->key_place, full,
                     "a secret in the settings' text, expected it in %s: it is masked wherever "
                     "settings are shown, but this file is not",
                     file_key_instead(n->key));
    ret->items[ret->len++] = (struct property){load_copy(l, n->key), load_copy(l, n->text),
                                               n->place.line, n->place.column};
}

void properties_read(const char *key, const struct node *map, struct load *l,
                     struct properties *ret)
{
    size_t len = 0;
    for (const struct node *n = map->first; n != NULL; n = n->next)
        len++;
    struct properties properties = {load_alloc(l, len + 1, sizeof(*properties.items)), 0};
    for (const struct node *n = map->first; n != NULL && properties.items != NULL; n = n->next)
        read_property(key, n, l, &properties);
    *ret = properties;
}

void properties_print(const struct properties *p, bool redacted, struct buf *ret)
{
    buf_append_text(ret, "{");
    for (size_t i = 0; i < p->len; i++) {
        const struct property *property = &p->items[i];
        bool mask = redacted && property_is_secret(property->name);
        buf_append_text(ret, i == 0 ? "" : ", ");
        json_text_string(ret, bytes_of_text(property->name));
        buf_append_text(ret, ": ");
        json_text_string(ret, bytes_of_text(mask ? "***" : property->value));
    }
    buf_append_text(ret, "}");
}
