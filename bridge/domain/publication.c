#include "bridge/domain/publication.h"

void publication_init(struct publication *pub)
{
    *pub = (struct publication){0};
    atomic_init(&pub->refs, 1);
}

struct publication *publication_ref(struct publication *pub)
{
    atomic_fetch_add_explicit(&pub->refs, 1, memory_order_relaxed);
    return pub;
}

void publication_unref(struct publication *pub)
{
    if (pub == NULL || atomic_fetch_sub_explicit(&pub->refs, 1, memory_order_acq_rel) != 1)
        return;
    pub->on_release(pub);
}

void publication_abandon(struct publication *pub)
{
    atomic_store(&pub->abandoned, true);
}

bool publication_is_abandoned(const struct publication *pub)
{
    return atomic_load(&pub->abandoned) ||
           (pub->origin != NULL && atomic_load(&pub->origin->abandoned));
}
