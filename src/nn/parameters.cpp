#include <normscope/parameters.h>

#include <algorithm>

#include <normscope/random.h>

namespace normscope::NORMSCOPE_REAL_NAMESPACE {

namespace {
void fill(real* to, std::int64_t count, const Init& init, const Random& random) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double noise = init.kind == Init::Kind::normal ? init.std * random.normal(static_cast<std::uint64_t>(i)) : 0;
    to[i] = static_cast<real>(init.value + noise);
  }
}
}  // namespace

void Parameters::enter(const std::string& path, std::int64_t block, const std::string& role, const Shape& shape,
                       const Variable& leaf, std::int64_t offset, const Init& init) {
  for (const Parameter& other : all_)
    if (other.path == path) throw Error("[parameters] " + path + " is registered twice");
  fill(leaf.value().data() + offset, shape.numel(), init, Random(seed_, Purpose::init, stream_of(path)));
  all_.push_back({path, block, role, shape, leaf, offset});
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
  std::string name;
  for (const Part& part : parts) {
    rows += part.rows;
    name += (name.empty() ? "" : "+") + part.path;
  }
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

const Parameter& Parameters::at(const std::string& path) const {
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const Parameter& p) { return p.path == path; });
  if (found == all_.end()) throw Error("[parameters] there is no parameter " + path);
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

}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE
