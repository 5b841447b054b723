#include "io/run_layout.h"

#include <fmt/format.h>
#include <hdf5_hl.h>

#include <algorithm>
#include <limits>

#include <normscope/core/error.h>

#include "core/numbers.h"

namespace normscope::run_layout {
namespace {

using hdf5::check;
using hdf5::Handle;
using hdf5::write_attribute;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr const char* kBefore = "before clipping";

const Column kSteps[] = {
    {"/steps/step", Kind::i64, Axis::one, "1", "optimizer step, from 0"},
    {"/steps/epoch", Kind::i64, Axis::one, "1", "epoch, from 1"},
    {"/steps/tokens", Kind::i64, Axis::one, "token", "training tokens seen, this step included"},
    {"/steps/elapsed_s", Kind::f64, Axis::one, "s", "wall time since training began"},
    {"/steps/loss", Kind::f64, Axis::one, "nat/token", "training loss, mean over the step's tokens"},
    {"/steps/lr", Kind::f64, Axis::one, "1", "learning rate"},
    {"/steps/grad_norm", Kind::f64, Axis::one, "nat/token", "L2 norm of all gradients together", kBefore, 2},
    {"/steps/clip_coef", Kind::f64, Axis::one, "1", "factor that clipping applied to the gradients"},
};

const Column kEvals[] = {
    {"/eval/step", Kind::i64, Axis::one, "1", "optimizer step at which the losses were measured"},
    {"/eval/train_loss", Kind::f64, Axis::one, "nat/token", "loss on the training split"},
    {"/eval/val_loss", Kind::f64, Axis::one, "nat/token", "loss on the validation split"},
    {"/eval/exact", Kind::u8, Axis::one, "1", "1: over the whole split, 0: sampled"},
};

const Column kEpochs[] = {
    {"/epochs/epoch", Kind::i64, Axis::one, "1", "epoch, from 1"},
    {"/epochs/complete", Kind::u8, Axis::one, "1", "1: a whole epoch, 0: ended early"},
    {"/epochs/loss", Kind::f64, Axis::one, "nat/token", "training loss, mean over the epoch"},
    {"/epochs/mean_grad_norm", Kind::f64, Axis::one, "nat/token",
     "mean gradient norm over the block matrices and the epoch's steps", kBefore, 2},
    {"/epochs/param_grad_norm", Kind::f32, Axis::params, "nat/token", "gradient norm, mean over the epoch", kBefore, 2},
    {"/epochs/residual_grad_norm", Kind::f32, Axis::points, "nat", "residual gradient, mean over the epoch", kBefore,
     2},
};

hid_t file_type(Kind kind) {
  switch (kind) {
    case Kind::i64:
      return H5T_STD_I64LE;
    case Kind::f64:
      return H5T_IEEE_F64LE;
    case Kind::f32:
      return H5T_IEEE_F32LE;
    case Kind::u8:
      return H5T_STD_U8LE;
  }
  return -1;
}

// A chunk is about 64 kB: a half second's rows touch one of them, a column of a long run reads few.
hsize_t chunk_rows(std::size_t row_bytes) {
  return std::clamp<hsize_t>(65536 / std::max<std::size_t>(row_bytes, 1), 16, 1024);
}

Handle create_column(hid_t file, const Column& column, hsize_t width, hsize_t rows = 0) {
  const bool matrix = column.axis != Axis::one;
  const hsize_t dims[] = {rows, width};
  // A chunk is never wider than a fixed axis, so an axis of length 0 must be extensible.
  const hsize_t most[] = {H5S_UNLIMITED, width == 0 ? H5S_UNLIMITED : width};
  const hsize_t chunk_width = matrix ? std::max<hsize_t>(width, 1) : 1;
  const std::size_t row_bytes = chunk_width * size_of(column.kind);
  const hsize_t chunk[] = {chunk_rows(row_bytes), chunk_width};
  Handle space(H5Screate_simple(matrix ? 2 : 1, dims, most), H5Sclose);
  Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  check(H5Pset_chunk(properties, matrix ? 2 : 1, chunk));
  if (column.kind == Kind::f32 || column.kind == Kind::f64) {
    const double missing = kNaN;
    check(H5Pset_fill_value(properties, H5T_NATIVE_DOUBLE, &missing));
  }
  Handle set(H5Dcreate2(file, column.path.c_str(), file_type(column.kind), space, H5P_DEFAULT, properties, H5P_DEFAULT),
             H5Dclose);
  write_attribute(set, "units", column.units);
  write_attribute(set, "long_name", column.long_name);
  if (!column.stage.empty()) write_attribute(set, "stage", column.stage);
  if (column.norm_order == 2) write_attribute(set, "norm_order", std::int64_t{2});
  if (column.norm_order == kInfinity) write_attribute(set, "norm_order", kInfinity);
  return set;
}

struct Scale {
  Handle set;
  const char* label;
  hsize_t length;
};

void name_axis(hid_t set, unsigned axis, const Scale& scale) {
  check(H5DSattach_scale(set, scale.set, axis));
  check(H5DSset_label(set, axis, scale.label));
}

void describe(hid_t set, const char* long_name) {
  write_attribute(set, "units", std::string("1"));
  write_attribute(set, "long_name", std::string(long_name));
}

Handle make_group(hid_t file, const char* path) {
  return Handle(H5Gcreate2(file, path, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
}

// NeXus: viewers draw `signal` against the datasets named in `axes`, which must stand in the same group.
void mark_plot(hid_t file, const char* path, const char* signal) {
  Handle group(H5Gopen2(file, path, H5P_DEFAULT), H5Gclose);
  check(H5Lcreate_soft("/steps/step", group, "step", H5P_DEFAULT, H5P_DEFAULT));
  write_attribute(group, "NX_class", std::string("NXdata"));
  write_attribute(group, "signal", std::string(signal));
  write_attribute(group, "axes", std::vector<std::string>{"step", "."});
}

void write_root_attributes(hid_t file, const RunHeader& header, const std::string& started_at) {
  Handle root(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose);
  for (const auto& [name, value] : header.extra) write_attribute(root, name, value);
  const std::pair<const char*, std::string> texts[] = {{"format", kFormat},
                                                       {"status", "running"},
                                                       {"config_json", header.config_json},
                                                       {"command", header.command},
                                                       {"git_commit", header.git_commit},
                                                       {"version", header.version},
                                                       {"host", header.host},
                                                       {"isa", header.isa},
                                                       {"gemm_backend", header.gemm_backend},
                                                       {"hdf5_version", hdf5::version()},
                                                       {"started_at", started_at},
                                                       {"data_sha256", header.data_sha256},
                                                       {"epoch_label", header.epoch_label},
                                                       {"NX_class", "NXroot"},
                                                       {"default", "grad"}};
  for (const auto& [name, value] : texts) write_attribute(root, name, value);
  write_attribute(root, "format_version", kFormatVersion);
  write_attribute(root, "seed", header.seed);
  write_attribute(root, "threads", std::int64_t{header.threads});
}

void write_numbers(hid_t file, const char* path, const std::vector<std::int64_t>& values, const Scale& axis,
                   const char* long_name) {
  const hsize_t count = values.size();
  Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose);
  Handle set(H5Dcreate2(file, path, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
  if (count > 0) check(H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  describe(set, long_name);
  name_axis(set, 0, axis);
}

Scale create_names(hid_t file, Axis axis, const std::vector<std::string>& names) {
  const AxisText& text = text_of(axis);
  Scale scale{hdf5::write_texts(file, text.names_path, names), text.label, names.size()};
  check(H5DSset_scale(scale.set, scale.label));
  describe(scale.set, text.long_name);
  return scale;
}

Scale write_params(hid_t file, const std::vector<ParamInfo>& params) {
  std::vector<std::string> names, roles, shapes;
  std::vector<std::int64_t> blocks, numels;
  for (const ParamInfo& param : params) {
    names.push_back(param.name);
    roles.push_back(param.role);
    shapes.push_back(fmt::format("{}", fmt::join(param.shape, "x")));
    blocks.push_back(param.block);
    numels.push_back(param.numel());
  }
  Scale axis = create_names(file, Axis::params, names);
  write_numbers(file, "/params/block", blocks, axis, "block the parameter belongs to, -1 outside");
  write_numbers(file, "/params/numel", numels, axis, "number of elements");
  Handle role = hdf5::write_texts(file, "/params/role", roles);
  describe(role, "embedding, head, norm, attention or mlp");
  name_axis(role, 0, axis);
  Handle shape = hdf5::write_texts(file, "/params/shape", shapes);
  describe(shape, "shape, as 64x192");
  name_axis(shape, 0, axis);
  return axis;
}

// The key column becomes the scale of the first axis of all others.
void create_table(hid_t file, std::span<const Column> columns, const char* label, const Scale& params,
                  const Scale& residual) {
  Scale rows{create_column(file, columns[0], 0), label, 0};
  check(H5DSset_scale(rows.set, label));
  for (const Column& column : columns.subspan(1)) {
    const Scale* across = nullptr;
    if (column.axis == Axis::params) across = &params;
    if (column.axis == Axis::points) across = &residual;
    Handle set = create_column(file, column, across == nullptr ? 0 : across->length);
    name_axis(set, 0, rows);
    if (across != nullptr) name_axis(set, 1, *across);
  }
}

/// The scale of an axis; one that only some columns have is made for the first of them.
Scale scale_of(hid_t file, Axis axis, const ColumnSet& statistics) {
  const std::string path = text_of(axis).names_path, group = path.substr(0, path.rfind('/'));
  if (exists(file, group)) {
    Handle set = hdf5::open_dataset(file, path);
    const hsize_t length = hdf5::extents(set).at(0);
    return {std::move(set), text_of(axis).label, length};
  }
  make_group(file, group.c_str());
  return create_names(file, axis,
                      axis == Axis::blocks  ? statistics.blocks
                      : axis == Axis::heads ? statistics.heads
                                            : statistics.norms);
}

void make_groups_above(hid_t file, const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    if (!exists(file, path.substr(0, at))) make_group(file, path.substr(0, at).c_str());
}

}  // namespace

std::span<const Column> step_columns() { return kSteps; }
std::span<const Column> eval_columns() { return kEvals; }
std::span<const Column> epoch_columns() { return kEpochs; }

hid_t memory_type(Kind kind) {
  switch (kind) {
    case Kind::i64:
      return H5T_NATIVE_INT64;
    case Kind::f64:
      return H5T_NATIVE_DOUBLE;
    case Kind::f32:
      return H5T_NATIVE_FLOAT;
    case Kind::u8:
      return H5T_NATIVE_UINT8;
  }
  return -1;
}

std::size_t size_of(Kind kind) { return kind == Kind::u8 ? 1 : kind == Kind::f32 ? 4 : 8; }

void create_objects(hid_t file, const RunHeader& header, const std::string& started_at) {
  write_root_attributes(file, header, started_at);
  for (const char* path : {"/steps", "/params", "/grad", "/residual", "/eval", "/epochs", "/stats"})
    make_group(file, path);
  const Scale params = write_params(file, header.params);
  const Scale residual = create_names(file, Axis::points, header.residual);
  create_table(file, step_columns(), "step", params, residual);
  create_table(file, eval_columns(), "eval", params, residual);
  create_table(file, epoch_columns(), "epoch", params, residual);
  add_statistics(file, header.statistics, 0);
  mark_plot(file, "/grad", "norm");
  mark_plot(file, "/residual", "grad_norm");
}

void add_statistics(hid_t file, const ColumnSet& statistics, hsize_t rows) {
  Scale steps{hdf5::open_dataset(file, step_columns()[0].path), "step", 0};
  for (const ColumnInfo& info : statistics.columns) {
    make_groups_above(file, info.path);
    if (exists(file, info.path)) continue;
    const Column column{info.path, Kind::f32, info.axis, info.unit, info.long_name, info.stage, info.norm_order};
    if (info.axis == Axis::one) {
      Handle set = create_column(file, column, 0, rows);
      write_attribute(set, "axis", std::string(name_of(info.axis)));
      name_axis(set, 0, steps);
      continue;
    }
    const Scale across = scale_of(file, info.axis, statistics);
    Handle set = create_column(file, column, across.length, rows);
    write_attribute(set, "axis", std::string(name_of(info.axis)));
    name_axis(set, 0, steps);
    name_axis(set, 1, across);
  }
}

void require_run(hid_t file, const std::string& path) {
  Handle root(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose);
  std::string format, version;
  for (const auto& [name, value] : hdf5::read_attributes(root)) {
    if (name == "format") format = value;
    if (name == "format_version") version = value;
  }
  if (format != kFormat) {
    throw UsageError(
        fmt::format("[run_file] '{}' is an HDF5 file but not a run (format is '{}', not '{}'); give the "
                    "run.h5 written by `normscope train`",
                    path, format, kFormat));
  }
  if (version != fmt::format("{}", kFormatVersion)) {
    throw UsageError(
        fmt::format("[run_file] '{}' has format version {}; this program reads {}; use the version of "
                    "normscope that wrote it",
                    path, version, kFormatVersion));
  }
}

void fail_reading(const std::string& path, const std::string& reason) {
  throw UsageError(
      fmt::format("[run_file] cannot read '{}' as a run: {}; give a run.h5 written by `normscope train`, "
                  "or try `normscope repair` on it",
                  path, reason));
}

void fail_writing(const std::string& path, const std::string& reason) {
  throw Error(fmt::format("[run_file] cannot write '{}': {}; free disk space or choose another folder with --out_dir",
                          path, reason));
}

}  // namespace normscope::run_layout
