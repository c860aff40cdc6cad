#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/keyring.h"
#include "bridge/base/secret.h"
#include "bridge/reconciler/pass.h"
#include "tests/support/alloc_fail.h"

#define NOW 1795000000000
#define HOUR (3600 * 1000)

static const char *const bases[] = {"https://hooks.example.com"};
static struct keyring *keys;
static struct secret *secret;

/* A provider with room for one subscription, and a registry that is the account's state. */
struct fixture {
    struct reconciler_options options;
    struct wanted wanted;
    struct desired_account desired;
    struct account_state state;
    int64_t now_unix_ms;

    enum provider_verdict answers[4]; /* by kind of call; VERDICT_OK at first */
    bool is_unsent;
    bool withholds_deletes;
    int64_t force_unix_ms;
    int64_t forget_before_unix_ms;
    enum status commits; /* how they end */
    bool may_act;
    bool is_there; /* the subscription */
    char url[400];

    struct adoption *adoption;
    struct pass *pass;
    bool has_ended;
    struct pass_result result;
    char story[512];

    call_done_fn *on_done;
    registry_committed_fn *on_committed;
    enum call_kind kind;
    void *done_ctx;
    bool is_waiting;
};

static enum status start(void *ctx, const struct provider_call *call, call_done_fn *on_done,
                         void *done_ctx, struct diag *diag)
{
    (void)diag;
    static const char *const names[] = {"GET ", "POST ", "DELETE ", "PATCH "};
    struct fixture *f = ctx;
    size_t used = strlen(f->story);
    snprintf(f->story + used, sizeof(f->story) - used, "%s", names[call->kind]);
    if (call->kind == CALL_CREATE)
        snprintf(f->url, sizeof(f->url), "%s", call->callback_url);
    f->kind = call->kind;
    f->on_done = on_done;
    f->done_ctx = done_ctx;
    f->is_waiting = true;
    return STATUS_OK;
}

static enum status commit(void *ctx, const char *account, const struct registry_change changes[],
                          size_t len, registry_committed_fn *on_done, void *done_ctx)
{
    (void)account;
    struct fixture *f = ctx;
    for (size_t i = 0; i < len; i++) {
        const char *name = changes[i].account != NULL
                               ? account_record_status_name(changes[i].account->status)
                               : route_record_state_name(changes[i].route->state);
        size_t used = strlen(f->story);
        snprintf(f->story + used, sizeof(f->story) - used, "%s%s ", name,
                 changes[i].is_tombstone ? "-tombstone" : "");
    }
    f->on_committed = on_done;
    f->done_ctx = done_ctx;
    f->is_waiting = true;
    return STATUS_OK;
}

static void cancel(void *ctx, void *done_ctx)
{
    struct fixture *f = ctx;
    assert_ptr_equal(done_ctx, f->done_ctx);
    f->is_waiting = false;
}

static bool may_act(void *ctx, const char *account)
{
    (void)account;
    return ((struct fixture *)ctx)->may_act;
}

static int64_t now(void *ctx)
{
    return ((struct fixture *)ctx)->now_unix_ms;
}

static void on_end(void *ctx, const struct pass_result *result)
{
    struct fixture *f = ctx;
    f->has_ended = true;
    f->result = *result;
}

static void answer(struct fixture *f)
{
    f->is_waiting = false;
    if (f->on_committed != NULL) {
        registry_committed_fn *on_committed = f->on_committed;
        f->on_committed = NULL;
        on_committed(f->done_ctx, f->commits);
        return;
    }
    struct listing_entry entry = {
        .id = "id", .callback_url = f->url, .expires_at_unix_ms = PROVIDER_TIME_UNKNOWN};
    struct listing listing = {.trusted = true, .entries = &entry, .len = f->is_there};
    struct created created = {.entry = entry};
    struct call_result result = {
        .outcome = {.verdict = f->answers[f->kind], .reason = {"as the test wants it"}},
        .is_unsent = f->is_unsent,
        .listing = &listing,
        .created = &created,
        .retry_at_unix_ms = f->answers[f->kind] == VERDICT_RETRY_LATER ? NOW + 77777 : 0,
    };
    created.secret = secret;
    if (f->kind == CALL_CREATE)
        f->is_there = result.outcome.verdict == VERDICT_OK;
    f->on_done(f->done_ctx, &result);
}

static void begin(struct fixture *f, bool is_declared, bool only_plans)
{
    static struct provider_calls calls;
    static struct registry_writer writer;
    calls = (struct provider_calls){.ctx = f, .start = start, .cancel = cancel};
    writer =
        (struct registry_writer){.ctx = f, .may_act = may_act, .commit = commit, .cancel = cancel};
    const struct pass_options opt = {
        .reconciler = &f->options,
        .calls = &calls,
        .writer = &writer,
        .now_unix_ms = now,
        .clock_ctx = f,
        .only_plans = only_plans,
        .adoption = f->adoption,
        .withholds_deletes = f->withholds_deletes,
        .force_unix_ms = f->force_unix_ms,
        .forget_before_unix_ms = f->forget_before_unix_ms,
        .on_end = on_end,
        .ctx = f,
    };
    f->has_ended = false;
    f->story[0] = '\0';
    f->pass = NULL;
    if (pass_new(&opt, "acme", is_declared ? &f->desired : NULL, &f->state, &f->pass) == STATUS_OK)
        pass_start(f->pass);
}

static void run(struct fixture *f, bool is_declared)
{
    begin(f, is_declared, false);
    while (f->is_waiting)
        answer(f);
    assert_true(f->has_ended);
    pass_free(f->pass);
}

static void expect(struct fixture *f, enum pass_end end, const char *story)
{
    run(f, true);
    assert_string_equal(f->story, story);
    assert_string_equal(pass_end_name(f->result.end), pass_end_name(end));
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->options = (struct reconciler_options){
        .policy = POLICY_SYNC,
        .interval_ms = 900 * 1000,
        .overlap_ms = 60 * 1000,
        .retire_grace_ms = 24 * HOUR,
        .pending_ttl_ms = 600 * 1000,
        .delete_delay_ms = 600 * 1000,
        .second_look_ms = 30 * 1000,
        .blocked_retry_ms = HOUR,
        .bases = bases,
        .bases_len = 1,
        .route_keys = keys,
    };
    assert_true(specification_set(&f->wanted.specification, "maesn", "acme", "INVOICE", NULL));
    f->desired = (struct desired_account){
        .account = "acme",
        .provider = "maesn",
        .system = "xero",
        .account_key = "key",
        .wanted = &f->wanted,
        .wanted_len = 1,
    };
    f->now_unix_ms = NOW;
    f->may_act = true;
    for (unsigned i = 0; i < 4; i++)
        f->answers[i] = VERDICT_OK;
    account_state_init(&f->state);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    account_state_done(&f->state);
    free(f);
    return 0;
}

/* As a restart does. */
static void forget_all_but_records(struct fixture *f)
{
    account_state_forget_setbacks(&f->state);
    f->state.configuration[0] = '\0';
    f->state.revoked_at_unix_ms = 0;
    f->state.blocked_call_unix_ms = 0;
    for (size_t i = 0; i < f->state.routes_len; i++)
        f->state.routes[i].is_unsent = false;
}

static void the_order_is_intent_post_secret_and_then_one_get_a_pass(void **state)
{
    struct fixture *f = *state;
    expect(f, PASS_COMPLETE, "GET ok pending POST active ");
    assert_int_equal(f->result.creates, 1);
    assert_string_equal(f->state.routes[0].record->secret, "secret");
    expect(f, PASS_COMPLETE, "GET ");
}

static void a_renewed_subscription_knows_since_when_it_is_there(void **state)
{
    struct fixture *f = *state;
    run(f, true);
    for (int renewals = 0; renewals < 3; renewals++) {
        struct route_record *newest = f->state.routes[0].record;
        for (size_t i = 1; i < f->state.routes_len; i++)
            if (f->state.routes[i].record->created_at_unix_ms > newest->created_at_unix_ms)
                newest = f->state.routes[i].record;
        assert_int_equal(newest->created_at_unix_ms, f->now_unix_ms);
        assert_int_equal(newest->subscribed_since_unix_ms, renewals == 0 ? 0 : NOW);
        newest->expires_at_unix_ms = f->now_unix_ms + 10 * HOUR;
        f->now_unix_ms += 9 * HOUR;
        run(f, true);
    }
}

static void a_plan_only_lists(void **state)
{
    struct fixture *f = *state;
    begin(f, true, true);
    while (f->is_waiting)
        answer(f);
    pass_free(f->pass);
    assert_string_equal(f->story, "GET ");
    assert_int_equal(f->state.routes_len, 0);
}

/* What stands at the provider is listed only after the registry has its secret: until then it would
 * be taken for an orphan. */
static void what_is_adopted_is_committed_before_anything_is_listed(void **state)
{
    struct fixture *f = *state;
    struct callback_url url = {f->wanted.specification, NOW - HOUR};
    struct buf text;
    buf_init(&text, sizeof(f->url));
    assert_int_equal(callback_url_text(&url, bases[0], keys, &text), STATUS_OK);
    snprintf(f->url, sizeof(f->url), "%s", buf_text(&text));
    buf_done(&text);
    struct adoption adoption = {.provider_id = "id", .callback_url = f->url, .secret = "by hand"};
    f->adoption = &adoption;
    f->is_there = true;
    expect(f, PASS_COMPLETE, "active GET ok ");
    assert_string_equal(f->state.routes[0].record->secret, "by hand");
    /* The request is read again. */
    expect(f, PASS_COMPLETE, "GET ");
    assert_int_equal(f->state.routes_len, 1);
    /* It is for another account. */
    f->adoption->callback_url = "https://hooks.example.com/in/maesn/other/invoice/all/1-x";
    expect(f, PASS_COMPLETE, "GET ");
}

static void a_401_blocks_until_an_hourly_call_succeeds(void **state)
{
    struct fixture *f = *state;
    f->answers[CALL_LIST] = VERDICT_UNAUTHORIZED;
    expect(f, PASS_UNAUTHORIZED, "GET blocked ");
    assert_int_equal(f->result.again_at_unix_ms, NOW + HOUR);
    f->now_unix_ms = NOW + HOUR - 1;
    expect(f, PASS_BLOCKED, "");
    assert_int_equal(f->result.again_at_unix_ms, NOW + HOUR);
    f->now_unix_ms = NOW + HOUR;
    expect(f, PASS_UNAUTHORIZED, "GET ");
    f->now_unix_ms = NOW + 2 * HOUR;
    f->answers[CALL_LIST] = VERDICT_OK;
    expect(f, PASS_COMPLETE, "GET ok pending POST active ");
}

static void an_hourly_call_that_may_not_be_made_is_made_as_soon_as_it_may(void **state)
{
    struct fixture *f = *state;
    f->answers[CALL_LIST] = VERDICT_UNAUTHORIZED;
    expect(f, PASS_UNAUTHORIZED, "GET blocked ");
    f->now_unix_ms = NOW + HOUR;
    f->may_act = false;
    expect(f, PASS_NOT_OWNED, "");
    f->may_act = true;
    f->now_unix_ms += 1000;
    expect(f, PASS_UNAUTHORIZED, "GET ");
    f->now_unix_ms += 1000;
    expect(f, PASS_BLOCKED, "");
}

static void a_new_key_ends_a_block_at_once(void **state)
{
    struct fixture *f = *state;
    f->answers[CALL_LIST] = VERDICT_FORBIDDEN;
    expect(f, PASS_FORBIDDEN, "GET blocked ");
    f->answers[CALL_LIST] = VERDICT_OK;
    f->desired.account_key = "another key";
    f->now_unix_ms = NOW + 5;
    expect(f, PASS_COMPLETE, "GET ok pending POST active ");
    assert_int_equal(f->state.record->key_since_unix_ms, NOW + 5);
}

static void a_revocation_blocks_unless_it_is_older_than_the_key_or_disproved(void **state)
{
    struct fixture *f = *state;
    f->state.revoked_at_unix_ms = NOW - 1; /* of another key, long ago */
    expect(f, PASS_COMPLETE, "GET ok pending POST active ");
    f->now_unix_ms = NOW + 10;
    f->state.revoked_at_unix_ms = NOW + 10;
    expect(f, PASS_UNAUTHORIZED, "blocked ");
    f->now_unix_ms = NOW + 10 + HOUR;
    expect(f, PASS_COMPLETE, "GET ok ");
    f->now_unix_ms += 1; /* the same event, read again after a restart */
    expect(f, PASS_COMPLETE, "GET ");
}

static void another_system_is_invalid_and_nothing_is_called(void **state)
{
    struct fixture *f = *state;
    expect(f, PASS_COMPLETE, "GET ok pending POST active ");
    f->desired.system = "quickbooks";
    expect(f, PASS_INVALID, "invalid ");
    assert_string_equal(f->result.reason.text,
                        "system: quickbooks, and it was xero: another system is another account");
    expect(f, PASS_INVALID, "");
    f->desired.system = "xero";
    expect(f, PASS_COMPLETE, "GET ok ");
}

static void a_refused_create_is_not_tried_again_until_the_key_changes(void **state)
{
    struct fixture *f = *state;
    f->answers[CALL_CREATE] = VERDICT_REFUSED;
    expect(f, PASS_COMPLETE, "GET ok pending POST invalid ");
    f->now_unix_ms = NOW + 24 * HOUR;
    expect(f, PASS_COMPLETE, "GET pending-tombstone ");
    f->now_unix_ms = NOW + 48 * HOUR;
    expect(f, PASS_COMPLETE, "GET ");
    f->answers[CALL_CREATE] = VERDICT_OK;
    f->desired.account_key = "another key";
    expect(f, PASS_COMPLETE, "GET ok pending POST active ");
}

static void what_was_refused_is_known_after_a_restart_until_the_declaration_changes(void **state)
{
    struct fixture *f = *state;
    f->answers[CALL_CREATE] = VERDICT_REFUSED;
    expect(f, PASS_COMPLETE, "GET ok pending POST invalid ");
    assert_int_equal(f->state.record->status, ACCOUNT_INVALID);
    assert_int_equal(f->state.record->status_since_unix_ms, NOW);
    assert_non_null(strstr(f->state.record->reason, f->state.record->refused));

    forget_all_but_records(f);
    f->now_unix_ms = NOW + 24 * HOUR;
    expect(f, PASS_COMPLETE, "GET pending "); /* whether it was sent is to be found out */
    forget_all_but_records(f);
    f->now_unix_ms += 24 * HOUR;
    expect(f, PASS_COMPLETE, "GET pending-tombstone ");
    forget_all_but_records(f);
    expect(f, PASS_COMPLETE, "GET ");
    f->state.revoked_at_unix_ms = NOW + HOUR; /* an invalid one is blocked, too */
    expect(f, PASS_UNAUTHORIZED, "blocked ");
    forget_all_but_records(f);
    f->now_unix_ms += HOUR;
    expect(f, PASS_COMPLETE, "GET invalid ");

    f->answers[CALL_CREATE] = VERDICT_OK;
    f->desired.company_id = "another";
    expect(f, PASS_COMPLETE, "GET ok pending POST active ");
    assert_null(f->state.record->refused);
}

static void a_create_without_a_secret_is_deleted_and_waits(void **state)
{
    struct fixture *f = *state;
    f->answers[CALL_CREATE] = VERDICT_NO_SECRET;
    expect(f, PASS_COMPLETE, "GET ok pending POST retiring DELETE retired-tombstone ");
    assert_int_equal(f->result.again_at_unix_ms, NOW + 30 * 1000);
    expect(f, PASS_COMPLETE, "GET ");
}

static void an_ambiguous_create_is_followed_by_a_list(void **state)
{
    struct fixture *f = *state;
    f->answers[CALL_CREATE] = VERDICT_AMBIGUOUS;
    expect(f, PASS_COMPLETE, "GET ok pending POST GET pending ");
    assert_int_equal(f->result.again_at_unix_ms, NOW + 30 * 1000);
}

static void patience_that_is_asked_for_is_had(void **state)
{
    struct fixture *f = *state;
    f->answers[CALL_CREATE] = VERDICT_RETRY_LATER;
    expect(f, PASS_RETRY_LATER, "GET ok pending POST ");
    assert_int_equal(f->result.again_at_unix_ms, NOW + 77777);
    f->answers[CALL_CREATE] = VERDICT_OK; /* with the same intent: nothing was done */
    expect(f, PASS_COMPLETE, "GET POST active ");
}

static void a_missed_ownership_deadline_skips_every_call(void **state)
{
    struct fixture *f = *state;
    f->may_act = false;
    expect(f, PASS_NOT_OWNED, "");
    f->may_act = true;
    begin(f, true, false);
    answer(f); /* the list; its intent is being committed, as it may be */
    f->may_act = false;
    answer(f);
    assert_string_equal(f->story, "GET ok pending ");
    assert_int_equal(f->result.end, PASS_NOT_OWNED);
    pass_free(f->pass);
    f->may_act = true;
    expect(f, PASS_COMPLETE, "GET POST active ");
}

static void a_call_that_was_queued_past_the_ownership_deadline_is_wanted_again_at_once(void **state)
{
    struct fixture *f = *state;
    begin(f, true, false);
    f->may_act = false;
    f->is_unsent = true;
    f->answers[CALL_LIST] = VERDICT_UNTRUSTED;
    answer(f);
    assert_int_equal(f->result.end, PASS_NOT_OWNED);
    pass_free(f->pass);
}

static void who_only_plans_needs_to_own_nothing(void **state)
{
    struct fixture *f = *state;
    f->may_act = false;
    begin(f, true, true);
    while (f->is_waiting)
        answer(f);
    assert_string_equal(f->story, "GET ");
    assert_int_equal(f->result.end, PASS_COMPLETE);
    pass_free(f->pass);
}

static void a_failed_commit_ends_the_pass_before_any_call(void **state)
{
    struct fixture *f = *state;
    f->commits = STATUS_UNAVAILABLE;
    expect(f, PASS_RECORDS_UNKNOWN, "GET ok pending ");
    assert_int_equal(f->state.routes_len, 0);
    f->commits = STATUS_BUSY;
    expect(f, PASS_RETRY_LATER, "GET ok pending ");
}

/* Answers until the secret's commit, which fails like that. */
static void fail_to_save(struct fixture *f, enum status status, enum pass_end end)
{
    begin(f, true, false);
    while (f->is_waiting && strstr(f->story, "POST active ") == NULL)
        answer(f);
    assert_true(f->is_waiting);
    f->commits = status;
    answer(f);
    f->commits = STATUS_OK;
    assert_true(f->has_ended);
    assert_int_equal(f->result.end, end);
    pass_free(f->pass);
}

static void a_secret_that_was_not_committed_is_the_next_passes_first_commit(void **state)
{
    struct fixture *f = *state;
    fail_to_save(f, STATUS_BUSY, PASS_RETRY_LATER);
    assert_int_equal(f->result.again_at_unix_ms, NOW);
    f->commits = STATUS_BUSY; /* once more */
    expect(f, PASS_RETRY_LATER, "active ");
    f->commits = STATUS_OK;
    expect(f, PASS_COMPLETE, "active GET ");
    assert_string_equal(f->state.routes[0].record->secret, "secret");
    expect(f, PASS_COMPLETE, "GET ");
}

static void a_secret_whose_commit_nobody_knows_of_is_saved_if_its_intent_still_stands(void **state)
{
    struct fixture *f = *state;
    fail_to_save(f, STATUS_UNAVAILABLE, PASS_RECORDS_UNKNOWN);
    expect(f, PASS_COMPLETE, "active GET ");

    f->wanted.specification = (struct specification){0};
    assert_true(specification_set(&f->wanted.specification, "maesn", "acme", "PAYMENT", NULL));
    f->is_there = false;
    fail_to_save(f, STATUS_UNAVAILABLE, PASS_RECORDS_UNKNOWN);
    struct held_route *held = account_state_find(&f->state, &f->state.unsaved->url);
    held->record->state = ROUTE_RETIRING; /* as another owner would have it */
    begin(f, true, false);
    assert_string_equal(f->story, "GET ");
    assert_null(f->state.unsaved);
    pass_free(f->pass);
}

static void an_account_no_longer_declared_is_cleaned_up_with_the_key_of_its_record(void **state)
{
    struct fixture *f = *state;
    expect(f, PASS_COMPLETE, "GET ok pending POST active ");
    run(f, false);
    assert_string_equal(f->story, "GET active ");
    f->now_unix_ms = NOW + HOUR;
    run(f, false);
    assert_string_equal(f->story, "GET retiring DELETE retired ");
    f->is_there = false;
    f->now_unix_ms = NOW + 48 * HOUR;
    run(f, false);
    assert_string_equal(f->story, "GET ok-tombstone retired-tombstone ");
    run(f, false);
    assert_string_equal(f->story, "");
    assert_int_equal(f->result.end, PASS_COMPLETE);
}

static void a_request_to_force_counts_once_and_what_it_let_through_is_finished(void **state)
{
    struct fixture *f = *state;
    f->options.delete_delay_ms = 0;
    expect(f, PASS_COMPLETE, "GET ok pending POST active ");
    f->withholds_deletes = true;
    f->force_unix_ms = NOW;
    f->answers[CALL_DELETE] = VERDICT_AMBIGUOUS;
    f->desired.wanted_len = 0;
    expect(f, PASS_COMPLETE, "GET ok retiring DELETE ");
    assert_int_equal(f->state.record->forced_unix_ms, NOW);
    f->force_unix_ms = 0; /* whether it stands there or not */
    f->answers[CALL_DELETE] = VERDICT_OK;
    expect(f, PASS_COMPLETE, "GET DELETE retired ");

    f->desired.wanted_len = 1;
    f->is_there = false;
    f->now_unix_ms = NOW + 30 * 1000;
    expect(f, PASS_COMPLETE, "GET pending POST active ");
    f->desired.wanted_len = 0;
    f->force_unix_ms = NOW;                  /* read again */
    expect(f, PASS_COMPLETE, "GET active "); /* undesired since now */
    expect(f, PASS_COMPLETE, "GET ");
    f->force_unix_ms = NOW + 1; /* another one */
    expect(f, PASS_COMPLETE, "GET ok retiring DELETE retired ");
}

static void an_account_that_is_not_declared_is_forgotten_without_a_call_if_it_is_older(void **state)
{
    struct fixture *f = *state;
    expect(f, PASS_COMPLETE, "GET ok pending POST active ");
    f->forget_before_unix_ms = NOW + 1000;
    expect(f, PASS_COMPLETE, "GET "); /* it is declared */
    f->forget_before_unix_ms = NOW - 1000;
    run(f, false);
    assert_string_equal(f->story, "GET active "); /* what is known of it came after that */
    assert_false(f->result.is_forgotten);
    f->forget_before_unix_ms = NOW + 1000;
    begin(f, false, true);
    while (f->is_waiting)
        answer(f);
    assert_string_equal(f->story, "GET ");
    pass_free(f->pass);
    run(f, false);
    assert_string_equal(f->story, "ok-tombstone active-tombstone ");
    assert_true(f->result.is_forgotten);
    assert_int_equal(f->result.end, PASS_COMPLETE);
    assert_null(f->state.record);
    assert_int_equal(f->state.routes_len, 0);
    run(f, false);
    assert_string_equal(f->story, "");
    assert_false(f->result.is_forgotten);
}

static void what_has_no_key_to_clean_up_after_it_can_be_forgotten(void **state)
{
    struct fixture *f = *state;
    expect(f, PASS_COMPLETE, "GET ok pending POST active ");
    account_state_take_account(&f->state, NULL);
    run(f, false);
    assert_int_equal(f->result.end, PASS_INVALID);
    f->forget_before_unix_ms = NOW + 1000;
    run(f, false);
    assert_string_equal(f->story, "active-tombstone ");
    assert_int_equal(f->state.routes_len, 0);
}

static void a_pass_that_is_freed_cancels_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    for (unsigned steps = 0; steps < 4; steps++) {
        begin(f, true, false);
        for (unsigned i = 0; i < steps && f->is_waiting; i++)
            answer(f);
        assert_true(f->is_waiting);
        pass_free(f->pass);
        assert_false(f->is_waiting);
        f->on_committed = NULL;
        account_state_done(&f->state);
        f->is_there = false;
    }
}

/* Whichever allocation fails, the pass ends, and one with enough memory mends what it left. */
static void short_memory_ends_the_pass_and_the_next_ones_go_on(void **state)
{
    struct fixture *f = *state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        assert_in_range(n, 0, 500);
        account_state_done(&f->state);
        f->is_there = false;
        f->now_unix_ms = NOW;
        f->has_ended = false;
        alloc_fail_at(n);
        begin(f, true, false);
        while (f->is_waiting)
            answer(f);
        failed = alloc_fail_end();
        assert_true(f->has_ended || f->pass == NULL);
        pass_free(f->pass);

        for (unsigned i = 0; i < 2; i++) {
            f->now_unix_ms += HOUR;
            run(f, true);
        }
        assert_int_equal(f->result.end, PASS_COMPLETE);
        assert_true(f->is_there);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const char text[] =
        "key:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    if (crypto_start() != STATUS_OK ||
        keyring_parse(BYTES_LITERAL(text), "keys", &keys, NULL) != STATUS_OK ||
        secret_new(BYTES_LITERAL("secret"), &secret, NULL) != STATUS_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        T(the_order_is_intent_post_secret_and_then_one_get_a_pass),
        T(a_renewed_subscription_knows_since_when_it_is_there),
        T(a_plan_only_lists),
        T(what_is_adopted_is_committed_before_anything_is_listed),
        T(a_401_blocks_until_an_hourly_call_succeeds),
        T(an_hourly_call_that_may_not_be_made_is_made_as_soon_as_it_may),
        T(a_new_key_ends_a_block_at_once),
        T(a_revocation_blocks_unless_it_is_older_than_the_key_or_disproved),
        T(another_system_is_invalid_and_nothing_is_called),
        T(a_refused_create_is_not_tried_again_until_the_key_changes),
        T(what_was_refused_is_known_after_a_restart_until_the_declaration_changes),
        T(a_create_without_a_secret_is_deleted_and_waits),
        T(an_ambiguous_create_is_followed_by_a_list),
        T(patience_that_is_asked_for_is_had),
        T(a_missed_ownership_deadline_skips_every_call),
        T(a_call_that_was_queued_past_the_ownership_deadline_is_wanted_again_at_once),
        T(who_only_plans_needs_to_own_nothing),
        T(a_failed_commit_ends_the_pass_before_any_call),
        T(a_secret_that_was_not_committed_is_the_next_passes_first_commit),
        T(a_secret_whose_commit_nobody_knows_of_is_saved_if_its_intent_still_stands),
        T(an_account_no_longer_declared_is_cleaned_up_with_the_key_of_its_record),
        T(a_request_to_force_counts_once_and_what_it_let_through_is_finished),
        T(an_account_that_is_not_declared_is_forgotten_without_a_call_if_it_is_older),
        T(what_has_no_key_to_clean_up_after_it_can_be_forgotten),
        T(a_pass_that_is_freed_cancels_what_is_under_way),
        T(short_memory_ends_the_pass_and_the_next_ones_go_on),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    secret_unref(secret);
    keyring_unref(keys);
    return failed;
}
