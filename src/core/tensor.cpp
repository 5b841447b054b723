#include <normscope/core/tensor.h>

#include <ostream>

namespace normscope {

Shape::Shape(const std::int64_t* extents, std::size_t rank) : rank_(static_cast<int>(rank)) {
  if (rank > extent_.size()) throw Error("[shape] at most " + std::to_string(extent_.size()) + " extents");
  for (std::size_t i = 0; i < rank; ++i) {
    if (extents[i] < 0) throw Error("[shape] negative extent " + std::to_string(extents[i]));
    extent_[i] = extents[i];
  }
}

std::int64_t Shape::numel() const {
  std::int64_t count = 1;
  for (int i = 0; i < rank_; ++i) count *= extent_[static_cast<std::size_t>(i)];
  return count;
}

Shape Shape::with(int i, std::int64_t extent) const {
  Shape shape = *this;
  shape.extent_[static_cast<std::size_t>(i < 0 ? i + rank_ : i)] = extent;
  return shape;
}

bool Shape::operator==(const Shape& other) const {
  return rank_ == other.rank_ && std::equal(extent_.begin(), extent_.begin() + rank_, other.extent_.begin());
}

std::string Shape::str() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string((*this)[i]);
  return text + "]";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.str(); }

std::vector<std::int64_t> Shape::vector() const { return {extent_.begin(), extent_.begin() + rank_}; }

Storage::Storage(Engine& engine, std::size_t bytes) {
  head_ = static_cast<Head*>(engine.pool().allocate(bytes + sizeof(Head)));
  head_->engine = &engine;
  head_->uses = 1;
}

}  // namespace normscope
