#include "bridge/kafka/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "bridge/base/file.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"

/* Certificates and keys are read whole to see a change; a bundle of all authorities is 200 KiB. */
#define CERTIFICATE_FILE_MAX ((size_t)4 * 1024 * 1024)

static void conf_free(rd_kafka_conf_t *conf)
{
    if (conf != NULL)
        rd_kafka_conf_destroy(conf);
}
DEFINE_CLEANUP(rd_kafka_conf_t *, conf_free)
DEFINE_CLEANUP(struct secret *, secret_unref)
DEFINE_CLEANUP(struct cluster *, cluster_free)

/* What kafka.raw may not override, and where it belongs instead. The aliases are librdkafka's.
 * Source: librdkafka CONFIGURATION.md, 2.0.2.
 */
static const struct {
    const char *name;
    const char *instead;
} protected_properties[] = {
    {"acks", "a 200 means that all in-sync replicas have the record"},
    {"request.required.acks", "a 200 means that all in-sync replicas have the record"},
    {"allow.auto.create.topics", "topics are made by `topics apply`"},
    {"bootstrap.servers", "use kafka.brokers"},
    {"metadata.broker.list", "use kafka.brokers"},
    {"delivery.report.only.error", "every record needs its report"},
    {"delivery.timeout.ms", "it follows from ingress.deadline_ms"},
    {"message.timeout.ms", "it follows from ingress.deadline_ms"},
    {"request.timeout.ms", "it follows from ingress.deadline_ms"},
    {"enable.gapless.guarantee", "purged records would be fatal"},
    {"enable.idempotence", "use kafka.idempotence"},
    {"linger.ms", "use kafka.linger_ms"},
    {"queue.buffering.max.ms", "use kafka.linger_ms"},
    {"log.queue", "librdkafka's lines go through the bridge's log"},
    {"partitioner", "keys must meet their partitions as with Java clients"},
    {"queuing.strategy", "records keep their order"},
    {"transactional.id", "the ingress has no transactions"},
};

/* The files that librdkafka reads itself, once, when an instance is made. */
static const char *const file_properties[] = {"ssl.ca.location", "ssl.certificate.location",
                                              "ssl.key.location", "ssl.keystore.location",
                                              "ssl.crl.location"};

/* What we want unless kafka.raw says otherwise. */
static const struct cluster_property defaults[] = {
    {"client.id", "maesn-bridge"},
    /* A connection to every broker, not only to those that lead what was produced so far: when one
     * is mute another must be there to say who leads now, and a first record pays no handshake.
     * Source: rdkafka_conf.c 2.0.2, a hidden property; measured: with one connection open, and that
     * one mute, no metadata comes. */
    {"enable.sparse.connections", "false"},
    /* Nothing stays away longer than this after a broker's return (with the jitter: half as long
     * again). Source: rdkafka_broker.c rd_kafka_broker_update_reconnect_backoff, 2.0.2. */
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "500"},
    {"retry.backoff.ms", "50"},
    {"socket.connection.setup.timeout.ms", "5000"},
    {"socket.keepalive.enable", "true"},
    {"socket.nagle.disable", "true"},
    {"socket.timeout.ms", "10000"},
    {"max.in.flight.requests.per.connection", "5"},
    {"queue.buffering.max.messages", "20000"},
    {"queue.buffering.max.kbytes", "65536"},
    {"topic.metadata.refresh.interval.ms", "60000"},
};

/* Whether the value of a property of this name is never shown. */
static bool property_is_secret(const char *name)
{
    return strcasestr(name, "password") != NULL || strcasestr(name, "secret") != NULL ||
           strcasestr(name, "key") != NULL || strcasestr(name, "pem") != NULL;
}

enum status cluster_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                        struct diag *diag)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return STATUS_OK;
    return diag_set(diag, STATUS_INVALID, "kafka: %s", property_is_secret(name) ? name : why);
}

enum status cluster_set_number(rd_kafka_conf_t *conf, const char *name, int64_t value,
                               struct diag *diag)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    return cluster_set(conf, name, text, diag);
}

static enum status set_raw(rd_kafka_conf_t *conf, const struct cluster_property *property,
                           struct diag *diag)
{
    for (size_t i = 0; i < sizeof protected_properties / sizeof protected_properties[0]; i++)
        if (strcmp(property->name, protected_properties[i].name) == 0)
            return diag_set(diag, STATUS_INVALID, "kafka.raw.%s: cannot be set here, %s",
                            property->name, protected_properties[i].instead);
    char why[256];
    switch (rd_kafka_conf_set(conf, property->name, property->value, why, sizeof why)) {
    case RD_KAFKA_CONF_OK:
        return STATUS_OK;
    case RD_KAFKA_CONF_UNKNOWN:
        return diag_set(diag, STATUS_INVALID,
                        "kafka.raw.%s: not a property of librdkafka %s, see its CONFIGURATION.md",
                        property->name, rd_kafka_version_str());
    case RD_KAFKA_CONF_INVALID:
        break;
    }
    return diag_set(diag, STATUS_INVALID, "kafka.raw.%s: %s", property->name,
                    property_is_secret(property->name) ? "librdkafka refuses the value" : why);
}

static enum status set_secret(rd_kafka_conf_t *conf, const char *name, const char *path,
                              struct diag *diag)
{
    if (path == NULL || path[0] == '\0')
        return STATUS_OK;
    CLEANUP(secret_unref_scoped) struct secret *secret = NULL;
    enum status status = secret_from_file(path, &secret, diag);
    if (status != STATUS_OK)
        return status;
    struct bytes bytes = secret_bytes(secret);
    char text[SECRET_MAX + 1];
    memcpy(text, bytes.data, bytes.len);
    text[bytes.len] = '\0';
    status = cluster_set(conf, name, text, diag);
    crypto_wipe(text, sizeof text);
    return status;
}

enum status cluster_conf(const struct cluster *cluster, rd_kafka_conf_t **ret, struct diag *diag)
{
    CLEANUP(conf_free_scoped) rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (conf == NULL)
        return STATUS_NOMEM;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0] && status == STATUS_OK; i++)
        status = cluster_set(conf, defaults[i].name, defaults[i].value, diag);
    for (size_t i = 0; i < cluster->raw_len && status == STATUS_OK; i++)
        status = set_raw(conf, &cluster->raw[i], diag);
    if (status == STATUS_OK)
        status = cluster_set(conf, "bootstrap.servers", cluster->brokers, diag);
    if (status == STATUS_OK)
        status = cluster_set(conf, "allow.auto.create.topics", "false", diag);
    if (status == STATUS_OK)
        status = cluster_set(conf, "log.queue", "true", diag);
    if (status == STATUS_OK)
        status = set_secret(conf, "sasl.password", cluster->sasl_password_file, diag);
    if (status == STATUS_OK)
        status = set_secret(conf, "ssl.key.password", cluster->key_password_file, diag);
    if (status == STATUS_OK)
        *ret = TAKE(conf);
    return status;
}

/* Adds the digest of a file's content, or of nothing where there is none, to a running digest. */
static enum status fold_file(const char *path, uint8_t digest[CRYPTO_SHA256_SIZE])
{
    CLEANUP(buf_done) struct buf content;
    buf_init(&content, CERTIFICATE_FILE_MAX);
    if (path != NULL && path[0] != '\0' && file_read(path, &content, NULL) == STATUS_NOMEM)
        return STATUS_NOMEM;
    const struct bytes parts[] = {bytes_of(digest, CRYPTO_SHA256_SIZE), buf_bytes(&content)};
    enum status status = sha256(parts, 2, digest);
    if (content.data != NULL)
        crypto_wipe(content.data, content.len);
    return status;
}

enum status cluster_fingerprint(const struct cluster *cluster, uint8_t ret[CRYPTO_SHA256_SIZE])
{
    uint8_t digest[CRYPTO_SHA256_SIZE] = {0};
    enum status status = fold_file(cluster->sasl_password_file, digest);
    if (status == STATUS_OK)
        status = fold_file(cluster->key_password_file, digest);
    for (size_t i = 0; i < cluster->raw_len && status == STATUS_OK; i++)
        for (size_t k = 0; k < sizeof file_properties / sizeof file_properties[0]; k++)
            if (strcmp(cluster->raw[i].name, file_properties[k]) == 0)
                status = fold_file(cluster->raw[i].value, digest);
    if (status == STATUS_OK)
        memcpy(ret, digest, sizeof digest);
    return status;
}

enum status cluster_copy(const struct cluster *cluster, struct cluster **ret)
{
    CLEANUP(cluster_free_scoped) struct cluster *copy = calloc(1, sizeof *copy);
    if (copy == NULL)
        return STATUS_NOMEM;
    struct cluster_property *raw = calloc(cluster->raw_len + 1, sizeof *raw);
    copy->raw = raw;
    copy->raw_len = raw == NULL ? 0 : cluster->raw_len;
    copy->brokers = strdup(cluster->brokers);
    copy->sasl_password_file =
        strdup(cluster->sasl_password_file == NULL ? "" : cluster->sasl_password_file);
    copy->key_password_file =
        strdup(cluster->key_password_file == NULL ? "" : cluster->key_password_file);
    if (raw == NULL || copy->brokers == NULL || copy->sasl_password_file == NULL ||
        copy->key_password_file == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < cluster->raw_len; i++) {
        raw[i].name = strdup(cluster->raw[i].name);
        raw[i].value = strdup(cluster->raw[i].value);
        if (raw[i].name == NULL || raw[i].value == NULL)
            return STATUS_NOMEM;
    }
    *ret = TAKE(copy);
    return STATUS_OK;
}

void cluster_free(struct cluster *cluster)
{
    if (cluster == NULL)
        return;
    for (size_t i = 0; i < cluster->raw_len; i++) {
        free((char *)cluster->raw[i].name);
        free((char *)cluster->raw[i].value);
    }
    free((struct cluster_property *)cluster->raw);
    free((char *)cluster->brokers);
    free((char *)cluster->sasl_password_file);
    free((char *)cluster->key_password_file);
    free(cluster);
}
