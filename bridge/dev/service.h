/* A call to a simulated provider and its answer: what its services see of HTTP. */
#pragma once

#include "bridge/dev/faults.h"
#include "bridge/dev/provider_world.h"

/* Everything is borrowed; texts are NULL where there is none. */
struct service_call {
    const char *method;
    const char *path;          /* decoded, without the query */
    const char *api_key;       /* X-API-KEY */
    const char *account_key;   /* X-ACCOUNT-KEY */
    const char *authorization; /* Authorization */
    const char *company_id;    /* query companyId */
    const char *environment_name;
    struct bytes body;
};

/* What a call is about. */
struct service_target {
    enum fault_operation operation; /* FAULT_ANY: nothing that the service has */
    char administration[32];        /* Moneybird; "" */
    char id[WORLD_ID_SIZE];         /* of a subscription; "" */
    bool activates;                 /* of FAULT_ACTIVATE: or else deactivates */
};

struct service_answer {
    unsigned code;
    struct buf body;     /* JSON, or "" */
    int64_t retry_after; /* as the provider writes it; 0: none */
    struct world_allowance allowance;
};

void service_answer_init(struct service_answer *a);
void service_answer_done(struct service_answer *a);

/* Replaces what has been written. */
void service_answer_clear(struct service_answer *a, unsigned code);

struct service {
    /* Of the whole path. */
    struct service_target (*find_target)(const struct service_call *call);

    /* Does what was asked for, bar the fault, and answers; a->body.status tells of failure. A
     * FAULT_DELAY and those that break connections are the server's matter. */
    void (*act)(struct provider_world *w, const struct service_call *call,
                const struct service_target *target, struct fault fault, struct service_answer *a);

    /* An answer that is none to the question asked; code is 4xx or 5xx. */
    void (*refuse)(struct provider_world *w, unsigned code, unsigned retry_after_s,
                   struct service_answer *a);
};

/* Source: docs.maesn.com, "Create webhook", 2026, and the OpenAPI in
 * github.com/maesndev/sdk-typescript at b364da3 (2026-05-05). Below "/webhooks".
 */
extern const struct service maesn_service;

/* Source: github.com/moneybird/openapi at ff5b679 (2026-08-21). Below "/api/v2/". */
extern const struct service moneybird_service;
