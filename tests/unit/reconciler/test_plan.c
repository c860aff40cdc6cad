#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/keyring.h"
#include "bridge/reconciler/plan.h"

#define NOW 1795000000000
#define SECOND 1000
#define HOUR (3600 * SECOND)
#define DAY ((int64_t)24 * HOUR)

static const char *const bases[] = {"https://new.example.com", "https://old.example.com"};

struct fixture {
    struct arena *arena;
    struct reconciler_options options;
    struct wanted wanted[2];
    struct desired_account desired;
    struct account_state state;
    struct observation observation;
    struct plan_input in;
};

static void specify(struct specification *s, const char *resource)
{
    assert_true(specification_set(s, "maesn", "acme", resource, NULL));
}

/* An account that wants INVOICE, and nothing there yet; the empty scope is listed. */
static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->arena = arena_new(1024 * 1024);
    f->options = (struct reconciler_options){
        .policy = POLICY_SYNC,
        .interval_ms = 900 * SECOND,
        .overlap_ms = 60 * SECOND,
        .retire_grace_ms = DAY,
        .pending_ttl_ms = 600 * SECOND,
        .delete_delay_ms = 600 * SECOND,
        .second_look_ms = 30 * SECOND,
        .blocked_retry_ms = HOUR,
        .bases = bases,
        .bases_len = 2,
    };
    specify(&f->wanted[0].specification, "INVOICE");
    specify(&f->wanted[1].specification, "CUSTOMER");
    f->desired = (struct desired_account){
        .account = "acme",
        .provider = "maesn",
        .system = "xero",
        .wanted = f->wanted,
        .wanted_len = 1,
    };
    account_state_init(&f->state);
    observation_init(&f->observation, f->arena);
    f->observation.scopes[f->observation.scopes_len++] = (struct listed_scope){{NULL, NULL}, true};
    f->in = (struct plan_input){
        .desired = &f->desired,
        .state = &f->state,
        .observation = &f->observation,
        .options = &f->options,
        .now_unix_ms = NOW,
        .listed_at_unix_ms = NOW,
        .may_create = true,
    };
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    account_state_done(&f->state);
    arena_free(f->arena);
    free(f);
    return 0;
}

/* A route of INVOICE whose generation is so many ms before now. */
static struct route_record route(int64_t age_ms, enum route_state route_state, const char *id)
{
    struct route_record r = {
        .state = route_state,
        .system = "xero",
        .public_base_url = bases[0],
        .provider_id = id,
        .secret = route_state == ROUTE_PENDING ? NULL : "secret",
        .created_at_unix_ms = route_state == ROUTE_PENDING ? 0 : NOW - age_ms,
    };
    specify(&r.url.specification, "INVOICE");
    r.url.generation_unix_ms = NOW - age_ms;
    return r;
}

static void hold(struct fixture *f, const struct route_record *r)
{
    assert_int_equal(account_state_take_route(&f->state, route_record_copy(r)), STATUS_OK);
}

static struct sighting *see(struct fixture *f, int64_t age_ms, const char *id)
{
    if (f->observation.sightings == NULL) {
        f->observation.sightings = arena_alloc(f->arena, 8 * sizeof(struct sighting));
        f->observation.capacity = 8;
    }
    struct sighting *seen = &f->observation.sightings[f->observation.len++];
    *seen = (struct sighting){.id = id};
    specify(&seen->url.specification, "INVOICE");
    seen->url.generation_unix_ms = NOW - age_ms;
    return seen;
}

/* An active subscription, which is at the provider. */
static struct sighting *have(struct fixture *f, int64_t age_ms, const char *id)
{
    struct route_record r = route(age_ms, ROUTE_ACTIVE, id);
    hold(f, &r);
    return see(f, age_ms, id);
}

/* The plan as text, one step a line: what it does to which generation, and what the record is to
 * say. */
static void expect(struct fixture *f, const char *expected)
{
    struct plan plan;
    assert_int_equal(plan_make(&f->in, f->arena, &plan), STATUS_OK);
    struct buf text;
    buf_init(&text, 4096);
    for (size_t i = 0; i < plan.len; i++) {
        const struct plan_step *step = &plan.steps[i];
        buf_printf(&text, "%s %s", plan_action_name(step->action),
                   step->url.specification.resource);
        if (step->url.generation_unix_ms != 0)
            buf_printf(&text, " -%lld", (long long)(NOW - step->url.generation_unix_ms));
        if (step->sighting != NULL)
            buf_printf(&text, " %s", step->sighting->id);
        buf_printf(&text, ": %s", plan_reason_text(step->reason));
        if (step->due_unix_ms != 0)
            buf_printf(&text, " until +%lld", (long long)(step->due_unix_ms - NOW));
        if (step->writes)
            buf_printf(&text, " [%s]", route_record_state_name(step->after.state));
        if (step->forgets)
            buf_printf(&text, " [tombstone]");
        buf_printf(&text, "\n");
    }
    assert_string_equal(buf_text(&text), expected);
    buf_done(&text);
}

static void what_is_wanted_and_not_there_is_created(void **state)
{
    struct fixture *f = *state;
    f->desired.wanted_len = 2;
    expect(f, "create customer -0: wanted, and not there [pending]\n"
              "create invoice --1: wanted, and not there [pending]\n");
}

static void what_is_there_is_kept_and_nothing_is_written(void **state)
{
    struct fixture *f = *state;
    have(f, HOUR, "a");
    expect(f, "keep invoice -3600000: as it should be\n");
}

static void an_expiry_that_the_provider_moved_is_written(void **state)
{
    struct fixture *f = *state;
    have(f, HOUR, "a")->expires_at_unix_ms = NOW + 300 * DAY;
    expect(f, "keep invoice -3600000: as it should be [active]\n");
}

static void a_missing_one_is_believed_at_the_second_look(void **state)
{
    struct fixture *f = *state;
    struct route_record r = route(HOUR, ROUTE_ACTIVE, "a");
    hold(f, &r);
    expect(f, "wait invoice -3600000: missing, waiting for a second look until +30000 [active]\n");

    r.missing_since_unix_ms = NOW - 29 * SECOND;
    hold(f, &r);
    expect(f, "wait invoice -3600000: missing, waiting for a second look until +1000\n");

    r.missing_since_unix_ms = NOW - 30 * SECOND;
    hold(f, &r);
    expect(f, "gone invoice -3600000: the provider does not list it any more [retired]\n"
              "create invoice -0: the former one is gone [pending]\n");
}

static void what_shows_up_after_a_first_look_is_not_missing(void **state)
{
    struct fixture *f = *state;
    struct route_record r = route(HOUR, ROUTE_ACTIVE, "a");
    r.missing_since_unix_ms = NOW - DAY;
    hold(f, &r);
    see(f, HOUR, "a");
    expect(f, "keep invoice -3600000: as it should be [active]\n");
}

static void an_intent_is_looked_for_twice_then_made_anew(void **state)
{
    struct fixture *f = *state;
    struct route_record r = route(60 * SECOND, ROUTE_PENDING, NULL);
    r.gone_after_unix_ms = NOW + 540 * SECOND;
    hold(f, &r);
    expect(f, "wait invoice -60000: maybe made, waiting for a second look until +30000 "
              "[pending]\n");

    /* Its record stays recognisable for its time. */
    r.missing_since_unix_ms = NOW - 30 * SECOND;
    hold(f, &r);
    expect(f, "create invoice -0: wanted, and not there [pending]\n");

    r.gone_after_unix_ms = NOW;
    hold(f, &r);
    expect(f, "forget invoice -60000: it was never made [tombstone]\n"
              "create invoice -0: wanted, and not there [pending]\n");
}

static void an_intent_that_was_surely_not_sent_is_used(void **state)
{
    struct fixture *f = *state;
    struct route_record r = route(60 * SECOND, ROUTE_PENDING, NULL);
    r.gone_after_unix_ms = NOW + 540 * SECOND;
    hold(f, &r);
    f->state.routes[0].is_unsent = true;
    expect(f, "create invoice -60000: wanted, and not there\n");
}

static void an_orphan_is_replaced_first_and_deleted_then(void **state)
{
    struct fixture *f = *state;
    struct route_record r = route(60 * SECOND, ROUTE_PENDING, NULL);
    hold(f, &r);
    see(f, 60 * SECOND, "orphan");
    expect(f, "wait invoice -60000: waiting for its replacement\n"
              "create invoice -0: the one that is there has no known secret [pending]\n");

    have(f, SECOND, "a");
    expect(f, "delete invoice -60000 orphan: its secret never reached the registry [retiring]\n"
              "keep invoice -1000: as it should be\n");
}

static void an_orphan_that_the_registry_does_not_know_is_known_by_its_url(void **state)
{
    struct fixture *f = *state;
    see(f, 60 * SECOND, "orphan");
    expect(f, "wait invoice -60000: waiting for its replacement\n"
              "create invoice -0: the one that is there has no known secret [pending]\n");

    f->desired.wanted_len = 0;
    f->options.policy = POLICY_UPSERT_ONLY; /* under every policy */
    expect(f, "delete invoice -60000 orphan: its secret never reached the registry [retiring]\n");
}

static void of_several_ids_on_a_url_that_of_the_registry_is_kept(void **state)
{
    struct fixture *f = *state;
    struct route_record r = route(HOUR, ROUTE_ACTIVE, "a");
    hold(f, &r);
    see(f, HOUR, "b");
    see(f, HOUR, "a");
    expect(f, "keep invoice -3600000: as it should be [active]\n"
              "delete invoice -3600000 b: another subscription has the same URL\n");
}

static void an_id_that_an_active_route_holds_is_never_deleted(void **state)
{
    struct fixture *f = *state;
    struct route_record old = route(HOUR, ROUTE_RETIRING, "a");
    old.delete_after_unix_ms = NOW - SECOND;
    hold(f, &old);
    see(f, HOUR, "a");
    have(f, 600 * SECOND, "a");
    expect(f, "wait invoice -3600000: waiting for its replacement\n"
              "keep invoice -600000: as it should be\n");
}

static void a_replaced_one_is_retired_and_deleted_after_the_overlap(void **state)
{
    struct fixture *f = *state;
    struct route_record old = route(HOUR, ROUTE_ACTIVE, "a");
    hold(f, &old);
    see(f, HOUR, "a");
    have(f, 10 * SECOND, "b");
    expect(f, "retire invoice -3600000: replaced by a newer one until +60000 [retiring]\n"
              "keep invoice -10000: as it should be\n");

    old.state = ROUTE_RETIRING;
    old.delete_after_unix_ms = NOW - SECOND;
    hold(f, &old); /* the replacement has not been known for long enough */
    expect(f, "wait invoice -3600000: waiting for the end of the overlap until +50000\n"
              "keep invoice -10000: as it should be\n");

    f->in.now_unix_ms = NOW + 50 * SECOND;
    expect(f, "delete invoice -3600000 a: replaced by a newer one\n"
              "keep invoice -10000: as it should be\n");
}

static void a_replaced_one_stays_while_its_replacement_is_missing(void **state)
{
    struct fixture *f = *state;
    struct route_record old = route(HOUR, ROUTE_RETIRING, "a");
    old.delete_after_unix_ms = NOW - SECOND;
    hold(f, &old);
    struct route_record r = route(600 * SECOND, ROUTE_ACTIVE, "b");
    hold(f, &r);
    see(f, HOUR, "a");
    expect(f, "wait invoice -3600000: waiting for its replacement\n"
              "wait invoice -600000: missing, waiting for a second look until +30000 [active]\n");
}

static void what_was_gone_and_shows_up_again_is_deleted(void **state)
{
    struct fixture *f = *state;
    struct route_record old = route(HOUR, ROUTE_RETIRED, "a");
    old.gone_after_unix_ms = NOW + HOUR;
    hold(f, &old);
    see(f, HOUR, "a");
    have(f, 600 * SECOND, "b");
    expect(f, "delete invoice -3600000 a: it was gone, and is there again [retiring]\n"
              "keep invoice -600000: as it should be\n");
}

static void a_retired_route_is_forgotten_when_its_grace_is_over(void **state)
{
    struct fixture *f = *state;
    f->desired.wanted_len = 0;
    struct route_record r = route(2 * DAY, ROUTE_RETIRED, "a");
    r.gone_after_unix_ms = NOW + 1;
    hold(f, &r);
    expect(f, "");
    f->in.now_unix_ms = NOW + 1;
    expect(f, "forget invoice -172800000: its grace is over [tombstone]\n");
}

static void what_is_not_wanted_is_deleted_under_sync_after_the_delay(void **state)
{
    struct fixture *f = *state;
    f->desired.wanted_len = 0;
    struct route_record r = route(HOUR, ROUTE_ACTIVE, "a");
    hold(f, &r);
    see(f, HOUR, "a");
    expect(f, "wait invoice -3600000: not wanted any more, waiting for the delay of deletes until "
              "+600000 [active]\n");

    r.undesired_since_unix_ms = NOW - 600 * SECOND;
    hold(f, &r);
    expect(f, "delete invoice -3600000 a: not wanted any more [retiring]\n");

    f->in.is_forced = true;
    expect(f, "delete invoice -3600000 a: not wanted any more [retiring]\n");
    f->in.is_forced = false;

    f->in.withholds_deletes = true;
    expect(f, "withhold invoice -3600000: not wanted any more\n");

    f->options.policy = POLICY_UPSERT_ONLY;
    expect(f, "leave invoice -3600000: not wanted any more\n");

    f->desired.wanted_len = 1; /* wanted again: the delay starts anew, should it end */
    expect(f, "keep invoice -3600000: as it should be [active]\n");
}

static void another_company_is_another_subscription(void **state)
{
    struct fixture *f = *state;
    have(f, HOUR, "a");
    f->desired.company_id = "2";
    f->observation.scopes[f->observation.scopes_len++] = (struct listed_scope){{"2", NULL}, true};
    expect(f, "keep invoice -3600000: as it should be\n"
              "create invoice -0: the company or the environment has changed [pending]\n");
}

static void what_cannot_be_listed_is_left_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct route_record r = route(HOUR, ROUTE_ACTIVE, "a");
    r.company_id = "1";
    r.missing_since_unix_ms = NOW - HOUR;
    hold(f, &r);
    f->observation.scopes[f->observation.scopes_len++] = (struct listed_scope){{"1", NULL}, false};
    expect(f, "wait invoice -3600000: its company could not be listed\n"
              "create invoice -0: the former one is gone [pending]\n");
}

static void a_former_url_is_renewed_to_the_new_form(void **state)
{
    struct fixture *f = *state;
    have(f, HOUR, "a")->is_former = true;
    expect(f, "keep invoice -3600000: as it should be\n"
              "create invoice -0: the public base URL or the route key has changed [pending]\n");
}

static void a_native_webhook_has_the_set_of_events_that_is_wanted(void **state)
{
    struct fixture *f = *state;
    static const char *two[] = {"contact_changed", "contact_created"};
    static const char *other_two[] = {"contact_changed", "contact_destroyed"};
    struct sighting *seen = have(f, HOUR, "a");
    f->wanted[0].enabled_events = two;
    f->wanted[0].enabled_events_len = 2;
    seen->enabled_events = two;
    seen->enabled_events_len = 2;
    expect(f, "keep invoice -3600000: as it should be\n");

    seen->enabled_events = other_two;
    expect(f, "keep invoice -3600000: as it should be\n"
              "create invoice -0: the set of events has changed [pending]\n");

    f->wanted[0].enabled_events_len = 0; /* no set is wanted: any is as good */
    expect(f, "keep invoice -3600000: as it should be\n");

    f->wanted[0].enabled_events_len = 2;
    seen->enabled_events = two;
    seen->is_deactivated = true;
    expect(f, "activate invoice -3600000 a: the provider has deactivated it [active]\n");
}

static void renewal_is_due_relative_to_the_lifetime(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int64_t age_ms;
        int64_t rest_ms;
        bool is_due;
    } rows[] = {
        {80 * DAY, 20 * DAY, false},                 /* exactly 20 % are left */
        {80 * DAY + 1, 20 * DAY - 1, true},          /* less */
        {30 * 60 * SECOND, 30 * 60 * SECOND, false}, /* an hour: half of it is 2 x interval */
        {30 * 60 * SECOND + 1, 30 * 60 * SECOND - 1, true},
        {3 * HOUR, -SECOND, true}, /* overdue */
        {HOUR, -2 * HOUR, false},  /* one before the creation is none */
        {DAY, -NOW, false},        /* none */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct route_record r = route(rows[i].age_ms, ROUTE_ACTIVE, "a");
        r.expires_at_unix_ms = NOW + rows[i].rest_ms;
        hold(f, &r);
        f->observation.len = 0;
        see(f, rows[i].age_ms, "a");
        struct plan plan;
        assert_int_equal(plan_make(&f->in, f->arena, &plan), STATUS_OK);
        bool is_due = plan.len == 2 && plan.steps[1].action == PLAN_CREATE &&
                      plan.steps[1].reason == REASON_EXPIRES;
        assert_int_equal(is_due, rows[i].is_due);
        account_state_remove_route(&f->state, &r.url);
    }
}

static void at_most_one_renewal_is_made_in_0_3_lifetimes(void **state)
{
    struct fixture *f = *state;
    struct route_record r = route(90 * DAY, ROUTE_ACTIVE, "a");
    r.expires_at_unix_ms = NOW + 10 * DAY;
    hold(f, &r);
    see(f, 90 * DAY, "a");
    struct route_record lost = route(30 * DAY - 1, ROUTE_RETIRED, "b");
    lost.gone_after_unix_ms = NOW + DAY;
    hold(f, &lost);
    expect(f, "keep invoice -7776000000: as it should be\n");
    lost.url.generation_unix_ms = lost.created_at_unix_ms = NOW - 30 * DAY;
    account_state_remove_route(&f->state, &f->state.routes[1].record->url);
    hold(f, &lost);
    expect(f, "keep invoice -7776000000: as it should be\n"
              "create invoice -0: the present one expires [pending]\n");
}

static void a_rotation_replaces_what_was_made_before_it(void **state)
{
    struct fixture *f = *state;
    have(f, HOUR, "a");
    f->in.rotations[0].before_unix_ms = NOW - HOUR;
    expect(f, "keep invoice -3600000: as it should be\n");
    f->in.rotations[0].before_unix_ms = NOW;
    f->in.rotations[0].resource = "customer";
    expect(f, "keep invoice -3600000: as it should be\n");
    f->in.rotations[0].resource = "invoice";
    expect(f, "keep invoice -3600000: as it should be\n"
              "create invoice -0: a rotation was asked for [pending]\n");
    f->in.rotations[0].resource = NULL; /* of all resources */
    expect(f, "keep invoice -3600000: as it should be\n"
              "create invoice -0: a rotation was asked for [pending]\n");
    f->in.rotations[0].resource = "invoice";
    f->in.rotations[1] = f->in.rotations[0]; /* the one before it counts as well */
    f->in.rotations[0].resource = "customer";
    expect(f, "keep invoice -3600000: as it should be\n"
              "create invoice -0: a rotation was asked for [pending]\n");
}

static void after_failures_creation_waits(void **state)
{
    struct fixture *f = *state;
    const struct diag reason = {"it failed"};
    const struct specification *s = &f->wanted[0].specification;
    assert_int_equal(account_state_fail(&f->state, s, NOW, 30 * SECOND, false, &reason), STATUS_OK);
    expect(f, "wait invoice: waiting after a failure until +30000\n");
    assert_int_equal(account_state_fail(&f->state, s, NOW, 30 * SECOND, false, &reason), STATUS_OK);
    expect(f, "wait invoice: waiting after a failure until +60000\n");
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(account_state_fail(&f->state, s, NOW, 30 * SECOND, false, &reason),
                         STATUS_OK);
    expect(f, "wait invoice: waiting after a failure until +3600000\n");

    assert_int_equal(account_state_fail(&f->state, s, NOW, 30 * SECOND, true, &reason), STATUS_OK);
    f->in.now_unix_ms = NOW + 30 * DAY;
    expect(f, "stuck invoice: refused by the provider\n");
}

static void what_is_lost_again_and_again_is_replaced_more_and_more_slowly(void **state)
{
    struct fixture *f = *state;
    for (int64_t i = 1; i <= 3; i++) {
        struct route_record r = route(i * 10 * SECOND, ROUTE_RETIRED, "a");
        r.gone_after_unix_ms = NOW + DAY;
        hold(f, &r);
    }
    expect(f, "wait invoice: waiting after a failure until +110000\n");
}

static void what_is_lost_for_the_tenth_time_is_replaced_after_an_hour(void **state)
{
    struct fixture *f = *state;
    for (int64_t i = 1; i <= 10; i++) {
        struct route_record r = route(i * 10 * SECOND, ROUTE_RETIRED, "a");
        r.gone_after_unix_ms = NOW + DAY;
        hold(f, &r);
    }
    expect(f, "wait invoice: waiting after a failure until +3590000\n");
}

static void a_setback_of_a_clock_that_was_ahead_is_over(void **state)
{
    struct fixture *f = *state;
    const struct diag reason = {"it failed"};
    const struct specification *s = &f->wanted[0].specification;
    assert_int_equal(account_state_fail(&f->state, s, NOW + DAY, 30 * SECOND, false, &reason),
                     STATUS_OK);
    expect(f, "create invoice -0: wanted, and not there [pending]\n");
}

static void a_deletion_under_way_is_withheld_like_one_that_was_not_begun(void **state)
{
    struct fixture *f = *state;
    f->desired.wanted_len = 0;
    struct route_record r = route(HOUR, ROUTE_RETIRING, "a");
    r.undesired_since_unix_ms = NOW - HOUR;
    r.delete_after_unix_ms = NOW - SECOND;
    hold(f, &r);
    see(f, HOUR, "a");
    expect(f, "delete invoice -3600000 a: not wanted any more\n");

    f->in.withholds_deletes = true;
    expect(f, "withhold invoice -3600000: not wanted any more\n");

    f->options.policy = POLICY_UPSERT_ONLY;
    expect(f, "leave invoice -3600000: not wanted any more\n");
}

static void a_route_with_a_token_alone_is_replaced_like_one_with_a_secret(void **state)
{
    struct fixture *f = *state;
    struct route_record old = route(HOUR, ROUTE_RETIRING, "a");
    old.secret = NULL;
    old.token = "token";
    old.delete_after_unix_ms = NOW - SECOND;
    hold(f, &old);
    see(f, HOUR, "a");
    have(f, 10 * SECOND, "b");
    expect(f, "wait invoice -3600000: waiting for the end of the overlap until +50000\n"
              "keep invoice -10000: as it should be\n");
}

static void an_id_of_another_route_on_this_ones_url_is_no_duplicate(void **state)
{
    struct fixture *f = *state;
    have(f, HOUR, "a");
    see(f, HOUR, "b");
    have(f, 600 * SECOND, "b");
    expect(f, "retire invoice -3600000: replaced by a newer one until +60000 [retiring]\n"
              "keep invoice -600000: as it should be\n");
}

/* A provider that merges POSTs may name both by one id. */
static void an_id_of_another_specification_is_no_duplicate_either(void **state)
{
    struct fixture *f = *state;
    f->desired.wanted_len = 2;
    struct route_record other = route(HOUR, ROUTE_ACTIVE, "a");
    specify(&other.url.specification, "CUSTOMER");
    hold(f, &other);
    specify(&see(f, HOUR, "a")->url.specification, "CUSTOMER");
    have(f, HOUR, "c");
    see(f, HOUR, "a");
    expect(f, "keep customer -3600000: as it should be\n"
              "keep invoice -3600000: as it should be\n");
}

/* A registry that somebody wrote by hand: it plans as if the id were any. */
static void a_route_without_an_id_is_whatever_has_its_url(void **state)
{
    struct fixture *f = *state;
    struct route_record r = route(HOUR, ROUTE_ACTIVE, NULL);
    hold(f, &r);
    see(f, HOUR, "a");
    see(f, HOUR, "b");
    expect(f, "keep invoice -3600000: as it should be [active]\n"
              "delete invoice -3600000 b: another subscription has the same URL\n");
}

/* Likewise: what was never made has an id, and another subscription its URL. */
static void a_duplicate_of_what_is_left_alone_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct route_record r = route(60 * SECOND, ROUTE_PENDING, "a");
    r.gone_after_unix_ms = NOW + 540 * SECOND;
    r.missing_since_unix_ms = NOW - 30 * SECOND;
    hold(f, &r);
    see(f, 60 * SECOND, "b");
    expect(f, "create invoice -0: the one that is there has no known secret [pending]\n");
}

static void an_arena_of_any_size_is_enough_for_a_plan_or_not(void **state)
{
    struct fixture *f = *state;
    have(f, HOUR, "a");
    enum status status = STATUS_NOMEM;
    size_t max = 0;
    for (; status != STATUS_OK && max < 65536; max++) {
        struct arena *a = arena_new(max);
        assert_non_null(a);
        struct plan plan = {.len = 7};
        status = plan_make(&f->in, a, &plan);
        assert_true(status == STATUS_OK ? plan.len == 1 : status == STATUS_NOMEM && plan.len == 7);
        arena_free(a);
    }
    assert_int_equal(status, STATUS_OK);
    assert_true(max > sizeof(struct plan_step));
}

static void waiting_for_an_overlap_is_no_difference(void **state)
{
    (void)state;
    static const struct {
        struct plan_step step;
        bool is_difference;
    } rows[] = {
        {{.action = PLAN_KEEP}, false},
        {{.action = PLAN_LEAVE, .reason = REASON_NOT_WANTED}, false},
        {{.action = PLAN_FORGET, .reason = REASON_NEVER_MADE}, false},
        {{.action = PLAN_WAIT, .reason = REASON_OVERLAP}, false},
        {{.action = PLAN_WAIT, .reason = REASON_MISSING}, true},
        {{.action = PLAN_WAIT, .reason = REASON_SETBACK}, true},
        {{.action = PLAN_CREATE, .reason = REASON_NEW}, true},
        {{.action = PLAN_STUCK, .reason = REASON_REFUSED}, true},
        {{.action = PLAN_WITHHOLD, .reason = REASON_NOT_WANTED}, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(plan_step_is_difference(&rows[i].step), rows[i].is_difference);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    if (crypto_start() != STATUS_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        T(what_is_wanted_and_not_there_is_created),
        T(what_is_there_is_kept_and_nothing_is_written),
        T(an_expiry_that_the_provider_moved_is_written),
        T(a_missing_one_is_believed_at_the_second_look),
        T(what_shows_up_after_a_first_look_is_not_missing),
        T(an_intent_is_looked_for_twice_then_made_anew),
        T(an_intent_that_was_surely_not_sent_is_used),
        T(an_orphan_is_replaced_first_and_deleted_then),
        T(an_orphan_that_the_registry_does_not_know_is_known_by_its_url),
        T(of_several_ids_on_a_url_that_of_the_registry_is_kept),
        T(an_id_that_an_active_route_holds_is_never_deleted),
        T(a_replaced_one_is_retired_and_deleted_after_the_overlap),
        T(a_replaced_one_stays_while_its_replacement_is_missing),
        T(what_was_gone_and_shows_up_again_is_deleted),
        T(a_retired_route_is_forgotten_when_its_grace_is_over),
        T(what_is_not_wanted_is_deleted_under_sync_after_the_delay),
        T(another_company_is_another_subscription),
        T(what_cannot_be_listed_is_left_as_it_is),
        T(a_former_url_is_renewed_to_the_new_form),
        T(a_native_webhook_has_the_set_of_events_that_is_wanted),
        T(renewal_is_due_relative_to_the_lifetime),
        T(at_most_one_renewal_is_made_in_0_3_lifetimes),
        T(a_rotation_replaces_what_was_made_before_it),
        T(after_failures_creation_waits),
        T(what_is_lost_again_and_again_is_replaced_more_and_more_slowly),
        T(what_is_lost_for_the_tenth_time_is_replaced_after_an_hour),
        T(a_setback_of_a_clock_that_was_ahead_is_over),
        T(a_deletion_under_way_is_withheld_like_one_that_was_not_begun),
        T(a_route_with_a_token_alone_is_replaced_like_one_with_a_secret),
        T(an_id_of_another_route_on_this_ones_url_is_no_duplicate),
        T(an_id_of_another_specification_is_no_duplicate_either),
        T(a_route_without_an_id_is_whatever_has_its_url),
        T(a_duplicate_of_what_is_left_alone_is_left_alone),
        T(an_arena_of_any_size_is_enough_for_a_plan_or_not),
        T(waiting_for_an_overlap_is_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
