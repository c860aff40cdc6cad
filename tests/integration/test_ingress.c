/* The ingress over loopback: what is answered, and when. */
#include "tests/integration/ingress_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

static int start(void **state)
{
    static struct ingress_fixture f;
    ingress_fixture_init(&f);
    ingress_fixture_start(&f);
    *state = &f;
    return 0;
}

static int stop(void **state)
{
    ingress_fixture_done(*state);
    return 0;
}

static void a_signed_callback_is_answered_200_once_the_sink_has_reported(void **state)
{
    struct ingress_fixture *f = *state;
    struct reply reply = client_post(f->port, ACTIVE_PATH, "{\"resource\":\"INVOICE\"}");
    assert_int_equal(reply.code, 200);
    assert_int_equal(f->sink.taken, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_signed_callback_is_answered_200_once_the_sink_has_reported, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
