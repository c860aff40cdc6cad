#include "bridge/dev/service.h"

/* A list of 10,000 subscriptions. */
static const size_t body_max = 8 << 20;

void service_answer_init(struct service_answer *a)
{
    *a = (struct service_answer){.code = 500};
    buf_init(&a->body, body_max);
}

void service_answer_done(struct service_answer *a)
{
    buf_wipe_done(&a->body);
}

void service_answer_clear(struct service_answer *a, unsigned code)
{
    buf_wipe_done(&a->body);
    buf_init(&a->body, body_max);
    a->code = code;
    a->retry_after = 0;
}
