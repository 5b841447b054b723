#pragma once
// A statistic's column in a run file: one row a step.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace normscope {

/// What a row of a column has one number for.
enum class Axis { one, params, points, blocks, heads, norms };
inline constexpr std::size_t kAxisCount = 6;

/// "one", "params", ...: the attribute `axis` of the dataset.
const char* name_of(Axis axis);

struct ColumnInfo {
  std::string name{};  ///< "grad/norm"
  std::string path{};  ///< of the dataset: "/grad/norm", or "/stats/grad/zero_fraction" for what `stats` adds
  Axis axis = Axis::one;
  std::string unit{}, long_name{};
  std::string stage{};    ///< where in the step it is measured; may be empty
  double norm_order = 0;  ///< 0: not a norm
  bool is_added() const { return path.rfind("/stats/", 0) == 0; }
};

/// A run's columns, and the names on the axes that only some of them have.
struct ColumnSet {
  std::vector<ColumnInfo> columns;
  std::vector<std::string> blocks, heads, norms;  ///< "3", "3.attn.0", "blocks.3.attn_norm"
};

/// A column in memory, row-major: a row is a step.
struct Matrix {
  ColumnInfo info;
  std::size_t width = 1;
  std::vector<float> values;  ///< [N, width]
  std::size_t rows() const { return width == 0 ? 0 : values.size() / width; }
  std::span<const float> row(std::size_t step) const { return std::span(values).subspan(step * width, width); }
};

}  // namespace normscope
