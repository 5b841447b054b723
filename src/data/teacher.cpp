// synthetic:teacher: samples N(0, 1), labelled by the largest output of a random linear map.
#include <normscope/core/random.h>

#include "data/synthetic.h"

namespace normscope {
namespace {

constexpr std::int64_t kFeatures = 20, kClasses = 10, kTrain = 1024, kValidation = 4096;

std::vector<double> normals(std::uint64_t seed, std::string_view stream, std::int64_t count) {
  const Random random(seed, Purpose::corpus, stream_of(stream));
  std::vector<double> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = random.normal(i);
  return values;
}

Samples draw(std::uint64_t seed, std::string_view stream, std::int64_t count, const std::vector<double>& teacher) {
  Samples samples{.width = kFeatures, .features = normals(seed, stream, count * kFeatures), .labels = {}};
  for (std::int64_t n = 0; n < count; ++n) {
    const double* x = &samples.features[static_cast<std::size_t>(n * kFeatures)];
    std::int32_t best = 0;
    double largest = 0;
    for (std::int32_t k = 0; k < kClasses; ++k) {
      const double* w = &teacher[static_cast<std::size_t>(k * kFeatures)];
      double score = 0;
      for (std::int64_t i = 0; i < kFeatures; ++i) score += w[i] * x[i];
      if (k == 0 || score > largest) largest = score, best = k;
    }
    samples.labels.push_back(best);
  }
  return samples;
}

}  // namespace

void teacher_samples(std::uint64_t seed, Corpus& corpus) {
  const std::vector<double> teacher = normals(seed, "teacher.weight", kClasses * kFeatures);
  corpus.train_samples = draw(seed, "teacher.train", kTrain, teacher);
  corpus.val_samples = draw(seed, "teacher.val", kValidation, teacher);
  corpus.label_count = kClasses;
}

}  // namespace normscope
