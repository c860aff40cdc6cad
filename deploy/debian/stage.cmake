# What a Debian package has beside the installed files: a configuration, and its changelog. Run by CPack before it packs.
set(root ${CPACK_TEMPORARY_DIRECTORY})
set(documents ${root}/usr/share/doc/maesn-bridge)
get_filename_component(source ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)

file(READ ${source}/config/bridge.yaml configuration)
string(REPLACE "$schema=" "$schema=/usr/share/maesn-bridge/schemas/" configuration "${configuration}")
file(WRITE ${root}/etc/maesn-bridge/bridge.yaml "${configuration}")
foreach(directory accounts.d routes.d)
  file(MAKE_DIRECTORY ${root}/etc/maesn-bridge/${directory})
endforeach()
file(COPY ${CMAKE_CURRENT_LIST_DIR}/copyright DESTINATION ${documents})

execute_process(COMMAND date --utc --rfc-email --date=${CPACK_BRIDGE_DATE} OUTPUT_VARIABLE date
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(CONCAT changelog "maesn-bridge (${CPACK_PACKAGE_VERSION}) stable; urgency=medium\n\n"
              "  * CHANGELOG.md, beside this file, tells what has changed.\n\n"
              " -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
file(WRITE ${documents}/changelog "${changelog}")
execute_process(COMMAND gzip -9n ${documents}/changelog COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND chmod -R u=rwX,go=rX ${root} COMMAND_ERROR_IS_FATAL ANY)
