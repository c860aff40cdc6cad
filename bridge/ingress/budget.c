#include "bridge/ingress/budget.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct pot {
    atomic_size_t taken;
    size_t max;
};

struct budget {
    struct pot requests;
    struct pot bytes;
    atomic_uint refs;
};

enum status budget_new(size_t requests_max, size_t bytes_max, struct budget **ret)
{
    struct budget *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return STATUS_NOMEM;
    b->requests.max = requests_max;
    b->bytes.max = bytes_max;
    atomic_init(&b->refs, 1);
    *ret = b;
    return STATUS_OK;
}

struct budget *budget_ref(struct budget *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void budget_unref(struct budget *b)
{
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}

static bool pot_take(struct pot *pot, size_t amount)
{
    size_t taken = atomic_load_explicit(&pot->taken, memory_order_relaxed);
    do {
        if (amount > pot->max - taken)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&pot->taken, &taken, taken + amount,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void pot_give(struct pot *pot, size_t amount)
{
    size_t before = atomic_fetch_sub_explicit(&pot->taken, amount, memory_order_relaxed);
    assert(before >= amount);
}

static bool pot_has_room(const struct pot *pot, size_t amount)
{
    return amount <= pot->max - atomic_load_explicit(&pot->taken, memory_order_relaxed);
}

bool budget_take_request(struct budget *b)
{
    return pot_take(&b->requests, 1);
}

bool budget_take_bytes(struct budget *b, size_t bytes)
{
    return pot_take(&b->bytes, bytes);
}

void budget_give_request(struct budget *b)
{
    pot_give(&b->requests, 1);
}

void budget_give_bytes(struct budget *b, size_t bytes)
{
    pot_give(&b->bytes, bytes);
}

bool budget_has_room(const struct budget *b, size_t requests, size_t bytes)
{
    return pot_has_room(&b->requests, requests) && pot_has_room(&b->bytes, bytes);
}

size_t budget_requests(const struct budget *b)
{
    return atomic_load_explicit(&b->requests.taken, memory_order_relaxed);
}

size_t budget_bytes(const struct budget *b)
{
    return atomic_load_explicit(&b->bytes.taken, memory_order_relaxed);
}
