#include "stats/statistic_set.h"

#include <algorithm>
#include <cmath>

#include <normscope/core/error.h>

#include "core/numbers.h"
#include "config/options.h"

NORMSCOPE_BEGIN

namespace {

std::vector<std::string> paths_of(const Parameters& parameters) {
  std::vector<std::string> paths;
  for (const Parameter& p : parameters.all()) paths.push_back(p.path);
  return paths;
}

/// The norms that have parameters, by path.
std::vector<std::string> norms_of(const Parameters& parameters) {
  std::vector<std::string> norms;
  for (const Parameter& p : parameters.all()) {
    const std::string norm = p.path.substr(0, p.path.rfind('.'));
    if (p.role == "norm" && (norms.empty() || norms.back() != norm)) norms.push_back(norm);
  }
  return norms;
}

std::vector<bool> select(const std::vector<std::string>& globs, const std::vector<std::string>& names) {
  std::vector<bool> selected;
  for (const std::string& name : names) selected.push_back(matches_any(globs, name));
  return selected;
}

void leave_out(const std::vector<bool>& selected, std::span<float> row) {
  for (std::size_t i = 0; i < row.size(); ++i)
    if (!selected[i]) row[i] = kNaN;
}

}  // namespace

StatisticSet::StatisticSet(const Config& config, const Model& model)
    : model_(model),
      interval_(config.probe_interval),
      params_(select(config.probe, paths_of(model.parameters()))),
      points_(select(config.probe, model.points())),
      grad_norms_(params_.size(), 0),
      residual_(model.points(), points_),
      context_{.model = model, .grad_norms = grad_norms_, .residual = residual_} {
  for (const StatisticEntry* entry : select_statistics(config))
    members_.push_back({entry, entry->make(context_), std::vector<float>(names_of(entry->axis).size(), kNaN)});
  for (const Member& member : members_) rows_.emplace_back(member.entry->name, member.row);
}

void StatisticSet::start_step(std::int64_t step) {
  measured_ = step % interval_ == 0;
  if (!measured_) return;
  residual_.start_step(step);
  for (Member& member : members_) member.statistic->start_step(step);
}

void StatisticSet::value(const std::string& name, const Variable& x) {
  if (!measured_) return;
  residual_.value(name, x);
  for (Member& member : members_) member.statistic->value(name, x);
}

bool StatisticSet::wants(const std::string& name) const {
  return measured_ && std::any_of(members_.begin(), members_.end(),
                                  [&](const Member& member) { return member.statistic->wants(name); });
}

void StatisticSet::gradients(const GradientNorms& norms) {
  for (std::size_t p = 0; p < grad_norms_.size(); ++p) grad_norms_[p] = std::sqrt(norms.sum_squares[p]);
  if (!measured_) return;
  for (Member& member : members_) member.statistic->gradients(norms);
}

void StatisticSet::updates(const UpdateNorms& norms) {
  if (measured_) residual_.updates(norms);
  for (Member& member : members_) {
    if (!measured_) {
      std::fill(member.row.begin(), member.row.end(), kNaN);
      continue;
    }
    member.statistic->updates(norms);
    member.statistic->row(member.row);
    if (member.entry->axis == Axis::params) leave_out(params_, member.row);
    if (member.entry->axis == Axis::points) leave_out(points_, member.row);
  }
}

std::vector<std::string> StatisticSet::names_of(Axis axis) const {
  const ModelOptions& o = model_.options();
  std::vector<std::string> names;
  switch (axis) {
    case Axis::one:
      return {""};
    case Axis::params:
      return paths_of(model_.parameters());
    case Axis::points:
      return model_.points();
    case Axis::norms:
      return norms_of(model_.parameters());
    case Axis::blocks:
      for (std::int64_t i = 0; i < o.n_layer; ++i) names.push_back(std::to_string(i));
      break;
    case Axis::heads:
      for (std::int64_t i = 0; i < o.n_layer * o.n_head; ++i)
        names.push_back(std::to_string(i / o.n_head) + ".attn." + std::to_string(i % o.n_head));
  }
  return names;
}

ColumnSet StatisticSet::columns() const {
  ColumnSet set{
      .columns = {}, .blocks = names_of(Axis::blocks), .heads = names_of(Axis::heads), .norms = names_of(Axis::norms)};
  for (const Member& member : members_) {
    const StatisticEntry& e = *member.entry;
    set.columns.push_back({.name = e.name,
                           .path = (e.always ? "/" : "/stats/") + e.name,
                           .axis = e.axis,
                           .unit = e.unit,
                           .long_name = e.long_name,
                           .stage = e.stage,
                           .norm_order = e.norm_order});
  }
  return set;
}

std::span<const float> StatisticSet::row(std::string_view name) const {
  for (const auto& [known, row] : rows_)
    if (known == name) return row;
  throw Error("the statistic " + std::string(name) + " is not measured");
}

std::vector<std::pair<std::string_view, double>> StatisticSet::numbers() const {
  std::vector<std::pair<std::string_view, double>> found;
  for (const Member& member : members_)
    if (member.entry->axis == Axis::one) found.emplace_back(member.entry->name, static_cast<double>(member.row[0]));
  return found;
}

NORMSCOPE_END
