#include <normscope/nn/parameters.h>

#include <algorithm>

#include <normscope/core/random.h>

NORMSCOPE_BEGIN

namespace {
/// "blocks.0.attn.{q,k,v}.weight": what the paths share, and what they differ in.
std::string common_name(const std::vector<Parameters::Part>& parts) {
  const std::string& first = parts.front().path;
  std::size_t head = first.size(), tail = first.size();
  for (const auto& part : parts) {
    const auto ahead =
        std::mismatch(first.begin(), first.end(), part.path.begin(), part.path.end()).first - first.begin();
    const auto behind =
        std::mismatch(first.rbegin(), first.rend(), part.path.rbegin(), part.path.rend()).first - first.rbegin();
    head = std::min(head, static_cast<std::size_t>(ahead));
    tail = std::min(tail, static_cast<std::size_t>(behind));
  }
  if (parts.size() == 1) return first;
  std::string name = first.substr(0, head) + "{";
  for (const auto& part : parts) {
    if (name.back() != '{') name += ',';
    name += part.path.substr(head, part.path.size() - head - tail);
  }
  return name + "}" + first.substr(first.size() - tail);
}
}  // namespace

void Parameters::claim(const std::string& path) {
  if (!taken_.insert(path).second) throw Error("[parameters] " + path + " is registered twice");
}

void Parameters::enter(const std::string& path, std::int64_t block, const std::string& role, const Shape& shape,
                       const Variable& leaf, std::int64_t offset, const Init& init) {
  claim(path);
  fill(engine_, leaf.value().data() + offset, shape, init, Random(seed_, Purpose::init, stream_of(path)));
  all_.push_back({path, block, role, shape, leaf, offset, shape.rank() >= 2});
}

void Parameters::decay(const std::string& path) {
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const Parameter& p) { return p.path == path; });
  if (found == all_.end()) throw Error("[parameters] unknown path " + path);
  found->decays = true;
}

Variable Parameters::add(const std::string& path, std::int64_t block, const std::string& role, const Shape& shape,
                         const Init& init) {
  const Variable leaf = Variable::leaf(Tensor::empty(engine_, shape), path);
  enter(path, block, role, shape, leaf, 0, init);
  return leaf;
}

Variable Parameters::add_side_by_side(const std::vector<Part>& parts, std::int64_t block, const std::string& role,
                                      std::int64_t columns) {
  std::int64_t rows = 0;
  for (const Part& part : parts) rows += part.rows;
  const std::string name = common_name(parts);
  const bool vector = columns == 0;
  const Variable leaf = Variable::leaf(Tensor::empty(engine_, vector ? Shape{rows} : Shape{rows, columns}), name);
  std::int64_t offset = 0;
  for (const Part& part : parts) {
    const Shape shape = vector ? Shape{part.rows} : Shape{part.rows, columns};
    enter(part.path, block, role, shape, leaf, offset, part.init);
    offset += shape.numel();
  }
  return leaf;
}

Tensor Parameters::add_buffer(const std::string& path, const Shape& shape, double value) {
  claim(path);
  buffers_.push_back({path, Tensor::full(engine_, shape, static_cast<real>(value))});
  return buffers_.back().value;
}

const Parameter& Parameters::at(const std::string& path) const {
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const Parameter& p) { return p.path == path; });
  if (found == all_.end()) throw Error("[parameters] unknown parameter " + path);
  return *found;
}

std::int64_t Parameters::numel() const {
  std::int64_t count = 0;
  for (const Parameter& p : all_) count += p.numel();
  return count;
}

void Parameters::zero_grad() const {
  for (const Parameter& p : all_) p.leaf.zero_grad();
}

NORMSCOPE_END
