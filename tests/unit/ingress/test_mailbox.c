#include "bridge/ingress/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

enum { SENDERS = 4, LETTERS = 5000 };

struct letter {
    struct mailbox_node node; /* first */
    size_t sender;
    size_t number;
};

static bool is_readable(struct mailbox *m)
{
    struct pollfd p = {.fd = mailbox_fd(m), .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static void what_was_pushed_is_taken_once_and_oldest_first(void **state)
{
    (void)state;
    struct mailbox *m = NULL;
    struct letter letters[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    assert_int_equal(mailbox_new(&m), STATUS_OK);
    assert_null(mailbox_take(m));
    assert_false(is_readable(m));
    for (size_t i = 0; i < 3; i++)
        mailbox_push(m, &letters[i].node);
    assert_true(is_readable(m));
    struct mailbox_node *node = mailbox_take(m);
    for (size_t i = 0; i < 3; i++, node = node->next)
        assert_int_equal(((struct letter *)node)->number, i);
    assert_null(node);
    assert_false(is_readable(m));
    assert_null(mailbox_take(m));
    mailbox_unref(m);
}

static void a_wake_up_needs_no_letter(void **state)
{
    (void)state;
    struct mailbox *m = NULL;
    assert_int_equal(mailbox_new(&m), STATUS_OK);
    mailbox_wake(m);
    assert_true(is_readable(m));
    assert_null(mailbox_take(m));
    assert_false(is_readable(m));
    mailbox_unref(m);
    mailbox_unref(NULL);
}

static struct letter all[SENDERS][LETTERS];

struct sender {
    struct mailbox *mailbox;
    size_t number;
};

static void *send_all(void *ctx)
{
    struct sender *s = ctx;
    for (size_t i = 0; i < LETTERS; i++) {
        all[s->number][i] = (struct letter){.sender = s->number, .number = i};
        mailbox_push(s->mailbox, &all[s->number][i].node);
    }
    mailbox_unref(s->mailbox);
    return NULL;
}

/* Waits without a limit of its own: a lost wake-up shows as the test's timeout. */
static void no_letter_and_no_wake_up_is_lost_between_threads(void **state)
{
    (void)state;
    struct mailbox *m = NULL;
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    size_t next[SENDERS] = {0}, taken = 0;
    assert_int_equal(mailbox_new(&m), STATUS_OK);
    for (size_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){mailbox_ref(m), i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    while (taken < SENDERS * LETTERS) {
        struct pollfd p = {.fd = mailbox_fd(m), .events = POLLIN};
        assert_int_equal(poll(&p, 1, -1), 1);
        for (struct mailbox_node *node = mailbox_take(m); node != NULL; node = node->next) {
            struct letter *letter = (struct letter *)node;
            assert_int_equal(letter->number, next[letter->sender]++);
            taken++;
        }
    }
    for (size_t i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    mailbox_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_pushed_is_taken_once_and_oldest_first),
        cmocka_unit_test(a_wake_up_needs_no_letter),
        cmocka_unit_test(no_letter_and_no_wake_up_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
