#include "study/curves.h"

#include <algorithm>
#include <cmath>

namespace normscope {

Columns columns_of(const RunData& run, std::size_t least_epochs, std::size_t bins) {
  Columns out;
  const std::size_t steps = run.step.size();
  if (steps == 0) return out;
  const auto epochs = static_cast<std::size_t>(std::max<std::int64_t>(1, run.epoch.back()));
  out.epochs = epochs >= least_epochs;
  out.count = out.epochs ? epochs : std::min(bins, steps);
  out.of_step.resize(steps);
  for (std::size_t i = 0; i < steps; ++i) {
    out.of_step[i] =
        out.epochs ? static_cast<std::size_t>(std::max<std::int64_t>(1, run.epoch[i]) - 1) : i * out.count / steps;
  }
  if (!out.epochs) {
    out.width = static_cast<double>(steps) / static_cast<double>(out.count);
    out.first = static_cast<double>(run.step.front()) + (out.width - 1) / 2;
  }
  return out;
}

Curve epoch_curve(const RunData& run) {
  Curve out;
  for (const EpochRow& row : run.epochs) {
    out.x.push_back(static_cast<double>(row.epoch));
    out.y.push_back(row.mean_grad_norm);
  }
  return out;
}

Curve binned(const RunData& run, std::size_t bins, const std::function<double(std::size_t)>& value) {
  const Columns columns = columns_of(run, static_cast<std::size_t>(-1), bins);
  std::vector<double> sum(columns.count, 0), n(columns.count, 0);
  for (std::size_t i = 0; i < columns.of_step.size(); ++i) {
    const double y = value(i);
    if (!std::isfinite(y)) continue;
    sum[columns.of_step[i]] += y;
    n[columns.of_step[i]] += 1;
  }
  Curve out;
  for (std::size_t c = 0; c < columns.count; ++c) {
    out.x.push_back(columns.first + columns.width * static_cast<double>(c));
    out.y.push_back(n[c] > 0 ? sum[c] / n[c] : kNaN);
  }
  return out;
}

double matrix_norm_mean(const RunData& run, std::size_t step) {
  const Matrix& norms = run.column("grad/norm");
  if (step >= norms.rows()) return kNaN;
  double sum = 0, n = 0;
  for (std::size_t p = 0; p < norms.width; ++p) {
    const double value = norms.row(step)[p];
    if (!run.params[p].is_block_matrix() || !std::isfinite(value)) continue;
    sum += value;
    n += 1;
  }
  return n > 0 ? sum / n : kNaN;
}

std::vector<std::vector<double>> map_of(const Matrix& matrix, const std::vector<std::size_t>& rows,
                                        const Columns& columns) {
  std::vector<std::vector<double>> sum(rows.size(), std::vector<double>(columns.count, 0)), n = sum;
  for (std::size_t i = 0; i < std::min(columns.of_step.size(), matrix.rows()); ++i) {
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const double value = matrix.row(i)[rows[r]];
      if (!std::isfinite(value)) continue;
      sum[r][columns.of_step[i]] += value;
      n[r][columns.of_step[i]] += 1;
    }
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < columns.count; ++c) sum[r][c] = n[r][c] > 0 ? sum[r][c] / n[r][c] : kNaN;
  }
  return sum;
}

Bundle bundle(const std::vector<Curve>& curves, Band band) {
  Bundle out;
  out.count = curves.size();
  for (const Curve& curve : curves) {
    if (curve.x.size() > out.x.size()) out.x = curve.x;
  }
  for (std::size_t i = 0; i < out.x.size(); ++i) {
    std::vector<double> values;
    for (const Curve& curve : curves) {
      if (i < curve.y.size() && std::isfinite(curve.y[i])) values.push_back(curve.y[i]);
    }
    const Interval stat = mean_interval(values);
    out.mean.push_back(stat.mean);
    const bool any = values.size() > 1;
    const auto ends = std::minmax_element(values.begin(), values.end());
    out.low.push_back(!any ? kNaN : band == Band::range ? *ends.first : stat.low);
    out.high.push_back(!any ? kNaN : band == Band::range ? *ends.second : stat.high);
  }
  return out;
}

Bundle paired(const std::vector<Curve>& a, const std::vector<Curve>& b, bool ratio) {
  Bundle out;
  out.count = std::min(a.size(), b.size());
  std::size_t length = 0;
  for (std::size_t s = 0; s < out.count; ++s) {
    if (std::min(a[s].x.size(), b[s].x.size()) > length) {
      length = std::min(a[s].x.size(), b[s].x.size());
      out.x = a[s].x;
    }
  }
  out.x.resize(length);
  for (std::size_t i = 0; i < length; ++i) {
    std::vector<double> first, second;
    for (std::size_t s = 0; s < out.count; ++s) {
      first.push_back(i < a[s].y.size() ? a[s].y[i] : kNaN);
      second.push_back(i < b[s].y.size() ? b[s].y[i] : kNaN);
    }
    const Interval stat = ratio ? paired_ratio(first, second) : paired_difference(first, second);
    out.mean.push_back(stat.mean);
    out.low.push_back(stat.low);
    out.high.push_back(stat.high);
  }
  return out;
}

}  // namespace normscope
