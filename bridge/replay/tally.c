#include "bridge/replay/tally.h"

#include <stdlib.h>

/* A group's texts: a topic, a key, a sentence, an id. */
#define GROUP_TEXTS_MAX ((size_t)16384)

void tally_done(struct tally *t)
{
    free(t->groups);
    arena_free(t->arena);
    *t = (struct tally){0};
}

static int compare(const struct tally_group *a, const struct tally_group *b)
{
    if (a->outcome != b->outcome) /* what is replayed comes first */
        return a->outcome > b->outcome ? -1 : 1;
    if (a->reason != b->reason)
        return a->reason < b->reason ? -1 : 1;
    int accounts = strcmp(a->account, b->account);
    return accounts != 0 ? accounts : strcmp(a->topic, b->topic);
}

/* The index of the group, or where it belongs. */
static size_t find(const struct tally *t, const struct tally_group *wanted, bool *ret_is_there)
{
    size_t low = 0, high = t->groups_len;
    *ret_is_there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(wanted, &t->groups[middle]);
        if (order == 0) {
            *ret_is_there = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* A copy, cut to fit, in the tally's arena. */
static const char *keep(struct tally *t, struct bytes text)
{
    if (text.data == NULL)
        return "";
    if (text.len > GROUP_TEXTS_MAX / 8)
        text.len = GROUP_TEXTS_MAX / 8;
    return arena_dup(t->arena, text);
}

static enum status make_room(struct tally *t)
{
    if (t->arena == NULL)
        t->arena = arena_new(TALLY_GROUPS_MAX * GROUP_TEXTS_MAX);
    if (t->arena == NULL)
        return STATUS_NOMEM;
    if (t->groups_len < t->groups_capacity)
        return STATUS_OK;
    size_t capacity = t->groups_capacity == 0 ? 16 : t->groups_capacity * 2;
    struct tally_group *groups = realloc(t->groups, capacity * sizeof(*groups));
    if (groups == NULL)
        return STATUS_NOMEM;
    t->groups = groups;
    t->groups_capacity = capacity;
    return STATUS_OK;
}

static enum status insert(struct tally *t, size_t at, const struct tally_group *wanted,
                          const struct tally_letter *letter)
{
    enum status status = make_room(t);
    if (status != STATUS_OK)
        return status;
    struct tally_group group = *wanted;
    group.account = keep(t, bytes_of_text(wanted->account));
    group.topic = keep(t, bytes_of_text(wanted->topic));
    group.sample.partition = letter->partition;
    group.sample.offset = letter->offset;
    group.sample.recorded_at_unix_ms = letter->recorded_at_unix_ms;
    group.sample.id = keep(t, bytes_of_text(letter->id));
    group.sample.key =
        keep(t, letter->records_len == 0 ? bytes_of(NULL, 0) : letter->records[0].key);
    group.sample.detail = keep(t, bytes_of_text(letter->detail));
    if (group.account == NULL || group.topic == NULL || group.sample.id == NULL ||
        group.sample.key == NULL || group.sample.detail == NULL)
        return STATUS_NOMEM;
    memmove(&t->groups[at + 1], &t->groups[at], (t->groups_len - at) * sizeof(t->groups[0]));
    t->groups[at] = group;
    t->groups_len++;
    return STATUS_OK;
}

/* The group of this letter and topic, made where there is none. */
static enum status group_of(struct tally *t, const struct tally_letter *letter, const char *topic,
                            struct tally_group **ret)
{
    struct tally_group wanted = {
        .outcome = letter->outcome,
        .reason = letter->reason,
        .account = letter->account == NULL ? "" : letter->account,
        .topic = topic,
    };
    bool is_there;
    size_t at = find(t, &wanted, &is_there);
    if (!is_there && t->groups_len >= TALLY_GROUPS_MAX) {
        wanted.reason = DEAD_LETTER_NONE;
        wanted.account = wanted.topic = "";
        at = find(t, &wanted, &is_there);
    }
    enum status status = is_there ? STATUS_OK : insert(t, at, &wanted, letter);
    if (status == STATUS_OK)
        *ret = &t->groups[at];
    return status;
}

enum status tally_add(struct tally *t, const struct tally_letter *letter)
{
    struct tally_group *group;
    const char *topic = letter->records_len == 0 ? "" : letter->records[0].topic;
    enum status status = group_of(t, letter, topic, &group);
    if (status != STATUS_OK)
        return status;
    group->letters++;
    t->letters[letter->outcome]++;
    if (letter->outcome != REPLAY_REPLAYED)
        return STATUS_OK;
    t->records += letter->records_len;
    for (size_t i = 0; status == STATUS_OK && i < letter->records_len; i++) {
        status = group_of(t, letter, letter->records[i].topic, &group);
        if (status == STATUS_OK)
            group->records++;
    }
    return status;
}
