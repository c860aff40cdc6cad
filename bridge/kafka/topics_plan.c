#include "bridge/kafka/topics_plan.h"

#include <assert.h>
#include <string.h>

#define HOUR_MS "3600000"
#define DAY_MS "86400000"
#define WEEK_MS "604800000"
#define TWO_WEEKS_MS "1209600000"

/* Of the compacted topics. Fixed at creation: an account's records must stay where they are. */
#define COMPACTED_PARTITIONS 6

/* Dead letters are few, and read by people. */
#define DEAD_LETTER_PARTITIONS 1

struct wished_setting {
    const char *name;
    const char *value;
    bool only_at_creation; /* the operator's from then on */
};

/* min.insync.replicas is added to each: it depends on the replication factor. */
static const struct wished_setting event_settings[] = {
    {"cleanup.policy", "delete", false},
    {"retention.ms", WEEK_MS, true},
    {"unclean.leader.election.enable", "false", false},
    {0},
};

static const struct wished_setting dead_letter_settings[] = {
    {"cleanup.policy", "delete", false},
    /* They may hold personal data. */
    {"retention.ms", TWO_WEEKS_MS, true},
    {"unclean.leader.election.enable", "false", false},
    {0},
};

/* A rotated or deleted secret leaves the log within about a day, and a reader that was away for a
 * week still sees every tombstone.
 * Source: kafka.apache.org/documentation, "Log Compaction": the active segment is never compacted,
 * and tombstones live for delete.retention.ms. */
static const struct wished_setting compacted_settings[] = {
    {"cleanup.policy", "compact", false},
    {"delete.retention.ms", WEEK_MS, false},
    {"max.compaction.lag.ms", DAY_MS, false},
    {"min.cleanable.dirty.ratio", "0.1", false},
    {"segment.ms", HOUR_MS, false},
    {"unclean.leader.election.enable", "false", false},
    {0},
};

static const struct wished_setting *settings_of(enum topics_purpose purpose)
{
    switch (purpose) {
    case TOPICS_EVENTS:
        return event_settings;
    case TOPICS_DEAD_LETTERS:
        return dead_letter_settings;
    case TOPICS_REPLAYED:
    case TOPICS_REGISTRY:
    case TOPICS_ACCOUNTS:
    case TOPICS_ACTIVITY:
        return compacted_settings;
    }
    return event_settings;
}

static int partitions_of(enum topics_purpose purpose, const struct topics_sizes *sizes)
{
    switch (purpose) {
    case TOPICS_EVENTS:
        return sizes->partitions > 0 ? sizes->partitions : TOPICS_PARTITIONS;
    case TOPICS_DEAD_LETTERS:
    case TOPICS_REPLAYED:
        return DEAD_LETTER_PARTITIONS;
    case TOPICS_REGISTRY:
    case TOPICS_ACCOUNTS:
    case TOPICS_ACTIVITY:
        return COMPACTED_PARTITIONS;
    }
    return TOPICS_PARTITIONS;
}

struct planning {
    const struct topics_sizes *sizes;
    int replication_factor;
    struct arena *arena;
    struct topics_plan *plan;
    bool is_short_of_memory;
};

static void note(struct planning *p, const char *text)
{
    if (text == NULL)
        p->is_short_of_memory = true;
    else
        p->plan->notes[p->plan->notes_len++] = text;
}

static const char *value_of(const struct topics_found *found, const char *name)
{
    for (size_t i = 0; i < found->values_len; i++)
        if (strcmp(found->values[i].name, name) == 0)
            return found->values[i].value;
    return NULL;
}

static void add_setting(struct topics_change *change, const char *name, const char *from,
                        const char *to)
{
    assert(change->settings_len < TOPICS_SETTINGS_MAX);
    change->settings[change->settings_len++] = (struct topics_setting){name, from, to};
}

/* So many that one replica of the factor may be away, and never more than two. */
static const char *min_insync_replicas(int replication_factor)
{
    return replication_factor >= 3 ? "2" : "1";
}

static void plan_creation(struct planning *p, const struct topics_wish *wish)
{
    struct topics_change *change = &p->plan->changes[p->plan->changes_len++];
    *change = (struct topics_change){
        .topic = wish->name,
        .action = TOPICS_CREATE,
        .partitions = partitions_of(wish->purpose, p->sizes),
        .replication_factor = p->replication_factor,
    };
    for (const struct wished_setting *s = settings_of(wish->purpose); s->name != NULL; s++)
        add_setting(change, s->name, NULL, s->value);
    add_setting(change, "min.insync.replicas", NULL, min_insync_replicas(p->replication_factor));
}

static void plan_alteration(struct planning *p, const struct topics_wish *wish,
                            const struct topics_found *found)
{
    struct topics_change change = {.topic = wish->name, .action = TOPICS_ALTER};
    for (const struct wished_setting *s = settings_of(wish->purpose); s->name != NULL; s++) {
        const char *value = value_of(found, s->name);
        if (!s->only_at_creation && (value == NULL || strcmp(value, s->value) != 0))
            add_setting(&change, s->name, value, s->value);
    }
    /* More than we want is the operator's choice; less breaks the promise. */
    const char *least = min_insync_replicas(found->replication_factor);
    const char *value = value_of(found, "min.insync.replicas");
    if (value == NULL || strlen(value) < strlen(least) ||
        (strlen(value) == strlen(least) && strcmp(value, least) < 0))
        add_setting(&change, "min.insync.replicas", value, least);
    if (change.settings_len > 0)
        p->plan->changes[p->plan->changes_len++] = change;

    if (found->replication_factor < p->replication_factor)
        note(p, arena_printf(p->arena,
                             "%s: replication factor %d, expected %d: what it acknowledges can be "
                             "lost with its brokers; reassign its partitions",
                             wish->name, found->replication_factor, p->replication_factor));
    if (p->sizes->partitions > 0 && wish->purpose == TOPICS_EVENTS &&
        found->partitions != p->sizes->partitions)
        note(p, arena_printf(p->arena,
                             "%s: %d partitions, not %d: changing them moves keys, so it is left "
                             "to you",
                             wish->name, found->partitions, p->sizes->partitions));
}

static const struct topics_found *find(const struct topics_found found[], size_t len,
                                       const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (strcmp(found[i].name, name) == 0)
            return &found[i];
    return NULL;
}

enum status topics_plan_make(const struct topics_wish wishes[], size_t wishes_len,
                             const struct topics_found found[], size_t found_len, int brokers,
                             const struct topics_sizes *sizes, struct arena *a,
                             struct topics_plan *ret)
{
    struct topics_plan plan = {.brokers = brokers, .topics_len = wishes_len};
    /* At most one change and two notes a topic, and one note for all. */
    plan.changes = arena_alloc(a, (wishes_len + 1) * sizeof *plan.changes);
    plan.notes = arena_alloc(a, (2 * wishes_len + 1) * sizeof(const char *));
    if (plan.changes == NULL || plan.notes == NULL)
        return STATUS_NOMEM;
    struct planning p = {.sizes = sizes, .arena = a, .plan = &plan};
    p.replication_factor = sizes->replication_factor;
    if (p.replication_factor == 0) {
        p.replication_factor =
            brokers < TOPICS_REPLICATION_FACTOR ? brokers : TOPICS_REPLICATION_FACTOR;
        if (brokers < TOPICS_REPLICATION_FACTOR)
            note(&p, arena_printf(a,
                                  "the cluster has %d broker%s: replication factor %d instead of "
                                  "%d, so a lost disk may lose events",
                                  brokers, brokers == 1 ? "" : "s", brokers,
                                  TOPICS_REPLICATION_FACTOR));
    }
    for (size_t i = 0; i < wishes_len; i++) {
        const struct topics_found *there = find(found, found_len, wishes[i].name);
        if (there == NULL)
            plan_creation(&p, &wishes[i]);
        else
            plan_alteration(&p, &wishes[i], there);
    }
    if (p.is_short_of_memory)
        return STATUS_NOMEM;
    *ret = plan;
    return STATUS_OK;
}
