/* librdkafka's mock cluster as a program: a command a line on standard input, its result, a number
 * of librdkafka's, a line on standard output.
 *
 *     create TOPIC PARTITIONS         each with one replica
 *     leader TOPIC PARTITION BROKER   -1: nobody leads it
 *     down BROKER
 *     up BROKER
 *     rtt BROKER MS                   each of its answers is so late, what was asked is done
 *     delay BROKER MS                 the same, of its next produce request only
 *     refuse API_KEY ERROR COUNT      so many requests of that kind are answered so, by any broker
 *     answer ERROR EVERY              every so manieth produce request is, until "well"
 *     well
 *     asked                           its result: the produce requests since the last "answer"
 *
 * What is refused is not stored: no command makes a broker store a record and answer with an error.
 * A request counts when it was read, and takes its answer at once: of those asked since "answer",
 * until "well", the first and every so manieth after it are answered with the error.
 * Source: rd_kafka_mock_handle_Produce(), rdkafka_mock_handlers.c, librdkafka 2.0.2.
 */
#pragma once

/* Serves until standard input ends, after a line with what goes into bootstrap.servers; returns the
 * exit code. */
int mock_commands_serve(int brokers);
