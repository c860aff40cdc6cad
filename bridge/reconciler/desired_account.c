#include "bridge/reconciler/desired_account.h"

const struct wanted *desired_account_find(const struct desired_account *d,
                                          const struct specification *s)
{
    for (size_t i = 0; i < d->wanted_len; i++) {
        if (specification_equal(&d->wanted[i].specification, s))
            return &d->wanted[i];
    }
    return NULL;
}
