#include "bridge/ingress/lingering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* More than a loop keeps, which is 256. */
#define MANY 300

struct pair {
    int ours;
    int clients;
};

static struct pair open_pair(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    return (struct pair){fds[0], fds[1]};
}

static void start(struct lingering *l)
{
    assert_int_equal(lingering_init(l), STATUS_OK);
}

static void what_is_sent_is_read_until_the_client_closes_its_side(void **state)
{
    (void)state;
    struct lingering l;
    start(&l);
    struct pair p = open_pair();
    lingering_add(&l, p.ours, 1);
    close(p.ours);
    char byte;
    assert_int_equal(read(p.clients, &byte, 1), 0); /* nothing more is answered */
    assert_int_equal(write(p.clients, "late", 4), 4);
    lingering_run(&l, 2);
    assert_int_equal(l.fifo.len, 1);
    close(p.clients);
    lingering_run(&l, 3);
    assert_int_equal(l.fifo.len, 0);
    lingering_done(&l);
}

static void nobody_is_waited_for_longer_than_two_seconds(void **state)
{
    (void)state;
    struct lingering l;
    start(&l);
    struct pair p = open_pair();
    lingering_add(&l, p.ours, 1);
    lingering_run(&l, 2000);
    assert_int_equal(l.fifo.len, 1);
    lingering_run(&l, 2001);
    assert_int_equal(l.fifo.len, 0);
    lingering_done(&l);
    close(p.ours);
    close(p.clients);
}

/* Their originals are open, as libmicrohttpd's are until it runs next, and all have something to
 * tell: also those that are gone. */
static void whoever_made_room_for_another_is_heard_of_no_more(void **state)
{
    (void)state;
    struct lingering l;
    struct pair pairs[MANY];
    start(&l);
    for (size_t i = 0; i < MANY; i++) {
        pairs[i] = open_pair();
        lingering_add(&l, pairs[i].ours, 1);
        shutdown(pairs[i].ours, SHUT_RDWR);
    }
    assert_int_equal(l.fifo.len, 256);
    for (int64_t now = 2; l.fifo.len > 0; now++) {
        size_t before = l.fifo.len;
        lingering_run(&l, now);
        assert_true(l.fifo.len < before);
    }
    lingering_done(&l);
    for (size_t i = 0; i < MANY; i++) {
        close(pairs[i].ours);
        close(pairs[i].clients);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_is_read_until_the_client_closes_its_side),
        cmocka_unit_test(nobody_is_waited_for_longer_than_two_seconds),
        cmocka_unit_test(whoever_made_room_for_another_is_heard_of_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
