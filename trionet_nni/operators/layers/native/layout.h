// The sizes of one call, the tensors it was given, and the padded rows that the kernels of windows work on.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "vector.h"

namespace trionet {

// As the caller (native_attention.py) lays them out: sizes, and a tensor [B, C, H, W] with steps in elements.
struct Problem {
    int64_t images, heads, height, width, qk, v;  // qk, v: channels of one head
    int64_t window, mask;                         // of local attention
    int64_t axis;                                 // of axial attention: 2 for the height, 3 for the width
    int64_t bfloat16;                             // the maps are bfloat16, else float
    int64_t seed, drop;                           // dropout of weights: drop of 2^31 are left out
};
struct Tensor {
    void* data;
    int64_t image, channel, row, column;
};

// A number of 16 bits: the upper half of a float.
struct bfloat {
    uint16_t bits;
};

static inline float wide(float x) { return x; }
static inline float wide(bfloat x) {
    const uint32_t bits = uint32_t(x.bits) << 16;
    float made;
    std::memcpy(&made, &bits, sizeof made);
    return made;
}

// To the nearest, halves to even; NaN stays NaN.
static inline void put(float x, float* to) { *to = x; }
static inline void put(float x, bfloat* to) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    to->bits = uint16_t(x != x ? 0x7fc0 : rounded);
}

// Calls body with a null pointer to the type of the maps' elements.
template <class Body>
static inline void with_element(const Problem& problem, Body body) {
    if (problem.bfloat16) return body(static_cast<bfloat*>(nullptr));
    body(static_cast<float*>(nullptr));
}

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
template <class T>
static inline void pack_row(const T* from, const Tensor& t, int64_t channels, int64_t width, float* to, int64_t step) {
    if (t.column == 1) {
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t x = 0; x < width; ++x) to[c * step + x] = wide(from[c * t.channel + x]);
        return;
    }
    for (int64_t x = 0; x < width; ++x)
        for (int64_t c = 0; c < channels; ++c) to[c * step + x] = wide(from[x * t.column + c * t.channel]);
}

template <class T>
static inline void unpack_row(const float* from, int64_t step, int64_t channels, int64_t width, const Tensor& t, T* to) {
    if (t.column == 1) {
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t x = 0; x < width; ++x) put(from[c * step + x], to + c * t.channel + x);
        return;
    }
    for (int64_t x = 0; x < width; ++x)
        for (int64_t c = 0; c < channels; ++c) put(from[c * step + x], to + x * t.column + c * t.channel);
}

static inline void pack(const Problem& problem, const Tensor& t, int64_t image, int64_t channel, int64_t y,
                        int64_t channels, float* to, int64_t step) {
    with_element(problem, [&](auto* element) {
        auto* from = static_cast<decltype(element)>(t.data) + image * t.image + channel * t.channel + y * t.row;
        pack_row(from, t, channels, problem.width, to, step);
    });
}

static inline void unpack(const Problem& problem, const float* from, int64_t step, int64_t channels, const Tensor& t,
                          int64_t image, int64_t channel, int64_t y) {
    with_element(problem, [&](auto* element) {
        auto* to = static_cast<decltype(element)>(t.data) + image * t.image + channel * t.channel + y * t.row;
        unpack_row(from, step, channels, problem.width, t, to);
    });
}

}  // namespace trionet
