#pragma once
// Tensors: a shape and a share in pooled memory, dense and row-major. Copying a Tensor copies the handle, not the data.
#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <vector>

#include <normscope/core/engine.h>
#include <normscope/core/precision.h>

namespace normscope {

/// Up to five extents.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents) : Shape(extents.begin(), extents.size()) {}
  explicit Shape(const std::vector<std::int64_t>& extents) : Shape(extents.data(), extents.size()) {}

  int rank() const { return rank_; }
  std::int64_t operator[](int i) const { return extent_[static_cast<std::size_t>(i < 0 ? i + rank_ : i)]; }
  std::int64_t numel() const;
  std::int64_t last() const { return rank_ ? (*this)[-1] : 1; }
  std::int64_t rows() const { return rank_ ? numel() / std::max<std::int64_t>(last(), 1) : 1; }  ///< all but the last
  Shape with(int i, std::int64_t extent) const;  ///< a copy with extent i replaced
  bool operator==(const Shape& other) const;
  std::string str() const;  ///< "[2, 3]"
  std::vector<std::int64_t> vector() const;

 private:
  Shape(const std::int64_t* extents, std::size_t rank);
  std::array<std::int64_t, 5> extent_{};
  int rank_ = 0;
};
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// Shared, counted memory from the pool. The count is plain: handles are copied by the recording thread only.
class Storage {
 public:
  Storage() = default;
  Storage(Engine& engine, std::size_t bytes);
  Storage(const Storage& other) : head_(other.head_) {
    if (head_) ++head_->uses;
  }
  Storage(Storage&& other) noexcept : head_(other.head_) { other.head_ = nullptr; }
  Storage& operator=(Storage other) noexcept {
    std::swap(head_, other.head_);
    return *this;
  }
  ~Storage() {
    if (head_ && --head_->uses == 0) head_->engine->pool().release(head_);
  }

  explicit operator bool() const { return head_ != nullptr; }
  void* data() const { return head_ + 1; }
  bool unique() const { return head_ && head_->uses == 1; }
  Engine& engine() const { return *head_->engine; }

 private:
  struct alignas(64) Head {
    Engine* engine;
    std::int64_t uses;
  };
  Head* head_ = nullptr;
};

template <class T>
class BasicTensor {
 public:
  BasicTensor() = default;  ///< undefined: no storage
  static BasicTensor empty(Engine& engine, const Shape& shape) {
    BasicTensor tensor;
    tensor.shape_ = shape;
    tensor.storage_ = Storage(engine, static_cast<std::size_t>(shape.numel()) * sizeof(T));
    tensor.data_ = static_cast<T*>(tensor.storage_.data());
    return tensor;
  }
  static BasicTensor full(Engine& engine, const Shape& shape, T value) {
    BasicTensor tensor = empty(engine, shape);
    if (!engine.dry()) std::fill_n(tensor.data_, shape.numel(), value);
    return tensor;
  }
  static BasicTensor from(Engine& engine, const Shape& shape, const std::vector<T>& values) {
    if (static_cast<std::int64_t>(values.size()) != shape.numel())
      throw Error("[tensor] " + std::to_string(values.size()) + " values do not fill " + shape.str());
    BasicTensor tensor = empty(engine, shape);
    std::copy(values.begin(), values.end(), tensor.data_);
    return tensor;
  }

  bool defined() const { return static_cast<bool>(storage_); }
  const Shape& shape() const { return shape_; }
  std::int64_t numel() const { return shape_.numel(); }
  T* data() const { return data_; }
  Engine& engine() const { return storage_.engine(); }
  /// Does nobody else hold this memory (so that it may be overwritten in place)?
  bool unique() const { return storage_.unique(); }
  std::vector<T> to_vector() const { return std::vector<T>(data_, data_ + numel()); }

  /// The same memory under another shape of as many elements.
  BasicTensor reshape(const Shape& shape) const {
    if (shape.numel() != numel()) throw Error("[reshape] " + shape_.str() + " cannot become " + shape.str());
    BasicTensor tensor = *this;
    tensor.shape_ = shape;
    return tensor;
  }
  /// `count` entries of the first extent from `begin` on, sharing memory.
  BasicTensor narrow(std::int64_t begin, std::int64_t count) const {
    if (shape_.rank() == 0 || begin < 0 || count < 0 || begin + count > shape_[0])
      throw Error("[narrow] " + std::to_string(count) + " entries from " + std::to_string(begin) + " on of " +
                  shape_.str());
    BasicTensor tensor = *this;
    tensor.data_ = data_ + begin * (numel() / std::max<std::int64_t>(shape_[0], 1));
    tensor.shape_ = shape_.with(0, count);
    return tensor;
  }
  BasicTensor clone() const {
    BasicTensor tensor = empty(engine(), shape_);
    if (!engine().dry()) std::copy_n(data_, numel(), tensor.data_);
    return tensor;
  }

 private:
  Shape shape_;
  Storage storage_;
  T* data_ = nullptr;
};

/// Token indices.
using Indices = BasicTensor<std::int32_t>;

}  // namespace normscope

NORMSCOPE_BEGIN
using Tensor = BasicTensor<real>;
/// New memory with the shape of `like`.
inline Tensor empty_like(const Tensor& like) { return Tensor::empty(like.engine(), like.shape()); }
NORMSCOPE_END
