# Mutants of the spooling sink and the drain: copies of a source with one thing wrong, each to be caught by the promise
# it breaks. A promise that no mutant breaks might as well not be checked.

# spooling_mutant(NAME PROMISE FILE FROM TO): FROM stands exactly once in bridge/spool/FILE.
function(spooling_mutant name promise file from to)
  set(original ${PROJECT_SOURCE_DIR}/bridge/spool/${file})
  set(copy ${CMAKE_CURRENT_BINARY_DIR}/mutants/${name}/${file})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${original})
  file(READ ${original} text)
  mutate(${name} ${file} text "${from}" "${to}")
  file(CONFIGURE OUTPUT ${copy} CONTENT "${text}" @ONLY)
  set_source_files_properties(${copy} PROPERTIES COMPILE_OPTIONS -w) # a mutant may leave something unused
  set(target test_unit_spool_mutant_${name})
  add_executable(${target} ${copy})
  target_link_libraries(${target} PRIVATE spooling_model spool ops domain base bridge_compile PkgConfig::CMOCKA)
  add_test(NAME unit/spool/spooling_mutant/${name} COMMAND ${target})
  set_tests_properties(unit/spool/spooling_mutant/${name} PROPERTIES TIMEOUT 300
    ENVIRONMENT "MODEL_PROMISE=${promise};MODEL_HISTORIES=100000" PASS_REGULAR_EXPRESSION "violates ${promise}:")
endfunction()

# The model is compiled once.
add_library(spooling_model OBJECT test_spooling_model.c)
target_link_libraries(spooling_model PRIVATE spool bridge_compile PkgConfig::CMOCKA)

spooling_mutant(answered-before-stored durable spooling_sink.c
  "if (status == STATUS_OK)\n        return STATUS_OK;\n    backlog_leave"
  "if (status == STATUS_OK) {\n        if (!p->is_reported) { p->is_reported = true; (void)report(p, STATUS_OK); }\n        return STATUS_OK;\n    }\n    backlog_leave")
spooling_mutant(failed-attempt-is-a-success durable spooling_sink.c
  "is_answered ? report(p, status)" "is_answered ? report(p, STATUS_OK)")
spooling_mutant(refused-is-deleted durable drain.c
  "    } else {\n        block(d, b, status, now);\n    }"
  "    } else {\n        (void)spool_delete(d->options.spool, b->sequences, b->len);\n    }")
spooling_mutant(unanswered-rows-stay late spooling_sink.c
  "bool is_kept = is_answered && p->attempt_state != ATTEMPT_ACKED" "bool is_kept = p->attempt_state != ATTEMPT_ACKED")
spooling_mutant(attempt-outlives-its-callback late spooling_sink.c
  "p->attempt.origin = outer;" "p->attempt.origin = NULL;")
spooling_mutant(read-before-settled late backlog.c
  "return b->waiting == 0 ? INT64_MAX : b->settled;" "return INT64_MAX;")
spooling_mutant(direct-while-stored order backlog.c
  "return b->waiting == 0 && !b->has_stored;" "return b->waiting == 0;")
spooling_mutant(cleared-too-early order backlog.c
  "saw_all && b->version == view->version" "saw_all && b->waiting == 0")
spooling_mutant(cleared-unseen order backlog.c
  "bool clears = b->has_stored && saw_all &&"
  "bool clears = b->has_stored && b->waiting == 0 && b->holds.next == &b->holds &&")
spooling_mutant(cleared-while-under-way order drain.c
  "bool is_clean = d->blocked_len == 0 && d->under_way_len == 0;" "bool is_clean = d->blocked_len == 0;")
spooling_mutant(several-of-a-key-under-way order drain.c
  "!class->is_under_way && !full" "!full")
spooling_mutant(attempts-not-held duplicates spooling_sink.c
  "p->is_held ? &p->hold : NULL);\n    }\n    passage_check" "NULL);\n        p->is_held = false;\n    }\n    passage_check")
spooling_mutant(acknowledged-rows-stay duplicates spooling_sink.c
  "bool is_kept = is_answered && p->attempt_state != ATTEMPT_ACKED" "bool is_kept = is_answered")
spooling_mutant(failures-not-counted duplicates spooling_sink.c
  "bool may_be_twice = is_kept && p->attempt_state == ATTEMPT_FAILED;" "bool may_be_twice = false;")
spooling_mutant(rewound-over-acknowledged-rows duplicates drain.c
  "d->under_way_len == 0 && d->done_len == 0;" "d->under_way_len == 0;")
spooling_mutant(reported-twice once spooling_sink.c
  "p->is_reported |= is_answered;" "(void)0;")
spooling_mutant(late-reports-are-said-to-be-waited-for waited spooling_sink.c
  "return is_told;" "return true;")
spooling_mutant(what-the-rows-answered-is-said-to-be-503 waited spooling_sink.c
  ": !publication_is_abandoned(p->outer);" ": false;")
spooling_mutant(unsent-ones-are-not-read-again ends drain.c
  "d->cursor = earlier(d->cursor, d->page->batches[i].sequences[0] - 1);" "(void)0;")
spooling_mutant(nothing-is-probed ends drain.c
  "ret[len++] = class->blocked_at;" "(void)0;")
