# Mutants of the reconciler: copies of its sources with one thing wrong, each to be caught by the promise it breaks.
# A promise that no mutant breaks might as well not be checked.

# reconciler_mutant(NAME PROMISE FILE FROM TO [FILE FROM TO ...]): FROM stands exactly once in bridge/reconciler/FILE.
function(reconciler_mutant name promise)
  set(sources)
  # By index: a list would fall apart at the semicolons of C.
  set(i 2)
  while(i LESS ARGC)
    set(file "${ARGV${i}}")
    math(EXPR i "${i} + 1")
    set(from "${ARGV${i}}")
    math(EXPR i "${i} + 1")
    set(to "${ARGV${i}}")
    math(EXPR i "${i} + 1")
    set(original ${PROJECT_SOURCE_DIR}/bridge/reconciler/${file})
    set(copy ${CMAKE_CURRENT_BINARY_DIR}/mutants/${name}/${file})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${original})
    if(NOT ${copy} IN_LIST sources)
      file(READ ${original} text)
    else()
      file(READ ${copy} text)
    endif()
    mutate(${name} ${file} text "${from}" "${to}")
    file(CONFIGURE OUTPUT ${copy} CONTENT "${text}" @ONLY)
    list(APPEND sources ${copy})
  endwhile()
  list(REMOVE_DUPLICATES sources)
  set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS -w) # a mutant may leave something unused
  set(target test_integration_reconciler_mutant_${name})
  add_executable(${target} ${sources})
  target_link_libraries(${target} PRIVATE reconciler_model reconciler bridge_compile PkgConfig::CMOCKA)
  add_test(NAME integration/reconciler_mutant/${name} COMMAND ${target})
  set_tests_properties(integration/reconciler_mutant/${name} PROPERTIES TIMEOUT 300
    ENVIRONMENT MODEL_PROMISE=${promise} PASS_REGULAR_EXPRESSION "violates ${promise}:")
endfunction()

# The model is compiled once.
add_library(reconciler_model OBJECT test_reconciler_model.c reconciler_world.c)
target_link_libraries(reconciler_model PRIVATE reconciler bridge_compile PkgConfig::CMOCKA)

reconciler_mutant(others-accounts foreign
  observation.c "is_account(&match.url, observer)" "true")
reconciler_mutant(lists-of-others ownership
  pass_list.c "if (!pass_may_call(p))" "if (false)")
reconciler_mutant(writes-to-others ownership
  pass_create.c "if (!pass_may_call(p))" "if (false)")
reconciler_mutant(part-of-a-list trusted-list
  pass_list.c "result->outcome.verdict != VERDICT_OK || !result->listing->trusted" "false"
  observation.c "assert(listing->trusted)" "(void)0")
reconciler_mutant(one-look second-look
  plan_view.c ">= v->in->options->second_look_ms" ">= 0")
reconciler_mutant(first-look-not-forgotten second-look
  plan_route.c "struct route_record after = *r;\n    after.missing_since_unix_ms = 0;\n    if (seen->expires"
         "struct route_record after = *r;\n    if (seen->expires")
reconciler_mutant(no-intent intent-first
  pass_commit.c "writer->commit(writer->ctx, p->account, changes, p->changes_len, on_committed, p)"
         "(on_committed(p, STATUS_OK), STATUS_OK)")
reconciler_mutant(delete-before-retiring intent-first
  plan_route.c "after->state = ROUTE_RETIRING;" ""
  pass_call.c "            assert(r->state != ROUTE_ACTIVE ||" "            assert(true ||")
reconciler_mutant(secret-after-the-next-call secrets-lost
  pass_create.c "pass_commit(p, PASS_SAVING, after_saving_secret)" "after_saving_secret(p)")
reconciler_mutant(secret-not-kept secrets-lost
  pass_create.c "p->state->unsaved = route_record_copy(&r);" "")
reconciler_mutant(saved-over-what-came-since steady
  pass_create.c "held != NULL && held->record->state == ROUTE_PENDING" "true")
reconciler_mutant(gone-is-forgotten secrets-lost
  plan_route.c "add_gone(v, r);\n    else if" "add_forget(v, r, REASON_NO_LONGER_LISTED);\n    else if")
reconciler_mutant(post-again list-first
  pass_create.c "pass_list(p);\n    } else {" "p->has_ambiguity = false;\n        pass_create_next(p);\n    } else {")
reconciler_mutant(uncertain-is-missing second-look
  plan_view.c "v->is_in_doubt |= !plan_view_is_believed_missing(v, r)" "v->is_in_doubt |= false")
reconciler_mutant(delete-before-create gap
  plan_route.c "(v->wanted != NULL && v->keeper == NULL && !plan_view_is_useless(r))" "false")
reconciler_mutant(no-overlap overlap
  plan_route.c "!plan_view_is_useless(r) && v->in->now_unix_ms < overlap_end(v, after)" "false")
reconciler_mutant(no-delete-delay guard
  plan_route.c "if (v->in->now_unix_ms < due_unix_ms) {" "if (false) {")
reconciler_mutant(guard-rail-down guard
  plan_route.c "} else if (v->in->withholds_deletes) {" "} else if (false) {")
reconciler_mutant(policy-ignored guard
  plan_route.c "if (opt->policy == POLICY_UPSERT_ONLY) {" "if (false) {")
reconciler_mutant(gone-for-good convergence
  plan_create.c "v->has_lost_one ? REASON_REPLACES_GONE" "v->has_lost_one ? REASON_FINE")
reconciler_mutant(old-urls-kept convergence
  plan_view.c "if (seen->is_former)" "if (false)")
reconciler_mutant(orphans-kept duplicates
  plan_view.c "return v->wanted == NULL || v->keeper != NULL || is_refused || seen" "return seen")
reconciler_mutant(twins-kept duplicates
  plan_sighting.c "step_for_duplicate(v, held->record, seen)" "(void)0")
reconciler_mutant(writes-at-every-pass steady
  pass_plan.c "account_record_equal(old, &r))\n        return STATUS_OK;" "false)\n        return STATUS_OK;")
reconciler_mutant(never-renewed lapse
  plan_create.c "    int64_t newest_unix_ms = 0;\n    for (size_t i = 0; i < v->in->state->routes_len; i++) {\n        const struct route_record *other"
         "    return false;\n    int64_t newest_unix_ms = 0;\n    for (size_t i = 0; i < v->in->state->routes_len; i++) {\n        const struct route_record *other")
reconciler_mutant(always-renewed storm
  plan_create.c "if (r->expires_at_unix_ms - v->in->now_unix_ms >= lead_ms)" "if (false)"
  plan_create.c "return v->in->now_unix_ms - newest_unix_ms >= lifetime_ms * 3 / 10" "return true")
