# normscope_embed(OUT NAME "files"): a C++ source with the text of the files, so the program works from any folder.
function(normscope_embed out name files)
  set(source "${CMAKE_BINARY_DIR}/generated/embedded_${name}.cpp")
  set(rows "")
  foreach(file IN LISTS files)
    get_filename_component(stem "${file}" NAME_WE)
    file(READ "${file}" text)
    string(APPEND rows "    {\"${stem}\", R\"embedded(${text})embedded\"},\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  endforeach()
  file(CONFIGURE OUTPUT "${source}" @ONLY CONTENT [[
#include <map>
#include <string>
namespace normscope {
const std::map<std::string, std::string>& embedded_@name@() {
  static const std::map<std::string, std::string> files{
@rows@  };
  return files;
}
}  // namespace normscope
]])
  set(${out} "${source}" PARENT_SCOPE)
endfunction()
