/* mock_driver BROKERS: librdkafka's mock cluster, see tests/support/mock_commands.h. */
#include <stdio.h>

#include "tests/support/mock_commands.h"

int main(int argc, char **argv)
{
    int brokers;
    if (argc == 2 && sscanf(argv[1], "%d", &brokers) == 1 && brokers > 0)
        return mock_commands_serve(brokers);
    fprintf(stderr, "usage: mock_driver BROKERS\n");
    return 64;
}
