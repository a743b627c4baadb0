// The sizes of one call, the tensors it was given, and the padded rows the kernels work on.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "vector.h"

namespace trionet {

// As the caller (native_attention.py) lays them out: sizes, and a tensor [B, C, H, W] with steps in floats.
struct Problem {
    int64_t images, heads, height, width, window, qk, v, mask;  // qk, v: channels of one head
};
struct Tensor {
    float* data;
    int64_t image, channel, row, column;
};

struct Geometry : Problem {
    int half, taps, vectors, lanes;
    int64_t key_step;    // a row of keys: half · 0, the row, zeros up to lanes + half
    int64_t margin, step;  // a row of queries or weights: margin · 0, the row, zeros up to lanes + margin

    explicit Geometry(const Problem& p) : Problem(p) {
        half = int(window / 2);
        taps = int(window * window);
        vectors = int((width + LANES - 1) / LANES);
        lanes = vectors * LANES;
        key_step = lanes + 2 * half;
        margin = (half + LANES - 1) / LANES * LANES;
        step = lanes + 2 * margin;
    }
    int first_row(int64_t y) const { return int(y < half ? half - y : 0); }  // rows of the window in the map
    int last_row(int64_t y) const { return int(height - y + half < window ? height - y + half : window); }
};

// Floats on a cache line's boundary, zero at the start.
class Buffer {
    struct Free {
        void operator()(float* p) const { ::operator delete[](p, std::align_val_t(64)); }
    };
    std::unique_ptr<float[], Free> floats;
    size_t bytes;

   public:
    explicit Buffer(int64_t count) : bytes(size_t(count) * sizeof(float)) {
        floats.reset(static_cast<float*>(::operator new[](bytes + 64, std::align_val_t(64))));
        clear();
    }
    void clear() { std::memset(floats.get(), 0, bytes); }
    float* get() const { return floats.get(); }
};

// One row of one head, tensor → [channel][x] and back, whatever the memory format.
static inline void pack(const Tensor& t, int64_t image, int64_t channel, int64_t y, int64_t channels, int64_t width,
                        float* to, int64_t step) {
    const float* from = t.data + image * t.image + channel * t.channel + y * t.row;
    if (t.column == 1) {
        for (int64_t c = 0; c < channels; ++c) std::memcpy(to + c * step, from + c * t.channel, size_t(width) * 4);
        return;
    }
    for (int64_t x = 0; x < width; ++x)
        for (int64_t c = 0; c < channels; ++c) to[c * step + x] = from[x * t.column + c * t.channel];
}

static inline void unpack(const float* from, int64_t step, int64_t channels, int64_t width, const Tensor& t,
                          int64_t image, int64_t channel, int64_t y) {
    float* to = t.data + image * t.image + channel * t.channel + y * t.row;
    if (t.column == 1) {
        for (int64_t c = 0; c < channels; ++c) std::memcpy(to + c * t.channel, from + c * step, size_t(width) * 4);
        return;
    }
    for (int64_t x = 0; x < width; ++x)
        for (int64_t c = 0; c < channels; ++c) to[x * t.column + c * t.channel] = from[c * step + x];
}

}  // namespace trionet
