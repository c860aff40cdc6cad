/* A ring of the last events, with an index by ce_id:
 *
 *   event n lives in ring[n % RING_SIZE]; buckets[hash(ce_id)] leads to the newest event of that
 *   hash, ring[].next to older ones. An event that is overwritten leaves its bucket first.
 *
 * totals.missing counts the events that are answered 200 and not received, at any instant, those
 * that were overwritten as such included. The lock guards everything.
 */
#include "bridge/dev/ledger.h"

#include <pthread.h>
#include <stdlib.h>

#include "bridge/base/crypto.h"

/* At the highest rate of `dev`, 1000 callbacks a second with up to 3 events each, this is more than
 * 20 seconds: far beyond the ingress's deadline and the subscriber's delay. */
#define RING_SIZE 65536

/* Ring positions are stored plus one, so that a zeroed table is an empty one. */
#define NOWHERE 0

struct entry {
    struct ledger_id id;
    uint32_t next; /* position + 1 in the ring, or NOWHERE */
    bool forged;
    bool answered; /* with 200 */
    bool received;
};

struct ledger {
    pthread_mutex_t lock;
    uint64_t events; /* ever entered */
    struct ledger_totals totals;
    uint32_t buckets[RING_SIZE];
    struct entry ring[RING_SIZE];
};

enum status ledger_new(struct ledger **ret)
{
    struct ledger *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return STATUS_NOMEM;
    pthread_mutex_init(&l->lock, NULL);
    *ret = l;
    return STATUS_OK;
}

void ledger_free(struct ledger *l)
{
    if (l == NULL)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* A ce_id is a hash already. */
static uint32_t *bucket_of(struct ledger *l, const struct ledger_id *id)
{
    uint32_t hash;
    memcpy(&hash, id->bytes, sizeof(hash));
    return &l->buckets[hash % RING_SIZE];
}

static struct entry *find(struct ledger *l, const struct ledger_id *id)
{
    for (uint32_t at = *bucket_of(l, id); at != NOWHERE; at = l->ring[at - 1].next)
        if (memcmp(&l->ring[at - 1].id, id, sizeof(*id)) == 0)
            return &l->ring[at - 1];
    return NULL;
}

static void forget(struct ledger *l, uint32_t position)
{
    uint32_t *link = bucket_of(l, &l->ring[position].id);
    while (*link != position + 1)
        link = &l->ring[*link - 1].next;
    *link = l->ring[position].next;
}

static void enter(struct ledger *l, const struct ledger_id *id, bool forged)
{
    uint32_t position = (uint32_t)(l->events % RING_SIZE);
    if (l->events >= RING_SIZE)
        forget(l, position);
    uint32_t *bucket = bucket_of(l, id);
    l->ring[position] = (struct entry){.id = *id, .next = *bucket, .forged = forged};
    *bucket = position + 1;
    l->events++;
}

struct ledger_entry ledger_send(struct ledger *l, const struct ledger_id ids[], size_t ids_len,
                                bool forged)
{
    pthread_mutex_lock(&l->lock);
    struct ledger_entry entry = {.first = l->events, .events = ids_len, .forged = forged};
    for (size_t i = 0; i < ids_len; i++)
        enter(l, &ids[i], forged);
    l->totals.sent++;
    l->totals.forged += forged;
    pthread_mutex_unlock(&l->lock);
    return entry;
}

static void answer_events(struct ledger *l, const struct ledger_entry *entry)
{
    for (uint64_t n = entry->first; n < entry->first + entry->events; n++) {
        if (n + RING_SIZE < l->events) { /* its answer took so long that it was forgotten */
            l->totals.missing++;
            continue;
        }
        struct entry *e = &l->ring[n % RING_SIZE];
        e->answered = true;
        l->totals.missing += !e->received;
    }
}

static void answer_genuine(struct ledger *l, const struct ledger_entry *entry, int code)
{
    if (code == 200) {
        l->totals.answered_200++;
        answer_events(l, entry);
    } else if (code == 0) {
        l->totals.unanswered++;
    } else {
        l->totals.answered_otherwise++;
    }
}

void ledger_answer(struct ledger *l, const struct ledger_entry *entry, int code)
{
    pthread_mutex_lock(&l->lock);
    if (!entry->forged) {
        answer_genuine(l, entry, code);
    } else {
        l->totals.forged_refused += code == 401;
        l->totals.forged_accepted += code / 100 == 2;
    }
    pthread_mutex_unlock(&l->lock);
}

static void receive_known(struct ledger_totals *totals, struct entry *e)
{
    if (e->forged) {
        totals->forged_received++;
        return;
    }
    if (e->received) {
        totals->duplicates++;
        return;
    }
    e->received = true;
    totals->received++;
    totals->missing -= e->answered;
}

void ledger_receive(struct ledger *l, struct bytes ce_id)
{
    struct ledger_id id;
    bool ours = ce_id.data != NULL && hex_decode(ce_id, id.bytes, sizeof(id.bytes));
    pthread_mutex_lock(&l->lock);
    struct entry *e = ours ? find(l, &id) : NULL;
    if (e != NULL)
        receive_known(&l->totals, e);
    else
        l->totals.by_others++;
    pthread_mutex_unlock(&l->lock);
}

struct ledger_totals ledger_totals(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    struct ledger_totals totals = l->totals;
    pthread_mutex_unlock(&l->lock);
    return totals;
}
