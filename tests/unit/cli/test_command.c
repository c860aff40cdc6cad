#include "bridge/cli/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* --- commands that note how they were called -------------------------------------------------- */

static const char *called;      /* the command's name; NULL: none was */
static const char *seen_config; /* what it was told */
static const char *seen_rate;
static const char *seen_topics[4];
static const char *seen_operands[3];
static bool seen_force, seen_json;

static void note(const char *name, const struct invocation *in)
{
    called = name;
    seen_config = invocation_config(in);
    seen_json = invocation_wants_json(in);
    for (size_t i = 0; i < 3; i++)
        seen_operands[i] = invocation_operand(in, i);
}

static enum exit_code run_send(const struct invocation *in)
{
    note("send", in);
    seen_rate = invocation_value(in, "rate");
    for (size_t i = 0; i < 4; i++)
        seen_topics[i] = invocation_nth_value(in, "topic", i);
    seen_force = invocation_has(in, "force");
    return EXIT_CODE_CHANGES_PENDING;
}

static enum exit_code run_topics_plan(const struct invocation *in)
{
    note("topics plan", in);
    return EXIT_CODE_FINE;
}

static enum exit_code run_topics_apply(const struct invocation *in)
{
    note("topics apply", in);
    return EXIT_CODE_FINE;
}

static const struct command_option send_options[] = {
    {"rate", "N", "How many a second. Default 2."},
    {"topic", "TOPIC...", "One of the topics."},
    {"force", NULL, "Does it all the same."},
    {0},
};

static const struct command send = {
    .name = "send",
    .operands = "FILE...",
    .operands_min = 1,
    .operands_max = 2,
    .summary = "Send files.",
    .description = "Sends one file or two.",
    .options = send_options,
    .examples = "  $ maesn-bridge send a",
    .exit_codes = (const struct exit_meaning[]){{0, "sent"}, {2, "not yet"}, {0}},
    .run = run_send,
};
static const struct command topics_plan = {.name = "topics plan",
                                           .operands = "",
                                           .summary = "Plan topics.",
                                           .description = "Plans.",
                                           .run = run_topics_plan};
static const struct command topics_apply = {.name = "topics apply",
                                            .operands = "",
                                            .summary = "Apply topics.",
                                            .description = "Applies.",
                                            .run = run_topics_apply};

static const struct command *const commands[] = {&send, &topics_plan, &topics_apply, NULL};

/* --- calling, with what the process prints caught --------------------------------------------- */

static char printed[16384];  /* to stdout */
static char complaint[4096]; /* to stderr */

/* Points fd at a temporary file; returns what it pointed at. */
static int redirect(int fd, FILE *to)
{
    int saved = dup(fd);
    assert_true(saved >= 0 && dup2(fileno(to), fd) == fd);
    return saved;
}

static void restore(int fd, int saved, FILE *from, char *ret, size_t ret_size)
{
    assert_int_equal(dup2(saved, fd), fd);
    close(saved);
    rewind(from);
    ret[fread(ret, 1, ret_size - 1, from)] = '\0';
    fclose(from);
}

#define WORDS_MAX 16

/* Words are separated by single spaces; "maesn-bridge" comes before them. */
static enum exit_code call(const char *words)
{
    static char line[512];
    char *argv[WORDS_MAX + 2] = {line};
    int argc = 1;
    called = NULL;
    snprintf(line, sizeof(line), "maesn-bridge%s%s", words[0] == '\0' ? "" : " ", words);
    for (char *space = strchr(line, ' '); space != NULL; space = strchr(space + 1, ' ')) {
        assert_true(argc <= WORDS_MAX);
        *space = '\0';
        argv[argc++] = space + 1;
    }

    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out != NULL && err != NULL);
    fflush(stdout);
    int saved_out = redirect(STDOUT_FILENO, out), saved_err = redirect(STDERR_FILENO, err);
    enum exit_code code = command_dispatch(commands, argc, argv);
    fflush(stdout);
    restore(STDERR_FILENO, saved_err, err, complaint, sizeof(complaint));
    restore(STDOUT_FILENO, saved_out, out, printed, sizeof(printed));
    return code;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_command_gets_its_options_and_operands_and_gives_the_exit_code(void **state)
{
    (void)state;
    assert_int_equal(call("send --rate 5 a --force --config=/x.yaml b --output json"),
                     EXIT_CODE_CHANGES_PENDING);
    assert_string_equal(called, "send");
    assert_string_equal(seen_rate, "5");
    assert_true(seen_force);
    assert_true(seen_json);
    assert_string_equal(seen_config, "/x.yaml");
    assert_string_equal(seen_operands[0], "a");
    assert_string_equal(seen_operands[1], "b");
    assert_null(seen_operands[2]);
    assert_string_equal(printed, "");
    assert_string_equal(complaint, "");
}

static void an_option_of_several_values_keeps_all_in_their_order(void **state)
{
    (void)state;
    assert_int_equal(call("send --topic b --rate 5 --topic=a --topic c x"),
                     EXIT_CODE_CHANGES_PENDING);
    assert_string_equal(seen_topics[0], "b");
    assert_string_equal(seen_topics[1], "a");
    assert_string_equal(seen_topics[2], "c");
    assert_null(seen_topics[3]);
    assert_string_equal(seen_rate, "5");
    assert_int_equal(call("send x"), EXIT_CODE_CHANGES_PENDING);
    assert_null(seen_topics[0]);
}

static void options_that_are_not_given_have_no_value(void **state)
{
    (void)state;
    assert_int_equal(call("send a --output text"), EXIT_CODE_CHANGES_PENDING);
    assert_null(seen_rate);
    assert_false(seen_force);
    assert_false(seen_json);
    assert_string_equal(seen_config, "/etc/maesn-bridge/bridge.yaml");
}

static void a_value_may_begin_with_a_dash_and_hold_an_equals_sign(void **state)
{
    (void)state;
    assert_int_equal(call("send a --rate -1 --config=a=b"), EXIT_CODE_CHANGES_PENDING);
    assert_string_equal(seen_rate, "-1");
    assert_string_equal(seen_config, "a=b");
}

static void after_two_dashes_everything_is_an_operand(void **state)
{
    (void)state;
    assert_int_equal(call("send -- --force -h"), EXIT_CODE_CHANGES_PENDING);
    assert_false(seen_force);
    assert_string_equal(seen_operands[0], "--force");
    assert_string_equal(seen_operands[1], "-h");
}

static void a_single_dash_is_an_operand(void **state)
{
    (void)state;
    assert_int_equal(call("send -"), EXIT_CODE_CHANGES_PENDING);
    assert_string_equal(seen_operands[0], "-");
}

static void a_name_of_two_words_picks_its_command(void **state)
{
    (void)state;
    assert_int_equal(call("topics plan"), EXIT_CODE_FINE);
    assert_string_equal(called, "topics plan");
    assert_int_equal(call("topics apply"), EXIT_CODE_FINE);
    assert_string_equal(called, "topics apply");
}

/* Every wrong use is told in two lines on stderr, runs nothing, and is exit code 64. */
static const struct {
    const char *words;
    const char *complaint;
} wrong_uses[] = {
    /* options */
    {"send a --raet 5", "maesn-bridge send: unknown option: --raet (did you mean \"--rate\"?)\n"},
    {"send a --quite-another", "maesn-bridge send: unknown option: --quite-another\n"},
    {"send a -x", "maesn-bridge send: unknown option: -x\n"},
    {"send a --rate 1 --rate 2", "maesn-bridge send: given twice: --rate\n"},
    {"send a --rate=1 --rate=2", "maesn-bridge send: given twice: --rate=2\n"},
    {"send a --force=yes", "maesn-bridge send: takes no value: --force=yes\n"},
    {"send a --rate", "maesn-bridge send: needs a value: --rate\n"},
    {"send a --output xml", "maesn-bridge send: --output is none of text|json: xml\n"},
    {"send a --output jso",
     "maesn-bridge send: --output is none of text|json: jso (did you mean \"json\"?)\n"},
    /* an option of another command is not known here */
    {"topics plan --force", "maesn-bridge topics plan: unknown option: --force\n"},
    /* operands */
    {"send", "maesn-bridge send: expected operands: FILE...\n"},
    {"send a b c", "maesn-bridge send: unexpected operand: c\n"},
    {"topics plan now", "maesn-bridge topics plan: unexpected operand: now\n"},
};

static void a_wrong_use_is_named_and_runs_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong_uses) / sizeof(wrong_uses[0]); i++) {
        assert_int_equal(call(wrong_uses[i].words), EXIT_CODE_USAGE);
        size_t len = strlen(wrong_uses[i].complaint);
        if (strncmp(complaint, wrong_uses[i].complaint, len) != 0)
            fail_msg("%s: %s", wrong_uses[i].words, complaint);
        assert_memory_equal(complaint + len, "Try `maesn-bridge ", 18);
        assert_null(called);
        assert_string_equal(printed, "");
    }
}

static void an_unknown_command_is_told_with_the_nearest_one(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        const char *complaint;
    } rows[] = {
        {"sned", "maesn-bridge: unknown command: sned (did you mean \"send\"?)\n"},
        {"topics paln",
         "maesn-bridge: unknown command: topics paln (did you mean \"topics plan\"?)\n"},
        {"sned file", "maesn-bridge: unknown command: sned file (did you mean \"send\"?)\n"},
        {"elsewhere", "maesn-bridge: unknown command: elsewhere\n"},
        {"--force", "maesn-bridge: unknown command: --force\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(call(rows[i].words), EXIT_CODE_USAGE);
        assert_memory_equal(complaint, rows[i].complaint, strlen(rows[i].complaint));
        assert_string_equal(strchr(complaint, '\n'), "\nTry `maesn-bridge --help`.\n");
        assert_null(called);
    }
}

static void help_of_a_command_goes_to_stdout_whatever_else_is_given(void **state)
{
    (void)state;
    static const char *const forms[] = {"send --help", "send -h", "send a --help --force"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        assert_int_equal(call(forms[i]), EXIT_CODE_FINE);
        assert_null(called);
        assert_string_equal(complaint, "");
        assert_memory_equal(printed, "Usage: maesn-bridge send [options] FILE...\n\nSends", 49);
        assert_non_null(strstr(printed, "  --rate N"));
        assert_non_null(strstr(printed, "  --force "));
        assert_non_null(strstr(printed, "  --config FILE"));
        assert_non_null(strstr(printed, "\nExamples:\n  $ maesn-bridge send a\n"));
        assert_non_null(strstr(printed, "\nExit codes:\n  0   sent\n  2   not yet\n"));
    }
}

static void the_overview_lists_every_command(void **state)
{
    (void)state;
    static const char *const forms[] = {"--help", "-h", "help"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        assert_int_equal(call(forms[i]), EXIT_CODE_FINE);
        assert_non_null(strstr(printed, "  send                  Send files.\n"));
        assert_non_null(strstr(printed, "  topics plan           Plan topics.\n"));
        assert_string_equal(complaint, "");
    }
}

static void without_a_command_the_overview_is_a_complaint(void **state)
{
    (void)state;
    assert_int_equal(call(""), EXIT_CODE_USAGE);
    assert_string_equal(printed, "");
    assert_non_null(strstr(complaint, "  send                  Send files.\n"));
}

static void the_first_word_of_several_commands_lists_them(void **state)
{
    (void)state;
    static const char list[] =
        "Usage: maesn-bridge topics COMMAND [options]\n\nCommands:\n"
        "  topics plan           Plan topics.\n  topics apply          Apply topics.\n";
    assert_int_equal(call("topics --help"), EXIT_CODE_FINE);
    assert_memory_equal(printed, list, strlen(list));
    assert_string_equal(complaint, "");
    assert_int_equal(call("topics"), EXIT_CODE_USAGE);
    assert_memory_equal(complaint, list, strlen(list));
    assert_int_equal(call("topic --help"), EXIT_CODE_USAGE);
    assert_null(called);
}

static void the_version_names_the_libraries(void **state)
{
    (void)state;
    static const char *const forms[] = {"--version", "-V"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        assert_int_equal(call(forms[i]), EXIT_CODE_FINE);
        assert_memory_equal(printed, "maesn-bridge ", 13);
        assert_non_null(strstr(printed, "librdkafka"));
        assert_non_null(strstr(printed, "libmicrohttpd"));
    }
}

static bool colour_seen;

static enum exit_code run_paint(const struct invocation *in)
{
    colour_seen = invocation_wants_colour(in);
    return EXIT_CODE_FINE;
}

static void what_is_not_a_terminal_gets_no_colour(void **state)
{
    (void)state;
    static const struct command paint = {
        .name = "paint", .operands = "", .summary = "", .description = "", .run = run_paint};
    static const struct command *const only[] = {&paint, NULL};
    char name[] = "maesn-bridge", word[] = "paint";
    char *argv[] = {name, word, NULL};
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    FILE *out = tmpfile();
    assert_non_null(out);
    colour_seen = true;
    fflush(stdout);
    int saved = redirect(STDOUT_FILENO, out);
    enum exit_code code = command_dispatch(only, 2, argv);
    restore(STDOUT_FILENO, saved, out, printed, sizeof(printed));
    assert_int_equal(code, EXIT_CODE_FINE);
    assert_false(colour_seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_gets_its_options_and_operands_and_gives_the_exit_code),
        cmocka_unit_test(an_option_of_several_values_keeps_all_in_their_order),
        cmocka_unit_test(options_that_are_not_given_have_no_value),
        cmocka_unit_test(a_value_may_begin_with_a_dash_and_hold_an_equals_sign),
        cmocka_unit_test(after_two_dashes_everything_is_an_operand),
        cmocka_unit_test(a_single_dash_is_an_operand),
        cmocka_unit_test(a_name_of_two_words_picks_its_command),
        cmocka_unit_test(a_wrong_use_is_named_and_runs_nothing),
        cmocka_unit_test(an_unknown_command_is_told_with_the_nearest_one),
        cmocka_unit_test(help_of_a_command_goes_to_stdout_whatever_else_is_given),
        cmocka_unit_test(the_overview_lists_every_command),
        cmocka_unit_test(without_a_command_the_overview_is_a_complaint),
        cmocka_unit_test(the_first_word_of_several_commands_lists_them),
        cmocka_unit_test(the_version_names_the_libraries),
        cmocka_unit_test(what_is_not_a_terminal_gets_no_colour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
