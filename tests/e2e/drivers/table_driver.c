/* The compacted-topic modules on a command line: a line in, a line out.
 *
 *     table_driver read BROKERS TOPIC            refresh PARTITION
 *     table_driver write BROKERS TOPIC PARTITION claim | write KEY=VALUE KEY ... | large KEY BYTES
 *     table_driver join BROKERS TOPIC GROUP MS   deadline | rejoin
 *     table_driver check BROKERS TOPIC
 *     table_driver count BROKERS GROUP
 *
 * The end of standard input ends it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/kafka/compacted_topic.h"
#include "bridge/kafka/fenced_writer.h"
#include "bridge/kafka/membership.h"

#define TIMEOUT_MS 10000
#define RECORDS_MAX 256

static char input[65536];

/* One line; stdio locks the stream, so that threads' lines do not mix. */
#define SAY(...)                                                                                   \
    do {                                                                                           \
        printf(__VA_ARGS__);                                                                       \
        fflush(stdout);                                                                            \
    } while (0)

static char *next_line(void)
{
    if (fgets(input, sizeof input, stdin) == NULL)
        return NULL;
    input[strcspn(input, "\n")] = '\0';
    return input;
}

/* The number that the digits make; a test's own, so it is not checked. */
static int64_t number(const char *text)
{
    int64_t n = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (*text - '0');
    return n;
}

static int tell(enum status status, const struct diag *diag)
{
    SAY("%s %s\n", status_name(status), diag->text);
    return status == STATUS_OK ? 0 : 1;
}

/* --- read --------------------------------------------------------------------------------------
 */

static void on_opened(void *ctx, int32_t partitions)
{
    (void)ctx;
    SAY("opened %" PRId32 "\n", partitions);
}

static void on_record(void *ctx, const struct compacted_topic_record *record)
{
    (void)ctx;
    const char *value = record->value.data == NULL ? "(none)" : (const char *)record->value.data;
    SAY("record %" PRId32 " %.*s %.*s\n", record->partition, (int)record->key.len,
        (const char *)record->key.data,
        record->value.data == NULL ? (int)strlen(value) : (int)record->value.len, value);
}

static void on_end(void *ctx, int32_t partition, uint64_t refresh)
{
    (void)ctx;
    SAY("end %" PRId32 " %" PRIu64 "\n", partition, refresh);
}

static void on_caught_up(void *ctx)
{
    (void)ctx;
    SAY("caught-up\n");
}

static void on_refused(void *ctx, enum status status, const struct diag *diag)
{
    (void)ctx;
    SAY("refused %s %s\n", status_name(status), diag->text);
}

static int run_read(const struct cluster *cluster, const char *topic)
{
    const struct compacted_topic_options options = {
        .cluster = cluster,
        .topic = topic,
        .callbacks = {.on_opened = on_opened,
                      .on_record = on_record,
                      .on_end = on_end,
                      .on_caught_up = on_caught_up,
                      .on_refused = on_refused},
    };
    struct compacted_topic *t = NULL;
    struct diag diag = {0};
    enum status status = compacted_topic_new(&options, &t, &diag);
    if (status != STATUS_OK)
        return tell(status, &diag);
    for (char *line = next_line(); line != NULL; line = next_line())
        if (strncmp(line, "refresh ", 8) == 0)
            SAY("asked %" PRIu64 "\n", compacted_topic_refresh(t, (int32_t)number(line + 8)));
    compacted_topic_free(t);
    return 0;
}

/* --- write -------------------------------------------------------------------------------------
 */

static const char *state_name(enum fenced_writer_state state)
{
    switch (state) {
    case FENCED_WRITER_LOST:
        return "lost";
    case FENCED_WRITER_FENCED:
        return "fenced";
    case FENCED_WRITER_UNCLAIMED:
        return "unclaimed";
    case FENCED_WRITER_READY:
        return "ready";
    }
    return "";
}

static enum status write_line(struct fenced_writer *w, char *words, struct diag *diag)
{
    struct fenced_writer_record records[RECORDS_MAX];
    size_t len = 0;
    for (char *word = words; word != NULL && *word != '\0' && len < RECORDS_MAX;) {
        char *end = strchr(word, ' '), *equals = strchr(word, '=');
        if (end != NULL)
            *end = '\0';
        if (equals != NULL && (end == NULL || equals < end))
            *equals = '\0';
        else
            equals = NULL;
        records[len++] = (struct fenced_writer_record){
            bytes_of_text(word), bytes_of_text(equals == NULL ? NULL : equals + 1)};
        word = end == NULL ? NULL : end + 1;
    }
    return fenced_writer_write(w, records, len, clock_mono_ms() + TIMEOUT_MS, diag);
}

/* A small record, and one of so many bytes. */
static enum status write_large(struct fenced_writer *w, char *words, struct diag *diag)
{
    char *size = strchr(words, ' ');
    if (size == NULL)
        return STATUS_INVALID;
    *size++ = '\0';
    size_t len = (size_t)number(size);
    uint8_t *value = calloc(1, len);
    if (value == NULL)
        return STATUS_NOMEM;
    const struct fenced_writer_record records[] = {
        {bytes_of_text(words), BYTES_LITERAL("small")},
        {bytes_of_text(words), bytes_of(value, len)},
    };
    enum status status = fenced_writer_write(w, records, 2, clock_mono_ms() + TIMEOUT_MS, diag);
    free(value);
    return status;
}

static int run_write(const struct cluster *cluster, const char *topic, const char *partition)
{
    const struct fenced_writer_options options = {cluster, topic, (int32_t)number(partition)};
    struct fenced_writer *w = NULL;
    struct diag first = {0};
    enum status status = fenced_writer_new(&options, &w, &first);
    if (status != STATUS_OK)
        return tell(status, &first);
    SAY("ok\n");
    for (char *line = next_line(); line != NULL; line = next_line()) {
        struct diag diag = {0};
        if (strcmp(line, "claim") == 0)
            status = fenced_writer_claim(w, clock_mono_ms() + TIMEOUT_MS, &diag);
        else if (strncmp(line, "large ", 6) == 0)
            status = write_large(w, line + 6, &diag);
        else
            status = write_line(w, line + strlen("write "), &diag);
        SAY("%s %s %s\n", status_name(status), state_name(fenced_writer_state(w)), diag.text);
    }
    fenced_writer_free(w);
    return 0;
}

/* --- join --------------------------------------------------------------------------------------
 */

static void on_assigned(void *ctx, const int32_t partitions[], size_t len)
{
    (void)ctx;
    char text[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < len && used < sizeof text - 16; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %" PRId32, partitions[i]);
    SAY("assigned%s\n", text);
}

static void on_revoked(void *ctx, bool is_lost)
{
    (void)ctx;
    SAY("revoked %s\n", is_lost ? "lost" : "kept");
}

static int run_join(const struct cluster *cluster, const char *topic, const char *group,
                    const char *session_ms)
{
    const struct membership_options options = {
        .cluster = cluster,
        .topic = topic,
        .group_id = group,
        .session_timeout_ms = number(session_ms),
        .session_setting = "session.timeout.ms",
        .callbacks = {.on_assigned = on_assigned, .on_revoked = on_revoked},
    };
    struct membership *m = NULL;
    struct diag diag = {0};
    enum status status = membership_new(&options, &m, &diag);
    if (status != STATUS_OK)
        return tell(status, &diag);
    for (char *line = next_line(); line != NULL; line = next_line())
        if (strcmp(line, "rejoin") == 0)
            membership_rejoin(m);
        else
            SAY("deadline %" PRId64 " %s\n", membership_deadline_mono_ms(m) - clock_mono_ms(),
                membership_is_joined(m) ? "joined" : "apart");
    membership_free(m);
    SAY("left\n");
    return 0;
}

/* --- questions ---------------------------------------------------------------------------------
 */

static int run_check(const struct cluster *cluster, const char *topic)
{
    struct diag diag = {0};
    int32_t partitions = 0;
    enum status status = compacted_topic_check(cluster, topic, false, &partitions, &diag);
    if (status != STATUS_OK)
        return tell(status, &diag);
    SAY("ok %" PRId32 "\n", partitions);
    return 0;
}

static int run_count(const struct cluster *cluster, const char *group)
{
    struct diag diag = {0};
    size_t members = 0;
    enum status status =
        membership_count(cluster, group, clock_mono_ms() + TIMEOUT_MS, &members, &diag);
    if (status != STATUS_OK)
        return tell(status, &diag);
    SAY("ok %zu\n", members);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 3 ? argv[1] : "";
    const struct cluster cluster = {
        .brokers = argc > 3 ? argv[2] : "", .sasl_password_file = "", .key_password_file = ""};
    if (crypto_start() != STATUS_OK)
        return 70;
    if (strcmp(what, "read") == 0)
        return run_read(&cluster, argv[3]);
    if (strcmp(what, "write") == 0 && argc == 5)
        return run_write(&cluster, argv[3], argv[4]);
    if (strcmp(what, "join") == 0 && argc == 6)
        return run_join(&cluster, argv[3], argv[4], argv[5]);
    if (strcmp(what, "check") == 0)
        return run_check(&cluster, argv[3]);
    if (strcmp(what, "count") == 0)
        return run_count(&cluster, argv[3]);
    fprintf(stderr, "usage: see the top of table_driver.c\n");
    return 64;
}
