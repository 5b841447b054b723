#pragma once
// From run files to curves and maps: binning over steps, averaging over seeds.
#include "io/run_file.h"
#include "study/statistics.h"

#include <functional>
#include <string>
#include <vector>

namespace normscope {

struct Curve {
  std::vector<double> x, y;
};

/// Which column of a figure each step falls into: epochs, or equal bins of steps when there are few epochs.
struct Columns {
  std::vector<std::size_t> of_step;
  std::size_t count = 0;
  double first = 1, width = 1;  ///< x of column 0 and distance of columns
  bool epochs = true;
};
Columns columns_of(const RunData& run, std::size_t least_epochs, std::size_t bins);

/// g_e against epoch.
Curve epoch_curve(const RunData& run);
/// A per-step value averaged in equal bins of steps; NaN is skipped.
Curve binned(const RunData& run, std::size_t bins, const std::function<double(std::size_t)>& value);
/// Mean gradient norm of the blocks' weight matrices at a step row, NaN where nothing was probed.
double matrix_norm_mean(const RunData& run, std::size_t step);

/// [row][column] mean over a column's steps of a statistic, one row for each wanted index of its axis.
std::vector<std::vector<double>> map_of(const Matrix& matrix, const std::vector<std::size_t>& rows,
                                        const Columns& columns);

/// Curves of several seeds as one: mean, and either smallest to largest or the 95 % interval.
struct Bundle {
  std::vector<double> x, mean, low, high;
  std::size_t count = 0;
};
enum class Band { range, interval };
Bundle bundle(const std::vector<Curve>& curves, Band band);
/// Paired curves b / a (geometric mean, t-interval on logs) or b - a.
Bundle paired(const std::vector<Curve>& a, const std::vector<Curve>& b, bool ratio);

}  // namespace normscope
