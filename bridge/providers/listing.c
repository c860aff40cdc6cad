#include "bridge/providers/listing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void listing_refuse(struct listing *l, enum provider_verdict verdict, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(l->outcome.reason.text, sizeof(l->outcome.reason.text), format, args);
    va_end(args);
    l->outcome.verdict = verdict;
    l->trusted = false;
    l->next_page = 0;
}

enum status listing_add(struct listing *l, const struct listing_entry *entry, struct arena *a)
{
    if (l->len == LISTING_ENTRIES_MAX) {
        listing_refuse(l, VERDICT_UNTRUSTED, "the list has more than %d entries",
                       LISTING_ENTRIES_MAX);
        return STATUS_OK;
    }
    if (l->len == l->capacity) {
        size_t capacity = l->capacity == 0 ? 16 : 2 * l->capacity;
        struct listing_entry *entries = arena_alloc(a, capacity * sizeof(*entries));
        if (entries == NULL)
            return STATUS_NOMEM;
        if (l->len > 0)
            memcpy(entries, l->entries, l->len * sizeof(*entries));
        l->entries = entries;
        l->capacity = capacity;
    }
    l->entries[l->len++] = *entry;
    return STATUS_OK;
}

static int compare_ids(const void *left, const void *right)
{
    const struct listing_entry *a = left, *b = right;
    return strcmp(a->id, b->id);
}

/* An entry can move from one page to the next while they are read; it is then seen twice. */
static bool merge_twins(struct listing *l)
{
    size_t kept = 0;
    if (l->len > 1)
        qsort(l->entries, l->len, sizeof(*l->entries), compare_ids);
    for (size_t i = 0; i < l->len; i++) {
        const struct listing_entry *last = kept == 0 ? NULL : &l->entries[kept - 1];
        if (last == NULL || compare_ids(last, &l->entries[i]) != 0)
            l->entries[kept++] = l->entries[i];
        else if (strcmp(last->callback_url, l->entries[i].callback_url) != 0)
            return false;
    }
    l->len = kept;
    return true;
}

void listing_complete(struct listing *l, size_t expected_len)
{
    if (l->outcome.verdict == VERDICT_UNTRUSTED)
        return;
    if (!merge_twins(l))
        listing_refuse(l, VERDICT_UNTRUSTED, "the list has one id with two callback URLs");
    else if (l->len < expected_len)
        listing_refuse(l, VERDICT_UNTRUSTED, "the list has %zu entries and says there are %zu",
                       l->len, expected_len);
    else
        *l = (struct listing){.outcome = {.verdict = VERDICT_OK},
                              .trusted = true,
                              .entries = l->entries,
                              .len = l->len,
                              .capacity = l->capacity,
                              .pages = l->pages};
}
