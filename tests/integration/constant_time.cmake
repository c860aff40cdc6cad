# integration/constant_time: test_constant_time.c under memcheck, over the program's own code as the release compiles it; and
# mutants of it, with which the same run must find something.

set(memcheck valgrind --quiet --error-exitcode=9)

# constant_time_mutant(NAME FOLDER FILE FROM TO [FROM TO ...]): each FROM stands exactly once in bridge/FOLDER/FILE. Caught is
# a branch; not a test that fails, since all verdicts are as before.
function(constant_time_mutant name folder file)
  set(original ${PROJECT_SOURCE_DIR}/bridge/${folder}/${file})
  set(copy ${CMAKE_CURRENT_BINARY_DIR}/mutants/constant_time_${name}/${file})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${original})
  file(READ ${original} text)
  set(i 3) # by index: a list would fall apart at the semicolons of C
  while(i LESS ARGC)
    set(from "${ARGV${i}}")
    math(EXPR i "${i} + 1")
    set(to "${ARGV${i}}")
    math(EXPR i "${i} + 1")
    mutate(${name} ${file} text "${from}" "${to}")
  endwhile()
  file(CONFIGURE OUTPUT ${copy} CONTENT "${text}" @ONLY)
  set_source_files_properties(${copy} PROPERTIES COMPILE_OPTIONS "-w;-O2")
  set(target test_integration_constant_time_mutant_${name})
  add_executable(${target} ${copy})
  target_link_libraries(${target} PRIVATE constant_time released PkgConfig::CMOCKA)
  add_test(NAME integration/constant_time_mutant/${name} COMMAND ${memcheck} $<TARGET_FILE:${target}>)
  set_tests_properties(integration/constant_time_mutant/${name} PROPERTIES TIMEOUT 300
    PASS_REGULAR_EXPRESSION "[Cc]onditional jump or move depends on uninitialised value"
    FAIL_REGULAR_EXPRESSION "  FAILED  ")
endfunction()

add_library(constant_time OBJECT test_constant_time.c)
target_link_libraries(constant_time PRIVATE bridge_compile PkgConfig::CMOCKA)
add_executable(test_integration_constant_time)
target_link_libraries(test_integration_constant_time PRIVATE constant_time released PkgConfig::CMOCKA)
add_test(NAME integration/constant_time COMMAND ${memcheck} $<TARGET_FILE:test_integration_constant_time>)
set_tests_properties(integration/constant_time PROPERTIES TIMEOUT 300)

constant_time_mutant(memcmp base crypto.c "CRYPTO_memcmp(" "memcmp(")
constant_time_mutant(maesn-stops-at-the-first providers/maesn maesn.c
  "bool is_current, is_previous;" "bool is_current, is_previous = false;"
  "if (status == STATUS_OK)\n        status = signed_by(r->previous_secret"
  "if (status == STATUS_OK && !is_current)\n        status = signed_by(r->previous_secret")
constant_time_mutant(moneybird-stops-at-the-first providers/moneybird moneybird.c
  "bool is_current, is_previous;" "bool is_current, is_previous = false;"
  "if (status == STATUS_OK)\n        status = signed_by(r->previous_secret"
  "if (status == STATUS_OK && !is_current)\n        status = signed_by(r->previous_secret")
constant_time_mutant(stops-at-the-signature-that-matches providers/moneybird moneybird.c
  "status == STATUS_OK && i < signature->v1_len" "status == STATUS_OK && !*ret && i < signature->v1_len")
constant_time_mutant(says-at-once-that-it-is-wrong providers/maesn maesn.c
  "*ret = verification_of_secrets(is_current, is_previous);"
  "*ret = VERIFICATION_BAD;\n    if (is_current || is_previous)\n        *ret = verification_of_secrets(is_current, is_previous);\n    __asm__ volatile(\"\" ::: \"memory\");")
