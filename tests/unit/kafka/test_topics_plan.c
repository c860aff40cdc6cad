#include "bridge/kafka/topics_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/buf.h"

/* The plan as lines, so that the whole of it is compared. */
static const char *plan_text(const struct topics_wish wishes[], size_t wishes_len,
                             const struct topics_found found[], size_t found_len, int brokers,
                             struct topics_sizes sizes)
{
    static char text[4096];
    struct arena *a = arena_new(1 << 20);
    struct topics_plan plan;
    assert_int_equal(
        topics_plan_make(wishes, wishes_len, found, found_len, brokers, &sizes, a, &plan),
        STATUS_OK);
    assert_int_equal(plan.topics_len, wishes_len);
    struct buf b;
    buf_init(&b, sizeof text - 1);
    for (size_t i = 0; i < plan.changes_len; i++) {
        const struct topics_change *c = &plan.changes[i];
        buf_printf(&b, "%c %s %d %d\n", c->action == TOPICS_CREATE ? '+' : '~', c->topic,
                   c->partitions, c->replication_factor);
        for (size_t k = 0; k < c->settings_len; k++)
            buf_printf(&b, "  %s %s %s\n", c->settings[k].name,
                       c->settings[k].from == NULL ? "-" : c->settings[k].from, c->settings[k].to);
    }
    for (size_t i = 0; i < plan.notes_len; i++)
        buf_printf(&b, "# %s\n", plan.notes[i]);
    snprintf(text, sizeof text, "%s", buf_text(&b));
    buf_done(&b);
    arena_free(a);
    return text;
}

static struct topics_value good[] = {
    {"cleanup.policy", "delete"},
    {"retention.ms", "1000"}, /* the operator's choice */
    {"unclean.leader.election.enable", "false"},
    {"min.insync.replicas", "2"},
};

static void a_missing_event_topic_is_created_with_what_the_promises_rest_on(void **state)
{
    (void)state;
    const struct topics_wish wish = {"maesn.invoice", TOPICS_EVENTS};
    assert_string_equal(plan_text(&wish, 1, NULL, 0, 3, (struct topics_sizes){0}),
                        "+ maesn.invoice 6 3\n"
                        "  cleanup.policy - delete\n"
                        "  retention.ms - 604800000\n"
                        "  unclean.leader.election.enable - false\n"
                        "  min.insync.replicas - 2\n");
}

static void dead_letters_are_kept_two_weeks(void **state)
{
    (void)state;
    const struct topics_wish wish = {"maesn.dead-letter", TOPICS_DEAD_LETTERS};
    assert_string_equal(plan_text(&wish, 1, NULL, 0, 3, (struct topics_sizes){.partitions = 12}),
                        "+ maesn.dead-letter 1 3\n"
                        "  cleanup.policy - delete\n"
                        "  retention.ms - 1209600000\n"
                        "  unclean.leader.election.enable - false\n"
                        "  min.insync.replicas - 2\n");
}

static void the_marks_of_replayed_letters_are_kept_as_long_as_the_letters(void **state)
{
    (void)state;
    const struct topics_wish wish = {"maesn.dead-letter.replayed", TOPICS_REPLAYED};
    assert_non_null(strstr(plan_text(&wish, 1, NULL, 0, 3, (struct topics_sizes){.partitions = 12}),
                           "+ maesn.dead-letter.replayed 1 3\n"
                           "  cleanup.policy - compact\n"));
}

static void the_registry_is_compacted_and_has_its_own_partitions(void **state)
{
    (void)state;
    const struct topics_wish wish = {"maesn.bridge.registry", TOPICS_REGISTRY};
    assert_string_equal(plan_text(&wish, 1, NULL, 0, 3, (struct topics_sizes){.partitions = 12}),
                        "+ maesn.bridge.registry 6 3\n"
                        "  cleanup.policy - compact\n"
                        "  delete.retention.ms - 604800000\n"
                        "  max.compaction.lag.ms - 86400000\n"
                        "  min.cleanable.dirty.ratio - 0.1\n"
                        "  segment.ms - 3600000\n"
                        "  unclean.leader.election.enable - false\n"
                        "  min.insync.replicas - 2\n");
}

static void a_topic_that_is_as_it_should_be_needs_nothing(void **state)
{
    (void)state;
    const struct topics_wish wish = {"maesn.invoice", TOPICS_EVENTS};
    const struct topics_found found = {"maesn.invoice", 1, 3, good, 4};
    assert_string_equal(plan_text(&wish, 1, &found, 1, 3, (struct topics_sizes){0}), "");
}

static void only_what_differs_is_altered(void **state)
{
    (void)state;
    static struct topics_value values[] = {
        {"cleanup.policy", "compact"},
        {"retention.ms", "1000"},
        {"unclean.leader.election.enable", "false"},
        {"min.insync.replicas", "1"},
    };
    const struct topics_wish wish = {"maesn.invoice", TOPICS_EVENTS};
    const struct topics_found found = {"maesn.invoice", 6, 3, values, 4};
    assert_string_equal(plan_text(&wish, 1, &found, 1, 3, (struct topics_sizes){0}),
                        "~ maesn.invoice 0 0\n"
                        "  cleanup.policy compact delete\n"
                        "  min.insync.replicas 1 2\n");
}

static void more_in_sync_replicas_than_we_want_are_the_operators_choice(void **state)
{
    (void)state;
    static struct topics_value values[] = {
        {"cleanup.policy", "delete"},
        {"unclean.leader.election.enable", "false"},
        {"min.insync.replicas", "10"},
    };
    const struct topics_wish wish = {"maesn.invoice", TOPICS_EVENTS};
    const struct topics_found found = {"maesn.invoice", 6, 12, values, 3};
    assert_string_equal(plan_text(&wish, 1, &found, 1, 12, (struct topics_sizes){0}), "");
}

static void a_single_broker_gets_what_it_can_and_is_told(void **state)
{
    (void)state;
    const struct topics_wish wish = {"maesn.invoice", TOPICS_EVENTS};
    assert_string_equal(plan_text(&wish, 1, NULL, 0, 1, (struct topics_sizes){0}),
                        "+ maesn.invoice 6 1\n"
                        "  cleanup.policy - delete\n"
                        "  retention.ms - 604800000\n"
                        "  unclean.leader.election.enable - false\n"
                        "  min.insync.replicas - 1\n"
                        "# the cluster has 1 broker: replication factor 1 instead of 3, so a lost "
                        "disk may lose events\n");
}

static void what_cannot_be_altered_safely_is_noted_and_left(void **state)
{
    (void)state;
    const struct topics_wish wish = {"maesn.invoice", TOPICS_EVENTS};
    const struct topics_found found = {"maesn.invoice", 3, 1, good, 4};
    assert_string_equal(
        plan_text(&wish, 1, &found, 1, 3, (struct topics_sizes){.partitions = 12}),
        "# maesn.invoice: replication factor 1, expected 3: what it acknowledges can be lost with "
        "its brokers; reassign its partitions\n"
        "# maesn.invoice: 3 partitions, not 12: changing them moves keys, so it is left to you\n");
}

static void the_sizes_of_the_command_line_are_those_of_new_topics(void **state)
{
    (void)state;
    const struct topics_wish wish = {"maesn.invoice", TOPICS_EVENTS};
    assert_string_equal(plan_text(&wish, 1, NULL, 0, 1, (struct topics_sizes){12, 2}),
                        "+ maesn.invoice 12 2\n"
                        "  cleanup.policy - delete\n"
                        "  retention.ms - 604800000\n"
                        "  unclean.leader.election.enable - false\n"
                        "  min.insync.replicas - 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_event_topic_is_created_with_what_the_promises_rest_on),
        cmocka_unit_test(dead_letters_are_kept_two_weeks),
        cmocka_unit_test(the_marks_of_replayed_letters_are_kept_as_long_as_the_letters),
        cmocka_unit_test(the_registry_is_compacted_and_has_its_own_partitions),
        cmocka_unit_test(a_topic_that_is_as_it_should_be_needs_nothing),
        cmocka_unit_test(only_what_differs_is_altered),
        cmocka_unit_test(more_in_sync_replicas_than_we_want_are_the_operators_choice),
        cmocka_unit_test(a_single_broker_gets_what_it_can_and_is_told),
        cmocka_unit_test(what_cannot_be_altered_safely_is_noted_and_left),
        cmocka_unit_test(the_sizes_of_the_command_line_are_those_of_new_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
