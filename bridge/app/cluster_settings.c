#include "bridge/app/cluster_settings.h"

#include <stdlib.h>

#include <librdkafka/rdkafka.h>

#include "bridge/base/scoped.h"

enum status cluster_settings_init(struct cluster_settings *c, const struct settings *s)
{
    *c = (struct cluster_settings){.raw = calloc(s->kafka_raw.len + 1, sizeof(*c->raw))};
    if (c->raw == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < s->kafka_raw.len; i++)
        c->raw[i] =
            (struct cluster_property){s->kafka_raw.items[i].name, s->kafka_raw.items[i].value};
    c->cluster = (struct cluster){
        .brokers = s->kafka_brokers,
        .raw = c->raw,
        .raw_len = s->kafka_raw.len,
        .sasl_password_file = s->kafka_sasl_password_file,
        .key_password_file = s->kafka_key_password_file,
    };
    return STATUS_OK;
}

void cluster_settings_done(struct cluster_settings *c)
{
    free(c->raw);
}

/* The property that "kafka.raw.NAME: why" tells of, or NULL; *ret_why is what follows it. */
static const struct property *find_property(const struct settings *s, const char *text,
                                            const char **ret_why)
{
    const char *prefix = "kafka.raw.", *end = strstr(text, ": ");
    if (strncmp(text, prefix, strlen(prefix)) != 0 || end == NULL)
        return NULL;
    const char *name = text + strlen(prefix);
    for (size_t i = 0; i < s->kafka_raw.len; i++)
        if (bytes_equal(bytes_of_text(s->kafka_raw.items[i].name),
                        bytes_of(name, (size_t)(end - name)))) {
            *ret_why = end + strlen(": ");
            return &s->kafka_raw.items[i];
        }
    return NULL;
}

static void add_problem(const struct settings *s, const char *text, struct problems *problems)
{
    const char *why = text;
    const struct property *property = find_property(s, text, &why);
    const struct origin *origin = &s->origins[SETTING_ID_kafka_raw];
    if (property != NULL) {
        CLEANUP(buf_done) struct buf key;
        buf_init(&key, sizeof(((struct diag *)0)->text));
        buf_append(&key, text, (size_t)(why - text) - strlen(": "));
        problems_add(problems, PROBLEM_ERROR,
                     (struct place){s->file, property->line, property->column}, buf_text(&key),
                     "%s", why);
    } else if (problems->errors == 0) { /* else it is probably one of those, in other words */
        problems_add(problems, PROBLEM_ERROR,
                     origin->file == NULL ? (struct place){s->file, 1, 1}
                                          : (struct place){s->file, origin->line, origin->column},
                     "kafka.raw", "%s", text);
    }
}

/* Before it librdkafka repeats the nonce in SCRAM's last message, which brokers refuse from
 * Kafka 4.0 on. Source: librdkafka CHANGELOG.md, 2.6.1 (pull request 4895); measured with 2.0.2 and
 * Kafka 4.3.0. */
#define SCRAM_MENDED_VERSION 0x020601ff

static void warn_of_scram(const struct settings *s, struct problems *problems)
{
    for (size_t i = 0; i < s->kafka_raw.len; i++) {
        const struct property *p = &s->kafka_raw.items[i];
        bool is_mechanism =
            strcmp(p->name, "sasl.mechanism") == 0 || strcmp(p->name, "sasl.mechanisms") == 0;
        if (is_mechanism && strncmp(p->value, "SCRAM-", strlen("SCRAM-")) == 0 &&
            rd_kafka_version() < SCRAM_MENDED_VERSION)
            problems_add(problems, PROBLEM_WARNING, (struct place){s->file, p->line, p->column},
                         "kafka.raw.sasl.mechanism",
                         "%s, but brokers of Kafka 4 refuse the SCRAM of librdkafka %s: 2.6.1 or "
                         "later is needed for them",
                         p->value, rd_kafka_version_str());
    }
}

enum status cluster_settings_check(const struct settings *s, struct problems *problems)
{
    CLEANUP(cluster_settings_done) struct cluster_settings c;
    struct diag diag = {0};
    enum status status = cluster_settings_init(&c, s);
    if (status == STATUS_OK)
        status = cluster_check(&c.cluster, &diag);
    if (status == STATUS_OK)
        warn_of_scram(s, problems);
    if (status == STATUS_OK || status == STATUS_NOMEM)
        return status;
    add_problem(s, diag.text, problems);
    return STATUS_OK;
}
