#include "bridge/app/last_events.h"

#include <stdlib.h>

/* A hash stands for its specification: among a million of them two are the same with a chance of
 * one in thirty million, and then one of the two looks less silent than it is. */
struct last_event {
    uint64_t hash; /* 0: the slot is free */
    int64_t at_unix_ms;
};

/* Source: Fowler, Noll, Vo: FNV-1a, 64 bits, offset basis and prime (RFC 9923, section 5). */
static uint64_t hash_of(struct bytes key)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ key.data[i]) * 0x100000001b3;
    return hash == 0 ? 1 : hash;
}

/* The one with this hash, or the free one where it belongs. A quarter of the slots is free. */
static struct last_event *find(const struct last_events *e, uint64_t hash)
{
    size_t i = (size_t)hash & (e->slots_len - 1);
    while (e->slots[i].hash != 0 && e->slots[i].hash != hash)
        i = (i + 1) & (e->slots_len - 1);
    return &e->slots[i];
}

static enum status grow(struct last_events *e)
{
    struct last_events larger = {.slots_len = e->slots_len == 0 ? 64 : e->slots_len * 2,
                                 .len = e->len};
    larger.slots = calloc(larger.slots_len, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < e->slots_len; i++)
        if (e->slots[i].hash != 0)
            *find(&larger, e->slots[i].hash) = e->slots[i];
    free(e->slots);
    *e = larger;
    return STATUS_OK;
}

enum status last_events_note(struct last_events *e, struct bytes key, int64_t at_unix_ms)
{
    if (e->len + 1 > e->slots_len / 4 * 3 && grow(e) != STATUS_OK)
        return STATUS_NOMEM;
    uint64_t hash = hash_of(key);
    struct last_event *event = find(e, hash);
    e->len += event->hash == 0;
    event->hash = hash;
    if (event->at_unix_ms < at_unix_ms)
        event->at_unix_ms = at_unix_ms;
    return STATUS_OK;
}

int64_t last_events_of(const struct last_events *e, const struct specification *specification)
{
    char text[SPECIFICATION_TEXT_SIZE];
    if (e->slots_len == 0)
        return 0;
    specification_text(specification, text);
    return find(e, hash_of(bytes_of_text(text)))->at_unix_ms;
}

void last_events_done(struct last_events *e)
{
    free(e->slots);
    *e = (struct last_events){.slots = NULL};
}
