// Eight lines at a time, tensor → [position][channel][line] and back, whatever the memory format.
#pragma once

#include "layout.h"

#if defined(__AVX2__)
#include <immintrin.h>  // a stack copy of some lanes would cost as much as the sums on short lines
#endif

namespace trionet {

static inline v8 load_wide(const float* from) { return load(from); }
static inline v8 load_wide(const bfloat* from) {
    v8 made;
    for (int i = 0; i < LANES; ++i) made[i] = wide(from[i]);
    return made;
}
static inline void store_as(float* to, v8 x) { store(to, x); }
static inline void store_as(bfloat* to, v8 x) {
    for (int i = 0; i < LANES; ++i) put(x[i], to + i);
}

// The first N lanes from memory, the others 0; and the first N lanes to memory. Never one beyond them.
template <int N, class T>
static inline v8 load_first(const T* from) {
    if constexpr (N == LANES) return load_wide(from);
#if defined(__AVX2__)
    if constexpr (std::is_same_v<T, float>) return v8(_mm256_maskload_ps(from, __m256i(each_lane() < uint32_t(N))));
#endif
    T some[LANES] = {};
    std::memcpy(some, from, N * sizeof(T));
    return load_wide(some);
}
template <int N, class T>
static inline void store_first(T* to, v8 x) {
    if constexpr (N == LANES) return store_as(to, x);
#if defined(__AVX2__)
    if constexpr (std::is_same_v<T, float>) return _mm256_maskstore_ps(to, __m256i(each_lane() < uint32_t(N)), __m256(x));
#endif
    T some[LANES];
    store_as(some, x);
    std::memcpy(to, some, N * sizeof(T));
}

// Steps in elements between neighbours, of one image and head.
struct LineSteps {
    int64_t line, position, channel;
};

struct LineBlock {
    int lines, length, channels;  // lines ≤ LANES; those that lack are zeros
};

// Calls body with (offset in the tensor, offset in the rows, steps between rows' vectors, constant count) for pieces
// of at most 8 neighbours in memory, where they are positions or channels of one line.
template <class Body>
static inline void each_piece(const LineBlock& block, const LineSteps& steps, Body body) {
    const bool along = steps.position == 1;  // else along the channels
    const int inner = along ? block.length : block.channels, outer = along ? block.channels : block.length;
    const int64_t outer_step = along ? steps.channel : steps.position;
    const int64_t inner_to = along ? int64_t(block.channels) * LANES : LANES;
    const int64_t outer_to = along ? LANES : int64_t(block.channels) * LANES;
    for (int i = 0; i < inner; i += LANES)
        with_constant<LANES>(inner - i, [&](auto count) {
            for (int j = 0; j < outer; ++j) body(i + j * outer_step, i * inner_to + j * outer_to, inner_to, count);
        });
}

template <class T>
static inline void pack_lines(const T* from, const LineSteps& steps, const LineBlock& block, float* to) {
    if (steps.line == 1) {
        with_constant<LANES>(block.lines, [&](auto lines) {
            for (int p = 0; p < block.length; ++p)
                for (int c = 0; c < block.channels; ++c, to += LANES)
                    store(to, load_first<decltype(lines)::value>(from + p * steps.position + c * steps.channel));
        });
    } else if (steps.position == 1 || steps.channel == 1) {
        each_piece(block, steps, [&](int64_t at, int64_t to_at, int64_t to_step, auto count) {
            constexpr int N = decltype(count)::value;
            v8 rows[LANES] = {};
            for (int line = 0; line < block.lines; ++line) rows[line] = load_first<N>(from + at + line * steps.line);
            transpose(rows);
            for (int i = 0; i < N; ++i) store(to + to_at + i * to_step, rows[i]);
        });
    } else {
        for (int p = 0; p < block.length; ++p)
            for (int c = 0; c < block.channels; ++c)
                for (int line = 0; line < LANES; ++line, ++to) {
                    const T* at = from + p * steps.position + c * steps.channel + line * steps.line;
                    *to = line < block.lines ? wide(*at) : 0.0f;
                }
    }
}

template <class T>
static inline void unpack_lines(const float* from, const LineBlock& block, const LineSteps& steps, T* to) {
    if (steps.line == 1) {
        with_constant<LANES>(block.lines, [&](auto lines) {
            for (int p = 0; p < block.length; ++p)
                for (int c = 0; c < block.channels; ++c, from += LANES)
                    store_first<decltype(lines)::value>(to + p * steps.position + c * steps.channel, load(from));
        });
    } else if (steps.position == 1 || steps.channel == 1) {
        each_piece(block, steps, [&](int64_t at, int64_t from_at, int64_t from_step, auto count) {
            constexpr int N = decltype(count)::value;
            v8 rows[LANES] = {};
            for (int i = 0; i < N; ++i) rows[i] = load(from + from_at + i * from_step);
            transpose(rows);
            for (int line = 0; line < block.lines; ++line) store_first<N>(to + at + line * steps.line, rows[line]);
        });
    } else {
        for (int p = 0; p < block.length; ++p)
            for (int c = 0; c < block.channels; ++c, from += LANES)
                for (int line = 0; line < block.lines; ++line)
                    put(from[line], to + p * steps.position + c * steps.channel + line * steps.line);
    }
}

}  // namespace trionet
