include(GNUInstallDirs)
install(TARGETS llmsize RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The man page and the completions come from the same tables of flags as --help, so the built program writes them.
if(NOT CMAKE_CROSSCOMPILING)
  set(generated "${CMAKE_CURRENT_BINARY_DIR}/generated")
  set(man_page "${generated}/llmsize.1")
  set(bash_completion "${generated}/llmsize.bash")
  set(zsh_completion "${generated}/_llmsize")
  set(fish_completion "${generated}/llmsize.fish")
  add_custom_command(OUTPUT "${man_page}" "${bash_completion}" "${zsh_completion}" "${fish_completion}"
    COMMAND ${CMAKE_COMMAND} -E make_directory "${generated}"
    COMMAND llmsize --man-page > "${man_page}"
    COMMAND llmsize --completions bash > "${bash_completion}"
    COMMAND llmsize --completions zsh > "${zsh_completion}"
    COMMAND llmsize --completions fish > "${fish_completion}"
    DEPENDS llmsize COMMENT "Writing the man page and completions" VERBATIM)
  add_custom_target(llmsize_manual ALL DEPENDS "${man_page}" "${bash_completion}" "${zsh_completion}" "${fish_completion}")
  install(FILES "${man_page}" DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES "${bash_completion}" DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME llmsize)
  install(FILES "${zsh_completion}" DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES "${fish_completion}" DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

set(CPACK_PACKAGE_NAME llmsize)
set(CPACK_PACKAGE_VENDOR "The llmsize authors")
set(CPACK_PACKAGE_CONTACT "The llmsize authors <llmsize@localhost>")
set(CPACK_GENERATOR "TGZ;DEB")
set(CPACK_PACKAGE_FILE_NAME "llmsize-${PROJECT_VERSION}-${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
include(CPack)
