// The statistics' columns of a run file: axes and what a file holds.
#include "io/run_layout.h"

namespace normscope {

namespace run_layout {

using hdf5::check;
using hdf5::Handle;

const AxisText& text_of(Axis axis) {
  static constexpr AxisText kAxes[] = {
      {"one", "", "", ""},
      {"params", "/params/name", "param", "parameter path"},
      {"points", "/residual/name", "residual", "point of the residual stream"},
      {"blocks", "/blocks/name", "block", "block, from 0"},
      {"heads", "/heads/name", "head", "attention head: block, attn, head"},
      {"norms", "/norms/name", "norm", "normalization layer"},
  };
  static_assert(std::size(kAxes) == kAxisCount);
  return kAxes[static_cast<std::size_t>(axis)];
}

bool exists(hid_t file, const std::string& path) { return H5Lexists(file, path.c_str(), H5P_DEFAULT) > 0; }

namespace {

/// Every dataset below `group`, itself no link to elsewhere, by its path.
void collect_datasets(hid_t file, const std::string& group, std::vector<std::string>* paths) {
  if (!exists(file, group)) return;
  Handle handle(H5Gopen2(file, group.c_str(), H5P_DEFAULT), H5Gclose);
  std::vector<std::string> names;
  const auto collect = [](hid_t, const char* name, const H5L_info_t* link, void* list) -> herr_t {
    if (link->type == H5L_TYPE_HARD) static_cast<std::vector<std::string>*>(list)->emplace_back(name);
    return 0;
  };
  check(H5Literate(handle, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names));
  for (const std::string& name : names) {
    const std::string path = group + "/" + name;
    Handle object(H5Oopen(file, path.c_str(), H5P_DEFAULT), H5Oclose);
    if (H5Iget_type(object) == H5I_DATASET)
      paths->push_back(path);
    else
      collect_datasets(file, path, paths);
  }
}

ColumnInfo info_of(hid_t set, const std::string& path) {
  ColumnInfo info{.path = path};
  info.name = path.substr(info.is_added() ? 7 : 1);
  std::string axis = hdf5::extents(set).size() == 1 ? "one" : path.rfind("/residual/", 0) == 0 ? "points" : "params";
  for (const auto& [key, value] : hdf5::read_attributes(set)) {
    if (key == "units") info.unit = value;
    if (key == "long_name") info.long_name = value;
    if (key == "stage") info.stage = value;
    if (key == "axis") axis = value;
  }
  for (std::size_t i = 0; i < kAxisCount; ++i)
    if (axis == text_of(static_cast<Axis>(i)).name) info.axis = static_cast<Axis>(i);
  return info;
}

}  // namespace

std::vector<ColumnInfo> statistics_of(hid_t file) {
  std::vector<std::string> paths;
  for (const char* group : {"/grad", "/weight", "/update", "/residual", "/stats"})
    collect_datasets(file, group, &paths);
  std::vector<ColumnInfo> found;
  for (const std::string& path : paths) {
    Handle set = hdf5::open_dataset(file, path);
    Handle type(H5Dget_type(set), H5Tclose);
    if (H5Tget_class(type) == H5T_FLOAT) found.push_back(info_of(set, path));
  }
  return found;
}

}  // namespace run_layout

const char* name_of(Axis axis) { return run_layout::text_of(axis).name; }

}  // namespace normscope
