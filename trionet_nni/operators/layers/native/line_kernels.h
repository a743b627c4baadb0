// The three sums over a line, each a small block of accumulators held in registers.
//
// Arrays are [position][channel][line]: a vector holds the same place of 8 lines. Steps are in floats.
#pragma once

#include "vector.h"

namespace trionet {

// Queries worked on together: with a block of 4 of the other index they fill the registers.
#if defined(__AVX512VL__)
constexpr int QUERIES = 4;
#else
constexpr int QUERIES = 2;
#endif

// to[o][p] = Σ_c q[o][c] · (k[p][c] + r[c][p − o]) for O queries and P keys; largest[o] grows to them.
template <int O, int P, bool TABLE>
static inline void line_products(const float* q, const float* k, int channels, const float* r, int64_t r_step, float* to,
                                 int64_t to_step, v8* largest) {
    v8 sum[O][P] = {};
    const int64_t step = int64_t(channels) * LANES;
    for (int c = 0; c < channels; ++c, q += LANES, k += LANES, r += r_step) {
        v8 query[O];
#pragma GCC unroll 4
        for (int i = 0; i < O; ++i) query[i] = load(q + i * step);
#pragma GCC unroll 4
        for (int j = 0; j < P; ++j) {
            const v8 key = load(k + j * step);
#pragma GCC unroll 4
            for (int i = 0; i < O; ++i) sum[i][j] += query[i] * key;
        }
        if constexpr (TABLE)
#pragma GCC unroll 8
            for (int offset = 1 - O; offset < P; ++offset) {
                const v8 position = all(r[offset]);
#pragma GCC unroll 4
                for (int i = 0; i < O; ++i)
                    if (offset + i >= 0 && offset + i < P) sum[i][offset + i] += query[i] * position;
            }
    }
#pragma GCC unroll 4
    for (int i = 0; i < O; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < P; ++j) {
            store(to + i * to_step + j * LANES, sum[i][j]);
            if constexpr (TABLE) largest[i] = sum[i][j] > largest[i] ? sum[i][j] : largest[i];
        }
}

// sum[o][c] += Σ_p w[o][p] · from[p][c] for O queries and C channels.
template <int O, int C>
static inline void line_sums(const float* w, int64_t w_step, const float* from, int64_t from_step, int count,
                             v8 (&sum)[O][C]) {
    for (int p = 0; p < count; ++p, w += LANES, from += from_step) {
        v8 weight[O];
#pragma GCC unroll 4
        for (int i = 0; i < O; ++i) weight[i] = load(w + i * w_step);
#pragma GCC unroll 4
        for (int j = 0; j < C; ++j) {
            const v8 value = load(from + j * LANES);
#pragma GCC unroll 4
            for (int i = 0; i < O; ++i) sum[i][j] += weight[i] * value;
        }
    }
}

// The same from a table [channel][offset], whose numbers all lines share.
template <int O, int C>
static inline void line_table_sums(const float* w, int64_t w_step, const float* table, int64_t table_step, int count,
                                   v8 (&sum)[O][C]) {
    for (int t = 0; t < count; ++t, w += LANES) {
        v8 weight[O];
#pragma GCC unroll 4
        for (int i = 0; i < O; ++i) weight[i] = load(w + i * w_step);
#pragma GCC unroll 4
        for (int j = 0; j < C; ++j) {
            const v8 position = all(table[j * table_step + t]);
#pragma GCC unroll 4
            for (int i = 0; i < O; ++i) sum[i][j] += weight[i] * position;
        }
    }
}

// to[p][c] += Σ_o w[o][p] · from[o][c] for O queries and C channels: what queries give to keys, or to the table.
template <int O, int C>
static inline void line_spread(const float* w, int64_t w_step, const float* from, int64_t from_step, float* to,
                               int64_t to_step, int count) {
    v8 given[O][C];
#pragma GCC unroll 4
    for (int i = 0; i < O; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < C; ++j) given[i][j] = load(from + i * from_step + j * LANES);
    for (int p = 0; p < count; ++p, w += LANES, to += to_step) {
        v8 weight[O];
#pragma GCC unroll 4
        for (int i = 0; i < O; ++i) weight[i] = load(w + i * w_step);
#pragma GCC unroll 4
        for (int j = 0; j < C; ++j) {
            v8 sum = load(to + j * LANES);
#pragma GCC unroll 4
            for (int i = 0; i < O; ++i) sum += weight[i] * given[i][j];
            store(to + j * LANES, sum);
        }
    }
}

}  // namespace trionet
