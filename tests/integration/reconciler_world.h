/* A world for the reconciler: providers that create, list, delete, lose, expire and fail; a
 * registry that survives crashes; a clock. It watches every call and every commit, and says which
 * promise the first broken one breaks.
 */
#pragma once

#include "bridge/base/keyring.h"
#include "bridge/reconciler/pass.h"

/* --- chance ---------------------------------------------------------------------------------- */

struct chance {
    uint64_t state;
};

uint64_t chance_next(struct chance *c);
/* 0 .. limit - 1 */
unsigned chance_below(struct chance *c, unsigned limit);
bool chance_one_in(struct chance *c, unsigned n);

/* --- what there is ---------------------------------------------------------------------------- */

#define WORLD_ACCOUNTS 2
#define WORLD_SPECIFICATIONS 4 /* of an account */
#define WORLD_SUBSCRIPTIONS 512
#define WORLD_ROUTES 512
#define WORLD_EVENTS 3

/* A subscription at the provider. */
struct subscription {
    char id[24];
    char url[320];
    bool is_ours;              /* the URL is */
    struct callback_url match; /* what the URL says, if it is */
    char secret[24];
    unsigned key_group; /* whose lists show it */
    const char *company_id;
    int64_t expires_at_unix_ms; /* as listed; PROVIDER_TIME_UNKNOWN */
    int64_t dies_at_unix_ms;    /* 0: never by itself */
    int64_t born_at_unix_ms;    /* later than now: a POST that takes effect when nobody waits */
    unsigned events;            /* a bit set; native */
    bool is_deactivated;
    bool is_foreign;
    bool is_dead;
};

struct world_route {
    struct route_record *record;     /* NULL: a tombstone */
    int64_t secret_since_unix_ms;    /* when its secret was committed */
    enum route_state state_at_start; /* of the pass */
};

struct world_account {
    char id[ACCOUNT_ID_MAX + 1];
    bool is_declared;
    char key[24];
    const char *company_id;
    bool wants[WORLD_SPECIFICATIONS];
    unsigned events; /* native */
    /* The first plan that did not want it since a pass that did was completed; 0: none. */
    int64_t unwanted_since_unix_ms[WORLD_SPECIFICATIONS];
    unsigned key_group;

    struct account_record *record; /* in the registry */
    struct account_state state;    /* in the process */
    struct {
        char
            url[320]; /* of the last POST that may have worked; "": there is none, or it was seen */
        const char *company_id;
        int64_t first_unix_ms; /* the first and the last trusted list that lacked it */
        int64_t last_unix_ms;
    } uncertain[WORLD_SPECIFICATIONS];
    bool is_unlisted;        /* an ambiguous POST was made, and no list was read since */
    char unsaved_secret[24]; /* handed to a pass, and not yet committed */
    /* What the owner before the present one could not commit, and would, should it come back. */
    struct route_record *elsewhere;

    /* of the last trusted list the pass got, by subscription */
    bool is_shown[WORLD_SUBSCRIPTIONS];
    bool is_hidden[WORLD_SUBSCRIPTIONS]; /* of that list, although its company was listed */
    /* the first trusted list without it since a pass that saw it was completed */
    int64_t hidden_since_unix_ms[WORLD_SUBSCRIPTIONS];
};

struct world {
    struct chance chance;
    int64_t now_unix_ms;
    bool has_faults;
    bool is_native;       /* one webhook, with a set of events */
    bool filters_company; /* lists show only what has the company */
    bool merges;          /* a POST for a specification that exists moves what exists */
    unsigned expiry;      /* 0: none, 1: three days, 2: a year, 3: one in the past */
    bool withholds;
    struct reconciler_options options;
    const char *bases[3];
    struct keyring *keys;

    struct subscription subscriptions[WORLD_SUBSCRIPTIONS];
    size_t subscriptions_len;
    struct world_route routes[WORLD_ROUTES];
    size_t routes_len;
    struct world_account accounts[WORLD_ACCOUNTS];
    unsigned ids;

    /* the pass that is under way */
    struct world_account *account;
    struct pass *pass;
    bool has_ended;
    bool may_act; /* it has asked, and nothing has happened since */
    struct pass_result result;
    struct {
        bool is_set;
        bool is_commit;
        enum call_kind kind;
        char url[320];
        char id[24];
        const char *company_id;
        unsigned specification;
        unsigned events;
        call_done_fn *on_done;
        registry_committed_fn *on_committed;
        void *done_ctx;
        struct route_record *routes[64];
        struct account_record *account;
        bool is_tombstone[64];
        bool is_account_tombstone;
        size_t routes_len;
    } waiting;
    unsigned lists, posts, deletes, commits; /* of the pass */

    /* Whether what runs from here on is the program: told at each change. The program may then be
     * short of memory. NULL: nobody asks, and memory is never short. */
    void (*on_program)(bool is_running);

    const char *only;     /* the only promise that counts; NULL: all do */
    const char *violated; /* a promise; NULL: none yet */
    char detail[512];
    bool is_traced;
};

/* Fresh, empty, at some instant, with chances of its own. keys is borrowed. */
void world_init(struct world *w, uint64_t seed, struct keyring *keys);
void world_done(struct world *w);

/* A line of the story, if it is told. */
void world_trace(const struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The first promise that is broken is the one that counts. */
void world_violate(struct world *w, const char *promise, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Lets time pass: what expires does, what was late takes effect. */
void world_advance(struct world *w, int64_t ms);

/* NULL, "1" or "2": the same text is the same pointer in a world. */
const char *world_company(const char *text);

/* A subscription appears at the provider. */
struct subscription *world_subscribe(struct world *w, unsigned key_group, const char *url,
                                     const char *company_id, unsigned events);
/* A URL of ours. */
void world_url(struct world *w, const struct callback_url *u, const char *base, char ret[320]);

/* The process starts anew: it knows what the registry says. */
void world_restart(struct world *w, struct world_account *a);

void world_specification(const struct world *w, const struct world_account *a, unsigned index,
                         struct specification *ret);

/* One pass over the account, with whatever chance brings, to its end or to a crash. */
void world_pass(struct world *w, struct world_account *a);

/* Whether a living subscription of the specification can be verified with what the registry holds,
 * for so long at least. */
bool world_is_covered(const struct world *w, const struct world_account *a, unsigned specification,
                      int64_t for_ms);

/* Everything of the account is as it is declared: notes a violation otherwise. */
void world_check_converged(struct world *w, const struct world_account *a);
